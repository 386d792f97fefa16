//! The receipts of a replica.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use crate::StoredReceipt;

/// The receipts that had not expired when they were last examined.
#[derive(Default)]
pub(super) struct Receipts {
    by_key: HashMap<Bytes, (i64, StoredReceipt)>,
    /// The keys in the order in which the receipts end, in log time.
    ends: BTreeSet<(i64, Bytes)>,
}

impl Receipts {
    /// Stores the receipt with this key until `end_ms`, in log time.
    pub(super) fn keep(&mut self, key: Bytes, kept: StoredReceipt, end_ms: i64) {
        if let Some((end, _)) = self.by_key.insert(key.clone(), (end_ms, kept)) {
            self.ends.remove(&(end, key.clone()));
        }
        self.ends.insert((end_ms, key));
    }

    pub(super) fn find(&self, key: &[u8], now_ms: i64) -> Option<&StoredReceipt> {
        self.by_key
            .get(key)
            .filter(|(end, _)| *end > now_ms)
            .map(|(_, kept)| kept)
    }

    /// Removes the receipts that have expired by `now_ms`.
    pub(super) fn expire(&mut self, now_ms: i64) {
        while let Some((end, key)) = self.ends.pop_first() {
            if end > now_ms {
                self.ends.insert((end, key));
                break;
            }
            self.by_key.remove(&key);
        }
    }

    /// Returns all receipts, each with its key and its end.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Bytes, &StoredReceipt, i64)> {
        self.by_key
            .iter()
            .map(|(key, (end, kept))| (key, kept, *end))
    }
}
