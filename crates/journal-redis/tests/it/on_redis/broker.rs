//! What every broker does: it opens a log, appends, returns pages, and lets followers follow.

use std::time::Duration;

use tidings_journal::Epoch;
use tidings_journal_shared::broker::{Broker as _, Encoded, Failure, Live, LogId, Mark, Tag};

use crate::support::{
    PATIENCE, Server, append, chained, end, eventually, group, groups, next, next_groups, open,
    open_with, opening, options, redis,
};

#[tokio::test]
async fn the_first_opening_creates_the_log_with_the_group_of_its_epoch() {
    let server = Server::start();
    let opening = opening();
    let opened = redis(&server.url()).open(&opening).await.unwrap();
    assert_eq!(opened.state.log, opening.log);
    assert_eq!(opened.state.epoch, opening.epoch.0);
    assert_eq!(opened.state.head, Mark(1));
    assert_eq!(opened.state.trimmed, Mark(0));
    assert_eq!(opened.state.snapshot, None);
    assert_eq!(opened.meta, opening.meta);
    assert!(
        opened.promise.contains("without an append-only file"),
        "{}",
        opened.promise
    );

    let all = groups(&redis(&server.url()), Mark(0)).await;
    assert_eq!(
        chained(&all, Tag(0)),
        [format!("epoch {}", opening.epoch.0)]
    );
    assert!(all[0].ms > 1_700_000_000_000, "{}", all[0].ms);
}

#[tokio::test]
async fn a_second_opening_finds_what_the_first_has_created() {
    let server = Server::start();
    let first = open(&redis(&server.url())).await;
    let mut other = opening();
    other.meta = "other bounds".into();
    let second = redis(&server.url()).open(&other).await.unwrap();
    assert_eq!(second, first);
    assert_eq!(groups(&redis(&server.url()), Mark(0)).await.len(), 1);
}

#[tokio::test]
async fn groups_come_back_in_one_order_whoever_appended_them() {
    let server = Server::start();
    let (a, b) = (redis(&server.url()), redis(&server.url()));
    let first = opening();
    let epoch = open_with(&a, &first).await.state.epoch;
    open(&b).await;
    // Two nodes at the same time, with groups of one and of three positions.
    let each = async |redis: &_, name: &str| {
        for n in 0..50 {
            let group = Encoded::new(format!("{name}{n}").into(), if name == "a" { 1 } else { 3 });
            let placed = append(redis, epoch, &group).await.unwrap();
            assert_eq!(placed.bytes, group.bytes);
        }
    };
    tokio::join!(each(&a, "a"), each(&b, "b"));
    let all = groups(&a, Mark(1)).await;
    let texts = chained(&all, first.epoch.1.tag);
    let of = |name: &str| {
        texts
            .iter()
            .filter(|text| text.starts_with(name))
            .cloned()
            .collect::<Vec<_>>()
    };
    let expected = |name: &str| (0..50).map(|n| format!("{name}{n}")).collect::<Vec<_>>();
    assert_eq!((of("a"), of("b")), (expected("a"), expected("b")));
    // A mark is the position of the last record.
    let mut at = 1;
    for group in &all {
        at += if group.bytes.starts_with(b"a") { 1 } else { 3 };
        assert_eq!(group.mark, Mark(at));
    }
}

#[tokio::test]
async fn an_append_says_all_that_readers_are_told() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    let placed = append(&redis, epoch, &group("one")).await.unwrap();
    assert_eq!(redis.page(Mark(1), 1).await.unwrap(), [placed]);
}

#[tokio::test]
async fn a_page_has_about_the_bytes_that_were_asked_for_and_at_least_a_group() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    let large = Encoded::new(vec![7; 10_000].into(), 1);
    for _ in 0..40 {
        append(&redis, epoch, &large).await.unwrap();
    }
    // The first page learns how large the groups are.
    redis.page(Mark(1), 1 << 20).await.unwrap();
    assert_eq!(redis.page(Mark(1), 50_000).await.unwrap().len(), 5);
    assert_eq!(redis.page(Mark(1), 1).await.unwrap().len(), 1);
    assert!(redis.page(Mark(41), 1 << 20).await.unwrap().is_empty());
    assert_eq!(groups(&redis, Mark(0)).await.len(), 41);
}

#[tokio::test]
async fn a_follower_is_told_of_groups_messages_and_life() {
    let server = Server::start();
    let (a, b) = (redis(&server.url()), redis(&server.url()));
    let opened = open(&a).await;
    a.send("before".into()).await.unwrap();
    let mut follow = b.follow(Mark(0)).await.unwrap();
    assert!(
        matches!(next(&mut *follow).await.unwrap(), Live::Alive(state) if state == opened.state)
    );
    assert_eq!(next_groups(&mut *follow).await.unwrap()[0].mark, Mark(1));
    let placed = append(&a, opened.state.epoch, &group("x")).await.unwrap();
    assert_eq!(next_groups(&mut *follow).await.unwrap(), [placed]);
    // Only messages that were sent after the beginning.
    a.send("after".into()).await.unwrap();
    loop {
        match next(&mut *follow).await.unwrap() {
            Live::Alive(_) => {}
            Live::Message(message) => {
                assert_eq!(&message[..], b"after");
                break;
            }
            Live::Groups(groups) => panic!("{groups:?}"),
        }
    }
    // With nothing to tell, signs of life.
    for _ in 0..2 {
        assert!(
            matches!(next(&mut *follow).await.unwrap(), Live::Alive(state) if state.head == Mark(2))
        );
    }
}

#[tokio::test]
async fn a_caller_that_stops_waiting_for_news_loses_none() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    let mut follow = redis.follow(Mark(1)).await.unwrap();
    for _ in 0..50 {
        let wait = tokio::time::timeout(Duration::from_millis(5), follow.next()).await;
        assert!(matches!(wait, Err(_) | Ok(Ok(Live::Alive(_)))), "{wait:?}");
    }
    // If a read was begun anew each time, fifty would block now, one after another.
    for _ in 0..2 {
        let live = next(&mut *follow).await;
        assert!(matches!(live, Ok(Live::Alive(_))), "{live:?}");
    }
    append(&redis, epoch, &group("x")).await.unwrap();
    let groups = tokio::time::timeout(PATIENCE, next_groups(&mut *follow))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&groups[0].bytes[..], b"x");
}

#[tokio::test]
async fn many_openers_at_once_begin_one_epoch() {
    let server = Server::start();
    let first = open(&redis(&server.url())).await.state;
    let mut openers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let redis = redis(&server.url());
        let mut opening = opening();
        opening.distrusted = Some(first.epoch);
        openers.spawn(async move { redis.open(&opening).await.unwrap().state });
    }
    let states = openers.join_all().await;
    assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
    assert_ne!(states[0].epoch, first.epoch);
    assert_eq!((&states[0].log, states[0].head), (&first.log, Mark(2)));
}

#[tokio::test]
async fn an_epoch_that_is_distrusted_ends_only_if_it_is_the_current_one() {
    let server = Server::start();
    let redis = redis(&server.url());
    let first = open(&redis).await.state;
    let mut next = opening();
    next.distrusted = Some(first.epoch);
    let second = redis.open(&next).await.unwrap().state;
    assert_eq!(second.epoch, next.epoch.0);
    let mut late = opening();
    late.distrusted = Some(first.epoch);
    assert_eq!(redis.open(&late).await.unwrap().state, second);
    let placed = append(&redis, second.epoch, &group("x")).await.unwrap();
    assert_eq!(
        (placed.mark, placed.previous),
        (Mark(3), Some(next.epoch.1.tag))
    );
}

#[tokio::test]
async fn an_append_of_another_epoch_is_refused_and_changes_nothing() {
    let server = Server::start();
    let (a, b) = (redis(&server.url()), redis(&server.url()));
    let first = open(&a).await.state;
    let never_opened = Epoch::random(&mut rand::rng());
    assert!(matches!(
        append(&a, never_opened, &group("x")).await,
        Err(Failure::Reopen(_))
    ));
    let mut next = opening();
    next.distrusted = Some(first.epoch);
    let second = b.open(&next).await.unwrap().state;
    assert!(matches!(
        append(&a, first.epoch, &group("x")).await,
        Err(Failure::Reopen(_))
    ));
    assert_eq!(open(&a).await.state, second);
}

#[tokio::test]
async fn two_prefixes_are_two_logs() {
    let server = Server::start();
    let mut elsewhere = options(&server.url());
    elsewhere.prefix = "other".to_owned();
    let elsewhere = tidings_journal_redis::Redis::new(elsewhere);
    let (a, b) = (
        open(&redis(&server.url())).await.state,
        open(&elsewhere).await.state,
    );
    assert_ne!(a.log, b.log);
    append(&elsewhere, b.epoch, &group("x")).await.unwrap();
    assert_eq!(groups(&redis(&server.url()), Mark(1)).await.len(), 0);
}

#[tokio::test]
async fn entries_of_strangers_are_passed_over() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    server
        .command(&["XADD", "{tidings}:log", "1-7", "hello", "world"])
        .await;
    server
        .command(&["XADD", "{tidings}:ctl", "*", "hello", "world"])
        .await;
    let mut follow = redis.follow(Mark(0)).await.unwrap();
    server
        .command(&["XADD", "{tidings}:ctl", "*", "hello", "world"])
        .await;
    append(&redis, epoch, &group("x")).await.unwrap();
    assert_eq!(groups(&redis, Mark(0)).await.len(), 2);
    let mut seen = 0;
    while seen < 2 {
        seen += next_groups(&mut *follow).await.unwrap().len();
    }
    // One that takes the log's next id makes it unusable, which is said.
    server
        .command(&["XADD", "{tidings}:log", "*", "hello", "world"])
        .await;
    let failure = append(&redis, epoch, &group("y")).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("XDEL")),
        "{failure}"
    );
    assert_eq!(open(&redis).await.state.head, Mark(2));
}

#[tokio::test]
async fn keys_of_another_program_are_refused() {
    let server = Server::start();
    server.command(&["SET", "{tidings}:meta", "mine"]).await;
    let failure = redis(&server.url()).open(&opening()).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("JOURNAL_PREFIX")),
        "{failure}"
    );
    server.command(&["DEL", "{tidings}:meta"]).await;
    server
        .command(&["HSET", "{tidings}:meta", "format", "2", "log", "x"])
        .await;
    let failure = redis(&server.url()).open(&opening()).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("format")),
        "{failure}"
    );
}

#[tokio::test]
async fn fields_that_do_not_parse_are_errors() {
    let server = Server::start();
    let redis = redis(&server.url());
    open(&redis).await;
    let mut follow = redis.follow(Mark(1)).await.unwrap();
    for (field, value) in [
        ("head", "soon"),
        ("epoch", "É"),
        ("trimmed", "-1"),
        ("chunks", "99999999999"),
    ] {
        server
            .command(&["HSET", "{tidings}:meta", field, value])
            .await;
    }
    assert!(matches!(
        redis.page(Mark(0), 1).await,
        Err(Failure::Unsure(_))
    ));
    assert!(matches!(
        redis.open(&opening()).await,
        Err(Failure::Unsure(_))
    ));
    assert!(matches!(end(&mut *follow).await, Failure::Unsure(_)));
    let snapshot = tidings_journal_shared::broker::SnapshotId("s".to_owned());
    assert!(matches!(
        redis.read_chunk(&snapshot, 0).await,
        Err(Failure::Unsure(_))
    ));
}

#[tokio::test]
async fn messages_are_bounded_in_number() {
    let server = Server::start();
    let redis = redis(&server.url());
    open(&redis).await;
    for _ in 0..100 {
        let sent = (0..50).map(|_| redis.send("m".into()));
        for sent in sent.collect::<Vec<_>>() {
            sent.await.unwrap();
        }
    }
    let redis::Value::Int(length) = server.command(&["XLEN", "{tidings}:ctl"]).await else {
        panic!("no length");
    };
    assert!(length < 4500, "{length}");
}

#[tokio::test]
async fn a_group_that_is_too_large_is_refused() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    let huge = Encoded::new(vec![0; (64 << 20) + 1].into(), 1);
    assert!(matches!(
        append(&redis, epoch, &huge).await,
        Err(Failure::TooLarge(_))
    ));
}

#[tokio::test]
async fn a_log_that_was_created_anew_has_another_name() {
    let server = Server::start();
    let redis = redis(&server.url());
    let first = open(&redis).await.state;
    server.command(&["FLUSHALL"]).await;
    let second = eventually(async || redis.open(&opening()).await.ok())
        .await
        .state;
    assert_ne!(first.log, second.log);
    assert_ne!(second.log, LogId(String::new()));
    assert_eq!(second.head, Mark(1));
}
