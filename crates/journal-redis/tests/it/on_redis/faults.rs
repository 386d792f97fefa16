//! A server that restarts, loses its data, is full, or is silent.

use tidings_journal_shared::broker::{Broker as _, Encoded, Failure, Live, Mark, Tag};

use crate::support::{
    Server, append, chained, end, eventually, group, groups, next, next_groups, open, open_with,
    opening, redis,
};

#[tokio::test]
async fn a_restart_with_its_data_begins_an_epoch() {
    let mut server = Server::durable();
    let redis = redis(&server.url());
    let first = opening();
    let before = open_with(&redis, &first).await.state;
    append(&redis, before.epoch, &group("kept")).await.unwrap();
    server.stop();
    server.start_again();
    // The connection is lost first; the server that answers then is another one, and does not know
    // the scripts any more.
    let refusal = eventually(
        async || match append(&redis, before.epoch, &group("lost")).await {
            Err(Failure::Unsure(_)) => None,
            result => Some(result),
        },
    );
    assert!(matches!(refusal.await, Err(Failure::Reopen(_))));
    let next = opening();
    let after = open_with(&redis, &next).await.state;
    assert_eq!(
        (&after.log, after.epoch, after.head),
        (&before.log, next.epoch.0, Mark(3))
    );
    append(&redis, after.epoch, &group("new")).await.unwrap();
    let texts = chained(&groups(&redis, Mark(1)).await, first.epoch.1.tag);
    assert_eq!(
        texts,
        [
            "kept".to_owned(),
            format!("epoch {}", after.epoch),
            "new".to_owned()
        ]
    );
}

#[tokio::test]
async fn a_restart_without_data_is_another_log() {
    let mut server = Server::start();
    let redis = redis(&server.url());
    let before = open(&redis).await.state;
    append(&redis, before.epoch, &group("lost")).await.unwrap();
    let mut follow = redis.follow(Mark(0)).await.unwrap();
    server.kill();
    assert!(matches!(end(&mut *follow).await, Failure::Unsure(_)));
    server.start_again();
    let after = open(&redis).await.state;
    assert_ne!((&before.log, before.epoch), (&after.log, after.epoch));
    assert_eq!(groups(&redis, Mark(0)).await.len(), 1);
}

#[tokio::test]
async fn a_follower_is_told_when_everything_was_deleted() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    let mut follow = redis.follow(Mark(0)).await.unwrap();
    next_groups(&mut *follow).await.unwrap();
    server.command(&["FLUSHALL"]).await;
    assert!(matches!(end(&mut *follow).await, Failure::Reopen(_)));
    assert!(matches!(
        append(&redis, epoch, &group("x")).await,
        Err(Failure::Reopen(_))
    ));
}

#[tokio::test]
async fn a_stream_that_was_deleted_is_a_log_that_was_lost() {
    let server = Server::start();
    let redis = redis(&server.url());
    let before = open(&redis).await.state;
    append(&redis, before.epoch, &group("lost")).await.unwrap();
    let mut follow = redis.follow(Mark(2)).await.unwrap();
    server.command(&["DEL", "{tidings}:log"]).await;
    assert!(matches!(end(&mut *follow).await, Failure::Reopen(_)));
    assert!(matches!(
        append(&redis, before.epoch, &group("x")).await,
        Err(Failure::Reopen(_))
    ));
    assert!(matches!(
        redis.page(Mark(0), 1 << 20).await,
        Err(Failure::Gone(_))
    ));
    let after = open(&redis).await.state;
    assert_ne!(before.log, after.log);
    assert_eq!(after.head, Mark(1));
}

/// A blocked `XREAD` says nothing at all about this, for ever.
#[tokio::test]
async fn a_follower_is_told_of_a_stream_that_was_created_anew_below_it() {
    let server = Server::start();
    let (a, b) = (redis(&server.url()), redis(&server.url()));
    let before = open(&a).await.state;
    for n in 0..10 {
        append(&a, before.epoch, &group(&n.to_string()))
            .await
            .unwrap();
    }
    let mut follow = a.follow(Mark(11)).await.unwrap();
    server
        .command(&["DEL", "{tidings}:log", "{tidings}:meta"])
        .await;
    let after = open(&b).await.state;
    loop {
        match next(&mut *follow).await {
            Ok(Live::Alive(state)) if state.log == before.log => {}
            Ok(Live::Alive(state)) => break assert_eq!(state, after),
            // The probe came between the two.
            Err(Failure::Reopen(_)) => break,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_full_server_refuses_groups_whole_and_takes_them_again_by_itself() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    server.command(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    let large = Encoded::new(vec![1; 600_000].into(), 1);
    let failure = eventually(async || append(&redis, epoch, &large).await.err()).await;
    assert!(matches!(failure, Failure::Full(_)), "{failure}");
    assert!(matches!(
        redis.send("m".into()).await,
        Err(Failure::Full(_))
    ));
    let full = open(&redis).await.state;
    assert_eq!(full.epoch, epoch);
    assert_eq!(
        groups(&redis, Mark(0)).await.last().unwrap().mark,
        full.head,
        "nothing has changed"
    );
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let placed = append(&redis, epoch, &group("again")).await.unwrap();
    assert_eq!(placed.mark, Mark(full.head.0 + 1));
}

/// A full server is truncated: what a commit frees comes before what it writes.
#[tokio::test]
async fn a_full_server_takes_a_commit() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    append(&redis, epoch, &Encoded::new(vec![1; 2_000_000].into(), 1))
        .await
        .unwrap();
    let snapshot = tidings_journal_shared::broker::SnapshotId("s".to_owned());
    redis.write_chunk(&snapshot, 0, "s".into()).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "2mb"]).await;
    assert!(matches!(
        append(&redis, epoch, &group("x")).await,
        Err(Failure::Full(_))
    ));
    let (expected, trimmed) = (Mark(0), Mark(2));
    let commit = tidings_journal_shared::broker::Commit {
        epoch,
        snapshot,
        chunks: 1,
        taken_at: Mark(2),
        expected,
        trimmed,
    };
    assert!(redis.commit(&commit).await.unwrap());
    assert_eq!(groups(&redis, Mark(2)).await.len(), 0);
}

#[tokio::test]
async fn a_server_that_lacks_replicas_takes_nothing() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    server
        .command(&["CONFIG", "SET", "min-replicas-to-write", "1"])
        .await;
    assert!(matches!(
        append(&redis, epoch, &group("x")).await,
        Err(Failure::Full(_))
    ));
    server
        .command(&["CONFIG", "SET", "min-replicas-to-write", "0"])
        .await;
    append(&redis, epoch, &group("x")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_silent_leaves_each_call_in_doubt() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    append(&redis, epoch, &group("one")).await.unwrap();
    let mut follow = redis.follow(Mark(0)).await.unwrap();
    next_groups(&mut *follow).await.unwrap();
    server.pause();
    let two = group("two");
    let snapshot = tidings_journal_shared::broker::SnapshotId("s".to_owned());
    let opening = opening();
    let (appended, page, opened, chunk, followed, sent, ended) = tokio::join!(
        append(&redis, epoch, &two),
        redis.page(Mark(0), 1),
        redis.open(&opening),
        redis.write_chunk(&snapshot, 0, "s".into()),
        redis.follow(Mark(0)),
        redis.send("m".into()),
        end(&mut *follow),
    );
    for failure in [
        appended.err(),
        page.err(),
        opened.err(),
        chunk.err(),
        followed.err(),
        sent.err(),
        Some(ended),
    ] {
        assert!(matches!(failure, Some(Failure::Unsure(_))), "{failure:?}");
    }
    server.go_on();
    let state = open(&redis).await.state;
    assert_eq!(state.epoch, epoch, "it has not been restarted");
    append(&redis, epoch, &group("three")).await.unwrap();
    // What was in doubt may be in the log or not.
    let texts = chained(
        &groups(&redis, Mark(1)).await,
        groups(&redis, Mark(0)).await[0].tag(),
    );
    assert_eq!(
        (
            texts.first().unwrap().as_str(),
            texts.last().unwrap().as_str()
        ),
        ("one", "three")
    );
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_loaded_again() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    append(&redis, epoch, &group("one")).await.unwrap();
    server.command(&["SCRIPT", "FLUSH"]).await;
    append(&redis, epoch, &group("two")).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let server = Server::start();
    let redis = redis(&server.url());
    let epoch = open(&redis).await.state.epoch;
    for _ in 0..5 {
        server
            .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
            .await;
        eventually(async || match append(&redis, epoch, &group("x")).await {
            Ok(_) => Some(()),
            Err(Failure::Unsure(_)) => None,
            Err(failure) => panic!("{failure}"),
        })
        .await;
    }
}

trait Tagged {
    fn tag(&self) -> Tag;
}

impl Tagged for tidings_journal_shared::broker::Raw {
    fn tag(&self) -> Tag {
        Tag::of(&self.bytes)
    }
}
