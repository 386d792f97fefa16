//! Cursors after which not everything can be replayed: the client is told at once, and the stream
//! goes on.

use serde_json::json;

use super::{narrow, numbers, position, publish};
use crate::support::{ADMIN, Stream, TestServer, start, start_with};

/// Opens a stream after `cursor`. Checks that it is reset for `reason` to the head, and goes on
/// from there.
async fn expect_reset(server: &TestServer, cursor: &str, reason: &str, oldest: serde_json::Value) {
    let head = server.head().await;
    let mut stream = server.resumed("/notifications/stream", "", cursor).await;
    assert_eq!(stream.expect("connected").await.data["resumed"], false);
    let reset = stream.block("reset").await;
    assert_eq!((reset.id.as_ref(), reset.retry), (Some(&head), None));
    let expected =
        json!({"reason": reason, "requested": cursor, "resumedFrom": head, "oldest": oldest});
    assert_eq!(reset.data, expected.to_string());
    let new = server.notify("new").await;
    assert_eq!(
        stream.block("notification").await.id,
        Some(new),
        "and nothing of the past in between"
    );
}

#[tokio::test]
async fn a_cursor_whose_successors_were_trimmed_is_reset() {
    let server = start_with(&[("JOURNAL_MAX_EVENTS", "3")]).await;
    let cursor = server.notify("0").await;
    publish(&server, 1, 3).await;
    let mut whole = server.resumed("/notifications/stream", "", &cursor).await;
    assert_eq!(
        whole.expect("connected").await.data["resumed"],
        true,
        "only what it has seen was trimmed"
    );
    assert_eq!(numbers(&mut whole, 3).await, [1, 2, 3]);
    publish(&server, 4, 1).await;
    expect_reset(
        &server,
        &cursor,
        "trimmed",
        json!(cursor.replace("-1", "-3")),
    )
    .await;
}

#[tokio::test]
async fn a_cursor_of_another_log_is_reset() {
    let server = start().await;
    let oldest = server.notify("0").await;
    let other = start().await.head().await;
    expect_reset(&server, &other, "epoch", json!(oldest)).await;
    expect_reset(&server, "Another_log.v2-17", "epoch", json!(oldest)).await;
}

#[tokio::test]
async fn a_cursor_ahead_of_the_log_is_reset() {
    let server = start().await;
    let oldest = server.notify("0").await;
    expect_reset(&server, &oldest.replace("-1", "-2"), "ahead", json!(oldest)).await;
    expect_reset(
        &server,
        &oldest.replace("-1", "-18446744073709551615"),
        "ahead",
        json!(oldest),
    )
    .await;
}

#[tokio::test]
async fn a_text_that_is_not_an_id_is_reset_as_malformed() {
    let server = start().await;
    let oldest = server.notify("0").await;
    for cursor in [
        "17",
        "evt_1795473015155_k6dox6t2v",
        "null",
        "undefined",
        "-1",
        "EARLIEST",
    ] {
        expect_reset(&server, cursor, "malformed", json!(oldest)).await;
    }
}

#[tokio::test]
async fn without_stored_events_reset_has_no_oldest() {
    let server = start().await;
    expect_reset(&server, "17", "malformed", json!(null)).await;
}

#[tokio::test]
async fn the_id_of_a_reset_is_a_cursor() {
    let server = start().await;
    server.notify("0").await;
    let mut stream = server.resumed("/notifications/stream", "", "17").await;
    stream.expect("connected").await;
    let cursor = stream.block("reset").await.id.unwrap();
    drop(stream);
    publish(&server, 1, 2).await;
    let mut stream = server.resumed("/notifications/stream", "", &cursor).await;
    assert_eq!(stream.expect("connected").await.data["resumed"], true);
    assert_eq!(numbers(&mut stream, 2).await, [1, 2]);
}

#[tokio::test]
async fn a_quiet_topic_is_not_reset_because_a_busy_one_was_trimmed() {
    let server = start_with(&[("JOURNAL_MAX_EVENTS", "10")]).await;
    let cursor = server.head().await;
    publish(&server, 0, 100).await;
    for path in ["/chat/room/r/stream", "/realtime/stream?entities=order"] {
        let mut stream = server.resumed(path, ADMIN, &cursor).await;
        assert_eq!(
            stream.expect("connected").await.data["resumed"],
            true,
            "{path}"
        );
    }
    server
        .post("/chat/message", json!({"roomId": "r", "message": "hi"}))
        .await;
    let mut stream = server.resumed("/chat/room/r/stream", ADMIN, &cursor).await;
    assert_eq!(stream.expect("connected").await.data["resumed"], true);
    assert_eq!(stream.expect("chat-message").await.data["message"], "hi");
    let mut busy = server.resumed("/notifications/stream", "", &cursor).await;
    busy.expect("connected").await;
    assert_eq!(busy.expect("reset").await.data["reason"], "trimmed");
}

#[tokio::test]
async fn a_status_stream_is_not_reset_by_what_was_superseded() {
    let server = start_with(&[("JOURNAL_MAX_EVENTS", "2")]).await;
    let cursor = server.head().await;
    for status in ["online", "offline", "degraded", "maintenance"] {
        server
            .post(
                "/system/status/update",
                json!({"service": "db", "status": status}),
            )
            .await;
    }
    let mut stream = server.resumed("/system/status/stream", "", &cursor).await;
    assert_eq!(stream.expect("connected").await.data["resumed"], true);
    loop {
        if stream.expect("system-status").await.data["status"] == "maintenance" {
            break;
        }
    }
}

#[tokio::test]
async fn a_slow_reader_whose_events_are_trimmed_is_reset_and_continues() {
    const EVENTS: usize = 80;
    let server = start_with(&[("JOURNAL_MAX_EVENTS", "8")]).await;
    let mut stream = Stream::open_on(narrow(&server).await, "/notifications/stream", &[]).await;
    let ballast = "x".repeat(200_000); // 16 MB in all: no socket holds that much
    for nth in 0..EVENTS {
        let data = json!({"title": nth.to_string(), "message": "m", "ballast": ballast});
        server.say(&data).await;
    }
    let connected = stream.block("connected").await.id.unwrap();
    let mut seen = Vec::new();
    let reset = loop {
        let event = stream.next().await;
        if event.event == "reset" {
            break event;
        }
        assert_eq!(event.event, "notification");
        seen.push(position(&event.last_id));
    };
    let first = position(&connected) + 1;
    assert!(
        (first..).zip(&seen).all(|(expected, got)| expected == *got),
        "{seen:?}"
    );
    assert_eq!(reset.data["reason"], "trimmed");
    assert_eq!(reset.data["resumedFrom"], json!(reset.last_id));
    assert_eq!(position(&reset.last_id), EVENTS as u64, "the head");
    let oldest = reset.data["oldest"].as_str().unwrap();
    assert_eq!(position(oldest), EVENTS as u64 - 7);
    let last = seen.last().copied().unwrap_or_else(|| position(&connected));
    assert_eq!(
        position(reset.data["requested"].as_str().unwrap()),
        last,
        "the last one that was sent"
    );
    let new = server.notify("new").await;
    assert_eq!(stream.block("notification").await.id, Some(new));
}
