//! The body of an answer on its way through hyper: it counts as being answered, and holds its share of the room for answers,
//! until the last of its bytes has left.
//!
//! Over HTTP/2 it is given out in pieces, so that whether any of it is taken can be seen, and the task of an answer of which
//! nothing is taken for long is dropped, which resets its stream. PINGs and other streams are no progress of this one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, VARY,
};
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tidings_edge::error::Code;
use tokio::sync::Notify;

use super::connections::Call;
use super::cut::Cut;
use super::unread_output::{self, Share, UnreadOutput};
use crate::streams::slot::StreamSlot;

/// How much is given to HTTP/2 at a time: a frame's worth.
const PIECE: usize = 16 << 10;

/// An answer of at most so many bytes has its end in its only piece. Of a larger one, the end is held back until everything
/// else has left, so that its task is there to be reset as long as something has not.
const AT_ONCE: u64 = 1 << 10;

/// How many times within `WRITE_TIMEOUT` it is looked whether something was taken.
const LOOKS: u32 = 4;

/// The body of an answer.
pub(super) struct Answer {
    body: Body,
    /// `None` for a stream, which is counted elsewhere.
    holding: Option<Arc<Holding>>,
    /// A stream is being answered as long as its body is there.
    stream: Option<Call>,
    /// Data that was taken from the body and not given out yet. Only over HTTP/2.
    rest: Bytes,
    going: Option<Arc<Going>>,
    /// Whether its end is given out only after everything else has left.
    ends_late: bool,
    unread_output: Arc<UnreadOutput>,
    cut: Cut,
}

/// What is held for an answer.
struct Holding {
    _call: Call,
    /// Taken as a whole; `None` for a body whose length was not known, which takes one for each frame.
    share: Option<Share>,
}

/// Bytes that were given to hyper.
struct Held {
    bytes: Bytes,
    _share: Option<Share>,
    _holding: Arc<Holding>,
    going: Option<Arc<Going>>,
}

/// How an answer over HTTP/2 goes.
#[derive(Default)]
pub(super) struct Going {
    pieces: Mutex<Pieces>,
    /// Told at the first piece.
    begun: Notify,
}

#[derive(Default)]
struct Pieces {
    /// How many were given to hyper and have not left.
    held: usize,
    /// How many have left.
    left: usize,
    /// The body, which waits for the last of them to leave.
    body: Option<Waker>,
}

/// No room, or the answer broke off.
#[derive(Debug, thiserror::Error)]
#[error("there is no room for the rest of the answer")]
struct NoRoom;

/// Has `response` hold its share of the room; answers with a refusal in its place where there is none.
pub(super) fn held(
    response: Response,
    mut call: Call,
    unread_output: &Arc<UnreadOutput>,
    cut: &Cut,
    going: Option<Arc<Going>>,
) -> (Response<Answer>, Option<Code>) {
    let mut answer = Answer {
        body: Body::empty(),
        holding: None,
        stream: None,
        rest: Bytes::new(),
        ends_late: false,
        going,
        unread_output: unread_output.clone(),
        cut: cut.clone(),
    };
    if response.extensions().get::<StreamSlot>().is_some_and(StreamSlot::is_stream) {
        call.is_stream();
        answer.stream = Some(call);
        return (response.map(|body| Answer { body, ..answer }), None);
    }
    call.answered();
    let length = response.body().size_hint().exact();
    answer.ends_late = answer.going.is_some() && length.is_none_or(|length| length > AT_ONCE);
    let Some(length) = length else {
        answer.holding = Some(Arc::new(Holding { _call: call, share: None }));
        return (response.map(|body| Answer { body, ..answer }), None);
    };
    let share = unread_output.enter(usize::try_from(length).unwrap_or(usize::MAX), cut);
    let refused = share.is_none().then_some(Code::Overloaded);
    let response = if refused.is_some() { refusal(response.headers()) } else { response };
    answer.holding = Some(Arc::new(Holding { _call: call, share }));
    (response.map(|body| Answer { body, ..answer }), refused)
}

/// The refusal, with what the layers have added to the answer in whose place it stands (CORS, the request's id).
fn refusal(answered: &HeaderMap) -> Response {
    let mut response = unread_output::refusal().into_response();
    let of_the_body =
        [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CACHE_CONTROL, ETAG, LAST_MODIFIED, ACCEPT_RANGES, VARY];
    for (name, value) in answered.iter().filter(|(name, _)| !of_the_body.contains(name)) {
        response.headers_mut().append(name, value.clone());
    }
    for vary in answered.get_all(VARY) {
        response.headers_mut().append(VARY, vary.clone());
    }
    response
}

impl Answer {
    /// Marks bytes as held until hyper lets go of them.
    fn hold(&self, bytes: Bytes, holding: &Arc<Holding>) -> Result<Bytes, NoRoom> {
        let share = match holding.share {
            Some(_) => None,
            None => Some(self.unread_output.enter(bytes.len(), &self.cut).ok_or(NoRoom)?),
        };
        if let Some(going) = &self.going {
            going.pieces.lock().held += 1;
            going.begun.notify_one();
        }
        let (holding, going) = (holding.clone(), self.going.clone());
        Ok(Bytes::from_owner(Held { bytes, _share: share, _holding: holding, going }))
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(holding) = this.holding.clone() else { return Pin::new(&mut this.body).poll_frame(cx) };
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    if let Some(going) = this.going.as_ref().filter(|_| this.ends_late) {
                        ready!(going.poll_left(cx));
                    }
                    return Poll::Ready(None);
                }
            }
        }
        let most = if this.going.is_some() { PIECE } else { usize::MAX };
        let piece = this.rest.split_to(this.rest.len().min(most));
        Poll::Ready(Some(this.hold(piece, &holding).map(Frame::data).map_err(axum::Error::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream() && !self.ends_late
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(going) = &self.going else { return };
        let body = {
            let mut pieces = going.pieces.lock();
            pieces.left += 1;
            pieces.held -= 1;
            if pieces.held == 0 { pieces.body.take() } else { None }
        };
        if let Some(body) = body {
            body.wake();
        }
    }
}

impl Going {
    /// Waits until nothing is held any more.
    fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut pieces = self.pieces.lock();
        if pieces.held == 0 {
            return Poll::Ready(());
        }
        pieces.body = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Resolves when something was held for `limit` and nothing of it has left.
    pub(super) async fn stuck(&self, limit: Duration) {
        self.begun.notified().await;
        let (mut before, mut looks) = (0, 0);
        while looks < LOOKS {
            tokio::time::sleep(limit / LOOKS).await;
            let Pieces { held, left, .. } = *self.pieces.lock();
            looks = if held > 0 && left == before { looks + 1 } else { 0 };
            before = left;
        }
    }
}
