//! Tests of the folds of the server's own topics: they begin with what the log holds, entries are
//! applied before they are visible, and keys expire by log time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tidings_hub::{
    Clock, Ending, Fold, Hub, KeyedState, Options, Presence, Reset, RingLimits, Runner,
    StreamLimits, Value, Wording,
};
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{
    Append, Appended, Bounds, Condition, Earlier, Entry, Epochs, Error, EventId, Holding, Journal,
    Limit, Page, Position, Record, Selector, StoredReceipt, Tail, TopicName,
};
use tidings_sse::Frame;
use tokio::sync::Semaphore;

struct Silent;

impl Wording for Silent {
    fn heartbeat(&self, _: i64) -> Frame {
        Frame::comment()
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

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

/// Creates a hub over `journal`. Its wall clock is the runtime's clock, which may be paused, plus
/// `set`.
fn hub(
    journal: Arc<dyn Journal>,
    folds: Vec<Arc<dyn Fold>>,
    set: &Arc<AtomicI64>,
) -> (Hub, Runner) {
    let (start, set) = (tokio::time::Instant::now(), set.clone());
    let passed = move || i64::try_from(start.elapsed().as_millis()).unwrap();
    let wall = move || Timestamp::from_millisecond(set.load(Ordering::SeqCst) + passed()).unwrap();
    let options = Options {
        heartbeat_interval: Duration::from_hours(1_000),
        write_timeout: Duration::from_hours(1),
        max_lag_bytes: usize::MAX,
        max_age: None,
        streams: StreamLimits {
            total: 100,
            per_user: 100,
            per_address: 100,
        },
        ring: RingLimits {
            events: 4,
            bytes: 1 << 20,
            age: Duration::from_secs(10),
        },
        presence: Arc::new(Presence::new(topic("rooms"), Duration::from_mins(1))),
        folds,
    };
    Hub::new(
        journal,
        options,
        Arc::new(Silent),
        Clock::from_fns(wall, passed),
    )
}

fn now() -> Arc<AtomicI64> {
    Arc::new(AtomicI64::new(1_800_000_000_000))
}

fn record(name: &str, key: &str, data: &str, ends_key: bool) -> Record {
    Record {
        topics: [topic(name)].into(),
        event: "e".into(),
        key: Some(key.into()),
        data: data.to_owned().into(),
        at_ms: 0,
        ends_key,
    }
}

async fn append(
    journal: &dyn Journal,
    record: Record,
    condition: Option<Condition>,
    hub: &Hub,
) -> Appended {
    let append = Append::from(vec![record]).when(condition).at(hub.log_ms());
    journal.append(append).await.unwrap()
}

/// Waits until `hub` shows all that its journal has.
async fn caught_up(hub: &Hub, journal: &dyn Journal) {
    while hub.head().position < journal.head() {
        tokio::task::yield_now().await;
    }
}

/// A fold that records what it was given, and fails if an entry was visible before that.
struct Recorder {
    topics: [TopicName; 2],
    begun: Mutex<Vec<(u64, Vec<u64>)>>,
    applied: Mutex<Vec<u64>>,
    hub: OnceLock<Hub>,
}

impl Recorder {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            topics: [topic("_a"), topic("system/b")],
            begun: Mutex::default(),
            applied: Mutex::default(),
            hub: OnceLock::new(),
        })
    }
}

impl Fold for Recorder {
    fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    fn begin(&self, generation: u64, keyed: &[Arc<Entry>]) {
        let positions = keyed.iter().map(|entry| entry.id.position.get()).collect();
        self.begun.lock().push((generation, positions));
        self.applied.lock().clear();
    }

    fn apply(&self, entry: &Arc<Entry>) {
        let visible = self.hub.get().unwrap().head().position;
        assert!(
            visible < entry.id.position,
            "{visible:?} was visible before {:?} was applied",
            entry.id.position
        );
        self.applied.lock().push(entry.id.position.get());
    }
}

#[tokio::test]
async fn a_fold_begins_with_the_live_entries_and_gets_each_later_one_once_in_order_before_it_is_visible()
 {
    let journal = Arc::new(Memory::new(Retention::default()));
    let before = [
        record("_a", "k", "superseded", false),
        record("_a", "l", "live", false),
        record("a", "k", "a user's", false),
        record("_a", "k", "live", false),
        record("system/b", "k", "live", false),
        record("_a", "m", "ended", false),
        record("_a", "m", "", true),
    ];
    for record in before {
        journal.append(vec![record].into()).await.unwrap();
    }
    let recorder = Recorder::new();
    let (hub, runner) = hub(journal.clone(), vec![recorder.clone()], &now());
    recorder.hub.set(hub.clone()).ok().unwrap();
    // The tail returns this entry, and the read with which the folds begin may return it too.
    journal
        .append(vec![record("_a", "l", "superseded meanwhile", false)].into())
        .await
        .unwrap();
    let running = tokio::spawn(runner.run());
    hub.folds_ready().await.unwrap();
    assert_eq!(*recorder.applied.lock(), [8]);
    let appending = (0..4).map(|nth| {
        let journal = journal.clone();
        tokio::spawn(async move {
            for n in 0..200 {
                let name = ["_a", "system/b", "a", "_c"][(n + nth) % 4];
                journal
                    .append(vec![record(name, &n.to_string(), "", n % 7 == 0)].into())
                    .await
                    .unwrap();
                tokio::task::yield_now().await;
            }
        })
    });
    for task in appending.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    caught_up(&hub, &*journal).await;
    let begun = recorder.begun.lock().clone();
    assert_eq!(
        begun,
        [(1, vec![4, 5])],
        "position 2 was superseded before anything was delivered"
    );
    let of_both = Selector::topics([topic("_a"), topic("system/b")]);
    let all = journal.read(&of_both, Position::new(7), journal.head(), Limit::NONE);
    let applied = recorder.applied.lock().clone();
    assert!(applied.is_sorted_by(|one, next| one < next), "{applied:?}");
    let kept: Vec<_> = all
        .await
        .unwrap()
        .entries
        .iter()
        .map(|entry| entry.id.position.get())
        .collect();
    assert!(kept.iter().all(|position| applied.contains(position)));
    assert_eq!(
        applied.len(),
        401,
        "those of two of the four topics, and the one before them"
    );
    running.abort();
}

/// A journal whose keyed entries can be read when the test opens the gate, after a number of
/// failures.
struct Gated {
    journal: Memory,
    gate: Semaphore,
    fails: AtomicUsize,
}

#[async_trait::async_trait]
impl Journal for Gated {
    fn epochs(&self) -> Arc<Epochs> {
        self.journal.epochs()
    }

    fn head(&self) -> Position {
        self.journal.head()
    }

    async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.journal.append(append).await
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, Error> {
        self.journal.receipt(key).await
    }

    fn tail(&self) -> Box<dyn Tail> {
        self.journal.tail()
    }

    async fn read(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        self.journal.read(selector, after, until, limit).await
    }

    async fn read_keyed(
        &self,
        of: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        self.gate.acquire().await.unwrap().forget();
        if self
            .fails
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok()
        {
            return Err(Error::Unreadable("the test says so".to_owned()));
        }
        self.journal.read_keyed(of, after, until, limit).await
    }

    async fn read_before(
        &self,
        of: &Selector,
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error> {
        self.journal.read_before(of, before, limit).await
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        self.journal.oldest(selector).await
    }

    fn floor(&self, selector: &Selector) -> Position {
        self.journal.floor(selector)
    }

    fn knows(&self, topic: &TopicName) -> bool {
        self.journal.knows(topic)
    }

    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        self.journal.topics(prefix, after, most)
    }

    async fn erase(
        &self,
        topics: &[TopicName],
        until: EventId,
    ) -> Result<Vec<(TopicName, Position)>, Error> {
        self.journal.erase(topics, until).await
    }

    fn expire(&self, now_ms: i64) {
        self.journal.expire(now_ms);
    }

    fn log_ms(&self) -> i64 {
        self.journal.log_ms()
    }

    fn health(&self) -> Result<(), Error> {
        self.journal.health()
    }

    async fn close(&self) {
        self.journal.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_delivered_before_the_folds_have_begun_and_failed_reads_are_retried() {
    let (gate, fails) = (Semaphore::new(0), AtomicUsize::new(3));
    let journal = Arc::new(Gated {
        journal: Memory::new(Retention::default()),
        gate,
        fails,
    });
    journal
        .append(vec![record("_a", "k", "", false)].into())
        .await
        .unwrap();
    let recorder = Recorder::new();
    let (hub, runner) = hub(journal.clone(), vec![recorder.clone()], &now());
    recorder.hub.set(hub.clone()).ok().unwrap();
    let running = tokio::spawn(runner.run());
    journal
        .append(vec![record("a", "k", "", false)].into())
        .await
        .unwrap();
    let asked = tokio::time::Instant::now();
    let begun = hub.folds_ready().await;
    assert!(
        matches!(begun, Err(Error::Uncertain(_))),
        "the wait has a timeout: {begun:?}"
    );
    assert!(asked.elapsed() < Duration::from_mins(1) && recorder.begun.lock().is_empty());
    assert_eq!(
        hub.head().position,
        Position::new(1),
        "a reader would see it before the keys before it are known"
    );
    journal.gate.add_permits(100);
    hub.folds_ready().await.unwrap();
    assert_eq!(hub.head().position, Position::new(2));
    assert_eq!(*recorder.begun.lock(), [(1, vec![1])]);
    running.abort();
}

#[tokio::test]
async fn a_caller_that_waits_for_folds_gets_an_error_when_the_hub_has_stopped() {
    let journal = Arc::new(Memory::new(Retention::default()));
    let (hub, runner) = hub(journal, vec![Recorder::new()], &now());
    let begun = tokio::spawn({
        let hub = hub.clone();
        async move { hub.folds_ready().await }
    });
    tokio::task::yield_now().await;
    drop(runner);
    assert!(begun.await.unwrap().is_err());
    assert!(hub.folds_ready().await.is_err());
}

/// Tickets: the value is the user who has used the ticket, or empty.
type Tickets = KeyedState<String>;

fn tickets() -> Arc<Tickets> {
    let read = |record: &Record| {
        let text = std::str::from_utf8(&record.data).ok()?;
        let (ends, user) = text.split_once(' ')?;
        Some(Value {
            value: user.to_owned(),
            expires_at_ms: Some(ends.parse().ok()?),
        })
    };
    Arc::new(KeyedState::new(topic("_tickets"), read))
}

/// Two servers over one log, and their copies of the tickets.
struct Two {
    journal: Arc<Memory>,
    hubs: [Hub; 2],
    tickets: [Arc<Tickets>; 2],
    set: Arc<AtomicI64>,
}

impl Two {
    async fn new() -> Self {
        let journal = Arc::new(Memory::new(Retention::default()));
        let (set, tickets) = (now(), [tickets(), tickets()]);
        let hubs = [0, 1].map(|nth: usize| {
            let (hub, runner) = hub(journal.clone(), vec![tickets[nth].clone()], &set);
            tokio::spawn(runner.run());
            hub
        });
        for hub in &hubs {
            hub.folds_ready().await.unwrap();
        }
        Self {
            journal,
            hubs,
            tickets,
            set,
        }
    }

    async fn make(&self, nth: usize, key: &str) -> Appended {
        let ends = self.hubs[nth].log_ms() + 60_000;
        let ticket = record("_tickets", key, &format!("{ends} "), false);
        let condition = self.tickets[nth].absent(key);
        append(&*self.journal, ticket, Some(condition), &self.hubs[nth]).await
    }

    async fn use_once(&self, nth: usize, key: &str, user: &str, read: Position) -> Appended {
        let ends = self.hubs[nth].log_ms() + 3_600_000;
        let used = record("_tickets", key, &format!("{ends} {user}"), false);
        let condition = self.tickets[nth].current(key, read);
        append(&*self.journal, used, Some(condition), &self.hubs[nth]).await
    }

    async fn caught_up(&self) {
        for hub in &self.hubs {
            caught_up(hub, &*self.journal).await;
        }
    }

    fn get(&self, nth: usize, key: &str) -> Option<String> {
        self.tickets[nth]
            .get(key, self.hubs[nth].log_ms())
            .map(|held| held.value)
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_servers_that_create_or_use_a_ticket_one_succeeds_and_both_agree() {
    let two = Two::new().await;
    assert!(matches!(two.make(0, "t").await, Appended::New(_)));
    assert!(matches!(two.make(1, "t").await, Appended::Refused(_)));
    two.caught_up().await;
    let read = two.tickets[0]
        .get("t", two.hubs[0].log_ms())
        .unwrap()
        .position;
    assert_eq!(
        two.tickets[1]
            .get("t", two.hubs[1].log_ms())
            .unwrap()
            .position,
        read
    );
    assert!(matches!(
        two.use_once(1, "t", "bob", read).await,
        Appended::New(_)
    ));
    assert!(
        matches!(
            two.use_once(0, "t", "ann", read).await,
            Appended::Refused(_)
        ),
        "it was used"
    );
    two.caught_up().await;
    assert_eq!(
        [two.get(0, "t"), two.get(1, "t")],
        [Some("bob".to_owned()), Some("bob".to_owned())]
    );
    let used = two.tickets[0]
        .get("t", two.hubs[0].log_ms())
        .unwrap()
        .position;
    let ended = append(
        &*two.journal,
        record("_tickets", "t", "", true),
        Some(two.tickets[0].current("t", used)),
        &two.hubs[0],
    );
    assert!(matches!(ended.await, Appended::New(_)));
    two.caught_up().await;
    assert_eq!([two.get(0, "t"), two.get(1, "t")], [None, None]);
    assert!(two.tickets.iter().all(|tickets| tickets.is_empty()));
    assert!(
        matches!(two.make(1, "t").await, Appended::New(_)),
        "its key is free again"
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_value_is_not_found_and_one_of_two_servers_ends_its_key() {
    let two = Two::new().await;
    for nth in 0..300 {
        assert!(matches!(
            two.make(nth % 2, &nth.to_string()).await,
            Appended::New(_)
        ));
    }
    two.caught_up().await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(two.tickets[0].all(two.hubs[0].log_ms()).len(), 300);
    two.set.fetch_add(86_400_000, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(
        two.get(0, "7").is_some(),
        "a clock was set, and no time has passed"
    );
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!([two.get(0, "7"), two.get(1, "7")], [None, None]);
    while two.tickets.iter().any(|tickets| !tickets.is_empty()) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    two.caught_up().await;
    let of_tickets = Selector::topics([topic("_tickets")]);
    let all = two.journal.read(
        &of_tickets,
        Position::START,
        two.journal.head(),
        Limit::NONE,
    );
    let entries = all.await.unwrap().entries;
    assert!(entries.iter().all(|entry| entry.record.ends_key));
    assert_eq!(entries.len(), 300, "each was ended once");
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_was_replaced_is_not_ended_because_its_earlier_value_expired() {
    let two = Two::new().await;
    two.make(0, "t").await;
    two.caught_up().await;
    let expired = two.tickets[0].expired(i64::MAX, 10);
    assert_eq!(expired.len(), 1);
    let read = expired[0].position;
    assert!(matches!(
        two.use_once(1, "t", "bob", read).await,
        Appended::New(_)
    ));
    let end = two.tickets[0].current("t", read);
    let late = append(
        &*two.journal,
        record("_tickets", "t", "", true),
        Some(end),
        &two.hubs[0],
    )
    .await;
    assert!(matches!(late, Appended::Refused(_)));
    two.caught_up().await;
    assert_eq!(two.get(0, "t"), Some("bob".to_owned()));
}

#[tokio::test]
async fn users_keys_take_no_space_from_the_servers_topics_and_each_of_those_has_a_limit() {
    let bounds = Bounds::of_each(1_000);
    let journal = Arc::new(Memory::new(Retention {
        bounds,
        max_events: 10,
        ..Retention::default()
    }));
    let read = |record: &Record| {
        Some(Value {
            value: record.data.clone(),
            expires_at_ms: None,
        })
    };
    let revoked = Arc::new(KeyedState::new(topic("_revoked"), read));
    let (hub, runner) = hub(journal.clone(), vec![revoked.clone()], &now());
    let running = tokio::spawn(runner.run());
    let mut outcomes = [0; 4];
    for nth in 0..2_000 {
        let key = nth.to_string();
        let of_user = record(&format!("room/{}", nth % 50), &key, "x", false);
        let of_server = record("_revoked", &key, &key, false);
        for (place, record) in [(0, of_user), (2, of_server)] {
            match append(&*journal, record, None, &hub).await {
                Appended::New(_) => outcomes[place] += 1,
                Appended::Full(_) => outcomes[place + 1] += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(outcomes, [1_000; 4]);
    caught_up(&hub, &*journal).await;
    let all_there = |revoked: &KeyedState<_>| {
        (0..1_000).all(|nth| {
            revoked
                .get(&nth.to_string(), 0)
                .is_some_and(|held| held.value == nth.to_string())
        })
    };
    assert!(all_there(&revoked) && revoked.len() == 1_000);
    running.abort();
    // A server that starts now finds all of them too.
    let again = Arc::new(KeyedState::new(topic("_revoked"), read));
    let (hub, runner) = self::hub(journal, vec![again.clone()], &now());
    tokio::spawn(runner.run());
    hub.folds_ready().await.unwrap();
    assert!(all_there(&again) && again.len() == 1_000);
}
