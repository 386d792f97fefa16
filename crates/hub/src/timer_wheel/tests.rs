//! Time is paused in all of these tests, so nothing really waits.

use super::*;
use crate::connection::{ControlMessage, Opening, Schedule, TimerEntry};
use crate::fanout::{Delivery, Fanout};
use crate::ring::{Limits as RingLimits, Seq};
use crate::stream_totals::Ended;
use crate::wording::{EndingCause, Reset};
use jiff::Timestamp;
use smallvec::SmallVec;
use std::task::{Context, Poll, Waker};
use tidings_journal::{EventId, Position, TopicName};
use tidings_sse::{Event, EventName, Frame};
use tokio::time::Instant;

struct Plain;

impl Wording for Plain {
    fn heartbeat(&self, now_ms: i64) -> Frame {
        Event::new(EventName::from_static("heartbeat"), now_ms.to_string()).encode()
    }
    fn reset(&self, _: &Reset) -> Frame {
        Frame::comment()
    }
    fn ending(&self, _: &Ending) -> Frame {
        Frame::comment()
    }
    fn synced(&self, _: usize, _: EventId) -> Frame {
        Frame::comment()
    }
}

const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

fn opening() -> Opening {
    Opening {
        user: None,
        counted_as: &[],
        rings: SmallVec::new(),
        address: None,
        address_counts: false,
        now_ms: 0,
    }
}

/// Returns a new stream on the wheel.
fn connection(
    serial: u64,
    wheel: &TimerWheel,
    schedule: Schedule,
    clock: &Clock,
) -> Arc<Connection> {
    open(serial, wheel, schedule, clock, opening())
}

fn open(
    serial: u64,
    wheel: &TimerWheel,
    schedule: Schedule,
    clock: &Clock,
    opening: Opening,
) -> Arc<Connection> {
    let timer = TimerEntry::new(schedule, wheel.signals.now());
    let connection = Arc::new(Connection::new(
        serial,
        opening,
        timer,
        wheel.signals.clone(),
    ));
    wheel.add(connection.clone(), clock.now_ms());
    connection
}

fn topic() -> TopicName {
    TopicName::parse("a").unwrap()
}

fn wheel(heartbeat: Duration) -> Arc<TimerWheel> {
    let slow_readers = SlowReaders {
        write_timeout: WRITE_TIMEOUT,
        max_lag_bytes: 100,
    };
    Arc::new(TimerWheel::new(
        heartbeat,
        slow_readers,
        Arc::new(Signals::new()),
    ))
}

/// Returns a schedule of heartbeats at each interval, without expiry or maximum age.
fn heartbeats(wheel: &TimerWheel) -> Schedule {
    Schedule {
        style: HeartbeatStyle::Event,
        expires_at_ms: None,
        first_heartbeat: wheel.heartbeat_interval,
        max_age: None,
    }
}

fn control(connection: &Connection) -> &'static str {
    match connection.poll_control(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ControlMessage::Kill) => "killed",
        Poll::Ready(ControlMessage::End(ending)) => ending.cause.as_str(),
        Poll::Ready(ControlMessage::Heartbeat(frame)) if frame.block() == b":\n" => "comment",
        Poll::Ready(ControlMessage::Heartbeat(_)) => "heartbeat",
        Poll::Pending => "nothing",
    }
}

/// Returns a clock that follows tokio's, so that pausing one pauses both.
fn clock() -> Clock {
    let start = Instant::now();
    Clock::from_fn(move || Timestamp::UNIX_EPOCH + start.elapsed())
}

async fn pass(time: u64) {
    tokio::time::sleep(Duration::from_secs(time)).await;
}

fn turning(wheel: &Arc<TimerWheel>, clock: &Clock) -> tokio::task::JoinHandle<()> {
    let (wheel, clock) = (wheel.clone(), clock.clone());
    tokio::spawn(async move { match wheel.run(&clock, &Plain).await {} })
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_at_each_interval_whatever_else_was_sent() {
    let (wheel, clock) = (wheel(Duration::from_secs(10)), clock());
    let running = turning(&wheel, &clock);
    let one = connection(1, &wheel, heartbeats(&wheel), &clock);
    pass(9).await;
    assert_eq!(control(&one), "nothing");
    one.sent(clock.now_ms(), Position::START);
    for _ in 0..3 {
        pass(2).await;
        assert_eq!(control(&one), "heartbeat");
        assert_eq!(control(&one), "nothing");
        pass(8).await;
    }
    wheel.remove(&one);
    assert!(wheel.due.lock().is_empty());
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_comment_comes_after_an_interval_of_silence() {
    let (wheel, clock) = (wheel(Duration::from_secs(10)), clock());
    let running = turning(&wheel, &clock);
    let one = connection(
        1,
        &wheel,
        Schedule {
            style: HeartbeatStyle::Comment,
            ..heartbeats(&wheel)
        },
        &clock,
    );
    pass(5).await;
    one.sent(clock.now_ms(), Position::START);
    pass(9).await;
    assert_eq!(control(&one), "nothing");
    pass(2).await;
    assert_eq!(control(&one), "comment");
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_credential_expires_even_if_that_is_years_away() {
    let (wheel, clock) = (wheel(Duration::from_hours(24 * 900)), clock());
    let running = turning(&wheel, &clock);
    let expiring = |ms| Schedule {
        expires_at_ms: Some(ms),
        ..heartbeats(&wheel)
    };
    let late = connection(1, &wheel, expiring(800 * 24 * 3_600_000), &clock);
    let soon = connection(2, &wheel, expiring(5_000), &clock);
    pass(4).await;
    assert_eq!(control(&soon), "nothing");
    pass(2).await;
    assert_eq!(control(&soon), "token_expired");
    pass(799 * 24 * 3_600).await;
    assert_eq!(control(&late), "nothing");
    pass(24 * 3_600).await;
    assert_eq!(control(&late), "token_expired");
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_socket_takes_no_byte_for_the_write_timeout_is_killed() {
    let (wheel, clock) = (wheel(Duration::from_hours(1)), clock());
    let running = turning(&wheel, &clock);
    let [stuck, slow] = [1, 2].map(|serial| connection(serial, &wheel, heartbeats(&wheel), &clock));
    for one in [&stuck, &slow] {
        one.took_bytes(false);
    }
    pass(20).await;
    slow.took_bytes(true);
    slow.took_bytes(false);
    pass(11).await;
    assert_eq!((control(&stuck), control(&slow)), ("killed", "nothing"));
    pass(20).await;
    assert_eq!(control(&slow), "killed");
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_socket_refuses_the_ending_is_killed_after_the_grace() {
    let (wheel, clock) = (wheel(Duration::from_hours(1)), clock());
    let running = turning(&wheel, &clock);
    let [stuck, reads] =
        [1, 2].map(|serial| connection(serial, &wheel, heartbeats(&wheel), &clock));
    stuck.took_bytes(false);
    pass(3).await;
    stuck.end(Ending::EXPIRED);
    reads.end(Ending::EXPIRED);
    pass(2).await;
    assert_eq!(
        (control(&stuck), control(&reads)),
        ("killed", "token_expired")
    );
    running.abort();
}

/// A stored event, by its position.
struct Numbered(u64);

impl Delivery for Numbered {
    fn topics(&self) -> &[TopicName] {
        static TOPICS: std::sync::LazyLock<[TopicName; 1]> = std::sync::LazyLock::new(|| [topic()]);
        &*TOPICS
    }
    fn position(&self) -> Option<Position> {
        Some(Position::new(self.0))
    }
    fn encode(&self) -> Option<Frame> {
        Some(Event::new(EventName::from_static("e"), "x".repeat(60)).encode())
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_slow_only_if_its_socket_takes_nothing_and_it_has_caught_up_before() {
    let (wheel, clock) = (wheel(Duration::from_hours(1)), clock());
    let running = turning(&wheel, &clock);
    let fanout = Arc::new(Fanout::new(Position::START, RingLimits::default()));
    let (rings, _) = fanout.follow(&[topic()]);
    let [slow, reads, returns] = [1, 2, 3].map(|serial| {
        open(
            serial,
            &wheel,
            heartbeats(&wheel),
            &clock,
            Opening {
                rings: rings.clone(),
                ..opening()
            },
        )
    });
    slow.caught_up(Seq(0));
    reads.caught_up(Seq(0));
    slow.took_bytes(false);
    returns.took_bytes(false);
    fanout.deliver([Numbered(1)], clock.now_ms());
    pass(9).await;
    assert_eq!(control(&slow), "nothing", "one frame is within the bound");
    fanout.deliver([Numbered(2)], clock.now_ms());
    pass(4).await;
    assert_eq!(
        control(&slow),
        "nothing",
        "one of two is not old enough to count"
    );
    pass(2).await;
    assert_eq!(
        [control(&slow), control(&reads), control(&returns)],
        ["too_far_behind", "nothing", "nothing"]
    );
    running.abort();
}

/// A topic gets a hundred events a second, and its ring holds those of a tenth of a second. The
/// socket of each stream takes nothing whenever the wheel checks. One stream is never sent
/// anything; each other stream is sent every event, late by a fixed number of events.
#[tokio::test(start_paused = true)]
async fn old_unsent_bytes_count_as_lag_even_if_the_ring_has_evicted_them_and_new_ones_do_not() {
    let (wheel, clock) = (wheel(Duration::from_hours(1)), clock());
    let running = turning(&wheel, &clock);
    let fanout = Arc::new(Fanout::new(
        Position::START,
        RingLimits {
            events: 10,
            ..RingLimits::default()
        },
    ));
    let (rings, _) = fanout.follow(&[topic()]);
    let lates = [5, 100, 400, 650, u64::MAX];
    let mut nth = 0;
    let streams = lates.map(|late| {
        nth += 1;
        let one = open(
            nth,
            &wheel,
            heartbeats(&wheel),
            &clock,
            Opening {
                rings: rings.clone(),
                ..opening()
            },
        );
        one.caught_up(Seq(0));
        one.took_bytes(false);
        (late, one)
    });
    for number in 1..=2_000_u64 {
        fanout.deliver([Numbered(number)], clock.now_ms());
        for (late, one) in &streams {
            one.caught_up(Seq(number.saturating_sub(*late)));
            if number.is_multiple_of(100) && *late != u64::MAX {
                one.took_bytes(true);
                one.took_bytes(false);
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let slow = streams
        .each_ref()
        .map(|(_, one)| one.ended() == Ended::EndingSent(EndingCause::Slow));
    assert_eq!(slow, [false, false, false, true, true]);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stream_at_its_maximum_age_is_told_to_reconnect() {
    let (wheel, clock) = (wheel(Duration::from_hours(1)), clock());
    let running = turning(&wheel, &clock);
    let one = connection(
        1,
        &wheel,
        Schedule {
            max_age: Some(Duration::from_secs(10)),
            ..heartbeats(&wheel)
        },
        &clock,
    );
    pass(9).await;
    assert_eq!(control(&one), "nothing");
    pass(2).await;
    assert_eq!(control(&one), "max_age");
    running.abort();
}
