//! What the tests of this crate share.

use crate::{Append, Error, Journal, Position, Receipt, Record};

/// Appends what nothing stands in the way of.
pub(crate) trait Put {
    /// Returns the position of the first.
    async fn put(&self, records: Vec<Record>) -> Result<Position, Error>;
    /// The same, with a receipt.
    async fn put_with(&self, records: Vec<Record>, receipt: Option<Receipt>) -> Result<Position, Error>;
}

impl<J: Journal + ?Sized> Put for J {
    async fn put(&self, records: Vec<Record>) -> Result<Position, Error> {
        self.put_with(records, None).await
    }

    async fn put_with(&self, records: Vec<Record>, receipt: Option<Receipt>) -> Result<Position, Error> {
        let appended = self.append(Append::from(records).receipt(receipt)).await?;
        Ok(appended.first().unwrap_or_else(|| panic!("{appended:?}")))
    }
}
