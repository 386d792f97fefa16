//! What the promises leave open: restarts under load, lost data, and servers that are of no use.

use std::time::Duration;

use tidings_broker_contract::backend::{all, append, group, open, opening, texts};
use tidings_journal_nats::{Nats, Options};
use tidings_journal_shared::broker::{Broker as _, Encoded, Failure, Live, Mark};

use crate::server::Server;

/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Opens the log as soon as the server answers.
async fn reopen(node: &Nats) -> tidings_journal_shared::broker::Opened {
    let opened = async {
        loop {
            match node.open(&opening("meta")).await {
                Ok(opened) => return opened,
                Err(Failure::Unsure(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(failure) => panic!("{failure}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, opened).await.unwrap()
}

#[tokio::test]
async fn a_restart_keeps_the_log_and_begins_an_epoch() {
    let server = Server::start("").await;
    let node = server.node();
    let before = open(&node).await;
    append(&node, before.state.epoch, &group("kept", 1)).await;
    server.kill().await;
    server.run().await;
    let after = reopen(&node).await;
    assert_eq!(
        (&after.state.log, after.state.head),
        (&before.state.log, Mark(3))
    );
    assert_ne!(after.state.epoch, before.state.epoch);
    assert_eq!(texts(&all(&node, Mark(0), 1 << 20).await)[1], "kept");
}

#[tokio::test]
async fn a_store_that_was_put_back_from_a_copy_begins_an_epoch() {
    let server = Server::start("").await;
    let node = server.node();
    let before = open(&node).await;
    append(&node, before.state.epoch, &group("kept", 1)).await;
    server.signal("TERM").await;
    server.kill().await;
    let copy = tempfile::tempdir().unwrap();
    copy_directory(&server.store(), copy.path());
    server.run().await;
    let later = reopen(&node).await;
    append(&node, later.state.epoch, &group("lost", 1)).await;
    server.kill().await;
    std::fs::remove_dir_all(server.store()).unwrap();
    copy_directory(copy.path(), &server.store());
    server.run().await;
    let restored = reopen(&node).await;
    assert_eq!(restored.state.log, before.state.log);
    assert!(
        restored.state.epoch != later.state.epoch && restored.state.epoch != before.state.epoch
    );
    let groups = texts(&all(&node, Mark(0), 1 << 20).await);
    assert!(
        groups.contains(&"kept".to_owned()) && !groups.contains(&"lost".to_owned()),
        "{groups:?}"
    );
}

#[tokio::test]
async fn a_log_that_was_deleted_is_another_log() {
    let server = Server::start("").await;
    let node = server.node();
    let before = open(&node).await;
    server.kill().await;
    std::fs::remove_dir_all(server.store()).unwrap();
    server.run().await;
    let after = reopen(&node).await;
    assert_ne!(after.state.log, before.state.log);
    assert_eq!(after.state.head, Mark(1));
}

#[tokio::test]
async fn a_server_that_is_stopped_gives_no_answer_and_goes_on_later() {
    let server = Server::start("").await;
    let node = server.node();
    let epoch = open(&node).await.state.epoch;
    server.signal("STOP").await;
    let unsure = node.append(epoch, &group("in doubt", 1)).await;
    assert!(
        matches!(unsure, Err(Failure::Unsure(_) | Failure::Reopen(_))),
        "{unsure:?}"
    );
    server.signal("CONT").await;
    let opened = reopen(&node).await;
    assert_eq!(opened.state.epoch, epoch, "it was never restarted");
    append(&node, epoch, &group("sure", 1)).await;
    assert_eq!(
        texts(&all(&node, Mark(0), 1 << 20).await).last().unwrap(),
        "sure"
    );
}

#[tokio::test]
async fn a_reader_is_told_when_its_server_is_gone() {
    let server = Server::start("").await;
    let node = server.node();
    open(&node).await;
    let mut follow = node.follow(Mark(1)).await.unwrap();
    assert!(matches!(follow.next().await, Ok(Live::Alive(_))));
    server.kill().await;
    let told = async { while follow.next().await.is_ok() {} };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
}

#[tokio::test]
async fn a_log_that_is_full_takes_appends_again_once_it_was_truncated() {
    let server = Server::start("").await;
    let node = Nats::new(Options {
        max_bytes: 64 << 10,
        ..server.options()
    });
    let opened = open(&node).await;
    let large = group(&"x".repeat(20_000), 1);
    let mut stored = 1;
    let full = loop {
        match node.append(opened.state.epoch, &large).await {
            Ok(_) => stored += 1,
            Err(failure) => break failure,
        }
    };
    assert!(matches!(full, Failure::Full(_)), "{full}");
    assert!(stored >= 3);
    let snapshot = tidings_journal_shared::broker::SnapshotId("s".to_owned());
    node.write_chunk(&snapshot, 0, "all of it".into())
        .await
        .unwrap();
    let commit = tidings_journal_shared::broker::Commit {
        epoch: opened.state.epoch,
        snapshot,
        chunks: 1,
        taken_at: Mark(stored),
        expected: Mark(0),
        trimmed: Mark(stored),
    };
    assert!(node.commit(&commit).await.unwrap());
    // The message that began the epoch is truncated, too; the epoch goes on.
    let reopened = reopen(&node).await;
    assert_eq!(reopened.state.epoch, opened.state.epoch);
    assert_eq!(
        append(&node, opened.state.epoch, &large).await,
        Mark(stored + 1)
    );
}

#[tokio::test]
async fn a_group_above_max_payload_is_too_large() {
    let server = Server::start("max_payload: 65536").await;
    let node = server.node();
    let epoch = open(&node).await.state.epoch;
    let refused = node
        .append(epoch, &Encoded::new(vec![0; 70_000].into(), 1))
        .await;
    assert!(
        matches!(&refused, Err(Failure::TooLarge(text)) if text.contains("max_payload")),
        "{refused:?}"
    );
    append(&node, epoch, &group("goes on", 1)).await;
}

#[tokio::test]
async fn wrong_credentials_are_named_and_no_secret_is() {
    let server =
        Server::start("authorization { user: node, password: secret-of-the-server }").await;
    let servers = vec![format!(
        "nats://node:wrong-secret@127.0.0.1:{}",
        server.port
    )];
    let node = Nats::new(Options {
        servers,
        ..server.options()
    });
    let failure = node.open(&opening("meta")).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("NATS_URL")),
        "{failure}"
    );
    assert!(!format!("{failure:?} {:?}", server.options()).contains("secret"));
}

#[tokio::test]
async fn a_server_without_jetstream_is_named() {
    let server =
        Server::start("accounts { A { users: [ { user: a, password: a } ] } }\nno_auth_user: a")
            .await;
    let failure = server.node().open(&opening("meta")).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("JetStream")),
        "{failure}"
    );
}

#[tokio::test]
async fn a_stream_that_was_changed_is_named() {
    let server = Server::start("").await;
    open(&server.node()).await;
    let client = async_nats::connect(format!("nats://127.0.0.1:{}", server.port))
        .await
        .unwrap();
    let info = client
        .request("$JS.API.STREAM.INFO.TIDINGS_LOG", "".into())
        .await
        .unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
    let mut config = info["config"].clone();
    config["max_age"] = 60_000_000_000_u64.into();
    config["duplicate_window"] = 60_000_000_000_u64.into();
    let changed = client
        .request(
            "$JS.API.STREAM.UPDATE.TIDINGS_LOG",
            config.to_string().into(),
        )
        .await
        .unwrap();
    assert!(
        !String::from_utf8_lossy(&changed.payload).contains("\"error\""),
        "{changed:?}"
    );
    let failure = server.node().open(&opening("meta")).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("max_age")),
        "{failure}"
    );
}

#[tokio::test]
async fn a_prefix_that_would_name_other_subjects_is_refused() {
    let server = Server::start("").await;
    for prefix in ["", "a.b", "*", "a>", "a b", "é"] {
        let prefix = prefix.to_owned();
        let node = Nats::new(Options {
            prefix,
            ..server.options()
        });
        let failure = node.open(&opening("meta")).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Unusable(text) if text.contains("JOURNAL_PREFIX")),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn always_needs_the_word_of_the_operator() {
    let server = Server::start("").await;
    let node = Nats::new(Options {
        needs_sync: true,
        ..server.options()
    });
    let failure = node.open(&opening("meta")).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("NATS_SYNC_ALWAYS")),
        "{failure}"
    );
    let node = Nats::new(Options {
        needs_sync: true,
        syncs_always: true,
        ..server.options()
    });
    assert!(open(&node).await.promise.contains("before it is answered"));
}

fn copy_directory(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
