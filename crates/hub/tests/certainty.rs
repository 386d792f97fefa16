//! Tests of a hub over a copy that is behind its log: how the hub judges ids that it does not know
//! yet, and how long its callers wait.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_hub::{
    After, Before, Clock, EraseError, Fold, HeartbeatStyle, Hub, Options, Presence, Publication,
    Published, RefusalReason, ResetReason, RingLimits, Runner, StreamLimits, Subscribe,
    SubscribeError,
};
use tidings_journal::memory::Retention;
use tidings_journal::{Entry, Error, EventId, Journal, Position, Record, TopicName};
use tidings_sse::EventName;
use tokio::time::Instant;

use support::log_copy::{LogAnswer, LogCopy};
use support::{Plain, topic};

fn hub(log: &Arc<LogCopy>) -> (Hub, Runner) {
    hub_with(log, Vec::new())
}

fn hub_with(log: &Arc<LogCopy>, folds: Vec<Arc<dyn Fold>>) -> (Hub, Runner) {
    let options = Options {
        heartbeat_interval: Duration::from_hours(1),
        write_timeout: Duration::from_hours(1),
        max_lag_bytes: usize::MAX,
        max_age: None,
        streams: StreamLimits::default(),
        ring: RingLimits::default(),
        presence: Arc::new(Presence::new(topic("chat"), Duration::from_mins(1))),
        folds,
    };
    Hub::new(log.clone(), options, Arc::new(Plain), Clock::system())
}

fn topics() -> Vec<TopicName> {
    vec![topic("a")]
}

fn subscribe(id: &EventId) -> Subscribe {
    Subscribe {
        topics: topics(),
        after: After::Id(id.to_string()),
        snapshot: false,
        user: None,
        counted_as: &["test"],
        address: None,
        limit_address: false,
        heartbeat: HeartbeatStyle::Event,
        expires_at_ms: None,
    }
}

async fn publish(hub: &Hub) -> Result<EventId, Error> {
    let publication = Publication::new(topics(), EventName::from_static("e"), "{}");
    match hub.publish(vec![publication], None, None).await? {
        Published::New(id) => Ok(id),
        other => panic!("{other:?}"),
    }
}

fn record() -> Record {
    let at_ms = Clock::system().now_ms();
    Record {
        topics: topics().into(),
        event: "e".into(),
        key: None,
        data: "{}".into(),
        at_ms,
        ends_key: false,
    }
}

fn is_uncertain<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Uncertain(_)))
}

fn refused_by<T>(opened: Result<T, SubscribeError>) -> Result<T, Error> {
    opened.map_err(|error| match error {
        SubscribeError::Journal(error) => error,
        SubscribeError::LimitReached(limit) => panic!("{limit:?}"),
    })
}

#[tokio::test]
async fn an_id_that_was_seen_at_another_node_is_judged_once_the_log_is_certain() {
    for begins_epoch in [false, true] {
        let log = LogCopy::new(Retention::default());
        let (hub, runner) = hub(&log);
        let running = tokio::spawn(runner.run());
        publish(&hub).await.unwrap();

        let seen = log.append_elsewhere(begins_epoch, vec![record(), record()]);
        let (mut stream, start) = hub.subscribe(subscribe(&seen)).await.unwrap();
        assert_eq!((start.resumed, start.reset), (Some(true), None));
        assert_eq!(
            hub.head(),
            seen,
            "the hub has received everything up to there"
        );
        let next = publish(&hub).await.unwrap();
        assert_eq!(
            (next.epoch, next.position),
            (seen.epoch, seen.position.next())
        );
        assert_eq!(
            stream.next().await.unwrap().len(),
            1,
            "the stream goes on after what was seen at the other node"
        );

        let seen = log.append_elsewhere(begins_epoch, vec![record()]);
        let page = hub
            .history(topics(), &After::Id(seen.to_string()), 10)
            .await
            .unwrap();
        assert_eq!((page.entries.len(), page.gap, page.next), (0, None, seen));
        let seen = log.append_elsewhere(begins_epoch, vec![record()]);
        let page = hub
            .history_before(topics(), &Before::Id(seen.to_string()), 10)
            .await
            .unwrap();
        assert_eq!((page.entries.len(), page.gap), (5, None));
        let seen = log.append_elsewhere(begins_epoch, vec![record()]);
        assert_eq!(hub.erase(topics(), &seen.to_string()).await.unwrap(), seen);

        // The erasure was noted in the log, so the log has grown.
        let ahead = EventId {
            position: Position::new(seen.position.get() + 100),
            ..seen
        };
        assert_eq!(
            hub.subscribe(subscribe(&ahead)).await.unwrap().1.reset,
            Some(ResetReason::Ahead)
        );
        let foreign = LogCopy::new(Retention::default()).append_elsewhere(false, vec![record()]);
        assert_eq!(
            hub.subscribe(subscribe(&foreign)).await.unwrap().1.reset,
            Some(ResetReason::Epoch)
        );
        running.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_id_is_not_judged_while_the_log_does_not_answer() {
    for says in [LogAnswer::Error, LogAnswer::Never] {
        let log = LogCopy::new(Retention::default());
        let (hub, runner) = hub(&log);
        let running = tokio::spawn(runner.run());
        let known = publish(&hub).await.unwrap();
        let seen = log.append_elsewhere(true, vec![record()]);
        log.set_answer(says);

        let ahead = EventId {
            position: Position::new(99),
            ..known
        };
        for id in [seen, ahead] {
            let after = After::Id(id.to_string());
            assert!(is_uncertain(&refused_by(
                hub.subscribe(subscribe(&id)).await
            )));
            assert!(is_uncertain(&hub.history(topics(), &after, 10).await));
            assert!(is_uncertain(
                &hub.history_before(topics(), &Before::Id(id.to_string()), 10)
                    .await
            ));
            let erased = hub.erase(topics(), &id.to_string()).await;
            assert!(matches!(
                erased,
                Err(EraseError::Journal(Error::Uncertain(_)))
            ));
        }
        let (totals, stats) = (hub.connections().totals(), hub.connections().stats());
        assert_eq!(
            (
                totals.refused(RefusalReason::Journal),
                totals.opened,
                stats.total
            ),
            (2, 0, 0)
        );

        // Calls that need no answer from the log are served meanwhile.
        assert_eq!(
            hub.subscribe(subscribe(&known)).await.unwrap().1.resumed,
            Some(true)
        );
        let nonsense = Subscribe {
            after: After::Id("nonsense".to_owned()),
            ..subscribe(&known)
        };
        assert_eq!(
            hub.subscribe(nonsense).await.unwrap().1.reset,
            Some(ResetReason::Malformed)
        );

        log.set_answer(LogAnswer::Complete);
        assert_eq!(
            hub.subscribe(subscribe(&seen)).await.unwrap().1.resumed,
            Some(true)
        );
        running.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_at_most_ten_seconds_for_events_to_become_visible() {
    let log = LogCopy::new(Retention::default());
    // nothing runs it yet, so what others append does not become visible
    let (hub, runner) = hub(&log);
    log.append(vec![record()].into()).await.unwrap();
    let unseen = EventId {
        epoch: log.epochs().current(),
        position: log.head(),
    };
    let begun = Instant::now();
    let (published, opened) = tokio::join!(publish(&hub), hub.subscribe(subscribe(&unseen)));
    assert!(is_uncertain(&published) && is_uncertain(&refused_by(opened)));
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    assert_eq!(
        log.head(),
        Position::new(2),
        "the event is in the log nevertheless"
    );

    // Once the runner runs, both succeed.
    let running = tokio::spawn(runner.run());
    assert_eq!(publish(&hub).await.unwrap().position, Position::new(3));
    assert_eq!(
        hub.subscribe(subscribe(&unseen)).await.unwrap().1.resumed,
        Some(true)
    );
    running.abort();
}

#[tokio::test]
async fn streams_and_tasks_of_earlier_generations_are_dropped() {
    let log = LogCopy::new(Retention::default());
    let (hub, runner) = hub(&log);
    let running = tokio::spawn(runner.run());
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    tokio::task::yield_now().await;
    let before = tasks();
    for _ in 0..1_000 {
        let id = publish(&hub).await.unwrap();
        let (mut stream, _) = hub.subscribe(subscribe(&id)).await.unwrap();
        let waiting = stream.connection().clone();
        log.break_after(Position::START, Vec::new());
        while stream.next().await.is_some() {}
        assert_eq!(hub.head().position, Position::START);
        drop(stream);
        while Arc::strong_count(&waiting) > 1 {
            tokio::task::yield_now().await; // until nothing holds on to the stream that has ended
        }
    }
    assert_eq!(tasks(), before);
    assert_eq!(hub.connections().stats().total, 0);
    let totals = hub.connections().totals();
    let broken = tidings_hub::Ended::EndingSent(tidings_hub::EndingCause::Journal);
    assert_eq!((totals.opened, totals.ended(broken)), (1_000, 1_000));
    running.abort();
}

/// Which keys of one topic are live, and in which generation.
struct Keys {
    topics: Vec<TopicName>,
    live: Mutex<(u64, BTreeSet<Arc<str>>)>,
}

impl Fold for Keys {
    fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    fn begin(&self, generation: u64, keyed: &[Arc<Entry>]) {
        *self.live.lock() = (
            generation,
            keyed
                .iter()
                .filter_map(|entry| entry.record.key.clone())
                .collect(),
        );
    }

    fn apply(&self, entry: &Arc<Entry>) {
        self.live.lock().1.extend(entry.record.key.clone());
    }
}

#[tokio::test]
async fn a_fold_begins_again_with_the_entries_of_the_new_line() {
    let log = LogCopy::new(Retention::default());
    let keys = Arc::new(Keys {
        topics: topics(),
        live: Mutex::default(),
    });
    let (hub, runner) = hub_with(&log, vec![keys.clone()]);
    let running = tokio::spawn(runner.run());
    let live = || {
        let (generation, live) = &*keys.live.lock();
        (
            *generation,
            live.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
        )
    };
    hub.folds_ready().await.unwrap();
    for key in ["kept", "lost"] {
        let publication = Publication::new(topics(), EventName::from_static("e"), "{}").keyed(key);
        hub.publish(vec![publication], None, None).await.unwrap();
    }
    assert_eq!(live(), (1, "kept lost".to_owned()));

    let (mut stream, _) = hub.subscribe(subscribe(&hub.head())).await.unwrap();
    log.break_after(
        Position::new(1),
        vec![Record {
            key: Some("new".into()),
            ..record()
        }],
    );
    while stream.next().await.is_some() {}
    hub.folds_ready().await.unwrap();
    assert_eq!(live(), (2, "kept new".to_owned()));
    let publication = Publication::new(topics(), EventName::from_static("e"), "{}").keyed("next");
    hub.publish(vec![publication], None, None).await.unwrap();
    assert_eq!(live(), (2, "kept new next".to_owned()));
    running.abort();
}
