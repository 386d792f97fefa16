//! `X-Request-Id`: accepted if it is valid, otherwise made by the server, and returned with every
//! answer.

use std::collections::HashSet;

use crate::support::{ADMIN, TestServer, start};

async fn returned(server: &TestServer, path: &str, sent: &str) -> String {
    let answer = server
        .request("GET", path, &[("X-Request-Id", sent)], b"")
        .await;
    let ids: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "x-request-id")
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    ids[0].1.clone()
}

#[tokio::test]
async fn a_valid_request_id_is_returned_unchanged() {
    let server = start().await;
    let longest = "x".repeat(128);
    for id in [
        "1",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
        &longest,
    ] {
        for path in ["/health", "/nope", "/chat/room/r/members"] {
            assert_eq!(returned(&server, path, id).await, id);
        }
    }
}

#[tokio::test]
async fn an_invalid_request_id_is_replaced() {
    let server = start().await;
    let too_long = "x".repeat(129);
    for id in ["", "a b", "a\tb", "é", &too_long] {
        let made = returned(&server, "/health", id).await;
        assert_ne!(made, id);
        assert!(
            (1..=128).contains(&made.len()) && made.bytes().all(|byte| byte.is_ascii_graphic()),
            "{made:?}"
        );
    }
}

#[tokio::test]
async fn each_request_without_one_gets_its_own() {
    let server = start().await;
    let mut seen = HashSet::new();
    for path in [
        "/health",
        "/nope",
        "/",
        "/api",
        "/events",
        "/system/connections",
    ] {
        let answer = server.get(path).await;
        let id = answer.header("x-request-id").expect("every answer has one");
        assert!(seen.insert(id.to_owned()), "{id} twice");
    }
}

#[tokio::test]
async fn streams_preflights_and_refusals_have_one_too() {
    let server = start().await;
    let stream = server
        .stream_with("/notifications/stream", ADMIN, &[("X-Request-Id", "mine")])
        .await;
    assert_eq!(stream.header("x-request-id"), Some("mine"));
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("X-Request-Id", "mine"),
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    for (method, path, body) in [
        ("POST", "/notifications/send", &b"{"[..]),
        ("POST", "/realtime/entity/%FF/create", b"{}"),
        ("DELETE", "/health", b""),
        ("OPTIONS", "/health", b""),
        ("HEAD", "/notifications/stream", b""),
    ] {
        let answer = server.request(method, path, &headers, body).await;
        assert_eq!(
            answer.header("x-request-id"),
            Some("mine"),
            "{method} {path}"
        );
    }
}
