//! The one timer of all streams: heartbeats, expiry of credentials and maximum age. It also asks
//! [`SlowReaders`] which streams have peers that take no bytes, and ends or kills those.
//!
//! A timer for each stream would cost a registration with the runtime and a wake-up per stream.
//! Here one task sleeps until the next stream is due, and a heartbeat event that is due for many
//! streams is encoded once.
//!
//! Nothing that ends a stream depends on the stream's own task being polled, because that task may
//! be waiting for its socket.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::connection::{Connection, HeartbeatStyle, Signals, Tick};
use crate::slow_readers::SlowReaders;
use crate::wording::{Ending, Wording};

/// The longest time between two checks whether a credential has expired. Expiry goes by the wall
/// clock, which may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_hours(1);

/// The streams by the tick at which they are due next. Each open stream is listed once.
type Due = BTreeMap<Tick, Vec<Arc<Connection>>>;

/// The timer of all streams.
pub(crate) struct TimerWheel {
    heartbeat_interval: Duration,
    slow_readers: SlowReaders,
    due: Mutex<Due>,
    /// Notified when the first due tick is earlier than before.
    sooner: Notify,
    /// Tells which connections may be due sooner than the wheel knows.
    signals: Arc<Signals>,
}

impl TimerWheel {
    pub(crate) fn new(
        heartbeat_interval: Duration,
        slow_readers: SlowReaders,
        signals: Arc<Signals>,
    ) -> Self {
        Self {
            heartbeat_interval,
            slow_readers,
            due: Mutex::default(),
            sooner: Notify::new(),
            signals,
        }
    }

    /// Puts a new stream on the wheel, until [`TimerWheel::remove`].
    pub(crate) fn add(&self, connection: Arc<Connection>, now_ms: i64) {
        self.arm(&mut self.due.lock(), connection, self.signals.now(), now_ms);
    }

    /// Takes a stream off the wheel.
    pub(crate) fn remove(&self, connection: &Connection) {
        take_off(&mut self.due.lock(), connection);
    }

    fn arm(&self, all: &mut Due, connection: Arc<Connection>, now: Tick, now_ms: i64) {
        let due = self
            .due_of(&connection, now, now_ms)
            .max(now.after(Duration::from_nanos(1)));
        connection.timer(|timer| timer.due = due);
        if all.first_key_value().is_none_or(|(first, _)| due < *first) {
            self.sooner.notify_one();
        }
        all.entry(due).or_default().push(connection);
    }

    /// Returns when a stream is due next.
    fn due_of(&self, connection: &Connection, now: Tick, now_ms: i64) -> Tick {
        let check = self.slow_readers.next_check(connection, now);
        if connection.ending_since().is_some() {
            return check; // nothing else is due any more
        }
        let (next_heartbeat, expires_at_ms, max_age_at) =
            connection.timer(|timer| (timer.next_heartbeat, timer.expires_at_ms, timer.max_age_at));
        let left =
            Duration::from_millis(expires_at_ms.saturating_sub(now_ms).max(0).unsigned_abs());
        let expires = now.after(left.min(MAX_SLEEP));
        check.min(next_heartbeat).min(max_age_at).min(expires)
    }

    /// Serves streams when they are due, for ever.
    pub(crate) async fn run(&self, clock: &Clock, wording: &dyn Wording) -> Infallible {
        loop {
            let first = self.due.lock().first_key_value().map(|(due, _)| *due);
            let first_is_due = async {
                match first {
                    Some(due) => tokio::time::sleep_until(self.signals.instant(due)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = first_is_due => self.turn(clock, wording),
                () = self.sooner.notified() => {}
                () = self.signals.raised() => self.rearm(clock),
            }
        }
    }

    /// Computes again when the streams are due that have raised the alarm.
    fn rearm(&self, clock: &Clock) {
        let (now, now_ms) = (self.signals.now(), clock.now_ms());
        let mut due = self.due.lock();
        for connection in self.signals.take_raised() {
            if take_off(&mut due, &connection) {
                self.arm(&mut due, connection, now, now_ms);
            }
        }
    }

    /// Serves every stream that is due.
    fn turn(&self, clock: &Clock, wording: &dyn Wording) {
        let (now, now_ms) = (self.signals.now(), clock.now_ms());
        let mut encoded = false;
        let mut encode = || {
            if !std::mem::replace(&mut encoded, true) {
                self.signals.set_heartbeat(wording.heartbeat(now_ms));
            }
        };
        let mut due = self.due.lock();
        while let Some(first) = due.first_entry().filter(|first| *first.key() <= now) {
            for connection in first.remove() {
                connection.timer(|timer| timer.due = Tick::NEVER);
                if self.slow_readers.is_stuck(&connection, now) {
                    connection.time_out();
                    continue;
                }
                if connection.ending_since().is_none() {
                    if let Some(ending) = self.ending(&connection, now, now_ms) {
                        connection.end(ending);
                    } else if let Some(style) = self.heartbeat(&connection, now, now_ms) {
                        if style == HeartbeatStyle::Event {
                            encode();
                        }
                        connection.heartbeat(style);
                    }
                }
                self.arm(&mut due, connection, now, now_ms);
            }
        }
    }

    /// Returns the ending that a stream has to be sent now; `None` if the stream goes on.
    fn ending(&self, connection: &Connection, now: Tick, now_ms: i64) -> Option<Ending> {
        let (expires_at_ms, max_age_at) =
            connection.timer(|timer| (timer.expires_at_ms, timer.max_age_at));
        if expires_at_ms <= now_ms {
            Some(Ending::EXPIRED)
        } else if max_age_at <= now {
            Some(Ending::AGED)
        } else {
            self.slow_readers
                .is_slow(connection, now_ms)
                .then_some(Ending::SLOW)
        }
    }

    /// Returns the heartbeat that a stream has to be sent now, if one is due. Sets the time of the
    /// next one.
    fn heartbeat(&self, connection: &Connection, now: Tick, now_ms: i64) -> Option<HeartbeatStyle> {
        let interval = self.heartbeat_interval;
        let silence = || {
            Duration::from_millis(
                now_ms
                    .saturating_sub(connection.last_activity_ms())
                    .max(0)
                    .unsigned_abs(),
            )
        };
        connection.timer(|timer| {
            if timer.next_heartbeat > now {
                return None;
            }
            match timer.style {
                // Counted from the due time and not from now, so that the interval does not drift.
                // Heartbeats that a long stall left out are not sent later.
                HeartbeatStyle::Event => {
                    timer.next_heartbeat = timer.next_heartbeat.after(interval).max(now);
                }
                HeartbeatStyle::Comment => {
                    let left = interval.saturating_sub(silence());
                    if !left.is_zero() {
                        timer.next_heartbeat = now.after(left);
                        return None;
                    }
                    timer.next_heartbeat = now.after(interval);
                }
            }
            Some(timer.style)
        })
    }
}

/// Takes a stream off the wheel. Returns whether it was on it.
fn take_off(all: &mut Due, connection: &Connection) -> bool {
    let due = connection.timer(|timer| std::mem::replace(&mut timer.due, Tick::NEVER));
    let Some(together) = all.get_mut(&due) else {
        return false;
    };
    // Streams are spread over the ticks, so few of them share one.
    let at = together
        .iter()
        .position(|one| std::ptr::eq(&raw const **one, connection));
    if let Some(at) = at {
        together.swap_remove(at);
    }
    if together.is_empty() {
        all.remove(&due);
    }
    at.is_some()
}

#[cfg(test)]
mod tests;
