//! The oracle: what was acknowledged, and what must therefore be in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tidings_journal::{Condition, EventId, Position, Receipt, Record, StoredReceipt, TopicName};

use super::MAX_LIVE_KEYS;

/// A record that was appended and acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Acknowledged {
    pub(super) id: EventId,
    pub(super) topics: Vec<TopicName>,
    pub(super) key: Option<Arc<str>>,
    pub(super) ends_key: bool,
    pub(super) data: Bytes,
}

/// A unit that was sent to the log.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) records: Vec<Record>,
    pub(super) receipt: Option<Receipt>,
    pub(super) condition: Option<Condition>,
}

/// Everything that is known about the log from its answers.
#[derive(Default)]
pub(super) struct Oracle {
    pub(super) acknowledged: BTreeMap<Position, Acknowledged>,
    /// The receipts that were acknowledged.
    pub(super) receipts: BTreeMap<Bytes, StoredReceipt>,
    /// The newest acknowledged position of each key.
    pub(super) keys: BTreeMap<Arc<str>, Position>,
    /// The units that were answered with an error. Each may be in the log as a whole, or not at
    /// all.
    pub(super) uncertain: Vec<Unit>,
    /// The events that were acknowledged and then lost, where that is allowed.
    pub(super) lost: Vec<EventId>,
    /// The position up to which a topic was erased, once that was acknowledged.
    pub(super) erased: Position,
    pub(super) rounds_with_loss: usize,
}

/// The outcome of a unit.
pub(super) enum Outcome {
    New,
    Known(StoredReceipt),
    Refused,
    Full,
}

impl Oracle {
    /// Returns the outcome that a unit must have if these keys are live.
    pub(super) fn outcome(&self, unit: &Unit, live: &BTreeMap<Arc<str>, Position>) -> Outcome {
        if let Some(kept) = unit
            .receipt
            .as_ref()
            .and_then(|receipt| self.receipts.get(&receipt.key))
        {
            return Outcome::Known(kept.clone());
        }
        let holds = match &unit.condition {
            None => true,
            Some(Condition::Absent(_, key)) => !live.contains_key(key),
            Some(Condition::Current(_, key, position)) => live.get(key) == Some(position),
        };
        if !holds {
            return Outcome::Refused;
        }
        let mut keys: BTreeSet<_> = live.keys().cloned().collect();
        for record in &unit.records {
            match record.key.clone() {
                Some(key) if record.ends_key => _ = keys.remove(&key),
                Some(key) if !keys.contains(&key) && keys.len() == MAX_LIVE_KEYS => {
                    return Outcome::Full;
                }
                key => keys.extend(key),
            }
        }
        Outcome::New
    }

    /// Returns the live keys, as far as they were acknowledged.
    pub(super) fn live(&self) -> BTreeMap<Arc<str>, Position> {
        let mut live = BTreeMap::new();
        for record in self.acknowledged.values() {
            match &record.key {
                Some(key) if record.ends_key => _ = live.remove(key),
                Some(key) => _ = live.insert(key.clone(), record.id.position),
                None => {}
            }
        }
        live
    }
}
