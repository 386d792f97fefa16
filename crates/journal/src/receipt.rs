//! Receipts: by them, a repeated append is known as one.

use bytes::Bytes;

use crate::id::Position;

/// A note that is written in the same step as a batch, so that either both are kept or neither.
///
/// Its key and its value are the caller's business; the log adds where the batch came to stand, which nobody can know
/// beforehand. A receipt takes the place of an earlier one with the same key.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// What the batch is looked up by. At most 65,535 bytes.
    pub key: Bytes,
    /// What is to be remembered with it.
    pub value: Bytes,
    /// From when on it is no longer found, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// A receipt that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What was to be remembered.
    pub value: Bytes,
    /// The position of the batch's first record; of the next one appended, if the batch was empty.
    pub first: Position,
    /// How many records the batch had.
    pub events: u32,
}
