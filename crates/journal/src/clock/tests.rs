use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;
/// Some day of 2026.
const START: i64 = 56 * YEAR;

/// Reports the time to a clock at intervals of `every` for `how_long`, from a machine whose clock
/// is off by `off`.
fn report(clock: &mut LogClock, from: i64, how_long: i64, every: i64, off: i64) {
    let mut at = from;
    while at <= from + how_long {
        clock.tell(at + off);
        at += every;
    }
}

/// Returns a clock to which the time was reported for an hour, up to `START`.
fn settled() -> LogClock {
    let mut clock = LogClock::default();
    report(&mut clock, START - HOUR, HOUR, 5 * SECOND, 0);
    assert_eq!(clock.now_ms(), START);
    clock
}

#[test]
fn the_first_time_is_accepted_and_zero_changes_nothing() {
    let mut clock = LogClock::default();
    assert_eq!((clock.tell(0), clock.now_ms()), (0, 0));
    assert_eq!(clock.tell(START), START);
    assert_eq!(
        (clock.tell(0), clock.tell(START + SECOND)),
        (START, START + SECOND)
    );
}

#[test]
fn a_correct_clock_is_followed_to_the_millisecond() {
    let mut clock = LogClock::default();
    for time in [
        START,
        START + 1,
        START + 7 * SECOND,
        START + 66 * SECOND,
        START + 126 * SECOND,
    ] {
        assert_eq!(clock.tell(time), time);
    }
    assert_eq!(clock.encode().len(), 41);
}

#[test]
fn two_nodes_whose_clocks_differ_by_seconds_count_as_one_source() {
    let mut clock = settled();
    for nth in 0..10_000 {
        let at = START + 10 * nth;
        clock.tell(at);
        clock.tell(at - 20 * SECOND);
    }
    assert_eq!(
        clock.now_ms(),
        START + 9_999 * 10,
        "the difference between the nodes adds no time"
    );
}

#[test]
fn a_quiet_hour_counts_ten_minutes_after_its_end() {
    let mut clock = settled();
    let back = START + HOUR;
    assert_eq!(clock.tell(back), START, "one entry proves nothing");
    report(&mut clock, back, 10 * MINUTE - 5 * SECOND, 5 * SECOND, 0);
    assert_eq!(
        clock.now_ms(),
        START + 10 * MINUTE - 5 * SECOND,
        "the time that passes meanwhile counts at once"
    );
    assert_eq!(clock.tell(back + 10 * MINUTE), back + 10 * MINUTE);
}

#[test]
fn a_log_that_gets_one_time_per_hour_is_ten_hours_late() {
    let mut clock = settled();
    report(&mut clock, START, 10 * DAY, HOUR, 0);
    assert_eq!(START + 10 * DAY - clock.now_ms(), 10 * HOUR);
    assert!(clock.gaps.len() <= 10 && clock.encode().len() <= 313);
}

#[test]
fn a_clock_that_is_wrong_for_nine_minutes_adds_only_the_time_that_passed() {
    for off in [
        DAY,
        -DAY,
        74 * YEAR,
        -56 * YEAR + SECOND,
        2 * MINUTE,
        -2 * MINUTE,
    ] {
        let mut clock = settled();
        report(&mut clock, START, 9 * MINUTE, 5 * SECOND, off);
        report(
            &mut clock,
            START + 9 * MINUTE + 5 * SECOND,
            HOUR,
            5 * SECOND,
            0,
        );
        let passed = clock.now_ms() - START;
        assert!(
            (HOUR + 9 * MINUTE..=HOUR + 10 * MINUTE).contains(&passed),
            "{off}: {passed}"
        );
        assert_eq!(clock.now_ms(), START + HOUR + 9 * MINUTE + 5 * SECOND);
    }
}

#[test]
fn a_clock_that_was_set_back_for_good_does_not_stop_the_logs_clock() {
    let mut clock = settled();
    report(&mut clock, START, 3 * DAY, 30 * SECOND, -2 * YEAR);
    assert_eq!(clock.now_ms(), START + 3 * DAY);
}

#[test]
fn two_nodes_whose_clocks_differ_by_a_day_cause_no_jump() {
    let mut clock = settled();
    for nth in 0..10_000 {
        let at = START + 5 * SECOND * nth;
        clock.tell(at);
        clock.tell(at + DAY);
    }
    assert_eq!(clock.now_ms(), START + 5 * SECOND * 9_999);
}

#[test]
fn one_wrong_node_of_three_is_never_believed_and_a_lone_one_after_ten_minutes() {
    let mut clock = settled();
    let mut at = START;
    for _ in 0..3_000 {
        clock.tell(at);
        clock.tell(at + SECOND);
        for _ in 0..20 {
            clock.tell(at + 30 * DAY);
        }
        at += 10 * SECOND;
    }
    assert!((0..=10 * SECOND).contains(&(at - clock.now_ms())));
    report(&mut clock, at, 10 * MINUTE, 10 * SECOND, 30 * DAY);
    assert_eq!(
        clock.now_ms(),
        at + 10 * MINUTE + 30 * DAY,
        "this can't be distinguished from a quiet month"
    );
}

#[test]
fn the_clocks_lead_shrinks_with_each_quiet_time_and_does_not_grow_by_alternating_sources() {
    let mut clock = settled();
    report(&mut clock, START, HOUR, 30 * SECOND, DAY);
    let mut at = START + HOUR;
    assert_eq!(clock.now_ms(), at + DAY, "wrong and alone");
    for _ in 0..20 {
        report(&mut clock, at, HOUR, 30 * SECOND, 0);
        report(&mut clock, at + HOUR, HOUR, 30 * SECOND, DAY);
        at += 2 * HOUR;
    }
    assert!(
        clock.now_ms() <= at + DAY,
        "it gained {} ms",
        clock.now_ms() - at - DAY
    );
    report(&mut clock, at, HOUR, 30 * SECOND, 0);
    assert_eq!(clock.now_ms(), at + HOUR + DAY);
    at += HOUR + 20 * HOUR; // no server runs
    report(&mut clock, at, HOUR, 30 * SECOND, 0);
    assert_eq!(clock.now_ms(), at + HOUR + 4 * HOUR);
    at += HOUR + 5 * HOUR;
    report(&mut clock, at, HOUR, 30 * SECOND, 0);
    assert_eq!(clock.now_ms(), at + HOUR, "and then it is right");
}

#[test]
fn a_restart_with_a_wrong_clock_is_a_gap_or_a_source_that_is_behind() {
    for off in [-26 * YEAR, 74 * YEAR] {
        let mut clock = LogClock::decode(&settled().encode()).unwrap();
        report(&mut clock, START, 5 * MINUTE, 5 * SECOND, off);
        assert_eq!(clock.now_ms(), START + 5 * MINUTE);
        report(&mut clock, START + 5 * MINUTE, HOUR, 5 * SECOND, 0);
        assert_eq!(clock.now_ms(), START + HOUR + 5 * MINUTE);
    }
}

#[test]
fn a_first_time_that_was_far_behind_is_corrected_after_ten_minutes() {
    let mut clock = LogClock::default();
    report(&mut clock, START, MINUTE, SECOND, -56 * YEAR + SECOND); // booted in 1970
    report(&mut clock, START + MINUTE, 10 * MINUTE, SECOND, 0);
    assert_eq!(clock.now_ms(), START + 11 * MINUTE);
}

#[test]
fn extreme_times_cause_no_overflow() {
    let mut clock = settled();
    for time in [
        i64::MAX,
        i64::MIN,
        i64::MAX,
        i64::MAX - 1,
        i64::MIN + 1,
        1,
        -1,
    ] {
        for _ in 0..50 {
            clock.tell(time);
        }
        assert!(LogClock::decode(&clock.encode()).is_some());
    }
    assert_eq!(
        clock.now_ms(),
        START,
        "none of these times was confirmed for ten minutes"
    );
}

#[test]
fn bytes_that_are_no_encoded_clock_are_refused() {
    let mut clock = settled();
    clock.tell(START + DAY);
    let bytes = clock.encode();
    assert_eq!(LogClock::decode(&bytes), Some(clock));
    assert_eq!(
        LogClock::decode(&LogClock::default().encode()),
        Some(LogClock::default())
    );
    for end in (0..bytes.len()).filter(|end| *end != 1) {
        // A text that ends after a whole gap is valid, although a gap is missing. The table's
        // checksum would detect that.
        let whole = (end + 16) % 16 == 57 % 16 && end >= 57;
        assert_eq!(LogClock::decode(&bytes[..end]).is_some(), whole, "{end}");
    }
    assert_eq!(LogClock::decode(&[2]), None);
}

#[test]
fn a_clock_is_worth_writing_after_a_second_or_when_another_one_disagrees() {
    let written = settled();
    let mut clock = written.clone();
    clock.tell(START + 900);
    assert!(!clock.is_worth_writing(&written));
    clock.tell(START + 1_100);
    assert!(clock.is_worth_writing(&written));
    let mut clock = written.clone();
    clock.tell(START - DAY);
    assert!(clock.is_worth_writing(&written));
    assert!(written.is_worth_writing(&LogClock::default()));
}

/// Times that machines may report: time passes, and clocks are set.
fn reported_times() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![
        10 => 0..90 * SECOND,
        3 => -90 * SECOND..0,
        2 => -2 * HOUR..2 * HOUR,
        1 => prop_oneof![Just(DAY), Just(-DAY), Just(YEAR), Just(-YEAR)],
    ];
    proptest::collection::vec(step, 0..400).prop_map(|steps| {
        let mut at = START;
        let next = |step| {
            at += step;
            at
        };
        steps.into_iter().map(next).collect()
    })
}

/// Returns the time that was reported without interruption up to the end of `times`. Each step
/// counts for at most a minute.
fn confirmed(times: &[i64]) -> i64 {
    let (mut highest, mut all) = (None::<i64>, 0);
    for at in times {
        match highest {
            Some(high) if *at >= high - MINUTE => {
                all += (at - high).clamp(0, MINUTE);
                highest = Some(high.max(*at));
            }
            _ => (highest, all) = (Some(*at), 0),
        }
    }
    all
}

proptest! {
    #[test]
    fn the_clock_never_goes_back_and_never_jumps_without_ten_minutes_that_confirm_it(times in reported_times()) {
        let mut clock = LogClock::default();
        for (nth, at) in times.iter().enumerate() {
            let before = clock.now_ms;
            let now = clock.tell(*at);
            let before = before.unwrap_or(now);
            prop_assert!(now >= before);
            let confirmed = confirmed(&times[..=nth]);
            prop_assert!(now - before <= MINUTE || confirmed >= 10 * MINUTE, "+{} after \
                {confirmed}", now - before);
            prop_assert!(clock.sources.len() <= MAX_SOURCES && clock.gaps.len() <= 10);
        }
    }

    #[test]
    fn a_reader_that_starts_from_an_encoded_clock_has_the_same_time(times in reported_times(), at in 0_usize..400) {
        let mut whole = LogClock::default();
        let mut again = LogClock::default();
        for (nth, time) in times.iter().enumerate() {
            whole.tell(*time);
            again.tell(*time);
            if nth == at {
                again = LogClock::decode(&again.encode()).unwrap();
            }
        }
        prop_assert_eq!(whole, again);
    }

    #[test]
    fn ten_minutes_of_the_right_time_are_enough_after_any_history(times in reported_times(), every in 100..=MINUTE, off in -2 * DAY..2 * DAY) {
        let mut clock = LogClock::default();
        for at in &times {
            clock.tell(*at);
        }
        let mut at = times.last().copied().unwrap_or(START) + off;
        let end = at + 10 * MINUTE;
        while at < end {
            clock.tell(at);
            at += every;
        }
        let now = clock.tell(at);
        prop_assert!(now >= at, "{} behind", at - now);
        let later = at + HOUR;
        while at < later {
            at += every;
            clock.tell(at);
        }
        let (passed, went) = (at - later + HOUR, clock.now_ms() - now);
        prop_assert!((passed - MINUTE..=passed).contains(&went), "{went} of {passed}");
    }

    #[test]
    fn clocks_that_do_not_advance_add_no_time(
        offs in proptest::collection::btree_set(-2_000_i64..2_000, 2..6),
        order in proptest::collection::vec((any::<prop::sample::Index>(), 0..5 * SECOND), 1_000),
    ) {
        let offs: Vec<_> = offs.into_iter().map(|off| off * 3 * MINUTE).collect();
        let mut clock = LogClock::default();
        let mut at = START;
        let first = clock.tell(at + offs[0]);
        for (nth, (which, passes)) in order.iter().enumerate() {
            at += passes;
            clock.tell(at + which.get(&offs));
            if nth % 8 == 0 {
                for off in &offs {
                    clock.tell(at + off); // no clock is alone for long
                }
            }
        }
        let went = clock.now_ms() - first;
        prop_assert!((at - START - MINUTE..=at - START + MINUTE).contains(&went), "{went} of {}", at - START);
    }
}
