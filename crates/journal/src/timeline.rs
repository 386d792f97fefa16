//! The time by which a log ages its records. It is not the wall clock's time, because the wall
//! clock may be set to anything, for a second or for good, and records that were trimmed because of
//! a wrong time do not come back.
//!
//! *Log time* advances like a monotonic clock, whatever the wall clock says. Between two processes,
//! when no monotonic clock runs, the wall clock is believed only after it
//! has run without being set for [`Timeline::SETTLE_TIME`].
//!
//! Records carry the time of the wall clock, which is the time that people read. To know the age of
//! records that were written while the wall clock was wrong, a timeline stores how far log time was
//! ahead of the wall clock for each range of positions: the *skew* of the range. If the clock was
//! never set by more than [`Timeline::TOLERANCE`], every skew is zero, and log time is the wall
//! clock's time.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Position;

/// The time by which a log ages its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The wall clock at the last observation, in milliseconds since 1970.
    wall_ms: i64,
    /// The monotonic clock at the last observation, in milliseconds.
    steady_ms: i64,
    /// The skews in milliseconds. Each holds for the records behind its position, up to the next
    /// one; the last skew is the current one. Never empty.
    skews: Vec<(Position, i64)>,
    /// Everything behind this position was appended while the monotonic clock ran without a break.
    unbroken: Position,
    /// The jumps of the wall clock that are not settled, in milliseconds. Some may have happened
    /// while no process ran. Each comes with the position behind which records are as old as log
    /// time says, even if the clock was set right by the jump.
    jumps: Vec<(Position, i64)>,
    /// The monotonic time since which the wall clock has differed from log time.
    stands_since_ms: Option<i64>,
}

/// The result of an observation of the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The clocks agree, or have disagreed for too short a time.
    Same,
    /// The wall clock was set.
    Jumped {
        /// What it should have said, in milliseconds since 1970.
        expected_ms: i64,
    },
    /// The wall clock was set back to log time.
    Back,
    /// The wall clock has run for long enough without being set. Log time is its time from now on.
    Settled {
        /// The milliseconds by which log time has moved.
        by_ms: i64,
    },
}

/// The most skews and jumps. Above these numbers they are merged in such a way that records are
/// kept longer, never shorter.
const MAX_SKEWS: usize = 256;
const MAX_JUMPS: usize = 16;

const TITLE: &str = "tidings time, format 1";

impl Timeline {
    /// How far the wall clock may be set without being doubted.
    pub const TOLERANCE: Duration = Duration::from_millis(Self::TOLERANCE_MS);

    /// How long the wall clock must run without being set before its time is believed.
    pub const SETTLE_TIME: Duration = Duration::from_millis(Self::SETTLE_MS.unsigned_abs());

    const TOLERANCE_MS: u64 = 60_000;
    const SETTLE_MS: i64 = 60 * 60_000;

    /// Creates the timeline of a log of which nothing is known. Log time is the wall clock's time.
    pub fn new(wall_ms: i64, steady_ms: i64) -> Self {
        Self {
            wall_ms,
            steady_ms,
            skews: vec![(Position::START, 0)],
            unbroken: Position::START,
            jumps: Vec::new(),
            stands_since_ms: None,
        }
    }

    /// Continues in a new process, with a log that ends at `head`. Only the wall clock tells how
    /// long no process ran. Returns that time in milliseconds if it is not believed yet.
    pub fn resume(&mut self, wall_ms: i64, steady_ms: i64, head: Position) -> Option<i64> {
        let passed = wall_ms.saturating_sub(self.wall_ms);
        (self.wall_ms, self.steady_ms) = (wall_ms, steady_ms);
        self.stands_since_ms = None;
        let believed = passed.unsigned_abs() <= Self::TOLERANCE_MS;
        if !believed {
            self.unbroken = head;
            self.set(head, passed);
        }
        self.stands_since_ms = (self.skew() != 0).then_some(steady_ms);
        (!believed).then_some(passed)
    }

    /// Compares the two clocks. The log ends at `head`.
    pub fn observe(&mut self, wall_ms: i64, steady_ms: i64, head: Position) -> Observation {
        let expected_ms = self
            .wall_ms
            .saturating_add(steady_ms.saturating_sub(self.steady_ms));
        let jump = wall_ms.saturating_sub(expected_ms);
        (self.wall_ms, self.steady_ms) = (wall_ms, steady_ms);
        if jump.unsigned_abs() > Self::TOLERANCE_MS {
            self.set(head, jump);
            let is_back = self.skew() == 0;
            self.stands_since_ms = (!is_back).then_some(steady_ms);
            return if is_back {
                Observation::Back
            } else {
                Observation::Jumped { expected_ms }
            };
        }
        match self.stands_since_ms {
            Some(since) if steady_ms.saturating_sub(since) >= Self::SETTLE_MS => self.settle(),
            _ => Observation::Same,
        }
    }

    /// Notes that the wall clock was set by `jump` milliseconds when the log ended at `head`. Log
    /// time does not change.
    fn set(&mut self, head: Position, jump: i64) {
        let skew = self.skew().saturating_sub(jump);
        if skew.unsigned_abs() <= Self::TOLERANCE_MS {
            self.jumps.clear();
            self.push(head, 0);
            return;
        }
        if self.jumps.len() == MAX_JUMPS
            && let (Some((after, last)), Some((before, jump))) =
                (self.jumps.pop(), self.jumps.last_mut())
        {
            (*before, *jump) = (after.min(*before), jump.saturating_add(last));
        }
        self.jumps.push((self.unbroken, jump));
        self.push(head, skew);
    }

    /// Makes the wall clock's time the log time. Records that were appended while the monotonic
    /// clock ran do not become older by this.
    fn settle(&mut self) -> Observation {
        let by_ms = self.skew().saturating_neg();
        for (after, jump) in std::mem::take(&mut self.jumps) {
            self.split(after);
            for (_, skew) in self.skews.iter_mut().filter(|(from, _)| *from >= after) {
                *skew = skew.saturating_add(jump);
            }
        }
        if let Some((_, skew)) = self.skews.last_mut() {
            *skew = 0; // jumps below the tolerance are not remembered, so a rest may be left
        }
        self.stands_since_ms = None;
        self.tidy();
        Observation::Settled { by_ms }
    }

    /// Returns log time when the wall clock says `wall_ms`.
    pub fn now_ms(&self, wall_ms: i64) -> i64 {
        wall_ms.saturating_add(self.skew())
    }

    /// Returns by how many milliseconds log time moved since `earlier`, beyond what the monotonic
    /// clock counted.
    pub fn moved_since(&self, earlier: &Self) -> i64 {
        let log_ms = |timeline: &Self| timeline.offset_ms().saturating_add(timeline.skew());
        log_ms(self).saturating_sub(log_ms(earlier))
    }

    /// Returns by how many milliseconds log time is ahead of the wall clock now.
    pub fn skew(&self) -> i64 {
        self.skews.last().map_or(0, |(_, skew)| *skew)
    }

    /// Returns by how many milliseconds log time was ahead of the timestamp of the record at
    /// `position`.
    pub fn skew_at(&self, position: Position) -> i64 {
        let after = self.skews.partition_point(|(after, _)| *after < position);
        after
            .checked_sub(1)
            .and_then(|nth| self.skews.get(nth))
            .map_or(0, |(_, skew)| *skew)
    }

    /// Notes that the `count` records from `first` on carry a time that was read when the skew was
    /// `skew`, because the wall clock was set while they were in flight.
    pub fn stamped(&mut self, first: Position, count: u64, skew: i64) {
        let after = Position::new(first.get().saturating_sub(1));
        let until = Position::new(after.get().saturating_add(count));
        self.split(after);
        self.split(until);
        for (_, known) in self
            .skews
            .iter_mut()
            .filter(|(from, _)| (after..until).contains(from))
        {
            *known = skew;
        }
        self.tidy();
    }

    /// Returns by how many milliseconds the monotonic clock is behind what the wall clock should
    /// say.
    pub fn offset_ms(&self) -> i64 {
        self.wall_ms.saturating_sub(self.steady_ms)
    }

    /// Returns what the wall clock said at the last observation, in milliseconds since 1970.
    pub fn wall_ms(&self) -> i64 {
        self.wall_ms
    }

    /// Sets the time from which on the wall clock tells how long no process ran.
    #[must_use]
    pub fn last_seen(mut self, wall_ms: i64) -> Self {
        self.wall_ms = wall_ms;
        self
    }

    /// Returns whether every record is as old as its timestamp says.
    pub fn is_plain(&self) -> bool {
        self.skews.iter().all(|(_, skew)| *skew == 0)
    }

    fn push(&mut self, after: Position, skew: i64) {
        self.split(after);
        self.skews.retain(|(from, _)| *from <= after);
        if let Some((_, last)) = self.skews.last_mut() {
            *last = skew;
        }
        self.tidy();
    }

    /// Splits the range that `at` is in, so that one range ends there and another begins.
    fn split(&mut self, at: Position) {
        if let Err(nth) = self.skews.binary_search_by_key(&at, |(after, _)| *after) {
            let skew = nth
                .checked_sub(1)
                .and_then(|before| self.skews.get(before))
                .map_or(0, |(_, skew)| *skew);
            self.skews.insert(nth, (at, skew));
        }
    }

    fn tidy(&mut self) {
        self.skews.dedup_by(|next, last| next.1 == last.1);
        while self.skews.len() > MAX_SKEWS {
            let (_, second) = self.skews.remove(1);
            if let Some((_, first)) = self.skews.first_mut() {
                *first = second.max(*first);
            }
        }
    }

    /// Encodes the timeline as text for the next process.
    pub fn encode(&self) -> String {
        let mut text = format!(
            "{TITLE}\nwall {}\nunbroken {}\n",
            self.wall_ms,
            self.unbroken.get()
        );
        for (what, list) in [("skew", &self.skews), ("jump", &self.jumps)] {
            for (position, ms) in list {
                // writing to a string never fails
                let _ = writeln!(text, "{what} {} {ms}", position.get());
            }
        }
        text.push_str("end\n");
        text
    }

    /// Decodes what [`Timeline::encode`] returned. `None` unless all of it is valid.
    pub fn decode(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return None;
        }
        let mut timeline = Self::new(0, 0);
        timeline.skews.clear();
        for line in lines.by_ref() {
            let words: Vec<_> = line.split(' ').collect();
            let position = |text: &str| text.parse().ok().map(Position::new);
            match words[..] {
                ["wall", ms] => timeline.wall_ms = ms.parse().ok()?,
                ["unbroken", after] => timeline.unbroken = position(after)?,
                ["skew", after, ms] => timeline.skews.push((position(after)?, ms.parse().ok()?)),
                ["jump", after, ms] => timeline.jumps.push((position(after)?, ms.parse().ok()?)),
                ["end"] => break,
                _ => return None,
            }
        }
        let is_whole =
            text.ends_with("end\n") && lines.next().is_none() && !timeline.skews.is_empty();
        (is_whole && timeline.skews.is_sorted_by_key(|(after, _)| *after)).then_some(timeline)
    }
}

#[cfg(test)]
mod tests;
