//! A copy of the directory is a backup, either of a server that was stopped or of one moment of a
//! running server.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::House;
use super::troubles::until_free;
use crate::support::binary::{Place, Process};
use crate::support::{ADMIN, Stream, http};

/// Copies a directory as an operator would.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status()
        .unwrap();
    assert!(copied.success(), "{} could not be copied", from.display());
}

fn start(directory: &Path) -> Process {
    Place::new()
        .env("JOURNAL", "disk")
        .env("DATA_DIR", directory.to_str().unwrap())
        .start(&[])
}

/// Publishes to all users, and returns the event's id.
async fn publish(server: &Process, title: &str) -> String {
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = json!({"title": title, "message": "M"}).to_string();
    let answer = http::request(
        server.addresses[0],
        "POST",
        "/notifications/broadcast",
        &headers,
        body.as_bytes(),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["eventId"].as_str().unwrap().to_owned()
}

async fn resumed(server: &Process, cursor: &str) -> Stream {
    Stream::open(
        server.addresses[0],
        "/notifications/stream",
        &[("Last-Event-ID", cursor)],
    )
    .await
}

#[tokio::test]
async fn clients_of_a_restored_backup_resume_or_get_a_reset() {
    let house = House::new();
    let mut server = house.start().await;
    let seen = server.notify("seen").await;
    let missed = server.notify("missed").await;
    server.stopped().await.unwrap();
    drop(server);
    until_free(&house).await;
    let kept = tempfile::tempdir().unwrap();
    let backup = kept.path().join("backup");
    copy(house.0.path(), &backup);

    let mut server = house.start().await;
    let lost = server.notify("after the backup").await;
    server.stopped().await.unwrap();
    drop(server);
    until_free(&house).await;
    std::fs::remove_dir_all(house.0.path()).unwrap();
    copy(&backup, house.0.path());

    let server = house.start().await;
    let mut stream = server.resumed("/notifications/stream", "", &seen).await;
    assert_eq!(stream.expect("connected").await.data["resumed"], true);
    assert_eq!(stream.expect("notification").await.last_id, missed);
    let mut ahead = server.resumed("/notifications/stream", "", &lost).await;
    assert_eq!(ahead.expect("connected").await.data["resumed"], false);
    assert_eq!(
        ahead.expect("reset").await.data["reason"],
        "epoch",
        "what it saw is not in the backup"
    );
    let new = server.notify("new").await;
    for stream in [&mut stream, &mut ahead] {
        assert_eq!(stream.expect("notification").await.last_id, new);
    }
}

/// A process that is stopped while its files are copied leaves them in the state that a snapshot of
/// the file system would have.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_the_directory_contains_all_acknowledged_events() {
    let home = tempfile::tempdir().unwrap();
    let (data, snapshot): (PathBuf, PathBuf) =
        (home.path().join("data"), home.path().join("snapshot"));
    let server = start(&data);
    let mut acknowledged = Vec::new();
    for number in 0..50 {
        acknowledged.push(publish(&server, &number.to_string()).await);
    }
    server.signal("STOP");
    copy(&data, &snapshot);
    server.signal("CONT");
    let later = publish(&server, "later").await;
    drop(server);

    let verified = Place::new().run(&["journal", "verify", snapshot.to_str().unwrap()]);
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    let server = start(&snapshot);
    let mut stream = resumed(&server, "earliest").await;
    stream.expect("connected").await;
    for id in &acknowledged {
        assert_eq!(stream.expect("notification").await.last_id, *id);
    }
    let mut ahead = resumed(&server, &later).await;
    assert_eq!(ahead.expect("connected").await.data["resumed"], false);
    assert_eq!(ahead.expect("reset").await.data["reason"], "ahead");
}
