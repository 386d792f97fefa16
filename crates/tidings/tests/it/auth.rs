//! Authentication: where a credential is looked for, in what order, and what each guard answers.

mod demo;
mod jwt;
mod secrecy;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::stream::Received;
use crate::support::{ADMIN, Answer, TestServer, demo as demo_token, start, start_with};

const SECRET: &str = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";

/// A path that needs a token but no role.
const REQUIRED: &str = "/chat/room/r/members";

/// A path that needs the token of an admin.
const ADMINS: &str = "/system/connections";

fn sign(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    jsonwebtoken::encode(
        &Header::new(algorithm),
        claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )
    .unwrap()
}

/// A JWT that is valid for a century.
fn jwt(claims: &Value) -> String {
    let mut all = json!({"sub": "ann", "exp": 4_900_000_000_u64});
    all.as_object_mut()
        .unwrap()
        .extend(claims.as_object().unwrap().clone());
    sign(Algorithm::HS256, SECRET, &all)
}

async fn get(server: &TestServer, path: &str, token: &str) -> Answer {
    server.call("GET", path, token, Value::Null).await
}

async fn with_headers(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Answer {
    server.request("GET", path, headers, b"").await
}

/// Opens a stream and returns its `connected` event.
async fn connected(server: &TestServer, path: &str, token: &str) -> Received {
    server.stream(path, token).await.expect("connected").await
}

/// The id and the name of a token's user, as a message of that user in a room shows them.
async fn speaks_as(server: &TestServer, token: &str) -> (String, String) {
    let answer = server
        .call(
            "POST",
            "/chat/message",
            token,
            json!({"roomId": "r", "message": "m"}),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let event = server.kept("chat/room/r", token).await.pop().unwrap();
    let text = |name: &str| event["data"][name].as_str().unwrap().to_owned();
    (text("userId"), text("username"))
}

async fn is_admin(server: &TestServer, token: &str) -> bool {
    match get(server, ADMINS, token).await.status {
        200 => true,
        403 => false,
        status => panic!("{status}"),
    }
}

#[tokio::test]
async fn the_header_comes_first_then_token() {
    let server = start().await;
    let (ann, bob) = (demo_token("ann", "user"), demo_token("bob", "user"));
    let user = async |query: &str, header: Option<&str>| {
        let headers: Vec<_> = header
            .map(|value| ("Authorization", value))
            .into_iter()
            .collect();
        let path = format!("/notifications/stream{query}");
        let mut stream = server.stream_with(&path, "", &headers).await;
        stream.expect("connected").await.data["userId"].clone()
    };
    let bearer = format!("Bearer {ann}");
    let query = format!("?token={}", bob.replace('+', "%2B").replace('=', "%3D"));
    assert_eq!(user(&query, Some(&bearer)).await, "ann");
    assert_eq!(user(&query, None).await, "bob");
    assert_eq!(user("", Some(&bearer)).await, "ann");
    assert_eq!(user("", None).await, Value::Null);
    assert_eq!(user(&format!("{query}&ticket=x"), None).await, "bob");
    for scheme in ["bearer", "BEARER", "BeArEr"] {
        assert_eq!(user(&query, Some(&format!("{scheme} {ann}"))).await, "ann");
    }
    for other in [
        "Basic dXNlcjpwYXNz",
        "Digest x",
        "Bearer",
        "Bearer ",
        &ann,
        &format!("Token {ann}"),
    ] {
        assert_eq!(
            user(&query, Some(other)).await,
            "bob",
            "{other:?} counts as absent"
        );
        assert_eq!(
            user("", Some(other)).await,
            Value::Null,
            "{other:?} counts as absent"
        );
    }
}

#[tokio::test]
async fn the_first_credential_decides_alone() {
    let server = start_with(&[("AUTH_COOKIE", "session")]).await;
    let path = format!("/chat/stream?token={ADMIN}");
    let good = [
        ("Authorization", format!("Bearer {ADMIN}")),
        ("Cookie", format!("session={ADMIN}")),
    ];
    let good: Vec<_> = good
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    with_headers(&server, &path, &[("Authorization", "Bearer bad"), good[1]])
        .await
        .assert_refused(401, "token_invalid");
    with_headers(&server, "/chat/stream?token=bad&ticket=x", &good[1..])
        .await
        .assert_refused(401, "token_invalid");
    with_headers(&server, "/chat/stream?ticket=x", &good[1..])
        .await
        .assert_refused(401, "ticket_invalid");
    with_headers(&server, "/chat/stream", &[("Cookie", "session=bad")])
        .await
        .assert_refused(401, "token_invalid");
    let calls = server
        .request("GET", REQUIRED, &[("Authorization", "Bearer bad")], b"")
        .await;
    calls.assert_refused(401, "token_invalid");
}

#[tokio::test]
async fn calls_take_tokens_in_the_query_too() {
    let server = start().await;
    assert_eq!(
        server
            .get(&format!("{REQUIRED}?token={ADMIN}"))
            .await
            .status,
        200
    );
    let headers = [("Content-Type", "application/json")];
    let body = br#"{"title":"T","message":"M"}"#;
    let path = format!("/notifications/send?token={ADMIN}");
    assert_eq!(
        server.request("POST", &path, &headers, body).await.status,
        200
    );
    server
        .get(&format!("{REQUIRED}?token="))
        .await
        .assert_refused(401, "token_missing");
    server
        .get(&format!("{REQUIRED}?token=bad"))
        .await
        .assert_refused(401, "token_invalid");
    server
        .get(&format!("{REQUIRED}?Token={ADMIN}"))
        .await
        .assert_refused(401, "token_missing");
}

#[tokio::test]
async fn tickets_and_cookies_are_for_streams_alone() {
    let server = start_with(&[("AUTH_COOKIE", "session")]).await;
    let cookie = format!("a=b; session={ADMIN}; c=d");
    let mut stream = server
        .stream_with("/notifications/stream", "", &[("Cookie", &cookie)])
        .await;
    assert_eq!(stream.expect("connected").await.data["userId"], "test123");
    for path in [REQUIRED, ADMINS, "/events?topic=chat"] {
        with_headers(&server, path, &[("Cookie", &cookie)])
            .await
            .assert_refused(401, "token_missing");
        let ticket = format!(
            "{path}{}ticket={ADMIN}",
            if path.contains('?') { '&' } else { '?' }
        );
        with_headers(&server, &ticket, &[])
            .await
            .assert_refused(401, "token_missing");
    }
    let headers = [
        ("Cookie", cookie.as_str()),
        ("Content-Type", "application/json"),
    ];
    let post = server
        .request(
            "POST",
            "/notifications/send",
            &headers,
            br#"{"title":"T","message":"M"}"#,
        )
        .await;
    post.assert_refused(401, "token_missing");
    assert_eq!(
        server.stored().await,
        0,
        "no other site publishes in a visitor's name"
    );
}

#[tokio::test]
async fn without_auth_cookie_no_cookie_is_a_credential() {
    let server = start().await;
    let cookie = format!("token={ADMIN}; session={ADMIN}");
    with_headers(&server, "/chat/stream", &[("Cookie", &cookie)])
        .await
        .assert_refused(401, "token_missing");
}

#[tokio::test]
async fn admin_role_renames_the_role() {
    let server = start_with(&[("ADMIN_ROLE", "operator")]).await;
    assert!(!is_admin(&server, ADMIN).await);
    assert!(is_admin(&server, &demo_token("ann", "user,operator")).await);
    assert!(!is_admin(&server, &demo_token("ann", "Operator")).await);
    let body = json!({"title": "T", "message": "M"});
    server
        .call("POST", "/notifications/send", ADMIN, body.clone())
        .await
        .assert_refused(403, "forbidden");
    assert_eq!(
        server
            .call(
                "POST",
                "/notifications/send",
                &demo_token("ann", "operator"),
                body
            )
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn health_needs_no_token_and_ignores_an_invalid_one() {
    let server = start_with(&[("AUTH_DEMO", "false")]).await;
    for path in [
        "/",
        "/api",
        "/health",
        "/health/live",
        "/health/ready",
        "/system/health",
        "/system/stats",
        "/system/status",
    ] {
        for token in ["", "bad", "a.b.c", ADMIN] {
            assert_eq!(
                get(&server, path, token).await.status,
                200,
                "{path} {token}"
            );
        }
    }
}
