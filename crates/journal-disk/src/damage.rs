//! The ranges of the log that can't be read any more because a file is damaged.
//!
//! Damage is permanent, so a client that is asked to retry later would retry for ever. A reader
//! that meets damage is therefore told that entries are missing, as if they had been trimmed, and
//! goes on behind them. This module finds the damaged ranges, and logs each of them once. It must
//! never hide one: a page that skips a range raises its floor above it.

use super::codec;
use super::keys::{self, Kind, TopicId};
use super::log::{Log, View};
use super::merge::Merge;
use super::tables::Tables;
use tidings_journal::{Error, Position, TopicName};

/// What the table `order` still tells about the records in a damaged range.
#[derive(Default)]
pub(super) struct LostRecords {
    /// The number of records whose first topic is the damaged one, and their size.
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// Their other topics, each with the position of the last such record in it.
    pub(super) others: Vec<(TopicId, Position)>,
    /// The first topics of those records in the damaged range whose first topic is another one,
    /// each with the position of the last such record.
    pub(super) first_topics: Vec<(TopicId, Position)>,
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
                "the journal in {dir} is damaged: the events of this topic after position {after} \
                 up to position {end} can't be read ({why}). Readers of the topic are told so. \
                 Only a backup has these events; see \"A damaged journal\" in docs/operating.md"
            );
        }
        Ok(Some(end))
    }

    /// Searches for the end of the damage: the position after which `topic` can be read again.
    /// Makes only a few attempts, because the damage is one range in most cases.
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
            if next == until.get()
                || self.is_readable(view, topic, kind, Position::new(next), until)?
            {
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
            let mut merge =
                Merge::new(&self.tables, &view.snapshot, [(topic, kind, after)], until)?;
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

    /// Returns what the table `order` still tells about the records of `topic` in (`after`,
    /// `until`], as far as that table can be read.
    pub(super) fn lost_records(
        &self,
        topic: TopicId,
        after: Position,
        until: Position,
    ) -> LostRecords {
        let mut gone = LostRecords::default();
        let from = self
            .tables
            .order
            .range(..=keys::position(after))
            .next_back();
        let from = from
            .and_then(|guard| guard.into_inner().ok())
            .map(|(key, _)| key);
        for guard in self.tables.order.range(from.unwrap_or_default()..) {
            let Ok((key, value)) = guard.into_inner() else {
                break;
            };
            if Tables::is_noop(&key) {
                continue;
            }
            let (Some(mut position), Some(batch)) =
                (keys::parse_position(&key), codec::decode_batch(&value))
            else {
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
                        listed
                            .others
                            .into_iter()
                            .for_each(|other| note(&mut gone.others, other, position));
                    } else if listed.others.contains(&topic) {
                        note(&mut gone.first_topics, listed.topic, position);
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
