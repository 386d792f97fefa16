//! The one timer of all streams: heartbeats, the ends of credentials, and peers that take no bytes.
//!
//! A timer per stream would cost each of them a registration with the runtime and a wake-up of its own; here one task
//! sleeps until the next due time, and a beat that falls due for many at once is encoded once.
//!
//! Nothing that ends a stream depends on the stream's own task being polled: that task may be stuck behind a socket.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_sse::Frame;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::connection::{Alarm, Connection};
use crate::fanout::Fanout;
use crate::wording::{Ending, Wording};

/// How long a stream that is told to end may keep its socket from taking the news.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long it may be about it if it takes the news slowly.
const LONGEST_FAREWELL: Duration = Duration::from_secs(10);

/// The time between two looks at how far behind a stream is whose socket takes nothing.
const LAG_LOOK: Duration = Duration::from_secs(1);

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
    /// How many bytes of its topics a stream may be behind while its socket takes nothing.
    pub(crate) max_lag_bytes: usize,
}

/// All due times.
pub(crate) struct Wheel {
    limits: Limits,
    fanout: Arc<Fanout>,
    turns: Mutex<Turns>,
    /// Told when the first due time moved forward.
    sooner: Notify,
    /// Raised by connections whose time moved forward.
    alarm: Arc<Alarm>,
}

#[derive(Default)]
struct Turns {
    /// By due time. One for each open stream.
    by_time: BTreeMap<(Instant, u64), Turn>,
    /// The due time of each stream, by its serial.
    by_serial: HashMap<u64, Instant>,
}

struct Turn {
    connection: Arc<Connection>,
    wishes: Wishes,
    next_beat: Instant,
    /// When it has lived long enough.
    ends: Option<Instant>,
}

impl Wheel {
    pub(crate) fn new(limits: Limits, fanout: Arc<Fanout>, alarm: Arc<Alarm>) -> Self {
        Self { limits, fanout, turns: Mutex::default(), sooner: Notify::new(), alarm }
    }

    /// Puts a new stream on the wheel. Whoever closes it takes it off with [`Wheel::remove`].
    pub(crate) fn add(&self, connection: Arc<Connection>, wishes: Wishes, now_ms: i64) {
        let now = Instant::now();
        let ends = wishes.age.map(|age| now + age);
        let turn = Turn { connection, wishes, next_beat: now + wishes.first_beat, ends };
        self.arm(&mut self.turns.lock(), turn, now, now_ms);
    }

    pub(crate) fn remove(&self, connection: &Connection) {
        let mut turns = self.turns.lock();
        if let Some(due) = turns.by_serial.remove(&connection.serial) {
            turns.by_time.remove(&(due, connection.serial));
        }
    }

    fn arm(&self, turns: &mut Turns, turn: Turn, now: Instant, now_ms: i64) {
        let due = self.due(&turn, now, now_ms);
        if turns.by_time.first_key_value().is_none_or(|((first, _), _)| due < *first) {
            self.sooner.notify_one();
        }
        let serial = turn.connection.serial;
        turns.by_serial.insert(serial, due);
        turns.by_time.insert((due, serial), turn);
    }

    /// When to look at a stream again.
    fn due(&self, turn: &Turn, now: Instant, now_ms: i64) -> Instant {
        if turn.connection.ending_since().is_some() {
            return now + LAST_WORDS;
        }
        let until_expiry = turn.wishes.expires_at_ms.map(|at| at.saturating_sub(now_ms).max(0).unsigned_abs());
        let expiry = until_expiry.map(|ms| now + Duration::from_millis(ms).min(HORIZON));
        let blocked = turn.connection.blocked_since();
        let patience = blocked.map(|since| (since + self.limits.write_timeout).min(now + LAG_LOOK));
        [expiry, patience, turn.ends].into_iter().flatten().fold(turn.next_beat, Instant::min)
    }

    /// Turns for ever.
    pub(crate) async fn run(&self, clock: &Clock, wording: &dyn Wording) -> Infallible {
        loop {
            let first = self.turns.lock().by_time.first_key_value().map(|((due, _), _)| *due);
            let first_is_due = async {
                match first {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = first_is_due => self.turn(clock, wording),
                () = self.sooner.notified() => {}
                () = self.alarm.raised() => self.look_again(clock),
            }
        }
    }

    /// Arms anew what has raised the alarm.
    fn look_again(&self, clock: &Clock) {
        let (now, now_ms) = (Instant::now(), clock.now_ms());
        let mut turns = self.turns.lock();
        for serial in self.alarm.take() {
            let due = turns.by_serial.get(&serial).copied();
            if let Some(turn) = due.and_then(|due| turns.by_time.remove(&(due, serial))) {
                self.arm(&mut turns, turn, now, now_ms);
            }
        }
    }

    /// Serves everything that is due.
    fn turn(&self, clock: &Clock, wording: &dyn Wording) {
        let (now, now_ms) = (Instant::now(), clock.now_ms());
        let mut beat = None;
        let mut turns = self.turns.lock();
        while let Some(first) = turns.by_time.first_entry().filter(|first| first.key().0 <= now) {
            let mut turn = first.remove();
            if self.is_stuck(&turn.connection, now) {
                turns.by_serial.remove(&turn.connection.serial);
                turn.connection.kill();
                continue;
            }
            if turn.connection.ending_since().is_none() {
                if turn.wishes.expires_at_ms.is_some_and(|at| at <= now_ms) {
                    turn.connection.end(Ending::EXPIRED);
                } else if self.is_slow(&turn.connection) {
                    turn.connection.end(Ending::SLOW);
                } else if turn.ends.is_some_and(|ends| ends <= now) {
                    turn.connection.end(Ending::AGED);
                } else if turn.next_beat <= now {
                    turn.next_beat =
                        self.beat(&turn, now, now_ms, || beat.get_or_insert_with(|| wording.heartbeat(now_ms)).clone());
                }
            }
            self.arm(&mut turns, turn, now, now_ms);
        }
    }

    /// Whether a stream whose socket takes nothing is further behind than it may be.
    fn is_slow(&self, connection: &Connection) -> bool {
        let behind = |after| self.fanout.bytes_after(&connection.topics, after) > self.limits.max_lag_bytes;
        connection.blocked_since().is_some() && connection.read_up_to().is_some_and(behind)
    }

    /// Whether nothing but a kill ends this stream in time.
    fn is_stuck(&self, connection: &Connection, now: Instant) -> bool {
        let blocked = connection.blocked_since();
        match connection.ending_since() {
            Some(ending) => {
                blocked.is_some_and(|blocked| blocked.max(ending) + LAST_WORDS <= now)
                    || ending + LONGEST_FAREWELL <= now
            }
            None => blocked.is_some_and(|blocked| blocked + self.limits.write_timeout <= now),
        }
    }

    /// Sends a heartbeat if the stream's style asks for one now. Returns when to look again.
    fn beat(&self, turn: &Turn, now: Instant, now_ms: i64, event: impl FnOnce() -> Frame) -> Instant {
        match turn.wishes.style {
            HeartbeatStyle::Event => {
                turn.connection.heartbeat(event());
                // From the due time, not from now, so that the rhythm does not drift; a long stall is not made up for.
                (turn.next_beat + self.limits.heartbeat).max(now)
            }
            HeartbeatStyle::Comment => {
                let silence = now_ms.saturating_sub(turn.connection.last_activity_ms()).max(0).unsigned_abs();
                match self.limits.heartbeat.checked_sub(Duration::from_millis(silence)).filter(|left| !left.is_zero()) {
                    Some(left) => now + left,
                    None => {
                        turn.connection.heartbeat(Frame::comment());
                        now + self.limits.heartbeat
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Mail, Opening};
    use crate::fanout::Delivery;
    use crate::ring::{Limits as RingLimits, Seq};
    use crate::wording::Reset;
    use jiff::Timestamp;
    use std::task::{Context, Poll, Waker};
    use tidings_journal::{EventId, Position, TopicName};
    use tidings_sse::{Event, EventName};

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

    const PATIENCE: Duration = Duration::from_secs(30);

    fn connection(serial: u64, wheel: &Wheel) -> Arc<Connection> {
        let topics = [topic()].into();
        let opening = Opening { user: None, counted_as: &[], topics, address: None, counted_address: None, now_ms: 0 };
        Arc::new(Connection::new(serial, opening, wheel.alarm.clone()))
    }

    fn topic() -> TopicName {
        TopicName::parse("a").unwrap()
    }

    fn wheel(heartbeat: Duration) -> Arc<Wheel> {
        let limits = Limits { heartbeat, write_timeout: PATIENCE, max_lag_bytes: 100 };
        let fanout = Fanout::new(Position::START, RingLimits::default());
        Arc::new(Wheel::new(limits, Arc::new(fanout), Arc::default()))
    }

    /// Beats after each interval, and nothing else.
    fn beats(wheel: &Wheel) -> Wishes {
        Wishes { style: HeartbeatStyle::Event, expires_at_ms: None, first_beat: wheel.limits.heartbeat, age: None }
    }

    fn mail(connection: &Connection) -> &'static str {
        match connection.poll_mail(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Mail::Killed) => "killed",
            Poll::Ready(Mail::Ending(ending)) => ending.event,
            Poll::Ready(Mail::Heartbeat(frame)) if frame.block() == b":\n" => "comment",
            Poll::Ready(Mail::Heartbeat(_)) => "heartbeat",
            Poll::Pending => "nothing",
        }
    }

    /// A clock that goes with tokio's, so that pausing one pauses both.
    fn clock() -> Clock {
        let start = Instant::now();
        Clock::from_fn(move || Timestamp::UNIX_EPOCH + start.elapsed())
    }

    async fn pass(time: u64) {
        tokio::time::sleep(Duration::from_secs(time)).await;
    }

    fn turning(wheel: &Arc<Wheel>, clock: &Clock) -> tokio::task::JoinHandle<()> {
        let (wheel, clock) = (wheel.clone(), clock.clone());
        tokio::spawn(async move { match wheel.run(&clock, &Plain).await {} })
    }

    #[tokio::test(start_paused = true)]
    async fn beats_come_at_each_interval_whatever_else_was_sent() {
        let (wheel, clock) = (wheel(Duration::from_secs(10)), clock());
        let running = turning(&wheel, &clock);
        let one = connection(1, &wheel);
        wheel.add(one.clone(), beats(&wheel), clock.now_ms());
        pass(9).await;
        assert_eq!(mail(&one), "nothing");
        one.sent(clock.now_ms(), Position::START);
        for _ in 0..3 {
            pass(2).await;
            assert_eq!(mail(&one), "heartbeat");
            assert_eq!(mail(&one), "nothing");
            pass(8).await;
        }
        wheel.remove(&one);
        assert!(wheel.turns.lock().by_time.is_empty());
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_comment_comes_after_an_interval_of_silence() {
        let (wheel, clock) = (wheel(Duration::from_secs(10)), clock());
        let running = turning(&wheel, &clock);
        let one = connection(1, &wheel);
        wheel.add(one.clone(), Wishes { style: HeartbeatStyle::Comment, ..beats(&wheel) }, clock.now_ms());
        pass(5).await;
        one.sent(clock.now_ms(), Position::START);
        pass(9).await;
        assert_eq!(mail(&one), "nothing");
        pass(2).await;
        assert_eq!(mail(&one), "comment");
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_the_instant_its_credential_is_refused_even_years_from_now() {
        let (wheel, clock) = (wheel(Duration::from_hours(24 * 900)), clock());
        let running = turning(&wheel, &clock);
        let [soon, late] = [1, 2].map(|serial| connection(serial, &wheel));
        let expiring = |ms| Wishes { expires_at_ms: Some(ms), ..beats(&wheel) };
        wheel.add(late.clone(), expiring(800 * 24 * 3_600_000), clock.now_ms());
        wheel.add(soon.clone(), expiring(5_000), clock.now_ms());
        pass(4).await;
        assert_eq!(mail(&soon), "nothing");
        pass(2).await;
        assert_eq!(mail(&soon), "expired");
        pass(799 * 24 * 3_600).await;
        assert_eq!(mail(&late), "nothing");
        pass(24 * 3_600).await;
        assert_eq!(mail(&late), "expired");
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_no_byte_for_the_write_timeout_is_cut() {
        let (wheel, clock) = (wheel(Duration::from_hours(1)), clock());
        let running = turning(&wheel, &clock);
        let [stuck, slow] = [1, 2].map(|serial| connection(serial, &wheel));
        for one in [&stuck, &slow] {
            wheel.add(one.clone(), beats(&wheel), clock.now_ms());
            one.took_bytes(false);
        }
        pass(20).await;
        slow.took_bytes(true);
        slow.took_bytes(false);
        pass(11).await;
        assert_eq!((mail(&stuck), mail(&slow)), ("killed", "nothing"));
        pass(20).await;
        assert_eq!(mail(&slow), "killed");
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn an_ending_that_can_not_be_told_is_a_kill_within_a_second_or_so() {
        let (wheel, clock) = (wheel(Duration::from_hours(1)), clock());
        let running = turning(&wheel, &clock);
        let [stuck, reads] = [1, 2].map(|serial| connection(serial, &wheel));
        for one in [&stuck, &reads] {
            wheel.add(one.clone(), beats(&wheel), clock.now_ms());
        }
        stuck.took_bytes(false);
        pass(3).await;
        stuck.end(Ending::EXPIRED);
        reads.end(Ending::EXPIRED);
        pass(2).await;
        assert_eq!((mail(&stuck), mail(&reads)), ("killed", "expired"));
        running.abort();
    }

    struct Said;

    impl Delivery for Said {
        fn topics(&self) -> &[TopicName] {
            static TOPICS: std::sync::LazyLock<[TopicName; 1]> = std::sync::LazyLock::new(|| [topic()]);
            &*TOPICS
        }
        fn position(&self) -> Option<Position> {
            None
        }
        fn encode(&self) -> Option<Frame> {
            Some(Event::new(EventName::from_static("e"), "x".repeat(60)).encode())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_slow_only_while_its_socket_takes_nothing_and_once_it_had_caught_up() {
        let (wheel, clock) = (wheel(Duration::from_hours(1)), clock());
        let running = turning(&wheel, &clock);
        let _follows = crate::Cursor::at_head(wheel.fanout.clone(), [topic()].into());
        let [slow, reads, returns] = [1, 2, 3].map(|serial| connection(serial, &wheel));
        for one in [&slow, &reads, &returns] {
            wheel.add(one.clone(), beats(&wheel), clock.now_ms());
        }
        slow.caught_up(Seq(0));
        reads.caught_up(Seq(0));
        slow.took_bytes(false);
        returns.took_bytes(false);
        wheel.fanout.deliver([Said], clock.now_ms());
        tokio::time::sleep(LAG_LOOK * 5 / 2).await; // between two looks
        assert_eq!(mail(&slow), "nothing", "one frame is within the bound");
        wheel.fanout.deliver([Said], clock.now_ms());
        tokio::time::sleep(LAG_LOOK).await;
        assert_eq!([mail(&slow), mail(&reads), mail(&returns)], ["slow", "nothing", "nothing"]);
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_has_lived_long_enough_is_sent_to_come_again() {
        let (wheel, clock) = (wheel(Duration::from_hours(1)), clock());
        let running = turning(&wheel, &clock);
        let one = connection(1, &wheel);
        let wishes = Wishes { age: Some(Duration::from_secs(10)), ..beats(&wheel) };
        wheel.add(one.clone(), wishes, clock.now_ms());
        pass(9).await;
        assert_eq!(mail(&one), "nothing");
        pass(2).await;
        assert_eq!(mail(&one), "draining");
        running.abort();
    }
}
