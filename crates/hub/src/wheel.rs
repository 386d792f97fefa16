//! The one timer of all streams: heartbeats, the ends of credentials, and peers that take no bytes.
//!
//! A timer per stream would cost each of them a registration with the runtime and a wake-up of its own; here one task
//! sleeps until the next due time, and a beat that falls due for many at once is encoded once.
//!
//! Nothing that ends a stream depends on the stream's own task being polled: that task may be stuck behind a socket.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_sse::Frame;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::connection::{Alarm, Connection};
use crate::fanout::Fanout;
use crate::wording::{Ending, Wording};

/// How long a stream that is told to end may keep its socket from taking the news.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long it may be about it if it takes the news slowly.
const LONGEST_FAREWELL: Duration = Duration::from_secs(10);

/// The time between two looks at how far behind a stream is whose socket takes nothing.
const LAG_LOOK: Duration = Duration::from_secs(1);

/// The furthest that one sleep reaches: due times beyond it are looked at again then.
const HORIZON: Duration = Duration::from_hours(1);

/// What a heartbeat looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeartbeatStyle {
    /// An event at each interval, whatever else was sent.
    #[default]
    Event,
    /// A comment after an interval of silence.
    Comment,
}

/// What one stream wants of the wheel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    pub(crate) style: HeartbeatStyle,
    /// When the stream's credential is refused, in milliseconds since 1970.
    pub(crate) expires_at_ms: Option<i64>,
    /// How long until its first heartbeat: at random, so that streams that were opened together don't beat together.
    pub(crate) first_beat: Duration,
    /// How long it lives, if not for ever.
    pub(crate) age: Option<Duration>,
}

/// What holds for all streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The time between two heartbeats.
    pub(crate) heartbeat: Duration,
    /// How long a socket may take nothing.
    pub(crate) write_timeout: Duration,
    /// How many bytes of its topics a stream may be behind while its socket takes nothing.
    pub(crate) max_lag_bytes: usize,
}

/// All due times.
pub(crate) struct Wheel {
    limits: Limits,
    fanout: Arc<Fanout>,
    turns: Mutex<Turns>,
    /// Told when the first due time moved forward.
    sooner: Notify,
    /// Raised by connections whose time moved forward.
    alarm: Arc<Alarm>,
}

#[derive(Default)]
struct Turns {
    /// By due time. One for each open stream.
    by_time: BTreeMap<(Instant, u64), Turn>,
    /// The due time of each stream, by its serial.
    by_serial: HashMap<u64, Instant>,
}

struct Turn {
    connection: Arc<Connection>,
    wishes: Wishes,
    next_beat: Instant,
    /// When it has lived long enough.
    ends: Option<Instant>,
}

impl Wheel {
    pub(crate) fn new(limits: Limits, fanout: Arc<Fanout>, alarm: Arc<Alarm>) -> Self {
        Self { limits, fanout, turns: Mutex::default(), sooner: Notify::new(), alarm }
    }

    /// Puts a new stream on the wheel. Whoever closes it takes it off with [`Wheel::remove`].
    pub(crate) fn add(&self, connection: Arc<Connection>, wishes: Wishes, now_ms: i64) {
        let now = Instant::now();
        let ends = wishes.age.map(|age| now + age);
        let turn = Turn { connection, wishes, next_beat: now + wishes.first_beat, ends };
        self.arm(&mut self.turns.lock(), turn, now, now_ms);
    }

    pub(crate) fn remove(&self, connection: &Connection) {
        let mut turns = self.turns.lock();
        if let Some(due) = turns.by_serial.remove(&connection.serial) {
            turns.by_time.remove(&(due, connection.serial));
        }
    }

    fn arm(&self, turns: &mut Turns, turn: Turn, now: Instant, now_ms: i64) {
        let due = self.due(&turn, now, now_ms);
        if turns.by_time.first_key_value().is_none_or(|((first, _), _)| due < *first) {
            self.sooner.notify_one();
        }
        let serial = turn.connection.serial;
        turns.by_serial.insert(serial, due);
        turns.by_time.insert((due, serial), turn);
    }

    /// When to look at a stream again.
    fn due(&self, turn: &Turn, now: Instant, now_ms: i64) -> Instant {
        if turn.connection.ending_since().is_some() {
            return now + LAST_WORDS;
        }
        let until_expiry = turn.wishes.expires_at_ms.map(|at| at.saturating_sub(now_ms).max(0).unsigned_abs());
        let expiry = until_expiry.map(|ms| now + Duration::from_millis(ms).min(HORIZON));
        let blocked = turn.connection.blocked_since();
        let patience = blocked.map(|since| (since + self.limits.write_timeout).min(now + LAG_LOOK));
        [expiry, patience, turn.ends].into_iter().flatten().fold(turn.next_beat, Instant::min)
    }

    /// Turns for ever.
    pub(crate) async fn run(&self, clock: &Clock, wording: &dyn Wording) -> Infallible {
        loop {
            let first = self.turns.lock().by_time.first_key_value().map(|((due, _), _)| *due);
            let first_is_due = async {
                match first {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = first_is_due => self.turn(clock, wording),
                () = self.sooner.notified() => {}
                () = self.alarm.raised() => self.look_again(clock),
            }
        }
    }

    /// Arms anew what has raised the alarm.
    fn look_again(&self, clock: &Clock) {
        let (now, now_ms) = (Instant::now(), clock.now_ms());
        let mut turns = self.turns.lock();
        for serial in self.alarm.take() {
            let due = turns.by_serial.get(&serial).copied();
            if let Some(turn) = due.and_then(|due| turns.by_time.remove(&(due, serial))) {
                self.arm(&mut turns, turn, now, now_ms);
            }
        }
    }

    /// Serves everything that is due.
    fn turn(&self, clock: &Clock, wording: &dyn Wording) {
        let (now, now_ms) = (Instant::now(), clock.now_ms());
        let mut beat = None;
        let mut turns = self.turns.lock();
        while let Some(first) = turns.by_time.first_entry().filter(|first| first.key().0 <= now) {
            let mut turn = first.remove();
            if self.is_stuck(&turn.connection, now) {
                turns.by_serial.remove(&turn.connection.serial);
                turn.connection.kill();
                continue;
            }
            if turn.connection.ending_since().is_none() {
                if turn.wishes.expires_at_ms.is_some_and(|at| at <= now_ms) {
                    turn.connection.end(Ending::EXPIRED);
                } else if self.is_slow(&turn.connection) {
                    turn.connection.end(Ending::SLOW);
                } else if turn.ends.is_some_and(|ends| ends <= now) {
                    turn.connection.end(Ending::AGED);
                } else if turn.next_beat <= now {
                    turn.next_beat =
                        self.beat(&turn, now, now_ms, || beat.get_or_insert_with(|| wording.heartbeat(now_ms)).clone());
                }
            }
            self.arm(&mut turns, turn, now, now_ms);
        }
    }

    /// Whether a stream whose socket takes nothing is further behind than it may be.
    fn is_slow(&self, connection: &Connection) -> bool {
        let behind = |after| self.fanout.bytes_after(&connection.topics, after) > self.limits.max_lag_bytes;
        connection.blocked_since().is_some() && connection.read_up_to().is_some_and(behind)
    }

    /// Whether nothing but a kill ends this stream in time.
    fn is_stuck(&self, connection: &Connection, now: Instant) -> bool {
        let blocked = connection.blocked_since();
        match connection.ending_since() {
            Some(ending) => {
                blocked.is_some_and(|blocked| blocked.max(ending) + LAST_WORDS <= now)
                    || ending + LONGEST_FAREWELL <= now
            }
            None => blocked.is_some_and(|blocked| blocked + self.limits.write_timeout <= now),
        }
    }

    /// Sends a heartbeat if the stream's style asks for one now. Returns when to look again.
    fn beat(&self, turn: &Turn, now: Instant, now_ms: i64, event: impl FnOnce() -> Frame) -> Instant {
        match turn.wishes.style {
            HeartbeatStyle::Event => {
                turn.connection.heartbeat(event());
                // From the due time, not from now, so that the rhythm does not drift; a long stall is not made up for.
                (turn.next_beat + self.limits.heartbeat).max(now)
            }
            HeartbeatStyle::Comment => {
                let silence = now_ms.saturating_sub(turn.connection.last_activity_ms()).max(0).unsigned_abs();
                match self.limits.heartbeat.checked_sub(Duration::from_millis(silence)).filter(|left| !left.is_zero()) {
                    Some(left) => now + left,
                    None => {
                        turn.connection.heartbeat(Frame::comment());
                        now + self.limits.heartbeat
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
