//! The ranges of the log that can't be read any more because a file is damaged.
//!
//! Damage is permanent. A client that is told to come back later would come back for ever. So a
//! reader that meets damage is told that entries are missing, as if they had been trimmed, and goes
//! on behind them. This module keeps track of the damaged ranges, and logs each of them once. It
//! must never hide one: a page that skips a range raises its floor above it.

use std::collections::HashMap;
use std::io::ErrorKind;

use fjall::LsmError;
use parking_lot::Mutex;

use super::codec;
use super::error::describe;
use super::keys::{self, Kind, TopicId};
use super::log::{Log, View};
use super::reader::Merge;
use super::tables::Tables;
use tidings_journal::{Error, Position, TopicName};

/// A damaged range: the position before it, and its last position.
type DamagedRange = (Position, Position);

/// The known damaged ranges, by topic and kind.
#[derive(Default)]
pub(super) struct DamagedRanges(Mutex<HashMap<(TopicId, Kind), Vec<DamagedRange>>>);

/// What the table `order` still tells of the records in a damaged range.
#[derive(Default)]
pub(super) struct LostRecords {
    /// The number of records whose first topic is the damaged one, and their size.
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// Their other topics, each with the last position.
    pub(super) others: Vec<(TopicId, Position)>,
    /// The first topics of the records that the damaged topic shows of others, each with the last
    /// position.
    pub(super) hosts: Vec<(TopicId, Position)>,
}

/// The most ranges that are remembered. Further ones are searched for again whenever a reader meets
/// them.
const MAX_DAMAGED_RANGES: usize = 4_096;

impl DamagedRanges {
    /// Returns the number of known ranges.
    pub(super) fn count(&self) -> usize {
        self.0.lock().values().map(Vec::len).sum()
    }

    /// Returns the end of the known range that `after` is in.
    fn end(&self, of: (TopicId, Kind), after: Position) -> Option<Position> {
        let holes = self.0.lock();
        let around = holes.get(&of)?.iter().filter(|(from, until)| *from <= after && after < *until);
        around.map(|(_, until)| *until).max()
    }

    /// Adds a range. Returns whether it is new.
    fn note(&self, of: (TopicId, Kind), after: Position, until: Position) -> bool {
        let mut all = self.0.lock();
        let count: usize = all.values().map(Vec::len).sum();
        let holes = all.entry(of).or_default();
        // A range with the same end is the same one, seen from further back.
        if let Some((from, _)) = holes.iter_mut().find(|(_, end)| *end == until) {
            *from = after.min(*from);
            return false;
        }
        if count < MAX_DAMAGED_RANGES {
            holes.push((after, until));
        }
        true
    }

    /// Forgets the ranges of a topic that were trimmed.
    pub(super) fn forget(&self, topic: TopicId, floor: Position) {
        let mut all = self.0.lock();
        if let Some(holes) = all.get_mut(&(topic, Kind::Plain)) {
            holes.retain(|(_, until)| *until > floor);
        }
    }
}

impl Log {
    /// Returns the end of the damage in a topic directly behind `after`, at most `until`. `None` if
    /// there is none. `why` is the error that the reader got.
    pub(super) fn damage_end(
        &self,
        view: &View,
        (name, topic, kind): (&TopicName, TopicId, Kind),
        after: Position,
        until: Position,
        why: &str,
    ) -> Result<Option<Position>, Error> {
        if let Some(known) = self.damaged_ranges.end((topic, kind), after) {
            return Ok(Some(known.min(until)));
        }
        if after >= until || self.is_readable(view, topic, kind, after, until)? {
            return Ok(None);
        }
        let end = self.search(view, topic, kind, after, until)?;
        if self.damaged_ranges.note((topic, kind), after, end) {
            let dir = self.directory.path().display();
            tracing::error!(
                topic = %name,
                "the journal in {dir} is damaged: the events of this topic after position {after} up to position {end} can't be \
                 read ({why}). Readers of the topic are told so. Only a backup has these events; see \"A damaged journal\" in \
                 docs/operating.md"
            );
        }
        Ok(Some(end))
    }

    /// Returns the first position from which on `topic` can be read again. It makes only a few
    /// attempts, because the damage is one range in most cases.
    fn search(
        &self,
        view: &View,
        topic: TopicId,
        kind: Kind,
        after: Position,
        until: Position,
    ) -> Result<Position, Error> {
        let (mut bad, mut step) = (after.get(), 1_u64);
        let mut good = loop {
            let next = bad.saturating_add(step).min(until.get());
            if next == until.get() || self.is_readable(view, topic, kind, Position::new(next), until)? {
                break next;
            }
            (bad, step) = (next, step.saturating_mul(2));
        };
        while good - bad > 1 {
            let middle = bad + (good - bad) / 2;
            if self.is_readable(view, topic, kind, Position::new(middle), until)? {
                good = middle;
            } else {
                bad = middle;
            }
        }
        Ok(Position::new(good))
    }

    /// Returns whether the next record of `topic` after a position can be read.
    fn is_readable(
        &self,
        view: &View,
        topic: TopicId,
        kind: Kind,
        after: Position,
        until: Position,
    ) -> Result<bool, Error> {
        let read = || {
            let mut merge = Merge::new(&self.tables, &view.snapshot, [(topic, kind, after)], until)?;
            if let Some(position) = merge.peek()? {
                merge.take(position)?;
            }
            Ok(())
        };
        match read() {
            Ok(()) => Ok(true),
            Err(Error::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns what the table `order` tells of the records of `topic` after `after` up to `until`,
    /// as far as it can be read.
    pub(super) fn lost_records(&self, topic: TopicId, after: Position, until: Position) -> LostRecords {
        let mut gone = LostRecords::default();
        let from = self.tables.order.range(..=keys::position(after)).next_back();
        let from = from.and_then(|guard| guard.into_inner().ok()).map(|(key, _)| key);
        for guard in self.tables.order.range(from.unwrap_or_default()..) {
            let Ok((key, value)) = guard.into_inner() else {
                break;
            };
            if Tables::is_noop(&key) {
                continue;
            }
            let (Some(mut position), Some(batch)) = (keys::parse_position(&key), codec::decode_batch(&value)) else {
                continue;
            };
            if position > until {
                break;
            }
            for listed in batch {
                if position > after && position <= until && !listed.keyed {
                    if listed.topic == topic {
                        gone.events += 1;
                        gone.bytes += listed.bytes;
                        listed.others.into_iter().for_each(|other| note(&mut gone.others, other, position));
                    } else if listed.others.contains(&topic) {
                        note(&mut gone.hosts, listed.topic, position);
                    }
                }
                position = position.next();
            }
        }
        gone
    }
}

fn note(topics: &mut Vec<(TopicId, Position)>, topic: TopicId, position: Position) {
    match topics.iter_mut().find(|(id, _)| *id == topic) {
        Some((_, last)) => *last = position,
        None => topics.push((topic, position)),
    }
}

/// Converts an engine's error for a reader. What is wrong with the files will be wrong at the next
/// attempt too; what the operating system reports may not be.
pub(super) fn unreadable(error: impl std::borrow::Borrow<fjall::Error>) -> Error {
    let error = error.borrow();
    let is_lasting = match error {
        fjall::Error::Io(error) | fjall::Error::Storage(LsmError::Io(error)) => is_lasting(error),
        fjall::Error::Storage(_) => true,
        _ => false,
    };
    let why = describe(error);
    if is_lasting { Error::Damaged(why) } else { Error::Unreadable(why) }
}

/// Returns whether an error is permanent. A file that is missing or too short stays so, and so does
/// a sector that the device can't read.
fn is_lasting(error: &std::io::Error) -> bool {
    const EIO: i32 = 5;
    let kinds = [ErrorKind::UnexpectedEof, ErrorKind::InvalidData, ErrorKind::InvalidInput, ErrorKind::NotFound];
    kinds.contains(&error.kind()) || cfg!(unix) && error.raw_os_error() == Some(EIO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_files_say_lasts_and_what_the_system_says_may_pass() {
        let io = |kind: ErrorKind| unreadable(fjall::Error::Storage(LsmError::Io(kind.into())));
        assert!(matches!(io(ErrorKind::UnexpectedEof), Error::Damaged(_)));
        assert!(matches!(io(ErrorKind::OutOfMemory), Error::Unreadable(_)));
        assert!(matches!(unreadable(fjall::Error::Storage(LsmError::InvalidTrailer)), Error::Damaged(_)));
        let open_files = std::io::Error::from_raw_os_error(24);
        assert!(matches!(unreadable(fjall::Error::Io(open_files)), Error::Unreadable(_)));
    }

    #[test]
    fn a_place_is_one_place_from_wherever_it_is_seen() {
        let holes = DamagedRanges::default();
        let of = (7, Kind::Plain);
        let at = Position::new;
        assert!(holes.note(of, at(10), at(20)));
        assert!(!holes.note(of, at(5), at(20)));
        assert!(holes.note(of, at(30), at(31)));
        assert_eq!(
            [4, 5, 19, 20, 30].map(|after| holes.end(of, at(after))),
            [None, Some(at(20)), Some(at(20)), None, Some(at(31))]
        );
        holes.forget(7, at(25));
        assert_eq!((holes.count(), holes.end(of, at(5))), (1, None));
    }
}
