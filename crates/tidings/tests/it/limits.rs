//! What the server refuses, ends or cuts in order to keep working, and how it reports that.

use crate::support::checks::SetClock;
use crate::support::stalled::stalled;
use crate::support::stream::End;
use crate::support::{ADMIN, Stream, TestServer, demo, in_time, start_at, start_with, until};
use serde_json::json;
use std::time::Duration;

/// Opens a stream that must be refused with an event, and checks that event.
async fn refused(server: &TestServer, path: &str, token: &str, headers: &[(&str, &str)]) {
    let mut stream = server.stream_with(path, token, headers).await;
    let busy = stream.expect("busy").await;
    assert_eq!(
        busy.data,
        json!({ "reason": "too_many_connections", "reconnect": true, "retry": busy.retry })
    );
    assert!((1_000..=10_000).contains(&busy.retry.unwrap()), "{busy:?}");
    assert_eq!(stream.end().await, End::Cut);
}

async fn open(server: &TestServer, path: &str, token: &str) -> Stream {
    let mut stream = server.stream(path, token).await;
    stream.expect("connected").await;
    stream
}

#[tokio::test]
async fn a_full_server_tells_streams_when_to_come_back_and_others_503() {
    let server = start_with(&[("MAX_CONNECTIONS", "2")]).await;
    let first = open(&server, "/notifications/stream", "").await;
    let _second = open(&server, "/system/heartbeat", "").await;
    refused(&server, "/notifications/stream", "", &[]).await;
    let answer = server.get("/notifications/stream").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "too_many_connections")
    );
    assert!(answer.header("retry-after").is_some());
    for accept in ["*/*", "text/*"] {
        let answer = server
            .request("GET", "/notifications/stream", &[("Accept", accept)], b"")
            .await;
        assert!(
            answer.json()["message"]
                .as_str()
                .unwrap()
                .contains("`Accept: text/event-stream`"),
            "{}",
            answer.text()
        );
    }
    // Everything but streams works as before, and a stream that ends makes space for another.
    server
        .post("/notifications/send", json!({"title": "T", "message": "M"}))
        .await;
    drop(first);
    until(async || server.get("/system/stats").await.json()["totalConnections"] == 1).await;
    open(&server, "/notifications/stream", "").await;
}

#[tokio::test]
async fn the_number_of_streams_of_a_user_is_limited() {
    let server = start_with(&[
        ("MAX_CONNECTIONS_PER_USER", "1"),
        ("STREAM_REFUSAL", "status"),
    ])
    .await;
    let (ann, bob) = (demo("ann", "user"), demo("bob", "user"));
    let _stream = open(&server, "/notifications/stream", &ann).await;
    let bearer = format!("Bearer {ann}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Accept", "text/event-stream"),
    ];
    let answer = server.request("GET", "/chat/stream", &headers, b"").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "too_many_connections")
    );
    open(&server, "/notifications/stream", &bob).await;
    open(&server, "/notifications/stream", "").await;
}

#[tokio::test]
async fn anonymous_streams_are_counted_by_the_address_behind_a_trusted_proxy() {
    let settings = [
        ("MAX_CONNECTIONS_PER_IP", "1"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let server = start_with(&settings).await;
    let near = [("X-Forwarded-For", "192.0.2.7")];
    let mut first = server.stream_with("/notifications/stream", "", &near).await;
    first.expect("connected").await;
    refused(&server, "/notifications/stream", "", &near).await;
    let far = [("X-Forwarded-For", "192.0.2.8")];
    server
        .stream_with("/notifications/stream", "", &far)
        .await
        .expect("connected")
        .await;
    server
        .stream_with("/notifications/stream", ADMIN, &near)
        .await
        .expect("connected")
        .await;
}

#[tokio::test]
async fn forged_entries_of_x_forwarded_for_are_ignored() {
    let settings = [
        ("MAX_CONNECTIONS_PER_IP", "1"),
        ("TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8"),
    ];
    for (header, first, second) in [
        ("X-Forwarded-For", "192.0.2.7", "198.51.100.1, 192.0.2.7"),
        (
            "X-Forwarded-For",
            "192.0.2.7, 10.0.0.1",
            "198.51.100.2, 192.0.2.7, 10.0.0.2",
        ),
        (
            "X-Forwarded-For",
            "2001:db8::7",
            "198.51.100.1, 2001:db8:0::7",
        ),
        (
            "Forwarded",
            "for=192.0.2.7",
            "for=198.51.100.1, for=192.0.2.7",
        ),
        // one customer of a provider
        ("X-Forwarded-For", "2001:db8:1:2::1", "2001:db8:1:2:ffff::2"),
    ] {
        let forwarded = [(
            "TRUSTED_HEADER",
            if header == "Forwarded" {
                "forwarded"
            } else {
                "x-forwarded-for"
            },
        )];
        let server = start_with(&[&settings[..], &forwarded].concat()).await;
        let mut stream = server
            .stream_with("/notifications/stream", "", &[(header, first)])
            .await;
        stream.expect("connected").await;
        refused(&server, "/notifications/stream", "", &[(header, second)]).await;
    }
}

/// The limits on streams, each filled by one stream, with the token of that stream and the status
/// of later ones.
const LIMITS: [(&str, &str, u16); 3] = [
    ("MAX_CONNECTIONS", "", 503),
    ("MAX_CONNECTIONS_PER_USER", ADMIN, 429),
    ("MAX_CONNECTIONS_PER_IP", "", 429),
];

#[tokio::test]
async fn each_limit_is_busy_or_a_status_by_accept_and_is_released_when_a_stream_ends() {
    let near = ("X-Forwarded-For", "192.0.2.7");
    for (limit, token, status) in LIMITS {
        for refusal in ["busy", "status"] {
            let settings = [
                (limit, "1"),
                ("STREAM_REFUSAL", refusal),
                ("TRUSTED_PROXIES", "127.0.0.1"),
            ];
            let server = start_with(&settings).await;
            let bearer = format!("Bearer {token}");
            let mut first = server
                .stream_with("/notifications/stream", token, &[near])
                .await;
            first.expect("connected").await;
            if refusal == "busy" {
                refused(&server, "/notifications/stream", token, &[near]).await;
            }
            for accept in ["*/*", "text/event-stream"] {
                if refusal == "busy" && accept == "text/event-stream" {
                    continue;
                }
                let mut headers = vec![("Accept", accept), near];
                if !token.is_empty() {
                    headers.push(("Authorization", &bearer));
                }
                let answer = server
                    .request("GET", "/notifications/stream", &headers, b"")
                    .await;
                assert_eq!(
                    (answer.status, answer.code().as_str()),
                    (status, "too_many_connections"),
                    "{limit}"
                );
                assert!(
                    answer
                        .header("retry-after")
                        .unwrap()
                        .parse::<u32>()
                        .unwrap()
                        >= 1
                );
            }
            drop(first);
            until(async || server.stats().await["totalConnections"] == 0).await;
            server
                .stream_with("/notifications/stream", token, &[near])
                .await
                .expect("connected")
                .await;
        }
    }
}

#[tokio::test]
async fn the_proxy_itself_and_loopback_are_exempt() {
    let server = start_with(&[("MAX_CONNECTIONS_PER_IP", "1")]).await;
    let _first = open(&server, "/notifications/stream", "").await;
    let _second = open(&server, "/notifications/stream", "").await;
}

#[tokio::test]
async fn a_stream_that_reaches_the_maximum_age_is_ended_with_a_retry() {
    let server = start_with(&[("MAX_CONNECTION_AGE", "1s")]).await;
    let mut stream = open(&server, "/notifications/stream", "").await;
    let draining = stream.expect("draining").await;
    assert_eq!(
        draining.data,
        json!({ "reason": "max_age", "reconnect": true, "retry": draining.retry })
    );
    assert!(draining.retry.is_some());
    assert_eq!(stream.end().await, End::Cut);
}

/// Publishes until nothing more fits into the buffers between the server and a client that reads
/// nothing.
async fn publish_much(server: &TestServer, megabytes: usize) {
    let message = "x".repeat(10_000);
    for _ in 0..megabytes * 100 {
        server
            .post(
                "/notifications/send",
                json!({ "title": "T", "message": message }),
            )
            .await;
    }
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_cut_after_the_write_timeout_and_delays_nobody() {
    let server = start_with(&[("WRITE_TIMEOUT", "1s"), ("MAX_LAG_BYTES", "2MiB")]).await;
    let mut reads = open(&server, "/notifications/stream", "").await;
    let _stalled = stalled(&server, "/notifications/stream", "").await;
    until(async || server.get("/system/stats").await.json()["totalConnections"] == 2).await;
    let publishing = publish_much(&server, 8);
    let reading = async {
        for _ in 0..800 {
            reads.expect("notification").await;
        }
    };
    in_time(async { tokio::join!(publishing, reading) }).await;
    until(async || server.get("/system/stats").await.json()["totalConnections"] == 1).await;
    server
        .post(
            "/notifications/send",
            json!({"title": "T", "message": "after"}),
        )
        .await;
    assert_eq!(reads.expect("notification").await.data["message"], "after");
}

#[tokio::test]
async fn a_reader_that_falls_too_far_behind_is_ended_and_resumes_whole() {
    // The write timeout is longer than a test waits, so the stream does not end because of it.
    let server = start_with(&[("MAX_LAG_BYTES", "64KiB"), ("WRITE_TIMEOUT", "1h")]).await;
    let slow = stalled(&server, "/notifications/stream", "").await;
    until(async || server.get("/system/stats").await.json()["totalConnections"] == 1).await;
    publish_much(&server, 8).await;
    until(async || server.get("/system/stats").await.json()["totalConnections"] == 0).await;
    drop(slow);
    let mut back = server
        .stream_with(
            "/notifications/stream",
            "",
            &[("Last-Event-ID", "earliest")],
        )
        .await;
    assert_eq!(back.expect("connected").await.data["resumed"], true);
    for _ in 0..800 {
        back.expect("notification").await;
    }
}

#[tokio::test]
async fn a_burst_does_not_end_readers_that_had_no_time_to_read_it() {
    let time = SetClock::at("2026-11-23T22:30:15Z");
    let settings = [
        ("MAX_LAG_BYTES", "64KiB"),
        ("WRITE_TIMEOUT", "1h"),
        ("HEARTBEAT_INTERVAL", "1s"),
    ];
    let server = start_at(&settings, time.clock()).await;
    let stalled = stalled(&server, "/notifications/stream", "").await;
    publish_much(&server, 10).await;
    // A few seconds pass, and in each of them the server looks for streams that are behind; but no
    // time passes by the clock of the events.
    let mut other = open(&server, "/system/heartbeat", "").await;
    for _ in 0..4 {
        other.expect("heartbeat").await;
    }
    assert_eq!(server.stats().await["totalConnections"], 2);
    time.advance(Duration::from_secs(6));
    until(async || server.stats().await["totalConnections"] == 1).await;
    drop(stalled);
}

#[tokio::test]
async fn a_server_stops_although_a_peer_reads_nothing() {
    // The server waits for neither timeout: both are longer than a test waits.
    let settings = [
        ("MAX_LAG_BYTES", "2MiB"),
        ("WRITE_TIMEOUT", "1h"),
        ("SHUTDOWN_TIMEOUT", "1h"),
    ];
    let mut server = start_with(&settings).await;
    let _stalled = stalled(&server, "/notifications/stream", "").await;
    until(async || server.get("/system/stats").await.json()["totalConnections"] == 1).await;
    publish_much(&server, 8).await;
    server.stopped().await.unwrap();
}
