//! One open stream: what it says first, what was missed, then live events, heartbeats and its end, in this order.
//!
//! It is a state machine without a task, a queue or a buffer of its own: whoever holds the socket polls it when the socket
//! can take more. Dropping it closes the stream everywhere.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tidings_journal::{Limit, Page, Position, Selector};
use tidings_sse::Frame;

use crate::connection::{Connection, Mail};
use crate::cursor::{Behind, Cursor};
use crate::hub::Inner;
use crate::publication;
use crate::wording::{Ending, Reason, Reset};

/// About how many bytes one poll gives out: a vectored write that the kernel takes in one go.
const BATCH_BYTES: usize = 64 << 10;

/// How much of the journal is read and encoded at a time. While it is, one of the hub's replay permits is held.
const PAGE: Limit = Limit { events: 256, bytes: 256 << 10 };

/// An open stream.
pub struct Subscription {
    hub: Arc<Inner>,
    connection: Arc<Connection>,
    cursor: Cursor,
    /// What comes before everything else.
    preface: Vec<Frame>,
    replay: Replay,
    /// Set once the ending was given out.
    ended: Option<Ending>,
}

enum Replay {
    /// The rings have what comes next.
    Live,
    /// The journal has; the next page is yet to be asked for.
    Behind,
    /// A page is being read.
    Reading(Reading),
}

type Reading = Pin<Box<dyn Future<Output = Result<Page, tidings_journal::Error>> + Send>>;

/// What a poll came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Frames were added.
    Frames,
    /// Everything was given out, the ending's event included: close the connection.
    End {
        /// Whether the client is to come back: then the body is cut rather than finished, because some clients take a
        /// finished body for the end of the story.
        reconnect: bool,
    },
    /// Close the connection whatever is unwritten: nobody is reading.
    Killed,
}

impl Subscription {
    pub(crate) fn new(hub: Arc<Inner>, connection: Arc<Connection>, cursor: Cursor) -> Self {
        Self { hub, connection, cursor, preface: Vec::new(), replay: Replay::Live, ended: None }
    }

    /// Starts from what is visible now. Returns where that is.
    pub(crate) fn skip_to_head(&mut self) -> Position {
        self.cursor.skip_to_head();
        self.connection.sent(self.hub.fanout.now_ms(), self.cursor.position());
        self.cursor.position()
    }

    /// Starts after `position`.
    pub(crate) fn start_at(&mut self, position: Position) {
        if self.cursor.seek(position) == Err(Behind) {
            self.replay = Replay::Behind;
        }
        self.connection.sent(self.hub.fanout.now_ms(), position);
    }

    /// The stream's entry in the registry.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Has `frames` said before everything else that is still unsaid.
    pub fn say_first(&mut self, frames: impl IntoIterator<Item = Frame>) {
        self.preface.splice(0..0, frames);
    }

    /// Adds the next frames to `out`. Pending when there are none; the task is woken when there are.
    pub fn poll_frames(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<Step> {
        if let Some(ending) = self.ended {
            return Poll::Ready(Step::End { reconnect: ending.reconnect });
        }
        if !self.preface.is_empty() {
            out.append(&mut std::mem::take(&mut self.preface));
            return Poll::Ready(Step::Frames);
        }
        match self.connection.poll_mail(cx) {
            Poll::Ready(Mail::Killed) => return Poll::Ready(Step::Killed),
            Poll::Ready(Mail::Ending(ending)) => {
                out.push(self.hub.wording.ending(&ending));
                self.ended = Some(ending);
            }
            Poll::Ready(Mail::Heartbeat(frame)) => out.push(frame),
            Poll::Pending => ready!(self.poll_events(cx, out)),
        }
        self.connection.sent(self.hub.fanout.now_ms(), self.cursor.position());
        Poll::Ready(Step::Frames)
    }

    /// Waits for a kill alone. For whoever is stuck in the middle of a frame.
    pub fn poll_killed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.poll_killed(cx)
    }

    /// The next frames; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<Vec<Frame>> {
        let mut frames = Vec::new();
        match std::future::poll_fn(|cx| self.poll_frames(cx, &mut frames)).await {
            Step::Frames => Some(frames),
            Step::End { .. } | Step::Killed => None,
        }
    }

    fn poll_events(&mut self, cx: &mut Context<'_>, out: &mut Vec<Frame>) -> Poll<()> {
        loop {
            match &mut self.replay {
                Replay::Live => match self.cursor.poll_take(cx, out, BATCH_BYTES) {
                    Poll::Pending => {
                        self.connection.caught_up(self.cursor.seq());
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(())) => {
                        if self.connection.read_up_to().is_some() {
                            self.connection.caught_up(self.cursor.seq());
                        }
                        return Poll::Ready(());
                    }
                    Poll::Ready(Err(Behind)) => self.replay = Replay::Behind,
                },
                Replay::Behind => self.replay = Replay::Reading(self.read_page()),
                Replay::Reading(reading) => {
                    let page = ready!(reading.as_mut().poll(cx));
                    self.replay = Replay::Behind;
                    match page {
                        Ok(page) => self.take_page(&page, out),
                        Err(error) => {
                            tracing::error!(%error, "a replay could not be read from the journal");
                            self.connection.end(Ending::JOURNAL);
                            out.push(self.hub.wording.ending(&Ending::JOURNAL));
                            self.ended = Some(Ending::JOURNAL);
                        }
                    }
                    if !out.is_empty() {
                        return Poll::Ready(());
                    }
                }
            }
        }
    }

    fn read_page(&self) -> Reading {
        let (hub, after) = (self.hub.clone(), self.cursor.position());
        let selector = Selector::topics(self.cursor.topics().clone());
        Box::pin(async move {
            let _permit = hub.replays.acquire().await; // never closed
            hub.journal.read(&selector, after, hub.fanout.visible_position(), PAGE).await
        })
    }

    fn take_page(&mut self, page: &Page, out: &mut Vec<Frame>) {
        if page.floor > self.cursor.position() {
            let requested = self.hub.id_of(self.cursor.position()).to_string();
            self.cursor.skip_to_head();
            self.replay = Replay::Live;
            let oldest = page.entries.first().map(|entry| entry.id);
            let resumed_from = self.hub.id_of(self.cursor.position());
            let reset = Reset { reason: Reason::Trimmed, requested, resumed_from, oldest };
            out.push(self.hub.wording.reset(&reset));
            return;
        }
        out.extend(page.entries.iter().filter_map(|entry| publication::encode(entry, Some(entry.id))));
        if self.cursor.seek(page.next) == Ok(()) {
            self.replay = Replay::Live;
        }
    }

    /// Up to where the stream was given the log.
    pub fn position(&self) -> Position {
        self.cursor.position()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.closed(&self.connection);
    }
}
