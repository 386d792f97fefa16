//! Receipts: by them, a repeated append is known as one.

use std::time::Duration;

use bytes::Bytes;

use crate::id::Position;

/// A note that is written in the same step as a unit, so that either both are kept or neither.
///
/// Its key and its value are the caller's business; the log adds what came of the unit and where it came to stand, which
/// nobody can know beforehand. While a receipt is live, no other unit with its key is appended.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// What the unit is looked up by. At most 65,535 bytes.
    pub key: Bytes,
    /// What is to be remembered with it.
    pub value: Bytes,
    /// For how long it is live, in log time.
    pub lives: Duration,
}

/// A receipt that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What was to be remembered.
    pub value: Bytes,
    /// The position of the unit's first record; of the next one appended, if it had none or was refused.
    pub first: Position,
    /// How many records of it were appended.
    pub events: u32,
    /// Whether its condition was not true, so that nothing was appended.
    pub refused: bool,
}
