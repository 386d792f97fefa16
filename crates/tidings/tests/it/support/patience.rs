//! The one timeout of the tests: a test that hangs fails after it.
//!
//! Owns the timeout, for this program and for the tests of the commands. Nothing here checks how
//! soon something happens, because everything takes longer on a busy machine. A promise about time
//! is tested by comparing times that the server reports, with paused time, or by a minimum.

use std::future::Future;
use std::time::Duration;

/// Longer than anything here takes on the busiest machine. A limit that a test raises so that it
/// does not end anything should be longer than this: what happens within this time then happens for
/// another reason.
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
