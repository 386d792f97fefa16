//! One topic: which positions stand in it, its live keys, and what of it counts against its rule.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::order::LineId;
use super::retention::Retention;
use crate::{Entry, Pool, PoolCounts, Position, Record, Rule, TopicName};

/// One topic.
pub(super) struct Topic {
    /// Oldest first.
    pub(super) positions: VecDeque<Position>,
    /// The highest position ever trimmed away.
    pub(super) floor: Position,
    /// The live position of each key.
    pub(super) keys: HashMap<Arc<str>, Position>,
    /// What the entries with a key weigh of which this is the first topic.
    pub(super) keyed_bytes: u64,
    /// How many entries with a key stand here, those of other topics included.
    pub(super) keyed: usize,
    /// The entries without a key of which this is the first topic, and their weight.
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// Up to here, none of them is left.
    pub(super) own_after: Position,
    /// Where its entries without a key stand in the order in which they go, and which rule governs it.
    pub(super) line: LineId,
    /// What its entries with a key count in.
    pub(super) pool: Pool,
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
    pub(super) fn new(name: &TopicName, floor: Position, retention: &Retention) -> Self {
        let rule = if retention.rules.is_empty() { None } else { Rule::governing(&retention.rules, name) };
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
    pub(super) fn own(&mut self, entry: &Entry, pools: &mut PoolCounts) -> Listed {
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
    pub(super) fn disown(&mut self, entry: &Entry, pools: &mut PoolCounts) {
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
    pub(super) fn may_go(&self, name: &TopicName) -> bool {
        self.keyed == 0 && !self.positions.is_empty() && !name.is_reserved()
    }

    /// Whether it holds more than its rule allows.
    pub(super) fn is_over(&self, rules: &[Rule]) -> bool {
        let rule = (self.line as usize).checked_sub(1).and_then(|index| rules.get(index));
        rule.is_some_and(|rule| {
            rule.max_events.is_some_and(|most| self.events > most)
                || rule.max_bytes.is_some_and(|most| self.bytes > most)
        })
    }
}
