//! The table of TCP connections, and which of them are closed when file descriptors run out.
//!
//! Streams are limited in number, so the file descriptors that they take are known. All other
//! connections share the rest: calls, health checks, keep-alive connections, HTTP/2 connections
//! without a stream, and connections that have not sent a request yet. When the rest is used up,
//! the connections that have waited longest for their peer are closed in favour of new ones.
//! Therefore no number of idle connections, of bodies that do not arrive, or of answers that are
//! not read can keep new clients out.
//!
//! Must never close a connection that carries a stream.
//!
//! The activity of a connection changes with each request and is kept in atomics. The queue of
//! connections that may be closed is brought up to date only when it is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a connection is protected from being closed while it waits for a request, or while the
/// server has yet to read the request.
const IDLE_PROTECTION: Duration = Duration::from_secs(1);

/// How long a connection is protected while all of its calls wait for the peer, either to send the
/// rest of a body or to read the rest of an answer. The time counts from the last
/// [`PROGRESS_BYTES`] bytes.
const STALLED_PROTECTION: Duration = Duration::from_secs(2);

/// How long a connection is protected while the server works on one of its calls. Only a call that
/// waits for a stuck log takes this long.
const BUSY_PROTECTION: Duration = Duration::from_secs(10);

/// How many bytes, in either direction, count as progress. Fewer would let a client look busy at no
/// cost.
const PROGRESS_BYTES: u32 = 4 << 10;

/// How many connections more than the limit may be open while others are being closed.
pub const CLOSING_HEADROOM: usize = 128;

/// The table of a server's connections.
#[derive(Debug)]
pub struct ConnectionTable {
    /// How many connections fit, including those that carry streams.
    capacity: usize,
    /// The moment from which the times of all connections are counted.
    started: Instant,
    state: Mutex<State>,
    /// How many connections were closed, by reason.
    pub closed: Closed,
}

/// How many connections without a stream were closed by the server.
#[derive(Debug, Default)]
pub struct Closed {
    /// The head of a request took too long.
    pub head_timeout: AtomicU64,
    /// No request came within the idle timeout.
    pub idle: AtomicU64,
    /// New connections needed the file descriptor.
    pub crowded: AtomicU64,
    /// The peer read nothing of an answer within the write timeout. A stream of HTTP/2 that was
    /// reset for this reason counts too.
    pub write_timeout: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    entries: BTreeMap<u64, Entry>,
    /// Every connection that is not being closed, by the earliest time at which it may be closed,
    /// in milliseconds since `started`. The actual time may be later.
    queue: BTreeSet<(u64, u64)>,
    /// How many connections were told to close and are still open.
    closing: usize,
}

#[derive(Debug)]
struct Entry {
    activity: Arc<Activity>,
    /// The time under which the connection stands in the queue; `None` once it was told to close.
    queued_at: Option<u64>,
}

/// What a connection is doing.
#[derive(Debug, Default)]
struct Activity {
    /// Requests that are being answered, not including streams.
    calls: AtomicU32,
    /// Calls that wait for the server and not for the peer.
    working: AtomicU32,
    streams: AtomicU32,
    /// The time of the last change, in milliseconds since the table was made. A change is that the
    /// connection was accepted, that a call began or went to its next stage, or that
    /// [`PROGRESS_BYTES`] bytes moved.
    since: AtomicU64,
    /// Bytes that moved in either direction and did not count as progress yet.
    moved: AtomicU32,
    /// Whether the connection has ever sent a request.
    has_requested: AtomicBool,
    /// Notified when the connection has to close.
    close: Notify,
}

/// A connection in the table. Dropping it removes the entry.
pub(crate) struct TrackedConnection {
    connection_table: Arc<ConnectionTable>,
    serial: u64,
    activity: Arc<Activity>,
}

/// A request that is being answered. Dropping it ends the call.
pub(crate) struct Call {
    progress: Arc<CallProgress>,
    is_stream: bool,
}

/// The progress of a call.
pub(crate) struct CallProgress {
    tracked: Arc<TrackedConnection>,
    stage: AtomicU8,
}

/// The stages of a call, by the side that it waits for.
mod stage {
    /// The call waits for the peer to send the rest of the body.
    pub(crate) const RECEIVING: u8 = 0;
    /// The call waits for the server.
    pub(crate) const WORKING: u8 = 1;
    /// The call waits for the peer to read the answer.
    pub(crate) const SENDING: u8 = 2;
}

impl ConnectionTable {
    /// Creates a table for `capacity` connections, including those that carry streams. There must
    /// be descriptors for [`CLOSING_HEADROOM`] more.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            started: Instant::now(),
            state: Mutex::default(),
            closed: Closed::default(),
        })
    }

    /// Adds a connection that was just accepted.
    pub(crate) fn enter(self: &Arc<Self>) -> TrackedConnection {
        let activity = Arc::new(Activity {
            since: AtomicU64::new(self.now()),
            ..Activity::default()
        });
        let mut state = self.state.lock();
        state.next += 1;
        let serial = state.next;
        let queued_at = activity.due();
        state.queue.insert((queued_at, serial));
        state.entries.insert(
            serial,
            Entry {
                activity: activity.clone(),
                queued_at: Some(queued_at),
            },
        );
        TrackedConnection {
            connection_table: self.clone(),
            serial,
            activity,
        }
    }

    /// Whether one more connection may be accepted while `open` are open. Tells other connections
    /// to close if that is necessary.
    pub(crate) fn has_capacity(&self, open: usize) -> bool {
        let now = self.now();
        let mut state = self.state.lock();
        let State {
            entries,
            queue,
            closing,
            ..
        } = &mut *state;
        while open.saturating_sub(*closing) >= self.capacity
            && let Some((queued_at, serial)) = queue
                .first()
                .copied()
                .filter(|(queued_at, _)| *queued_at <= now)
        {
            queue.pop_first();
            let Some(entry) = entries.get_mut(&serial) else {
                continue;
            };
            let due = if entry.activity.streams.load(Relaxed) > 0 {
                now + ms(IDLE_PROTECTION)
            } else {
                entry.activity.due()
            };
            entry.queued_at = (due > queued_at).then_some(due);
            if entry.queued_at.is_some() {
                queue.insert((due, serial)); // it was active after it was queued
                continue;
            }
            entry.activity.close.notify_one();
            *closing += 1;
            self.closed.crowded.fetch_add(1, Relaxed);
        }
        open < self.capacity.saturating_add(CLOSING_HEADROOM)
    }

    fn now(&self) -> u64 {
        ms(self.started.elapsed())
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Closed {
    /// Returns each reason by its name in the metrics, with its count.
    pub fn all(&self) -> [(&'static str, u64); 4] {
        [
            ("head_timeout", &self.head_timeout),
            ("idle", &self.idle),
            ("crowded", &self.crowded),
            ("write_timeout", &self.write_timeout),
        ]
        .map(|(reason, count)| (reason, count.load(Relaxed)))
    }
}

impl Activity {
    /// Returns the time from which on the connection may be closed if it carries no stream, in
    /// milliseconds since the table was made.
    fn due(&self) -> u64 {
        let protection = match (self.calls.load(Relaxed), self.working.load(Relaxed)) {
            (0, _) => IDLE_PROTECTION,
            (_, 0) => STALLED_PROTECTION,
            _ => BUSY_PROTECTION,
        };
        self.since.load(Relaxed) + ms(protection)
    }
}

impl TrackedConnection {
    /// Resolves when the connection has to close.
    pub(crate) async fn told_to_close(&self) {
        self.activity.close.notified().await;
    }

    /// Notes that a request was read; `whole` says whether that includes its body.
    pub(crate) fn begin_call(self: &Arc<Self>, whole: bool) -> Call {
        let activity = &self.activity;
        let stage = if whole {
            stage::WORKING
        } else {
            stage::RECEIVING
        };
        activity.working.fetch_add(u32::from(whole), Relaxed);
        activity.calls.fetch_add(1, Relaxed);
        activity.has_requested.store(true, Relaxed);
        self.note_change();
        Call {
            progress: Arc::new(CallProgress {
                tracked: self.clone(),
                stage: AtomicU8::new(stage),
            }),
            is_stream: false,
        }
    }

    /// Notes that the state of the connection changed now.
    fn note_change(&self) {
        self.activity
            .since
            .store(self.connection_table.now(), Relaxed);
    }

    /// Notes that bytes moved in either direction.
    pub(crate) fn moved(&self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let moved = self.activity.moved.load(Relaxed).saturating_add(bytes);
        let enough = moved >= PROGRESS_BYTES;
        self.activity
            .moved
            .store(if enough { 0 } else { moved }, Relaxed);
        if enough && self.activity.calls.load(Relaxed) > 0 {
            self.note_change();
        }
    }

    /// Whether the connection has ever sent a request.
    pub(crate) fn has_requested(&self) -> bool {
        self.activity.has_requested.load(Relaxed)
    }

    /// Whether a request is being answered, not counting streams.
    pub(crate) fn is_answering(&self) -> bool {
        self.activity.calls.load(Relaxed) > 0
    }

    /// Whether the connection carries a stream.
    pub(crate) fn has_stream(&self) -> bool {
        self.activity.streams.load(Relaxed) > 0
    }

    /// Whether the connection carries no stream and has no request that is being answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.activity.calls.load(Relaxed) == 0 && !self.has_stream()
    }

    /// How long the connection has been idle; `None` if it carries a stream or a request is being
    /// answered.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        self.is_idle().then(|| self.unchanged_for())
    }

    /// How long all calls of the connection have waited for the peer; `None` if it has no call, or
    /// carries a stream.
    pub(crate) fn stalled_for(&self) -> Option<Duration> {
        let Activity { calls, working, .. } = &*self.activity;
        let stalled = calls.load(Relaxed) > 0 && working.load(Relaxed) == 0 && !self.has_stream();
        stalled.then(|| self.unchanged_for())
    }

    fn unchanged_for(&self) -> Duration {
        Duration::from_millis(
            self.connection_table
                .now()
                .saturating_sub(self.activity.since.load(Relaxed)),
        )
    }

    pub(crate) fn closed(&self) -> &Closed {
        &self.connection_table.closed
    }
}

impl Drop for TrackedConnection {
    fn drop(&mut self) {
        let mut state = self.connection_table.state.lock();
        match state
            .entries
            .remove(&self.serial)
            .map(|entry| entry.queued_at)
        {
            Some(Some(queued_at)) => drop(state.queue.remove(&(queued_at, self.serial))),
            Some(None) => state.closing -= 1,
            None => {}
        }
    }
}

impl Call {
    /// Returns the handle by which the request's body notes that it has arrived.
    pub(crate) fn progress(&self) -> Arc<CallProgress> {
        self.progress.clone()
    }

    /// Notes that the answer was made: from now on the call waits for its peer to read it.
    pub(crate) fn answered(&self) {
        if self.progress.stage.swap(stage::SENDING, Relaxed) == stage::WORKING {
            self.progress.tracked.activity.working.fetch_sub(1, Relaxed);
        }
        self.progress.tracked.note_change();
    }

    /// Notes that the answer is a stream.
    pub(crate) fn became_stream(&mut self) {
        self.answered();
        if !std::mem::replace(&mut self.is_stream, true) {
            self.progress.tracked.activity.streams.fetch_add(1, Relaxed);
            self.progress.tracked.activity.calls.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.answered();
        let activity = &self.progress.tracked.activity;
        (if self.is_stream {
            &activity.streams
        } else {
            &activity.calls
        })
        .fetch_sub(1, Relaxed);
    }
}

impl CallProgress {
    /// Notes that the whole request was read, or that its rest is not needed: from now on the call
    /// waits for the server.
    pub(crate) fn arrived(&self) {
        let arrived =
            self.stage
                .compare_exchange(stage::RECEIVING, stage::WORKING, Relaxed, Relaxed);
        if arrived.is_ok() {
            self.tracked.activity.working.fetch_add(1, Relaxed);
            self.tracked.note_change();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_told_to_close(tracked: &TrackedConnection) -> bool {
        use std::task::{Context, Poll, Waker};
        let mut told_to_close = std::pin::pin!(tracked.told_to_close());
        told_to_close
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            == Poll::Ready(())
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_was_idle_longest_is_closed_first_and_none_while_it_is_protected() {
        let connection_table = ConnectionTable::new(2);
        let first = connection_table.enter();
        tokio::time::advance(Duration::from_millis(500)).await;
        let second = connection_table.enter();
        assert!(connection_table.has_capacity(2), "the headroom is left");
        assert!(
            !is_told_to_close(&first) && !is_told_to_close(&second),
            "both are protected"
        );
        tokio::time::advance(Duration::from_millis(600)).await;
        assert!(connection_table.has_capacity(2));
        assert!(is_told_to_close(&first) && !is_told_to_close(&second));
        assert!(
            connection_table.has_capacity(2),
            "one is being closed already"
        );
        assert!(!is_told_to_close(&second));
        drop(first);
        tokio::time::advance(IDLE_PROTECTION).await;
        assert!(connection_table.has_capacity(2));
        assert!(is_told_to_close(&second));
        assert_eq!(
            connection_table.closed.all(),
            [
                ("head_timeout", 0),
                ("idle", 0),
                ("crowded", 2),
                ("write_timeout", 0)
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_connection_is_closed_after_the_idle_ones_and_one_with_a_stream_never() {
        let connection_table = ConnectionTable::new(1);
        let [idle, busy, stream] = std::array::from_fn(|_| Arc::new(connection_table.enter()));
        let call = busy.begin_call(true);
        let mut opened = stream.begin_call(true);
        opened.became_stream();
        assert!(
            (
                idle.idle_for().is_some(),
                busy.idle_for(),
                stream.idle_for()
            ) == (true, None, None)
        );
        tokio::time::advance(STALLED_PROTECTION).await;
        assert!(connection_table.has_capacity(3));
        assert!(is_told_to_close(&idle) && !is_told_to_close(&busy));
        tokio::time::advance(BUSY_PROTECTION).await;
        assert!(connection_table.has_capacity(3));
        assert!(is_told_to_close(&busy));
        tokio::time::advance(Duration::from_hours(1)).await;
        assert!(connection_table.has_capacity(3));
        assert!(!is_told_to_close(&stream));
        drop((opened, call));
        drop((idle, busy));
        tokio::time::advance(IDLE_PROTECTION).await;
        assert!(connection_table.has_capacity(1));
        assert!(is_told_to_close(&stream), "it carries no stream any more");
        drop(stream);
        let state = connection_table.state.lock();
        assert_eq!((state.queue.len(), state.closing), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_call_waits_for_its_peer_is_closed_soon_unless_bytes_move() {
        let connection_table = ConnectionTable::new(1);
        let [arrives, leaves, works, moves, trickles] =
            std::array::from_fn(|_| Arc::new(connection_table.enter()));
        let calls =
            [&arrives, &leaves, &works, &moves, &trickles].map(|tracked| tracked.begin_call(false));
        calls[1].progress().arrived();
        calls[1].answered();
        calls[2].progress().arrived();
        tokio::time::advance(STALLED_PROTECTION / 2).await;
        moves.moved(PROGRESS_BYTES as usize);
        trickles.moved(1);
        assert!(connection_table.has_capacity(6));
        tokio::time::advance(STALLED_PROTECTION / 2).await;
        assert!(connection_table.has_capacity(6));
        assert!(
            [&arrives, &leaves, &trickles]
                .iter()
                .all(|tracked| is_told_to_close(tracked))
        );
        assert!(!is_told_to_close(&works) && !is_told_to_close(&moves));
        assert_eq!(
            (leaves.stalled_for(), works.stalled_for()),
            (Some(STALLED_PROTECTION), None)
        );
        assert_eq!(
            (moves.stalled_for(), moves.idle_for()),
            (Some(STALLED_PROTECTION / 2), None)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_connection_is_accepted_beyond_the_headroom_for_closing_ones() {
        let connection_table = ConnectionTable::new(1);
        assert!(connection_table.has_capacity(CLOSING_HEADROOM));
        assert!(!connection_table.has_capacity(CLOSING_HEADROOM + 1));
    }
}
