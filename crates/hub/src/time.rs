//! The log's time: holds the wall clock against one that nobody can set, so that nothing which can't be undone is decided by
//! one reading of the wall clock.
//!
//! Owns when the clocks are looked at, and says what was found. Must cost a publisher no more than a look at both.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use tidings_journal::{Journal, Observation, Position, Timeline};

use crate::clock::Clock;

/// The log's time, and the clocks that it goes by.
pub(crate) struct Time {
    clock: Clock,
    timeline: Mutex<Timeline>,
    /// What the wall clock is ahead of the other, in milliseconds, as of the last look.
    offset_ms: AtomicI64,
    /// What log time is ahead of the wall clock, in milliseconds.
    skew_ms: AtomicI64,
    /// Grows whenever that changes.
    changes: AtomicU64,
}

/// When something was published, as the wall clock said it.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) at_ms: i64,
    skew_ms: i64,
    changes: u64,
}

impl Time {
    /// The time of `journal`, which goes on where the last process left it.
    pub(crate) fn new(clock: Clock, journal: &dyn Journal) -> Self {
        let (wall_ms, steady_ms) = (clock.now_ms(), clock.steady_ms());
        let kept = journal.kept_time();
        let mut timeline = kept.unwrap_or_else(|| Timeline::new(wall_ms, steady_ms));
        let seen_ms = timeline.wall_ms();
        let doubted = timeline.resume(wall_ms, steady_ms, journal.head());
        let (seen, now) = (text(seen_ms), text(wall_ms));
        match doubted {
            Some(passed) if passed < 0 => tracing::warn!(
                "the clock says {now}, and the journal was last written at {seen}: one of them is wrong. Until the clock has \
                 stood for an hour, events age only by the time that passes"
            ),
            Some(_) => tracing::info!(
                "the journal was last written at {seen}, and the clock says {now}; once it has stood for an hour, what is \
                 older than the journal keeps goes"
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
        let wall_ms = self.clock.steady_ms().saturating_add(self.offset_ms.load(Ordering::Acquire));
        wall_ms.saturating_add(self.skew_ms.load(Ordering::Acquire))
    }

    /// What is published now bears this time.
    pub(crate) fn stamp(&self, journal: &dyn Journal) -> Stamp {
        let (at_ms, steady_ms) = (self.clock.now_ms(), self.clock.steady_ms());
        let expected_ms = steady_ms.saturating_add(self.offset_ms.load(Ordering::Acquire));
        if at_ms.abs_diff(expected_ms) > u64::try_from(Timeline::TOLERANCE.as_millis()).unwrap_or(u64::MAX) {
            self.look(journal);
        }
        let changes = self.changes.load(Ordering::Acquire);
        Stamp { at_ms, skew_ms: self.skew_ms.load(Ordering::Acquire), changes }
    }

    /// Says that what bears `stamp` stands at these positions: should the clock have been set meanwhile, its age is known yet.
    pub(crate) fn stamped(&self, journal: &dyn Journal, stamp: Stamp, first: Position, count: usize) {
        if self.changes.load(Ordering::Acquire) == stamp.changes {
            return;
        }
        let mut timeline = self.timeline.lock();
        timeline.stamped(first, u64::try_from(count).unwrap_or(u64::MAX), stamp.skew_ms);
        journal.keep_time(&timeline);
    }

    /// Looks at the clocks, and has `journal` age by what they say. Returns log time.
    pub(crate) fn look(&self, journal: &dyn Journal) -> i64 {
        let mut timeline = self.timeline.lock();
        let (wall_ms, steady_ms) = (self.clock.now_ms(), self.clock.steady_ms());
        let found = timeline.observe(wall_ms, steady_ms, journal.head());
        self.offset_ms.store(timeline.offset_ms(), Ordering::Release);
        self.skew_ms.store(timeline.skew(), Ordering::Release);
        if found != Observation::Same {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
        journal.keep_time(&timeline);
        let now_ms = timeline.now_ms(wall_ms);
        drop(timeline);
        tell(found, wall_ms);
        now_ms
    }
}

fn tell(found: Observation, wall_ms: i64) {
    let now = text(wall_ms);
    match found {
        Observation::Same => {}
        Observation::Jumped { expected_ms } => tracing::warn!(
            "the clock was set: it says {now}, and by the time that has passed it should say {}. Until it has stood for an \
             hour, events age only by the time that passes",
            text(expected_ms)
        ),
        Observation::Back => tracing::info!("the clock is right again: it says {now}"),
        Observation::Settled { by_ms } => {
            let before = text(wall_ms.saturating_sub(by_ms));
            tracing::info!(
                "the clock has stood for an hour: it is {now} for the journal too, for which it was {before}"
            );
        }
    }
}

fn text(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms since 1970"), |time| format!("{time:.0}"))
}
