//! Appends and their outcomes.
//!
//! The log decides in its own order whether a unit was appended before, whether its condition
//! holds, and whether there is capacity for its keys. A check beforehand only tells what was true
//! at that moment.

use std::sync::Arc;

use crate::{Pool, Position, Receipt, Record, StoredReceipt, TopicName};

/// A unit that is appended as a whole, at consecutive positions, or not at all.
#[derive(Clone, Debug, Default)]
pub struct Append {
    /// The records. There may be none, and only a receipt.
    pub records: Vec<Record>,
    /// The receipt by which a repetition is recognized.
    pub receipt: Option<Receipt>,
    /// The condition under which the unit is appended.
    pub condition: Option<Condition>,
    /// The log time at which the unit was made, in milliseconds since 1970 (see
    /// [`Timeline`](crate::Timeline)).
    pub now_ms: i64,
}

/// A condition on the live record with a key, which is the newest record with that key unless the
/// key was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The topic has no live record with this key.
    Absent(TopicName, Arc<str>),
    /// The topic's live record with this key stands at this position.
    Current(TopicName, Arc<str>, Position),
}

/// The outcome of an append.
///
/// The log checks for a live receipt first, then the condition, then the bounds on keys. A unit
/// that is refused needs no capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The unit was appended. Holds the position of its first record, or of the next record to be
    /// appended if the unit had none.
    New(Position),
    /// A unit with the same receipt key was appended or refused before. Nothing was changed.
    Known(StoredReceipt),
    /// The condition does not hold, and nothing was appended. The receipt is kept with this
    /// outcome, so that a repetition gets the same answer whatever is true by then. Holds the last
    /// position of the log.
    Refused(Position),
    /// A pool has no capacity for the unit's keys. Nothing was appended, and no receipt is kept.
    Full(Pool),
}

impl Append {
    /// Sets the receipt.
    #[must_use]
    pub fn receipt(self, receipt: Option<Receipt>) -> Self {
        Self { receipt, ..self }
    }

    /// Sets the condition.
    #[must_use]
    pub fn when(self, condition: Option<Condition>) -> Self {
        Self { condition, ..self }
    }

    /// Sets the log time at which the unit was made.
    #[must_use]
    pub fn at(self, now_ms: i64) -> Self {
        Self { now_ms, ..self }
    }
}

impl From<Vec<Record>> for Append {
    fn from(records: Vec<Record>) -> Self {
        Self {
            records,
            ..Self::default()
        }
    }
}

impl Condition {
    /// Whether the condition holds. `live` returns the position of the live record of a topic with
    /// a key, if there is one.
    pub fn holds(&self, live: impl Fn(&TopicName, &str) -> Option<Position>) -> bool {
        let (topic, key, position) = self.parts();
        live(topic, key) == position
    }

    /// Returns the topic, the key, and the position at which its live record must stand; `None`
    /// means that there must be none.
    fn parts(&self) -> (&TopicName, &Arc<str>, Option<Position>) {
        match self {
            Self::Absent(topic, key) => (topic, key, None),
            Self::Current(topic, key, position) => (topic, key, Some(*position)),
        }
    }
}

impl Appended {
    /// Returns the position of the unit's first record if it was appended.
    pub fn first(&self) -> Option<Position> {
        match self {
            Self::New(first) => Some(*first),
            Self::Known(_) | Self::Refused(_) | Self::Full(_) => None,
        }
    }
}
