//! What a stream is to say, on its way from the handler that opened it to the lane that carries it.

use std::sync::Arc;

use parking_lot::Mutex;
use tidings_hub::Subscription;
use tidings_sse::Frame;

/// Where a handler leaves what a stream is to say for whoever carries it: the parked lane, or the body in the same
/// response. Whichever is first takes it.
#[derive(Clone)]
pub(crate) struct StreamSlot(Arc<Mutex<Option<Saying>>>);

/// What a stream is to say.
pub(crate) enum Saying {
    /// All that a subscription says.
    Everything(Box<Subscription>),
    /// One thing; then it is cut.
    Once(Frame),
}

impl StreamSlot {
    pub(crate) fn new(saying: Saying) -> Self {
        Self(Arc::new(Mutex::new(Some(saying))))
    }

    pub(crate) fn take(&self) -> Option<Saying> {
        self.0.lock().take()
    }

    /// Whether it is a stream that stays, and was not taken yet.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(*self.0.lock(), Some(Saying::Everything(_)))
    }
}
