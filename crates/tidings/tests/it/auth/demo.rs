//! Demo tokens: their form, the ids that they contain, and where they are switched off.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{ADMINS, REQUIRED, SECRET, connected, get, is_admin, jwt, speaks_as};
use crate::support::{ADMIN, demo, in_time, start, start_with};

fn demo_of(text: &str) -> String {
    STANDARD.encode(text)
}

#[tokio::test]
async fn the_well_known_demo_token_is_test123() {
    let server = start().await;
    assert_eq!(
        ADMIN,
        "dGVzdDEyMzp0ZXN0dXNlcjp0ZXN0QGV4YW1wbGUuY29tOnVzZXIsYWRtaW4="
    );
    assert_eq!(
        speaks_as(&server, ADMIN).await,
        ("test123".to_owned(), "testuser".to_owned())
    );
    assert!(is_admin(&server, ADMIN).await);
    let connected = connected(&server, "/chat/stream", ADMIN).await.data;
    assert_eq!(
        (&connected["authenticated"], &connected["userId"]),
        (&json!(true), &json!("test123"))
    );
}

#[tokio::test]
async fn a_demo_token_has_three_parts_or_four_and_is_a_user_without_the_fourth() {
    let server = start().await;
    for (text, admin) in [
        ("ann:Ann:ann@example.com", false),
        ("ann:Ann:ann@example.com:", false),
        ("ann:Ann:ann@example.com:user", false),
        ("ann:Ann:ann@example.com:admin", true),
        ("ann:Ann:ann@example.com:user, admin", true),
        ("ann:Ann:ann@example.com:Admin", false),
        ("ann:Ann::admin", true),
    ] {
        let token = demo_of(text);
        assert_eq!(
            speaks_as(&server, &token).await,
            ("ann".to_owned(), "Ann".to_owned()),
            "{text}"
        );
        assert_eq!(is_admin(&server, &token).await, admin, "{text}");
    }
    assert_eq!(
        speaks_as(&server, &demo_of("ann::")).await,
        ("ann".to_owned(), "ann".to_owned())
    );
    let unpadded = demo_of("ann:Ann:a@b:admin");
    let unpadded = unpadded.trim_end_matches('=');
    assert!(is_admin(&server, unpadded).await);
}

/// Tokens that can be in a header but are not demo tokens.
fn malformed() -> Vec<String> {
    let id = "x".repeat(129);
    [
        "nonsense".to_owned(),
        "!!!!".to_owned(),
        "a".to_owned(),
        "=".to_owned(),
        demo_of("ann"),
        demo_of("ann:Ann"),
        demo_of(":Ann:ann@example.com:admin"),
        demo_of(&format!("{id}:Ann:ann@example.com")),
        demo_of(&format!("{}:Ann:a@b", "€".repeat(43))),
        demo_of("an\nn:Ann:ann@example.com:admin"),
        demo_of("an\0n:Ann:ann@example.com"),
        demo_of("an\u{85}n:Ann:ann@example.com"),
        STANDARD.encode(b"ann:\xff:ann@example.com:admin"),
        base64::engine::general_purpose::URL_SAFE.encode("???>>>:Ann:ann@example.com:admin"),
        format!("{ADMIN}{ADMIN}"),
        format!(" {ADMIN}x"),
        "naïve".to_owned(),
        "🙂".to_owned(),
        "A".repeat(10_000),
    ]
    .into()
}

#[tokio::test]
async fn a_malformed_demo_token_is_refused_where_a_token_is_required() {
    for token in malformed() {
        let server = start().await; // each server has its own count of failures
        for path in [REQUIRED, ADMINS, "/chat/stream"] {
            let answer = get(&server, path, &token).await;
            answer.assert_refused(401, "token_invalid");
            assert_eq!(answer.json()["message"], "Invalid authentication token");
        }
        let body = json!({"roomId": "r", "message": "m"});
        server
            .call("POST", "/chat/message", &token, body)
            .await
            .assert_refused(401, "token_invalid");
        assert_eq!(server.stored().await, 0);
    }
}

#[tokio::test]
async fn a_malformed_demo_token_makes_its_bearer_anonymous_and_connected_says_so() {
    let server = start().await;
    for token in malformed() {
        for path in [
            "/notifications/stream",
            "/realtime/stream",
            "/system/status/stream",
            "/system/heartbeat",
        ] {
            let connected = connected(&server, path, &token).await.data;
            assert_eq!(connected["authenticated"], false);
            assert_eq!(connected["authError"], "token_invalid");
            assert_eq!(connected["userId"], Value::Null);
        }
    }
    let anonymous = connected(&server, "/notifications/stream", "").await.data;
    assert_eq!(anonymous["authenticated"], false);
    assert_eq!(anonymous.get("authError"), None, "nothing was wrong");
}

#[tokio::test]
async fn a_token_that_is_not_utf_8_is_invalid() {
    let server = start().await;
    for (path, status) in [(REQUIRED, "401"), ("/events?topic=notifications", "200")] {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
        );
        let bytes = [head.as_bytes(), b"\xff\xfe\x80", b"\r\n\r\n"].concat();
        let answer = in_time(crate::support::http::raw(server.address, &bytes)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    server
        .get(&format!("{REQUIRED}?token=%FF%00"))
        .await
        .assert_refused(401, "token_invalid");
}

#[tokio::test]
async fn a_user_id_has_1_to_128_bytes() {
    let server = start().await;
    for id in [
        "x".repeat(128),
        "é".repeat(64),
        "*".to_owned(),
        "a/b".to_owned(),
        "**".to_owned(),
        " ".to_owned(),
    ] {
        let token = demo_of(&format!("{id}:Name:a@b"));
        assert_eq!(
            connected(&server, "/chat/stream", &token).await.data["userId"],
            id
        );
    }
}

#[tokio::test]
async fn an_identity_is_never_read_as_a_pattern() {
    let server = start().await;
    for id in ["*", "**", "+", "bob/**"] {
        let token = demo(id, "user");
        let mut stream = server.stream("/notifications/stream", &token).await;
        stream.expect("connected").await;
        for user in ["bob", "ann"] {
            let path = format!("/notifications/send?targetUserId={user}");
            server
                .post(&path, json!({"title": "T", "message": "M"}))
                .await;
        }
        server
            .post(
                "/notifications/send",
                json!({"title": id, "message": "M", "targetUserId": id}),
            )
            .await;
        assert_eq!(
            stream.expect("notification").await.data["title"],
            id,
            "the first is its own"
        );
    }
}

#[tokio::test]
async fn demo_tokens_are_refused_where_they_are_off() {
    for settings in [
        &[("AUTH_DEMO", "false")][..],
        &[("AUTH_DEMO", "false"), ("JWT_SECRET", SECRET)],
        &[
            ("APP_ENV", "production"),
            ("JWT_SECRET", SECRET),
            ("HOST", "127.0.0.1"),
        ],
        &[
            ("NODE_ENV", "production"),
            ("JWT_SECRET", SECRET),
            ("HOST", "127.0.0.1"),
        ],
    ] {
        let server = start_with(settings).await;
        for path in [
            REQUIRED,
            ADMINS,
            "/chat/stream",
            "/notifications/stream",
            "/events?topic=notifications",
        ] {
            get(&server, path, ADMIN)
                .await
                .assert_refused(401, "token_invalid");
        }
        assert_eq!(
            connected(&server, "/notifications/stream", "").await.data["authenticated"],
            false
        );
    }
}

#[tokio::test]
async fn demo_tokens_are_accepted_in_production_only_if_they_are_enabled() {
    let settings = [
        ("APP_ENV", "production"),
        ("AUTH_DEMO", "true"),
        ("JWT_SECRET", SECRET),
        ("HOST", "127.0.0.1"),
    ];
    let server = start_with(&settings).await;
    assert!(is_admin(&server, ADMIN).await);
    assert!(is_admin(&server, &jwt(&json!({"roles": ["admin"]}))).await);
}
