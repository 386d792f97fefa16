//! The time by which a log ages its records, which is not the wall clock's: that may be set to anything, for a second or for
//! good, and what was trimmed by a wrong time does not come back.
//!
//! *Log time* goes on as a monotonic clock does, whatever the wall clock says. Where no monotonic clock counts, from one
//! process to the next, the wall clock's word is taken only after it has stood for [`Timeline::SETTLES`].
//!
//! Records bear the wall clock's time, as people read them. So that a record's age is right when the wall clock was not, a
//! timeline knows for each range of positions how far log time was ahead of the wall clock then: their *skew*. Where the clock
//! was never set by more than [`Timeline::STEP`], every skew is zero, and log time is the wall clock's.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Position;

/// The time by which a log ages its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// What the wall clock said at the last look, in milliseconds since 1970.
    wall_ms: i64,
    /// What the monotonic clock said then.
    steady_ms: i64,
    /// Behind each of these positions, log time is ahead of the wall clock by so many milliseconds. Never empty; the last
    /// one holds now.
    skews: Vec<(Position, i64)>,
    /// What comes after this position was appended while the monotonic clock counted without a break.
    unbroken: Position,
    /// By how much the wall clock was set, or may have been while nobody looked, in milliseconds, and behind which position
    /// the records are that are as old as log time says even if it was set right.
    jumps: Vec<(Position, i64)>,
    /// Since when the wall clock has stood at another time than the log's, by the monotonic clock.
    stands_since_ms: Option<i64>,
}

/// What a look at the clocks found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The clocks agree, or have disagreed for too short a time.
    Same,
    /// The wall clock was set. What it said should have been so many milliseconds since 1970.
    Jumped {
        /// See above.
        expected_ms: i64,
    },
    /// The wall clock was set back to log time.
    Back,
    /// The wall clock has stood for long enough, and log time is what it says from now on.
    Settled {
        /// By how many milliseconds log time moved on.
        by_ms: i64,
    },
}

/// More of these are merged, so that records are kept longer, never shorter.
const MOST_SKEWS: usize = 256;
const MOST_JUMPS: usize = 16;

const TITLE: &str = "tidings time, format 1";

impl Timeline {
    /// By how much the wall clock may be set without being doubted.
    pub const STEP: Duration = Duration::from_millis(Self::STEP_MS);

    /// How long it has to stand at a time before that is taken for the time.
    pub const SETTLES: Duration = Duration::from_millis(Self::SETTLES_MS.unsigned_abs());

    const STEP_MS: u64 = 60_000;
    const SETTLES_MS: i64 = 60 * 60_000;

    /// That of a log of which nothing is known: log time is the wall clock's.
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

    /// Goes on in a new process, with a log that ends at `head`. How long nobody looked, only the wall clock tells. Returns
    /// what it says by how much, in milliseconds, if it is not believed yet.
    pub fn resume(&mut self, wall_ms: i64, steady_ms: i64, head: Position) -> Option<i64> {
        let passed = wall_ms.saturating_sub(self.wall_ms);
        (self.wall_ms, self.steady_ms) = (wall_ms, steady_ms);
        self.stands_since_ms = None;
        let believed = passed.unsigned_abs() <= Self::STEP_MS;
        if !believed {
            self.unbroken = head;
            self.set(head, passed);
        }
        self.stands_since_ms = (self.skew() != 0).then_some(steady_ms);
        (!believed).then_some(passed)
    }

    /// Holds the two clocks against each other; the log ends at `head`.
    pub fn look(&mut self, wall_ms: i64, steady_ms: i64, head: Position) -> Look {
        let expected_ms = self.wall_ms.saturating_add(steady_ms.saturating_sub(self.steady_ms));
        let jump = wall_ms.saturating_sub(expected_ms);
        (self.wall_ms, self.steady_ms) = (wall_ms, steady_ms);
        if jump.unsigned_abs() > Self::STEP_MS {
            self.set(head, jump);
            let is_back = self.skew() == 0;
            self.stands_since_ms = (!is_back).then_some(steady_ms);
            return if is_back { Look::Back } else { Look::Jumped { expected_ms } };
        }
        match self.stands_since_ms {
            Some(since) if steady_ms.saturating_sub(since) >= Self::SETTLES_MS => self.settle(),
            _ => Look::Same,
        }
    }

    /// The wall clock was set by so many milliseconds when the log ended at `head`; log time is what it was.
    fn set(&mut self, head: Position, jump: i64) {
        let skew = self.skew().saturating_sub(jump);
        if skew.unsigned_abs() <= Self::STEP_MS {
            self.jumps.clear();
            self.push(head, 0);
            return;
        }
        if self.jumps.len() == MOST_JUMPS
            && let (Some((after, last)), Some((before, jump))) = (self.jumps.pop(), self.jumps.last_mut())
        {
            (*before, *jump) = (after.min(*before), jump.saturating_add(last));
        }
        self.jumps.push((self.unbroken, jump));
        self.push(head, skew);
    }

    /// Makes the wall clock's time the log's. What was appended while the monotonic clock counted does not grow older by it.
    fn settle(&mut self) -> Look {
        let by_ms = self.skew().saturating_neg();
        for (after, jump) in std::mem::take(&mut self.jumps) {
            self.split(after);
            for (_, skew) in self.skews.iter_mut().filter(|(from, _)| *from >= after) {
                *skew = skew.saturating_add(jump);
            }
        }
        if let Some((_, skew)) = self.skews.last_mut() {
            *skew = 0; // but for what was less than a step
        }
        self.stands_since_ms = None;
        self.tidy();
        Look::Settled { by_ms }
    }

    /// Log time, when the wall clock says `wall_ms`.
    pub fn now_ms(&self, wall_ms: i64) -> i64 {
        wall_ms.saturating_add(self.skew())
    }

    /// By how many milliseconds log time moved since `earlier` beside what the monotonic clock counted.
    pub fn moved_since(&self, earlier: &Self) -> i64 {
        let log_ms = |timeline: &Self| timeline.offset_ms().saturating_add(timeline.skew());
        log_ms(self).saturating_sub(log_ms(earlier))
    }

    /// By how many milliseconds log time is ahead of the wall clock now.
    pub fn skew(&self) -> i64 {
        self.skews.last().map_or(0, |(_, skew)| *skew)
    }

    /// By how many milliseconds it was ahead of what the record at `position` bears.
    pub fn skew_at(&self, position: Position) -> i64 {
        let after = self.skews.partition_point(|(after, _)| *after < position);
        after.checked_sub(1).and_then(|nth| self.skews.get(nth)).map_or(0, |(_, skew)| *skew)
    }

    /// Says that the `count` records from `first` on bear a time that was read when the skew was `skew`: the wall clock was set
    /// while they were on their way.
    pub fn stamped(&mut self, first: Position, count: u64, skew: i64) {
        let after = Position::new(first.get().saturating_sub(1));
        let until = Position::new(after.get().saturating_add(count));
        self.split(after);
        self.split(until);
        for (_, known) in self.skews.iter_mut().filter(|(from, _)| (after..until).contains(from)) {
            *known = skew;
        }
        self.tidy();
    }

    /// How far the monotonic clock is behind what the wall clock should say, in milliseconds.
    pub fn offset_ms(&self) -> i64 {
        self.wall_ms.saturating_sub(self.steady_ms)
    }

    /// What the wall clock said at the last look, in milliseconds since 1970.
    pub fn wall_ms(&self) -> i64 {
        self.wall_ms
    }

    /// Sets from where on the wall clock tells how long nobody looked.
    #[must_use]
    pub fn last_seen(mut self, wall_ms: i64) -> Self {
        self.wall_ms = wall_ms;
        self
    }

    /// Whether every record is as old as it says.
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

    /// Has one range end at `at`, and another begin.
    fn split(&mut self, at: Position) {
        if let Err(nth) = self.skews.binary_search_by_key(&at, |(after, _)| *after) {
            let skew = nth.checked_sub(1).and_then(|before| self.skews.get(before)).map_or(0, |(_, skew)| *skew);
            self.skews.insert(nth, (at, skew));
        }
    }

    fn tidy(&mut self) {
        self.skews.dedup_by(|next, last| next.1 == last.1);
        while self.skews.len() > MOST_SKEWS {
            let (_, second) = self.skews.remove(1);
            if let Some((_, first)) = self.skews.first_mut() {
                *first = second.max(*first);
            }
        }
    }

    /// As text, for the next process.
    pub fn encode(&self) -> String {
        let mut text = format!("{TITLE}\nwall {}\nunbroken {}\n", self.wall_ms, self.unbroken.get());
        for (what, list) in [("skew", &self.skews), ("jump", &self.jumps)] {
            for (position, ms) in list {
                let _ = writeln!(text, "{what} {} {ms}", position.get()); // a string takes everything
            }
        }
        text.push_str("end\n");
        text
    }

    /// Reads what [`Timeline::encode`] wrote, all of it or nothing.
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
        let is_whole = text.ends_with("end\n") && lines.next().is_none() && !timeline.skews.is_empty();
        (is_whole && timeline.skews.is_sorted_by_key(|(after, _)| *after)).then_some(timeline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    /// A clock that can be set, and a log that is aged by it.
    struct World {
        timeline: Timeline,
        wall: i64,
        steady: i64,
        /// What was appended: the time that it bears, and when that was by the monotonic clock.
        records: Vec<(i64, i64)>,
    }

    impl World {
        fn new(wall: i64) -> Self {
            Self { timeline: Timeline::new(wall, 5), wall, steady: 5, records: Vec::new() }
        }

        fn head(&self) -> Position {
            Position::new(self.records.len() as u64)
        }

        fn append(&mut self) {
            self.records.push((self.wall, self.steady));
        }

        fn pass(&mut self, ms: i64) {
            (self.wall, self.steady) = (self.wall + ms, self.steady + ms);
        }

        fn look(&mut self) -> Look {
            self.timeline.look(self.wall, self.steady, self.head())
        }

        /// Time passes, and the clocks are looked at every now and then.
        fn live(&mut self, ms: i64) {
            for _ in 0..60 {
                self.pass(ms / 60);
                self.look();
            }
        }

        fn restart(&mut self, off: i64) {
            self.wall += off;
            self.steady = 1;
            let mut timeline = Timeline::decode(&self.timeline.encode()).unwrap();
            timeline.resume(self.wall, self.steady, self.head());
            self.timeline = timeline;
        }

        fn age(&self, nth: usize) -> i64 {
            let position = Position::new(nth as u64 + 1);
            self.timeline.now_ms(self.wall) - self.records[nth].0 - self.timeline.skew_at(position)
        }
    }

    #[test]
    fn a_clock_that_is_wrong_for_a_while_ages_nothing() {
        for jump in [10 * DAY, -10 * DAY, 75 * 365 * DAY, 2 * MINUTE] {
            let mut world = World::new(50 * DAY);
            world.append();
            world.live(HOUR);
            world.wall += jump;
            assert!(matches!(world.look(), Look::Jumped { .. }));
            world.append();
            world.live(30 * MINUTE);
            assert_eq!((world.age(0), world.age(1)), (90 * MINUTE, 30 * MINUTE));
            world.wall -= jump;
            assert_eq!(world.look(), Look::Back);
            world.append();
            world.live(3 * HOUR);
            let ages = [0, 1, 2].map(|nth| world.age(nth));
            assert_eq!(ages, [4 * HOUR + 30 * MINUTE, 3 * HOUR + 30 * MINUTE, 3 * HOUR]);
            assert_eq!(world.timeline.skew(), 0);
        }
    }

    #[test]
    fn a_clock_that_is_set_right_is_believed_once_it_has_stood_and_ages_nothing_that_was_seen() {
        let mut world = World::new(0); // the machine booted in 1970
        world.append();
        world.live(HOUR);
        world.wall += 20_000 * DAY;
        world.look();
        world.append();
        world.live(59 * MINUTE);
        assert_ne!(world.timeline.skew(), 0);
        world.live(2 * MINUTE);
        assert_eq!(world.timeline.skew(), 0, "it has stood for an hour");
        world.append();
        world.live(HOUR);
        let ages = [0, 1, 2].map(|nth| world.age(nth));
        assert_eq!(ages, [3 * HOUR + MINUTE, 2 * HOUR + MINUTE, HOUR]);
    }

    #[test]
    fn how_long_the_server_was_off_counts_once_the_clock_has_stood() {
        let mut world = World::new(50 * DAY);
        world.append();
        world.live(HOUR);
        world.restart(30 * DAY);
        world.append();
        world.live(30 * MINUTE);
        assert_eq!(world.age(0), 90 * MINUTE, "one reading of the clock says that it was off for a month");
        world.live(HOUR);
        assert_eq!((world.age(0), world.age(1)), (30 * DAY + 150 * MINUTE, 90 * MINUTE));
        assert!(world.timeline.is_plain(), "{:?}", world.timeline);
    }

    #[test]
    fn a_short_restart_changes_nothing() {
        let mut world = World::new(50 * DAY);
        world.append();
        world.live(HOUR);
        world.restart(30_000);
        assert_eq!(world.age(0), HOUR + 30_000);
        assert!(world.timeline.is_plain());
    }

    #[test]
    fn a_start_with_a_wrong_clock_that_is_set_right_later_ages_nothing_before_its_time() {
        for wrong in [-25 * 365 * DAY, 74 * 365 * DAY] {
            let mut world = World::new(20_000 * DAY);
            world.append();
            world.live(HOUR);
            world.restart(wrong + HOUR);
            world.append();
            world.live(30 * MINUTE);
            world.wall -= wrong;
            world.look();
            world.append();
            world.live(3 * HOUR);
            let ages = [0, 1, 2].map(|nth| world.age(nth));
            assert_eq!(ages, [5 * HOUR + 30 * MINUTE, 3 * HOUR + 30 * MINUTE, 3 * HOUR], "{wrong}");
        }
    }

    #[test]
    fn a_clock_that_was_set_right_before_a_restart_is_understood_after_it() {
        let mut world = World::new(0);
        world.append();
        world.live(HOUR);
        world.wall += 20_000 * DAY;
        world.look();
        world.append();
        world.live(10 * MINUTE);
        for off in [5_000, 2 * HOUR] {
            world.restart(off);
            world.append();
            world.live(10 * MINUTE);
        }
        world.live(2 * HOUR);
        let ages = [0, 1, 2, 3].map(|nth| world.age(nth));
        let since = 2 * HOUR + 20 * MINUTE;
        assert_eq!(ages[3], since - 10 * MINUTE);
        assert_eq!(ages[2], since + 2 * HOUR);
        assert_eq!(ages[1], since + 2 * HOUR + 5_000 + 10 * MINUTE);
        assert_eq!(ages[0], since + 2 * HOUR + 5_000 + 10 * MINUTE + HOUR);
        assert_eq!(world.timeline.skew(), 0);
    }

    #[test]
    fn a_record_that_was_on_its_way_keeps_its_age() {
        let mut world = World::new(50 * DAY);
        let stamped = world.timeline.skew();
        let before = world.wall;
        world.wall += 10 * DAY;
        world.look();
        world.records.push((before, world.steady));
        world.append();
        world.timeline.stamped(Position::new(1), 1, stamped);
        world.live(HOUR);
        assert_eq!((world.age(0), world.age(1)), (HOUR, HOUR));
    }

    #[test]
    fn it_stays_small_and_what_is_merged_is_only_younger() {
        let mut world = World::new(20_000 * DAY);
        for nth in 0..1_000 {
            world.append();
            world.wall += if nth % 2 == 0 { DAY } else { -DAY - 2 * MINUTE };
            world.look();
            world.pass(MINUTE);
        }
        assert!(world.timeline.skews.len() <= MOST_SKEWS && world.timeline.jumps.len() <= MOST_JUMPS);
        for nth in 0..1_000 {
            assert!(world.age(nth) <= world.steady - world.records[nth].1);
        }
    }

    #[test]
    fn half_a_timeline_is_none() {
        let mut world = World::new(50 * DAY);
        world.wall += DAY;
        world.look();
        let text = world.timeline.encode();
        assert!(Timeline::decode(&text).is_some());
        for end in 0..text.len() {
            assert_eq!(Timeline::decode(&text[..end]), None);
        }
    }
}
