//! The memory budget of the publishes that are on their way into the log.
//!
//! A publish holds memory from the moment its body is read until it is answered. While the log
//! waits for its disk, the publishes that arrive add up. A publish with a key even goes on after
//! its caller has left. Therefore all publishes together share one budget, and a publish that does
//! not fit is refused at once, before anything is published.

use std::sync::Arc;
use std::time::Duration;

use tidings_edge::error::{Code, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The budget of all publishes in progress together, in KiB because a semaphore counts in 32 bits.
const BUDGET_KIB: usize = 128 << 10;

/// The share of a publish without its body, in KiB: its task, the head of its request, and the
/// event around the data.
const OVERHEAD_KIB: usize = 4;

/// How many copies of its body a publish holds: the received bytes, the parsed fields, and the
/// event's data.
const COPIES: usize = 3;

/// When a refused caller should try again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The budget for publishes in progress.
pub(crate) struct PublishBudget(Arc<Semaphore>);

/// A publish's share of the budget. Dropping it gives the share back.
#[must_use = "the share is given back when this is dropped"]
pub(crate) struct Share {
    _permit: OwnedSemaphorePermit,
}

impl PublishBudget {
    /// Takes the share of a publish with a body of `body_bytes` bytes. Fails if the budget has no
    /// space for it.
    pub(crate) fn reserve(&self, body_bytes: usize) -> Result<Share, Error> {
        let wanted = OVERHEAD_KIB + COPIES * body_bytes.div_ceil(1 << 10);
        // A publish that is larger than the budget takes all of it.
        let share = u32::try_from(wanted.min(BUDGET_KIB)).unwrap_or(u32::MAX);
        let permit = self.0.clone().try_acquire_many_owned(share);
        permit.map(|permit| Share { _permit: permit }).map_err(|_| {
            let message = "Too many publishes wait for the log; this one was refused";
            Error::new(Code::JournalUnavailable, message).retry_after(RETRY_AFTER)
        })
    }
}

impl Default for PublishBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET_KIB)))
    }
}

#[cfg(test)]
mod tests;
