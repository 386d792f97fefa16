//! The thread that has what was written on the device, every so often, in the mode [`Sync::Interval`].

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::time::Instant;

use super::log::{Log, Watch};

/// Syncs at least every `interval` what was appended meanwhile, until `stop` is dropped or a sync fails.
///
/// [`Sync::Interval`]: super::Sync::Interval
pub(super) fn run(log: &Arc<Log>, interval: Duration, stop: &Receiver<()>) {
    let _watch = Watch::new(log.clone(), "syncing the journal");
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
