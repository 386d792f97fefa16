//! The body of an answer on its way through hyper. Until the last byte of it has left, the answer
//! counts as in progress and holds its share of the budget for answers.
//!
//! Over HTTP/2 the body is given to hyper in pieces, so that progress can be observed. If nothing
//! of an answer is taken for long, its task is dropped, which resets its stream. PINGs and other
//! streams of the connection are no progress of this answer.

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

use crate::connections::Call;
use crate::cut::Cut;
use crate::slot::StreamSlot;
use crate::unread_output::{self, Share, UnreadOutput};

/// How many bytes are given to HTTP/2 at a time: the size of a frame.
const PIECE: usize = 16 << 10;

/// The size, in bytes, up to which an answer over HTTP/2 ends with its only piece. The end of a
/// larger answer is held back until everything else has left, so that its task is still there to be
/// reset while some of it has not.
const AT_ONCE: u64 = 1 << 10;

/// How many times within the write timeout the progress of an answer is checked.
const LOOKS: u32 = 4;

/// The body of an answer.
pub(crate) struct Answer {
    body: Body,
    /// `None` for a stream, which is counted elsewhere.
    holding: Option<Arc<Holding>>,
    /// The call of a stream, which is in progress as long as its body exists.
    stream: Option<Call>,
    /// Data that was taken from the body and was not given out yet. Used only over HTTP/2.
    rest: Bytes,
    going: Option<Arc<Going>>,
    /// Whether the end of the body is given out only after everything else has left.
    ends_late: bool,
    unread_output: Arc<UnreadOutput>,
    cut: Cut,
}

/// What is held for an answer until its last byte has left.
struct Holding {
    _call: Call,
    /// The share of the whole answer. `None` for a body of unknown length, which takes a share for
    /// each frame.
    share: Option<Share>,
}

/// Bytes that were given to hyper.
struct Held {
    bytes: Bytes,
    _share: Option<Share>,
    _holding: Arc<Holding>,
    going: Option<Arc<Going>>,
}

/// The progress of an answer over HTTP/2.
#[derive(Default)]
pub(crate) struct Going {
    pieces: Mutex<Pieces>,
    /// Notified when a piece is given to hyper.
    begun: Notify,
}

#[derive(Default)]
struct Pieces {
    /// How many pieces were given to hyper and have not left.
    held: usize,
    /// How many pieces have left.
    left: usize,
    /// Wakes the body, which waits for the last piece to leave.
    body: Option<Waker>,
}

/// There is no space in the budget for more of the answer, which therefore breaks off.
#[derive(Debug, thiserror::Error)]
#[error("there is no room for the rest of the answer")]
struct NoRoom;

/// Makes `response` hold its share of the budget. If there is no space for it, returns a refusal in
/// its place, and the code of the refusal.
pub(crate) fn held(
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

/// Returns the refusal that replaces an answer, with the headers that the layers have added to that
/// answer (CORS, the request's id).
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
    /// Waits until hyper holds no piece any more.
    fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut pieces = self.pieces.lock();
        if pieces.held == 0 {
            return Poll::Ready(());
        }
        pieces.body = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Resolves once hyper has held pieces for `limit` and none of them has left.
    pub(crate) async fn stuck(&self, limit: Duration) {
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
