//! Streams over HTTP/2 without TLS: many on one connection, and each ends by itself.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::block::Block;
use crate::support::checks::SetClock;
use crate::support::{ADMIN, TestServer, demo, in_time, jwt, start, start_at};

struct Stream {
    body: Incoming,
    text: String,
}

async fn connect(server: &TestServer) -> SendRequest<Empty<Bytes>> {
    let socket = TcpStream::connect(server.address).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn request(server: &TestServer, path: &str, token: &str) -> http::Request<Empty<Bytes>> {
    http::Request::get(format!("http://{}{path}", server.address))
        .header("accept", "text/event-stream")
        .header("authorization", format!("Bearer {token}"))
        .body(Empty::new())
        .unwrap()
}

async fn open(
    server: &TestServer,
    sender: &mut SendRequest<Empty<Bytes>>,
    path: &str,
    token: &str,
) -> Stream {
    let response = in_time(sender.send_request(request(server, path, token)))
        .await
        .unwrap();
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (200, http::Version::HTTP_2)
    );
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(!response.headers().contains_key("transfer-encoding"));
    let mut stream = Stream {
        body: response.into_body(),
        text: String::new(),
    };
    stream.until("connected").await;
    stream
}

impl Stream {
    /// Reads until the last block is named `name`.
    async fn until(&mut self, name: &str) -> Block {
        in_time(async {
            loop {
                if let Some(last) = Block::all(&self.text)
                    .pop()
                    .filter(|last| last.event == name)
                {
                    return last;
                }
                let frame = self
                    .body
                    .frame()
                    .await
                    .expect("not yet the end")
                    .expect("not yet reset");
                self.text
                    .push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
        })
        .await
    }

    /// Whether the stream ended with a reset, after everything else was read.
    async fn is_reset(&mut self) -> bool {
        loop {
            match in_time(self.body.frame()).await {
                None => return false,
                Some(Err(_)) => return true,
                // An empty frame may carry the flag that it is the last.
                Some(Ok(frame)) => assert_eq!(
                    frame.data_ref().unwrap(),
                    "",
                    "something came after the end"
                ),
            }
        }
    }
}

#[tokio::test]
async fn one_connection_carries_many_streams_and_calls() {
    let server = crate::support::start_with(&[("MAX_CONNECTIONS_PER_USER", "100")]).await;
    let mut sender = connect(&server).await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(open(&server, &mut sender, "/notifications/stream", ADMIN).await);
    }
    assert_eq!(
        server.get("/system/stats").await.json()["totalConnections"],
        50
    );
    let id = server.notify("to all").await;
    for stream in &mut streams {
        assert_eq!(stream.until("notification").await.id.as_ref(), Some(&id));
    }
    drop(streams);
    server.until_nobody_is_left().await;
}

#[tokio::test]
async fn a_stream_to_be_resumed_is_reset_after_its_ending_and_the_others_continue() {
    let server = start().await;
    let mut sender = connect(&server).await;
    let mut anns = open(
        &server,
        &mut sender,
        "/notifications/stream",
        &demo("ann", "user"),
    )
    .await;
    let mut bobs = open(
        &server,
        &mut sender,
        "/notifications/stream",
        &demo("bob", "user"),
    )
    .await;
    let ended = server
        .call(
            "DELETE",
            "/system/users/ann/connections",
            ADMIN,
            json!(null),
        )
        .await
        .json();
    assert_eq!(ended["ended"], 1);
    assert!(anns.until("revoked").await.retry.is_some());
    assert!(anns.is_reset().await);
    server.notify("still here").await;
    bobs.until("notification").await;
    open(
        &server,
        &mut sender,
        "/notifications/stream",
        &demo("ann", "user"),
    )
    .await;
}

#[tokio::test]
async fn streams_are_drained_too() {
    let mut server = start().await;
    let mut sender = connect(&server).await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(open(&server, &mut sender, "/realtime/stream", ADMIN).await);
    }
    server.begin_stop();
    for stream in &mut streams {
        assert!(stream.until("draining").await.retry.is_some());
        assert!(stream.is_reset().await);
    }
    server.stopped().await.unwrap();
}

#[tokio::test]
async fn a_stream_whose_token_expired_is_completed() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let time = SetClock::at("2026-11-23T22:30:15.138Z");
    let settings = [("JWT_SECRET", SECRET), ("HEARTBEAT_INTERVAL", "500ms")];
    let server = start_at(&settings, time.clock()).await;
    let token = jwt(SECRET, time.now(), 600);
    let mut stream = open(&server, &mut connect(&server).await, "/chat/stream", &token).await;
    time.advance(std::time::Duration::from_hours(1)); // noticed at the next heartbeat
    assert_eq!(stream.until("expired").await.retry, None);
    assert!(!stream.is_reset().await);
}

/// A stream whose client accepts 16 KiB of it and no more.
async fn unread(server: &TestServer) -> (Stream, tokio::task::JoinHandle<hyper::Result<()>>) {
    let socket = TcpStream::connect(server.address).await.unwrap();
    let mut narrow = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    narrow.initial_stream_window_size(16 << 10);
    let (mut sender, connection) = narrow.handshake(TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(connection);
    (
        open(server, &mut sender, "/notifications/stream", ADMIN).await,
        connection,
    )
}

#[tokio::test]
async fn a_stream_whose_window_stays_closed_is_killed_with_its_connection() {
    let settings = [
        ("WRITE_TIMEOUT", "1s"),
        ("HEARTBEAT_INTERVAL", "1s"),
        ("MAX_LAG_BYTES", "2MiB"),
    ];
    let server = crate::support::start_with(&settings).await;
    let (unread, connection) = unread(&server).await;
    for _ in 0..4 {
        server
            .post(
                "/notifications/send",
                json!({"title": "T", "message": "x".repeat(10_000)}),
            )
            .await;
    }
    server.until_nobody_is_left().await;
    let _ = in_time(connection).await.unwrap(); // the connection ends, with or without an error
    drop(unread);
}

#[tokio::test]
async fn an_ending_does_not_wait_for_a_closed_window() {
    // The write timeout is longer than a test waits, so the stream does not end because of it.
    let server =
        crate::support::start_with(&[("MAX_LAG_BYTES", "2MiB"), ("WRITE_TIMEOUT", "1h")]).await;
    let (_unread, connection) = unread(&server).await;
    for _ in 0..4 {
        server
            .post(
                "/notifications/send",
                json!({"title": "T", "message": "x".repeat(10_000)}),
            )
            .await;
    }
    let ended = server
        .call(
            "DELETE",
            "/system/users/test123/connections",
            ADMIN,
            json!(null),
        )
        .await
        .json();
    assert_eq!(ended["ended"], 1);
    server.until_nobody_is_left().await;
    let _ = in_time(connection).await.unwrap(); // the connection ends with its stream
}

#[tokio::test]
async fn a_refused_stream_gets_busy_and_a_reset_and_the_connection_stays() {
    let server = crate::support::start_with(&[("MAX_CONNECTIONS_PER_USER", "1")]).await;
    let mut sender = connect(&server).await;
    let mut first = open(&server, &mut sender, "/notifications/stream", ADMIN).await;
    let request = request(&server, "/notifications/stream", ADMIN);
    let body = in_time(sender.send_request(request))
        .await
        .unwrap()
        .into_body();
    let mut refused = Stream {
        body,
        text: String::new(),
    };
    assert!(refused.until("busy").await.retry.is_some());
    assert!(refused.is_reset().await);
    server.notify("to the first").await;
    first.until("notification").await;
}
