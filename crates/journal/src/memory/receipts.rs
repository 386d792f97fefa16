//! The receipts of the log in memory.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;

use crate::Kept;

/// All receipts that have not expired, as of the last look.
#[derive(Default)]
pub(super) struct Receipts {
    by_key: HashMap<Bytes, (i64, Kept)>,
    /// In the order of their end, in log time.
    ends: BTreeSet<(i64, Bytes)>,
}

impl Receipts {
    /// Keeps a receipt, which lives for so long from `now_ms` on.
    pub(super) fn keep(&mut self, key: Bytes, kept: Kept, lives: Duration, now_ms: i64) {
        let end = now_ms.saturating_add(i64::try_from(lives.as_millis()).unwrap_or(i64::MAX));
        if let Some((earlier, _)) = self.by_key.insert(key.clone(), (end, kept)) {
            self.ends.remove(&(earlier, key.clone()));
        }
        self.ends.insert((end, key));
    }

    pub(super) fn find(&self, key: &[u8], now_ms: i64) -> Option<Kept> {
        self.by_key.get(key).filter(|(end, _)| *end > now_ms).map(|(_, kept)| kept.clone())
    }

    /// Forgets what has expired by `now_ms`.
    pub(super) fn expire(&mut self, now_ms: i64) {
        while let Some((end, key)) = self.ends.pop_first() {
            if end > now_ms {
                self.ends.insert((end, key));
                break;
            }
            self.by_key.remove(&key);
        }
    }
}
