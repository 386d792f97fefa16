//! Copying a replica: what another one has to be given to become the same.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::Replica;
use super::ages::Ages;
use crate::{Entry, Position, TopicName};

impl Replica {
    /// Has entries age by the log time at which they were appended, which is told with
    /// [`Replica::appended_at`], and not by their timestamps. The given times are those of entries
    /// that follow.
    pub fn age_by_log_time(&mut self, times: impl IntoIterator<Item = (Position, i64)>) {
        self.ages = Some(Ages::new(times));
    }

    /// Tells that the entries from `first` on are appended at this time of the log.
    pub fn appended_at(&mut self, first: Position, log_ms: i64) {
        if let Some(ages) = &mut self.ages {
            ages.note(first, log_ms);
        }
    }

    /// Returns the times that [`Replica::age_by_log_time`] takes.
    pub fn append_times(&self) -> impl Iterator<Item = (Position, i64)> {
        self.ages.iter().flat_map(Ages::iter)
    }

    /// Returns the position of the oldest entry without a key.
    pub fn oldest_plain(&self) -> Option<Position> {
        self.order
            .first(|position| self.entries.contains_key(&position).then_some(position))
    }

    /// Returns the entries without a key at these positions.
    pub fn plain(&self, positions: RangeInclusive<Position>) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries
            .range(positions)
            .map(|(_, entry)| entry)
            .filter(|entry| !entry.record.is_keyed())
    }

    /// Returns the floor of a topic.
    pub fn floor_of(&self, topic: &TopicName) -> Position {
        self.topics.floor_of(topic)
    }

    /// Takes over the floors of another replica, see [`Replica::floors`]. The entries follow, and
    /// then [`Replica::settle`]. Nothing may have been added yet.
    pub fn restore(&mut self, forgotten: Position, floors: Vec<(TopicName, Position)>) {
        self.topics.restore(forgotten, floors, &self.retention);
    }

    /// Ends what [`Replica::restore`] has begun.
    pub fn settle(&mut self) {
        self.topics.settle();
    }

    /// Gives every entry after `position` the id that it has by the current epochs.
    pub fn relabel(&mut self, position: Position) {
        for (position, entry) in self.entries.range_mut(position.next()..) {
            let id = self.epochs.id_of(*position);
            *entry = Arc::new(Entry {
                id,
                record: entry.record.clone(),
            });
        }
    }
}
