use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A clock that can be set, and a log that is aged by it.
struct World {
    timeline: Timeline,
    wall: i64,
    steady: i64,
    /// The timestamp of each record, and the monotonic time at which it was appended.
    records: Vec<(i64, i64)>,
}

impl World {
    fn new(wall: i64) -> Self {
        Self {
            timeline: Timeline::new(wall, 5),
            wall,
            steady: 5,
            records: Vec::new(),
        }
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

    fn observe(&mut self) -> Observation {
        self.timeline.observe(self.wall, self.steady, self.head())
    }

    /// Lets time pass, and observes the clocks sixty times.
    fn pass_observed(&mut self, ms: i64) {
        for _ in 0..60 {
            self.pass(ms / 60);
            self.observe();
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
fn a_clock_that_is_wrong_for_a_while_ages_no_record() {
    for jump in [10 * DAY, -10 * DAY, 75 * 365 * DAY, 2 * MINUTE] {
        let mut world = World::new(50 * DAY);
        world.append();
        world.pass_observed(HOUR);
        world.wall += jump;
        assert!(matches!(world.observe(), Observation::Jumped { .. }));
        world.append();
        world.pass_observed(30 * MINUTE);
        assert_eq!((world.age(0), world.age(1)), (90 * MINUTE, 30 * MINUTE));
        world.wall -= jump;
        assert_eq!(world.observe(), Observation::Back);
        world.append();
        world.pass_observed(3 * HOUR);
        let ages = [0, 1, 2].map(|nth| world.age(nth));
        assert_eq!(
            ages,
            [4 * HOUR + 30 * MINUTE, 3 * HOUR + 30 * MINUTE, 3 * HOUR]
        );
        assert_eq!(world.timeline.skew(), 0);
    }
}

#[test]
fn a_corrected_clock_is_believed_once_it_has_settled_and_ages_no_record_written_before() {
    let mut world = World::new(0); // the machine booted in 1970
    world.append();
    world.pass_observed(HOUR);
    world.wall += 20_000 * DAY;
    world.observe();
    world.append();
    world.pass_observed(59 * MINUTE);
    assert_ne!(world.timeline.skew(), 0);
    world.pass_observed(2 * MINUTE);
    assert_eq!(
        world.timeline.skew(),
        0,
        "the clock has run for an hour without being set"
    );
    world.append();
    world.pass_observed(HOUR);
    let ages = [0, 1, 2].map(|nth| world.age(nth));
    assert_eq!(ages, [3 * HOUR + MINUTE, 2 * HOUR + MINUTE, HOUR]);
}

#[test]
fn the_time_without_a_server_counts_once_the_clock_has_settled() {
    let mut world = World::new(50 * DAY);
    world.append();
    world.pass_observed(HOUR);
    world.restart(30 * DAY);
    world.append();
    world.pass_observed(30 * MINUTE);
    assert_eq!(
        world.age(0),
        90 * MINUTE,
        "a single reading of the clock says that the server was off for a month"
    );
    world.pass_observed(HOUR);
    assert_eq!(
        (world.age(0), world.age(1)),
        (30 * DAY + 150 * MINUTE, 90 * MINUTE)
    );
    assert!(world.timeline.is_plain(), "{:?}", world.timeline);
}

#[test]
fn a_short_restart_changes_nothing() {
    let mut world = World::new(50 * DAY);
    world.append();
    world.pass_observed(HOUR);
    world.restart(30_000);
    assert_eq!(world.age(0), HOUR + 30_000);
    assert!(world.timeline.is_plain());
}

#[test]
fn a_start_with_a_wrong_clock_that_is_corrected_later_ages_no_record_too_early() {
    for wrong in [-25 * 365 * DAY, 74 * 365 * DAY] {
        let mut world = World::new(20_000 * DAY);
        world.append();
        world.pass_observed(HOUR);
        world.restart(wrong + HOUR);
        world.append();
        world.pass_observed(30 * MINUTE);
        world.wall -= wrong;
        world.observe();
        world.append();
        world.pass_observed(3 * HOUR);
        let ages = [0, 1, 2].map(|nth| world.age(nth));
        assert_eq!(
            ages,
            [5 * HOUR + 30 * MINUTE, 3 * HOUR + 30 * MINUTE, 3 * HOUR],
            "{wrong}"
        );
    }
}

#[test]
fn a_clock_that_was_corrected_before_a_restart_is_understood_after_it() {
    let mut world = World::new(0);
    world.append();
    world.pass_observed(HOUR);
    world.wall += 20_000 * DAY;
    world.observe();
    world.append();
    world.pass_observed(10 * MINUTE);
    for off in [5_000, 2 * HOUR] {
        world.restart(off);
        world.append();
        world.pass_observed(10 * MINUTE);
    }
    world.pass_observed(2 * HOUR);
    let ages = [0, 1, 2, 3].map(|nth| world.age(nth));
    let since = 2 * HOUR + 20 * MINUTE;
    assert_eq!(ages[3], since - 10 * MINUTE);
    assert_eq!(ages[2], since + 2 * HOUR);
    assert_eq!(ages[1], since + 2 * HOUR + 5_000 + 10 * MINUTE);
    assert_eq!(ages[0], since + 2 * HOUR + 5_000 + 10 * MINUTE + HOUR);
    assert_eq!(world.timeline.skew(), 0);
}

#[test]
fn a_record_that_was_in_flight_when_the_clock_was_set_keeps_its_age() {
    let mut world = World::new(50 * DAY);
    let stamped = world.timeline.skew();
    let before = world.wall;
    world.wall += 10 * DAY;
    world.observe();
    world.records.push((before, world.steady));
    world.append();
    world.timeline.stamped(Position::new(1), 1, stamped);
    world.pass_observed(HOUR);
    assert_eq!((world.age(0), world.age(1)), (HOUR, HOUR));
}

#[test]
fn a_timeline_stays_small_and_merging_makes_records_only_younger() {
    let mut world = World::new(20_000 * DAY);
    for nth in 0..1_000 {
        world.append();
        world.wall += if nth % 2 == 0 { DAY } else { -DAY - 2 * MINUTE };
        world.observe();
        world.pass(MINUTE);
    }
    assert!(world.timeline.skews.len() <= MAX_SKEWS && world.timeline.jumps.len() <= MAX_JUMPS);
    for nth in 0..1_000 {
        assert!(world.age(nth) <= world.steady - world.records[nth].1);
    }
}

#[test]
fn a_truncated_timeline_is_refused() {
    let mut world = World::new(50 * DAY);
    world.wall += DAY;
    world.observe();
    let text = world.timeline.encode();
    assert!(Timeline::decode(&text).is_some());
    for end in 0..text.len() {
        assert_eq!(Timeline::decode(&text[..end]), None);
    }
}
