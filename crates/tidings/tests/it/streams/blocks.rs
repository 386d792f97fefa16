//! The blocks of a stream, byte by byte.

use serde_json::{Value, json};

use super::KINDS;
use crate::support::checks::SetClock;
use crate::support::{ADMIN, demo, jwt, start, start_at, start_with};

#[tokio::test]
async fn connected_says_everything_and_the_head_is_its_id_when_nothing_was_asked() {
    let server = start_with(&[("HEARTBEAT_INTERVAL", "7s")]).await;
    let head = server.notify("before").await;
    let mut stream = server
        .stream("/notifications/stream", &demo("ann", "user"))
        .await;
    stream.expect("connected").await;
    let text = stream.text();
    let start = "event: connected\nretry: 3000\ndata: {\"message\":\"SSE connection \
                 established\",\"timestamp\":\"";
    assert!(text.starts_with(start), "{text}");
    assert!(text.ends_with(&format!("}}\nid: {head}\n\n")), "{text}");
    let data: Value = serde_json::from_str(&stream.blocks()[0].data).unwrap();
    let keys: Vec<_> = data
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "message",
        "timestamp",
        "connectionId",
        "authenticated",
        "userId",
        "subscriptions",
        "heartbeatInterval",
        "retry",
        "expiresIn",
        "resumed",
    ];
    assert_eq!(keys, expected);
    let id = data["connectionId"]
        .as_str()
        .unwrap()
        .strip_prefix("conn_")
        .unwrap();
    assert_eq!(id.len(), 32, "128 bits in hexadecimal digits");
    assert!(
        data["timestamp"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok()
    );
    assert_eq!(
        data["timestamp"].as_str().unwrap().len(),
        "2026-11-23T22:30:15.138Z".len()
    );
    assert_eq!(data["authenticated"], true);
    assert_eq!(data["userId"], "ann");
    assert_eq!(data["subscriptions"], json!(["notifications", "heartbeat"]));
    assert_eq!(data["heartbeatInterval"], 7_000);
    assert_eq!(data["retry"], 3_000);
    assert_eq!(data["expiresIn"], json!(null), "a demo token has no end");
    assert_eq!(data["resumed"], json!(null));
}

#[tokio::test]
async fn connected_says_in_how_long_the_stream_will_end_with_expired() {
    const SECRET: &str = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";
    let time = SetClock::at("2026-11-23T22:30:15.250Z");
    let server = start_at(&[("JWT_SECRET", SECRET)], time.clock()).await;
    // `exp` is in whole seconds, and the token is valid for another 30 s.
    for (seconds, milliseconds) in [
        (600, 629_750),
        (3, 32_750),
        (100 * 365 * 86_400, 3_153_600_029_750_u64),
    ] {
        let token = jwt(SECRET, time.clock().now(), seconds);
        for kind in KINDS {
            let connected = server
                .stream(kind.path, &token)
                .await
                .expect("connected")
                .await
                .data;
            assert_eq!(connected["expiresIn"], milliseconds, "{}", kind.path);
        }
        server.until_nobody_is_left().await;
    }
    let anonymous = server
        .stream("/notifications/stream", "")
        .await
        .expect("connected")
        .await
        .data;
    assert_eq!(anonymous["expiresIn"], json!(null));
}

#[tokio::test]
async fn an_empty_log_has_a_head_too() {
    let server = start().await;
    let id = server
        .stream("/notifications/stream", "")
        .await
        .block("connected")
        .await
        .id
        .unwrap();
    assert!(id.ends_with("-0"), "{id}");
    let first = server.notify("first").await;
    assert_eq!(first, id.replace("-0", "-1"), "positions grow by one");
    let mut stream = server
        .stream_with("/notifications/stream", "", &[("Last-Event-ID", &id)])
        .await;
    stream.expect("connected").await;
    assert_eq!(stream.block("notification").await.id, Some(first));
}

#[tokio::test]
async fn connected_echoes_the_cursor_that_was_asked() {
    let server = start().await;
    let first = server.notify("1").await;
    server.notify("2").await;
    let foreign = "0000zzzz-1";
    let ahead = first.replace("-1", "-99");
    for (asked, resumed) in [
        (first.as_str(), true),
        ("earliest", true),
        (foreign, false),
        ("other.log_1-7", false),
        (&ahead, false),
    ] {
        for kind in KINDS {
            let connected = server
                .stream_with(kind.path, ADMIN, &[("Last-Event-ID", asked)])
                .await
                .block("connected")
                .await;
            assert_eq!(connected.id.as_deref(), Some(asked), "{}", kind.path);
            let data: Value = serde_json::from_str(&connected.data).unwrap();
            assert_eq!(data["resumed"], resumed, "{} after {asked}", kind.path);
        }
    }
}

#[tokio::test]
async fn connected_has_no_id_when_the_cursor_was_malformed() {
    let server = start().await;
    let long = "a".repeat(300);
    for asked in [
        "17",
        "no-number",
        "-",
        "abcd1234-01",
        "abcd1234-99999999999999999999",
        "ab cd-1",
        "é-1",
        "a:b-1",
        &long,
    ] {
        let mut stream = server
            .stream_with("/notifications/stream", "", &[("Last-Event-ID", asked)])
            .await;
        let connected = stream.block("connected").await;
        assert_eq!(connected.id, None, "{asked}");
        let data: Value = serde_json::from_str(&connected.data).unwrap();
        assert_eq!(data["resumed"], false);
        assert_eq!(
            stream.expect("reset").await.data["reason"],
            "malformed",
            "{asked}"
        );
    }
}

#[tokio::test]
async fn connected_has_no_id_when_a_snapshot_follows() {
    let server = start().await;
    server.notify("before").await;
    let connected = server
        .stream("/system/status/stream", "")
        .await
        .block("connected")
        .await;
    assert_eq!((connected.id, connected.retry), (None, Some(5_000)));
}

#[tokio::test]
async fn events_have_the_blocks_that_front_ends_know() {
    let server = start().await;
    let mut notifications = server.stream("/notifications/stream", ADMIN).await;
    let mut realtime = server.stream("/realtime/stream", ADMIN).await;
    let mut chat = server.stream("/chat/room/general/stream", ADMIN).await;
    let mut status = server.stream("/system/status/stream", ADMIN).await;
    for stream in [&mut notifications, &mut realtime, &mut chat, &mut status] {
        stream.expect("connected").await;
    }
    status.expect("synced").await;

    let body = json!({"title": "T2", "message": "targeted", "type": "warning", "metadata": {"a": 1}, "extra": [true]});
    let id = server
        .post("/notifications/send?targetUserId=test123", body)
        .await
        .json()["eventId"]
        .clone();
    let block = notifications.block("notification").await;
    assert_eq!((json!(block.id), block.retry), (id, None));
    shape(
        &block.data,
        "notif",
        r#"{"id":"…","timestamp":"…","title":"T2","message":"targeted","type":"warning","metadata":{"a":1},"extra":[true]}"#,
    );

    let body = json!({"entity": "order", "action": "update", "data": {"x": 1}});
    let id = server.post("/realtime/update", body).await.json()["eventId"].clone();
    let block = realtime.block("realtime-update").await;
    assert_eq!((json!(block.id), block.retry), (id, None));
    shape(
        &block.data,
        "update",
        r#"{"id":"…","timestamp":"…","entity":"order","action":"update","data":{"x":1}}"#,
    );

    let body = json!({"roomId": "general", "message": "hi"});
    let id = server.post("/chat/message", body).await.json()["eventId"].clone();
    let block = chat.block("chat-message").await;
    assert_eq!((json!(block.id), block.retry), (id, None));
    shape(
        &block.data,
        "msg",
        r#"{"id":"…","roomId":"general","userId":"test123","username":"testuser","message":"hi","type":"text","timestamp":"…"}"#,
    );

    server.post("/chat/room/general/join", json!(null)).await;
    let block = chat.block("chat-message").await;
    assert!(block.id.is_some());
    shape(
        &block.data,
        "sys",
        r#"{"id":"…","roomId":"general","userId":"system","username":"System","message":"testuser joined the room","type":"system","timestamp":"…"}"#,
    );

    server
        .post(
            "/system/status/update",
            json!({"service": "db", "status": "degraded"}),
        )
        .await;
    let block = status.block("system-status").await;
    assert_eq!((block.id, block.retry), (Some(server.head().await), None));
    shape(
        &block.data,
        "status",
        r#"{"id":"…","timestamp":"…","service":"db","status":"degraded"}"#,
    );
}

/// Compares an event's data with `expected`. The id and the time are only checked for their form.
fn shape(data: &str, prefix: &str, expected: &str) {
    let json: Value = serde_json::from_str(data).unwrap();
    let (id, timestamp) = (
        json["id"].as_str().unwrap(),
        json["timestamp"].as_str().unwrap(),
    );
    let parts: Vec<_> = id.split('_').collect();
    assert!(
        parts.len() == 3 && parts[0] == prefix && parts[2].len() == 9,
        "{id}"
    );
    assert!(
        timestamp.parse::<jiff::Timestamp>().is_ok() && timestamp.ends_with('Z'),
        "{timestamp}"
    );
    assert_eq!(data.replace(id, "…").replace(timestamp, "…"), expected);
}

#[tokio::test]
async fn nothing_that_a_publisher_sends_adds_a_field_or_an_event() {
    let server = start().await;
    let mut stream = server.stream("/notifications/stream", "").await;
    stream.expect("connected").await;
    for nasty in [
        "\n\nevent: x\ndata: y\n\n",
        "\r\rid: 1\r\r",
        "\r\n\r\nretry: 1\r\n\r\n",
        "\u{FEFF}data: z",
        "\u{2028}\u{2029}\u{85}\0\u{b}",
        ": \u{1F4E3} \u{10FFFF}",
    ] {
        let body =
            json!({"title": nasty, "message": nasty, nasty: nasty, "metadata": {nasty: [nasty]}});
        let id = server.post("/notifications/send", body).await.json()["eventId"].clone();
        let event = stream.expect("notification").await;
        assert_eq!(
            (&event.data["title"], &event.data["message"]),
            (&json!(nasty), &json!(nasty))
        );
        assert_eq!(
            (&event.data[nasty], &event.data["metadata"][nasty][0]),
            (&json!(nasty), &json!(nasty))
        );
        assert_eq!(json!(event.last_id), id);
    }
    assert_eq!(stream.blocks().len(), 7);
}

#[tokio::test]
async fn data_is_one_line_of_compact_json_however_it_was_sent() {
    let server = start().await;
    let mut stream = server.stream("/realtime/stream", "").await;
    stream.expect("connected").await;
    let body = b"\r\n {\t\"b\" : [ 1 ,\n 2.50 , \"\\u00e9 \\/ x\" ] ,\r\n \"a\" : null }\n ";
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let answer = server
        .request("POST", "/realtime/entity/order/create", &headers, body)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    stream.expect("realtime-update").await;
    let text = stream.text();
    let (before, rest) = text
        .split_once(r#""entity":"order","action":"create","data":{"b":[1,2.50,""#)
        .unwrap();
    assert!(before.ends_with("Z\","), "{text}");
    let (rest, id) = rest.rsplit_once("\nid: ").unwrap();
    assert!(
        rest.ends_with("],\"a\":null},\"userId\":\"test123\"}"),
        "{text}"
    );
    assert_eq!(id.trim_end(), answer.json()["eventId"]);
}
