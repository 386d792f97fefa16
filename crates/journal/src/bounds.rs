//! How many live records with a key there may be: of each of the server's own topics so many, and of all others together.
//!
//! Nothing is evicted to make room, as what a key says is believed for as long as it is live: a member, a revoked token. What
//! finds no room is [`Full`](crate::Appended::Full). No pool takes room from another, so that nothing a user does can keep the
//! server from remembering.

use std::collections::BTreeMap;

use crate::{Condition, Position, Record, TopicName};

/// A share of the live records with a key that has a bound of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pool(u8);

/// The bounds of all pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Name and bound of each; the last two are that of the server's other topics, and that of all that is not the server's.
    pools: Vec<(String, usize)>,
}

/// The pools behind those that are named after a topic.
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
        Self { pools: named.into_iter().chain(others).map(|(name, most)| (name.to_owned(), most)).collect() }
    }
}

impl Bounds {
    /// The same bound for each pool.
    pub fn of_each(most: usize) -> Self {
        let pools = Self::default().pools.into_iter().map(|(name, _)| (name, most)).collect();
        Self { pools }
    }

    /// The pool that the records with a key belong to whose first topic is `topic`.
    pub fn pool_of(&self, topic: &TopicName) -> Pool {
        let named = self.pools.len() - OTHERS.len();
        let own = |topic: &TopicName| self.pools[..named].iter().position(|(name, _)| name == topic.as_str());
        let index = if topic.is_reserved() { own(topic).unwrap_or(named) } else { named + 1 };
        Pool(u8::try_from(index).unwrap_or(u8::MAX))
    }

    /// How many there may be in a pool.
    pub fn most(&self, pool: Pool) -> usize {
        self.pools.get(usize::from(pool.0)).map_or(0, |(_, most)| *most)
    }

    /// A pool's name: that of its topic, or `server` or `users`.
    pub fn name(&self, pool: Pool) -> &str {
        self.pools.get(usize::from(pool.0)).map_or("", |(name, _)| name)
    }

    /// These bounds, where each that is named in `written` takes the place of the one of that name.
    #[must_use]
    pub fn as_written(&self, written: &[(String, usize)]) -> Self {
        let find = |name: &String| written.iter().find(|(known, _)| known == name).map(|(_, most)| *most);
        Self { pools: self.pools.iter().map(|(name, most)| (name.clone(), find(name).unwrap_or(*most))).collect() }
    }

    /// The name and the bound of each pool.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.pools.iter().map(|(name, most)| (&**name, *most))
    }

    /// All pools.
    pub fn pools(&self) -> impl Iterator<Item = Pool> {
        (0..self.pools.len()).filter_map(|index| u8::try_from(index).ok()).map(Pool)
    }
}

/// How many live records each pool has.
#[derive(Clone, Debug, Default)]
pub struct PoolCounts(BTreeMap<Pool, usize>);

impl PoolCounts {
    /// How many live records `pool` has.
    pub fn of(&self, pool: Pool) -> usize {
        self.0.get(&pool).copied().unwrap_or_default()
    }

    /// How full each pool is.
    pub fn vitals(&self, bounds: &Bounds) -> Vec<crate::PoolVitals> {
        let vitals = |pool| crate::PoolVitals {
            name: bounds.name(pool).to_owned(),
            held: self.of(pool) as u64,
            most: bounds.most(pool) as u64,
        };
        bounds.pools().map(vitals).collect()
    }

    /// Counts a record that has become live.
    pub fn add(&mut self, pool: Pool) {
        *self.0.entry(pool).or_default() += 1;
    }

    /// Counts a record that is live no more.
    pub fn remove(&mut self, pool: Pool) {
        if let Some(held) = self.0.get_mut(&pool) {
            *held = held.saturating_sub(1);
        }
    }

    /// The pool that has no room for what `records` add, if there is one. `is_live` tells whether a key has a live record.
    pub fn without_room<'a>(
        &self,
        bounds: &Bounds,
        records: impl Iterator<Item = &'a Record>,
        is_live: impl Fn(&TopicName, &str) -> bool,
    ) -> Option<Pool> {
        // As it would be behind the records that were looked at, where they change it.
        let mut live: BTreeMap<(&TopicName, &str), bool> = BTreeMap::new();
        let mut held: BTreeMap<Pool, usize> = BTreeMap::new();
        for record in records {
            let (Some(topic), Some(key)) = (record.topics.first(), record.key.as_deref()) else { continue };
            let pool = bounds.pool_of(topic);
            let was_live = live.insert((topic, key), !record.ends_key).unwrap_or_else(|| is_live(topic, key));
            let held = held.entry(pool).or_insert_with(|| self.of(pool));
            match (was_live, record.ends_key) {
                // A log that an earlier version wrote may have more than the bound: they may change, and not become more.
                (false, false) if *held >= bounds.most(pool).max(self.of(pool)) => return Some(pool),
                (false, false) => *held += 1,
                (true, true) => *held = held.saturating_sub(1),
                _ => {}
            }
        }
        None
    }
}

impl Condition {
    /// Whether the condition is true, given a function that tells at which position the live record with a key stands.
    pub fn holds(&self, live: impl Fn(&TopicName, &str) -> Option<Position>) -> bool {
        let (topic, key, position) = self.parts();
        live(topic, key) == position
    }
}
