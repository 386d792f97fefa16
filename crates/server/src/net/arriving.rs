//! A request's body on its way through hyper.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use crate::net::census::Course;

/// A request's body on its way through hyper: the connection is told when it is whole.
pub(crate) struct Arriving {
    body: Incoming,
    course: Arc<Course>,
}

impl Arriving {
    pub(crate) fn new(body: Incoming, course: Arc<Course>) -> Self {
        Self { body, course }
    }
}

impl http_body::Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.course.arrived();
    }
}
