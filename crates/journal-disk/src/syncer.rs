//! The thread that syncs at an interval, for [`Sync::Interval`].
//!
//! [`Sync::Interval`]: super::Sync::Interval

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::time::Instant;

use super::log::{Log, PanicGuard};

/// Syncs what was appended, at this interval, until `stop` is dropped or a sync fails.
pub(super) fn run(log: &Arc<Log>, interval: Duration, stop: &Receiver<()>) {
    let _guard = PanicGuard::new(log.clone(), "syncing the journal");
    while stop.recv_timeout(interval) != Err(RecvTimeoutError::Disconnected) {
        let head = log.head();
        if !log.is_open() {
            return;
        }
        if head > log.synced() {
            let since = Instant::now();
            match log.tables.db.persist(fjall::PersistMode::SyncData) {
                Ok(()) => {
                    log.counters.syncs.observe(since.elapsed());
                    log.set_synced(head);
                }
                Err(error) => _ = log.fail("syncing the journal", &error),
            }
        }
    }
}
