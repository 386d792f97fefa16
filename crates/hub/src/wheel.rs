//! The one timer of all streams: heartbeats, the ends of credentials, and peers that take no bytes.
//!
//! A timer per stream would cost each of them a registration with the runtime and a wake-up of its own; here one task
//! sleeps until the next due time, and a beat that falls due for many at once is encoded once.
//!
//! Nothing that ends a stream depends on the stream's own task being polled: that task may be stuck behind a socket.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::connection::{Connection, Signals, Tick};
use crate::wording::{Ending, Wording};

/// How long a stream that is told to end may keep its socket from taking the news.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long it may be about it if it takes the news slowly.
const LONGEST_FAREWELL: Duration = Duration::from_secs(10);

/// The time between two looks at how far behind a stream is whose socket takes nothing.
const LAG_LOOK: Duration = Duration::from_secs(1);

/// How long ago what counts as lag was shown, in milliseconds: a burst is no sign of a slow reader.
const OVERDUE_MS: i64 = 5_000;

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
    /// How many bytes of its topics that were shown some time ago a stream may have yet to be sent, while its socket takes
    /// nothing.
    pub(crate) max_lag_bytes: u64,
}

/// All due times.
pub(crate) struct Wheel {
    limits: Limits,
    /// The streams by the tick in which they are due. One place for each open stream.
    turns: Mutex<BTreeMap<Tick, Vec<Arc<Connection>>>>,
    /// Told when the first due time moved forward.
    sooner: Notify,
    /// By which connections call when their time moved forward.
    signals: Arc<Signals>,
}

/// One stream's times. They lie in its [`Connection`].
pub(crate) struct Turn {
    /// When its credential is refused, in milliseconds since 1970.
    expires_ms: i64,
    /// When it has lived long enough, whatever is done to the wall clock; [`Tick::NEVER`] if that is never.
    aged: Tick,
    /// When to look at it next; [`Tick::NEVER`] if it is not on the wheel.
    due: Tick,
    next_beat: Tick,
    style: HeartbeatStyle,
}

impl Turn {
    pub(crate) fn new(wishes: Wishes, now: Tick) -> Self {
        Self {
            expires_ms: wishes.expires_at_ms.unwrap_or(i64::MAX),
            aged: wishes.age.map_or(Tick::NEVER, |age| now.next().after(age)),
            due: Tick::NEVER,
            next_beat: now.next().after(wishes.first_beat), // the tick that is has begun already
            style: wishes.style,
        }
    }
}

impl Wheel {
    pub(crate) fn new(limits: Limits, signals: Arc<Signals>) -> Self {
        Self { limits, turns: Mutex::default(), sooner: Notify::new(), signals }
    }

    /// Puts a new stream on the wheel. Whoever closes it takes it off with [`Wheel::remove`].
    pub(crate) fn add(&self, connection: Arc<Connection>, now_ms: i64) {
        self.arm(&mut self.turns.lock(), connection, self.signals.now(), now_ms);
    }

    pub(crate) fn remove(&self, connection: &Connection) {
        take_off(&mut self.turns.lock(), connection);
    }

    fn arm(
        &self,
        turns: &mut BTreeMap<Tick, Vec<Arc<Connection>>>,
        connection: Arc<Connection>,
        now: Tick,
        now_ms: i64,
    ) {
        let due = self.due(&connection, now, now_ms).max(now.after(Duration::from_nanos(1)));
        connection.turn(|turn| turn.due = due);
        if turns.first_key_value().is_none_or(|(first, _)| due < *first) {
            self.sooner.notify_one();
        }
        turns.entry(due).or_default().push(connection);
    }

    /// When to look at a stream again.
    fn due(&self, connection: &Connection, now: Tick, now_ms: i64) -> Tick {
        if connection.ending_since().is_some() {
            return now.after(LAST_WORDS);
        }
        let (next_beat, expires_ms, aged) = connection.turn(|turn| (turn.next_beat, turn.expires_ms, turn.aged));
        let left = Duration::from_millis(expires_ms.saturating_sub(now_ms).max(0).unsigned_abs());
        let blocked = connection.blocked_since();
        let patience = blocked.map(|since| since.after(self.limits.write_timeout).min(now.after(LAG_LOOK)));
        patience.unwrap_or(next_beat).min(next_beat).min(aged).min(now.after(left.min(HORIZON)))
    }

    /// Turns for ever.
    pub(crate) async fn run(&self, clock: &Clock, wording: &dyn Wording) -> Infallible {
        loop {
            let first = self.turns.lock().first_key_value().map(|(due, _)| *due);
            let first_is_due = async {
                match first {
                    Some(due) => tokio::time::sleep_until(self.signals.instant(due)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = first_is_due => self.turn(clock, wording),
                () = self.sooner.notified() => {}
                () = self.signals.raised() => self.look_again(clock),
            }
        }
    }

    /// Arms anew what has raised the alarm.
    fn look_again(&self, clock: &Clock) {
        let (now, now_ms) = (self.signals.now(), clock.now_ms());
        let mut turns = self.turns.lock();
        for connection in self.signals.take_raised() {
            if take_off(&mut turns, &connection) {
                self.arm(&mut turns, connection, now, now_ms);
            }
        }
    }

    /// Serves everything that is due.
    fn turn(&self, clock: &Clock, wording: &dyn Wording) {
        let (now, now_ms) = (self.signals.now(), clock.now_ms());
        let mut encoded = false;
        let mut encode = || {
            if !std::mem::replace(&mut encoded, true) {
                self.signals.set_beat(wording.heartbeat(now_ms));
            }
        };
        let mut turns = self.turns.lock();
        while let Some(first) = turns.first_entry().filter(|first| *first.key() <= now) {
            for connection in first.remove() {
                connection.turn(|turn| turn.due = Tick::NEVER);
                if self.is_stuck(&connection, now) {
                    connection.give_up();
                    continue;
                }
                if connection.ending_since().is_none() {
                    if let Some(ending) = self.ending(&connection, now, now_ms) {
                        connection.end(ending);
                    } else if let Some(style) = self.beat(&connection, now, now_ms) {
                        if style == HeartbeatStyle::Event {
                            encode();
                        }
                        connection.heartbeat(style);
                    }
                }
                self.arm(&mut turns, connection, now, now_ms);
            }
        }
    }

    /// Why a stream is to end now, if it is.
    fn ending(&self, connection: &Connection, now: Tick, now_ms: i64) -> Option<Ending> {
        let (expires_ms, aged) = connection.turn(|turn| (turn.expires_ms, turn.aged));
        // A socket that takes nothing, and further behind than it may be.
        let slow = || {
            let blocked = connection.blocked_since();
            let overdue = blocked.and_then(|_| connection.overdue_bytes(now_ms.saturating_sub(OVERDUE_MS)));
            overdue.is_some_and(|bytes| bytes > self.limits.max_lag_bytes)
        };
        if expires_ms <= now_ms {
            return Some(Ending::EXPIRED);
        }
        if aged <= now { Some(Ending::AGED) } else { slow().then_some(Ending::SLOW) }
    }

    /// Whether nothing but a kill ends this stream in time.
    fn is_stuck(&self, connection: &Connection, now: Tick) -> bool {
        let blocked = connection.blocked_since();
        match connection.ending_since() {
            Some(ending) => {
                blocked.is_some_and(|blocked| blocked.max(ending).after(LAST_WORDS) <= now)
                    || ending.after(LONGEST_FAREWELL) <= now
            }
            None => blocked.is_some_and(|blocked| blocked.after(self.limits.write_timeout) <= now),
        }
    }

    /// Which heartbeat a stream gets now, if any. Sets the time of the next.
    fn beat(&self, connection: &Connection, now: Tick, now_ms: i64) -> Option<HeartbeatStyle> {
        let silence =
            || Duration::from_millis(now_ms.saturating_sub(connection.last_activity_ms()).max(0).unsigned_abs());
        connection.turn(|turn| {
            if turn.next_beat > now {
                return None;
            }
            match turn.style {
                // From the due time, not from now, so that the rhythm does not drift; a long stall is not made up for.
                HeartbeatStyle::Event => turn.next_beat = turn.next_beat.after(self.limits.heartbeat).max(now),
                HeartbeatStyle::Comment => {
                    let left = self.limits.heartbeat.saturating_sub(silence());
                    if !left.is_zero() {
                        turn.next_beat = now.after(left);
                        return None;
                    }
                    turn.next_beat = now.after(self.limits.heartbeat);
                }
            }
            Some(turn.style)
        })
    }
}

/// Takes a stream off the wheel. Returns whether it was on it.
fn take_off(turns: &mut BTreeMap<Tick, Vec<Arc<Connection>>>, connection: &Connection) -> bool {
    let due = connection.turn(|turn| std::mem::replace(&mut turn.due, Tick::NEVER));
    let Some(together) = turns.get_mut(&due) else { return false };
    // Streams are spread over the ticks, so few are due in the same.
    let at = together.iter().position(|one| std::ptr::eq(&raw const **one, connection));
    if let Some(at) = at {
        together.swap_remove(at);
    }
    if together.is_empty() {
        turns.remove(&due);
    }
    at.is_some()
}

#[cfg(test)]
mod tests;
