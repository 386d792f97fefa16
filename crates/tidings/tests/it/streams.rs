//! The streams: their paths, who may open them, under which names they are counted, and how long
//! their clients wait.

mod blocks;
mod cuts;
mod delivery;
mod heads;
mod heartbeats;
mod http2;
mod status;

use serde_json::json;

use crate::support::{ADMIN, TestServer, demo, start, start_with};

/// A row of the documented table of streams.
pub(crate) struct Kind {
    pub(crate) path: &'static str,
    /// Whether a token is required.
    required: bool,
    counted_as: &'static [&'static str],
    retry: u64,
}

pub(crate) const KINDS: [Kind; 8] = [
    Kind {
        path: "/notifications/stream",
        required: false,
        counted_as: &["notifications", "heartbeat"],
        retry: 3_000,
    },
    Kind {
        path: "/realtime/stream",
        required: false,
        counted_as: &["realtime-updates", "heartbeat"],
        retry: 3_000,
    },
    Kind {
        path: "/realtime/stream?entities=a,b",
        required: false,
        counted_as: &["realtime-updates", "heartbeat"],
        retry: 3_000,
    },
    Kind {
        path: "/chat/stream",
        required: true,
        counted_as: &["chat", "heartbeat"],
        retry: 3_000,
    },
    Kind {
        path: "/chat/stream?roomId=r",
        required: true,
        counted_as: &["chat", "heartbeat"],
        retry: 3_000,
    },
    Kind {
        path: "/chat/room/r/stream",
        required: true,
        counted_as: &["chat", "heartbeat"],
        retry: 3_000,
    },
    Kind {
        path: "/system/status/stream",
        required: false,
        counted_as: &["system-status", "heartbeat"],
        retry: 5_000,
    },
    Kind {
        path: "/system/heartbeat",
        required: false,
        counted_as: &["heartbeat"],
        retry: 30_000,
    },
];

/// The path with a token in the query.
fn with_token(path: &str, token: &str) -> String {
    let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
    format!(
        "{path}{}token={token}",
        if path.contains('?') { '&' } else { '?' }
    )
}

#[tokio::test]
async fn each_stream_has_its_retry_and_its_names() {
    let server = start().await;
    for kind in KINDS {
        let connected = server
            .stream(kind.path, ADMIN)
            .await
            .block("connected")
            .await;
        assert_eq!(connected.retry, Some(kind.retry), "{}", kind.path);
        let data: serde_json::Value = serde_json::from_str(&connected.data).unwrap();
        assert_eq!(
            data["subscriptions"],
            json!(kind.counted_as),
            "{}",
            kind.path
        );
    }
}

#[tokio::test]
async fn each_stream_is_counted_only_while_it_is_open() {
    let server = start().await;
    for kind in KINDS {
        for token in ["", ADMIN].into_iter().skip(usize::from(kind.required)) {
            let mut stream = server.stream(kind.path, token).await;
            stream.expect("connected").await;
            let by_type: serde_json::Map<_, _> = kind
                .counted_as
                .iter()
                .map(|name| ((*name).to_owned(), json!(1)))
                .collect();
            let expected = json!({
                "totalConnections": 1,
                "authenticatedConnections": usize::from(!token.is_empty()),
                "connectionsByType": by_type,
            });
            assert_eq!(server.stats().await, expected, "{}", kind.path);
            drop(stream);
            server.until_nobody_is_left().await;
        }
    }
}

#[tokio::test]
async fn each_open_stream_counts_once_as_heartbeat() {
    let server = start().await;
    let mut open = Vec::new();
    for kind in KINDS {
        open.push(server.stream(kind.path, ADMIN).await);
    }
    let expected = json!({
        "totalConnections": 8,
        "authenticatedConnections": 8,
        "connectionsByType": {
            "notifications": 1, "realtime-updates": 2, "chat": 3, "system-status": 1, "heartbeat": 8,
        },
    });
    assert_eq!(server.stats().await, expected);
}

#[tokio::test]
async fn without_a_token_a_client_is_anonymous_or_refused() {
    let server = start().await;
    for kind in KINDS {
        if kind.required {
            let refused = server.get(kind.path).await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (401, "token_missing"),
                "{}",
                kind.path
            );
            assert_eq!(
                refused.json()["message"],
                "Authentication token is required"
            );
        } else {
            let connected = server
                .stream(kind.path, "")
                .await
                .expect("connected")
                .await
                .data;
            assert_eq!(
                (&connected["authenticated"], &connected["userId"]),
                (&json!(false), &json!(null))
            );
            assert_eq!(connected.get("authError"), None);
        }
    }
}

#[tokio::test]
async fn a_malformed_demo_token_makes_anonymous_where_a_token_is_optional_and_is_refused_elsewhere()
{
    let server = start().await;
    for kind in KINDS {
        if kind.required {
            let refused = server.call("GET", kind.path, "garbage", json!(null)).await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (401, "token_invalid"),
                "{}",
                kind.path
            );
            assert_eq!(refused.json()["message"], "Invalid authentication token");
        } else {
            let connected = server
                .stream(kind.path, "garbage")
                .await
                .expect("connected")
                .await
                .data;
            assert_eq!(connected["authenticated"], false);
            assert_eq!(connected["authError"], "token_invalid");
        }
    }
}

#[tokio::test]
async fn a_refused_jwt_or_ticket_is_a_401_even_where_a_token_is_optional() {
    for settings in [
        &[][..],
        &[("JWT_SECRET", "0123456789abcdef0123456789abcdef")],
    ] {
        let server = start_with(settings).await;
        for kind in KINDS {
            let jwt = server.call("GET", kind.path, "a.b.c", json!(null)).await;
            assert_eq!(
                (jwt.status, jwt.code().as_str()),
                (401, "token_invalid"),
                "{}",
                kind.path
            );
            let path = with_token(kind.path, "x").replace("token=", "ticket=");
            let ticket = server.get(&path).await;
            assert_eq!(
                (ticket.status, ticket.code().as_str()),
                (401, "ticket_invalid"),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn the_credential_is_the_first_of_bearer_query_and_cookie_and_it_alone_decides() {
    let server = start_with(&[("AUTH_COOKIE", "session")]).await;
    let (ann, bob, cid) = (
        demo("ann", "user"),
        demo("bob", "user"),
        demo("cid", "user"),
    );
    let cookie = format!("other=1; session={cid}");
    let bearer = |token: &str| format!("Bearer {token}");
    let query = with_token("/chat/stream", &bob);
    for (path, authorization, cookie, who) in [
        (query.as_str(), bearer(&ann), cookie.as_str(), "ann"),
        (
            &query,
            bearer(&ann).replace("Bearer", "bEARER"),
            &cookie,
            "ann",
        ),
        (&query, String::new(), &cookie, "bob"),
        (&query, "Basic dTpw".to_owned(), &cookie, "bob"),
        ("/chat/stream", String::new(), &cookie, "cid"),
    ] {
        let mut headers = vec![("Cookie", cookie)];
        if !authorization.is_empty() {
            headers.push(("Authorization", &authorization));
        }
        let mut stream = server.stream_with(path, "", &headers).await;
        assert_eq!(stream.expect("connected").await.data["userId"], who);
    }
    let bad = bearer("garbage");
    let refused = server
        .request(
            "GET",
            &query,
            &[("Authorization", &bad), ("Cookie", &cookie)],
            b"",
        )
        .await;
    assert_eq!(
        refused.status, 401,
        "a refused credential is not made good by the next one"
    );
}

#[tokio::test]
async fn a_cookie_from_a_page_of_another_origin_does_not_count() {
    let allowed = "https://app.example.com";
    let settings = [
        ("AUTH_COOKIE", "sid"),
        ("CORS_ORIGIN", allowed),
        ("MAX_CONNECTIONS_PER_USER", "8"),
    ];
    let server = start_with(&settings).await;
    let ann = demo("ann", "user");
    let cookie = format!("sid={ann}");
    let with =
        |more: &[(&'static str, &'static str)]| [&[("Cookie", cookie.as_str())], more].concat();
    for good in [
        &[][..],
        &[("Sec-Fetch-Site", "same-origin")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", allowed), ("Sec-Fetch-Site", "cross-site")],
        &[("Origin", "http://localhost:5173")], // allowed in development
    ] {
        for path in ["/chat/stream", "/notifications/stream"] {
            let mut stream = server.stream_with(path, "", &with(good)).await;
            assert_eq!(
                stream.expect("connected").await.data["userId"],
                "ann",
                "{good:?}"
            );
        }
        server.until_nobody_is_left().await;
    }
    for bad in [
        &[("Sec-Fetch-Site", "cross-site")][..],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[
            ("Origin", "https://app.example.com.evil.example"),
            ("Sec-Fetch-Site", "same-origin"),
        ],
    ] {
        for kind in KINDS {
            for method in ["GET", "HEAD"] {
                let refused = server.request(method, kind.path, &with(bad), b"").await;
                assert_eq!(refused.status, 403, "{method} {} {bad:?}", kind.path);
            }
            server
                .request("GET", kind.path, &with(bad), b"")
                .await
                .assert_refused(403, "forbidden");
        }
        // A token that the page itself sends is judged as always.
        let query = with_token("/chat/stream", &ann);
        server
            .stream_with(&query, "", &with(bad))
            .await
            .expect("connected")
            .await;
        server.until_nobody_is_left().await;
    }
    let body = br#"{"roomId":"r","message":"m"}"#;
    let headers = with(&[
        ("Content-Type", "application/json"),
        ("Sec-Fetch-Site", "same-origin"),
    ]);
    server
        .request("POST", "/chat/message", &headers, body)
        .await
        .assert_refused(401, "token_missing");
    server
        .request("GET", "/events?topic=chat", &headers, b"")
        .await
        .assert_refused(401, "token_missing");
}

#[tokio::test]
async fn an_invalid_room_is_refused_after_the_token_was_judged() {
    let server = start().await;
    let too_many: Vec<_> = (0..65).map(|nth| format!("e{nth}")).collect();
    let too_many = format!("/realtime/stream?entities={}", too_many.join(","));
    let long = format!("/chat/room/{}/stream", "r".repeat(129));
    for path in ["/chat/stream?roomId=a/b", "/chat/room/a%20b/stream", &long] {
        assert_eq!(server.get(path).await.code(), "token_missing", "{path}");
    }
    for path in [
        "/chat/stream?roomId=a/b",
        "/chat/room/a%20b/stream",
        &long,
        "/realtime/stream?entities=a/b",
        &too_many,
    ] {
        let refused = server.call("GET", path, ADMIN, json!(null)).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "validation_failed"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_operator_sees_what_each_stream_follows() {
    let server = start().await;
    let ann = demo("ann", "user");
    for (path, topics) in [
        (
            "/notifications/stream",
            &["notifications", "notifications/user/ann"][..],
        ),
        ("/realtime/stream", &["realtime", "realtime/user/ann"]),
        (
            "/realtime/stream?entities=a,b,a",
            &[
                "realtime/entity/a",
                "realtime/entity/b",
                "realtime/user/ann/entity/a",
                "realtime/user/ann/entity/b",
            ],
        ),
        ("/chat/stream", &["chat"]),
        ("/chat/stream?roomId=r", &["chat/room/r"]),
        ("/chat/stream?room=r", &["chat/room/r"]),
        ("/chat/room/r/stream", &["chat/room/r"]),
        ("/system/status/stream", &["system/status"]),
        ("/system/heartbeat", &[]),
    ] {
        let stream = server.stream(path, &ann).await;
        assert_eq!(followed(&server).await, json!(topics), "{path}");
        drop(stream);
        server.until_nobody_is_left().await;
    }
    let _anonymous = server.stream("/realtime/stream?entities=a", "").await;
    assert_eq!(
        followed(&server).await,
        json!(["realtime/entity/a"]),
        "nobody's own topic without a user"
    );
}

/// The topics of the only stream.
async fn followed(server: &TestServer) -> serde_json::Value {
    let listed = server
        .call("GET", "/system/connections", ADMIN, json!(null))
        .await
        .json();
    assert_eq!(listed["connections"].as_array().unwrap().len(), 1);
    listed["connections"][0]["topics"].clone()
}
