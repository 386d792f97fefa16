//! The live records with a key: which record each key has, and how many there are in each pool.

use std::cmp::Reverse;
use std::sync::Arc;

use tidings_journal::{Bounds, Pool, PoolVitals, Position, Record, TopicName};

use super::Topics;

/// A live record with a key.
#[derive(Clone, Debug)]
pub(crate) struct KeyedRecord {
    pub(crate) topics: Vec<TopicName>,
    pub(crate) key: Arc<str>,
    /// Its size in its first topic, in bytes.
    pub(crate) bytes: u64,
}

impl Topics {
    /// Adds a live record with a key. Returns the record that it replaces.
    pub(crate) fn add_keyed(
        &mut self,
        position: Position,
        keyed: KeyedRecord,
    ) -> Option<(Position, KeyedRecord)> {
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

    /// Returns the name of each pool, its number of live records with a key, and its bound.
    pub(crate) fn pools(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        let bounds = &self.bounds;
        bounds
            .pools()
            .map(|pool| (bounds.name(pool), self.pools.of(pool), bounds.limit(pool)))
    }

    /// Returns the bounds on live records with a key.
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Returns the position of the live record with a key.
    pub(crate) fn live(&self, topic: &TopicName, key: &str) -> Option<Position> {
        let id = self.by_name.get(topic)?.row.id;
        self.keys.get(&(id, Arc::from(key))).copied()
    }

    /// Returns how full each pool is.
    pub(crate) fn pool_vitals(&self) -> Vec<PoolVitals> {
        self.pools.vitals(&self.bounds)
    }

    /// Returns the first pool that has no capacity for what `records` add, if there is one.
    pub(crate) fn exceeded_pool<'a>(
        &self,
        records: impl Iterator<Item = &'a Record>,
    ) -> Option<Pool> {
        self.pools
            .exceeded_pool(&self.bounds, records, |topic, key| {
                self.live(topic, key).is_some()
            })
    }

    /// Ends a key. Returns its live record, which no reader will miss.
    pub(crate) fn end_key(
        &mut self,
        topic: &TopicName,
        key: &Arc<str>,
    ) -> Option<(Position, KeyedRecord)> {
        let id = self.by_name.get(topic)?.row.id;
        let position = self.keys.remove(&(id, key.clone()))?;
        Some((position, self.unlist_keyed(position)?))
    }

    /// Removes a live record with a key, which then counts as trimmed from its topics.
    pub(crate) fn take_keyed(&mut self, position: Position) -> Option<KeyedRecord> {
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

    /// Records that a record with a key can't be read any more.
    pub(crate) fn lose_keyed(&mut self, name: &TopicName, position: Position) {
        if let Some(topic) = self.by_name.get_mut(name) {
            topic.row.keyed_floor = topic.row.keyed_floor.max(position);
        }
    }

    fn unlist_keyed(&mut self, position: Position) -> Option<KeyedRecord> {
        let keyed = self.keyed.remove(&position)?;
        if let Some(topic) = keyed.topics.first() {
            self.pools.remove(self.bounds.pool_of(topic));
        }
        for name in &keyed.topics {
            self.change(name, |topic| topic.keyed -= 1);
            // The topic was left out of the order if its turn came in the meantime.
            if let Some(topic) = self.by_name.get(name)
                && topic.keyed == 0
                && !topic.is_empty()
                && !name.is_reserved()
            {
                self.ages.push(Reverse((topic.row.last, name.clone())));
            }
        }
        Some(keyed)
    }

    /// Returns the live records with a key, oldest first.
    pub(crate) fn keyed(&self) -> impl Iterator<Item = (Position, &KeyedRecord)> {
        self.keyed
            .iter()
            .map(|(&position, keyed)| (position, keyed))
    }
}
