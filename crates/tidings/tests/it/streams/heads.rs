//! What comes before the first event: the requests that are accepted, and the head of the answer.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::KINDS;
use crate::support::{ADMIN, Answer, TestServer, in_time, start};

#[tokio::test]
async fn the_head_forbids_every_buffer_and_cache_on_the_way() {
    let server = start().await;
    for kind in KINDS {
        let stream = server.stream(kind.path, ADMIN).await;
        assert_eq!(stream.status, 200);
        let expected = [
            ("content-type", "text/event-stream"),
            (
                "cache-control",
                "private, no-cache, no-store, must-revalidate, max-age=0, no-transform",
            ),
            ("x-accel-buffering", "no"),
            ("transfer-encoding", "chunked"),
        ];
        for (name, value) in expected {
            let values: Vec<_> = stream
                .headers
                .iter()
                .filter(|(known, _)| known == name)
                .collect();
            assert_eq!(
                values,
                [&(name.to_owned(), value.to_owned())],
                "{}",
                kind.path
            );
        }
        assert_eq!(stream.header("content-length"), None);
        assert_eq!(stream.header("content-encoding"), None);
    }
}

#[tokio::test]
async fn a_head_request_answers_the_head_of_a_stream_and_opens_nothing() {
    let server = start().await;
    let open = server.stream("/notifications/stream", "").await;
    let head = server
        .request("HEAD", "/notifications/stream", &[], b"")
        .await;
    drop(open);
    server.until_nobody_is_left().await;
    assert_eq!(head.status, 200);
    for name in ["content-type", "cache-control", "x-accel-buffering"] {
        assert!(head.header(name).is_some(), "{name}");
    }
    assert_eq!(
        head.header("content-length"),
        None,
        "a stream has no length"
    );
    assert!(head.body.is_empty());
    for kind in KINDS {
        let bearer = format!("Bearer {ADMIN}");
        let head = server
            .request("HEAD", kind.path, &[("Authorization", &bearer)], b"")
            .await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{}", kind.path);
        assert_eq!(
            server.get("/system/stats").await.json()["totalConnections"],
            0,
            "{}",
            kind.path
        );
    }
}

#[tokio::test]
async fn a_head_request_is_judged_as_the_stream_would_be() {
    let server = start().await;
    assert_eq!(
        server
            .request("HEAD", "/chat/stream", &[], b"")
            .await
            .status,
        401
    );
    assert_eq!(
        server
            .request("HEAD", "/chat/room/r/stream", &[], b"")
            .await
            .status,
        401
    );
    let html = [("Accept", "text/html")];
    assert_eq!(
        server
            .request("HEAD", "/notifications/stream", &html, b"")
            .await
            .status,
        406
    );
}

#[tokio::test]
async fn only_an_accept_that_excludes_event_streams_is_refused() {
    let server = start().await;
    for good in [
        "text/event-stream",
        "TEXT/Event-Stream;charset=utf-8",
        "*/*",
        "text/*",
        "application/json, text/event-stream;q=0.1",
        "text/html, */*;q=0.1",
        "",
    ] {
        crate::support::Stream::open(server.address, "/notifications/stream", &[("Accept", good)])
            .await;
    }
    crate::support::Stream::open(server.address, "/notifications/stream", &[]).await;
    for bad in [
        "text/html",
        "application/json",
        "text/event-stream;q=0",
        "*/*, text/event-stream;q=0",
    ] {
        let refused = server
            .request("GET", "/notifications/stream", &[("Accept", bad)], b"")
            .await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (406, "not_acceptable"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn other_methods_are_answered_with_what_is_allowed() {
    let server = start().await;
    for kind in KINDS {
        let refused = server
            .call("POST", kind.path, ADMIN, serde_json::json!({}))
            .await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (405, "method_not_allowed"),
            "{}",
            kind.path
        );
        assert_eq!(refused.header("allow"), Some("GET,HEAD"));
    }
}

/// Returns a connection on which `request` was sent, and what came until `done`.
async fn speak(
    server: &TestServer,
    request: &str,
    done: impl Fn(&str) -> bool,
) -> (TcpStream, Vec<u8>) {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    in_time(async {
        while !done(&String::from_utf8_lossy(&bytes)) {
            assert!(
                socket.read_buf(&mut bytes).await.unwrap() > 0,
                "closed early"
            );
        }
    })
    .await;
    (socket, bytes)
}

async fn kick_all(server: &TestServer) {
    let path = "/system/users/test123/connections";
    assert_eq!(
        server
            .call("DELETE", path, ADMIN, serde_json::json!(null))
            .await
            .json()["ended"],
        1
    );
}

#[tokio::test]
async fn an_http_1_0_peer_gets_a_body_without_chunks_that_ends_with_the_connection() {
    let server = start().await;
    let request =
        format!("GET /notifications/stream HTTP/1.0\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
    let (mut socket, mut bytes) = speak(&server, &request, |so_far| so_far.ends_with("\n\n")).await;
    kick_all(&server).await;
    in_time(socket.read_to_end(&mut bytes)).await.unwrap();
    assert!(bytes.starts_with(b"HTTP/1.0 200") || bytes.starts_with(b"HTTP/1.1 200"));
    let answer = Answer::parse(&bytes);
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.header("content-length"), None);
    let body = answer.text();
    assert!(body.starts_with("event: connected\n"), "{body}");
    assert!(
        body.contains("\n\nevent: revoked\n") && body.ends_with("}\n\n"),
        "{body}"
    );
}

#[tokio::test]
async fn an_http_1_1_peer_gets_chunks_even_when_it_asks_to_close() {
    let server = start().await;
    let more = [("Connection", "close")];
    let mut stream = server
        .stream_with("/notifications/stream", ADMIN, &more)
        .await;
    assert_eq!(stream.header("transfer-encoding"), Some("chunked"));
    stream.expect("connected").await;
    server.notify("still open").await;
    stream.expect("notification").await;
}

#[tokio::test]
async fn a_connection_that_was_used_before_carries_a_stream_as_well() {
    let server = start().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut bytes = Vec::new();
    in_time(async {
        while !bytes.ends_with(b"}") {
            assert!(socket.read_buf(&mut bytes).await.unwrap() > 0);
        }
    })
    .await;
    let mut stream = crate::support::Stream::open_on(socket, "/notifications/stream", &[]).await;
    stream.expect("connected").await;
    server.notify("second on this connection").await;
    stream.expect("notification").await;
}

#[tokio::test]
async fn an_old_proxy_that_says_connection_upgrade_gets_its_stream() {
    let server = start().await;
    let more = [("Connection", "upgrade")];
    server
        .stream_with("/notifications/stream", "", &more)
        .await
        .expect("connected")
        .await;
}
