//! What is known of each topic, in memory: its floor, and how much it holds. One small entry per topic, none per record.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::codec::TopicRow;
use super::keys::{Kind, TopicId};
use super::options::Retention;
use super::trim::Bounds;
use crate::{Holding, Position, Selector, TopicName};

/// All topics that hold something, and those that are remembered for their floor.
#[derive(Default)]
pub(super) struct Topics {
    by_name: HashMap<TopicName, Topic>,
    /// The same names, in order.
    names: BTreeSet<TopicName>,
    /// The newest position of each key.
    keys: HashMap<(TopicId, Arc<str>), Position>,
    /// The records with a key, oldest first.
    keyed: BTreeMap<Position, Keyed>,
    /// The floor of every topic that is not in `by_name`.
    pub(super) forgotten: Position,
    /// The id of the next topic. 0 is none.
    pub(super) next_id: TopicId,
    /// The topics whose row is not up to date.
    dirty: Vec<TopicName>,
    /// The topics that hold more than their rule allows.
    over: Vec<TopicName>,
    /// What all hold together.
    events: u64,
    bytes: u64,
}

/// One topic.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) row: TopicRow,
    /// The rule that governs it.
    pub(super) rule: Option<usize>,
    /// How many records with a key stand in it.
    pub(super) keyed: usize,
    /// When its oldest record without a key was published, if that is known, in milliseconds since 1970.
    pub(super) oldest_ms: Option<i64>,
    /// Up to here there are only guests in it: records without a key of which another topic is the first.
    pub(super) own_after: Position,
    /// Whether it is in `dirty`, and in `over`.
    dirty: bool,
    over: bool,
}

/// A record with a key.
#[derive(Clone, Debug)]
pub(super) struct Keyed {
    pub(super) topics: Vec<TopicName>,
    pub(super) key: Arc<str>,
    /// What it takes in its first topic.
    pub(super) bytes: u64,
}

impl Topics {
    /// None yet. Ids from `next_id` on are free; the floor of what has no row is `forgotten`.
    pub(super) fn new(next_id: TopicId, forgotten: Position) -> Self {
        Self { next_id: next_id.max(1), forgotten, ..Self::default() }
    }

    /// Puts back a topic that was written down.
    pub(super) fn load(&mut self, name: TopicName, row: TopicRow, retention: &Retention) {
        self.next_id = self.next_id.max(row.id + 1);
        let rule = retention.rule_of(&name);
        self.events += row.events;
        self.bytes += row.bytes;
        let own_after = Position::START;
        let mut topic = Topic { row, rule, keyed: 0, oldest_ms: None, own_after, dirty: false, over: false };
        // A rule may have been lowered since it was written down.
        if Bounds::of(retention, &topic, i64::MIN).is_exceeded(&topic) {
            topic.over = true;
            self.over.push(name.clone());
        }
        self.names.insert(name.clone());
        self.by_name.insert(name, topic);
    }

    pub(super) fn get(&self, name: &TopicName) -> Option<&Topic> {
        self.by_name.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &TopicName) -> Option<&mut Topic> {
        self.by_name.get_mut(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TopicName, &Topic)> {
        self.by_name.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Lists what stands at `position` in the topic with this name. Returns its id, and whether it is new.
    pub(super) fn list(
        &mut self,
        name: &TopicName,
        kind: Kind,
        position: Position,
        retention: &Retention,
    ) -> (TopicId, bool) {
        let new = !self.by_name.contains_key(name);
        if new {
            let row = TopicRow { id: self.next_id, floor: self.forgotten, ..TopicRow::default() };
            self.load(name.clone(), row, retention);
        }
        let Some(topic) = self.by_name.get_mut(name) else {
            return (0, false); // never: it is there by now
        };
        topic.row.note(kind, position);
        if !std::mem::replace(&mut topic.dirty, true) {
            self.dirty.push(name.clone());
        }
        (topic.row.id, new)
    }

    /// Counts a record without a key in its first topic.
    pub(super) fn count(&mut self, name: &TopicName, bytes: u64, at_ms: Option<i64>, retention: &Retention) {
        let Some(topic) = self.by_name.get_mut(name) else {
            return;
        };
        if topic.row.events == 0 {
            topic.oldest_ms = at_ms;
        }
        topic.row.events += 1;
        topic.row.bytes += bytes;
        self.events += 1;
        self.bytes += bytes;
        if Bounds::of(retention, topic, i64::MIN).is_exceeded(topic) {
            self.note_over(name);
        }
    }

    /// Notes that `name` holds more than its rule allows.
    pub(super) fn note_over(&mut self, name: &TopicName) {
        if let Some(topic) = self.by_name.get_mut(name)
            && !std::mem::replace(&mut topic.over, true)
        {
            self.over.push(name.clone());
        }
    }

    /// Takes what was trimmed out of the counts.
    pub(super) fn discount(&mut self, name: &TopicName, events: u64, bytes: u64, oldest_ms: Option<i64>) {
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

    /// Takes the names of the topics that hold more than their rule allows.
    pub(super) fn take_over(&mut self) -> Vec<TopicName> {
        for name in &self.over {
            if let Some(topic) = self.by_name.get_mut(name) {
                topic.over = false;
            }
        }
        std::mem::take(&mut self.over)
    }

    /// When the oldest record without a key was published, in milliseconds since 1970. `None` if there is none, or if that of
    /// some topic is not known.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        let mut holding = self.by_name.values().filter(|topic| topic.row.events > 0);
        let first = holding.next()?.oldest_ms?;
        holding.try_fold(first, |oldest, topic| Some(oldest.min(topic.oldest_ms?)))
    }

    /// How old records are is computed in another way from now on.
    pub(super) fn forget_ages(&mut self) {
        self.by_name.values_mut().for_each(|topic| topic.oldest_ms = None);
    }

    /// How many records without a key there are in all topics, and what they take.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.events, self.bytes)
    }

    /// Notes that the row of `name` is not up to date.
    pub(super) fn touch(&mut self, name: &TopicName) {
        if let Some(topic) = self.by_name.get_mut(name)
            && !std::mem::replace(&mut topic.dirty, true)
        {
            self.dirty.push(name.clone());
        }
    }

    /// Takes the names of all topics whose row is not up to date.
    pub(super) fn take_dirty(&mut self) -> Vec<TopicName> {
        std::mem::take(&mut self.dirty)
    }

    /// The row of `name` as it is to be written, with counts up to `counted`.
    pub(super) fn write_row(&mut self, name: &TopicName, counted: Position) -> Option<TopicRow> {
        let topic = self.by_name.get_mut(name)?;
        topic.dirty = false;
        topic.row.counted = counted;
        Some(topic.row)
    }

    /// Lists a record with a key. Returns what it takes the place of.
    pub(super) fn add_keyed(&mut self, position: Position, keyed: Keyed) -> Option<(Position, Keyed)> {
        let id = self.by_name.get(keyed.topics.first()?)?.row.id;
        for name in &keyed.topics {
            if let Some(topic) = self.by_name.get_mut(name) {
                topic.keyed += 1;
            }
        }
        let earlier = self.keys.insert((id, keyed.key.clone()), position);
        self.keyed.insert(position, keyed);
        let earlier = earlier?;
        Some((earlier, self.unlist_keyed(earlier)?))
    }

    /// Takes the oldest record with a key, if there are more than `most`.
    pub(super) fn take_oldest_keyed(&mut self, most: usize) -> Option<(Position, Keyed)> {
        if self.keyed.len() <= most {
            return None;
        }
        let (&position, _) = self.keyed.first_key_value()?;
        Some((position, self.take_keyed(position)?))
    }

    /// Takes a record with a key, which counts as trimmed from its topics.
    pub(super) fn take_keyed(&mut self, position: Position) -> Option<Keyed> {
        let keyed = self.unlist_keyed(position)?;
        let id = self.by_name.get(keyed.topics.first()?)?.row.id;
        self.keys.remove(&(id, keyed.key.clone()));
        for name in &keyed.topics {
            if let Some(topic) = self.by_name.get_mut(name) {
                topic.row.keyed_floor = topic.row.keyed_floor.max(position);
            }
        }
        Some(keyed)
    }

    /// Notes that a record with a key can't be read any more.
    pub(super) fn lose_keyed(&mut self, name: &TopicName, position: Position) {
        if let Some(topic) = self.by_name.get_mut(name) {
            topic.row.keyed_floor = topic.row.keyed_floor.max(position);
        }
    }

    fn unlist_keyed(&mut self, position: Position) -> Option<Keyed> {
        let keyed = self.keyed.remove(&position)?;
        for name in &keyed.topics {
            if let Some(topic) = self.by_name.get_mut(name) {
                topic.keyed -= 1;
            }
        }
        Some(keyed)
    }

    /// The records with a key, oldest first.
    pub(super) fn keyed(&self) -> impl Iterator<Item = (Position, &Keyed)> {
        self.keyed.iter().map(|(&position, keyed)| (position, keyed))
    }

    /// See [`Journal::topics`](crate::Journal::topics).
    pub(super) fn holding(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        let from = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix),
        };
        let named = self.names.range::<str, _>((from, Bound::Unbounded));
        let named = named.take_while(|name| name.as_str().starts_with(prefix)).take(most);
        let listed: Vec<_> = named.filter_map(|name| self.by_name.get_key_value(name)).collect();
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
            Holding { topic: name.clone(), events: topic.row.events + events, bytes: topic.row.bytes + bytes }
        };
        listed.into_iter().map(holding).collect()
    }

    pub(super) fn floor(&self, selector: &Selector) -> Position {
        let floor = |name| self.by_name.get(name).map_or(self.forgotten, |topic| topic.row.lost());
        selector.as_slice().iter().map(floor).max().unwrap_or_default()
    }

    /// The names of topics that hold nothing, if there are more than `most` of them: those whose floor is lowest, so many
    /// that half of `most` remain. With them, the floor that all of them share from then on.
    pub(super) fn vanished(&self, most: usize) -> Option<(Vec<TopicName>, Position)> {
        let mut vanished: Vec<_> = self.by_name.iter().filter(|(_, topic)| topic.is_vanished()).collect();
        if vanished.len() <= most {
            return None;
        }
        let surplus = vanished.len() - most / 2;
        vanished.select_nth_unstable_by_key(surplus - 1, |(_, topic)| topic.row.lost());
        vanished.truncate(surplus);
        let floor = vanished.iter().map(|(_, topic)| topic.row.lost()).max()?;
        Some((vanished.into_iter().map(|(name, _)| name.clone()).collect(), floor))
    }

    /// Forgets `name`, if it still holds nothing. Returns its id.
    pub(super) fn forget(&mut self, name: &TopicName) -> Option<TopicId> {
        self.by_name.get(name).filter(|topic| topic.is_vanished())?;
        self.names.remove(name);
        self.by_name.remove(name).map(|topic| topic.row.id)
    }
}

impl Topic {
    /// Whether it holds nothing.
    pub(super) fn is_vanished(&self) -> bool {
        self.row.last_plain <= self.row.floor && self.keyed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TopicName {
        TopicName::parse(text).unwrap()
    }

    #[test]
    fn vanished_topics_are_folded_lowest_floor_first_and_no_floor_sinks() {
        let mut topics = Topics::new(0, Position::START);
        for number in 1..=10 {
            let name = name(&format!("t/{number}"));
            topics.list(&name, Kind::Plain, Position::new(number), &Retention::default());
            topics.get_mut(&name).unwrap().row.floor = Position::new(number);
        }
        assert!(topics.vanished(10).is_none());
        let (gone, floor) = topics.vanished(8).unwrap();
        assert_eq!((gone.len(), floor), (6, Position::new(6)));
        for name in &gone {
            topics.forget(name).unwrap();
        }
        topics.forgotten = floor;
        for number in 1..=10 {
            let selector = Selector::topics([name(&format!("t/{number}"))]);
            assert!(topics.floor(&selector) >= Position::new(number));
        }
        let again = topics.list(&name("t/1"), Kind::Plain, Position::new(11), &Retention::default());
        assert_eq!(again, (11, true), "an id is never used again");
    }
}
