//! How much may be on its way into the log at once.
//!
//! A publish holds memory from the moment its body is read until it is answered. While the log waits for its disk, that is
//! everything that was sent meanwhile, and with a key the work goes on even if its caller has left. So there is a bound on
//! all of them together; who finds no room is refused at once, before anything is published.

use std::sync::Arc;
use std::time::Duration;

use tidings_edge::error::{Code, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What publishes in progress may hold together.
///
/// In KiB, as all here: a semaphore counts up to 32 bits.
const ROOM: usize = 128 << 10;

/// What any publish holds: its task, the head of its request, the event around the data.
const OVERHEAD: usize = 4;

/// A body is there as it came, as fields, and as the event's data.
const COPIES: usize = 3;

/// When to try again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The room for publishes in progress.
pub(crate) struct Admission(Arc<Semaphore>);

/// A publish's share of it, until this is dropped.
#[must_use = "the share is given back when this is dropped"]
pub(crate) struct Share {
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    /// Takes what a publish with a body of this many bytes holds, or refuses it.
    pub(crate) fn enter(&self, body: usize) -> Result<Share, Error> {
        let wanted = OVERHEAD + COPIES * body.div_ceil(1 << 10);
        // What is larger than all the room takes all of it.
        let share = u32::try_from(wanted.min(ROOM)).unwrap_or(u32::MAX);
        let permit = self.0.clone().try_acquire_many_owned(share);
        permit.map(|permit| Share { _permit: permit }).map_err(|_| {
            let message = "Too many publishes wait for the log; this one was not taken";
            Error::new(Code::JournalUnavailable, message).retry_after(RETRY_AFTER)
        })
    }
}

impl Default for Admission {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }
}

#[cfg(test)]
mod tests;
