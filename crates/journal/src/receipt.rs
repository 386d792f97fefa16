//! Receipts, by which a repeated append is recognized.

use std::time::Duration;

use bytes::Bytes;

use crate::id::Position;

/// A note that is stored in the same step as a unit, so that either both are kept or neither is.
///
/// The caller chooses the key and the value. The log adds the outcome of the unit and its position,
/// which are not known beforehand. While a receipt is live, no other unit with the same
/// key is appended.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The key that the unit is looked up by. The log on disk takes at most 32,768 bytes.
    pub key: Bytes,
    /// The value that is returned when the receipt is found.
    pub value: Bytes,
    /// How long the receipt is live, in log time.
    pub lives: Duration,
}

/// A receipt as the log has stored it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReceipt {
    /// The value from the receipt.
    pub value: Bytes,
    /// The position of the unit's first record, or of the next record to be appended if the unit
    /// had none or was refused.
    pub first: Position,
    /// The number of records that were appended with it.
    pub events: u32,
    /// Whether the unit's condition did not hold, so that nothing was appended.
    pub refused: bool,
}
