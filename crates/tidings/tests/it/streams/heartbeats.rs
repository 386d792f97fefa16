//! How a stream shows that it is alive.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::KINDS;
use crate::support::{ADMIN, start_with};

#[tokio::test]
async fn every_stream_gets_a_heartbeat_without_an_id_at_each_interval() {
    let server = start_with(&[("HEARTBEAT_INTERVAL", "200ms")]).await;
    let mut streams = JoinSet::new();
    for kind in KINDS {
        let opened = Instant::now();
        let mut stream = server.stream(kind.path, ADMIN).await;
        streams.spawn(async move {
            assert_eq!(
                stream.expect("connected").await.data["heartbeatInterval"],
                200
            );
            if kind.path == "/system/heartbeat" {
                stream.expect("heartbeat").await; // the heartbeat that comes at once
            }
            if kind.path == "/system/status/stream" {
                stream.expect("synced").await;
            }
            for nth in 1..=3 {
                let block = stream.block("heartbeat").await;
                assert_eq!((block.id, block.retry), (None, None));
                let data: serde_json::Value = serde_json::from_str(&block.data).unwrap();
                assert_eq!(data.as_object().unwrap().len(), 1);
                assert!(
                    data["timestamp"]
                        .as_str()
                        .unwrap()
                        .parse::<jiff::Timestamp>()
                        .is_ok()
                );
                // The first heartbeat comes up to a fifth early, so that streams that opened
                // together do not have their heartbeats together.
                assert!(
                    opened.elapsed() >= Duration::from_millis(nth * 200 - 40),
                    "too early"
                );
            }
        });
    }
    streams.join_all().await;
}

#[tokio::test]
async fn a_busy_stream_gets_heartbeats_too() {
    let server = start_with(&[("HEARTBEAT_INTERVAL", "200ms")]).await;
    let mut stream = server.stream("/notifications/stream", "").await;
    let (mut heartbeats, mut notifications) = (0, 0);
    stream.expect("connected").await;
    while heartbeats < 3 {
        server.notify("busy").await;
        match stream.next().await.event.as_str() {
            "heartbeat" => heartbeats += 1,
            _ => notifications += 1,
        }
    }
    assert!(notifications > 0);
}

#[tokio::test]
async fn the_heartbeat_stream_begins_with_a_heartbeat() {
    for settings in [&[][..], &[("HEARTBEAT_STYLE", "comment")]] {
        let server = start_with(settings).await; // the next one would come after 25 s
        for token in ["", ADMIN] {
            let mut stream = server.stream("/system/heartbeat", token).await;
            let connected = stream.block("connected").await;
            assert_eq!(connected.retry, Some(30_000));
            assert_eq!(stream.block("heartbeat").await.id, None);
        }
    }
}

#[tokio::test]
async fn a_heartbeat_does_not_move_the_clients_last_id() {
    let server = start_with(&[("HEARTBEAT_INTERVAL", "100ms")]).await;
    let mut stream = server.stream("/notifications/stream", "").await;
    stream.expect("connected").await;
    let id = server.notify("one").await;
    stream
        .read_until(|text| text.matches("event: heartbeat\n").count() > 2)
        .await;
    loop {
        let event = stream.next().await;
        if event.event == "notification" {
            break;
        }
    }
    assert_eq!(stream.expect("heartbeat").await.last_id, id);
}

#[tokio::test]
async fn in_comment_style_a_silent_stream_gets_a_comment_of_two_bytes() {
    let server = start_with(&[
        ("HEARTBEAT_INTERVAL", "200ms"),
        ("HEARTBEAT_STYLE", "comment"),
    ])
    .await;
    let mut streams = JoinSet::new();
    for kind in KINDS.iter().filter(|kind| kind.path != "/system/heartbeat") {
        let mut stream = server.stream(kind.path, ADMIN).await;
        streams.spawn(async move {
            stream.read_until(|text| text.ends_with(":\n:\n:\n")).await;
            let text = stream.text();
            let (_, rest) = text.rsplit_once("\n\n").unwrap();
            // There is no blank line, which some clients take for an event without a name.
            assert_eq!(rest, ":\n".repeat(rest.len() / 2));
            assert!(!text.contains("event: heartbeat"), "{text}");
        });
    }
    streams.join_all().await;
    let mut stream = server.stream("/notifications/stream", "").await;
    stream.read_until(|text| text.ends_with(":\n")).await;
    server.notify("after a comment").await;
    stream.expect("connected").await;
    let block = stream.block("notification").await;
    assert!(block.data.contains("after a comment"));
}

#[tokio::test]
async fn in_comment_style_a_stream_with_events_gets_no_heartbeats() {
    const INTERVAL: Duration = Duration::from_secs(1);
    let server = start_with(&[("HEARTBEAT_INTERVAL", "1s"), ("HEARTBEAT_STYLE", "comment")]).await;
    loop {
        let mut stream = server.stream("/notifications/stream", "").await;
        let mut silent = server.stream("/realtime/stream", "").await;
        stream.expect("connected").await;
        // The longest time that the stream may have been silent, by how long a publish and its
        // delivery took.
        let (mut said, mut longest) = (Instant::now(), Duration::ZERO);
        let beats = async { silent.read_until(|text| text.ends_with(":\n:\n")).await };
        let talk = async {
            loop {
                let before = said;
                said = Instant::now();
                server.notify("talk").await;
                stream.expect("notification").await;
                longest = longest.max(before.elapsed());
            }
        };
        tokio::select! {
            () = beats => {}
            () = talk => {}
        }
        // The first heartbeat may be a fifth early. If the machine is too busy to publish this
        // often, the test is repeated.
        if longest < INTERVAL * 4 / 5 {
            assert!(!stream.text().contains("\n:"), "{}", stream.text());
            return;
        }
    }
}

#[tokio::test]
async fn in_comment_style_the_heartbeat_stream_still_sends_the_event() {
    let server = start_with(&[
        ("HEARTBEAT_INTERVAL", "200ms"),
        ("HEARTBEAT_STYLE", "comment"),
    ])
    .await;
    let mut stream = server.stream("/system/heartbeat", "").await;
    let connected = stream.expect("connected").await;
    assert_eq!(connected.data["subscriptions"], json!(["heartbeat"]));
    for _ in 0..3 {
        stream.expect("heartbeat").await;
    }
    assert!(!stream.text().contains("\n:"));
}
