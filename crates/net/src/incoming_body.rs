//! The body of a request as hyper receives it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use crate::connections::CallProgress;

/// The body of a request. Dropping it, complete or not, notes in the connection table that the call
/// no longer waits for its peer.
pub(crate) struct IncomingBody {
    body: Incoming,
    progress: Arc<CallProgress>,
}

impl IncomingBody {
    pub(crate) fn new(body: Incoming, progress: Arc<CallProgress>) -> Self {
        Self { body, progress }
    }
}

impl http_body::Body for IncomingBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for IncomingBody {
    fn drop(&mut self) {
        self.progress.arrived();
    }
}
