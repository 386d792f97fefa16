//! The state of each topic, in memory: its floor, and how much it holds. Each topic has one small
//! entry, and records have none.

mod eviction;
mod keyed;
mod limits;
mod other_topics;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

pub(super) use self::keyed::KeyedRecord;
pub(super) use self::limits::TopicLimits;
pub(super) use self::other_topics::OtherTopics;
use super::codec::TopicRow;
use super::keys::{Kind, TopicId};
use super::options::Retention;
use tidings_journal::{Bounds, Holding, PoolCounts, Position, Selector, TopicName};

/// All topics that hold records, and those that are remembered for their floor.
#[derive(Default)]
pub(super) struct Topics {
    /// The topics are boxed, because half of a table's slots are empty after topics came and went
    /// for a while.
    by_name: HashMap<TopicName, Box<Topic>>,
    /// The names in order.
    names: BTreeSet<TopicName>,
    /// The position of the live record of each key.
    keys: HashMap<(TopicId, Arc<str>), Position>,
    /// The live records with a key, oldest first.
    keyed: BTreeMap<Position, KeyedRecord>,
    /// The number of live records with a key in each pool.
    pub(super) pools: PoolCounts,
    /// The most that each pool may have.
    bounds: Bounds,
    /// The floor of every topic that is not in `by_name`.
    pub(super) forgotten: Position,
    /// The id of the next topic. No topic has the id 0.
    pub(super) next_id: TopicId,
    /// The number of topics that hold records.
    held: usize,
    /// The topics that may have to be trimmed whole, the one whose newest record is oldest first.
    /// Each stands at the position that its newest record had when it was last examined; that it
    /// has a newer one is noticed when its turn comes, so an append costs nothing here. A topic in
    /// which a record with a key stands is left out at its turn, and listed again when the last of
    /// these records is gone.
    ages: BinaryHeap<Reverse<(Position, TopicName)>>,
    /// The topics whose stored row is out of date.
    dirty: Vec<TopicName>,
    /// The topics that hold more than their rule allows.
    exceeding: Vec<TopicName>,
    /// The number of records without a key in all topics, and their size.
    events: u64,
    bytes: u64,
}

/// The state of one topic.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) row: TopicRow,
    /// The index of the rule that governs the topic.
    pub(super) rule: Option<usize>,
    /// The number of live records with a key that stand in it.
    pub(super) keyed: usize,
    /// When its oldest record without a key was published, in milliseconds since 1970, if that is
    /// known.
    pub(super) oldest_ms: Option<i64>,
    /// No record at or below this position is counted. Records without a key there were published
    /// to another topic, or were taken out of the counts.
    pub(super) own_after: Position,
    /// The other topics that show what was published to this one.
    pub(super) other_topics: OtherTopics,
    /// Whether the topic is listed in `dirty`, and in `exceeding`.
    is_dirty: bool,
    is_exceeding: bool,
}

impl Topics {
    /// Creates an empty set of topics. Ids from `next_id` on are free, and `forgotten` is the floor
    /// of every topic without a row.
    pub(super) fn new(next_id: TopicId, forgotten: Position, bounds: Bounds) -> Self {
        Self {
            next_id: next_id.max(1),
            forgotten,
            bounds,
            ..Self::default()
        }
    }

    /// Adds a topic that was read from the directory.
    pub(super) fn load(&mut self, name: &TopicName, row: TopicRow, retention: &Retention) {
        self.next_id = self.next_id.max(row.id + 1);
        let rule = retention.rule_of(name);
        self.events += row.events;
        self.bytes += row.bytes;
        let own_after = row.floor;
        let (other_topics, is_dirty, is_exceeding) = (OtherTopics::Unknown, false, false);
        let mut topic = Topic {
            row,
            rule,
            keyed: 0,
            oldest_ms: None,
            own_after,
            other_topics,
            is_dirty,
            is_exceeding,
        };
        // The rule may have been lowered since the row was written.
        if TopicLimits::of(retention, &topic, i64::MIN).is_exceeded(&topic) {
            topic.is_exceeding = true;
            self.exceeding.push(name.clone());
        }
        self.names.insert(name.clone());
        let is_held = !topic.is_empty();
        self.by_name.insert(name.clone(), Box::new(topic));
        if is_held {
            self.note_held(name);
        }
    }

    /// Changes a topic, and keeps count of the topics that hold records.
    fn change(&mut self, name: &TopicName, change: impl FnOnce(&mut Topic)) {
        let Some(topic) = self.by_name.get_mut(name) else {
            return;
        };
        let before = topic.is_empty();
        change(topic);
        match (before, topic.is_empty()) {
            (true, false) => self.note_held(name),
            (false, true) => self.held -= 1,
            _ => {}
        }
    }

    /// Records that a record stands at `position` of a topic.
    pub(super) fn note(&mut self, name: &TopicName, kind: Kind, position: Position) {
        self.change(name, |topic| topic.row.note(kind, position));
    }

    /// Raises the floor of a topic to at least `floor`. Returns its id and its floor.
    pub(super) fn raise(
        &mut self,
        name: &TopicName,
        floor: Position,
    ) -> Option<(TopicId, Position)> {
        self.change(name, |topic| topic.row.floor = topic.row.floor.max(floor));
        self.by_name
            .get(name)
            .map(|topic| (topic.row.id, topic.row.floor))
    }

    /// Releases memory that is left from many topics.
    pub(super) fn shrink(&mut self) {
        if self.by_name.capacity() > 4 * self.by_name.len() + 1_024 {
            self.by_name.shrink_to_fit();
            self.ages.shrink_to_fit();
        }
        self.dirty.shrink_to(self.dirty.len().max(1_024));
    }

    pub(super) fn get(&self, name: &TopicName) -> Option<&Topic> {
        self.by_name.get(name).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, name: &TopicName) -> Option<&mut Topic> {
        self.by_name.get_mut(name).map(Box::as_mut)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TopicName, &Topic)> {
        self.by_name
            .iter()
            .map(|(name, topic)| (name, topic.as_ref()))
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Adds a record at `position` to the topic with this name. Returns the topic's id, and whether
    /// the topic is new.
    pub(super) fn insert(
        &mut self,
        name: &TopicName,
        kind: Kind,
        position: Position,
        retention: &Retention,
    ) -> (TopicId, bool) {
        let new = !self.by_name.contains_key(name);
        if new {
            let row = TopicRow {
                id: self.next_id,
                floor: self.forgotten,
                ..TopicRow::default()
            };
            self.load(name, row, retention);
        }
        let Some(topic) = self.by_name.get_mut(name) else {
            return (0, false); // unreachable: the topic was loaded
        };
        if new {
            topic.other_topics = OtherTopics::None;
        }
        let is_held = !topic.is_empty();
        topic.row.note(kind, position);
        let id = topic.row.id;
        if !std::mem::replace(&mut topic.is_dirty, true) {
            self.dirty.push(name.clone());
        }
        if !is_held && kind == Kind::Plain {
            self.note_held(name); // a record with a key is recorded by `add_keyed`
        }
        (id, new)
    }

    /// Records that a record of `name` stands in `others` too.
    pub(super) fn note_other_topics(&mut self, name: &TopicName, others: &[TopicName]) {
        if let Some(topic) = self.by_name.get_mut(name) {
            topic.other_topics.add(others);
        }
    }

    /// Counts a record without a key in its first topic.
    pub(super) fn count(
        &mut self,
        name: &TopicName,
        bytes: u64,
        at_ms: Option<i64>,
        retention: &Retention,
    ) {
        let Some(topic) = self.by_name.get_mut(name) else {
            return;
        };
        if topic.row.events == 0 {
            topic.oldest_ms = at_ms;
            topic.own_after = topic.own_after.max(topic.row.floor);
        }
        topic.row.events += 1;
        topic.row.bytes += bytes;
        self.events += 1;
        self.bytes += bytes;
        if TopicLimits::of(retention, topic, i64::MIN).is_exceeded(topic) {
            self.note_exceeding(name);
        }
    }

    /// Records that `name` holds more than its rule allows.
    pub(super) fn note_exceeding(&mut self, name: &TopicName) {
        if let Some(topic) = self.by_name.get_mut(name)
            && !std::mem::replace(&mut topic.is_exceeding, true)
        {
            self.exceeding.push(name.clone());
        }
    }

    /// Takes trimmed records out of the counts.
    pub(super) fn subtract(
        &mut self,
        name: &TopicName,
        events: u64,
        bytes: u64,
        oldest_ms: Option<i64>,
    ) {
        let Some(topic) = self.by_name.get_mut(name) else {
            return;
        };
        let (events, bytes) = (events.min(topic.row.events), bytes.min(topic.row.bytes));
        topic.row.events -= events;
        topic.row.bytes -= bytes;
        topic.oldest_ms = oldest_ms;
        self.events -= events;
        self.bytes -= bytes;
    }

    /// Takes records out of the counts that were published to `name` and are about to be hidden, up
    /// to `until`. The age of the oldest record that is left is determined when the topic is next
    /// examined.
    pub(super) fn subtract_hidden(
        &mut self,
        name: &TopicName,
        events: u64,
        bytes: u64,
        until: Position,
    ) {
        if let Some(topic) = self.by_name.get_mut(name) {
            topic.own_after = topic.own_after.max(until);
            let oldest_ms = topic.oldest_ms;
            self.subtract(name, events, bytes, oldest_ms);
        }
    }

    /// Takes the names of the topics that hold more than their rule allows.
    pub(super) fn take_exceeding(&mut self) -> Vec<TopicName> {
        for name in &self.exceeding {
            if let Some(topic) = self.by_name.get_mut(name) {
                topic.is_exceeding = false;
            }
        }
        std::mem::take(&mut self.exceeding)
    }

    /// Returns when the oldest record without a key was published, in milliseconds since 1970.
    /// `None` if there is none, or if it is not known for some topic.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        let mut holding = self.by_name.values().filter(|topic| topic.row.events > 0);
        let first = holding.next()?.oldest_ms?;
        holding.try_fold(first, |oldest, topic| Some(oldest.min(topic.oldest_ms?)))
    }

    /// Forgets how old records are, because their age is computed in another way from now on.
    pub(super) fn forget_ages(&mut self) {
        self.by_name
            .values_mut()
            .for_each(|topic| topic.oldest_ms = None);
    }

    /// Returns the number of records without a key in all topics, and their size.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.events, self.bytes)
    }

    /// Records that the stored row of `name` is out of date.
    pub(super) fn mark_dirty(&mut self, name: &TopicName) {
        if let Some(topic) = self.by_name.get_mut(name)
            && !std::mem::replace(&mut topic.is_dirty, true)
        {
            self.dirty.push(name.clone());
        }
    }

    /// Takes the names of all topics whose stored row is out of date.
    pub(super) fn take_dirty(&mut self) -> Vec<TopicName> {
        std::mem::take(&mut self.dirty)
    }

    /// Returns the row of `name` to be written, with counts up to `counted`.
    pub(super) fn write_row(&mut self, name: &TopicName, counted: Position) -> Option<TopicRow> {
        let topic = self.by_name.get_mut(name)?;
        topic.is_dirty = false;
        topic.row.counted = counted;
        Some(topic.row)
    }

    /// Lists topics, see [`Journal::topics`](tidings_journal::Journal::topics).
    pub(super) fn holdings(
        &self,
        prefix: &str,
        after: Option<&TopicName>,
        most: usize,
    ) -> Vec<Holding> {
        let from = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix),
        };
        let named = self.names.range::<str, _>((from, Bound::Unbounded));
        let named = named
            .take_while(|name| name.as_str().starts_with(prefix))
            .take(most);
        let listed: Vec<_> = named
            .filter_map(|name| {
                self.by_name
                    .get_key_value(name)
                    .map(|(name, topic)| (name, topic.as_ref()))
            })
            .collect();
        let mut keyed: HashMap<&TopicName, (u64, u64)> = HashMap::new();
        if listed.iter().any(|(_, topic)| topic.keyed > 0) {
            for one in self.keyed.values() {
                if let Some(name) = one.topics.first() {
                    let sums = keyed.entry(name).or_default();
                    *sums = (sums.0 + 1, sums.1 + one.bytes);
                }
            }
        }
        let holding = |(name, topic): (&TopicName, &Topic)| {
            let (events, bytes) = keyed.get(name).copied().unwrap_or_default();
            Holding {
                topic: name.clone(),
                events: topic.row.events + events,
                bytes: topic.row.bytes + bytes,
            }
        };
        listed.into_iter().map(holding).collect()
    }

    pub(super) fn floor(&self, selector: &Selector) -> Position {
        let floor = |name| {
            self.by_name
                .get(name)
                .map_or(self.forgotten, |topic| topic.row.highest_trimmed())
        };
        selector
            .as_slice()
            .iter()
            .map(floor)
            .max()
            .unwrap_or_default()
    }

    /// If more than `most` topics hold nothing, returns those with the lowest floors, so that half
    /// of `most` remain, and the floor that the returned ones will share.
    pub(super) fn surplus_empty(&self, most: usize) -> Option<(Vec<TopicName>, Position)> {
        let mut empty: Vec<_> = self
            .by_name
            .iter()
            .filter(|(_, topic)| topic.is_empty())
            .collect();
        if empty.len() <= most {
            return None;
        }
        let surplus = empty.len() - most / 2;
        empty.select_nth_unstable_by_key(surplus - 1, |(_, topic)| topic.row.highest_trimmed());
        empty.truncate(surplus);
        let floor = empty
            .iter()
            .map(|(_, topic)| topic.row.highest_trimmed())
            .max()?;
        Some((
            empty.into_iter().map(|(name, _)| name.clone()).collect(),
            floor,
        ))
    }

    /// Forgets `name` if it still holds nothing. Returns its id.
    pub(super) fn forget(&mut self, name: &TopicName) -> Option<TopicId> {
        self.by_name.get(name).filter(|topic| topic.is_empty())?;
        self.names.remove(name);
        self.by_name.remove(name).map(|topic| topic.row.id)
    }
}

impl Topic {
    /// Returns whether records that were published to the topic may be hidden by its floor and
    /// still be counted.
    pub(super) fn counts_hidden_records(&self) -> bool {
        self.row.events > 0 && self.own_after < self.row.floor
    }

    /// Returns whether the topic holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.row.last_plain <= self.row.floor && self.keyed == 0
    }
}
