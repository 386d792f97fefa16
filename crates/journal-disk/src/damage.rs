//! Places of the log that can't be read any more, because a file is damaged.
//!
//! Damage is lasting: whoever is told to come back later comes back for ever. So a reader that meets such a place is told that
//! something is gone, as if it had been trimmed, and goes on behind it. Owns what is known of these places, and says each of
//! them once in the log. Must never hide one: what is skipped raises the floor of the page that skips it.

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

/// A damaged place: the position before it, and its last one.
type Hole = (Position, Position);

/// The places that are known, by topic and kind.
#[derive(Default)]
pub(super) struct Holes(Mutex<HashMap<(TopicId, Kind), Vec<Hole>>>);

/// What the order of the log still tells of a place that can't be read.
#[derive(Default)]
pub(super) struct Gone {
    /// Records of which the topic is the first, and what they took.
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// Their other topics, each with the last position.
    pub(super) others: Vec<(TopicId, Position)>,
    /// The first topics of records that stand in it as guests, each with the last position.
    pub(super) hosts: Vec<(TopicId, Position)>,
}

/// How many places are kept in mind; with more, one is looked for again whenever it is met.
const MOST_HOLES: usize = 4_096;

impl Holes {
    /// How many places are known.
    pub(super) fn count(&self) -> usize {
        self.0.lock().values().map(Vec::len).sum()
    }

    /// The end of the place that a reader is in who stands behind `after`.
    fn end(&self, of: (TopicId, Kind), after: Position) -> Option<Position> {
        let holes = self.0.lock();
        let around = holes.get(&of)?.iter().filter(|(from, until)| *from <= after && after < *until);
        around.map(|(_, until)| *until).max()
    }

    /// Notes a place. Returns whether it is a new one.
    fn note(&self, of: (TopicId, Kind), after: Position, until: Position) -> bool {
        let mut all = self.0.lock();
        let count: usize = all.values().map(Vec::len).sum();
        let holes = all.entry(of).or_default();
        // Seen from further back, it is the same place.
        if let Some((from, _)) = holes.iter_mut().find(|(_, end)| *end == until) {
            *from = after.min(*from);
            return false;
        }
        if count < MOST_HOLES {
            holes.push((after, until));
        }
        true
    }

    /// Forgets the places of a topic that are trimmed by now.
    pub(super) fn forget(&self, topic: TopicId, floor: Position) {
        let mut all = self.0.lock();
        if let Some(holes) = all.get_mut(&(topic, Kind::Plain)) {
            holes.retain(|(_, until)| *until > floor);
        }
    }
}

impl Log {
    /// The end of what can't be read of a topic directly behind `after`, at most `until`; `None` if it can be read. `why` is
    /// what the reader met.
    pub(super) fn hole_end(
        &self,
        view: &View,
        (name, topic, kind): (&TopicName, TopicId, Kind),
        after: Position,
        until: Position,
        why: &str,
    ) -> Result<Option<Position>, Error> {
        if let Some(known) = self.holes.end((topic, kind), after) {
            return Ok(Some(known.min(until)));
        }
        if after >= until || self.is_readable(view, topic, kind, after, until)? {
            return Ok(None);
        }
        let end = self.search(view, topic, kind, after, until)?;
        if self.holes.note((topic, kind), after, end) {
            let dir = self.home.dir().display();
            tracing::error!(
                topic = %name,
                "the journal in {dir} is damaged: of this topic, what is kept after position {after} up to position {end} can't \
                 be read ({why}). Its readers are told so. Only a backup has these events; see \"A damaged journal\" in \
                 docs/operating.md"
            );
        }
        Ok(Some(end))
    }

    /// The first position from which on `topic` can be read again, as far as a few looks tell: what can't be read is in most
    /// cases one place.
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

    /// Whether what comes next of `topic` after a position can be read.
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

    /// What the order of the log tells of the records of `topic` after `after` up to `until`, as far as it can be read.
    pub(super) fn gone(&self, topic: TopicId, after: Position, until: Position) -> Gone {
        let mut gone = Gone::default();
        let from = self.tables.order.range(..=keys::position(after)).next_back();
        let from = from.and_then(|guard| guard.into_inner().ok()).map(|(key, _)| key);
        for guard in self.tables.order.range(from.unwrap_or_default()..) {
            let Ok((key, value)) = guard.into_inner() else {
                break;
            };
            if Tables::is_beat(&key) {
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

/// What a reader is told. What the files say will be the same at the next try; what the system says may not.
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

/// A file that is gone or too short stays so, and so does a sector that the device gives up on.
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
        let holes = Holes::default();
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
