//! The server as a part of an application: the example, run as it is, and what it does not show.

#[path = "../../../server/examples/custom_stream.rs"]
#[expect(dead_code, reason = "the tests have a `main` of their own")]
mod custom_stream;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;
use tidings_server::auth::{Identity, Refusal};
use tidings_server::handle::{Caller, Handle, PublishError, StreamRequest};
use tidings_server::server::Server;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::stream::End;
use crate::support::{
    ADMIN, Answer, Stream, TestServer, config, demo, http, in_time, start_on, until,
};

/// The example, running on a free port.
struct Example {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
}

async fn example() -> Example {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(custom_stream::serve(listener, async {
        drop(stopped.await);
    }));
    Example {
        address,
        stop,
        running,
    }
}

impl Example {
    async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut stream = in_time(Stream::open(self.address, path, headers)).await;
        stream.expect("connected").await;
        stream
    }

    async fn post(&self, path: &str, token: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("Content-Type", "application/json"),
            ("Authorization", bearer.as_str()),
        ];
        in_time(http::request(
            self.address,
            "POST",
            path,
            &headers,
            body.as_bytes(),
        ))
        .await
    }
}

#[tokio::test]
async fn the_examples_stream_resumes_is_counted_and_delivers_what_its_publisher_sends() {
    let example = example().await;
    let mut eu = example.stream("/orders/eu/stream", &[]).await;
    let mut us = example.stream("/orders/us/stream", &[]).await;
    let first = example.post("/orders/eu", ADMIN, r#"{"item":"tea"}"#).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let block = eu.block("order-placed").await;
    assert_eq!(block.id, Some(first.text()));
    assert_eq!(
        block.data,
        r#"{"order":{"item":"tea"},"customer":"test123"}"#
    );
    drop(eu);
    let second = example
        .post("/orders/eu", ADMIN, r#"{"item":"milk"}"#)
        .await
        .text();
    let mut back = example
        .stream("/orders/eu/stream", &[("Last-Event-ID", &first.text())])
        .await;
    assert_eq!(back.block("order-placed").await.id, Some(second));
    let other = example
        .post("/orders/us", ADMIN, r#"{"item":"gum"}"#)
        .await
        .text();
    assert_eq!(
        us.block("order-placed").await.id,
        Some(other),
        "and none of the other region"
    );
    let both = json!({"orders": 2, "heartbeat": 2});
    // It may take a moment until the server notices that one stream was dropped.
    until(async || {
        let stats = http::request(example.address, "GET", "/system/stats", &[], b"")
            .await
            .json();
        stats["connectionsByType"] == both
    })
    .await;
}

#[tokio::test]
async fn the_examples_publisher_refuses_as_the_servers_own_do() {
    let example = example().await;
    assert_eq!(
        example.post("/orders/eu", "garbage", "{}").await.code(),
        "token_invalid"
    );
    let invalid = example.post("/orders/a%2F%2Fb", ADMIN, "{}").await;
    assert_eq!(
        (invalid.status, invalid.code().as_str()),
        (400, "validation_failed")
    );
    assert_eq!(invalid.json()["details"][0]["field"], "topic");
    let refused = http::request(example.address, "GET", "/orders/a%2F%2Fb/stream", &[], b"").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "validation_failed")
    );
    let refused = http::request(
        example.address,
        "GET",
        "/orders/eu/stream",
        &[("Accept", "text/html")],
        b"",
    )
    .await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (406, "not_acceptable")
    );
}

#[tokio::test]
async fn paths_that_the_example_does_not_have_are_answered_by_the_server() {
    let example = example().await;
    let mut stream = example.stream("/notifications/stream", &[]).await;
    let sent = example
        .post(
            "/notifications/send",
            ADMIN,
            r#"{"title":"T","message":"M"}"#,
        )
        .await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    stream.expect("notification").await;
    let unknown = http::request(example.address, "GET", "/nope", &[], b"").await;
    assert_eq!(
        (unknown.status, unknown.json()["message"].as_str()),
        (404, Some("Cannot GET /nope"))
    );
    let bearer = format!("Bearer {ADMIN}");
    let headers = [("Authorization", bearer.as_str())];
    let listed = http::request(example.address, "GET", "/system/connections", &headers, b"")
        .await
        .json();
    assert_eq!(listed["connections"][0]["address"], "127.0.0.1");
}

#[tokio::test]
async fn the_example_drains_before_it_closes() {
    let example = example().await;
    let mut own = example.stream("/orders/eu/stream", &[]).await;
    example.stop.send(()).unwrap();
    let draining = own.expect("draining").await;
    assert_eq!(
        draining.data,
        json!({"reason": "shutdown", "reconnect": true, "retry": draining.retry})
    );
    assert!(draining.retry.is_some());
    assert_eq!(own.end().await, End::Cut);
    in_time(example.running).await.unwrap().unwrap();
    until(async || {
        tokio::net::TcpStream::connect(example.address)
            .await
            .is_err()
    })
    .await;
}

/// A stream of the caller's own affairs. It is only for callers that are known.
async fn own(stream: StreamRequest) -> Result<Response, Refusal> {
    let topic = format!("affairs/{}", stream.known_caller()?.id);
    Ok(stream.open(&["affairs"], [topic]).await)
}

async fn who(stream: StreamRequest) -> String {
    stream
        .caller()
        .map_or("nobody", |caller: &Identity| caller.id.as_str())
        .to_owned()
}

async fn tell(
    State(tidings): State<Handle>,
    Path(event): Path<String>,
    Caller(me): Caller,
) -> Result<String, PublishError> {
    Ok(tidings
        .publish(&format!("affairs/{}", me.id), &event, &json!({}))
        .await?
        .to_string())
}

fn affairs(tidings: Handle) -> Router {
    Router::new()
        .route("/affairs/stream", get(own))
        .route("/affairs/who", get(who))
        .route("/affairs/{event}", post(tell))
        .with_state(tidings)
}

fn server_with_affairs(settings: &[(&str, &str)]) -> TestServer {
    start_on(
        Server::builder()
            .config(config(settings).unwrap())
            .routes(affairs),
    )
}

#[tokio::test]
async fn own_routes_in_the_server_know_their_caller() {
    let server = server_with_affairs(&[]);
    let (ann, bob) = (demo("ann", "user"), demo("bob", "user"));
    let mut anns = server.connected("/affairs/stream", &ann).await;
    let mut bobs = server.connected("/affairs/stream", &bob).await;
    for (token, event) in [(&bob, "b"), (&ann, "a")] {
        assert_eq!(
            server
                .call("POST", &format!("/affairs/{event}"), token, json!(null))
                .await
                .status,
            200
        );
    }
    anns.expect("a").await;
    bobs.expect("b").await;
    for (token, code) in [
        ("", "token_missing"),
        ("garbage", "token_invalid"),
        ("a.b.c", "token_invalid"),
    ] {
        for (method, path) in [("GET", "/affairs/stream"), ("POST", "/affairs/x")] {
            let refused = server.call(method, path, token, json!(null)).await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (401, code),
                "{method} {token}"
            );
        }
    }
    assert_eq!(
        server
            .call("POST", "/affairs/no%20name", &ann, json!(null))
            .await
            .code(),
        "validation_failed"
    );
    for (token, expected) in [("", "nobody"), ("garbage", "nobody"), (&ann, "ann")] {
        assert_eq!(
            server
                .call("GET", "/affairs/who", token, json!(null))
                .await
                .text(),
            expected
        );
    }
}

#[tokio::test]
async fn own_routes_in_the_server_have_its_layers() {
    let server = server_with_affairs(&[("BASE_PATH", "/api")]);
    let answer = server.get("/api/affairs/who").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("x-request-id").is_some());
    let origin = [("Origin", "http://localhost:5173")];
    let answer = server
        .request("GET", "/api/affairs/who", &origin, b"")
        .await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("http://localhost:5173")
    );
}

#[tokio::test]
async fn a_handle_outlives_the_server_and_says_so() {
    let mut server = server_with_affairs(&[]);
    let handle = server.handle.clone();
    handle.publish("affairs/ann", "a", &json!(1)).await.unwrap();
    server.stopped().await.unwrap();
    assert!(matches!(
        handle.publish("affairs/ann", "a", &json!(2)).await,
        Err(PublishError::Draining)
    ));
    assert!(matches!(
        handle.publish("a b", "a", &json!(1)).await,
        Err(PublishError::Topic(_))
    ));
    assert!(matches!(
        handle.publish("a", "a b", &json!(1)).await,
        Err(PublishError::Event(_))
    ));
    let no_json = std::collections::HashMap::from([(vec![1], 1)]);
    assert!(matches!(
        handle.publish("a", "a", &no_json).await,
        Err(PublishError::Data(_))
    ));
}

#[tokio::test]
async fn a_handle_publishes_only_to_topics_that_paths_can_contain() {
    let server = server_with_affairs(&[]);
    let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    for (data, problem) in [
        (r#""x\ud83d""#, "unpaired surrogate"),
        (r#"{"a":["\udc00"]}"#, "unpaired surrogate"),
        (r#"{"\ud800":1}"#, "unpaired surrogate"),
        ("1e400", "more than a double holds"),
        (r#"{"a":{"b":-1e999}}"#, "more than a double holds"),
    ] {
        let refused = server.handle.publish("affairs/ann", "a", &raw(data)).await;
        assert!(
            matches!(&refused, Err(PublishError::Data(error)) if error.to_string().contains(problem)),
            "{refused:?}"
        );
        let within = server
            .handle
            .publish("affairs/ann", "a", &json!({"text": data, "also": 1}))
            .await;
        assert!(within.is_ok(), "in a string it is text: {within:?}");
    }
    for data in [r#""\ud83d\ude00""#, "1e308", "12345678901234567890123.10"] {
        server
            .handle
            .publish("affairs/ann", "a", &raw(data))
            .await
            .unwrap();
    }
    for topic in [
        "affairs/..",
        "..",
        "./affairs",
        "affairs/../ann",
        "affairs/user/ann/.",
    ] {
        let refused = server.handle.publish(topic, "a", &json!(1)).await;
        assert!(
            matches!(refused, Err(PublishError::Topic(_))),
            "{topic}: {refused:?}"
        );
    }
    server
        .handle
        .publish("affairs/user/..", "a", &json!(1))
        .await
        .unwrap();
    assert_eq!(server.stored().await, 9);
}

#[tokio::test]
async fn a_stream_over_a_topic_that_no_path_can_carry_is_refused() {
    let server = server_with_affairs(&[]);
    server
        .call("GET", "/affairs/stream", &demo("..", "user"), json!(null))
        .await
        .assert_invalid(&["topic"]);
}

#[tokio::test]
async fn without_its_engine_an_embedded_server_refuses_rather_than_hangs() {
    let (_routes, engine) = Server::builder().embed().unwrap();
    let handle = engine.handle();
    drop(engine);
    let refused = in_time(handle.publish("a", "b", &json!(1))).await;
    assert!(
        matches!(refused, Err(PublishError::Journal(_))),
        "{refused:?}"
    );
}
