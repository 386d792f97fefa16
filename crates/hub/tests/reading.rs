//! Tests of reads of the journal for many clients at once: their limit, their cache, and their
//! errors.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidings_hub::{
    After, Before, Clock, Ending, HeartbeatStyle, Hub, MAX_DATA_BYTES, Options, Presence,
    Publication, Published, RefusalReason, Reset, RingLimits, Runner, StreamLimits, Subscribe,
    SubscribeError, Wording,
};
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{
    Append, Appended, Earlier, Epochs, Error, EventId, Holding, Journal, Limit, Page, Position,
    Record, Selector, StoredReceipt, Tail, TopicName,
};
use tidings_sse::{EventName, Frame};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

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

/// A journal whose reads return when the test opens the gate.
struct Gated {
    journal: Memory,
    gate: Semaphore,
    reading: AtomicUsize,
    most: AtomicUsize,
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
        let reading = self.reading.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(reading, Ordering::SeqCst);
        let page = self.journal.read(selector, after, until, limit).await;
        self.gate.acquire().await.unwrap().forget();
        self.reading.fetch_sub(1, Ordering::SeqCst);
        page
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        self.journal.oldest(selector).await
    }

    fn floor(&self, selector: &Selector) -> Position {
        self.journal.floor(selector)
    }

    async fn read_before(
        &self,
        of: &Selector,
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error> {
        self.reading.fetch_add(1, Ordering::SeqCst);
        let page = self.journal.read_before(of, before, limit).await;
        self.gate.acquire().await.unwrap().forget();
        self.reading.fetch_sub(1, Ordering::SeqCst);
        page
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

    fn knows(&self, topic: &TopicName) -> bool {
        self.journal.knows(topic)
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

fn topic() -> TopicName {
    TopicName::parse("a").unwrap()
}

async fn publish(hub: &Hub, topic: TopicName) -> EventId {
    let publication = Publication::new([topic], EventName::from_static("event"), "{}");
    match hub.publish(vec![publication], None, None).await.unwrap() {
        Published::New(id) => id,
        other => panic!("{other:?}"),
    }
}

fn hub(journal: Arc<dyn Journal>) -> (Hub, Runner) {
    let options = Options {
        heartbeat_interval: Duration::from_secs(25),
        write_timeout: Duration::from_secs(30),
        max_lag_bytes: 1 << 20,
        max_age: None,
        streams: StreamLimits::default(),
        ring: RingLimits::default(),
        presence: Arc::new(Presence::new(topic(), Duration::from_mins(1))),
        folds: Vec::new(),
    };
    Hub::new(journal, options, Arc::new(Silent), Clock::system())
}

fn subscribe(after: After) -> Subscribe {
    Subscribe {
        topics: vec![topic()],
        after,
        snapshot: false,
        user: None,
        counted_as: &["a"],
        address: None,
        limit_address: false,
        heartbeat: HeartbeatStyle::Event,
        expires_at_ms: None,
    }
}

#[tokio::test]
async fn replays_and_pages_share_a_limit_of_concurrent_reads() {
    let (gate, zero) = (Semaphore::new(0), || AtomicUsize::new(0));
    let journal = Arc::new(Gated {
        journal: Memory::new(Retention::default()),
        gate,
        reading: zero(),
        most: zero(),
    });
    let (hub, runner) = hub(journal.clone());
    let running = tokio::spawn(runner.run());
    publish(&hub, topic()).await;
    let mut readers = JoinSet::new();
    for nth in 0..200 {
        let hub = hub.clone();
        readers.spawn(async move {
            if nth % 2 == 0 {
                assert_eq!(
                    hub.history(vec![topic()], &After::Earliest, 10)
                        .await
                        .unwrap()
                        .entries
                        .len(),
                    1
                );
            } else {
                // The topic was not followed when the event was published, so no ring has it.
                let (mut stream, _) = hub.subscribe(subscribe(After::Earliest)).await.unwrap();
                assert_eq!(stream.next().await.unwrap().len(), 1);
            }
        });
    }
    while journal.reading.load(Ordering::SeqCst) < 32 {
        tokio::task::yield_now().await;
    }
    journal.gate.add_permits(200);
    readers.join_all().await;
    assert_eq!(journal.most.load(Ordering::SeqCst), 32);
    running.abort();
}

#[tokio::test]
async fn a_read_that_an_erasure_overtakes_returns_no_erased_event() {
    for way in ["forwards", "backwards", "snapshot"] {
        let (gate, zero) = (Semaphore::new(0), || AtomicUsize::new(0));
        let journal = Arc::new(Gated {
            journal: Memory::new(Retention::default()),
            gate,
            reading: zero(),
            most: zero(),
        });
        let (hub, runner) = hub(journal.clone());
        let running = tokio::spawn(runner.run());
        let last = publish(&hub, topic()).await.to_string();
        let reader = hub.clone();
        let shown = tokio::spawn(async move {
            let topics = vec![topic()];
            match way {
                "forwards" => {
                    let history = reader.history(topics, &After::Earliest, 10).await.unwrap();
                    assert_eq!(history.gap, None, "all that is kept was asked for");
                    history.entries.len()
                }
                "backwards" => reader
                    .history_before(topics, &Before::Latest, 10)
                    .await
                    .unwrap()
                    .entries
                    .len(),
                _ => {
                    let request = Subscribe {
                        snapshot: true,
                        ..subscribe(After::Now)
                    };
                    let (mut stream, _) = reader.subscribe(request).await.unwrap();
                    // the last frame says that it is complete
                    stream.next().await.unwrap().len() - 1
                }
            }
        });
        while journal.reading.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        hub.erase([topic()], &last).await.unwrap();
        journal.gate.add_permits(10);
        assert_eq!(shown.await.unwrap(), 0, "{way}");
        running.abort();
    }
}

#[tokio::test]
async fn a_stream_whose_start_can_not_be_read_counts_as_refused_and_not_as_opened() {
    let journal = Arc::new(Memory::new(Retention::default()));
    let (hub, runner) = hub(journal.clone());
    drop(runner); // from now on nothing becomes visible
    let record = Record {
        topics: [topic()].into(),
        event: "event".into(),
        key: None,
        data: "{}".into(),
        at_ms: 0,
        ends_key: false,
    };
    let position = journal
        .append(vec![record].into())
        .await
        .unwrap()
        .first()
        .unwrap();
    let unseen = hub.id_of(position).to_string();
    let refused = hub.subscribe(subscribe(After::Id(unseen))).await;
    assert!(matches!(refused.err(), Some(SubscribeError::Journal(_))));
    let (totals, stats) = (hub.connections().totals(), hub.connections().stats());
    assert_eq!((totals.opened, totals.all_ended(), stats.total), (0, 0, 0));
    assert_eq!(
        (totals.refused(RefusalReason::Journal), totals.all_refused()),
        (1, 1)
    );
}

#[tokio::test]
async fn an_event_too_large_to_be_published_is_replayed_if_an_earlier_version_stored_it() {
    let journal = Arc::new(Memory::new(Retention::default()));
    let (hub, runner) = hub(journal.clone());
    let running = tokio::spawn(runner.run());
    let large: Arc<str> = "x".repeat(MAX_DATA_BYTES + 1).into();
    let data = large.as_bytes().to_vec().into();
    let at_ms = Clock::system().now_ms(); // otherwise it would be trimmed for its age
    let record = Record {
        topics: [topic()].into(),
        event: "event".into(),
        key: None,
        data,
        at_ms,
        ends_key: false,
    };
    let stored = journal
        .append(vec![record].into())
        .await
        .unwrap()
        .first()
        .unwrap();

    let [small, large] = ["{}", &large]
        .map(|data| Publication::new([topic()], EventName::from_static("event"), data));
    let refused = hub.publish(vec![small, large.clone()], None, None).await;
    assert!(matches!(refused, Err(Error::TooLarge(_))), "all or nothing");
    assert!(matches!(
        hub.publish_ephemeral(&large),
        Err(Error::TooLarge(_))
    ));
    assert_eq!(journal.head(), stored);

    let (mut stream, _) = hub.subscribe(subscribe(After::Earliest)).await.unwrap();
    let frames = stream.next().await.unwrap();
    assert_eq!(frames.len(), 1);
    assert!(frames[0].block().len() > MAX_DATA_BYTES);
    running.abort();
}

#[tokio::test]
async fn a_page_is_read_once_for_all_clients_that_missed_part_of_it() {
    let (gate, zero) = (Semaphore::new(0), || AtomicUsize::new(0));
    let journal = Arc::new(Gated {
        journal: Memory::new(Retention::default()),
        gate,
        reading: zero(),
        most: zero(),
    });
    let (hub, runner) = hub(journal.clone());
    let running = tokio::spawn(runner.run());
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(publish(&hub, topic()).await);
    }
    let read = async |after: After| {
        let (mut stream, _) = hub.subscribe(subscribe(after)).await.unwrap();
        stream.next().await.unwrap().len()
    };
    journal.gate.add_permits(100);
    assert_eq!(read(After::Earliest).await, 50);
    for nth in [0, 10, 48] {
        assert_eq!(read(After::Id(ids[nth].to_string())).await, 49 - nth);
    }
    assert_eq!(journal.gate.available_permits(), 99);
    running.abort();
}

#[tokio::test]
async fn an_empty_page_is_read_once_for_all_clients_that_reconnect_to_a_quiet_topic() {
    let (gate, zero) = (Semaphore::new(0), || AtomicUsize::new(0));
    let journal = Arc::new(Gated {
        journal: Memory::new(Retention::default()),
        gate,
        reading: zero(),
        most: zero(),
    });
    let (hub, runner) = hub(journal.clone());
    let running = tokio::spawn(runner.run());
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(publish(&hub, TopicName::parse("busy").unwrap()).await);
    }
    journal.gate.add_permits(100);
    for nth in [10, 11, 30, 48] {
        let (mut stream, _) = hub
            .subscribe(subscribe(After::Id(ids[nth].to_string())))
            .await
            .unwrap();
        assert!(stream.is_behind(), "nobody follows the topic any more");
        while stream.is_behind() {
            tokio::select! {
                biased;
                frames = stream.next() => panic!("nothing was missed, and yet there were \
                                                  {frames:?}"),
                () = std::future::ready(()) => {}
            }
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(journal.gate.available_permits(), 99);
    running.abort();
}

#[tokio::test]
async fn a_stream_yields_a_few_times_if_several_events_wait_and_never_for_one() {
    let (hub, runner) = hub(Arc::new(Memory::new(Retention::default())));
    let running = tokio::spawn(runner.run());
    let (mut stream, _) = hub.subscribe(subscribe(After::Now)).await.unwrap();
    for events in [1, 2] {
        for _ in 0..events {
            publish(&hub, topic()).await;
        }
        let waits = (0..).take_while(|_| stream.should_yield()).take(10).count();
        assert_eq!(waits, if events == 1 { 0 } else { 3 });
        assert_eq!(stream.next().await.unwrap().len(), events);
        assert!(!stream.should_yield(), "nothing is left to wait for");
    }
    running.abort();
}
