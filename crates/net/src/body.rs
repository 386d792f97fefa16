//! An open stream as the body of a response, in hyper's lane.
//!
//! The body polls the subscription when hyper can take more. Nothing is queued in between except
//! the result of one poll.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame as BodyFrame};
use tidings_hub::{Connection, Step, Subscription};
use tidings_sse::Frame;
use tokio::time::Sleep;

use crate::cut::Cut;
use crate::peer::LAST_BYTES_GRACE;
use crate::slot::{StreamOutput, StreamSlot};

/// The body of a stream's response.
pub struct StreamBody {
    state: State,
    /// The bytes of the last poll that hyper has yet to take.
    ready: VecDeque<Bytes>,
    frames: Vec<Frame>,
    cut: Option<Cut>,
    /// Whether the stream ends after the events that were visible when its client sent a FIN.
    is_finishing: bool,
}

enum State {
    /// The slot still holds the output.
    Unopened(StreamSlot),
    /// The body sends what the subscription yields.
    Open(Box<Subscription>),
    /// Nothing follows the bytes in `ready`, and the client should come back.
    Ending,
    /// Everything was given to hyper, and the connection is cut once all of it is written. Until
    /// then the stream counts as open, so that it can still be killed.
    Cutting(
        #[expect(dead_code, reason = "held until the connection is gone")]
        Option<Box<Subscription>>,
    ),
    /// Everything was given to hyper, but the connection can't be cut: several streams share it, or
    /// there is no handle. The body fails after [`LAST_BYTES_GRACE`].
    Failing(Pin<Box<Sleep>>),
    Ended,
}

/// An error of the body: the server cut the stream on purpose, so that the client comes back.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the stream was cut so that its client comes back")]
pub struct CutOff;

impl StreamBody {
    /// Creates a body that sends the output in `slot`. `cut` ends the connection under it, if there
    /// is such a handle.
    pub fn new(slot: StreamSlot, cut: Option<Cut>) -> Self {
        Self {
            state: State::Unopened(slot),
            ready: VecDeque::new(),
            frames: Vec::new(),
            cut,
            is_finishing: false,
        }
    }

    /// Creates the body of an answer to HEAD. Like the body of a stream, its length is unknown; it
    /// contains nothing.
    pub fn empty() -> Self {
        Self {
            state: State::Ended,
            ready: VecDeque::new(),
            frames: Vec::new(),
            cut: None,
            is_finishing: false,
        }
    }

    fn open(&mut self, output: Option<StreamOutput>) -> State {
        match output {
            Some(StreamOutput::Everything(subscription)) => {
                if let Some(cut) = &self.cut {
                    cut.register(subscription.connection());
                }
                State::Open(subscription)
            }
            Some(StreamOutput::Once(frame)) => {
                self.ready.push_back(frame.block_bytes());
                State::Ending
            }
            None => State::Ended,
        }
    }

    /// Reports the progress of a stream that shares its connection, because the progress of the
    /// socket says nothing about a single stream. hyper polls the body of such a stream only while
    /// the stream's own window is open.
    fn report_if_shared(&self, report: impl FnOnce(&Arc<Connection>)) {
        if let (State::Open(subscription), Some(true)) =
            (&self.state, self.cut.as_ref().map(Cut::is_shared))
        {
            report(subscription.connection());
        }
    }

    /// If the client has sent a FIN, makes the stream end after the events that are visible now.
    /// The client may only have shut its sending side, and then it still reads these events.
    fn finish_if_half_closed(&mut self) {
        let State::Open(subscription) = &mut self.state else {
            return;
        };
        if self.is_finishing || !self.cut.as_ref().is_some_and(Cut::is_half_closed) {
            return;
        }
        self.is_finishing = true;
        subscription.finish();
        if subscription.is_behind() {
            // If the client is gone, this frame provokes its reset before the log is read for it.
            self.ready.push_back(Frame::comment().block_bytes());
        }
    }

    /// Returns the state after the last bytes were given to hyper. A stream that has the connection
    /// to itself cuts it; the body of any other stream fails.
    fn cut_or_fail(&mut self) -> State {
        let Some(cut) = self.cut.as_ref().filter(|cut| !cut.is_shared()) else {
            return State::Failing(Box::pin(tokio::time::sleep(LAST_BYTES_GRACE)));
        };
        cut.cut_after_flush();
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Open(subscription) => State::Cutting(Some(subscription)),
            _ => State::Cutting(None),
        }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, CutOff>>> {
        let this = &mut *self;
        this.report_if_shared(|stream| stream.took_bytes(true));
        this.finish_if_half_closed();
        loop {
            if let Some(bytes) = this.ready.pop_front() {
                this.report_if_shared(|stream| stream.handed_over());
                return Poll::Ready(Some(Ok(BodyFrame::data(bytes))));
            }
            let step = match &mut this.state {
                State::Unopened(slot) => {
                    let output = slot.take();
                    this.state = this.open(output);
                    this.finish_if_half_closed();
                    continue;
                }
                State::Open(subscription) => ready!(subscription.poll_frames(cx, &mut this.frames)),
                State::Ending => {
                    this.state = this.cut_or_fail();
                    continue;
                }
                State::Cutting(_) => return Poll::Pending,
                State::Failing(deadline) => {
                    ready!(deadline.as_mut().poll(cx));
                    this.state = State::Ended;
                    return Poll::Ready(Some(Err(CutOff)));
                }
                State::Ended => return Poll::Ready(None),
            };
            match step {
                Step::Frames => this
                    .ready
                    .extend(this.frames.drain(..).map(|frame| frame.block_bytes())),
                Step::End { reconnect: false } => this.state = State::Ended,
                Step::End { reconnect: true } => this.state = this.cut_or_fail(),
                // After a kill, the body is polled again only if an embedding application serves
                // the connection.
                Step::Killed => return Poll::Ready(Some(Err(CutOff))),
            }
        }
    }
}
