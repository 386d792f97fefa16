//! Bounds on the number of live records with a key: one for each of the server's own topics, and
//! one for all other topics together.
//!
//! Nothing is evicted to make space, because callers rely on a live key: it says, for example, that
//! a user is a member or that a token is revoked. An append that exceeds a bound is
//! [`Full`](crate::Appended::Full). The pools are independent, so that nothing a user does can keep
//! the server from remembering.

use std::collections::BTreeMap;

use crate::{Record, TopicName};

/// A group of live records with a key that has a bound of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pool(u8);

/// The bounds of all pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The name and the bound of each pool. The last two are the server's other topics, and all
    /// topics that are not the server's.
    pools: Vec<(String, usize)>,
}

/// The names of the pools that are not named after a topic.
const OTHERS: [&str; 2] = ["server", "users"];

impl Default for Bounds {
    fn default() -> Self {
        let named = [
            ("_floors", 100_000),
            ("_members", 100_000),
            ("_revoked", 100_000),
            ("_sessions", 100_000),
            ("_tickets", 100_000),
            ("system/status", 10_000),
        ];
        let others = OTHERS.into_iter().zip([10_000, 100_000]);
        Self {
            pools: named
                .into_iter()
                .chain(others)
                .map(|(name, most)| (name.to_owned(), most))
                .collect(),
        }
    }
}

impl Bounds {
    /// Returns bounds that are the same for each pool.
    pub fn of_each(limit: usize) -> Self {
        let pools = Self::default()
            .pools
            .into_iter()
            .map(|(name, _)| (name, limit))
            .collect();
        Self { pools }
    }

    /// Returns the pool of the records with a key whose first topic is `topic`.
    pub fn pool_of(&self, topic: &TopicName) -> Pool {
        let named = self.pools.len() - OTHERS.len();
        let own = |topic: &TopicName| {
            self.pools[..named]
                .iter()
                .position(|(name, _)| name == topic.as_str())
        };
        let index = if topic.is_reserved() {
            own(topic).unwrap_or(named)
        } else {
            named + 1
        };
        Pool(u8::try_from(index).unwrap_or(u8::MAX))
    }

    /// Returns the most live records that a pool may have.
    pub fn limit(&self, pool: Pool) -> usize {
        self.pools
            .get(usize::from(pool.0))
            .map_or(0, |(_, most)| *most)
    }

    /// Returns a pool's name: the name of its topic, or `server` or `users`.
    pub fn name(&self, pool: Pool) -> &str {
        self.pools
            .get(usize::from(pool.0))
            .map_or("", |(name, _)| name)
    }

    /// Returns these bounds, except that those which are named in `written` are taken from there.
    #[must_use]
    pub fn as_written(&self, written: &[(String, usize)]) -> Self {
        let find = |name: &String| {
            written
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, most)| *most)
        };
        Self {
            pools: self
                .pools
                .iter()
                .map(|(name, most)| (name.clone(), find(name).unwrap_or(*most)))
                .collect(),
        }
    }

    /// Returns the name and the bound of each pool.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.pools.iter().map(|(name, most)| (&**name, *most))
    }

    /// Returns all pools.
    pub fn pools(&self) -> impl Iterator<Item = Pool> {
        (0..self.pools.len())
            .filter_map(|index| u8::try_from(index).ok())
            .map(Pool)
    }
}

/// The number of live records in each pool.
#[derive(Clone, Debug, Default)]
pub struct PoolCounts(BTreeMap<Pool, usize>);

impl PoolCounts {
    /// Returns the number of live records in `pool`.
    pub fn of(&self, pool: Pool) -> usize {
        self.0.get(&pool).copied().unwrap_or_default()
    }

    /// Returns how full each pool is.
    pub fn vitals(&self, bounds: &Bounds) -> Vec<crate::PoolVitals> {
        let vitals = |pool| crate::PoolVitals {
            name: bounds.name(pool).to_owned(),
            held: self.of(pool) as u64,
            limit: bounds.limit(pool) as u64,
        };
        bounds.pools().map(vitals).collect()
    }

    /// Counts a record that has become live.
    pub fn add(&mut self, pool: Pool) {
        *self.0.entry(pool).or_default() += 1;
    }

    /// Counts a record that is no longer live.
    pub fn remove(&mut self, pool: Pool) {
        if let Some(held) = self.0.get_mut(&pool) {
            *held = held.saturating_sub(1);
        }
    }

    /// Returns the first pool that has no capacity for what `records` add, if there is one.
    /// `is_live` tells whether a key has a live record.
    pub fn exceeded_pool<'a>(
        &self,
        bounds: &Bounds,
        records: impl Iterator<Item = &'a Record>,
        is_live: impl Fn(&TopicName, &str) -> bool,
    ) -> Option<Pool> {
        // The state after the records that were examined already, as far as they change it.
        let mut live: BTreeMap<(&TopicName, &str), bool> = BTreeMap::new();
        let mut held: BTreeMap<Pool, usize> = BTreeMap::new();
        for record in records {
            let (Some(topic), Some(key)) = (record.topics.first(), record.key.as_deref()) else {
                continue;
            };
            let pool = bounds.pool_of(topic);
            let was_live = live
                .insert((topic, key), !record.ends_key)
                .unwrap_or_else(|| is_live(topic, key));
            let held = held.entry(pool).or_insert_with(|| self.of(pool));
            match (was_live, record.ends_key) {
                // A log of an earlier version may hold more keys than the bound. Their records may
                // be replaced, but no key may be added.
                (false, false) if *held >= bounds.limit(pool).max(self.of(pool)) => {
                    return Some(pool);
                }
                (false, false) => *held += 1,
                (true, true) => *held = held.saturating_sub(1),
                _ => {}
            }
        }
        None
    }
}
