//! A panic is a bug in the server, and never fails more than the call or the stream in which it
//! happened.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde_json::json;
use tidings_hub::Clock;
use tidings_server::server::{Builder, Error, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{ADMIN, Answer, TestServer, config, http, in_time, start_on, until};

fn builder() -> Builder {
    Server::builder().config(config(&[("CORS_ORIGIN", "https://app.example")]).unwrap())
}

async fn panics(server: &TestServer) -> u64 {
    let text = server.get("/metrics").await.text();
    text.lines()
        .find_map(|line| line.strip_prefix("tidings_panics_total "))
        .unwrap()
        .parse()
        .unwrap()
}

#[track_caller]
fn expect_internal(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (500, "internal"),
        "{}",
        answer.text()
    );
    assert_eq!(
        answer.json()["message"],
        "The server has a fault; its log has the details"
    );
    assert!(answer.header("x-request-id").is_some());
}

#[tokio::test]
async fn a_handler_that_panics_is_an_answer_that_pages_can_read_and_is_counted() {
    async fn late() {
        tokio::task::yield_now().await;
        panic!("after it waited");
    }
    let server = start_on(builder().routes(|_| {
        Router::new()
            .route("/at-once", get(async || -> () { panic!("at once") }))
            .route("/late", post(late))
    }));
    let before = panics(&server).await;
    for (method, path) in [("GET", "/at-once"), ("POST", "/late")] {
        let origin = [("Origin", "https://app.example")];
        let answer = server.request(method, path, &origin, b"{}").await;
        expect_internal(&answer);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("https://app.example")
        );
    }
    assert!(panics(&server).await >= before + 2);
    let text = server.get("/metrics").await.text();
    assert!(
        text.contains("tidings_requests_refused_total{code=\"internal\"} 2"),
        "{text}"
    );
}

#[tokio::test]
async fn the_connection_can_be_used_after_a_panic() {
    let server = start_on(
        builder()
            .routes(|_| Router::new().route("/panic", get(async || -> () { panic!("a fault") }))),
    );
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket
        .write_all(b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut bytes = Vec::new();
    until(async || {
        socket.read_buf(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes).contains("internal\"}")
    })
    .await;
    socket
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    in_time(socket.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(Answer::parse(&rest).status, 200);
}

/// A clock that can be broken. It then panics in every task but those that have asked it before,
/// which are the server's own.
#[derive(Clone, Default)]
struct Breakable {
    is_broken: Arc<AtomicBool>,
    known: Arc<Mutex<HashSet<tokio::task::Id>>>,
}

impl Breakable {
    fn clock(&self) -> Clock {
        let (system, breakable) = (Clock::system(), self.clone());
        Clock::from_fn(move || {
            if let Some(task) = tokio::task::try_id() {
                let is_broken = breakable.is_broken.load(Ordering::Relaxed);
                let mut known = breakable.known.lock();
                assert!(!is_broken || known.contains(&task), "the clock is broken");
                known.insert(task);
            }
            system.now()
        })
    }
}

#[tokio::test]
async fn calls_and_streams_of_the_server_itself_that_panic_are_answered() {
    let breakable = Breakable::default();
    let server = start_on(builder().clock(breakable.clock()));
    until(async || !breakable.known.lock().is_empty()).await; // the clock was asked
    breakable.is_broken.store(true, Ordering::Relaxed);
    expect_internal(&server.get("/health").await);
    // In the lane of streams, and in work that has a task of its own.
    expect_internal(
        &server
            .request(
                "GET",
                "/notifications/stream",
                &[("Accept", "text/event-stream")],
                b"",
            )
            .await,
    );
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Idempotency-Key", "k"),
        ("Content-Type", "application/json"),
    ];
    let body = json!({"title": "t", "message": "m"}).to_string();
    let answer = in_time(http::request(
        server.address,
        "POST",
        "/notifications/send",
        &headers,
        body.as_bytes(),
    ))
    .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (500, "internal"),
        "{}",
        answer.text()
    );
    breakable.is_broken.store(false, Ordering::Relaxed);
    assert_eq!(server.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_panic_of_the_task_that_delivers_ends_all_streams_and_the_server() {
    let is_broken = Arc::new(AtomicBool::new(false));
    let clock = Clock::from_fn({
        let (system, is_broken) = (Clock::system(), is_broken.clone());
        move || {
            assert!(!is_broken.load(Ordering::Relaxed), "the clock is broken");
            system.now()
        }
    });
    let builder = Server::builder().config(config(&[("HEARTBEAT_INTERVAL", "100ms")]).unwrap());
    let mut server = start_on(builder.clock(clock));
    let mut stream = server.connected("/notifications/stream", ADMIN).await;
    is_broken.store(true, Ordering::Relaxed);
    // When a heartbeat is due, the timer wheel asks for the time, in the task that delivers.
    match server.ended().await {
        Err(Error::Runner) => {}
        other => panic!("{other:?}"),
    }
    stream.end().await;
}
