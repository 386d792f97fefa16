//! The output of a stream, on its way from the handler that opened the stream to the lane that
//! carries it.

use std::sync::Arc;

use parking_lot::Mutex;
use tidings_hub::Subscription;
use tidings_sse::Frame;

/// The place in a response where a handler leaves the stream's output. The parked lane and the body
/// of the same response share it; the first of them takes the output.
#[derive(Clone)]
pub struct StreamSlot(Arc<Mutex<Option<StreamOutput>>>);

/// The output of a stream.
pub enum StreamOutput {
    /// Everything that a subscription yields.
    Everything(Box<Subscription>),
    /// A single frame, after which the connection is cut.
    Once(Frame),
}

impl StreamSlot {
    /// Creates a slot that holds `output`.
    pub fn new(output: StreamOutput) -> Self {
        Self(Arc::new(Mutex::new(Some(output))))
    }

    /// Takes the output, if nobody has taken it.
    pub fn take(&self) -> Option<StreamOutput> {
        self.0.lock().take()
    }

    /// Whether it holds the output of an open stream that was not taken yet.
    pub fn is_stream(&self) -> bool {
        matches!(*self.0.lock(), Some(StreamOutput::Everything(_)))
    }
}
