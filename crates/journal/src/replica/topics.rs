//! All topics of a replica: the positions that stand in each, and the floors.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::ops::Bound;

use super::order::QueueId;
use super::retention::Retention;
use super::topic::{Insertion, Topic};
use crate::{Entry, Holding, PoolCounts, Position, Rule, Selector, TopicName};

/// The most topics without entries whose floor is remembered. Above it, the half with the lowest
/// floors gets one common floor, so that memory stays bounded even if a server sees a new room
/// every second.
const MAX_EMPTY_TOPICS: usize = 65_536;

/// All topics.
#[derive(Default)]
pub(super) struct Topics {
    by_name: HashMap<TopicName, Topic>,
    /// The names in order.
    names: BTreeSet<TopicName>,
    /// The number of topics in `by_name` that hold nothing and are remembered for their floor.
    empty: usize,
    /// The topics that may have to be trimmed whole, the one whose newest entry is oldest first.
    /// Each stands at the position that its newest entry had when it was last examined; that it has
    /// a newer one is noticed when its turn comes. A topic in which an entry with a key stands is
    /// left out at its turn, and listed again when the last of these entries is gone.
    ages: BinaryHeap<Reverse<(Position, TopicName)>>,
    /// The floor of every topic that is not in `by_name`.
    forgotten: Position,
    /// The number of live entries with a key in each pool.
    pools: PoolCounts,
    /// Whether the topics of another replica are being taken over.
    restoring: bool,
}

impl Topics {
    /// Adds a new entry to its topics.
    pub(super) fn insert(&mut self, entry: &Entry, retention: &Retention) -> Insertion {
        let position = entry.id.position;
        let is_keyed = entry.record.is_keyed();
        let mut listed = Insertion {
            replaced: None,
            queue: 0,
        };
        for (nth, name) in entry.record.topics.iter().enumerate() {
            let topic = match self.by_name.get_mut(name) {
                Some(topic) => {
                    if topic.positions.is_empty() {
                        self.empty -= 1;
                    }
                    topic
                }
                None => {
                    self.names.insert(name.clone());
                    let new = || Topic::new(name, self.forgotten, retention);
                    self.by_name.entry(name.clone()).or_insert_with(new)
                }
            };
            if topic.positions.back() == Some(&position) {
                continue; // the record names the topic twice
            }
            let is_new = topic.positions.is_empty();
            topic.positions.push_back(position);
            topic.keyed += usize::from(is_keyed);
            if nth == 0 {
                listed = topic.own(entry, &mut self.pools);
            }
            if is_new && topic.is_evictable(name) {
                self.ages.push(Reverse((position, name.clone())));
            }
        }
        if self.ages.len() > 2 * self.by_name.len() + 1_024 {
            // Most of the listed topics are gone by now.
            let held = self
                .by_name
                .iter()
                .filter(|(name, topic)| topic.is_evictable(name));
            let held = held.filter_map(|(name, topic)| {
                Some(Reverse((*topic.positions.back()?, name.clone())))
            });
            self.ages = held.collect();
        }
        listed
    }

    /// Removes an entry whose key has a newer one. No reader misses it, so no floor rises.
    pub(super) fn supersede(&mut self, entry: &Entry) {
        self.remove(entry, false);
    }

    /// Removes an entry that is no longer kept. Returns the queue of its first topic.
    pub(super) fn trim(&mut self, entry: &Entry) -> QueueId {
        self.remove(entry, true)
    }

    /// Removes an entry from its topics. Returns the queue of its first topic.
    fn remove(&mut self, entry: &Entry, trimmed: bool) -> QueueId {
        let position = entry.id.position;
        let is_keyed = entry.record.is_keyed();
        let mut queue = 0;
        for (nth, name) in entry.record.topics.iter().enumerate() {
            let Some(topic) = self.by_name.get_mut(name) else {
                continue;
            };
            let Ok(at) = topic.positions.binary_search(&position) else {
                continue; // the record names the topic twice
            };
            topic.positions.remove(at); // nearly always the front
            topic.keyed -= usize::from(is_keyed);
            if nth == 0 {
                topic.disown(entry, &mut self.pools);
                queue = topic.queue;
            }
            if trimmed {
                topic.floor = topic.floor.max(position);
            }
            if topic.positions.is_empty() {
                topic.positions.shrink_to_fit();
                self.empty += 1;
            } else if let Some(newest) = topic
                .positions
                .back()
                .filter(|_| is_keyed && topic.is_evictable(name))
            {
                self.ages.push(Reverse((*newest, name.clone())));
            }
        }
        self.limit_empty();
        queue
    }

    /// Returns the oldest entry without a key that was published to `name`, if the topic holds more
    /// than its rule allows. `is_own` tells which entries of the topic were published to it.
    pub(super) fn surplus(
        &mut self,
        name: &TopicName,
        rules: &[Rule],
        is_own: impl Fn(Position) -> bool,
    ) -> Option<Position> {
        let topic = self
            .by_name
            .get_mut(name)
            .filter(|topic| topic.exceeds_rule(rules))?;
        let start = topic
            .positions
            .partition_point(|&position| position <= topic.own_after);
        let oldest = topic
            .positions
            .range(start..)
            .copied()
            .find(|&position| is_own(position))?;
        topic.own_after = Position::new(oldest.get().saturating_sub(1));
        Some(oldest)
    }

    /// Returns the position of the live record with a key.
    pub(super) fn live(&self, name: &TopicName, key: &str) -> Option<Position> {
        self.by_name.get(name)?.keys.get(key).copied()
    }

    /// Returns the number of live entries with a key in each pool.
    pub(super) fn pools(&self) -> &PoolCounts {
        &self.pools
    }

    /// Returns the positions of all live entries with a key, in order.
    pub(super) fn keyed(&self) -> Vec<Position> {
        let mut keyed: Vec<_> = self
            .by_name
            .values()
            .flat_map(|topic| topic.keys.values().copied())
            .collect();
        keyed.sort_unstable();
        keyed
    }

    /// Raises the floor of a topic. A topic that was not known is known from then on.
    pub(super) fn raise(&mut self, name: &TopicName, floor: Position, retention: &Retention) {
        if let Some(topic) = self.by_name.get_mut(name) {
            topic.floor = topic.floor.max(floor);
        } else if floor > self.forgotten {
            self.names.insert(name.clone());
            self.by_name
                .insert(name.clone(), Topic::new(name, floor, retention));
            self.empty += 1;
            self.limit_empty();
        }
    }

    /// Makes the topics those of another replica: the floor of every unknown topic, and that of
    /// each known one. How many of them may be empty is not limited before [`Topics::settle`],
    /// because their entries follow. There must be none yet.
    pub(super) fn restore(
        &mut self,
        forgotten: Position,
        floors: Vec<(TopicName, Position)>,
        retention: &Retention,
    ) {
        self.forgotten = forgotten;
        self.restoring = true;
        for (name, floor) in floors {
            self.names.insert(name.clone());
            let topic = Topic::new(&name, floor, retention);
            self.empty += usize::from(self.by_name.insert(name, topic).is_none());
        }
    }

    /// Ends a [`Topics::restore`].
    pub(super) fn settle(&mut self) {
        self.restoring = false;
        self.limit_empty();
    }

    fn limit_empty(&mut self) {
        if self.empty > MAX_EMPTY_TOPICS && !self.restoring {
            self.forget_empty();
        }
    }

    /// Returns the floor of every unknown topic, and that of each known one.
    pub(super) fn floors(&self) -> (Position, impl Iterator<Item = (&TopicName, Position)>) {
        (
            self.forgotten,
            self.by_name.iter().map(|(name, topic)| (name, topic.floor)),
        )
    }

    /// Raises the floor of all topics, including the unknown ones.
    pub(super) fn raise_all(&mut self, floor: Position) {
        self.forgotten = self.forgotten.max(floor);
        self.by_name
            .values_mut()
            .for_each(|topic| topic.floor = topic.floor.max(floor));
    }

    /// Forgets the half of the empty topics that has the lowest floors. The highest of these floors
    /// becomes the floor of every unknown topic.
    fn forget_empty(&mut self) {
        let mut floors: Vec<_> = self
            .by_name
            .values()
            .filter(|topic| topic.positions.is_empty())
            .map(|topic| topic.floor)
            .collect();
        let middle = floors.len() / 2;
        let (_, &mut median, _) = floors.select_nth_unstable(middle);
        self.forgotten = self.forgotten.max(median);
        self.by_name
            .retain(|_, topic| !topic.positions.is_empty() || topic.floor > median);
        self.names.retain(|name| self.by_name.contains_key(name));
        self.empty = self
            .by_name
            .values()
            .filter(|topic| topic.positions.is_empty())
            .count();
    }

    pub(super) fn floor(&self, selector: &Selector) -> Position {
        selector
            .as_slice()
            .iter()
            .map(|name| self.floor_of(name))
            .max()
            .unwrap_or_default()
    }

    /// Returns the number of topics that hold entries.
    pub(super) fn held(&self) -> usize {
        self.by_name.len() - self.empty
    }

    /// Takes the topic whose newest entry is oldest out of the order, unless it may not be trimmed.
    /// Returns it with the positions of its entries.
    pub(super) fn take_oldest(&mut self) -> Option<(TopicName, Vec<Position>)> {
        loop {
            let Reverse((position, name)) = self.ages.pop()?;
            let positions = self.by_name.get(&name).map(|topic| &topic.positions);
            match positions.and_then(|positions| Some((positions.back()?, positions))) {
                Some(_)
                    if !self
                        .by_name
                        .get(&name)
                        .is_some_and(|topic| topic.is_evictable(&name)) => {}
                Some((newest, _)) if *newest > position => self.ages.push(Reverse((*newest, name))),
                Some((_, positions)) => {
                    let positions = positions.iter().copied().collect();
                    return Some((name, positions));
                }
                None => {}
            }
        }
    }

    /// Forgets a topic that holds nothing. Its floor becomes part of the floor of every unknown
    /// topic.
    pub(super) fn forget(&mut self, name: &TopicName) {
        if let Some(topic) = self
            .by_name
            .get(name)
            .filter(|topic| topic.positions.is_empty())
        {
            self.forgotten = self.forgotten.max(topic.floor);
            self.by_name.remove(name);
            self.names.remove(name);
            self.empty -= 1;
        }
    }

    pub(super) fn floor_of(&self, name: &TopicName) -> Position {
        self.by_name
            .get(name)
            .map_or(self.forgotten, |topic| topic.floor)
    }

    /// Lists topics, see [`Journal::topics`](crate::Journal::topics).
    pub(super) fn list(
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
        let holding = |name: &TopicName| {
            let Topic {
                events,
                bytes,
                keys,
                keyed_bytes,
                ..
            } = self.by_name.get(name)?;
            Some(Holding {
                topic: name.clone(),
                events: events + keys.len() as u64,
                bytes: bytes + keyed_bytes,
            })
        };
        named.filter_map(holding).collect()
    }

    /// Returns whether the topic is known.
    pub(super) fn knows(&self, topic: &TopicName) -> bool {
        self.by_name.contains_key(topic)
    }

    /// Returns the oldest position of `selector` that a reader can still be shown. A topic hides
    /// its entries without a key at or below its own floor. `is_keyed` tells whether an entry has a
    /// key.
    pub(super) fn oldest(
        &self,
        selector: &Selector,
        is_keyed: impl Fn(Position) -> bool,
    ) -> Option<Position> {
        let oldest = |topic: &Topic| {
            let hidden = topic
                .positions
                .partition_point(|&position| position <= topic.floor);
            let mut below = topic
                .positions
                .range(..if topic.keyed > 0 { hidden } else { 0 })
                .copied();
            below
                .find(|&position| is_keyed(position))
                .or_else(|| topic.positions.get(hidden).copied())
        };
        selector
            .as_slice()
            .iter()
            .filter_map(|name| self.by_name.get(name))
            .filter_map(oldest)
            .min()
    }

    /// Returns the positions of `selector` between `after` and `before`, highest first, each once.
    /// If there are more than `limit`, returns at least `limit` + 1.
    pub(super) fn merged_before(
        &self,
        selector: &Selector,
        after: Position,
        before: Position,
        limit: usize,
    ) -> Vec<Position> {
        let mut merged = Vec::new();
        for topic in selector
            .as_slice()
            .iter()
            .filter_map(|name| self.by_name.get(name))
        {
            let end = topic
                .positions
                .partition_point(|&position| position < before);
            let wanted = topic
                .positions
                .range(..end)
                .rev()
                .take_while(|&&position| position > after);
            merged.extend(wanted.take(limit.saturating_add(1)));
        }
        if selector.as_slice().len() > 1 {
            merged.sort_unstable_by(|a: &Position, b: &Position| b.cmp(a));
            merged.dedup();
        }
        merged
    }

    /// Returns the positions of `selector` above `after` and up to `until`, in order, each once. If
    /// there are more than `limit`, returns at least `limit` + 1.
    pub(super) fn merged(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: usize,
    ) -> Vec<Position> {
        let mut merged = Vec::new();
        for topic in selector
            .as_slice()
            .iter()
            .filter_map(|name| self.by_name.get(name))
        {
            let start = topic
                .positions
                .partition_point(|&position| position <= after);
            let wanted = topic
                .positions
                .range(start..)
                .take_while(|&&position| position <= until);
            merged.extend(wanted.take(limit.saturating_add(1)));
        }
        if selector.as_slice().len() > 1 {
            merged.sort_unstable();
            merged.dedup();
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, EventId, Record};

    fn entry(position: u64, topic: &str) -> Entry {
        Entry {
            id: EventId {
                epoch: Epoch::random(&mut rand::rng()),
                position: Position::new(position),
            },
            record: Record {
                topics: [TopicName::parse(topic).unwrap()].into(),
                event: "e".into(),
                key: None,
                data: bytes::Bytes::new(),
                at_ms: 0,
                ends_key: false,
            },
        }
    }

    #[test]
    fn the_remembered_floors_are_bounded_and_never_fall() {
        let mut topics = Topics::default();
        let all = (MAX_EMPTY_TOPICS + 10) as u64;
        for position in 1..=all {
            let entry = entry(position, &format!("room/{position}"));
            topics.insert(&entry, &Retention::default());
            topics.trim(&entry);
        }
        assert!(topics.by_name.len() <= MAX_EMPTY_TOPICS);
        for position in [1, all / 3, all / 2, all] {
            let name = TopicName::parse(&format!("room/{position}")).unwrap();
            let floor = topics.floor(&Selector::topics([name]));
            assert!(
                floor >= Position::new(position),
                "{position} would be missed in silence"
            );
        }
    }
}
