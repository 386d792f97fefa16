//! The one limit of time that tests have: after it a test that hangs fails.
//!
//! Owns the limit, for this program and for that of the commands. Nothing here judges how soon something comes: on a busy
//! machine everything comes later, and a promise about time is kept by comparing times that the server tells, by time that
//! is paused, or by a least time.

use std::future::Future;
use std::time::Duration;

/// Longer than anything here takes on the busiest machine. Longer, too, than the limits that a test sets so that they are
/// not what ends something: what comes within this came for another reason.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// Fails the test if `work` hangs.
#[track_caller]
pub(crate) fn in_time<W: Future>(work: W) -> impl Future<Output = W::Output> {
    let caller = std::panic::Location::caller();
    async move {
        let done = tokio::time::timeout(PATIENCE, work).await;
        done.unwrap_or_else(|_| panic!("what {caller} waits for did not come within {PATIENCE:?}"))
    }
}
