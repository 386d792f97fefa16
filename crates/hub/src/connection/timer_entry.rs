//! A stream's entry in the timer wheel: its next heartbeat, the expiry of its credential and its
//! maximum age.
//!
//! The stream's [`Connection`](super::Connection) holds the entry, and only the timer wheel changes
//! it.

use std::time::Duration;

/// The unit in which the times of streams are kept. It is coarse, so that many streams are due
/// together and a time fits into 4 bytes, which last for six years of uptime.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// A moment, as the number of [`TICK`]s since the hub was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(pub(crate) u32);

/// What a heartbeat looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeartbeatStyle {
    /// An event at each interval, whatever else was sent.
    #[default]
    Event,
    /// A comment after an interval in which nothing was sent.
    Comment,
}

/// When a new stream has to be sent heartbeats, and when it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) style: HeartbeatStyle,
    /// When the stream's credential expires, in milliseconds since 1970.
    pub(crate) expires_at_ms: Option<i64>,
    /// The time until the first heartbeat. It is random, so that streams that were opened together
    /// have their heartbeats at different times.
    pub(crate) first_heartbeat: Duration,
    /// The maximum age of the stream, if it has one.
    pub(crate) max_age: Option<Duration>,
}

/// The times of one stream.
pub(crate) struct TimerEntry {
    /// When the stream's credential expires, in milliseconds since 1970.
    pub(crate) expires_at_ms: i64,
    /// When the stream has reached its maximum age, however the wall clock is set meanwhile;
    /// [`Tick::NEVER`] if it has none.
    pub(crate) max_age_at: Tick,
    /// When the timer wheel looks at the stream next; [`Tick::NEVER`] if it is not on the wheel.
    pub(crate) due: Tick,
    pub(crate) next_heartbeat: Tick,
    pub(crate) style: HeartbeatStyle,
}

impl TimerEntry {
    /// Creates an entry that is not on the wheel yet.
    pub(crate) fn new(schedule: Schedule, now: Tick) -> Self {
        // Counted from the next tick, because part of the current one is over; so nothing is due
        // too early.
        let after = |time| now.next().after(time);
        Self {
            expires_at_ms: schedule.expires_at_ms.unwrap_or(i64::MAX),
            max_age_at: schedule.max_age.map_or(Tick::NEVER, after),
            due: Tick::NEVER,
            next_heartbeat: after(schedule.first_heartbeat),
            style: schedule.style,
        }
    }
}

impl Tick {
    /// Later than every other tick.
    pub(crate) const NEVER: Self = Self(u32::MAX);

    /// Returns the following tick.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns the tick that is `time` later, rounded up.
    pub(crate) fn after(self, time: Duration) -> Self {
        let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
        Self(u32::try_from(ticks).map_or(u32::MAX, |ticks| self.0.saturating_add(ticks)))
    }
}
