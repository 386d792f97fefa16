//! A table with one value for each user or address, bounded in size.
//!
//! There are two generations. A key that is looked up moves to the new one. When the new generation
//! is full or a minute old, it becomes the old one. The generation that was the old one is then
//! dropped. Its values that are not idle move to the new generation, unless that was full: the
//! memory limit is more important than precision.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The most keys in both generations together.
pub(super) const MAX_KEYS: usize = 2 * GENERATION_KEYS;

/// The number of keys at which a generation is full.
const GENERATION_KEYS: usize = 32_768;

/// The age at which the new generation becomes the old one.
const GENERATION_AGE: Duration = Duration::from_mins(1);

/// A value that may be forgotten while it is idle.
pub(super) trait Idle: Default {
    /// Whether the value is equivalent to a new one.
    fn is_idle(&self, now: Instant) -> bool;
}

pub(super) struct Table<K, V>(Mutex<Generations<K, V>>);

struct Generations<K, V> {
    new: HashMap<K, V>,
    old: HashMap<K, V>,
    /// When the new generation began.
    since: Option<Instant>,
}

impl<K: Clone + Eq + Hash, V: Idle> Table<K, V> {
    /// Calls `look` with the value of `key`, or with a new value if the key has none.
    pub(super) fn with<T>(&self, key: &K, now: Instant, look: impl FnOnce(&mut V) -> T) -> T {
        let dropped; // Dropped outside the lock.
        let mut generations = self.0.lock();
        dropped = generations.rotate(now);
        let Generations { new, old, .. } = &mut *generations;
        let result = match new.get_mut(key) {
            Some(value) => look(value),
            None => {
                let mut value = old.remove(key).unwrap_or_default();
                let result = look(&mut value);
                new.insert(key.clone(), value);
                result
            }
        };
        drop(generations);
        drop(dropped);
        result
    }

    pub(super) fn len(&self) -> usize {
        let generations = self.0.lock();
        generations.new.len() + generations.old.len()
    }

    /// Drops old idle values. Only needed while no key is looked up, because [`Self::with`] drops
    /// them too.
    pub(super) fn sweep(&self, now: Instant) {
        let dropped = self.0.lock().rotate(now);
        drop(dropped);
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Generations {
            new: HashMap::new(),
            old: HashMap::new(),
            since: None,
        }))
    }
}

impl<K: Clone + Eq + Hash, V: Idle> Generations<K, V> {
    /// Begins a new generation if the new one is full or too old. Returns what is to be dropped.
    fn rotate(&mut self, now: Instant) -> HashMap<K, V> {
        let since = *self.since.get_or_insert(now);
        let is_full = self.new.len() >= GENERATION_KEYS;
        if !is_full && now.saturating_duration_since(since) < GENERATION_AGE {
            return HashMap::new();
        }
        self.since = Some(now);
        let mut oldest = std::mem::replace(&mut self.old, std::mem::take(&mut self.new));
        if !is_full {
            self.new
                .extend(oldest.extract_if(|_, value| !value.is_idle(now)));
        }
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that is idle from `until` on.
    #[derive(Default)]
    struct Counter {
        looks: u32,
        until: Option<Instant>,
    }

    impl Idle for Counter {
        fn is_idle(&self, now: Instant) -> bool {
            self.until.is_none_or(|until| until <= now)
        }
    }

    fn look(table: &Table<u64, Counter>, key: u64, lasts: Duration) -> u32 {
        let now = Instant::now();
        table.with(&key, now, |counter| {
            counter.looks += 1;
            counter.until = Some(now + lasts);
            counter.looks
        })
    }

    #[tokio::test(start_paused = true)]
    async fn values_that_are_not_idle_are_kept_and_idle_ones_are_dropped() {
        let table = Table::default();
        look(&table, 1, Duration::from_secs(1));
        look(&table, 2, Duration::from_hours(1));
        for _ in 0..5 {
            tokio::time::sleep(GENERATION_AGE).await;
            table.sweep(Instant::now());
        }
        assert_eq!(table.len(), 1);
        assert_eq!(
            [
                look(&table, 1, Duration::ZERO),
                look(&table, 2, Duration::ZERO)
            ],
            [1, 2]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_keys_is_bounded_and_a_key_that_is_used_is_kept() {
        let table = Table::default();
        let day = Duration::from_hours(24);
        for key in 0..3 * MAX_KEYS as u64 {
            look(&table, key, day);
            assert!(
                look(&table, u64::MAX, day) > u32::try_from(key).unwrap(),
                "a key that is used is kept"
            );
        }
        assert!(table.len() <= MAX_KEYS);
    }
}
