//! Log time: the time by which the log decides what has expired.
//!
//! It compares the wall clock with a monotonic clock, so that nothing irreversible is decided by a
//! single reading of a wall clock that may be set. This module decides when the clocks are read,
//! and logs what was found. It must cost a publisher no more than one reading of each clock.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use tidings_journal::{Journal, Observation, Position, Timeline};

use crate::clock::Clock;

/// Log time, and the clocks that it follows.
pub(crate) struct Time {
    clock: Clock,
    timeline: Mutex<Timeline>,
    /// How far the wall clock was ahead of the monotonic clock when they were last compared, in
    /// milliseconds.
    offset_ms: AtomicI64,
    /// How far log time is ahead of the wall clock, in milliseconds.
    skew_ms: AtomicI64,
    /// Counts how often `skew_ms` may have changed.
    changes: AtomicU64,
}

/// When something was published, by the wall clock.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) at_ms: i64,
    skew_ms: i64,
    changes: u64,
}

impl Time {
    /// Creates the log time of `journal`. It continues from where the last process left it.
    pub(crate) fn new(clock: Clock, journal: &dyn Journal) -> Self {
        let (wall_ms, steady_ms) = (clock.now_ms(), clock.steady_ms());
        let kept = journal.kept_time();
        let mut timeline = kept.unwrap_or_else(|| Timeline::new(wall_ms, steady_ms));
        let seen_ms = timeline.wall_ms();
        let doubted = timeline.resume(wall_ms, steady_ms, journal.head());
        let (seen, now) = (text(seen_ms), text(wall_ms));
        match doubted {
            Some(passed) if passed < 0 => tracing::warn!(
                "the clock says {now}, but the journal was last written at {seen}: one of them is \
                 wrong. Until the clock has been consistent for an hour, events age only by the \
                 time that passes"
            ),
            Some(_) => tracing::info!(
                "the journal was last written at {seen}, and the clock says {now}; once it has \
                 been consistent for an hour, events that are older than the journal keeps are \
                 deleted"
            ),
            None => {}
        }
        let time = Self {
            clock,
            offset_ms: AtomicI64::new(timeline.offset_ms()),
            skew_ms: AtomicI64::new(timeline.skew()),
            changes: AtomicU64::new(0),
            timeline: Mutex::new(timeline.clone()),
        };
        journal.keep_time(&timeline);
        time
    }

    /// Log time now, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        let wall_ms = self
            .clock
            .steady_ms()
            .saturating_add(self.offset_ms.load(Ordering::Acquire));
        wall_ms.saturating_add(self.skew_ms.load(Ordering::Acquire))
    }

    /// Returns a stamp for what is published now.
    pub(crate) fn stamp(&self, journal: &dyn Journal) -> Stamp {
        let (at_ms, steady_ms) = (self.clock.now_ms(), self.clock.steady_ms());
        let expected_ms = steady_ms.saturating_add(self.offset_ms.load(Ordering::Acquire));
        if at_ms.abs_diff(expected_ms)
            > u64::try_from(Timeline::TOLERANCE.as_millis()).unwrap_or(u64::MAX)
        {
            self.compare_clocks(journal);
        }
        let changes = self.changes.load(Ordering::Acquire);
        Stamp {
            at_ms,
            skew_ms: self.skew_ms.load(Ordering::Acquire),
            changes,
        }
    }

    /// Tells `journal` which positions were published with `stamp`, so that the age of these events
    /// is right even if the clock was set meanwhile.
    pub(crate) fn stamped(
        &self,
        journal: &dyn Journal,
        stamp: Stamp,
        first: Position,
        count: usize,
    ) {
        if self.changes.load(Ordering::Acquire) == stamp.changes {
            return;
        }
        let mut timeline = self.timeline.lock();
        timeline.stamped(
            first,
            u64::try_from(count).unwrap_or(u64::MAX),
            stamp.skew_ms,
        );
        journal.keep_time(&timeline);
    }

    /// Compares the clocks, tells `journal` what was found, and returns log time.
    pub(crate) fn compare_clocks(&self, journal: &dyn Journal) -> i64 {
        let mut timeline = self.timeline.lock();
        let (wall_ms, steady_ms) = (self.clock.now_ms(), self.clock.steady_ms());
        let found = timeline.observe(wall_ms, steady_ms, journal.head());
        self.offset_ms
            .store(timeline.offset_ms(), Ordering::Release);
        self.skew_ms.store(timeline.skew(), Ordering::Release);
        if found != Observation::Same {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
        journal.keep_time(&timeline);
        let now_ms = timeline.now_ms(wall_ms);
        drop(timeline);
        log(found, wall_ms);
        now_ms
    }
}

fn log(found: Observation, wall_ms: i64) {
    let now = text(wall_ms);
    match found {
        Observation::Same => {}
        Observation::Jumped { expected_ms } => tracing::warn!(
            "the clock was set: it says {now}, and by the time that has passed it should say {}. \
             Until it has been consistent for an hour, events age only by the time that passes",
            text(expected_ms)
        ),
        Observation::Back => tracing::info!("the clock is right again: it says {now}"),
        Observation::Settled { by_ms } => {
            let before = text(wall_ms.saturating_sub(by_ms));
            tracing::info!(
                "the clock has been consistent for an hour: the journal's time is now {now}, and \
                 was {before}"
            );
        }
    }
}

fn text(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(
        |_| format!("{ms} ms since 1970"),
        |time| format!("{time:.0}"),
    )
}
