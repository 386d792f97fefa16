//! Which positions stand in which topic, and what was trimmed away from it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use super::order::LineId;
use super::retention::Retention;
use crate::bounds::Held;
use crate::{Entry, Holding, Pool, Position, Record, Rule, Selector, TopicName, rule, topic};

/// How many topics that hold nothing any more are remembered one by one. Above it, the half that was trimmed longest ago
/// is folded into one common floor, so that a server that sees a new room every second stays bounded.
const MAX_VANISHED: usize = 65_536;

/// All topics.
#[derive(Default)]
pub(super) struct Topics {
    by_name: HashMap<TopicName, Topic>,
    /// The same names, in order.
    names: BTreeSet<TopicName>,
    /// How many in `by_name` hold nothing and are there only for their floor.
    vanished: usize,
    /// The topics that may have to go when there are too many, the one whose newest entry is oldest first. Each stands where its
    /// newest entry was when it was last looked at: that it has a newer one is seen when its turn comes. One that has an entry
    /// with a key may not go; it is left out at its turn, and listed again once the last of these is gone.
    ages: BinaryHeap<Reverse<(Position, TopicName)>>,
    /// The floor of every topic that is not in `by_name`.
    forgotten: Position,
    /// How many entries with a key each pool holds.
    pools: Held,
}

struct Topic {
    /// Oldest first.
    positions: VecDeque<Position>,
    /// The highest position ever trimmed away.
    floor: Position,
    /// The live position of each key.
    keys: HashMap<Arc<str>, Position>,
    /// What the entries with a key weigh of which this is the first topic.
    keyed_bytes: u64,
    /// How many entries with a key stand here, those of other topics included.
    keyed: usize,
    /// The entries without a key of which this is the first topic, and their weight.
    events: u64,
    bytes: u64,
    /// Up to here, none of them is left.
    own_after: Position,
    /// Where its entries without a key stand in the order in which they go, and which rule governs it.
    line: LineId,
    /// What its entries with a key count in.
    pool: Pool,
}

/// What listing an entry has changed.
pub(super) struct Listed {
    /// The entry whose key it took over, or ended.
    pub(super) gone: Option<Position>,
    /// The line of its first topic.
    pub(super) line: LineId,
}

impl Topic {
    /// One that is new, though something may have been trimmed away from it.
    fn new(name: &TopicName, floor: Position, retention: &Retention) -> Self {
        let rule = if retention.rules.is_empty() { None } else { rule::governing(&retention.rules, name) };
        let line = rule.and_then(|index| LineId::try_from(index + 1).ok()).unwrap_or_default();
        Self {
            positions: VecDeque::new(),
            floor,
            keys: HashMap::new(),
            keyed_bytes: 0,
            keyed: 0,
            events: 0,
            bytes: 0,
            own_after: Position::START,
            line,
            pool: retention.bounds.pool_of(name),
        }
    }

    /// Counts an entry of which this is the first topic.
    fn own(&mut self, entry: &Entry, pools: &mut Held) -> Listed {
        let Record { key, ends_key, .. } = &entry.record;
        let position = entry.id.position;
        let weight = entry.record.weight() as u64;
        let gone = match key {
            Some(key) if *ends_key => self.keys.remove(key),
            Some(key) => self.keys.insert(key.clone(), position),
            None => None,
        };
        if entry.record.is_keyed() {
            self.keyed_bytes += weight;
            pools.add(self.pool);
        } else {
            self.events += 1;
            self.bytes += weight;
        }
        Listed { gone, line: self.line }
    }

    /// Takes out of the counts what [`Topic::own`] put there.
    fn disown(&mut self, entry: &Entry, pools: &mut Held) {
        let weight = entry.record.weight() as u64;
        if !entry.record.is_keyed() {
            self.events -= 1;
            self.bytes -= weight;
            return;
        }
        self.keyed_bytes -= weight;
        pools.remove(self.pool);
        // A newer one may have the key.
        if let Some(key) = &entry.record.key
            && self.keys.get(key) == Some(&entry.id.position)
        {
            self.keys.remove(key);
        }
    }

    /// Whether it may go when there are too many.
    fn may_go(&self, name: &TopicName) -> bool {
        self.keyed == 0 && !self.positions.is_empty() && !topic::is_the_servers(name)
    }

    /// Whether it holds more than its rule allows.
    fn is_over(&self, rules: &[Rule]) -> bool {
        let rule = (self.line as usize).checked_sub(1).and_then(|index| rules.get(index));
        rule.is_some_and(|rule| {
            rule.max_events.is_some_and(|most| self.events > most)
                || rule.max_bytes.is_some_and(|most| self.bytes > most)
        })
    }
}

impl Topics {
    /// Lists a new entry.
    pub(super) fn insert(&mut self, entry: &Entry, retention: &Retention) -> Listed {
        let position = entry.id.position;
        let is_keyed = entry.record.is_keyed();
        let mut listed = Listed { gone: None, line: 0 };
        for (nth, name) in entry.record.topics.iter().enumerate() {
            let topic = match self.by_name.get_mut(name) {
                Some(topic) => {
                    if topic.positions.is_empty() {
                        self.vanished -= 1;
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
                continue; // named twice
            }
            let is_new = topic.positions.is_empty();
            topic.positions.push_back(position);
            topic.keyed += usize::from(is_keyed);
            if nth == 0 {
                listed = topic.own(entry, &mut self.pools);
            }
            if is_new && topic.may_go(name) {
                self.ages.push(Reverse((position, name.clone())));
            }
        }
        if self.ages.len() > 2 * self.by_name.len() + 1_024 {
            // Most of them have gone by themselves.
            let held = self.by_name.iter().filter(|(name, topic)| topic.may_go(name));
            let held = held.filter_map(|(name, topic)| Some(Reverse((*topic.positions.back()?, name.clone()))));
            self.ages = held.collect();
        }
        listed
    }

    /// Unlists an entry whose key has a newer one. Nobody misses it, so no floor rises.
    pub(super) fn supersede(&mut self, entry: &Entry) {
        self.remove(entry, false);
    }

    /// Unlists an entry that is no longer kept. Returns the line of its first topic.
    pub(super) fn trim(&mut self, entry: &Entry) -> LineId {
        self.remove(entry, true)
    }

    /// Returns the line of its first topic.
    fn remove(&mut self, entry: &Entry, trimmed: bool) -> LineId {
        let position = entry.id.position;
        let is_keyed = entry.record.is_keyed();
        let mut line = 0;
        for (nth, name) in entry.record.topics.iter().enumerate() {
            let Some(topic) = self.by_name.get_mut(name) else {
                continue;
            };
            let Ok(at) = topic.positions.binary_search(&position) else {
                continue; // named twice
            };
            topic.positions.remove(at); // nearly always the front
            topic.keyed -= usize::from(is_keyed);
            if nth == 0 {
                topic.disown(entry, &mut self.pools);
                line = topic.line;
            }
            if trimmed {
                topic.floor = topic.floor.max(position);
            }
            if topic.positions.is_empty() {
                topic.positions.shrink_to_fit();
                self.vanished += 1;
            } else if let Some(newest) = topic.positions.back().filter(|_| is_keyed && topic.may_go(name)) {
                self.ages.push(Reverse((*newest, name.clone())));
            }
        }
        if self.vanished > MAX_VANISHED {
            self.fold_vanished();
        }
        line
    }

    /// The oldest entry without a key that was published to `name`, if the topic holds more than its rule allows. `is_own` tells
    /// which of its entries are such.
    pub(super) fn surplus(
        &mut self,
        name: &TopicName,
        rules: &[Rule],
        is_own: impl Fn(Position) -> bool,
    ) -> Option<Position> {
        let topic = self.by_name.get_mut(name).filter(|topic| topic.is_over(rules))?;
        let start = topic.positions.partition_point(|&position| position <= topic.own_after);
        let oldest = topic.positions.range(start..).copied().find(|&position| is_own(position))?;
        topic.own_after = Position::new(oldest.get().saturating_sub(1));
        Some(oldest)
    }

    /// The live position of a key.
    pub(super) fn live(&self, name: &TopicName, key: &str) -> Option<Position> {
        self.by_name.get(name)?.keys.get(key).copied()
    }

    /// How many entries with a key each pool holds.
    pub(super) fn pools(&self) -> &Held {
        &self.pools
    }

    /// The positions of all entries with a key, in order.
    pub(super) fn keyed(&self) -> Vec<Position> {
        let mut keyed: Vec<_> = self.by_name.values().flat_map(|topic| topic.keys.values().copied()).collect();
        keyed.sort_unstable();
        keyed
    }

    /// Raises the floor of a topic, which is known from then on.
    pub(super) fn raise(&mut self, name: &TopicName, floor: Position, retention: &Retention) {
        if let Some(topic) = self.by_name.get_mut(name) {
            topic.floor = topic.floor.max(floor);
        } else if floor > self.forgotten {
            self.names.insert(name.clone());
            self.by_name.insert(name.clone(), Topic::new(name, floor, retention));
            self.vanished += 1;
            if self.vanished > MAX_VANISHED {
                self.fold_vanished();
            }
        }
    }

    /// The floor of every topic that is not known, and that of each that is.
    pub(super) fn floors(&self) -> (Position, impl Iterator<Item = (&TopicName, Position)>) {
        (self.forgotten, self.by_name.iter().map(|(name, topic)| (name, topic.floor)))
    }

    /// Raises the floor of all topics, of those that are not known too.
    pub(super) fn raise_all(&mut self, floor: Position) {
        self.forgotten = self.forgotten.max(floor);
        self.by_name.values_mut().for_each(|topic| topic.floor = topic.floor.max(floor));
    }

    fn fold_vanished(&mut self) {
        let mut floors: Vec<_> =
            self.by_name.values().filter(|topic| topic.positions.is_empty()).map(|topic| topic.floor).collect();
        let middle = floors.len() / 2;
        let (_, &mut median, _) = floors.select_nth_unstable(middle);
        self.forgotten = self.forgotten.max(median);
        self.by_name.retain(|_, topic| !topic.positions.is_empty() || topic.floor > median);
        self.names.retain(|name| self.by_name.contains_key(name));
        self.vanished = self.by_name.values().filter(|topic| topic.positions.is_empty()).count();
    }

    pub(super) fn floor(&self, selector: &Selector) -> Position {
        selector.as_slice().iter().map(|name| self.floor_of(name)).max().unwrap_or_default()
    }

    /// How many topics hold something.
    pub(super) fn held(&self) -> usize {
        self.by_name.len() - self.vanished
    }

    /// Takes the topic whose newest entry is oldest, of those that may have to go, out of their order. With it, where its
    /// entries are.
    pub(super) fn take_oldest(&mut self) -> Option<(TopicName, Vec<Position>)> {
        loop {
            let Reverse((position, name)) = self.ages.pop()?;
            let positions = self.by_name.get(&name).map(|topic| &topic.positions);
            match positions.and_then(|positions| Some((positions.back()?, positions))) {
                Some(_) if !self.by_name.get(&name).is_some_and(|topic| topic.may_go(&name)) => {}
                Some((newest, _)) if *newest > position => self.ages.push(Reverse((*newest, name))),
                Some((_, positions)) => {
                    let positions = positions.iter().copied().collect();
                    return Some((name, positions));
                }
                None => {}
            }
        }
    }

    /// Forgets a topic that holds nothing any more: its floor is from then on that of every topic that is not known.
    pub(super) fn forget(&mut self, name: &TopicName) {
        if let Some(topic) = self.by_name.get(name).filter(|topic| topic.positions.is_empty()) {
            self.forgotten = self.forgotten.max(topic.floor);
            self.by_name.remove(name);
            self.names.remove(name);
            self.vanished -= 1;
        }
    }

    pub(super) fn floor_of(&self, name: &TopicName) -> Position {
        self.by_name.get(name).map_or(self.forgotten, |topic| topic.floor)
    }

    /// See [`Journal::topics`](crate::Journal::topics).
    pub(super) fn list(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        let from = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix),
        };
        let named = self.names.range::<str, _>((from, Bound::Unbounded));
        let named = named.take_while(|name| name.as_str().starts_with(prefix)).take(most);
        let holding = |name: &TopicName| {
            let Topic { events, bytes, keys, keyed_bytes, .. } = self.by_name.get(name)?;
            Some(Holding { topic: name.clone(), events: events + keys.len() as u64, bytes: bytes + keyed_bytes })
        };
        named.filter_map(holding).collect()
    }

    /// Whether the topic has a place here.
    pub(super) fn knows(&self, topic: &TopicName) -> bool {
        self.by_name.contains_key(topic)
    }

    pub(super) fn oldest(&self, selector: &Selector) -> Option<Position> {
        let oldest = |name| self.by_name.get(name).and_then(|topic: &Topic| topic.positions.front().copied());
        selector.as_slice().iter().filter_map(oldest).min()
    }

    /// The positions of `selector` between `after` and `before`, the highest first, each once: at least `limit + 1` of them,
    /// if there are.
    pub(super) fn merged_before(
        &self,
        selector: &Selector,
        after: Position,
        before: Position,
        limit: usize,
    ) -> Vec<Position> {
        let mut merged = Vec::new();
        for topic in selector.as_slice().iter().filter_map(|name| self.by_name.get(name)) {
            let end = topic.positions.partition_point(|&position| position < before);
            let wanted = topic.positions.range(..end).rev().take_while(|&&position| position > after);
            merged.extend(wanted.take(limit.saturating_add(1)));
        }
        if selector.as_slice().len() > 1 {
            merged.sort_unstable_by(|a: &Position, b: &Position| b.cmp(a));
            merged.dedup();
        }
        merged
    }

    /// The positions of `selector` in `after..=until`, in order, each once: at least `limit + 1` of them, if there are.
    pub(super) fn merged(&self, selector: &Selector, after: Position, until: Position, limit: usize) -> Vec<Position> {
        let mut merged = Vec::new();
        for topic in selector.as_slice().iter().filter_map(|name| self.by_name.get(name)) {
            let start = topic.positions.partition_point(|&position| position <= after);
            let wanted = topic.positions.range(start..).take_while(|&&position| position <= until);
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
    use crate::{Epoch, EventId};

    fn entry(position: u64, topic: &str) -> Entry {
        Entry {
            id: EventId { epoch: Epoch::random(&mut rand::rng()), position: Position::new(position) },
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
    fn the_floors_of_vanished_topics_stay_bounded_and_never_sink() {
        let mut topics = Topics::default();
        let all = (MAX_VANISHED + 10) as u64;
        for position in 1..=all {
            let entry = entry(position, &format!("room/{position}"));
            topics.insert(&entry, &Retention::default());
            topics.trim(&entry);
        }
        assert!(topics.by_name.len() <= MAX_VANISHED);
        for position in [1, all / 3, all / 2, all] {
            let name = TopicName::parse(&format!("room/{position}")).unwrap();
            let floor = topics.floor(&Selector::topics([name]));
            assert!(floor >= Position::new(position), "{position} would be missed in silence");
        }
    }
}
