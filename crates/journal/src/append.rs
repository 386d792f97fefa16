//! What is appended in one step, and what came of it.
//!
//! The log decides, under its own order: whether the unit was appended before, whether its condition holds, and whether there
//! is room for its keys. Whoever looks beforehand knows no more than what was.

use std::sync::Arc;

use crate::{Kept, Pool, Position, Receipt, Record, TopicName};

/// A unit: all of it is appended, at consecutive positions, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Append {
    /// What is appended. There may be nothing but a receipt.
    pub records: Vec<Record>,
    /// By what a repetition is known.
    pub receipt: Option<Receipt>,
    /// What has to be true.
    pub condition: Option<Condition>,
    /// Log time where the unit was made, in milliseconds since 1970 (see [`Timeline`](crate::Timeline)).
    pub now_ms: i64,
}

/// What has to be true of the live record with a key, that is the newest one, unless it was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The topic has no live record with this key.
    Absent(TopicName, Arc<str>),
    /// The topic's live record with this key stands at this position.
    Current(TopicName, Arc<str>, Position),
}

/// What came of a unit.
///
/// A live receipt is looked at first, then the condition, then the room: what is refused needs none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the log. The position of its first record; of the next one appended, if it had none.
    New(Position),
    /// A unit with this receipt's key was appended or refused before. Nothing was changed.
    Known(Kept),
    /// Its condition is not true: nothing was appended. Its receipt is kept with this outcome, so that a repetition gets the same
    /// answer whatever is true by then. The log's last position.
    Refused(Position),
    /// There is no room for its keys: nothing was appended, and no receipt is kept.
    Full(Pool),
}

impl Append {
    /// With a receipt.
    #[must_use]
    pub fn receipt(self, receipt: Option<Receipt>) -> Self {
        Self { receipt, ..self }
    }

    /// On a condition.
    #[must_use]
    pub fn when(self, condition: Option<Condition>) -> Self {
        Self { condition, ..self }
    }

    /// Made at this log time.
    #[must_use]
    pub fn at(self, now_ms: i64) -> Self {
        Self { now_ms, ..self }
    }
}

impl From<Vec<Record>> for Append {
    fn from(records: Vec<Record>) -> Self {
        Self { records, ..Self::default() }
    }
}

impl Condition {
    /// The topic, the key, and where its live record has to stand; `None` for nowhere.
    pub(crate) fn parts(&self) -> (&TopicName, &Arc<str>, Option<Position>) {
        match self {
            Self::Absent(topic, key) => (topic, key, None),
            Self::Current(topic, key, position) => (topic, key, Some(*position)),
        }
    }
}

impl Appended {
    /// Where its first record stands, if it was appended.
    pub fn first(&self) -> Option<Position> {
        match self {
            Self::New(first) => Some(*first),
            Self::Known(_) | Self::Refused(_) | Self::Full(_) => None,
        }
    }
}
