//! A hub over a log whose history breaks, while streams are opened, read, replayed, and published
//! to.
//!
//! The whole hub runs here, except for its timers. In every order of steps, two things
//! hold. If a publisher gets an id for its event, the event has that id in the log. A client that
//! reconnects whenever its stream is ended has, in the end, exactly the events of the log after the
//! place where it began, or after the last `reset`.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use shuttle::{future, thread};
use tidings_hub::{
    After, Clock, HeartbeatStyle, Hub, Options, Presence, Publication, Published, RingLimits,
    Runner, Step, StreamLimits, Subscribe, Subscription,
};
use tidings_journal::memory::Retention;
use tidings_journal::{Error, EventId, Journal, Limit, Position, Record, Selector};
use tidings_sse::{Decoded, Decoder, EventName, Message};

use crate::support::log_copy::LogCopy;
use crate::support::{Plain, topic};

const SCHEDULES: usize = 1_000;

/// The event that ends a scenario: a client that has it needs no other.
const LAST: &str = "last";

/// Everything that was ever shown or acknowledged, by id.
#[derive(Default)]
struct Shown {
    by_id: Mutex<BTreeMap<String, String>>,
    /// How many clients have the last event.
    followed: AtomicUsize,
}

impl Shown {
    /// Records that `id` was shown with `data`. Fails if the id was ever shown with other data.
    fn record(&self, id: &str, data: &str) {
        let mut shown = self.by_id.lock();
        let first = shown
            .entry(id.to_owned())
            .or_insert_with(|| data.to_owned());
        assert_eq!(first, data, "two events under the id {id}");
    }
}

fn hub(log: &Arc<LogCopy>, ring: usize) -> (Hub, Runner) {
    let options = Options {
        heartbeat_interval: Duration::from_hours(1),
        write_timeout: Duration::from_hours(1),
        max_lag_bytes: usize::MAX,
        max_age: None,
        streams: StreamLimits::default(),
        ring: RingLimits {
            events: ring,
            bytes: 1 << 20,
            age: Duration::from_hours(1),
        },
        presence: Arc::new(Presence::new(topic("chat"), Duration::from_mins(1))),
        folds: Vec::new(),
    };
    Hub::new(log.clone(), options, Arc::new(Plain), Clock::system())
}

fn publication(data: &str) -> Publication {
    Publication::new([topic("a")], EventName::from_static("e"), data)
}

fn others(data: &str) -> Record {
    let Publication {
        topics,
        event,
        key,
        ends_key,
        data,
    } = publication(data);
    let (event, at_ms) = (event.as_str().into(), Clock::system().now_ms());
    Record {
        topics,
        event,
        key,
        ends_key,
        data: data.into(),
        at_ms,
    }
}

async fn publish_one(hub: &Hub, data: &str) -> Result<EventId, Error> {
    match hub.publish(vec![publication(data)], None, None).await? {
        Published::New(id) => Ok(id),
        other => panic!("{other:?}"),
    }
}

/// Publishes `data` one after the other, each once; then publishes [`LAST`] until all clients have
/// it.
fn publish(hub: &Hub, shown: &Shown, data: &[&str], is_over: impl Fn() -> bool) {
    future::block_on(async {
        for one in data {
            if let Ok(id) = publish_one(hub, one).await {
                shown.record(&id.to_string(), one);
            }
        }
        while !is_over() {
            if let Ok(id) = publish_one(hub, LAST).await {
                shown.record(&id.to_string(), LAST);
            }
            future::yield_now().await;
        }
    });
}

fn position(id: &str) -> u64 {
    EventId::parse(id).unwrap().position.get()
}

/// A client that behaves like a browser, and reads until the last event.
struct Client {
    last_id: String,
    /// The position at which it began, or at which the last `reset` told it to go on.
    from: u64,
    had: Vec<(u64, String)>,
    resets: usize,
}

impl Client {
    /// A client that connects for the first time, or reconnects with an id.
    fn new(last_id: Option<&EventId>) -> Self {
        let from = last_id.map_or(0, |id| id.position.get());
        Self {
            last_id: last_id.map(EventId::to_string).unwrap_or_default(),
            from,
            had: Vec::new(),
            resets: 0,
        }
    }

    async fn open(&mut self, hub: &Hub) -> Option<Subscription> {
        let is_new = self.last_id.is_empty();
        let request = Subscribe {
            topics: vec![topic("a")],
            after: if is_new {
                After::Now
            } else {
                After::Id(self.last_id.clone())
            },
            snapshot: false,
            user: None,
            counted_as: &["test"],
            address: None,
            limit_address: false,
            heartbeat: HeartbeatStyle::Event,
            expires_at_ms: None,
        };
        let (stream, start) = hub.subscribe(request).await.ok()?;
        if is_new {
            self.last_id = start.cursor.unwrap();
            self.from = position(&self.last_id);
        }
        Some(stream)
    }

    /// Handles an event. Returns whether it was the last one.
    fn take(&mut self, message: Message, shown: &Shown) -> bool {
        match message.event.as_str() {
            "reset" => {
                self.resets += 1;
                self.had.clear();
                self.from = position(&message.id);
                self.last_id = message.id;
                false
            }
            "ending" => false,
            _ => {
                shown.record(&message.id, &message.data);
                self.had.push((position(&message.id), message.data.clone()));
                self.last_id = message.id;
                message.data == LAST
            }
        }
    }

    /// Reads up to the last event, and reconnects as often as its stream is ended.
    fn follow(mut self, hub: &Hub, shown: &Shown) -> Self {
        future::block_on(async {
            loop {
                let Some(mut stream) = self.open(hub).await else {
                    future::yield_now().await;
                    continue;
                };
                let mut decoder = Decoder::new();
                loop {
                    let mut frames = Vec::new();
                    let step = poll_fn(|cx| stream.poll_frames(cx, &mut frames)).await;
                    frames.iter().for_each(|frame| decoder.push(frame.block()));
                    for item in decoder.by_ref() {
                        if let Decoded::Event(message) = item.unwrap()
                            && self.take(message, shown)
                        {
                            shown.followed.fetch_add(1, Ordering::SeqCst);
                            return;
                        }
                    }
                    if step != Step::Frames {
                        break;
                    }
                }
            }
        });
        self
    }

    /// Compares what the client received with what is in the log.
    fn judge(&self, log: &LogCopy) {
        let until = self.had.last().unwrap().0;
        let (selector, from) = (Selector::topics([topic("a")]), Position::new(self.from));
        let page = log.read(&selector, from, Position::new(until), Limit::NONE);
        let there = future::block_on(page).unwrap().entries;
        let there: Vec<_> = there
            .iter()
            .map(|entry| {
                (
                    entry.id.position.get(),
                    String::from_utf8(entry.record.data.to_vec()).unwrap(),
                )
            })
            .collect();
        assert_eq!(
            self.had, there,
            "after {} and {} resets",
            self.from, self.resets
        );
    }
}

/// Plays the scenario with a log that `breaks` breaks, and with `before` published before any
/// client connects.
fn play(
    ring: usize,
    before: &'static [&'static str],
    during: &'static [&'static str],
    breaks: fn(&LogCopy),
) {
    let log = LogCopy::new(Retention::default());
    let (hub, mut runner) = hub(&log, ring);
    future::block_on(runner.begin());
    let shown = Arc::new(Shown::default());
    let ids: Vec<_> = before
        .iter()
        .map(|one| future::block_on(publish_one(&hub, one)).unwrap())
        .collect();
    ids.iter()
        .zip(before)
        .for_each(|(id, one)| shown.record(&id.to_string(), one));
    let moving =
        thread::spawn(move || future::block_on(async { while runner.step().await.is_ok() {} }));
    let breaking = thread::spawn({
        let log = log.clone();
        move || breaks(&log)
    });
    let clients: Vec<_> = [None, ids.first()].map(Client::new).into_iter().collect();
    let following: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let (hub, shown) = (hub.clone(), shown.clone());
            thread::spawn(move || client.follow(&hub, &shown))
        })
        .collect();
    publish(&hub, &shown, during, || {
        shown.followed.load(Ordering::SeqCst) == following.len()
    });
    breaking.join().unwrap();
    for client in following {
        client.join().unwrap().judge(&log);
    }
    log.end();
    moving.join().unwrap();
    assert_eq!(hub.connections().stats().total, 0);
}

fn check(scenario: impl Fn() + Send + Sync + Clone + 'static) {
    // Waits have a timeout, which needs the timer of a runtime. Nothing drives this runtime, so no
    // timeout ever fires.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _context = runtime.enter();
    shuttle::check_random(scenario.clone(), SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, 3);
}

#[test]
fn a_line_that_breaks_while_events_are_published_loses_none_of_them_silently() {
    check(|| {
        play(100, &[], &["1", "2"], |log| {
            log.break_after(Position::START, vec![others("other")])
        })
    });
}

#[test]
fn a_replay_during_which_the_line_breaks_never_mixes_two_lines() {
    check(|| {
        play(1, &["1", "2", "3"], &["4"], |log| {
            log.break_after(Position::new(1), vec![others("2'"), others("3'")])
        });
    });
}

#[test]
fn a_line_that_breaks_twice_leaves_no_stream_between_the_generations() {
    check(|| {
        play(2, &["1"], &["2", "3"], |log| {
            log.break_after(Position::new(1), Vec::new());
            thread::yield_now();
            log.break_after(Position::START, vec![others("1'")]);
        });
    });
}

#[test]
fn an_epoch_that_begins_without_a_loss_ends_no_stream() {
    check(|| play(100, &["1"], &["2", "3"], LogCopy::begin_epoch));
}
