//! Tests of erasures: they have the same effect at every server over the log, and after every
//! start.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::sync::Arc;
use std::time::Duration;

use tidings_hub::{
    After, Clock, Ending, EraseError, Erasure, HeartbeatStyle, Hub, Options, Presence, Publication,
    Published, Reset, RingLimits, Runner, StreamLimits, Subscribe, Subscription, Wording,
};
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{
    Bounds, Error, EventId, Journal, Limit, Position, Record, Selector, TopicName,
};
use tidings_sse::{EventName, Frame};

use support::log_copy::LogCopy;

struct Plain;

impl Wording for Plain {
    fn heartbeat(&self, _: i64) -> Frame {
        Frame::comment()
    }

    fn reset(&self, reset: &Reset) -> Frame {
        tidings_sse::Event::new(EventName::from_static("reset"), reset.reason.as_str()).encode()
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

fn memory(most_keys: usize) -> Arc<Memory> {
    Arc::new(Memory::new(Retention {
        bounds: Bounds::of_each(most_keys),
        ..Retention::default()
    }))
}

fn hub<J: Journal>(journal: &Arc<J>) -> (Hub, Runner) {
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
            events: 100,
            bytes: 1 << 20,
            age: Duration::from_hours(1),
        },
        presence: Arc::new(Presence::new(topic("rooms"), Duration::from_mins(1))),
        folds: Vec::new(),
    };
    Hub::new(journal.clone(), options, Arc::new(Plain), Clock::system())
}

fn running<J: Journal>(journal: &Arc<J>) -> Hub {
    let (hub, runner) = hub(journal);
    tokio::spawn(runner.run());
    hub
}

async fn publish(hub: &Hub, topics: &[&str], data: &str) -> EventId {
    let topics: Vec<_> = topics.iter().map(|name| topic(name)).collect();
    let publication = Publication::new(topics, EventName::from_static("e"), data);
    match hub.publish(vec![publication], None, None).await.unwrap() {
        Published::New(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn subscribe(hub: &Hub, name: &str, after: After) -> Subscription {
    let request = Subscribe {
        topics: vec![topic(name)],
        after,
        snapshot: false,
        user: None,
        counted_as: &["a"],
        address: None,
        limit_address: false,
        heartbeat: HeartbeatStyle::Event,
        expires_at_ms: None,
    };
    hub.subscribe(request).await.unwrap().0
}

/// The data of the events that a stream is sent, up to the event with the data `last`.
async fn until(stream: &mut Subscription, last: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let frames = tokio::time::timeout(Duration::from_secs(5), stream.next()).await;
        let Ok(frames) = frames else {
            panic!("{last} does not come: {all:?}")
        };
        for frame in frames.unwrap() {
            let text = String::from_utf8(frame.block().to_vec()).unwrap();
            all.extend(
                text.lines()
                    .filter_map(|line| line.strip_prefix("data: "))
                    .map(str::to_owned),
            );
        }
        if all.last().is_some_and(|data| data == last) {
            return all;
        }
    }
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

/// Waits until everything in the journal of `hub` is visible.
async fn caught_up(hub: &Hub, journal: &dyn Journal) {
    while hub.head().position < journal.head() {
        tokio::task::yield_now().await;
    }
}

/// The live notes.
async fn notes(journal: &dyn Journal) -> Vec<String> {
    let selector = Selector::topics([topic("_floors")]);
    let page = journal
        .read_keyed(&selector, Position::START, journal.head(), Limit::NONE)
        .await
        .unwrap();
    page.entries
        .iter()
        .map(|entry| String::from_utf8(entry.record.data.to_vec()).unwrap())
        .collect()
}

fn record(name: &str, data: &str) -> Record {
    Record {
        topics: [topic(name)].into(),
        event: "e".into(),
        key: None,
        data: data.to_owned().into(),
        at_ms: 0,
        ends_key: false,
    }
}

/// Writes a note, like a server that dies before it erases anything. `below` is a prefix, or empty.
async fn note(journal: &dyn Journal, name: &str, below: &str, until: EventId) {
    let text = format!("{until} {name} {below}");
    let record = Record {
        key: Some(name.into()),
        ..record("_floors", text.trim_end())
    };
    journal
        .append(vec![record].into())
        .await
        .unwrap()
        .first()
        .unwrap();
}

#[tokio::test]
async fn events_that_one_server_erases_leave_the_pages_and_rings_of_the_other() {
    let journal = memory(100);
    let (one, other) = (running(&journal), running(&journal));
    // The stream takes nothing for now.
    let mut slow = subscribe(&other, "chat", After::Now).await;
    let first = publish(&one, &["chat/room/r", "chat"], "1").await;
    let second = publish(&one, &["chat/room/r", "chat"], "2").await;
    publish(&one, &["chat/room/r", "chat"], "3").await;
    caught_up(&other, &*journal).await;
    // These pages are cached for the next stream that missed the same events.
    assert_eq!(
        until(
            &mut subscribe(&other, "chat/room/r", After::Earliest).await,
            "3"
        )
        .await,
        ["1", "2", "3"]
    );
    one.erase([topic("chat/room/r")], &second.to_string())
        .await
        .unwrap();
    assert_eq!(notes(&*journal).await, [""; 0]);
    caught_up(&other, &*journal).await;
    let mut behind = Vec::new();
    for name in ["chat/room/r", "chat"] {
        assert_eq!(
            until(&mut subscribe(&other, name, After::Earliest).await, "3").await,
            ["3"],
            "{name}"
        );
        behind.push(subscribe(&other, name, After::Id(first.to_string())).await);
    }
    publish(&one, &["chat/room/r", "chat"], "4").await;
    for mut behind in behind {
        assert_eq!(until(&mut behind, "4").await, ["trimmed", "4"]);
    }
    // The slow stream is told when it reads on, and continues at the newest event.
    assert_eq!(until(&mut slow, "trimmed").await, ["trimmed"]);
    publish(&one, &["chat/room/r", "chat"], "5").await;
    assert_eq!(until(&mut slow, "5").await, ["5"]);
}

#[tokio::test]
async fn a_server_that_lags_shows_no_event_that_is_erased_already() {
    let journal = memory(100);
    let one = running(&journal);
    let (late, runner) = hub(&journal);
    let mut stream = subscribe(&late, "a", After::Now).await;
    publish(&one, &["a"], "1").await;
    let second = publish(&one, &["b", "a"], "2").await;
    publish(&one, &["a"], "3").await;
    one.erase([topic("a")], &second.to_string()).await.unwrap();
    tokio::spawn(runner.run());
    assert_eq!(until(&mut stream, "3").await, ["3"]);
}

#[tokio::test]
async fn an_erasure_that_a_dead_server_has_noted_is_completed_before_the_next_one_shows_anything() {
    let journal = memory(100);
    {
        let before = running(&journal);
        for data in ["1", "2", "3"] {
            publish(&before, &["chat/room/r", "chat"], data).await;
            publish(&before, &["notifications"], data).await;
        }
    }
    let id = |position| journal.epochs().id_of(Position::new(position));
    note(&*journal, "chat", "chat/room/", id(4)).await;
    note(&*journal, "notifications", "", id(2)).await;
    let (next, runner) = hub(&journal);
    // A stream that is opened before that waits for it, and so does a caller that reads.
    let opened = tokio::spawn({
        let next = next.clone();
        async move { subscribe(&next, "chat/room/r", After::Earliest).await }
    });
    let page = tokio::spawn({
        let next = next.clone();
        async move { kept(&next, "notifications").await }
    });
    for _ in 0..10 {
        tokio::task::yield_now().await;
        assert!(
            !opened.is_finished() && !page.is_finished(),
            "nothing is erased yet"
        );
    }
    tokio::spawn(runner.run());
    assert_eq!(page.await.unwrap(), ["2", "3"]);
    assert_eq!(kept(&next, "chat/room/r").await, ["3"]);
    assert_eq!(kept(&next, "chat").await, ["3"]);
    assert_eq!(kept(&next, "notifications").await, ["2", "3"]);
    let mut stream = opened.await.unwrap();
    assert_eq!(
        until(&mut stream, "3").await,
        ["3"],
        "nothing that it was to be sent is missing, so no reset"
    );
    publish(&next, &["chat/room/r", "chat"], "4").await;
    assert_eq!(until(&mut stream, "4").await, ["4"]);
    while !notes(&*journal).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await; // the notes are ended after the start
    }
}

#[tokio::test]
async fn an_erasure_succeeds_even_if_its_note_can_not_be_stored() {
    for most in [2, 0] {
        let journal = memory(most);
        let hub = running(&journal);
        hub.folds_ready().await.unwrap();
        let mut last = publish(&hub, &["x"], "1").await;
        for name in ["a", "y"] {
            last = publish(&hub, &[name], "1").await;
        }
        if most > 0 {
            // Another server began to erase these, and died.
            note(&*journal, "x", "", last).await;
            note(&*journal, "y", "", last).await;
        }
        let what = Erasure {
            topic: topic("a"),
            below: None,
        };
        hub.erase([what], &last.to_string()).await.unwrap();
        assert_eq!(kept(&hub, "a").await, [""; 0], "{most}");
        assert_eq!(notes(&*journal).await, [""; 0], "{most}");
        let other = kept(&hub, "x").await;
        assert_eq!(
            other.len(),
            usize::from(most == 0),
            "the interrupted erasure is completed first"
        );
    }
}

#[tokio::test]
async fn concurrent_erasures_of_a_topic_do_not_undo_each_other() {
    let journal = memory(100);
    let hubs = [running(&journal), running(&journal)];
    let mut ids = Vec::new();
    for nth in 0..40 {
        ids.push(
            publish(&hubs[0], &["a"], &nth.to_string())
                .await
                .to_string(),
        );
    }
    let erasing = (0..20).map(|nth| {
        let (hub, id) = (hubs[nth % 2].clone(), ids[(nth * 7) % 30].clone());
        tokio::spawn(async move { hub.erase([topic("a")], &id).await.unwrap() })
    });
    for task in erasing.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    for hub in &hubs {
        caught_up(hub, &*journal).await;
        assert_eq!(
            kept(hub, "a").await,
            (30..40).map(|nth| nth.to_string()).collect::<Vec<_>>()
        );
    }
    assert_eq!(notes(&*journal).await, [""; 0]);
}

#[tokio::test]
async fn an_interrupted_erasure_is_completed_before_a_smaller_one_replaces_its_note() {
    let journal = memory(100);
    let hub = running(&journal);
    let mut ids = Vec::new();
    for data in ["1", "2", "3", "4"] {
        ids.push(publish(&hub, &["a"], data).await);
    }
    note(&*journal, "a", "", ids[2]).await;
    caught_up(&hub, &*journal).await;
    hub.erase([topic("a")], &ids[0].to_string()).await.unwrap();
    assert_eq!(kept(&hub, "a").await, ["4"]);
    assert_eq!(notes(&*journal).await, [""; 0]);
}

#[tokio::test]
async fn an_erasure_during_which_the_line_breaks_erases_nothing_of_the_new_line() {
    let journal = LogCopy::new(Retention::default());
    let hub = running(&journal);
    let mut lost = publish(&hub, &["a"], "1").await;
    for data in ["2", "3", "4"] {
        lost = publish(&hub, &["a"], data).await;
    }
    let others = ["5", "6", "7", "8"].map(|data| record("a", data));
    journal.break_when_erasing(Position::new(1), others.into());
    let erased = hub.erase([topic("a")], &lost.to_string()).await;
    assert!(
        matches!(erased, Err(EraseError::Journal(Error::Uncertain(_)))),
        "{erased:?}"
    );
    while hub.head().epoch != journal.epochs().current() {
        tokio::task::yield_now().await;
    }
    hub.folds_ready().await.unwrap();
    assert_eq!(kept(&hub, "a").await, ["1", "5", "6", "7", "8"]);
    // Events of both lines can be erased as before.
    let first = hub.id_of(Position::new(1));
    hub.erase([topic("a")], &first.to_string()).await.unwrap();
    assert_eq!(kept(&hub, "a").await, ["5", "6", "7", "8"]);
}

#[tokio::test]
async fn a_note_from_a_lost_line_erases_nothing_on_the_next_one() {
    let journal = LogCopy::new(Retention::default());
    let hub = running(&journal);
    let mut lost = publish(&hub, &["a"], "1").await;
    for data in ["2", "3", "4"] {
        lost = publish(&hub, &["a"], data).await;
    }
    journal.break_after(
        Position::new(1),
        ["5", "6", "7", "8"].map(|data| record("a", data)).into(),
    );
    // The server that wrote the note learned of the break too late.
    note(&*journal, "a", "", lost).await;
    caught_up(&hub, &*journal).await;
    hub.folds_ready().await.unwrap();
    let mut stream = subscribe(&hub, "a", After::Earliest).await;
    assert_eq!(until(&mut stream, "8").await, ["1", "5", "6", "7", "8"]);
    while !notes(&*journal).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await; // the note is ended nevertheless
    }
    publish(&hub, &["a"], "9").await;
    assert_eq!(until(&mut stream, "9").await, ["9"]);
    assert_eq!(kept(&hub, "a").await, ["1", "5", "6", "7", "8", "9"]);
}
