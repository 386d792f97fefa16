//! The receipts of the log in memory.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use crate::{Kept, Position, Receipt};

/// All receipts that have not expired, as of the last look.
#[derive(Default)]
pub(super) struct Receipts {
    by_key: HashMap<Bytes, (i64, Kept)>,
    /// In the order of their end, in log time.
    ends: BTreeSet<(i64, Bytes)>,
}

impl Receipts {
    /// Keeps the receipt of a batch of `events` records that stands at `first`. Log time is ahead of the wall clock, by which
    /// it expires, by `skew` milliseconds.
    pub(super) fn keep(&mut self, receipt: Receipt, first: Position, events: usize, skew: i64) {
        let Receipt { key, value, expires_at_ms } = receipt;
        let expires_at_ms = expires_at_ms.saturating_add(skew);
        let kept = Kept { value, first, events: u32::try_from(events).unwrap_or(u32::MAX) };
        if let Some((end, _)) = self.by_key.insert(key.clone(), (expires_at_ms, kept)) {
            self.ends.remove(&(end, key.clone()));
        }
        self.ends.insert((expires_at_ms, key));
    }

    pub(super) fn find(&self, key: &[u8], now_ms: i64) -> Option<Kept> {
        self.by_key.get(key).filter(|(end, _)| *end > now_ms).map(|(_, kept)| kept.clone())
    }

    /// Log time moved by so many milliseconds while no time passed.
    pub(super) fn move_by(&mut self, ms: i64) {
        if ms.unsigned_abs() > 0 {
            self.by_key.values_mut().for_each(|(end, _)| *end = end.saturating_add(ms));
            self.ends = self.by_key.iter().map(|(key, (end, _))| (*end, key.clone())).collect();
        }
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
