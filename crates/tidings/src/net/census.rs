//! The connections that carry no stream: who waits for a request, who is being answered, and who has to go when there are
//! too many.
//!
//! Streams are limited in number, so what they take of the file descriptors is known. Everything else shares what is left:
//! calls, health checks, kept-alive connections, HTTP/2 connections without a stream, and whoever has not said yet what it
//! wants. When that is used up, those that have been without a request for longest are sent away for those that come. So no
//! number of idle connections keeps anybody out.
//!
//! Never sends away a connection that carries a stream.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long nobody is sent away who waits for a request, or for us to read it.
const IDLE: Duration = Duration::from_secs(1);

/// How long nobody is sent away who is being answered. Long for a call; who takes longer does so on purpose, or waits for a
/// log that is stuck.
const BUSY: Duration = Duration::from_secs(10);

/// How many more connections than fit may be open while some are on their way out.
pub(crate) const LEAVING: usize = 128;

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Census {
    /// How many connections fit, those that carry streams among them.
    most: usize,
    state: Mutex<State>,
    pub(crate) closed: Closed,
}

/// How many connections without a stream were closed from this side.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// The head of a first request took too long.
    pub(crate) head_timeout: AtomicU64,
    /// No request came for long.
    pub(crate) idle: AtomicU64,
    /// Others needed the room.
    pub(crate) crowded: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    guests: BTreeMap<u64, Doings>,
    /// Who may be sent away, and from when on.
    queue: BTreeSet<(Instant, u64)>,
    /// How many were sent away and have not gone yet.
    leaving: usize,
}

/// What a connection is doing.
#[derive(Debug)]
struct Doings {
    /// Requests that are being answered, streams not among them.
    calls: usize,
    streams: usize,
    /// Whether its socket refuses the rest of an answer.
    unsent: bool,
    /// When it came, or an answer to it last began or ended.
    since: Instant,
    /// Its place in the queue, if it has one.
    due: Option<Instant>,
    /// Whether it has ever asked for anything.
    asked: bool,
    leaving: bool,
    go: Arc<Notify>,
}

/// A connection's entry; dropping it strikes it out.
pub(crate) struct Guest {
    census: Arc<Census>,
    serial: u64,
    go: Arc<Notify>,
}

/// A request of a connection that is being answered, until this is dropped.
pub(crate) struct Call {
    guest: Arc<Guest>,
    is_stream: bool,
}

impl Census {
    /// `most` is how many connections fit, those that carry streams among them; [`LEAVING`] more have to.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default(), closed: Closed::default() })
    }

    /// A connection that was just accepted.
    pub(crate) fn enter(self: &Arc<Self>) -> Guest {
        let go = Arc::new(Notify::new());
        let mut doings = Doings {
            calls: 0,
            streams: 0,
            unsent: false,
            since: Instant::now(),
            due: None,
            asked: false,
            leaving: false,
            go: go.clone(),
        };
        let mut state = self.state.lock();
        state.next += 1;
        let serial = state.next;
        doings.queue_up(&mut state.queue, serial);
        state.guests.insert(serial, doings);
        Guest { census: self.clone(), serial, go }
    }

    /// Whether one more may be let in while `open` are there. Sends away who has to go for it.
    pub(crate) fn has_room(&self, open: usize) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock();
        let State { guests, queue, leaving, .. } = &mut *state;
        while open.saturating_sub(*leaving) >= self.most
            && let Some((_, serial)) = queue.first().copied().filter(|(due, _)| *due <= now)
        {
            queue.pop_first();
            if let Some(doings) = guests.get_mut(&serial) {
                doings.due = None;
                doings.leaving = true;
                doings.go.notify_one();
                *leaving += 1;
                self.closed.crowded.fetch_add(1, Ordering::Relaxed);
            }
        }
        open < self.most.saturating_add(LEAVING)
    }

    fn change(&self, serial: u64, change: impl FnOnce(&mut Doings)) {
        let mut state = self.state.lock();
        let State { guests, queue, .. } = &mut *state;
        if let Some(doings) = guests.get_mut(&serial) {
            change(doings);
            doings.queue_up(queue, serial);
        }
    }
}

impl Closed {
    /// The words for programs, each with its number.
    pub(crate) fn all(&self) -> [(&'static str, u64); 3] {
        [("head_timeout", &self.head_timeout), ("idle", &self.idle), ("crowded", &self.crowded)]
            .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }
}

impl Doings {
    fn is_busy(&self) -> bool {
        self.calls > 0 || self.unsent
    }

    /// Takes the place in the queue that follows from what it is doing now.
    fn queue_up(&mut self, queue: &mut BTreeSet<(Instant, u64)>, serial: u64) {
        if let Some(due) = self.due.take() {
            queue.remove(&(due, serial));
        }
        if self.streams == 0 && !self.leaving {
            let due = self.since + if self.is_busy() { BUSY } else { IDLE };
            queue.insert((due, serial));
            self.due = Some(due);
        }
    }
}

impl Guest {
    /// Resolves when it has to go.
    pub(crate) async fn sent_away(&self) {
        self.go.notified().await;
    }

    /// A request of its was read.
    pub(crate) fn call(self: &Arc<Self>) -> Call {
        self.census.change(self.serial, |doings| {
            doings.calls += 1;
            doings.asked = true;
            doings.since = Instant::now();
        });
        Call { guest: self.clone(), is_stream: false }
    }

    /// Notes whether its socket refuses the rest of an answer.
    pub(crate) fn unsent(&self, unsent: bool) {
        self.census.change(self.serial, |doings| doings.unsent = unsent);
    }

    /// Whether it has ever asked for anything.
    pub(crate) fn has_asked(&self) -> bool {
        self.census.state.lock().guests.get(&self.serial).is_some_and(|doings| doings.asked)
    }

    /// Since when it does nothing; `None` if it carries a stream or is being answered.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.census.state.lock();
        let doings = state.guests.get(&self.serial)?;
        (doings.streams == 0 && !doings.is_busy()).then_some(doings.since)
    }

    pub(crate) fn closed(&self) -> &Closed {
        &self.census.closed
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut state = self.census.state.lock();
        if let Some(doings) = state.guests.remove(&self.serial) {
            if let Some(due) = doings.due {
                state.queue.remove(&(due, self.serial));
            }
            state.leaving -= usize::from(doings.leaving);
        }
    }
}

impl Call {
    /// The answer is a stream.
    pub(crate) fn is_stream(&mut self) {
        if !std::mem::replace(&mut self.is_stream, true) {
            self.guest.census.change(self.guest.serial, |doings| {
                doings.calls -= 1;
                doings.streams += 1;
            });
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.guest.census.change(self.guest.serial, |doings| {
            *if self.is_stream { &mut doings.streams } else { &mut doings.calls } -= 1;
            doings.since = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes(guest: &Guest) -> bool {
        use std::task::{Context, Poll, Waker};
        let mut sent_away = std::pin::pin!(guest.sent_away());
        sent_away.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_been_idle_for_longest_goes_first_and_nobody_at_once() {
        let census = Census::new(2);
        let first = census.enter();
        tokio::time::advance(Duration::from_millis(500)).await;
        let second = census.enter();
        assert!(census.has_room(2), "there is some to spare");
        assert!(!goes(&first) && !goes(&second), "both have just come");
        tokio::time::advance(Duration::from_millis(600)).await;
        assert!(census.has_room(2));
        assert!(goes(&first) && !goes(&second));
        assert!(census.has_room(2), "one is on its way out");
        assert!(!goes(&second));
        drop(first);
        tokio::time::advance(IDLE).await;
        assert!(census.has_room(2));
        assert!(goes(&second));
        assert_eq!(census.closed.all(), [("head_timeout", 0), ("idle", 0), ("crowded", 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_being_answered_goes_after_the_idle_and_who_carries_a_stream_never() {
        let census = Census::new(1);
        let [idle, busy, stream] = std::array::from_fn(|_| Arc::new(census.enter()));
        let call = busy.call();
        let mut opened = stream.call();
        opened.is_stream();
        busy.unsent(true);
        drop(call);
        assert!((idle.idle_since().is_some(), busy.idle_since(), stream.idle_since()) == (true, None, None));
        tokio::time::advance(IDLE).await;
        assert!(census.has_room(3));
        assert!(goes(&idle) && !goes(&busy));
        tokio::time::advance(BUSY).await;
        assert!(census.has_room(3));
        assert!(goes(&busy));
        tokio::time::advance(Duration::from_hours(1)).await;
        assert!(census.has_room(3));
        assert!(!goes(&stream));
        drop(opened);
        drop((idle, busy));
        tokio::time::advance(IDLE).await;
        assert!(census.has_room(1));
        assert!(goes(&stream), "it carries none any more");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_let_in_beyond_what_may_be_on_its_way_out() {
        let census = Census::new(1);
        assert!(census.has_room(LEAVING));
        assert!(!census.has_room(LEAVING + 1));
    }
}
