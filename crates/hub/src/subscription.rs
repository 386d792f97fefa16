//! An open stream: it sends its preface, missed events, then live events and heartbeats, and its
//! ending, in this order.
//!
//! It is a state machine without a task, a queue or a buffer of its own: the owner of the socket
//! polls it when the socket can take more bytes. Dropping it closes the stream everywhere.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tidings_journal::{Position, Selector};
use tidings_sse::Frame;

use crate::connection::{Connection, ControlMessage};
use crate::cursor::{Behind, Cursor, Source};
use crate::fanout::Fanout;
use crate::generation::Generation;
use crate::hub::Inner;
use crate::replay::Batch;
use crate::ring::{Mark, Ring};
use crate::wording::{Ending, Reset, ResetReason};

/// About how many bytes one poll returns: what the kernel accepts in one vectored write.
const BATCH_BYTES: usize = 64 << 10;

/// The size from which a stream no longer waits for more frames to write together: a write of this
/// many bytes costs little more than one of half as many.
const FULL_WRITE_BYTES: u64 = 16 << 10;

/// How often in a row a stream lets other tasks go first to fill a write.
const MAX_YIELDS: u8 = 3;

/// An open stream.
pub struct Subscription {
    cursor: Cursor<StreamSource>,
    /// What a stream needs only before it is live, and at its end.
    start: Option<Box<Start>>,
    /// Whether the next event has to be read from the journal instead of the rings.
    behind: bool,
    /// Whether the client is to reconnect, once the ending was returned.
    ended: Option<bool>,
    /// How often in a row the stream has let other tasks go first.
    yields: u8,
}

/// What the cursor of an open stream reads. The stream is removed from the hub when this is
/// dropped.
struct StreamSource {
    hub: Arc<Inner>,
    /// The generation to which its rings belong, for as long as the stream is open.
    generation: Arc<Generation>,
    connection: Arc<Connection>,
}

#[derive(Default)]
struct Start {
    /// The frames that are sent before everything else.
    preface: Vec<Frame>,
    /// The read of missed events that is in progress.
    reading: Option<Reading>,
    /// The place at which the stream ends by itself: what was visible when [`Subscription::finish`]
    /// was called.
    until: Option<Mark>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Batch, tidings_journal::Error>> + Send>>;

/// The result of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Frames were added.
    Frames,
    /// Everything was returned, including the ending: close the connection.
    End {
        /// Whether the client is to reconnect. Then the body is cut rather than finished, because
        /// some clients do not reconnect after a finished body.
        reconnect: bool,
    },
    /// The stream was killed: close the connection even if bytes are unwritten.
    Killed,
}

impl Subscription {
    /// Creates a stream that starts at `newest`, which is what was visible when `connection` began
    /// to follow its rings.
    pub(crate) fn new(
        hub: Arc<Inner>,
        generation: Arc<Generation>,
        connection: Arc<Connection>,
        newest: Mark,
    ) -> Self {
        let cursor = Cursor::new(
            StreamSource {
                hub,
                generation,
                connection,
            },
            newest,
        );
        Self {
            cursor,
            start: None,
            behind: false,
            ended: None,
            yields: 0,
        }
    }

    fn hub(&self) -> &Arc<Inner> {
        &self.cursor.source().hub
    }

    fn generation(&self) -> &Arc<Generation> {
        &self.cursor.source().generation
    }

    /// Starts at the newest visible place, and returns its position.
    pub(crate) fn skip_to_head(&mut self) -> Position {
        self.cursor.skip_to_head();
        self.connection()
            .sent(self.generation().fanout.now_ms(), self.cursor.position());
        self.cursor.position()
    }

    /// Starts after `position`.
    pub(crate) fn start_at(&mut self, position: Position) {
        self.behind = self.cursor.seek(position) == Err(Behind);
        self.connection()
            .sent(self.generation().fanout.now_ms(), position);
    }

    /// Returns the stream's entry in the registry.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.cursor.source().connection
    }

    /// Sends `frames` before everything else that is still unsent.
    pub fn send_first(&mut self, frames: impl IntoIterator<Item = Frame>) {
        self.start
            .get_or_insert_default()
            .preface
            .splice(0..0, frames);
    }

    /// Takes the first frame of the preface if it has at most `most` bytes, so that it can be sent
    /// in one write with the head of the response.
    pub fn take_first(&mut self, most: usize) -> Option<Frame> {
        let preface = &mut self.start.as_mut()?.preface;
        (preface.first()?.block().len() <= most).then(|| preface.remove(0))
    }

    /// Adds the next frames to `out`. Pending if there are none; the task is woken when some come.
    pub fn poll_frames(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<Step> {
        if let Some(reconnect) = self.ended {
            return Poll::Ready(Step::End { reconnect });
        }
        if let Some(start) = self
            .start
            .as_mut()
            .filter(|start| !start.preface.is_empty())
        {
            out.append(&mut start.preface);
            return Poll::Ready(Step::Frames);
        }
        match self.connection().poll_control(cx) {
            Poll::Ready(ControlMessage::Kill) => return Poll::Ready(Step::Killed),
            Poll::Ready(ControlMessage::End(ending)) => {
                out.push(self.hub().wording.ending(&ending));
                self.ended = Some(ending.cause.reconnect());
            }
            Poll::Ready(ControlMessage::Heartbeat(frame)) => out.push(frame),
            Poll::Pending if self.has_finished() => return self.end(),
            Poll::Pending => match self.poll_events(cx, out) {
                Poll::Ready(()) => {}
                Poll::Pending if self.has_finished() => return self.end(),
                Poll::Pending => return Poll::Pending,
            },
        }
        self.connection()
            .sent(self.generation().fanout.now_ms(), self.cursor.position());
        Poll::Ready(Step::Frames)
    }

    /// Ends the stream once it has returned everything that is visible now, without an ending. For
    /// a client that has closed its side of the connection and may still be reading.
    pub fn finish(&mut self) {
        let visible = self.generation().fanout.visible();
        self.start
            .get_or_insert_default()
            .until
            .get_or_insert(visible);
    }

    fn has_finished(&self) -> bool {
        let until = self.start.as_ref().and_then(|start| start.until);
        until.is_some_and(|until| {
            if self.behind {
                self.cursor.position() >= until.position
            } else {
                self.cursor.seq() >= until.seq
            }
        })
    }

    fn end(&mut self) -> Poll<Step> {
        self.ended = Some(false);
        Poll::Ready(Step::End { reconnect: false })
    }

    /// Returns whether to let other tasks go first before the next [`Subscription::poll_frames`].
    ///
    /// If several frames are there at once, publishers are faster than streams. What they publish
    /// in the meantime can then be sent in the same write, and a write costs as much as about fifty
    /// frames. Returns true at most a few times in a row. For carriers for which yielding costs
    /// less than a write.
    pub fn should_yield(&mut self) -> bool {
        let yields =
            self.yields < MAX_YIELDS && !self.behind && self.cursor.is_filling(FULL_WRITE_BYTES);
        self.yields = if yields { self.yields + 1 } else { 0 };
        yields
    }

    /// Returns whether the stream reads missed events from the journal.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Waits until the stream is killed. For a carrier that is in the middle of a frame and can do
    /// nothing else.
    pub fn poll_killed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection().poll_killed(cx)
    }

    /// Returns the next frames; `None` if the stream has ended.
    pub async fn next(&mut self) -> Option<Vec<Frame>> {
        let mut frames = Vec::new();
        match std::future::poll_fn(|cx| self.poll_frames(cx, &mut frames)).await {
            Step::Frames => Some(frames),
            Step::End { .. } | Step::Killed => None,
        }
    }

    fn poll_events(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<()> {
        loop {
            if !self.behind {
                let before = out.len();
                match self.cursor.poll_take(cx, out, BATCH_BYTES) {
                    Poll::Pending => {
                        self.start = self.start.take().filter(|start| start.until.is_some());
                        self.connection().caught_up(self.cursor.seq());
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(took)) => {
                        let (hub, bytes) = (self.hub(), bytes_of(&out[before..]));
                        hub.traffic
                            .delivered(took.events, bytes, || hub.clock.now_ms() - took.oldest_ms);
                        if self.connection().has_caught_up() {
                            self.connection().caught_up(self.cursor.seq());
                        }
                        return Poll::Ready(());
                    }
                    Poll::Ready(Err(Behind)) => self.behind = true,
                }
            }
            match ready!(self.poll_batch(cx)) {
                Ok(Batch::Frames(frames, next)) => {
                    if !frames.is_empty() {
                        self.hub()
                            .traffic
                            .replayed(frames.len() as u64, bytes_of(&frames));
                    }
                    out.extend(frames);
                    self.behind = self.cursor.seek(next) == Err(Behind);
                }
                Ok(Batch::Trimmed(oldest)) => out.push(self.reset(oldest)),
                Err(error) => {
                    let ending = match error {
                        tidings_journal::Error::Uncertain(_) => Ending::broken(),
                        error => {
                            tracing::error!(%error, "a replay could not be read from the journal");
                            Ending::JOURNAL
                        }
                    };
                    self.connection().end(ending);
                    out.push(self.hub().wording.ending(&ending));
                    self.ended = Some(ending.cause.reconnect());
                }
            }
            if !out.is_empty() {
                return Poll::Ready(());
            }
        }
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Batch, tidings_journal::Error>> {
        let begun = self.start.as_mut().and_then(|start| start.reading.take());
        let mut reading = begun.unwrap_or_else(|| self.read());
        let batch = reading.as_mut().poll(cx);
        if batch.is_pending() {
            self.start.get_or_insert_default().reading = Some(reading);
        }
        batch
    }

    fn read(&self) -> Reading {
        let (hub, generation, after) = (
            self.hub().clone(),
            self.generation().clone(),
            self.cursor.position(),
        );
        let selector = Selector::topics(self.connection().topics().cloned().collect::<Arc<[_]>>());
        Box::pin(async move {
            hub.until_erased().await;
            let Generation {
                line,
                fanout,
                replays,
                ..
            } = &*generation;
            replays
                .batch(&*hub.journal, line, fanout, &selector, after)
                .await
        })
    }

    /// Continues at the newest event, because retention has overtaken the cursor, and returns the
    /// `reset` that says so.
    fn reset(&mut self, oldest: Option<Position>) -> Frame {
        let requested = self
            .generation()
            .line
            .id_of(self.cursor.position())
            .to_string();
        self.hub().traffic.reset(ResetReason::Trimmed);
        self.cursor.skip_to_head();
        self.behind = false;
        let oldest = oldest.map(|oldest| self.hub().journal.epochs().id_of(oldest));
        let resumed_from = self.generation().line.id_of(self.cursor.position());
        let reset = Reset {
            reason: ResetReason::Trimmed,
            requested,
            resumed_from,
            oldest,
        };
        self.hub().wording.reset(&reset)
    }

    /// Returns the position up to which the stream was given the log's events.
    pub fn position(&self) -> Position {
        self.cursor.position()
    }
}

fn bytes_of(frames: &[Frame]) -> u64 {
    frames.iter().map(|frame| frame.len() as u64).sum()
}

impl Source for StreamSource {
    fn fanout(&self) -> &Fanout {
        &self.generation.fanout
    }

    fn rings(&self) -> &[Arc<Ring>] {
        self.connection.rings()
    }
}

impl Drop for StreamSource {
    fn drop(&mut self) {
        self.hub.remove(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_subscription_stays_small() {
        assert!(
            size_of::<Subscription>() <= 88,
            "{}",
            size_of::<Subscription>()
        );
    }
}
