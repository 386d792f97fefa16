//! Tests of batches, and of what the log decides about them, with one hub and with two over one
//! log.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tidings_hub::{
    After, Clock, Ending, HeartbeatStyle, Hub, Options, Presence, Publication, Published, Reset,
    RingLimits, Runner, Step, StreamLimits, Subscribe, Subscription, Wording,
};
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{
    Bounds, Condition, EventId, Journal, Position, Receipt, StoredReceipt, TopicName,
};
use tidings_sse::{Decoded, Decoder, EventName, Frame};
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

/// Counts the times that it was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn memory() -> Arc<dyn Journal> {
    Arc::new(Memory::new(Retention::default()))
}

fn hub(journal: &Arc<dyn Journal>) -> (Hub, Runner) {
    let options = Options {
        heartbeat_interval: Duration::from_hours(1),
        write_timeout: Duration::from_hours(1),
        max_lag_bytes: usize::MAX,
        max_age: None,
        streams: StreamLimits::default(),
        ring: RingLimits::default(),
        presence: Arc::new(Presence::new(topic("chat"), Duration::from_mins(1))),
        folds: Vec::new(),
    };
    Hub::new(journal.clone(), options, Arc::new(Silent), Clock::system())
}

fn running(journal: &Arc<dyn Journal>) -> Hub {
    let (hub, runner) = hub(journal);
    tokio::spawn(runner.run());
    hub
}

fn event(name: &str, data: &str) -> Publication {
    Publication::new([topic(name)], EventName::from_static("event"), data)
}

fn receipt(key: &str, value: &str) -> Receipt {
    Receipt {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        lives: Duration::from_mins(5),
    }
}

async fn subscribe(hub: &Hub, topics: &[&str]) -> Subscription {
    let request = Subscribe {
        topics: topics.iter().map(|name| topic(name)).collect(),
        after: After::Now,
        snapshot: false,
        user: None,
        counted_as: &["test"],
        address: None,
        limit_address: false,
        heartbeat: HeartbeatStyle::Event,
        expires_at_ms: None,
    };
    hub.subscribe(request).await.unwrap().0
}

async fn kept(hub: &Hub, name: &str) -> Vec<String> {
    let history = hub
        .history(vec![topic(name)], &After::Earliest, usize::MAX)
        .await
        .unwrap();
    history
        .entries
        .iter()
        .map(|entry| String::from_utf8(entry.record.data.to_vec()).unwrap())
        .collect()
}

#[tokio::test]
async fn a_batch_wakes_each_stream_once_and_is_complete_by_then() {
    let hub = running(&memory());
    let (mut of_one, mut of_two) = (
        subscribe(&hub, &["a"]).await,
        subscribe(&hub, &["a", "b"]).await,
    );
    let mut wakes = Vec::new();
    for stream in [&mut of_one, &mut of_two] {
        let woken = Arc::new(Wakes::default());
        let waker = Waker::from(woken.clone());
        let mut none = Vec::new();
        assert_eq!(
            stream.poll_frames(&mut Context::from_waker(&waker), &mut none),
            Poll::Pending
        );
        wakes.push(woken);
    }
    let batch = (0..100)
        .map(|nth| event(["a", "b"][nth % 2], &nth.to_string()))
        .collect();
    let Published::New(first) = hub.publish(batch, None, None).await.unwrap() else {
        panic!()
    };
    assert_eq!(hub.head().position.get(), first.position.get() + 99);
    // A stream that follows two rings has its waker in both, and each ring may wake it. One wake is
    // one poll of its task.
    assert_eq!(wakes[0].0.load(Ordering::SeqCst), 1);
    assert!((1..=2).contains(&wakes[1].0.load(Ordering::SeqCst)));
    for (stream, expected) in [
        (&mut of_one, (0..100).step_by(2).collect()),
        (&mut of_two, (0..100).collect::<Vec<_>>()),
    ] {
        let (mut frames, mut decoder) = (Vec::new(), Decoder::new());
        let taken = stream.poll_frames(&mut Context::from_waker(Waker::noop()), &mut frames);
        assert_eq!(taken, Poll::Ready(Step::Frames));
        for frame in &frames {
            decoder.push(frame.block());
        }
        let data = decoder.filter_map(|item| match item.unwrap() {
            Decoded::Event(message) => Some(message.data.parse::<usize>().unwrap()),
            _ => None,
        });
        assert_eq!(data.collect::<Vec<_>>(), expected, "in one turn");
    }
}

#[tokio::test]
async fn a_batch_is_stored_in_full_or_not_at_all_and_returns_its_outcome() {
    let bounds = Bounds::of_each(1);
    let journal: Arc<dyn Journal> = Arc::new(Memory::new(Retention {
        bounds,
        ..Retention::default()
    }));
    let hub = running(&journal);
    let member = |key: &str| event("_members", "1").keyed(key);
    let absent = || Some(Condition::Absent(topic("_members"), "a".into()));
    let joined = hub
        .publish(vec![event("r", "joined"), member("a")], None, absent())
        .await
        .unwrap();
    let Published::New(first) = joined else {
        panic!("{joined:?}")
    };
    let refused = hub
        .publish(
            vec![event("r", "again"), member("a")],
            Some(receipt("k", "v")),
            absent(),
        )
        .await
        .unwrap();
    assert_eq!(refused, Published::Refused(hub.head()));
    let full = hub
        .publish(
            vec![event("r", "full"), member("b")],
            Some(receipt("l", "v")),
            None,
        )
        .await
        .unwrap();
    assert!(matches!(full, Published::Full(_)), "{full:?}");
    assert_eq!(hub.receipt(b"l").await.unwrap(), None);
    let current = |position| Some(Condition::Current(topic("_members"), "a".into(), position));
    let end = || event("_members", "null").ending("a");
    let other = hub
        .publish(
            vec![event("r", "left"), end()],
            None,
            current(first.position),
        )
        .await
        .unwrap();
    assert_eq!(
        other,
        Published::Refused(hub.head()),
        "the member's record is the second of the batch"
    );
    let left = hub
        .publish(
            vec![event("r", "left"), end()],
            None,
            current(first.position.next()),
        )
        .await
        .unwrap();
    assert!(matches!(left, Published::New(_)), "{left:?}");
    // A batch that was refused is refused again for the same receipt, even if its condition holds
    // by now.
    let known = hub
        .publish(
            vec![event("r", "again"), member("a")],
            Some(receipt("k", "w")),
            absent(),
        )
        .await
        .unwrap();
    let Published::Known(
        _,
        StoredReceipt {
            value,
            events,
            refused,
            ..
        },
    ) = known
    else {
        panic!("{known:?}")
    };
    assert_eq!((&value[..], events, refused), (&b"v"[..], 0, true));
    assert_eq!(kept(&hub, "r").await, ["joined", "left"]);
}

#[tokio::test]
async fn an_empty_batch_stores_its_receipt_and_takes_no_position() {
    let hub = running(&memory());
    let Published::New(next) = hub
        .publish(Vec::new(), Some(receipt("k", "v")), None)
        .await
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(next.position, Position::new(1));
    assert_eq!(
        hub.receipt(b"k")
            .await
            .unwrap()
            .map(|(id, kept)| (id, kept.events)),
        Some((next, 0))
    );
    assert_eq!(
        hub.publish(vec![event("a", "1")], None, None)
            .await
            .unwrap(),
        Published::New(next)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_batches_with_one_receipt_one_is_stored_and_both_hubs_show_it() {
    let journal = memory();
    let hubs = [running(&journal), running(&journal)];
    for round in 0..100 {
        let mut publishes = JoinSet::new();
        for nth in 0..6 {
            let (hub, key, data) = (
                hubs[nth % 2].clone(),
                round.to_string(),
                format!("{round}-{nth}"),
            );
            publishes.spawn(async move {
                let published = hub
                    .publish(vec![event("a", &data); 3], Some(receipt(&key, &data)), None)
                    .await
                    .unwrap();
                let first = match &published {
                    Published::New(id) => id.position,
                    Published::Known(id, kept) => {
                        assert_eq!(id.position, kept.first);
                        kept.first
                    }
                    other => panic!("{other:?}"),
                };
                assert!(
                    hub.head().position.get() >= first.get() + 2,
                    "a caller that is answered can see the events"
                );
                (matches!(published, Published::New(_)), first)
            });
        }
        let answers = publishes.join_all().await;
        assert_eq!(answers.iter().filter(|(is_new, _)| *is_new).count(), 1);
        assert!(answers.iter().all(|(_, first)| *first == answers[0].1));
    }
    for hub in hubs {
        assert_eq!(kept(&hub, "a").await.len(), 300);
    }
}

#[tokio::test]
async fn a_repetition_is_answered_when_this_hub_shows_what_it_repeats() {
    let journal = memory();
    let (one, (other, runner)) = (running(&journal), hub(&journal));
    one.publish(vec![event("a", "1"); 3], Some(receipt("k", "v")), None)
        .await
        .unwrap();
    let refused = Some(Condition::Current(
        topic("_x"),
        "x".into(),
        Position::new(1),
    ));
    one.publish(Vec::new(), Some(receipt("l", "v")), refused.clone())
        .await
        .unwrap();
    let mut waiting = JoinSet::new();
    for key in ["k", "l"] {
        let (first, second) = (other.clone(), other.clone());
        let refused = refused.clone();
        waiting.spawn(async move { first.receipt(key.as_bytes()).await.unwrap().is_some() });
        waiting.spawn(async move {
            let published = second
                .publish(vec![event("a", "2")], Some(receipt(key, "v")), refused)
                .await
                .unwrap();
            matches!(published, Published::Known(..))
        });
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(
        waiting.try_join_next().is_none(),
        "this hub has shown nothing yet"
    );
    tokio::spawn(runner.run());
    assert_eq!(waiting.join_all().await, [true; 4]);
    assert_eq!(other.head().position, Position::new(3));
}
