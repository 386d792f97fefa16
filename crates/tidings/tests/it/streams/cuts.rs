//! A stream that breaks at any byte, read by clients that act on a line before its event is
//! complete.
//!
//! Such a client resumes with what it takes for its last id. It must then be sent everything that
//! it has not had, or be told that something is missing: by a `reset`, or by `"resumed":null` if it
//! sends no id any more.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::support::{ADMIN, TestServer, start};

/// When a client acts on what it has read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Parser {
    /// The client evaluates each line, even an incomplete last one, and shows the event so far
    /// when the connection breaks, as `r3labs/sse` does.
    EveryLine,
    /// The client takes an id once its line is complete, and shows an event only once it is
    /// complete, as `fetch-event-source` does.
    WholeLines,
}

/// What a client has after a connection broke.
struct Seen {
    last_id: String,
    /// The names of the events that it showed in full. Half of an event is not JSON.
    had: BTreeSet<String>,
}

/// Returns what a client has seen that asked for `cursor` and received `bytes`.
fn seen_by(parser: Parser, cursor: &str, bytes: &[u8]) -> Seen {
    let text = String::from_utf8_lossy(bytes);
    let (mut last_id, mut had, mut data) = (cursor.to_owned(), BTreeSet::new(), String::new());
    let mut show = |data: &mut String| {
        had.extend(
            serde_json::from_str(&std::mem::take(data))
                .ok()
                .and_then(|data: Value| name(&data)),
        );
    };
    for line in text.split_inclusive('\n') {
        let whole = line.ends_with('\n');
        if !whole && parser == Parser::WholeLines {
            break;
        }
        let line = line.trim_end_matches('\n');
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => show(&mut data),
            "data" => data.push_str(value),
            "id" => value.clone_into(&mut last_id),
            _ => {}
        }
    }
    if parser == Parser::EveryLine {
        show(&mut data);
    }
    Seen { last_id, had }
}

/// The name by which the test knows a published event.
fn name(data: &Value) -> Option<String> {
    let field = |name: &str| data[name].as_str();
    let status = || Some(format!("{} {}", field("service")?, field("status")?));
    field("title").map(str::to_owned).or_else(status)
}

/// Returns what a client that resumes with `last_id` is sent, up to the marker; `None` if it is
/// told that something is missing.
async fn sent_again(
    server: &TestServer,
    path: &str,
    last_id: &str,
    marker: &str,
) -> Option<BTreeSet<String>> {
    let mut stream = server.resumed(path, "", last_id).await;
    if stream.expect("connected").await.data["resumed"] != true {
        return None;
    }
    let mut names = BTreeSet::new();
    loop {
        let event = stream.next().await;
        if event.event == "reset" {
            return None;
        }
        names.extend(name(&event.data));
        if names.contains(marker) {
            return Some(names);
        }
    }
}

/// Cuts what a stream sent after each byte, and has a client that read up to there resume.
async fn nothing_is_lost(
    server: &TestServer,
    path: &str,
    cursor: &str,
    body: &[u8],
    expected: &[&str],
    marker: &str,
) {
    let mut known = HashMap::new();
    for parser in [Parser::EveryLine, Parser::WholeLines] {
        for cut in 0..=body.len() {
            let read = &body[..cut];
            // This is the one byte at which a loss can't be prevented, because an id must be in the
            // block of its event.
            let between = |text: &[u8]| {
                text.ends_with(b"\n")
                    && text
                        .rsplit(|byte| *byte == b'\n')
                        .nth(1)
                        .is_some_and(|line| line.starts_with(b"id"))
            };
            if parser == Parser::WholeLines && between(read) {
                continue;
            }
            let Seen { last_id, had } = seen_by(parser, cursor, read);
            if !known.contains_key(&last_id) {
                known.insert(
                    last_id.clone(),
                    sent_again(server, path, &last_id, marker).await,
                );
            }
            let Some(again) = &known[&last_id] else {
                continue;
            };
            let lost: Vec<_> = expected
                .iter()
                .filter(|name| !had.contains(**name) && !again.contains(**name))
                .collect();
            assert!(
                lost.is_empty(),
                "{parser:?} came back after {last_id:?}, and {lost:?} is lost, of:\n{}",
                String::from_utf8_lossy(read)
            );
        }
    }
}

#[tokio::test]
async fn a_cut_at_any_byte_loses_no_event_of_a_stream_live_replayed_or_reset() {
    const PATH: &str = "/notifications/stream";
    let server = start().await;
    for nth in 0..12 {
        server.notify(&format!("before {nth}")).await;
    }
    let cursor = server.notify("seen").await;
    let foreign = "0000zzzz-12".to_owned();
    let mut live = server.stream(PATH, "").await;
    let mut reset = server.resumed(PATH, "", &foreign).await;
    live.expect("connected").await;
    reset.expect("connected").await;
    let expected = ["one", "two – zwei", "three"];
    for title in expected {
        server.notify(title).await;
    }
    let mut replayed = server.resumed(PATH, "", &cursor).await;
    let mut earliest = server.resumed(PATH, "", "earliest").await;
    for stream in [&mut live, &mut reset, &mut replayed, &mut earliest] {
        stream
            .read_until(|text| text.contains("three") && text.ends_with("\n\n"))
            .await;
    }
    server.notify("marker").await;
    for (cursor, stream) in [
        ("", &live),
        (&foreign, &reset),
        (&cursor, &replayed),
        ("earliest", &earliest),
    ] {
        nothing_is_lost(&server, PATH, cursor, &stream.body, &expected, "marker").await;
    }
}

#[tokio::test]
async fn a_cut_at_any_byte_loses_no_status_of_a_snapshot() {
    const PATH: &str = "/system/status/stream";
    let server = start().await;
    let update = async |service: &str, status: &str| {
        let answer = server
            .post(
                "/system/status/update",
                json!({"service": service, "status": status}),
            )
            .await;
        answer.json()["eventId"].as_str().unwrap().to_owned()
    };
    for service in ["db", "web", "mail"] {
        update(service, "online").await;
    }
    let mut stream = server.stream(PATH, ADMIN).await;
    stream.read_until(|text| text.contains("synced")).await;
    update("web", "offline").await;
    stream
        .read_until(|text| text.contains("offline") && text.ends_with("\n\n"))
        .await;
    update("marker", "online").await;
    let expected = ["db online", "web offline", "mail online"];
    nothing_is_lost(&server, PATH, "", &stream.body, &expected, "marker online").await;
}

#[tokio::test]
async fn the_id_is_the_last_line_of_an_event() {
    let server = start().await;
    let mut chat = server.connected("/chat/room/r/stream", ADMIN).await;
    let mut heartbeat = server.connected("/system/heartbeat", "").await;
    server
        .post("/chat/message", json!({"roomId": "r", "message": "id: 1"}))
        .await;
    server.post("/chat/room/r/join", Value::Null).await;
    chat.take("chat-message", 2).await;
    heartbeat.expect("heartbeat").await;
    for stream in [chat, heartbeat] {
        // `blocks` fails if the fields have any other order.
        assert!(stream.blocks().iter().any(|block| block.id.is_some()));
    }
}
