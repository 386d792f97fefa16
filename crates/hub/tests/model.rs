//! Tests the promise of delivery against an oracle. Clients connect, read a little, are cut off at
//! any byte, and reconnect with the last id that they saw. They receive every event of their topics
//! once and in order. If they can't, they get a `reset`, and only then.
//!
//! The log and the rings are tiny, so that clients keep falling out of the rings, and now and then
//! out of the log. In a second world the log's history breaks, too: then a client is told if, and
//! only if, it saw what was lost.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tidings_hub::{
    After, Before, Clock, Cursor, Delivery, Fanout, HeartbeatStyle, Hub, Options, Presence,
    Publication, Published, RingLimits, Runner, Step, StreamLimits, Subscribe, SubscribeError,
    Subscription,
};
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{Epoch, EventId, Journal, Position, Record, TopicName};
use tidings_sse::{Decoded, Decoder, Event, EventName, Frame, Id, Message};

use support::log_copy::LogCopy;
use support::{Plain, topic};

const KEPT: usize = 40;
const TOPICS: [&str; 5] = ["a", "b", "c", "chat", "chat/room/r"];
const KEYED: &str = "status";

/// A published event.
struct Known {
    topics: Vec<TopicName>,
    key: Option<&'static str>,
    ends_key: bool,
    data: String,
}

/// The oracle: it knows everything that was ever published.
#[derive(Default)]
struct Oracle {
    /// The event at each position, from 1 on.
    published: Vec<Known>,
    /// The kept positions, except those of live keys.
    kept: VecDeque<u64>,
    /// Positions that retention has removed, or that were erased.
    gone: BTreeSet<u64>,
    /// Positions that were erased. Unlike trimmed ones, they may not be shown even if a ring still
    /// had them.
    erased: BTreeSet<u64>,
    ephemeral: u64,
}

impl Oracle {
    fn head(&self) -> u64 {
        self.published.len() as u64
    }

    /// Adds an event. Of the events without a live key that were not erased, retention keeps the
    /// newest `KEPT`.
    fn push(&mut self, event: Known) {
        let ages = event.key.is_none() || event.ends_key;
        self.published.push(event);
        if ages {
            self.kept.push_back(self.head());
        }
        while self.kept.len() > KEPT {
            self.gone.extend(self.kept.pop_front());
        }
    }

    /// Forgets everything after `last`, because the log has lost it.
    fn break_after(&mut self, last: u64) {
        let kept: Vec<_> = self
            .published
            .drain(..)
            .take(usize::try_from(last).unwrap())
            .collect();
        *self = Self {
            ephemeral: self.ephemeral,
            ..Self::default()
        };
        for event in kept {
            self.push(event);
        }
    }

    /// Erases what is still there of `topics` up to `until`.
    fn erase(&mut self, topics: &[TopicName], until: u64) {
        let there = |position: &u64| !self.superseded(*position) && !self.gone.contains(position);
        let erased = (1..=until)
            .filter(|position| self.stands_in(*position, topics))
            .filter(there);
        self.erased.extend(erased.collect::<Vec<_>>());
        self.gone.extend(&self.erased);
        self.kept.retain(|position| !self.erased.contains(position));
    }

    fn stands_in(&self, position: u64, topics: &[TopicName]) -> bool {
        let index = usize::try_from(position - 1).unwrap();
        self.published[index]
            .topics
            .iter()
            .any(|topic| topics.contains(topic))
    }

    fn floor(&self, topics: &[TopicName]) -> u64 {
        self.gone
            .iter()
            .copied()
            .filter(|position| self.stands_in(*position, topics))
            .max()
            .unwrap_or(0)
    }

    /// Whether a newer event of the same key, or its end, supersedes this one for a client that was
    /// away.
    fn superseded(&self, position: u64) -> bool {
        let index = usize::try_from(position - 1).unwrap();
        let Known { key, ends_key, .. } = &self.published[index];
        key.is_some()
            && !ends_key
            && self.published[index + 1..]
                .iter()
                .any(|later| later.key == *key)
    }
}

/// A log whose history breaks, and what the test knows of its breaks.
struct Breaking {
    log: Arc<LogCopy>,
    /// Each epoch, with the highest position that is still what it was in that epoch.
    epochs: Vec<(Epoch, u64)>,
    breaks: usize,
}

impl Breaking {
    fn new(log: Arc<LogCopy>) -> Self {
        let epochs = vec![(log.epochs().current(), u64::MAX)];
        Self {
            log,
            epochs,
            breaks: 0,
        }
    }

    /// Whether the id belongs to this log, even if retention has removed the event.
    fn is_of_log(&self, id: &str) -> bool {
        let id = EventId::parse(id).unwrap();
        let (_, end) = self
            .epochs
            .iter()
            .find(|(epoch, _)| *epoch == id.epoch)
            .unwrap();
        id.position.get() <= *end
    }

    /// Notes that an epoch has begun, and that everything up to `last` is unchanged.
    fn begun_after(&mut self, last: u64) {
        for (_, end) in &mut self.epochs {
            *end = last.min(*end);
        }
        self.epochs.push((self.log.epochs().current(), u64::MAX));
    }
}

/// A client that behaves like a browser: it knows its topics and the last id that it saw.
struct Client {
    topics: Vec<TopicName>,
    last_id: String,
    /// The position up to which it has received everything, as far as it knows.
    seen: u64,
    connection: Option<Connection>,
    resets: usize,
    received: usize,
    /// How often a `reset` told it that it had seen events that were lost.
    ahead: usize,
    /// How many events it received that the log had lost already.
    lost: usize,
    /// How often its stream was ended, or refused, because the log's history broke.
    sent_away: usize,
}

struct Connection {
    stream: Subscription,
    decoder: Decoder,
    /// Ephemeral events up to here were published before it connected, or were received.
    ephemeral: u64,
    connected: bool,
    /// How often the log's history had broken when it connected; `None` if the hub did not know of
    /// all breaks yet.
    breaks: Option<usize>,
}

struct World {
    hub: Hub,
    breaking: Option<Breaking>,
    oracle: Oracle,
    /// All that was ever shown.
    shown: BTreeMap<String, String>,
    clients: Vec<Client>,
    rng: StdRng,
    reconnects: usize,
    published: usize,
}

fn hub() -> (Hub, Runner) {
    hub_over(Arc::new(Memory::new(Retention {
        max_events: KEPT,
        ..Retention::default()
    })))
}

fn hub_over(journal: Arc<dyn Journal>) -> (Hub, Runner) {
    let options = Options {
        heartbeat_interval: Duration::from_hours(1),
        write_timeout: Duration::from_hours(1),
        max_lag_bytes: usize::MAX,
        max_age: None,
        streams: StreamLimits::default(),
        ring: RingLimits {
            events: 8,
            bytes: 600,
            age: Duration::from_hours(1),
        },
        presence: Arc::new(Presence::new(topic("chat"), Duration::from_mins(1))),
        folds: Vec::new(),
    };
    Hub::new(journal, options, Arc::new(Plain), Clock::system())
}

fn number(id: &str) -> u64 {
    EventId::parse(id).unwrap().position.get()
}

impl World {
    fn new(hub: Hub, breaking: Option<Breaking>, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let clients = (0..12).map(|_| {
            let mut topics: Vec<_> = TOPICS
                .iter()
                .filter(|_| rng.random_bool(0.4))
                .map(|name| topic(name))
                .collect();
            if topics.is_empty() || rng.random_bool(0.2) {
                topics.push(topic(KEYED));
            }
            let (last_id, seen, connection) = (String::new(), 0, None);
            Client {
                topics,
                last_id,
                seen,
                connection,
                resets: 0,
                received: 0,
                ahead: 0,
                lost: 0,
                sent_away: 0,
            }
        });
        let (clients, oracle, shown) = (clients.collect(), Oracle::default(), BTreeMap::new());
        Self {
            clients,
            hub,
            breaking,
            oracle,
            shown,
            rng,
            reconnects: 0,
            published: 0,
        }
    }

    /// Publishes this many events as one batch.
    async fn publish(&mut self, events: usize) {
        let (breaks, first) = (self.breaks(), self.oracle.head() + 1);
        let batch = (0..events).map(|_| self.event()).collect();
        match self.hub.publish(batch, None, None).await {
            Ok(Published::New(id)) => {
                assert_eq!(id.position.get(), first, "positions are dense");
                let of_log = self
                    .breaking
                    .as_ref()
                    .is_none_or(|breaking| breaking.is_of_log(&id.to_string()));
                assert!(
                    of_log,
                    "{id} is not in the log, which has {:?}",
                    self.breaking.as_ref().map(|one| one.epochs.clone())
                );
            }
            // The event is in the log in any case.
            Err(_) => assert!(
                breaks.is_none(),
                "a publish fails only after a break that the hub did not know of"
            ),
            Ok(other) => panic!("{other:?}"),
        }
    }

    /// Returns how often the log's history has broken; `None` if the hub does not know of all
    /// breaks yet.
    fn breaks(&self) -> Option<usize> {
        let Some(breaking) = &self.breaking else {
            return Some(0);
        };
        let epoch = self.hub.id_of(Position::new(u64::MAX)).epoch;
        (epoch == breaking.log.epochs().current()).then_some(breaking.breaks)
    }

    /// Waits until the hub has received everything from the log.
    async fn catch_up(&self) {
        while self.breaks().is_none() || self.hub.head().position.get() < self.oracle.head() {
            tokio::task::yield_now().await;
        }
    }

    fn event(&mut self) -> Publication {
        let (names, key): (&[&str], _) = match self.rng.random_range(0..8) {
            0 => (&["a"], None),
            1 | 2 => (&["b"], None),
            3 => (&["c", "a"], None),
            4..=6 => (&["chat/room/r", "chat"], None),
            _ => (
                &[KEYED],
                Some(["db", "web", "mail"][self.rng.random_range(0..3)]),
            ),
        };
        let topics: Vec<_> = names.iter().map(|name| topic(name)).collect();
        let ends_key = key.is_some() && self.rng.random_bool(0.2);
        self.published += 1;
        let data = format!(
            "{} {}",
            self.published,
            "x".repeat(self.rng.random_range(0..120))
        );
        self.oracle.push(Known {
            topics: topics.clone(),
            key,
            ends_key,
            data: data.clone(),
        });
        let publication = Publication::new(topics, EventName::from_static("stored"), data);
        Publication {
            key: key.map(Arc::from),
            ends_key,
            ..publication
        }
    }

    /// Breaks the log: it loses some of its newest events, or none, and goes on with what others
    /// publish. Half of the time, waits until the hub knows.
    async fn break_line(&mut self) {
        let head = self.oracle.head();
        let last = head - self.rng.random_range(0..=head.min(6));
        self.oracle.break_after(last);
        let others: Vec<_> = (0..self.rng.random_range(0..5))
            .map(|_| record(self.event()))
            .collect();
        let breaking = self.breaking.as_mut().unwrap();
        breaking.log.break_after(Position::new(last), others);
        breaking.begun_after(last);
        breaking.breaks += 1;
        if self.rng.random_bool(0.5) {
            self.catch_up().await;
        }
    }

    /// Does something to the log that is not a publish of this hub.
    async fn elsewhere(&mut self) {
        match self.rng.random_range(0..4) {
            0 => self.break_line().await,
            1 => {
                let head = self.oracle.head();
                let breaking = self.breaking.as_mut().unwrap();
                breaking.log.begin_epoch();
                breaking.begun_after(head);
            }
            _ => {
                let others: Vec<_> = (0..self.rng.random_range(1..4))
                    .map(|_| record(self.event()))
                    .collect();
                self.breaking
                    .as_ref()
                    .unwrap()
                    .log
                    .append(others.into())
                    .await
                    .unwrap();
                self.catch_up().await;
            }
        }
    }

    /// Erases some topics up to one of the newest events.
    async fn erase(&mut self) {
        if self.breaking.is_some() {
            // otherwise the notes may be appended to another line than their own
            self.catch_up().await;
        }
        let head = self.oracle.head();
        if head == 0 {
            return;
        }
        let names = TOPICS
            .into_iter()
            .chain([KEYED])
            .filter(|_| self.rng.random_bool(0.3));
        let topics: Vec<_> = names.map(topic).collect();
        let until = head - self.rng.random_range(0..head.min(12));
        self.oracle.erase(&topics, until);
        // The hub stores a note for each topic, and ends it.
        for ends_key in [false, true] {
            for _ in &topics {
                self.oracle.push(Known {
                    topics: vec![topic("_floors")],
                    key: Some("note"),
                    ends_key,
                    data: String::new(),
                });
            }
        }
        let id = self.hub.id_of(Position::new(until)).to_string();
        self.hub.erase(topics.clone(), &id).await.unwrap();
        let page = self
            .hub
            .history(topics.clone(), &After::Earliest, 1_000)
            .await
            .unwrap();
        let shown = page.entries.iter().map(|entry| entry.id.position.get());
        assert!(
            shown
                .clone()
                .all(|position| !self.oracle.gone.contains(&position)),
            "erased events are not shown"
        );
        let backwards = self
            .hub
            .history_before(topics, &Before::Latest, 1_000)
            .await
            .unwrap();
        assert!(
            shown.eq(backwards
                .entries
                .iter()
                .map(|entry| entry.id.position.get()))
        );
    }

    fn publish_ephemeral(&mut self) {
        self.oracle.ephemeral += 1;
        let topics = [topic("chat/room/r"), topic("chat")];
        let event = EventName::from_static("ephemeral");
        let publication = Publication::new(topics, event, self.oracle.ephemeral.to_string());
        self.hub.publish_ephemeral(&publication).unwrap();
    }

    async fn connect(&mut self, nth: usize) {
        let client = &mut self.clients[nth];
        let after = if client.last_id.is_empty() {
            After::Now
        } else {
            After::Id(client.last_id.clone())
        };
        let request = Subscribe {
            topics: client.topics.clone(),
            after,
            snapshot: false,
            user: None,
            counted_as: &["test"],
            address: None,
            limit_address: false,
            heartbeat: HeartbeatStyle::Event,
            expires_at_ms: None,
        };
        let before = self.breaks();
        let opened = self.hub.subscribe(request).await;
        // The answer is checked only if the hub knew of all breaks before and after.
        let breaks = self.breaks().filter(|breaks| before == Some(*breaks));
        let client = &mut self.clients[nth];
        let (mut stream, start) = match opened {
            Ok(opened) => opened,
            Err(SubscribeError::Journal(_)) if breaks.is_none() => {
                client.sent_away += 1;
                return;
            }
            Err(error) => panic!("{error}"),
        };
        if client.last_id.is_empty() {
            client.seen = number(start.cursor.as_ref().unwrap());
            assert!(breaks.is_none() || client.seen == self.oracle.head());
            assert_eq!(start.resumed, None);
        } else if breaks.is_some() {
            let is_of_log = self
                .breaking
                .as_ref()
                .is_none_or(|breaking| breaking.is_of_log(&client.last_id));
            let whole = is_of_log && client.seen >= self.oracle.floor(&client.topics);
            assert_eq!(
                start.resumed,
                Some(whole),
                "a reset if and only if something after the cursor was lost or trimmed"
            );
            self.reconnects += 1;
        }
        let cursor = start.cursor.map(|cursor| Id::parse(&cursor).unwrap());
        stream.send_first([Event::new(EventName::from_static("connected"), "hi")
            .id(cursor)
            .encode()]);
        let mut decoder = Decoder::new();
        decoder.push(b"");
        let ephemeral = self.oracle.ephemeral;
        client.connection = Some(Connection {
            stream,
            decoder,
            ephemeral,
            connected: false,
            breaks,
        });
    }

    /// Lets a client read up to `batches` batches, and cuts the connection at any byte of the last
    /// one if `cut` is true.
    fn read(&mut self, nth: usize, mut batches: usize, cut: bool) {
        while batches > 0 {
            batches -= 1;
            let Some(connection) = &mut self.clients[nth].connection else {
                return;
            };
            let mut frames = Vec::new();
            let mut cx = Context::from_waker(Waker::noop());
            match connection.stream.poll_frames(&mut cx, &mut frames) {
                Poll::Pending => break,
                Poll::Ready(Step::End { reconnect }) => {
                    assert!(
                        reconnect
                            && connection.breaks.is_none_or(
                                |breaks| breaks < self.breaking.as_ref().unwrap().breaks
                            )
                    );
                    self.clients[nth].sent_away += 1;
                    self.clients[nth].connection = None;
                    return;
                }
                Poll::Ready(Step::Killed) => panic!("nobody killed this stream"),
                Poll::Ready(Step::Frames) => {}
            }
            let bytes: Vec<u8> = frames
                .iter()
                .flat_map(|frame| frame.block().to_vec())
                .collect();
            let arrives = if cut && batches == 0 {
                self.rng.random_range(0..=bytes.len())
            } else {
                bytes.len()
            };
            connection.decoder.push(&bytes[..arrives]);
            while let Some(item) = self.clients[nth]
                .connection
                .as_mut()
                .and_then(|one| one.decoder.next())
            {
                match item.unwrap() {
                    Decoded::Event(message) => self.judge(nth, &message),
                    Decoded::Retry(time) => assert!((500..=5_000).contains(&time.as_millis())),
                    Decoded::Comment(_) => {}
                }
            }
        }
        if cut {
            self.clients[nth].connection = None;
        }
    }

    /// Compares one event with what the oracle says must come next.
    fn judge(&mut self, nth: usize, message: &Message) {
        let client = &mut self.clients[nth];
        let connection = client.connection.as_mut().unwrap();
        let cursor = std::mem::replace(&mut client.last_id, message.id.clone());
        let breaks = self.breaking.as_ref().map_or(0, |breaking| breaking.breaks);
        let is_of_log = |id: &str| {
            self.breaking
                .as_ref()
                .is_none_or(|breaking| breaking.is_of_log(id))
        };
        match message.event.as_str() {
            "connected" => {
                assert!(!connection.connected, "said once");
                connection.connected = true;
                if !message.id.is_empty() && client.received == 0 && client.seen == 0 {
                    client.seen = number(&message.id);
                }
            }
            "ephemeral" => {
                let number: u64 = message.data.parse().unwrap();
                assert!(number > connection.ephemeral, "never old, never twice");
                connection.ephemeral = number;
            }
            "reset" => {
                if connection.breaks == Some(breaks) && is_of_log(&cursor) {
                    assert_eq!(message.data, "trimmed");
                    assert!(
                        client.seen < self.oracle.floor(&client.topics),
                        "nothing of it was trimmed"
                    );
                } else if connection.breaks == Some(breaks) {
                    assert_eq!(message.data, "ahead");
                }
                client.seen = number(&message.id);
                client.resets += 1;
                client.ahead += usize::from(message.data == "ahead");
            }
            "ending" => assert_eq!(message.data, "journal_unavailable"),
            "stored" => {
                let position = number(&message.id);
                let shown = self
                    .shown
                    .entry(message.id.clone())
                    .or_insert_with(|| message.data.clone());
                assert_eq!(*shown, message.data, "one id, one event, for ever");
                if !is_of_log(&message.id) {
                    assert!(
                        connection.breaks.is_none_or(|on| on < breaks),
                        "{} is not in the log",
                        message.id
                    );
                    client.seen = position;
                    client.lost += 1;
                    return;
                }
                assert_eq!(
                    self.oracle.published[usize::try_from(position - 1).unwrap()].data,
                    message.data
                );
                assert!(
                    !self.oracle.erased.contains(&position),
                    "{position} was erased before it was taken"
                );
                assert!(
                    position > client.seen,
                    "{position} came twice or out of order, after {}",
                    client.seen
                );
                assert!(
                    self.oracle.stands_in(position, &client.topics),
                    "{position} is in none of its topics"
                );
                for skipped in client.seen + 1..position {
                    let missed = self.oracle.stands_in(skipped, &client.topics)
                        && !self.oracle.superseded(skipped);
                    assert!(!missed, "{skipped} was skipped before {position}");
                }
                client.seen = position;
                client.received += 1;
            }
            other => panic!("{other}"),
        }
    }

    /// Reconnects every client and lets it read to the end. Nothing may be missing.
    async fn settle(&mut self) {
        self.catch_up().await;
        for nth in 0..self.clients.len() {
            self.read(nth, usize::MAX, false);
            if self.clients[nth].connection.is_none() {
                self.connect(nth).await;
            }
            self.read(nth, usize::MAX, false);
            let client = &self.clients[nth];
            for position in client.seen + 1..=self.oracle.head() {
                assert!(
                    !self.oracle.stands_in(position, &client.topics),
                    "{position} never arrived"
                );
            }
        }
    }
}

fn record(publication: Publication) -> Record {
    let Publication {
        topics,
        event,
        key,
        ends_key,
        data,
    } = publication;
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

async fn run(seed: u64, reconnects: usize, breaks: bool) -> World {
    let retention = Retention {
        max_events: KEPT,
        ..Retention::default()
    };
    let log = breaks.then(|| LogCopy::new(retention.clone()));
    let journal: Arc<dyn Journal> = match &log {
        Some(log) => log.clone(),
        None => Arc::new(Memory::new(retention)),
    };
    let (hub, runner) = hub_over(journal);
    let running = tokio::spawn(runner.run());
    let mut world = World::new(hub, log.map(Breaking::new), seed);
    while world.reconnects < reconnects {
        let nth = world.rng.random_range(0..world.clients.len());
        match world.rng.random_range(0..10) {
            0..=2 => world.publish(1).await,
            3 if breaks && world.rng.random_bool(0.5) => world.elsewhere().await,
            3 if !breaks && world.rng.random_bool(0.2) => world.erase().await,
            3 => world.publish_ephemeral(),
            4..=6 if world.clients[nth].connection.is_none() => world.connect(nth).await,
            4..=6 => {
                let batches = world.rng.random_range(1..4);
                world.read(nth, batches, false);
            }
            7 => {
                // A burst, so that clients fall behind the ring, and sometimes behind the log.
                let events = world.rng.random_range(0..30);
                if world.rng.random_bool(0.5) {
                    world.publish(events).await;
                } else {
                    for _ in 0..events {
                        world.publish(1).await;
                    }
                }
            }
            _ => {
                let batches = world.rng.random_range(1..6);
                world.read(nth, batches, true);
            }
        }
    }
    world.settle().await;
    match &world.breaking {
        Some(breaking) => {
            breaking.log.end();
            running.await.unwrap();
        }
        None => running.abort(),
    }
    world
}

#[tokio::test]
async fn ten_thousand_random_reconnects_lose_and_repeat_nothing() {
    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..40 {
        // Streams are polled by hand with a waker that does nothing, so nothing may be pending only
        // because the task's budget is used up.
        let world = tokio::task::coop::unconstrained(run(seed, 250, false)).await;
        *totals.entry("reconnects").or_default() += world.reconnects;
        *totals.entry("erased").or_default() += world.oracle.erased.len();
        *totals.entry("resets").or_default() += world
            .clients
            .iter()
            .map(|client| client.resets)
            .sum::<usize>();
        *totals.entry("received").or_default() += world
            .clients
            .iter()
            .map(|client| client.received)
            .sum::<usize>();
    }
    // The test proves something only if the difficult cases occurred.
    assert!(totals["reconnects"] >= 10_000, "{totals:?}");
    assert!(totals["resets"] >= 500, "{totals:?}");
    assert!(totals["erased"] >= 2_000, "{totals:?}");
    assert!(totals["received"] >= 20_000, "{totals:?}");
}

#[tokio::test]
async fn when_the_log_loses_its_end_only_clients_that_saw_it_are_told() {
    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..40 {
        let world = tokio::task::coop::unconstrained(run(seed, 250, true)).await;
        let sum = |of: fn(&Client) -> usize| world.clients.iter().map(of).sum::<usize>();
        *totals.entry("reconnects").or_default() += world.reconnects;
        *totals.entry("breaks").or_default() += world.breaking.as_ref().unwrap().breaks;
        *totals.entry("epochs").or_default() += world.breaking.as_ref().unwrap().epochs.len();
        *totals.entry("resets").or_default() += sum(|client| client.resets);
        *totals.entry("received").or_default() += sum(|client| client.received);
        *totals.entry("ahead").or_default() += sum(|client| client.ahead);
        *totals.entry("lost").or_default() += sum(|client| client.lost);
        *totals.entry("sent away").or_default() += sum(|client| client.sent_away);
    }
    assert!(totals["reconnects"] >= 10_000, "{totals:?}");
    assert!(
        totals["breaks"] >= 500 && totals["epochs"] >= 1_000,
        "{totals:?}"
    );
    assert!(totals["ahead"] >= 500, "{totals:?}");
    assert!(
        totals["lost"] >= 50,
        "some clients received events that were lost already: {totals:?}"
    );
    assert!(
        totals["sent away"] >= 1_000 && totals["received"] >= 20_000,
        "{totals:?}"
    );
}

#[tokio::test]
async fn a_thousand_readers_of_one_topic_get_the_same_events_in_the_same_order() {
    let (hub, runner) = hub();
    let running = tokio::spawn(runner.run());
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let request = Subscribe {
            topics: vec![topic("a")],
            after: After::Now,
            snapshot: false,
            user: None,
            counted_as: &["test"],
            address: None,
            limit_address: false,
            heartbeat: HeartbeatStyle::Event,
            expires_at_ms: None,
        };
        let (mut stream, _) = hub.subscribe(request).await.unwrap();
        readers.spawn(async move {
            let (mut decoder, mut data) = (Decoder::new(), Vec::new());
            while data.len() < 200 {
                for frame in stream.next().await.unwrap() {
                    decoder.push(frame.block());
                }
                for item in decoder.by_ref() {
                    if let Decoded::Event(message) = item.unwrap() {
                        data.push(message.data);
                    }
                }
            }
            data
        });
    }
    for n in 0..200 {
        let event = EventName::from_static("stored");
        hub.publish(
            vec![Publication::new([topic("a")], event, n.to_string())],
            None,
            None,
        )
        .await
        .unwrap();
        tokio::task::yield_now().await;
    }
    let expected: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    while let Some(data) = readers.join_next().await {
        assert_eq!(data.unwrap(), expected);
    }
    assert_eq!(hub.connections().stats().total, 0);
    running.abort();
}

#[tokio::test]
async fn a_publish_fails_instead_of_waiting_once_the_runner_has_stopped() {
    let journal: Arc<dyn Journal> = Arc::new(Memory::new(Retention::default()));
    let (hub, runner) = hub_over(journal.clone());
    let event = EventName::from_static("stored");
    let publication = Publication::new([topic("a")], event, "");
    // Entries of another server come first, and only the runner delivers those.
    let record = Record {
        topics: [topic("a")].into(),
        event: "stored".into(),
        key: None,
        data: "".into(),
        at_ms: 0,
        ends_key: false,
    };
    journal.append(vec![record].into()).await.unwrap();
    let waiting = tokio::spawn({
        let (hub, publication) = (hub.clone(), publication.clone());
        async move { hub.publish(vec![publication], None, None).await }
    });
    tokio::task::yield_now().await; // the event is in the journal, and nothing delivers it
    assert!(!waiting.is_finished());
    drop(runner);
    assert!(waiting.await.unwrap().is_err());
    assert!(hub.publish(vec![publication], None, None).await.is_err());
}

struct Numbered(u64, Vec<TopicName>);

impl Delivery for Numbered {
    fn topics(&self) -> &[TopicName] {
        &self.1
    }

    fn position(&self) -> Option<Position> {
        Some(Position::new(self.0))
    }

    fn encode(&self) -> Option<Frame> {
        Some(Event::new(EventName::from_static("e"), self.0.to_string()).encode())
    }
}

#[test]
fn a_batch_that_is_cut_by_its_size_continues_at_the_cut_in_every_topic() {
    let mut rng = StdRng::seed_from_u64(7);
    let topics: Vec<_> = TOPICS.iter().map(|name| topic(name)).collect();
    let fanout = Arc::new(Fanout::new(Position::START, RingLimits::default()));
    let mut cursor = Cursor::at_head(fanout.clone(), &topics);
    let (mut next, mut taken) = (1, Vec::new());
    for _ in 0..2_000 {
        let batch: Vec<_> = (0..rng.random_range(0..6))
            .map(|_| {
                let of_it = topics
                    .iter()
                    .filter(|_| rng.random_bool(0.5))
                    .cloned()
                    .collect();
                next += 1;
                Numbered(next - 1, of_it)
            })
            .collect();
        fanout.deliver(batch, 0);
        let mut frames = Vec::new();
        let max_bytes = rng.random_range(1..200);
        if cursor
            .poll_take(
                &mut Context::from_waker(Waker::noop()),
                &mut frames,
                max_bytes,
            )
            .is_ready()
        {
            taken.extend(frames);
        }
    }
    while cursor
        .poll_take(&mut Context::from_waker(Waker::noop()), &mut taken, 100)
        .is_ready()
    {}
    let mut decoder = Decoder::new();
    for frame in &taken {
        decoder.push(frame.block());
    }
    let numbers: Vec<u64> = decoder
        .filter_map(|item| match item.unwrap() {
            Decoded::Event(message) => Some(message.data.parse().unwrap()),
            _ => None,
        })
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "in order, each once");
    let none_of_it = (1..next)
        .filter(|number| numbers.binary_search(number).is_err())
        .count();
    // An event stands in none of five topics one time in 32.
    assert!(
        none_of_it < usize::try_from(next).unwrap() / 20,
        "{none_of_it} of {next} are missing"
    );
}
