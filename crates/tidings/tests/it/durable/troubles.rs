//! Disks that are full, directories that can't be used, files that are damaged: there is one clear
//! line and no panic, and nothing that was acknowledged is lost.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::House;
use crate::support::binary::{Place, Process};
use crate::support::{ADMIN, Answer, Stream, http, in_time, until};

/// The binary, with its log in `house`.
fn place(house: &House) -> Place {
    Place::bare()
        .env("DATA_DIR", house.path())
        .env("PORT", "0")
        .env("DRAIN_SECONDS", "0")
        .env("HEARTBEAT_INTERVAL", "1h")
}

async fn call(server: &Process, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    in_time(http::request(
        server.addresses[0],
        method,
        path,
        &headers,
        body.as_bytes(),
    ))
    .await
}

/// Publishes some 10 KiB, and returns the answer.
async fn publish(server: &Process) -> Answer {
    let noise: String = (0..10_000)
        .map(|_| char::from(rand::random_range(b'a'..=b'z')))
        .collect();
    let body = json!({"title": "T", "message": "M", "metadata": noise}).to_string();
    call(server, "POST", "/notifications/broadcast", &body).await
}

/// The engine's write-ahead log, which has everything that was just written.
fn written_last(house: &House) -> PathBuf {
    let db = fs::read_dir(house.0.path().join("db")).unwrap();
    let mut logs = db
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "jnl"));
    logs.next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_publishes_are_refused_and_streams_stay_open() {
    let house = House::new();
    // The log is created first, because that writes files larger than the limit below.
    drop(house.start().await);
    until_free(&house).await;
    let server = place(&house).start_with_files_of_at_most(&[], 256);
    let mut stream = in_time(Stream::open(
        server.addresses[0],
        "/notifications/stream",
        &[],
    ))
    .await;
    stream.expect("connected").await;
    let mut acknowledged = Vec::new();
    let refused = loop {
        let answer = publish(&server).await;
        if answer.status != 200 {
            break answer;
        }
        acknowledged.push(answer.json()["eventId"].as_str().unwrap().to_owned());
        assert!(acknowledged.len() < 1_000, "it never got full");
    };
    refused.assert_refused(503, "journal_unavailable");
    assert!(refused.header("retry-after").is_some());
    publish(&server)
        .await
        .assert_refused(503, "journal_unavailable");
    call(&server, "GET", "/health/ready", "")
        .await
        .assert_refused(503, "journal_unavailable");
    assert_eq!(
        call(&server, "GET", "/health", "").await.json()["status"],
        "degraded"
    );
    assert_eq!(call(&server, "GET", "/health/live", "").await.status, 200);
    for id in &acknowledged {
        assert_eq!(stream.expect("notification").await.last_id, *id);
    }
    // New streams are told to come back later, and what is stored can still be read.
    let accept = [("Accept", "text/event-stream")];
    let mut second = in_time(Stream::open(
        server.addresses[0],
        "/notifications/stream",
        &accept,
    ))
    .await;
    let busy = second.expect("busy").await;
    assert_eq!(
        busy.data,
        json!({"reason": "journal_unavailable", "reconnect": true, "retry": busy.retry})
    );
    let page = call(&server, "GET", "/events?topic=notifications&limit=1", "")
        .await
        .json();
    assert_eq!(page["events"][0]["id"], *acknowledged[0]);
    let said = server.last_words(); // it was killed
    assert!(
        said.contains("see to the disk") && said.contains(house.path()),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(
        said.matches("see to the disk").count(),
        1,
        "what closed it is said once: {said}"
    );

    let server = house.start().await;
    let mut all = server
        .resumed("/notifications/stream", "", "earliest")
        .await;
    all.expect("connected").await;
    for id in &acknowledged {
        assert_eq!(all.expect("notification").await.last_id, *id);
    }
    server.notify("it takes events again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_directory_is_removed_publishes_are_refused_and_streams_stay_open() {
    let house = House::new();
    let server = place(&house).start(&[]);
    let mut stream = in_time(Stream::open(
        server.addresses[0],
        "/notifications/stream",
        &[],
    ))
    .await;
    stream.expect("connected").await;
    let id = publish(&server).await.json()["eventId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(stream.expect("notification").await.last_id, id);
    let (there, away) = (house.0.path().join("db"), house.0.path().join("away"));
    fs::rename(&there, &away).unwrap();
    until(async || call(&server, "GET", "/health/ready", "").await.status == 503).await;
    publish(&server)
        .await
        .assert_refused(503, "journal_unavailable");
    let page = call(&server, "GET", "/events?topic=notifications", "")
        .await
        .json();
    assert_eq!(
        page["events"][0]["id"], *id,
        "what there is can still be read"
    );
    assert_eq!(
        call(&server, "GET", "/system/stats", "").await.json()["totalConnections"],
        1,
        "the stream is open"
    );
    let said = server.last_words(); // it was killed
    assert_eq!(
        said.matches("was removed, or another directory took its place")
            .count(),
        1,
        "{said}"
    );
    fs::rename(away, there).unwrap();
    let server = house.start().await;
    let mut all = server
        .resumed("/notifications/stream", "", "earliest")
        .await;
    all.expect("connected").await;
    assert_eq!(all.expect("notification").await.last_id, id);
}

#[test]
fn an_unwritable_directory_is_refused_in_one_line() {
    // The refusal does not depend on the mode of the directory, which means nothing to a superuser.
    let refusal = said_at_last(
        &Place::bare()
            .env("DATA_DIR", "/proc/tidings")
            .env("PORT", "0"),
    );
    assert!(
        refusal.contains("the journal in /proc/tidings can't be opened: making the directory"),
        "{refusal}"
    );
    assert!(
        refusal.contains("DATA_DIR") && refusal.contains("JOURNAL=memory"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_as_it_is() {
    let house = House::new();
    let server = house.start().await;
    for _ in 0..10 {
        server.notify("one").await;
    }
    drop(server);
    house.start().await.stopped().await.unwrap(); // gracefully: everything is known to be synced
    let file = written_last(&house);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&file, &bytes).unwrap();
    for _ in 0..2 {
        let refusal = refusal(&house).await;
        assert!(
            refusal.contains("is damaged") && refusal.contains("backup"),
            "{refusal}"
        );
        assert_eq!(
            fs::read(&file).unwrap(),
            bytes,
            "who has the bytes can mend them"
        );
    }
}

#[tokio::test]
async fn a_directory_of_a_newer_version_is_refused_and_left_as_it_is() {
    let house = House::new();
    drop(house.start().await);
    let format = house.0.path().join("FORMAT");
    fs::write(&format, "tidings journal, format 99\n").unwrap();
    let refusal = refusal(&house).await;
    assert!(
        refusal.contains("format 99") && refusal.contains("left as it is"),
        "{refusal}"
    );
    assert_eq!(
        fs::read_to_string(format).unwrap(),
        "tidings journal, format 99\n"
    );
}

/// Waits until no process holds the log: a process that another test starts has a copy of the lock
/// between `fork` and `exec`.
pub(super) async fn until_free(house: &House) {
    until(async || {
        place(house)
            .run(&["journal", "stats", house.path()])
            .status
            .success()
    })
    .await;
}

/// The line with which a server refuses to start. It is not about the lock, which a process that
/// another test starts may still hold.
async fn refusal(house: &House) -> String {
    let mut refusal = String::new();
    until(async || {
        refusal = said_at_last(&place(house));
        !refusal.contains("in use")
    })
    .await;
    refusal
}

/// The last line of a start that fails. The storage engine may have printed lines before it.
fn said_at_last(place: &Place) -> String {
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    said.trim_end().lines().last().unwrap().to_owned()
}
