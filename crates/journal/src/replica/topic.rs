//! One topic: the positions that stand in it, its live keys, and its counts for its rule.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::order::QueueId;
use super::retention::Retention;
use crate::{Entry, Pool, PoolCounts, Position, Record, Rule, TopicName};

/// One topic.
pub(super) struct Topic {
    /// The positions of its entries, oldest first.
    pub(super) positions: VecDeque<Position>,
    /// The highest position that was ever trimmed from it.
    pub(super) floor: Position,
    /// The position of the live record of each key.
    pub(super) keys: HashMap<Arc<str>, Position>,
    /// The weight of the entries with a key whose first topic this is.
    pub(super) keyed_bytes: u64,
    /// The number of entries with a key that stand here, including those of other topics.
    pub(super) keyed: usize,
    /// The number and the weight of the entries without a key whose first topic this is.
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// A position below which a search for its own entries need not begin: no entry without a key
    /// whose first topic this is stands at or below it.
    pub(super) own_after: Position,
    /// The queue of its entries without a key, which also tells the rule that governs it.
    pub(super) queue: QueueId,
    /// The pool of its entries with a key.
    pub(super) pool: Pool,
}

/// What the insertion of an entry has changed.
pub(super) struct Insertion {
    /// The position of the entry whose key was replaced or ended.
    pub(super) replaced: Option<Position>,
    /// The queue of the first topic.
    pub(super) queue: QueueId,
}

impl Topic {
    /// Creates a new topic. Something may have been trimmed from it before.
    pub(super) fn new(name: &TopicName, floor: Position, retention: &Retention) -> Self {
        let rule = if retention.rules.is_empty() {
            None
        } else {
            Rule::governing(&retention.rules, name)
        };
        let queue = rule
            .and_then(|index| QueueId::try_from(index + 1).ok())
            .unwrap_or_default();
        Self {
            positions: VecDeque::new(),
            floor,
            keys: HashMap::new(),
            keyed_bytes: 0,
            keyed: 0,
            events: 0,
            bytes: 0,
            own_after: Position::START,
            queue,
            pool: retention.bounds.pool_of(name),
        }
    }

    /// Counts an entry whose first topic this is.
    pub(super) fn own(&mut self, entry: &Entry, pools: &mut PoolCounts) -> Insertion {
        let Record { key, ends_key, .. } = &entry.record;
        let position = entry.id.position;
        let weight = entry.record.weight() as u64;
        let replaced = match key {
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
        Insertion {
            replaced,
            queue: self.queue,
        }
    }

    /// Takes an entry out of the counts, as [`Topic::own`] put it there.
    pub(super) fn disown(&mut self, entry: &Entry, pools: &mut PoolCounts) {
        let weight = entry.record.weight() as u64;
        if !entry.record.is_keyed() {
            self.events -= 1;
            self.bytes -= weight;
            return;
        }
        self.keyed_bytes -= weight;
        pools.remove(self.pool);
        // A newer entry may have the key by now.
        if let Some(key) = &entry.record.key
            && self.keys.get(key) == Some(&entry.id.position)
        {
            self.keys.remove(key);
        }
    }

    /// Returns whether the topic may be trimmed whole if there are too many.
    pub(super) fn is_evictable(&self, name: &TopicName) -> bool {
        self.keyed == 0 && !self.positions.is_empty() && !name.is_reserved()
    }

    /// Returns whether the topic holds more than its rule allows.
    pub(super) fn exceeds_rule(&self, rules: &[Rule]) -> bool {
        let rule = (self.queue as usize)
            .checked_sub(1)
            .and_then(|index| rules.get(index));
        rule.is_some_and(|rule| {
            rule.max_events.is_some_and(|most| self.events > most)
                || rule.max_bytes.is_some_and(|most| self.bytes > most)
        })
    }
}
