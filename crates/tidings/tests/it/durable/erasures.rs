//! `DELETE /users/{id}` and `DELETE /events` on a server that dies while it erases: after the next
//! start, either all of it is done or nothing.

use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tidings_journal::{Journal as _, Record, TopicName};
use tidings_journal_disk::{Disk, Options, probe};

use crate::support::binary::{Place, Process};
use crate::support::{ADMIN, Answer, demo, http, in_time, until};

/// How many times a server is killed while it erases.
const KILLS: usize = 12;

/// How many events of each kind there are, and in how many rooms and entities.
const EVENTS: usize = 20;
const PLACES: usize = 4;

fn start(data: &Path, sync: &str) -> Process {
    let place = Place::new()
        .env("JOURNAL", "disk")
        .env("DATA_DIR", data.to_str().unwrap());
    place
        .env("JOURNAL_SYNC", sync)
        .env("LOG_LEVEL", "warn")
        .start(&[])
}

/// Makes a call. Returns `None` if the server was not there to answer.
async fn call(
    process: &Process,
    method: &str,
    path: &str,
    token: &str,
    body: &Value,
) -> Option<Answer> {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    http::attempt(
        process.addresses[0],
        method,
        path,
        &headers,
        body.as_bytes(),
    )
    .await
}

/// Publishes an event, and returns its id.
async fn publish(process: &Process, path: &str, body: Value) -> String {
    let answer = in_time(call(process, "POST", path, ADMIN, &body))
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["eventId"].as_str().unwrap().to_owned()
}

/// How many events the owner of `token` sees in these topics.
async fn held(process: &Process, topics: &[String], token: &str) -> usize {
    let mut events = 0;
    for topic in topics {
        let path = format!("/events?topic={topic}&limit=1000");
        let page = in_time(call(process, "GET", &path, token, &Value::Null))
            .await
            .unwrap();
        assert_eq!(page.status, 200, "{}", page.text());
        events += page.json()["events"].as_array().unwrap().len();
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_while_it_erases_has_erased_all_or_nothing_at_its_next_start() {
    let mut rng = StdRng::seed_from_u64(19);
    for nth in 0..KILLS {
        let directory = tempfile::tempdir().unwrap();
        let sync = ["always", "never"][nth % 2];
        let mut process = start(directory.path(), sync);
        let mut last = String::new();
        for event in 0..EVENTS {
            let place = event % PLACES;
            let update =
                json!({"entity": format!("e{place}"), "action": "update", "data": "secret"});
            publish(&process, "/realtime/update?targetUserId=ann", update).await;
            let notification = json!({"title": "secret", "message": "m"});
            publish(
                &process,
                "/notifications/send?targetUserId=ann",
                notification,
            )
            .await;
            let message = json!({"roomId": format!("r{place}"), "message": "secret"});
            last = publish(&process, "/chat/message", message).await;
        }
        let named = |prefix: &str| {
            (0..PLACES)
                .map(|place| format!("{prefix}{place}"))
                .collect::<Vec<_>>()
        };
        let (path, topics, token) = if nth % 4 < 2 {
            let own = [
                "notifications/user/ann".to_owned(),
                "realtime/user/ann".to_owned(),
            ];
            let topics = [own.to_vec(), named("realtime/user/ann/entity/e")].concat();
            ("/users/ann".to_owned(), topics, demo("ann", "user"))
        } else {
            let topics = [vec!["chat".to_owned()], named("chat/room/r")].concat();
            (
                format!("/events?topic=chat&until={last}"),
                topics,
                ADMIN.to_owned(),
            )
        };
        let before = held(&process, &topics, &token).await;
        assert!(before >= 2 * EVENTS, "{before}");
        let erased = {
            let erasing = call(&process, "DELETE", &path, ADMIN, &Value::Null);
            // This sleep waits for nothing: the moment at which the server dies is random.
            let moment = tokio::time::sleep(Duration::from_micros(rng.random_range(0..12_000)));
            let mut erasing = std::pin::pin!(erasing);
            let early = tokio::select! {
                answer = &mut erasing => Some(answer),
                () = moment => None,
            };
            process.signal("KILL");
            match early {
                Some(answer) => answer,
                None => in_time(erasing).await,
            }
        };
        process.ended();
        let mut after = Vec::new();
        for _ in 0..2 {
            let process = start(directory.path(), sync);
            after.push(held(&process, &topics, &token).await);
            assert!(!process.said().contains("panic"), "{}", process.said());
        }
        let what = format!("{path} after kill {nth} ({sync}): {before}, then {after:?}");
        assert!(after[0] == 0 || after[0] == before, "a part of it: {what}");
        assert_eq!(after[0], after[1], "a later start does not agree: {what}");
        if let Some(answer) = erased {
            assert_eq!(
                (answer.status, after[0]),
                (200, 0),
                "{}: {what}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn an_erasure_that_a_killed_server_noted_is_finished_before_anything_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = start(directory.path(), "always");
    let mut ids = Vec::new();
    for room in ["r", "s", "r", "r"] {
        ids.push(
            publish(
                &process,
                "/chat/message",
                json!({"roomId": room, "message": "secret"}),
            )
            .await,
        );
    }
    process.signal("KILL");
    process.ended();
    {
        // Writes what a server writes that dies right afterwards.
        let disk = Disk::open(Options::new(directory.path())).unwrap();
        let note = Record {
            topics: [TopicName::parse("_floors").unwrap()].into(),
            event: "floor".into(),
            key: Some("chat".into()),
            data: format!("{} chat chat/room/", ids[2]).into(),
            at_ms: 0,
            ends_key: false,
        };
        disk.append(vec![note].into()).await.unwrap();
        disk.close().await;
    }
    // A process that another test starts has a copy of every lock between `fork` and `exec`.
    until(async || probe(directory.path()).is_ok()).await;
    let process = start(directory.path(), "always");
    let listed = in_time(call(&process, "GET", "/system/topics", ADMIN, &Value::Null))
        .await
        .unwrap()
        .json();
    let listed = listed["topics"].as_array().unwrap();
    let events = |name: &str| {
        listed
            .iter()
            .find(|topic| topic["name"] == name)
            .map(|topic| topic["events"].clone())
    };
    assert_eq!(
        (events("chat/room/r"), events("chat/room/s")),
        (Some(json!(1)), Some(json!(0)))
    );
    assert!(events("_floors").is_some(), "{listed:?}");
    for (topic, kept) in [("chat", 1), ("chat/room/r", 1), ("chat/room/s", 0)] {
        assert_eq!(
            held(&process, &[topic.to_owned()], ADMIN).await,
            kept,
            "{topic}"
        );
    }
}
