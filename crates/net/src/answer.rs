//! The body of an answer on its way through hyper. Until its last byte is written to the socket,
//! the answer counts as in progress and holds its share of the budget for answers.
//!
//! Over HTTP/2 the body is given to hyper in pieces, so that progress can be observed. If no piece
//! of an answer is written within the write timeout, the task of the answer is dropped, which
//! resets its stream. PINGs and other streams of the connection do not count as progress of the
//! answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    LAST_MODIFIED, VARY,
};
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tidings_edge::error::Code;
use tokio::sync::Notify;

use crate::connections::Call;
use crate::cut::Cut;
use crate::slot::StreamSlot;
use crate::unread_output::{self, Share, UnreadOutput};

/// How many bytes are given to h2 at a time: the size of a frame.
const PIECE_BYTES: usize = 16 << 10;

/// The size up to which an answer over HTTP/2 ends together with its only piece. The end of a
/// larger answer is held back until every piece is written. Until then the task of the answer
/// exists, and dropping it resets the stream.
const SINGLE_PIECE_BYTES: u64 = 1 << 10;

/// How many times within the write timeout the progress of an answer is checked.
const CHECKS_PER_TIMEOUT: u32 = 4;

/// The body of an answer.
pub(crate) struct Answer {
    body: Body,
    /// `None` for a stream, which takes no share of the budget.
    reservation: Option<Arc<Reservation>>,
    /// The call of a stream, which is in progress as long as its body exists.
    stream: Option<Call>,
    /// Data that was taken from the body and was not given to hyper yet. Used only over HTTP/2.
    rest: Bytes,
    /// Set only over HTTP/2.
    progress: Option<Arc<AnswerProgress>>,
    /// Whether the end of the body is given to hyper only after every piece is written.
    ends_late: bool,
    unread_output: Arc<UnreadOutput>,
    cut: Cut,
}

/// What is held for an answer until its last byte is written.
struct Reservation {
    _call: Call,
    /// The share of the whole answer. `None` for a body of unknown length, which takes a share for
    /// each frame.
    share: Option<Share>,
}

/// A piece of an answer that was given to hyper, which drops it once it is written.
struct HeldPiece {
    bytes: Bytes,
    _share: Option<Share>,
    _reservation: Arc<Reservation>,
    progress: Option<Arc<AnswerProgress>>,
}

/// The progress of an answer over HTTP/2.
#[derive(Default)]
pub(crate) struct AnswerProgress {
    pieces: Mutex<Pieces>,
    /// Notified when a piece is given to hyper.
    piece_given: Notify,
}

#[derive(Default)]
struct Pieces {
    /// How many pieces were given to hyper and are not written yet.
    held: usize,
    /// How many pieces were written.
    written: usize,
    /// Wakes the body, which waits until the last piece is written.
    body: Option<Waker>,
}

/// The budget has no space for the rest of the answer, which is therefore cut off.
#[derive(Debug, thiserror::Error)]
#[error("the budget for unread answers has no space for the rest of the answer")]
struct BudgetExhausted;

/// Makes `response` hold its share of the budget. If there is no space for it, returns a refusal in
/// its place, and the code of the refusal.
pub(crate) fn reserve(
    response: Response,
    mut call: Call,
    unread_output: &Arc<UnreadOutput>,
    cut: &Cut,
    progress: Option<Arc<AnswerProgress>>,
) -> (Response<Answer>, Option<Code>) {
    let mut answer = Answer {
        body: Body::empty(),
        reservation: None,
        stream: None,
        rest: Bytes::new(),
        ends_late: false,
        progress,
        unread_output: unread_output.clone(),
        cut: cut.clone(),
    };
    if response
        .extensions()
        .get::<StreamSlot>()
        .is_some_and(StreamSlot::is_stream)
    {
        call.became_stream();
        answer.stream = Some(call);
        return (response.map(|body| Answer { body, ..answer }), None);
    }
    call.answered();
    let length = response.body().size_hint().exact();
    answer.ends_late =
        answer.progress.is_some() && length.is_none_or(|length| length > SINGLE_PIECE_BYTES);
    let Some(length) = length else {
        answer.reservation = Some(Arc::new(Reservation {
            _call: call,
            share: None,
        }));
        return (response.map(|body| Answer { body, ..answer }), None);
    };
    let share = unread_output.reserve(usize::try_from(length).unwrap_or(usize::MAX), cut);
    let refused = share.is_none().then_some(Code::Overloaded);
    let response = if refused.is_some() {
        refusal(response.headers())
    } else {
        response
    };
    answer.reservation = Some(Arc::new(Reservation { _call: call, share }));
    (response.map(|body| Answer { body, ..answer }), refused)
}

/// Returns the refusal that replaces an answer, with the headers that the layers have added to that
/// answer (CORS, the request's id).
fn refusal(answered: &HeaderMap) -> Response {
    let mut response = unread_output::refusal().into_response();
    let body_headers = [
        CONTENT_TYPE,
        CONTENT_LENGTH,
        CONTENT_ENCODING,
        CACHE_CONTROL,
        ETAG,
        LAST_MODIFIED,
        ACCEPT_RANGES,
        VARY,
    ];
    for (name, value) in answered
        .iter()
        .filter(|(name, _)| !body_headers.contains(name))
    {
        response.headers_mut().append(name, value.clone());
    }
    for vary in answered.get_all(VARY) {
        response.headers_mut().append(VARY, vary.clone());
    }
    response
}

impl Answer {
    /// Wraps bytes so that their share is held until hyper drops them.
    fn hold(&self, bytes: Bytes, reservation: &Arc<Reservation>) -> Result<Bytes, BudgetExhausted> {
        let share = match reservation.share {
            Some(_) => None,
            None => Some(
                self.unread_output
                    .reserve(bytes.len(), &self.cut)
                    .ok_or(BudgetExhausted)?,
            ),
        };
        if let Some(progress) = &self.progress {
            progress.pieces.lock().held += 1;
            progress.piece_given.notify_one();
        }
        let (reservation, progress) = (reservation.clone(), self.progress.clone());
        Ok(Bytes::from_owner(HeldPiece {
            bytes,
            _share: share,
            _reservation: reservation,
            progress,
        }))
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(reservation) = this.reservation.clone() else {
            return Pin::new(&mut this.body).poll_frame(cx);
        };
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    if let Some(progress) = this.progress.as_ref().filter(|_| this.ends_late) {
                        ready!(progress.poll_all_written(cx));
                    }
                    return Poll::Ready(None);
                }
            }
        }
        let max_bytes = if this.progress.is_some() {
            PIECE_BYTES
        } else {
            usize::MAX
        };
        let piece = this.rest.split_to(this.rest.len().min(max_bytes));
        Poll::Ready(Some(
            this.hold(piece, &reservation)
                .map(Frame::data)
                .map_err(axum::Error::new),
        ))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream() && !self.ends_late
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl AsRef<[u8]> for HeldPiece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for HeldPiece {
    fn drop(&mut self) {
        let Some(progress) = &self.progress else {
            return;
        };
        let body = {
            let mut pieces = progress.pieces.lock();
            pieces.written += 1;
            pieces.held -= 1;
            if pieces.held == 0 {
                pieces.body.take()
            } else {
                None
            }
        };
        if let Some(body) = body {
            body.wake();
        }
    }
}

impl AnswerProgress {
    /// Ready once hyper holds no piece any more.
    fn poll_all_written(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut pieces = self.pieces.lock();
        if pieces.held == 0 {
            return Poll::Ready(());
        }
        pieces.body = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Resolves once hyper has held pieces for `limit` and has written none of them.
    pub(crate) async fn until_stuck(&self, limit: Duration) {
        self.piece_given.notified().await;
        let (mut before, mut checks) = (0, 0);
        while checks < CHECKS_PER_TIMEOUT {
            tokio::time::sleep(limit / CHECKS_PER_TIMEOUT).await;
            let Pieces { held, written, .. } = *self.pieces.lock();
            checks = if held > 0 && written == before {
                checks + 1
            } else {
                0
            };
            before = written;
        }
    }
}
