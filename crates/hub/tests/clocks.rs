//! The hub does nothing irreversible when the wall clock is set.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tidings_hub::{
    After, Clock, Ending, HeartbeatStyle, Hub, Options, Presence, Publication, Reset, RingLimits,
    StreamLimits, Subscribe, Wording,
};
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{EventId, Receipt, TopicName};
use tidings_sse::{EventName, Frame};

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

/// A hub that keeps events for an hour, and the wall clock's offset in milliseconds. Time passes as
/// in the runtime, whose time is paused.
fn hub() -> (Hub, Arc<AtomicI64>) {
    let (start, set) = (
        tokio::time::Instant::now(),
        Arc::new(AtomicI64::new(1_800_000_000_000)),
    );
    let passed = move || i64::try_from(start.elapsed().as_millis()).unwrap();
    let wall = {
        let set = set.clone();
        move || Timestamp::from_millisecond(set.load(Ordering::SeqCst) + passed()).unwrap()
    };
    let options = Options {
        heartbeat_interval: Duration::from_hours(1_000),
        write_timeout: Duration::from_hours(1),
        max_lag_bytes: usize::MAX,
        max_age: Some(Duration::from_hours(24)),
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
        presence: Arc::new(Presence::new(
            TopicName::parse("rooms").unwrap(),
            Duration::from_mins(1),
        )),
        folds: Vec::new(),
    };
    let retention = Retention {
        max_age: Duration::from_hours(1),
        ..Retention::default()
    };
    let journal = Arc::new(Memory::new(retention));
    let (hub, runner) = Hub::new(
        journal,
        options,
        Arc::new(Silent),
        Clock::from_fns(wall, passed),
    );
    tokio::spawn(runner.run());
    (hub, set)
}

fn topic() -> TopicName {
    TopicName::parse("a").unwrap()
}

fn publication(data: &str) -> Publication {
    Publication::new([topic()], EventName::from_static("e"), data)
}

async fn kept(hub: &Hub) -> Vec<String> {
    let history = hub
        .history(vec![topic()], &After::Earliest, usize::MAX)
        .await
        .unwrap();
    history
        .entries
        .iter()
        .map(|entry| String::from_utf8(entry.record.data.to_vec()).unwrap())
        .collect()
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

const DAY: i64 = 86_400_000;

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_for_a_minute_deletes_no_event_and_passing_time_still_does() {
    for jump in [10 * DAY, -10 * DAY] {
        let (hub, set) = hub();
        hub.publish(vec![publication("before")], None, None)
            .await
            .unwrap();
        pass(60).await;
        set.fetch_add(jump, Ordering::SeqCst);
        hub.publish(vec![publication("meanwhile")], None, None)
            .await
            .unwrap();
        pass(60).await;
        assert_eq!(kept(&hub).await, ["before", "meanwhile"]);
        set.fetch_sub(jump, Ordering::SeqCst);
        hub.publish(vec![publication("after")], None, None)
            .await
            .unwrap();
        pass(60).await;
        assert_eq!(kept(&hub).await, ["before", "meanwhile", "after"]);
        pass(3_600 - 150).await;
        assert_eq!(
            kept(&hub).await,
            ["meanwhile", "after"],
            "an hour has passed since the first"
        );
        pass(200).await;
        assert_eq!(kept(&hub).await, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn setting_the_clock_does_not_expire_an_idempotency_key() {
    let (hub, set) = hub();
    let receipt = Receipt {
        key: "k".into(),
        value: "v".into(),
        lives: Duration::from_mins(5),
    };
    hub.publish(vec![publication("once")], Some(receipt), None)
        .await
        .unwrap();
    set.fetch_add(10 * DAY, Ordering::SeqCst);
    pass(240).await;
    assert!(
        hub.receipt(b"k").await.unwrap().is_some(),
        "a repeat would be published twice"
    );
    pass(61).await;
    assert!(hub.receipt(b"k").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn setting_the_clock_does_not_age_a_stream() {
    let (hub, set) = hub();
    let request = Subscribe {
        topics: vec![topic()],
        after: After::Now,
        snapshot: false,
        user: None,
        counted_as: &["a"],
        address: None,
        limit_address: false,
        heartbeat: HeartbeatStyle::Event,
        expires_at_ms: None,
    };
    let (mut stream, _) = hub.subscribe(request).await.unwrap();
    set.fetch_add(10 * DAY, Ordering::SeqCst);
    pass(3_600).await;
    set.fetch_sub(10 * DAY, Ordering::SeqCst);
    hub.publish(vec![publication("live")], None, None)
        .await
        .unwrap();
    assert_eq!(stream.next().await.unwrap().len(), 1);
    let waiting = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_hours(30), waiting)
        .await
        .unwrap(); // at its age, by the time that passes
}
