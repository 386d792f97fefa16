//! Every refusal: its status, its code, its form, its header fields, and that nothing was
//! published.

mod bodies;
mod sizes;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::durable::House;
use crate::support::checks::names;
use crate::support::{ADMIN, Answer, TestServer, demo, http, in_time, start, start_with};
use sizes::sized;

/// Every call that publishes and takes a body, with a valid body.
const WITH_BODY: [(&str, &str); 7] = [
    ("/notifications/send", r#"{"title":"T","message":"M"}"#),
    ("/notifications/broadcast", r#"{"title":"T","message":"M"}"#),
    (
        "/realtime/update",
        r#"{"entity":"e","action":"update","data":1}"#,
    ),
    ("/realtime/entity/e/create", "{}"),
    ("/realtime/entity/e/delete", "[1]"),
    ("/chat/message", r#"{"roomId":"r","message":"m"}"#),
    (
        "/system/status/update",
        r#"{"service":"s","status":"online"}"#,
    ),
];

/// The calls of [`WITH_BODY`] that take nothing but an object.
const WITH_OBJECT: [&str; 5] = [
    "/notifications/send",
    "/notifications/broadcast",
    "/realtime/update",
    "/chat/message",
    "/system/status/update",
];

const STREAMS: [&str; 6] = [
    "/notifications/stream",
    "/realtime/stream",
    "/chat/stream",
    "/chat/room/r/stream",
    "/system/status/stream",
    "/system/heartbeat",
];

/// Makes a `POST` as an admin, with or without a `Content-Type`.
async fn post(server: &TestServer, path: &str, kind: Option<&str>, body: &[u8]) -> Answer {
    let bearer = format!("Bearer {ADMIN}");
    let mut headers = vec![("Authorization", bearer.as_str())];
    headers.extend(kind.map(|kind| ("Content-Type", kind)));
    server.request("POST", path, &headers, body).await
}

async fn post_json(server: &TestServer, path: &str, body: &[u8]) -> Answer {
    post(server, path, Some("application/json"), body).await
}

#[tokio::test]
async fn an_unknown_path_is_named_with_its_method_and_without_its_query() {
    let server = start().await;
    for (method, path) in [
        ("GET", "/nope"),
        ("POST", "/nope"),
        ("DELETE", "/nope"),
        ("PUT", "/notifications"),
        ("GET", "/notifications/send/"),
        ("GET", "//health"),
        ("GET", "/Health"),
        ("GET", "/%6eope"),
        ("POST", "/realtime/entity/a/b/create"),
        ("BREW", "/coffee"),
        ("GET", "/metrics/none"),
    ] {
        let answer = server
            .call(method, &format!("{path}?token={ADMIN}"), ADMIN, Value::Null)
            .await;
        answer.assert_refused(404, "not_found");
        assert_eq!(answer.json()["message"], format!("Cannot {method} {path}"));
        assert!(!answer.text().contains(ADMIN));
    }
    let head = server.request("HEAD", "/nope", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (404, 0));
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_refused_with_those_it_has() {
    let server = start().await;
    for (path, allowed) in [
        ("/", &["GET", "HEAD"][..]),
        ("/api", &["GET", "HEAD"]),
        ("/health", &["GET", "HEAD"]),
        ("/events", &["DELETE", "GET", "HEAD"]),
        ("/notifications/send", &["POST"]),
        ("/realtime/entity/x/create", &["POST"]),
        ("/chat/room/x/join", &["POST"]),
        ("/chat/room/x/members", &["GET", "HEAD"]),
        ("/system/connections", &["GET", "HEAD"]),
        ("/system/connections/x", &["DELETE"]),
        ("/system/users/x/connections", &["DELETE"]),
        ("/notifications/stream", &["GET", "HEAD"]),
        ("/chat/room/x/stream", &["GET", "HEAD"]),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "BREW"] {
            if allowed.contains(&method) {
                continue;
            }
            let answer = server
                .call(method, path, ADMIN, json!({"title": "T", "message": "M"}))
                .await;
            answer.assert_refused(405, "method_not_allowed");
            let mut named: Vec<_> = answer
                .header("allow")
                .expect("Allow")
                .split(',')
                .map(str::trim)
                .collect();
            named.sort_unstable();
            assert_eq!(named, allowed, "{method} {path}");
        }
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn a_client_that_does_not_accept_event_streams_is_refused() {
    let server = start().await;
    let bearer = format!("Bearer {ADMIN}");
    for path in STREAMS {
        for accept in [
            "application/json",
            "text/html, image/*",
            "text/event-stream;q=0",
            "*/*, text/event-stream;q=0.0",
        ] {
            for method in ["GET", "HEAD"] {
                let headers = [("Accept", accept), ("Authorization", bearer.as_str())];
                let answer = server.request(method, path, &headers, b"").await;
                assert_eq!(answer.status, 406, "{method} {path} {accept}");
                if method == "GET" {
                    answer.assert_refused(406, "not_acceptable");
                }
            }
        }
        for accept in [
            &[][..],
            &[("Accept", "*/*")],
            &[("Accept", "text/*")],
            &[("Accept", "TEXT/Event-Stream; charset=utf-8")],
            &[("Accept", "application/json, text/event-stream;q=0.1")],
        ] {
            let mut headers = accept.to_vec();
            headers.push(("Authorization", bearer.as_str()));
            assert_eq!(
                server.request("HEAD", path, &headers, b"").await.status,
                200,
                "{path} {accept:?}"
            );
        }
    }
    assert_eq!(
        server.get("/system/stats").await.json()["totalConnections"],
        0
    );
}

#[tokio::test]
async fn a_missing_token_an_invalid_one_and_one_without_the_right_have_different_errors() {
    let server = start().await;
    let missing = server.get("/system/connections").await;
    missing.assert_refused(401, "token_missing");
    let told = r#"{"statusCode":401,"error":"Unauthorized","message":"Authentication token is required","code":"token_missing"}"#;
    assert_eq!(missing.text(), told);
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    let invalid = server
        .call("GET", "/system/connections", "nonsense", Value::Null)
        .await;
    let told = r#"{"statusCode":401,"error":"Unauthorized","message":"Invalid authentication token","code":"token_invalid"}"#;
    assert_eq!(invalid.text(), told);
    assert_eq!(invalid.header("www-authenticate"), Some("Bearer"));
    let forbidden = server
        .call(
            "GET",
            "/system/connections",
            &demo("bob", "user"),
            Value::Null,
        )
        .await;
    forbidden.assert_refused(403, "forbidden");
    assert_eq!(forbidden.header("www-authenticate"), None);
}

#[tokio::test]
async fn an_unauthorized_caller_does_not_learn_what_is_wrong_with_the_request() {
    let server = start().await;
    for (path, _) in WITH_BODY {
        let bad = server.call("POST", path, "", json!("neither")).await;
        bad.assert_refused(401, "token_missing");
        server
            .request("POST", path, &[], b"{bad")
            .await
            .assert_refused(401, "token_missing");
    }
    for path in [
        "/chat/room/%FF/join",
        "/chat/room/a%20b/typing",
        "/realtime/entity/%FF/create",
    ] {
        server
            .request("POST", path, &[], b"")
            .await
            .assert_refused(401, "token_missing");
    }
    for path in [
        "/chat/room/%FF/stream",
        "/chat/room/a%20b/stream",
        "/chat/room/%FF/members",
        "/chat/stream?roomId=%FF",
    ] {
        server.get(path).await.assert_refused(401, "token_missing");
    }
}

#[tokio::test]
async fn a_bad_name_in_a_streams_url_is_a_bad_field() {
    let server = start().await;
    for (path, field) in [
        ("/chat/stream?roomId=a%20b", "roomId"),
        ("/chat/stream?room=a%2Fb", "roomId"),
        ("/chat/stream?roomId=%FF", "roomId"),
        ("/realtime/stream?entities=a%20b", "entities"),
        ("/realtime/stream?entities=ok,*", "entities"),
        ("/realtime/stream?entities=%FF", "entities"),
    ] {
        server
            .call("GET", path, ADMIN, Value::Null)
            .await
            .assert_invalid(&[field]);
    }
    assert_eq!(
        server.get("/system/stats").await.json()["totalConnections"],
        0
    );
}

#[tokio::test]
async fn a_temporary_refusal_says_when_to_retry() {
    let mut server = start_with(&[("DRAIN_SECONDS", "10m"), ("STREAM_REFUSAL", "status")]).await;
    let mut one = server.stream("/notifications/stream", "").await;
    let mut two = server.stream("/notifications/stream", "").await;
    one.expect("connected").await;
    two.expect("connected").await;
    server.begin_stop();
    tokio::select! {
        _ = one.expect("draining") => {}
        _ = two.expect("draining") => {}
    }
    let bearer = format!("Bearer {ADMIN}");
    for path in STREAMS {
        let headers = [
            ("Accept", "text/event-stream"),
            ("Authorization", bearer.as_str()),
        ];
        let answer = server.request("GET", path, &headers, b"").await;
        answer.assert_refused(503, "draining");
        let seconds: u64 = answer
            .header("retry-after")
            .expect("Retry-After")
            .parse()
            .unwrap();
        assert!((1..=60).contains(&seconds));
    }
}

#[tokio::test]
async fn a_publish_after_the_drain_is_refused_and_never_stored() {
    // On a busy machine, the server may have stopped before it was asked. Then the test is
    // repeated.
    let (house, refused, taken) = in_time(async {
        loop {
            let house = House::new();
            let (answer, taken) = after_the_last_wave(&house).await;
            if let Some(answer) = answer {
                return (house, answer, taken);
            }
        }
    })
    .await;
    refused.assert_refused(503, "draining");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(house.start().await.stored().await, taken);
}

/// Publishes to a server that is stopping until it refuses a publish. Returns that answer, unless
/// the server was gone by then, and how many events the server accepted.
async fn after_the_last_wave(house: &House) -> (Option<Answer>, u64) {
    let mut server = house.start().await;
    // A peer that reads nothing keeps the server from stopping meanwhile, because its stream can't
    // be told of the end.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stalled = socket.connect(server.address).await.unwrap();
    stalled
        .write_all(b"GET /notifications/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let large = json!({"title": "T", "message": "M", "pad": "x".repeat(200_000)});
    for _ in 0..40 {
        server.post("/notifications/send", large.clone()).await;
    }
    server.begin_stop();
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", bearer.as_str()),
    ];
    let body = json!({"title": "T", "message": "M"}).to_string();
    let mut taken = 40;
    let refused = loop {
        match http::attempt(
            server.address,
            "POST",
            "/notifications/send",
            &headers,
            body.as_bytes(),
        )
        .await
        {
            Some(answer) if answer.status == 200 => taken += 1,
            other => break other,
        }
    };
    if let Some(health) = http::attempt(server.address, "GET", "/health", &[], b"").await {
        assert_eq!(health.json()["status"], "down");
    }
    server.stopped().await.unwrap();
    (refused, taken)
}

#[tokio::test]
async fn every_refusal_has_nosniff_and_compact_json() {
    let server = start().await;
    let answers = [
        server.get("/nope").await,
        server.request("PUT", "/health", &[], b"").await,
        server.get("/system/connections").await,
        server
            .call(
                "GET",
                "/system/connections",
                &demo("bob", "user"),
                Value::Null,
            )
            .await,
        server.call("GET", "/events", "", Value::Null).await,
        post_json(&server, "/notifications/send", b"{").await,
        post_json(&server, "/notifications/send", b"{}").await,
        post(&server, "/notifications/send", None, b"{}").await,
        post_json(&server, "/notifications/send", &sized(300_000)).await,
    ];
    for answer in answers {
        assert!(answer.status >= 400);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(
            answer
                .text()
                .starts_with(&format!("{{\"statusCode\":{},\"error\":\"", answer.status)),
            "{}",
            answer.text()
        );
        assert_eq!(
            names(&answer.json())[..4],
            ["statusCode", "error", "message", "code"]
        );
    }
}

#[tokio::test]
async fn no_refused_publish_reaches_a_stream() {
    let server = start().await;
    let mut streams = Vec::new();
    for path in STREAMS {
        let mut stream = server.stream(path, ADMIN).await;
        stream.expect("connected").await;
        if path == "/system/status/stream" {
            stream.expect("synced").await;
        } else if path == "/system/heartbeat" {
            stream.expect("heartbeat").await;
        }
        streams.push(stream);
    }
    let user = demo("bob", "user");
    for (path, good) in WITH_BODY {
        let good: Value = serde_json::from_str(good).unwrap();
        server
            .call("POST", path, "", good.clone())
            .await
            .assert_refused(401, "token_missing");
        server
            .call("POST", path, "bad", good.clone())
            .await
            .assert_refused(401, "token_invalid");
        if path != "/chat/message" {
            server
                .call("POST", path, &user, good)
                .await
                .assert_refused(403, "forbidden");
        }
        post_json(&server, path, b"{")
            .await
            .assert_refused(400, "invalid_json");
        post(&server, path, Some("text/plain"), b"{}")
            .await
            .assert_refused(415, "unsupported_media_type");
        post_json(&server, path, &sized(300_000))
            .await
            .assert_refused(413, "payload_too_large");
    }
    for path in WITH_OBJECT {
        post_json(&server, path, b"{}")
            .await
            .assert_refused(400, "validation_failed");
    }
    assert_eq!(server.stored().await, 0);
    server
        .post("/notifications/send", json!({"title": "T", "message": "M"}))
        .await;
    server
        .post(
            "/realtime/update",
            json!({"entity": "e", "action": "update", "data": 1}),
        )
        .await;
    server
        .post("/chat/message", json!({"roomId": "r", "message": "m"}))
        .await;
    server
        .post(
            "/system/status/update",
            json!({"service": "s", "status": "online"}),
        )
        .await;
    let heard = [
        "notification",
        "realtime-update",
        "chat-message",
        "chat-message",
        "system-status",
    ];
    for (stream, event) in streams.iter_mut().zip(heard) {
        stream.expect(event).await;
    }
}
