//! What is known of each topic, in memory: its floor, and how much it holds. One small entry per topic, none per record.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::codec::TopicRow;
use super::keys::{Kind, TopicId};
use super::options::Retention;
use super::trim::Bounds;
use tidings_journal::{self as journal, Holding, Pool, PoolCounts, PoolVitals, Position, Record, Selector, TopicName};

/// All topics that hold something, and those that are remembered for their floor.
#[derive(Default)]
pub(super) struct Topics {
    /// Boxed, as half of a table's places are empty after a while of topics that come and go.
    by_name: HashMap<TopicName, Box<Topic>>,
    /// The same names, in order.
    names: BTreeSet<TopicName>,
    /// The newest position of each key.
    keys: HashMap<(TopicId, Arc<str>), Position>,
    /// The records with a key, oldest first.
    keyed: BTreeMap<Position, Keyed>,
    /// How many of them each pool has.
    pub(super) pools: PoolCounts,
    /// How many there may be.
    bounds: journal::Bounds,
    /// The floor of every topic that is not in `by_name`.
    pub(super) forgotten: Position,
    /// The id of the next topic. 0 is none.
    pub(super) next_id: TopicId,
    /// How many topics hold something.
    held: usize,
    /// The topics that may have to go when there are too many, the one whose newest record is oldest first. Each stands where
    /// its newest record was when it was last looked at: that it has a newer one is seen when its turn comes, so that an append
    /// costs nothing here. One that has a record with a key is left out at its turn, and listed again once the last of these is
    /// gone.
    ages: BinaryHeap<Reverse<(Position, TopicName)>>,
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
    /// Up to here there are only guests in it, records without a key of which another topic is the first, and what is counted no
    /// more.
    pub(super) own_after: Position,
    /// Which other topics show what was published to it.
    pub(super) shown: Shown,
    /// Whether it is in `dirty`, and in `over`.
    dirty: bool,
    over: bool,
}

/// Which other topics show what was published to a topic and is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It was read from the directory, and its records were not looked at.
    Unknown,
    Nowhere,
    In(TopicName),
    Many(Box<[TopicName]>),
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
    pub(super) fn new(next_id: TopicId, forgotten: Position, bounds: journal::Bounds) -> Self {
        Self { next_id: next_id.max(1), forgotten, bounds, ..Self::default() }
    }

    /// Puts back a topic that was written down.
    pub(super) fn load(&mut self, name: &TopicName, row: TopicRow, retention: &Retention) {
        self.next_id = self.next_id.max(row.id + 1);
        let rule = retention.rule_of(name);
        self.events += row.events;
        self.bytes += row.bytes;
        let own_after = row.floor;
        let (shown, dirty, over) = (Shown::Unknown, false, false);
        let mut topic = Topic { row, rule, keyed: 0, oldest_ms: None, own_after, shown, dirty, over };
        // A rule may have been lowered since it was written down.
        if Bounds::of(retention, &topic, i64::MIN).is_exceeded(&topic) {
            topic.over = true;
            self.over.push(name.clone());
        }
        self.names.insert(name.clone());
        let is_held = !topic.is_vanished();
        self.by_name.insert(name.clone(), Box::new(topic));
        if is_held {
            self.note_held(name);
        }
    }

    /// Notes that a topic, which held nothing, does.
    fn note_held(&mut self, name: &TopicName) {
        self.held += 1;
        if name.is_reserved() {
            return;
        }
        if self.ages.len() > 2 * self.by_name.len() + 1_024 {
            // Most of them have gone by themselves.
            let held = self.by_name.iter().filter(|(name, topic)| !topic.is_vanished() && !name.is_reserved());
            self.ages = held.map(|(name, topic)| Reverse((topic.row.last, name.clone()))).collect();
        } else if let Some(topic) = self.by_name.get(name) {
            self.ages.push(Reverse((topic.row.last, name.clone())));
        }
    }

    /// Changes a topic, which may hold something before and nothing afterwards, or the other way round.
    fn change(&mut self, name: &TopicName, change: impl FnOnce(&mut Topic)) {
        let Some(topic) = self.by_name.get_mut(name) else {
            return;
        };
        let before = topic.is_vanished();
        change(topic);
        match (before, topic.is_vanished()) {
            (true, false) => self.note_held(name),
            (false, true) => self.held -= 1,
            _ => {}
        }
    }

    /// Notes that a record stands at `position` of a topic.
    pub(super) fn note(&mut self, name: &TopicName, kind: Kind, position: Position) {
        self.change(name, |topic| topic.row.note(kind, position));
    }

    /// Raises the floor of a topic to at least `floor`. Returns its id and its floor.
    pub(super) fn raise(&mut self, name: &TopicName, floor: Position) -> Option<(TopicId, Position)> {
        self.change(name, |topic| topic.row.floor = topic.row.floor.max(floor));
        self.by_name.get(name).map(|topic| (topic.row.id, topic.row.floor))
    }

    /// How many topics hold something.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes the topic whose newest record is oldest, of those that may have to go, out of their order. Whoever does not remove
    /// it has to put it back. One in which a record with a key stands may not go: nothing is let go of that is live.
    pub(super) fn take_oldest(&mut self) -> Option<(TopicName, &Topic)> {
        loop {
            let Reverse((position, name)) = self.ages.pop()?;
            match self.by_name.get(&name) {
                Some(topic) if topic.is_vanished() || topic.keyed > 0 => {}
                Some(topic) if topic.row.last > position => self.ages.push(Reverse((topic.row.last, name))),
                // A second look, as the compiler does not see that the first one ends here.
                Some(_) => return self.by_name.get(&name).map(|topic| (name, topic.as_ref())),
                None => {}
            }
        }
    }

    /// Puts back what [`Topics::take_oldest`] took.
    pub(super) fn put_back(&mut self, name: TopicName) {
        if let Some(topic) = self.by_name.get(&name) {
            self.ages.push(Reverse((topic.row.last, name)));
        }
    }

    /// Those of the `most` topics that would have to go next of which it is not known where they are shown.
    pub(super) fn unknown(&mut self, most: usize) -> Vec<TopicName> {
        let mut looked_at = Vec::new();
        let mut unknown = Vec::new();
        while looked_at.len() < most
            && let Some((name, topic)) = self.take_oldest()
        {
            if topic.shown == Shown::Unknown {
                unknown.push(name.clone());
            }
            looked_at.push(name);
        }
        for name in looked_at {
            self.put_back(name);
        }
        unknown
    }

    /// Removes a topic with all that it holds. Its floor is from then on that of every topic without a row.
    pub(super) fn remove(&mut self, name: &TopicName) -> Option<Topic> {
        let topic = *self.by_name.remove(name)?;
        self.names.remove(name);
        self.held -= usize::from(!topic.is_vanished());
        self.events -= topic.row.events;
        self.bytes -= topic.row.bytes;
        self.forgotten = self.forgotten.max(topic.row.last).max(topic.row.lost());
        Some(topic)
    }

    /// Gives back memory that many topics have left behind.
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
        self.by_name.iter().map(|(name, topic)| (name, topic.as_ref()))
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
            self.load(name, row, retention);
        }
        let Some(topic) = self.by_name.get_mut(name) else {
            return (0, false); // never: it is there by now
        };
        if new {
            topic.shown = Shown::Nowhere;
        }
        let is_held = !topic.is_vanished();
        topic.row.note(kind, position);
        let id = topic.row.id;
        if !std::mem::replace(&mut topic.dirty, true) {
            self.dirty.push(name.clone());
        }
        if !is_held && kind == Kind::Plain {
            self.note_held(name); // one with a key is noted when it is added
        }
        (id, new)
    }

    /// Notes in which other topics a record of `name` stands.
    pub(super) fn show(&mut self, name: &TopicName, others: &[TopicName]) {
        if let Some(topic) = self.by_name.get_mut(name) {
            topic.shown.add(others);
        }
    }

    /// Counts a record without a key in its first topic.
    pub(super) fn count(&mut self, name: &TopicName, bytes: u64, at_ms: Option<i64>, retention: &Retention) {
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

    /// Takes out of the counts what was published to `name` and is about to be hidden, up to `until`. How old the oldest is that
    /// is left, is found out when the topic's turn comes.
    pub(super) fn hide(&mut self, name: &TopicName, events: u64, bytes: u64, until: Position) {
        if let Some(topic) = self.by_name.get_mut(name) {
            topic.own_after = topic.own_after.max(until);
            let oldest_ms = topic.oldest_ms;
            self.discount(name, events, bytes, oldest_ms);
        }
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
            self.change(name, |topic| topic.keyed += 1);
        }
        let earlier = self.keys.insert((id, keyed.key.clone()), position);
        if let Some(topic) = keyed.topics.first() {
            self.pools.add(self.bounds.pool_of(topic));
        }
        self.keyed.insert(position, keyed);
        let earlier = earlier?;
        Some((earlier, self.unlist_keyed(earlier)?))
    }

    /// Of each pool its name, how many live records with a key it has, and how many it may have.
    pub(super) fn pools(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        let bounds = &self.bounds;
        bounds.pools().map(|pool| (bounds.name(pool), self.pools.of(pool), bounds.most(pool)))
    }

    /// How many live records with a key there may be.
    pub(super) fn bounds(&self) -> &journal::Bounds {
        &self.bounds
    }

    /// Where the live record with a key stands.
    pub(super) fn live(&self, topic: &TopicName, key: &str) -> Option<Position> {
        let id = self.by_name.get(topic)?.row.id;
        self.keys.get(&(id, Arc::from(key))).copied()
    }

    /// How full each pool is.
    pub(super) fn pool_vitals(&self) -> Vec<PoolVitals> {
        self.pools.vitals(&self.bounds)
    }

    /// The pool that has no room for what `records` add, if there is one.
    pub(super) fn without_room<'a>(&self, records: impl Iterator<Item = &'a Record>) -> Option<Pool> {
        self.pools.without_room(&self.bounds, records, |topic, key| self.live(topic, key).is_some())
    }

    /// Ends a key. Returns its live record, of which nobody will miss anything.
    pub(super) fn end_key(&mut self, topic: &TopicName, key: &Arc<str>) -> Option<(Position, Keyed)> {
        let id = self.by_name.get(topic)?.row.id;
        let position = self.keys.remove(&(id, key.clone()))?;
        Some((position, self.unlist_keyed(position)?))
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
        if let Some(topic) = keyed.topics.first() {
            self.pools.remove(self.bounds.pool_of(topic));
        }
        for name in &keyed.topics {
            self.change(name, |topic| topic.keyed -= 1);
            // It was left out of their order if its turn came meanwhile.
            if let Some(topic) = self.by_name.get(name)
                && topic.keyed == 0
                && !topic.is_vanished()
                && !name.is_reserved()
            {
                self.ages.push(Reverse((topic.row.last, name.clone())));
            }
        }
        Some(keyed)
    }

    /// The records with a key, oldest first.
    pub(super) fn keyed(&self) -> impl Iterator<Item = (Position, &Keyed)> {
        self.keyed.iter().map(|(&position, keyed)| (position, keyed))
    }

    /// See [`Journal::topics`](tidings_journal::Journal::topics).
    pub(super) fn holding(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        let from = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix),
        };
        let named = self.names.range::<str, _>((from, Bound::Unbounded));
        let named = named.take_while(|name| name.as_str().starts_with(prefix)).take(most);
        let listed: Vec<_> = named
            .filter_map(|name| self.by_name.get_key_value(name).map(|(name, topic)| (name, topic.as_ref())))
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

impl Shown {
    /// Adds the other topics of a record.
    pub(super) fn add(&mut self, others: &[TopicName]) {
        match self {
            Self::Unknown => {}
            Self::Nowhere => *self = Self::of(others.iter().cloned().collect()),
            Self::In(known) if others == std::slice::from_ref(known) => {}
            Self::In(_) | Self::Many(_) => {
                *self = Self::of(self.topics().iter().chain(others).cloned().collect());
            }
        }
    }

    pub(super) fn of(topics: BTreeSet<TopicName>) -> Self {
        let mut topics: Vec<_> = topics.into_iter().collect();
        match topics.len() {
            0 => Self::Nowhere,
            1 => topics.pop().map_or(Self::Nowhere, Self::In),
            _ => Self::Many(topics.into()),
        }
    }

    /// The topics, as far as they are known.
    pub(super) fn topics(&self) -> &[TopicName] {
        match self {
            Self::Unknown | Self::Nowhere => &[],
            Self::In(topic) => std::slice::from_ref(topic),
            Self::Many(topics) => topics,
        }
    }
}

impl Topic {
    /// Whether something that was published to it may be hidden behind its floor and still be counted.
    pub(super) fn is_unsettled(&self) -> bool {
        self.row.events > 0 && self.own_after < self.row.floor
    }

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
        let mut topics = Topics::new(0, Position::START, journal::Bounds::default());
        for number in 1..=10 {
            let name = name(&format!("t/{number}"));
            topics.list(&name, Kind::Plain, Position::new(number), &Retention::default());
            topics.raise(&name, Position::new(number)).unwrap();
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
        assert_eq!(topics.held(), 0);
        let again = topics.list(&name("t/1"), Kind::Plain, Position::new(11), &Retention::default());
        assert_eq!(again, (11, true), "an id is never used again");
        assert_eq!(topics.held(), 1);
    }

    #[test]
    fn the_topic_whose_newest_record_is_oldest_is_next_and_the_servers_own_never_are() {
        let mut topics = Topics::new(0, Position::START, journal::Bounds::default());
        let list = |topics: &mut Topics, text: &str, position| {
            topics.list(&name(text), Kind::Plain, Position::new(position), &Retention::default());
        };
        for (position, text) in (1..).zip(["_members", "a", "b", "system/status", "c", "a"]) {
            list(&mut topics, text, position);
        }
        assert_eq!(topics.held(), 5);
        for expected in ["b", "c", "a"] {
            let (oldest, _) = topics.take_oldest().unwrap();
            assert_eq!(oldest.as_str(), expected);
            topics.put_back(oldest.clone());
            assert_eq!(topics.take_oldest().unwrap().0, oldest);
            topics.remove(&oldest).unwrap();
        }
        assert!(topics.take_oldest().is_none());
        assert_eq!((topics.held(), topics.forgotten), (2, Position::new(6)));
        // One that came to hold nothing by itself is passed over, and has its turn again once it holds something.
        list(&mut topics, "d", 7);
        topics.raise(&name("d"), Position::new(7));
        assert!(topics.take_oldest().is_none());
        list(&mut topics, "d", 8);
        assert_eq!((topics.held(), topics.take_oldest().unwrap().0), (3, name("d")));
    }

    #[test]
    fn the_order_of_topics_does_not_grow_with_those_that_went_by_themselves() {
        let mut topics = Topics::new(0, Position::START, journal::Bounds::default());
        for number in 1..=10_000 {
            let name = name(&format!("t/{number}"));
            topics.list(&name, Kind::Plain, Position::new(number), &Retention::default());
            topics.raise(&name, Position::new(number));
            topics.forget(&name).unwrap();
        }
        assert!(topics.ages.len() < 2_000, "{}", topics.ages.len());
    }

    #[test]
    fn where_records_are_shown_is_remembered() {
        let mut shown = Shown::Nowhere;
        for (others, expected) in
            [(&["a"][..], &["a"][..]), (&["a"], &["a"]), (&[], &["a"]), (&["b", "a"], &["a", "b"])]
        {
            shown.add(&others.iter().map(|text| name(text)).collect::<Vec<_>>());
            assert_eq!(shown.topics(), expected.iter().map(|text| name(text)).collect::<Vec<_>>());
        }
        let mut unknown = Shown::Unknown;
        unknown.add(&[name("a")]);
        assert_eq!(unknown, Shown::Unknown);
    }
}
