//! The status stream, which starts with the current state.

use serde_json::json;

use crate::support::{TestServer, start};

async fn report(server: &TestServer, service: &str, status: &str) -> String {
    server
        .post(
            "/system/status/update",
            json!({"service": service, "status": status}),
        )
        .await;
    server.head().await
}

#[tokio::test]
async fn the_status_stream_begins_with_the_latest_of_each_service_and_synced() {
    let server = start().await;
    report(&server, "db", "online").await;
    report(&server, "api", "online").await;
    report(&server, "db", "degraded").await;
    let head = server.notify("something else").await;
    let mut stream = server.stream("/system/status/stream", "").await;
    assert_eq!(stream.block("connected").await.id, None);
    let mut latest = Vec::new();
    for _ in 0..2 {
        let block = stream.block("system-status").await;
        assert_eq!((block.id, block.retry), (None, None));
        let data: serde_json::Value = serde_json::from_str(&block.data).unwrap();
        latest.push(format!(
            "{} {}",
            data["service"].as_str().unwrap(),
            data["status"].as_str().unwrap()
        ));
    }
    latest.sort();
    assert_eq!(latest, ["api online", "db degraded"]);
    let synced = stream.block("synced").await;
    assert_eq!(
        (synced.data.as_str(), synced.retry),
        (r#"{"count":2}"#, None)
    );
    assert_eq!(synced.id, Some(head));
    let live = report(&server, "db", "online").await;
    assert_eq!(stream.block("system-status").await.id, Some(live));
}

#[tokio::test]
async fn without_any_status_the_status_stream_begins_with_synced() {
    let server = start().await;
    let mut stream = server.stream("/system/status/stream", "").await;
    stream.expect("connected").await;
    let synced = stream.block("synced").await;
    assert_eq!(
        (synced.data.as_str(), synced.id),
        (r#"{"count":0}"#, Some(server.head().await))
    );
}

#[tokio::test]
async fn the_id_of_synced_is_a_cursor_that_misses_nothing() {
    let server = start().await;
    report(&server, "db", "online").await;
    let mut stream = server.stream("/system/status/stream", "").await;
    stream.expect("connected").await;
    stream.expect("system-status").await;
    let synced = stream.expect("synced").await.last_id;
    drop(stream);
    let missed = report(&server, "db", "offline").await;
    let mut stream = server
        .stream_with("/system/status/stream", "", &[("Last-Event-ID", &synced)])
        .await;
    let connected = stream.block("connected").await;
    assert_eq!(connected.id, Some(synced));
    let block = stream.block("system-status").await;
    assert_eq!(block.id, Some(missed));
    assert!(block.data.contains("offline"));
}

#[tokio::test]
async fn resuming_the_status_stream_sends_the_newer_statuses_and_no_snapshot() {
    let server = start().await;
    report(&server, "quiet", "online").await;
    let seen = report(&server, "db", "online").await;
    for status in ["degraded", "offline", "maintenance"] {
        report(&server, "db", status).await;
    }
    let api = report(&server, "api", "online").await;
    let mut stream = server
        .stream_with("/system/status/stream", "", &[("Last-Event-ID", &seen)])
        .await;
    assert_eq!(stream.expect("connected").await.data["resumed"], true);
    let mut newest = std::collections::BTreeMap::new();
    loop {
        let event = stream.expect("system-status").await;
        newest.insert(
            event.data["service"].to_string(),
            event.data["status"].to_string(),
        );
        if event.last_id == api {
            break;
        }
    }
    let expected = [("\"api\"", "\"online\""), ("\"db\"", "\"maintenance\"")];
    assert!(
        newest
            .iter()
            .map(|(service, status)| (service.as_str(), status.as_str()))
            .eq(expected),
        "{newest:?}"
    );
    let live = report(&server, "db", "online").await;
    assert_eq!(stream.block("system-status").await.id, Some(live));
}

#[tokio::test]
async fn earliest_is_a_cursor_too_and_gets_no_snapshot() {
    let server = start().await;
    let only = report(&server, "db", "online").await;
    let mut stream = server
        .stream("/system/status/stream?lastEventId=earliest", "")
        .await;
    assert_eq!(
        stream.block("connected").await.id.as_deref(),
        Some("earliest")
    );
    assert_eq!(stream.block("system-status").await.id, Some(only));
    let live = report(&server, "db", "offline").await;
    assert_eq!(stream.block("system-status").await.id, Some(live));
}
