//! The connections that carry no stream: who waits for a request, who is being answered, and who has to go when there are
//! too many.
//!
//! Streams are limited in number, so what they take of the file descriptors is known. Everything else shares what is left:
//! calls, health checks, kept-alive connections, HTTP/2 connections without a stream, and whoever has not said yet what it
//! wants. When that is used up, those that wait for their peer for longest are sent away for those that come. So no
//! number of idle connections, of bodies that do not come, or of answers that are not taken keeps anybody out.
//!
//! Never sends away a connection that carries a stream.
//!
//! What a connection is doing changes with each request and is kept in atomics of its own. The queue of those that may go is
//! only brought up to date when it is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long nobody is sent away who waits for a request, or for us to read it.
const IDLE: Duration = Duration::from_secs(1);

/// How long nobody is sent away whose calls wait for it, to send the rest of a body or to take the rest of an answer. Counts
/// from the last [`PROGRESS`] bytes.
const STALLED: Duration = Duration::from_secs(2);

/// How long nobody is sent away who is being answered. Long for a call; it waits for a log that is stuck.
const BUSY: Duration = Duration::from_secs(10);

/// How many bytes, sent or taken, are progress. Less is no more than a way to look busy.
const PROGRESS: u32 = 4 << 10;

/// How many more connections than fit may be open while some are on their way out.
pub(crate) const LEAVING: usize = 128;

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Census {
    /// How many connections fit, those that carry streams among them.
    most: usize,
    /// What the times of all connections are counted from.
    started: Instant,
    state: Mutex<State>,
    pub(crate) closed: Closed,
}

/// How many connections without a stream were closed from this side.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// A head took too long.
    pub(crate) head_timeout: AtomicU64,
    /// No request came for long.
    pub(crate) idle: AtomicU64,
    /// Others needed the room.
    pub(crate) crowded: AtomicU64,
    /// The peer took nothing of an answer for long. Over HTTP/2 it may also be a stream that was reset.
    pub(crate) write_timeout: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    guests: BTreeMap<u64, Listed>,
    /// Everybody who is not on its way out, by when it may be sent away, or sooner.
    queue: BTreeSet<(u64, u64)>,
    /// How many were sent away and have not gone yet.
    leaving: usize,
}

#[derive(Debug)]
struct Listed {
    doings: Arc<Doings>,
    /// Its place in the queue; none once it was sent away.
    at: Option<u64>,
}

/// What a connection is doing.
#[derive(Debug, Default)]
struct Doings {
    /// Requests that are being answered, streams not among them.
    calls: AtomicU32,
    /// Those of the calls that wait for us, and not for the peer.
    working: AtomicU32,
    streams: AtomicU32,
    /// When it came, an answer to it last began or ended, or it sent or took something; in milliseconds since the start.
    since: AtomicU64,
    /// Bytes that it sent or took since then.
    moved: AtomicU32,
    /// Whether it has ever asked for anything.
    asked: AtomicBool,
    go: Notify,
}

/// A connection's entry; dropping it strikes it out.
pub(crate) struct Guest {
    census: Arc<Census>,
    serial: u64,
    doings: Arc<Doings>,
}

/// A request of a connection that is being answered, until this is dropped.
pub(crate) struct Call {
    course: Arc<Course>,
    is_stream: bool,
}

/// How far a call has come.
pub(crate) struct Course {
    guest: Arc<Guest>,
    stage: AtomicU8,
}

/// The stages of a call: for which of the two ends it waits.
mod stage {
    /// The rest of its body is to come.
    pub(super) const ARRIVES: u8 = 0;
    /// It is worked on.
    pub(super) const WORKS: u8 = 1;
    /// Its answer is to be taken.
    pub(super) const LEAVES: u8 = 2;
}

impl Census {
    /// `most` is how many connections fit, those that carry streams among them; [`LEAVING`] more have to.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, started: Instant::now(), state: Mutex::default(), closed: Closed::default() })
    }

    /// A connection that was just accepted.
    pub(crate) fn enter(self: &Arc<Self>) -> Guest {
        let doings = Arc::new(Doings { since: AtomicU64::new(self.now()), ..Doings::default() });
        let mut state = self.state.lock();
        state.next += 1;
        let serial = state.next;
        let at = doings.due();
        state.queue.insert((at, serial));
        state.guests.insert(serial, Listed { doings: doings.clone(), at: Some(at) });
        Guest { census: self.clone(), serial, doings }
    }

    /// Whether one more may be let in while `open` are there. Sends away who has to go for it.
    pub(crate) fn has_room(&self, open: usize) -> bool {
        let now = self.now();
        let mut state = self.state.lock();
        let State { guests, queue, leaving, .. } = &mut *state;
        while open.saturating_sub(*leaving) >= self.most
            && let Some((listed, serial)) = queue.first().copied().filter(|(listed, _)| *listed <= now)
        {
            queue.pop_first();
            let Some(guest) = guests.get_mut(&serial) else { continue };
            let due = if guest.doings.streams.load(Relaxed) > 0 { now + ms(IDLE) } else { guest.doings.due() };
            guest.at = (due > listed).then_some(due);
            if guest.at.is_some() {
                queue.insert((due, serial)); // it has done something since it was listed
                continue;
            }
            guest.doings.go.notify_one();
            *leaving += 1;
            self.closed.crowded.fetch_add(1, Relaxed);
        }
        open < self.most.saturating_add(LEAVING)
    }

    fn now(&self) -> u64 {
        ms(self.started.elapsed())
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Closed {
    /// The words for programs, each with its number.
    pub(crate) fn all(&self) -> [(&'static str, u64); 4] {
        [
            ("head_timeout", &self.head_timeout),
            ("idle", &self.idle),
            ("crowded", &self.crowded),
            ("write_timeout", &self.write_timeout),
        ]
        .map(|(reason, count)| (reason, count.load(Relaxed)))
    }
}

impl Doings {
    /// From when on it may be sent away, if it carries no stream.
    fn due(&self) -> u64 {
        let spared = match (self.calls.load(Relaxed), self.working.load(Relaxed)) {
            (0, _) => IDLE,
            (_, 0) => STALLED,
            _ => BUSY,
        };
        self.since.load(Relaxed) + ms(spared)
    }
}

impl Guest {
    /// Resolves when it has to go.
    pub(crate) async fn sent_away(&self) {
        self.doings.go.notified().await;
    }

    /// A request of its was read; whether all of it was.
    pub(crate) fn call(self: &Arc<Self>, whole: bool) -> Call {
        let doings = &self.doings;
        let stage = if whole { stage::WORKS } else { stage::ARRIVES };
        doings.working.fetch_add(u32::from(whole), Relaxed);
        doings.calls.fetch_add(1, Relaxed);
        doings.asked.store(true, Relaxed);
        self.begin();
        Call { course: Arc::new(Course { guest: self.clone(), stage: AtomicU8::new(stage) }), is_stream: false }
    }

    /// Whatever it does now, it does since now.
    fn begin(&self) {
        self.doings.since.store(self.census.now(), Relaxed);
    }

    /// It sent or took so many bytes.
    pub(crate) fn moved(&self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let moved = self.doings.moved.load(Relaxed).saturating_add(bytes);
        let enough = moved >= PROGRESS;
        self.doings.moved.store(if enough { 0 } else { moved }, Relaxed);
        if enough && self.doings.calls.load(Relaxed) > 0 {
            self.begin();
        }
    }

    /// Whether it has ever asked for anything.
    pub(crate) fn has_asked(&self) -> bool {
        self.doings.asked.load(Relaxed)
    }

    /// Whether a request of it is being answered; streams do not count.
    pub(crate) fn is_answering(&self) -> bool {
        self.doings.calls.load(Relaxed) > 0
    }

    /// Whether it carries a stream.
    pub(crate) fn has_stream(&self) -> bool {
        self.doings.streams.load(Relaxed) > 0
    }

    /// Whether it neither carries a stream nor is being answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.doings.calls.load(Relaxed) == 0 && !self.has_stream()
    }

    /// For how long it does nothing; `None` if it carries a stream or is being answered.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        self.is_idle().then(|| self.unchanged_for())
    }

    /// For how long its calls wait for it and nothing else; `None` if it has none, or carries a stream.
    pub(crate) fn stalled_for(&self) -> Option<Duration> {
        let Doings { calls, working, .. } = &*self.doings;
        let stalled = calls.load(Relaxed) > 0 && working.load(Relaxed) == 0 && !self.has_stream();
        stalled.then(|| self.unchanged_for())
    }

    fn unchanged_for(&self) -> Duration {
        Duration::from_millis(self.census.now().saturating_sub(self.doings.since.load(Relaxed)))
    }

    pub(crate) fn closed(&self) -> &Closed {
        &self.census.closed
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut state = self.census.state.lock();
        match state.guests.remove(&self.serial).map(|guest| guest.at) {
            Some(Some(at)) => drop(state.queue.remove(&(at, self.serial))),
            Some(None) => state.leaving -= 1,
            None => {}
        }
    }
}

impl Call {
    /// What follows the request's body.
    pub(crate) fn course(&self) -> Arc<Course> {
        self.course.clone()
    }

    /// The answer was made: now it waits for its peer to take it.
    pub(crate) fn answered(&self) {
        if self.course.stage.swap(stage::LEAVES, Relaxed) == stage::WORKS {
            self.course.guest.doings.working.fetch_sub(1, Relaxed);
        }
        self.course.guest.begin();
    }

    /// The answer is a stream.
    pub(crate) fn is_stream(&mut self) {
        self.answered();
        if !std::mem::replace(&mut self.is_stream, true) {
            self.course.guest.doings.streams.fetch_add(1, Relaxed);
            self.course.guest.doings.calls.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.answered();
        let doings = &self.course.guest.doings;
        (if self.is_stream { &doings.streams } else { &doings.calls }).fetch_sub(1, Relaxed);
    }
}

impl Course {
    /// The whole request was read, or nobody cares about the rest: now it waits for us.
    pub(crate) fn arrived(&self) {
        let arrived = self.stage.compare_exchange(stage::ARRIVES, stage::WORKS, Relaxed, Relaxed);
        if arrived.is_ok() {
            self.guest.doings.working.fetch_add(1, Relaxed);
            self.guest.begin();
        }
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
        assert_eq!(census.closed.all(), [("head_timeout", 0), ("idle", 0), ("crowded", 2), ("write_timeout", 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_us_goes_after_the_idle_and_who_carries_a_stream_never() {
        let census = Census::new(1);
        let [idle, busy, stream] = std::array::from_fn(|_| Arc::new(census.enter()));
        let call = busy.call(true);
        let mut opened = stream.call(true);
        opened.is_stream();
        assert!((idle.idle_for().is_some(), busy.idle_for(), stream.idle_for()) == (true, None, None));
        tokio::time::advance(STALLED).await;
        assert!(census.has_room(3));
        assert!(goes(&idle) && !goes(&busy));
        tokio::time::advance(BUSY).await;
        assert!(census.has_room(3));
        assert!(goes(&busy));
        tokio::time::advance(Duration::from_hours(1)).await;
        assert!(census.has_room(3));
        assert!(!goes(&stream));
        drop((opened, call));
        drop((idle, busy));
        tokio::time::advance(IDLE).await;
        assert!(census.has_room(1));
        assert!(goes(&stream), "it carries none any more");
        drop(stream);
        let state = census.state.lock();
        assert_eq!((state.queue.len(), state.leaving), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_for_its_peer_goes_soon_unless_it_gets_on() {
        let census = Census::new(1);
        let [arrives, leaves, works, gets_on, trickles] = std::array::from_fn(|_| Arc::new(census.enter()));
        let calls = [&arrives, &leaves, &works, &gets_on, &trickles].map(|guest| guest.call(false));
        calls[1].course().arrived();
        calls[1].answered();
        calls[2].course().arrived();
        tokio::time::advance(STALLED / 2).await;
        gets_on.moved(PROGRESS as usize);
        trickles.moved(1);
        assert!(census.has_room(6));
        tokio::time::advance(STALLED / 2).await;
        assert!(census.has_room(6));
        assert!([&arrives, &leaves, &trickles].iter().all(|guest| goes(guest)));
        assert!(!goes(&works) && !goes(&gets_on));
        assert_eq!((leaves.stalled_for(), works.stalled_for()), (Some(STALLED), None));
        assert_eq!((gets_on.stalled_for(), gets_on.idle_for()), (Some(STALLED / 2), None));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_let_in_beyond_what_may_be_on_its_way_out() {
        let census = Census::new(1);
        assert!(census.has_room(LEAVING));
        assert!(!census.has_room(LEAVING + 1));
    }
}
