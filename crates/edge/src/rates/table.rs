//! A bounded table of what is remembered of each user or address.
//!
//! There are two generations. A key that is looked up moves to the new one. When the new generation
//! is full or a minute old, it becomes the old one. Of the generation before it, only the values
//! that still matter are kept; if the new generation was full, none are, because the memory limit
//! is more important than precision.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How many keys there may be in both generations together.
pub(super) const MOST: usize = 2 * GENERATION;

const GENERATION: usize = 32_768;

/// How long a generation is the new one before the next begins.
const AGE: Duration = Duration::from_mins(1);

/// A value that may be forgotten while it is idle.
pub(super) trait Idle: Default {
    /// Whether it contains no more than a new value.
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
    /// Calls `look` with the value of `key`, which is a new one if there is none yet.
    pub(super) fn with<T>(&self, key: &K, now: Instant, look: impl FnOnce(&mut V) -> T) -> T {
        let gone; // Dropped outside the lock.
        let mut generations = self.0.lock();
        gone = generations.turn(now);
        let Generations { new, old, .. } = &mut *generations;
        let seen = match new.get_mut(key) {
            Some(known) => look(known),
            None => {
                let mut value = old.remove(key).unwrap_or_default();
                let seen = look(&mut value);
                new.insert(key.clone(), value);
                seen
            }
        };
        drop(generations);
        drop(gone);
        seen
    }

    pub(super) fn len(&self) -> usize {
        let generations = self.0.lock();
        generations.new.len() + generations.old.len()
    }

    /// Forgets what is idle, for the case that no key is looked up any more.
    pub(super) fn sweep(&self, now: Instant) {
        let gone = self.0.lock().turn(now);
        drop(gone);
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Generations { new: HashMap::new(), old: HashMap::new(), since: None }))
    }
}

impl<K: Clone + Eq + Hash, V: Idle> Generations<K, V> {
    /// Begins a new generation if the current one is full or too old. Returns what is forgotten.
    fn turn(&mut self, now: Instant) -> HashMap<K, V> {
        let since = *self.since.get_or_insert(now);
        let is_full = self.new.len() >= GENERATION;
        if !is_full && now.saturating_duration_since(since) < AGE {
            return HashMap::new();
        }
        self.since = Some(now);
        let mut oldest = std::mem::replace(&mut self.old, std::mem::take(&mut self.new));
        if !is_full {
            self.new.extend(oldest.extract_if(|_, value| !value.is_idle(now)));
        }
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that is idle from `until` on.
    #[derive(Default)]
    struct Note {
        looks: u32,
        until: Option<Instant>,
    }

    impl Idle for Note {
        fn is_idle(&self, now: Instant) -> bool {
            self.until.is_none_or(|until| until <= now)
        }
    }

    fn look(table: &Table<u64, Note>, key: u64, lasts: Duration) -> u32 {
        let now = Instant::now();
        table.with(&key, now, |note| {
            note.looks += 1;
            note.until = Some(now + lasts);
            note.looks
        })
    }

    #[tokio::test(start_paused = true)]
    async fn what_matters_is_remembered_and_what_does_not_is_forgotten() {
        let table = Table::default();
        look(&table, 1, Duration::from_secs(1));
        look(&table, 2, Duration::from_hours(1));
        for _ in 0..5 {
            tokio::time::sleep(AGE).await;
            table.sweep(Instant::now());
        }
        assert_eq!(table.len(), 1);
        assert_eq!([look(&table, 1, Duration::ZERO), look(&table, 2, Duration::ZERO)], [1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_an_end_to_what_is_remembered() {
        let table = Table::default();
        let day = Duration::from_hours(24);
        for key in 0..3 * MOST as u64 {
            look(&table, key, day);
            assert!(look(&table, u64::MAX, day) > u32::try_from(key).unwrap(), "who is looked for is remembered");
        }
        assert!(table.len() <= MOST);
    }
}
