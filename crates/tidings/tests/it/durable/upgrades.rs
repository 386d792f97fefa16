//! Directories that earlier versions wrote: no client that reconnects notices the upgrade.
//!
//! `crates/journal-disk/tests/upgrades/make.py` made them, each with a note of what that version
//! showed of its events.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tidings_journal::Bounds;
use tidings_journal_disk::{Disk, Options};
use tidings_server::Server;

use super::House;
use crate::support::checks::SetClock;
use crate::support::{ADMIN, Answer, TestServer, config, demo, start_built, until};

/// The versions, identified by their commits.
const VERSIONS: [&str; 2] = ["fca78b1", "a7bb9bb"];

/// A directory that an earlier version has written.
struct OldDirectory {
    house: House,
    note: Value,
}

impl OldDirectory {
    fn by(version: &str) -> Self {
        let beside = |name: String| -> PathBuf {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../journal-disk/tests/upgrades")
                .join(name)
        };
        let house = House::new();
        let archive = beside(format!("{version}.tar.gz"));
        let unpacked = Command::new("tar")
            .args(["-C", house.path(), "-xzf"])
            .arg(archive)
            .status()
            .unwrap();
        assert!(unpacked.success(), "{unpacked}");
        let note = std::fs::read_to_string(beside(format!("{version}.json"))).unwrap();
        Self {
            house,
            note: serde_json::from_str(&note).unwrap(),
        }
    }

    /// Starts a server on the directory, at the time of its last record.
    async fn start(&self) -> TestServer {
        let kept = |name: &str| self.note["settings"][name].as_str().unwrap();
        let settings = [
            ("JOURNAL", "disk"),
            ("DATA_DIR", self.house.path()),
            ("JOURNAL_KEEP", kept("JOURNAL_KEEP")),
            ("PRESENCE_GRACE", kept("PRESENCE_GRACE")),
            ("MAX_CONNECTIONS_PER_USER", "1000"),
        ];
        let clock = SetClock::at(text(&self.note, "last"));
        let mut built = None;
        until(async || {
            built = Server::builder()
                .config(config(&settings).unwrap())
                .clock(clock.clock())
                .build()
                .ok();
            built.is_some()
        })
        .await;
        start_built(built.unwrap())
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name]
        .as_array()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Repeats a call of the note exactly as it was made.
async fn repeat(server: &TestServer, call: &Value) -> Answer {
    let bearer = format!("Bearer {}", text(call, "token"));
    let mut headers = vec![
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    headers.extend(call["key"].as_str().map(|key| ("Idempotency-Key", key)));
    let body = call["body"].as_str().unwrap_or_default();
    server
        .request(
            text(call, "method"),
            text(call, "path"),
            &headers,
            body.as_bytes(),
        )
        .await
}

/// Checks that everything that was published with a key is known, and is answered as it was the
/// first time.
async fn keys_are_known(server: &TestServer, note: &Value) {
    // This call publishes nothing, but waits until the members are written in the form of this
    // version.
    assert_eq!(
        server
            .call("POST", "/chat/room/nobody/leave", ADMIN, Value::Null)
            .await
            .status,
        200
    );
    let stored = server.stored().await;
    let mut known = 0;
    for call in list(note, "calls")
        .iter()
        .filter(|call| call["key"].is_string())
    {
        let answer = repeat(server, call).await;
        assert_eq!(
            (answer.status, answer.header("idempotency-replayed")),
            (200, Some("true")),
            "{call}"
        );
        assert_eq!(answer.json(), call["answer"], "{call}");
        known += 1;
    }
    assert!(known > 30, "{known}");
    assert_eq!(server.stored().await, stored, "nothing was published");
}

async fn members_and_statuses_are_there(server: &TestServer, note: &Value) {
    for (room, members) in note["members"].as_object().unwrap() {
        let path = format!("/chat/room/{room}/members");
        assert_eq!(
            server.call("GET", &path, ADMIN, Value::Null).await.json()["members"],
            *members,
            "{room}"
        );
    }
    assert_eq!(
        server.get("/system/status").await.json()["services"],
        note["statuses"]
    );
}

/// Checks that every stream that resumes is sent what the earlier version would have sent, and then
/// what is new.
async fn streams_go_on(server: &TestServer, note: &Value) {
    let mut streams = Vec::new();
    for told in list(note, "streams") {
        let (path, after) = (text(told, "path"), text(told, "after"));
        let mut stream = server
            .resumed(path, told["token"].as_str().unwrap_or_default(), after)
            .await;
        let connected = stream.expect("connected").await;
        assert_eq!(
            connected.data["resumed"],
            told["reset"].is_null(),
            "{after} on {path}"
        );
        if let Some(reason) = told["reset"].as_str() {
            assert_eq!(
                stream.expect("reset").await.data["reason"],
                reason,
                "{after} on {path}"
            );
        }
        for id in list(told, "sees") {
            let event = stream.next().await;
            assert_eq!(event.last_id, id.as_str().unwrap(), "{after} on {path}");
            let expected = &note["events"][id.as_str().unwrap()];
            assert_eq!(
                (&*event.event, &event.data),
                (text(expected, "event"), &expected["data"]),
                "{id} on {path}"
            );
        }
        streams.push((path, after, stream));
    }
    // The first new event that each stream sees.
    let mut news = Vec::new();
    let mut publish = async |shown_on: &[&'static str], path: &str, body: Value| {
        server.post(path, body).await;
        let id = server.head().await;
        news.extend(shown_on.iter().map(|stream| (*stream, id.clone())));
    };
    publish(
        &["/notifications/stream"],
        "/notifications/send",
        json!({"title": "T", "message": "M"}),
    )
    .await;
    let shown_on = ["/realtime/stream", "/realtime/stream?entities=trimmed"];
    publish(&shown_on, "/realtime/entity/trimmed/update", json!({})).await;
    let shown_on = ["/chat/room/general/stream", "/chat/stream"];
    publish(
        &shown_on,
        "/chat/message",
        json!({"roomId": "general", "message": "m"}),
    )
    .await;
    for (shown_on, room) in [
        ("/chat/room/trimmed/stream", "trimmed"),
        ("/chat/room/erased/stream", "erased"),
    ] {
        publish(
            &[shown_on],
            "/chat/message",
            json!({"roomId": room, "message": "m"}),
        )
        .await;
    }
    let status = json!({"service": "db", "status": "online"});
    publish(&["/system/status/stream"], "/system/status/update", status).await;
    for (path, after, mut stream) in streams {
        let new = news
            .iter()
            .find(|(shown_on, _)| *shown_on == path)
            .map(|(_, id)| id);
        assert_eq!(Some(&stream.next().await.last_id), new, "{after} on {path}");
    }
}

#[tokio::test]
async fn clients_resume_after_an_upgrade_and_miss_nothing() {
    for version in VERSIONS {
        let old = OldDirectory::by(version);
        let server = old.start().await;
        keys_are_known(&server, &old.note).await;
        members_and_statuses_are_there(&server, &old.note).await;
        streams_go_on(&server, &old.note).await;
    }
}

/// A log may have more keys than are allowed, because an earlier version had another bound. It
/// keeps them all.
#[tokio::test]
async fn keys_above_the_limit_stay_and_a_new_one_is_refused() {
    let old = OldDirectory::by("fca78b1");
    let mut options = Options::new(old.house.path());
    options.retention.bounds = Bounds::of_each(2);
    drop(Disk::open(options).unwrap()); // the first process that opens the log records the bounds
    let server = old.start().await;
    members_and_statuses_are_there(&server, &old.note).await;
    let update = async |service: &str| {
        let body = json!({"service": service, "status": "online"});
        server
            .call("POST", "/system/status/update", ADMIN, body)
            .await
    };
    update("new").await.assert_refused(503, "too_many_keys");
    assert_eq!(update("db").await.status, 200);
    let join = async |user: &str| {
        server
            .call(
                "POST",
                "/chat/room/side/join",
                &demo(user, "user"),
                json!(null),
            )
            .await
    };
    join("new").await.assert_refused(503, "too_many_keys");
    assert_eq!(
        join("bob").await.status,
        200,
        "who is a member needs no room"
    );
}

#[tokio::test]
async fn after_a_second_start_everything_is_still_there() {
    for version in VERSIONS {
        let old = OldDirectory::by(version);
        for _ in 0..2 {
            let mut server = old.start().await;
            keys_are_known(&server, &old.note).await;
            members_and_statuses_are_there(&server, &old.note).await;
            server.stopped().await.unwrap();
        }
        let server = old.start().await;
        streams_go_on(&server, &old.note).await;
    }
}
