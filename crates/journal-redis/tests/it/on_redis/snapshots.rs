//! Snapshots: written in chunks, committed in one step with the truncation of the log.

use tidings_journal::Epoch;
use tidings_journal_redis::Redis;
use tidings_journal_shared::broker::{Broker as _, Commit, Failure, Mark, SnapshotId, Tag};

use crate::support::{Server, append, chained, end, group, groups, next_groups, open, redis};

fn id(name: &str) -> SnapshotId {
    SnapshotId(name.to_owned())
}

async fn write(redis: &Redis, name: &str, chunks: u32) {
    for nth in 0..chunks {
        redis
            .write_chunk(&id(name), nth, format!("{name} {nth}").into())
            .await
            .unwrap();
    }
}

fn commit(epoch: Epoch, name: &str, chunks: u32, expected: u64, trimmed: u64) -> Commit {
    let (expected, trimmed) = (Mark(expected), Mark(trimmed));
    Commit {
        epoch,
        snapshot: id(name),
        chunks,
        taken_at: trimmed,
        expected,
        trimmed,
    }
}

/// A log with ten groups besides that of its epoch.
async fn filled(redis: &Redis) -> Epoch {
    let epoch = open(redis).await.state.epoch;
    for n in 2..=11 {
        append(redis, epoch, &group(&n.to_string())).await.unwrap();
    }
    epoch
}

#[tokio::test]
async fn a_commit_names_the_snapshot_and_truncates_the_log() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = filled(&redis).await;
    write(&redis, "s", 3).await;
    assert!(
        matches!(redis.read_chunk(&id("s"), 0).await, Err(Failure::Gone(_))),
        "it is not committed yet"
    );
    assert!(redis.commit(&commit(epoch, "s", 3, 0, 8)).await.unwrap());

    let state = open(&redis).await.state;
    assert_eq!(
        (state.snapshot, state.trimmed, state.head),
        (Some(id("s")), Mark(8), Mark(11))
    );
    for nth in 0..3 {
        assert_eq!(
            redis.read_chunk(&id("s"), nth).await.unwrap().unwrap(),
            format!("s {nth}")
        );
    }
    assert_eq!(redis.read_chunk(&id("s"), 3).await.unwrap(), None);
    assert!(matches!(
        redis.page(Mark(7), 1 << 20).await,
        Err(Failure::Gone(_))
    ));
    assert!(matches!(
        redis.follow(Mark(7)).await.map(drop),
        Err(Failure::Gone(_))
    ));
    // The first group after the truncation says what it follows.
    let rest = groups(&redis, Mark(8)).await;
    assert_eq!(chained(&rest, Tag::of(b"8")), ["9", "10", "11"]);
    let mut follow = redis.follow(Mark(8)).await.unwrap();
    assert_eq!(
        chained(&next_groups(&mut *follow).await.unwrap(), Tag::of(b"8")),
        ["9", "10", "11"]
    );
}

#[tokio::test]
async fn a_log_that_is_truncated_to_its_end_goes_on() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = filled(&redis).await;
    write(&redis, "s", 1).await;
    assert!(redis.commit(&commit(epoch, "s", 1, 0, 11)).await.unwrap());
    assert_eq!(groups(&redis, Mark(11)).await.len(), 0);
    let state = open(&redis).await.state;
    assert_eq!(
        (state.epoch, state.head),
        (epoch, Mark(11)),
        "an empty stream is no deleted stream"
    );
    let placed = append(&redis, epoch, &group("12")).await.unwrap();
    assert_eq!(
        (placed.mark, placed.previous),
        (Mark(12), Some(Tag::of(b"11")))
    );
}

#[tokio::test]
async fn only_the_snapshot_before_is_kept() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = filled(&redis).await;
    for (name, chunks, expected, trimmed) in [("a", 2, 0, 3), ("b", 3, 3, 5), ("c", 1, 5, 7)] {
        write(&redis, name, chunks).await;
        assert!(
            redis
                .commit(&commit(epoch, name, chunks, expected, trimmed))
                .await
                .unwrap()
        );
    }
    assert!(matches!(
        redis.read_chunk(&id("a"), 0).await,
        Err(Failure::Gone(_))
    ));
    assert_eq!(redis.read_chunk(&id("b"), 2).await.unwrap().unwrap(), "b 2");
    assert_eq!(redis.read_chunk(&id("c"), 0).await.unwrap().unwrap(), "c 0");
    let redis::Value::Array(keys) = server.command(&["KEYS", "{tidings}:snap:*"]).await else {
        panic!("no keys");
    };
    assert_eq!(
        keys.len(),
        4,
        "the chunks of the oldest are removed: {keys:?}"
    );
}

#[tokio::test]
async fn of_two_commits_one_takes_place() {
    let server = Server::start();
    let (a, b) = (redis(&server.url()), redis(&server.url()));
    let epoch = filled(&a).await;
    open(&b).await;
    write(&a, "a", 1).await;
    write(&b, "b", 1).await;
    let (from_a, from_b) = (commit(epoch, "a", 1, 0, 5), commit(epoch, "b", 1, 0, 5));
    let (of_a, of_b) = tokio::join!(a.commit(&from_a), b.commit(&from_b));
    let (of_a, of_b) = (of_a.unwrap(), of_b.unwrap());
    assert!(of_a != of_b, "{of_a} {of_b}");
    // One that is repeated, because its answer was lost, took place.
    assert!(
        if of_a {
            a.commit(&from_a).await
        } else {
            b.commit(&from_b).await
        }
        .unwrap()
    );
    let winner = if of_a { "a" } else { "b" };
    assert_eq!(open(&a).await.state.snapshot, Some(id(winner)));
}

#[tokio::test]
async fn a_commit_that_does_not_fit_the_log_changes_nothing() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = filled(&redis).await;
    write(&redis, "s", 2).await;
    assert!(
        !redis.commit(&commit(epoch, "s", 2, 4, 5)).await.unwrap(),
        "another truncation was expected"
    );
    assert!(
        !redis.commit(&commit(epoch, "s", 2, 0, 12)).await.unwrap(),
        "the log is shorter"
    );
    let other = Epoch::random(&mut rand::rng());
    assert!(
        !redis.commit(&commit(other, "s", 2, 0, 5)).await.unwrap(),
        "another epoch"
    );
    assert!(
        matches!(
            redis.commit(&commit(epoch, "s", 3, 0, 5)).await,
            Err(Failure::Gone(_))
        ),
        "a chunk is missing"
    );
    assert_eq!(groups(&redis, Mark(0)).await.len(), 11);
    assert_eq!(open(&redis).await.state.snapshot, None);
}

#[tokio::test]
async fn chunks_are_removed_by_themselves_until_they_are_committed() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = filled(&redis).await;
    write(&redis, "s", 1).await;
    let life = async || server.command(&["TTL", "{tidings}:snap:s:0"]).await;
    assert!(matches!(life().await, redis::Value::Int(1..=600)));
    redis.commit(&commit(epoch, "s", 1, 0, 5)).await.unwrap();
    assert_eq!(life().await, redis::Value::Int(-1));
    server.command(&["DEL", "{tidings}:snap:s:0"]).await;
    assert!(matches!(
        redis.read_chunk(&id("s"), 0).await,
        Err(Failure::Gone(_))
    ));
}

#[tokio::test]
async fn a_follower_is_told_how_far_the_log_is_truncated() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = filled(&redis).await;
    let mut follow = redis.follow(Mark(11)).await.unwrap();
    write(&redis, "s", 1).await;
    redis.commit(&commit(epoch, "s", 1, 0, 11)).await.unwrap();
    loop {
        let tidings_journal_shared::broker::Live::Alive(state) = follow.next().await.unwrap()
        else {
            panic!("nothing was appended");
        };
        if state.trimmed == Mark(11) {
            break;
        }
    }
    server.command(&["FLUSHALL"]).await;
    assert!(matches!(end(&mut *follow).await, Failure::Reopen(_)));
}
