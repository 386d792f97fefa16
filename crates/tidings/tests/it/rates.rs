//! What one user and one address may do: beyond that, calls are refused with 429 `rate_limited`,
//! and nothing is published.

use serde_json::{Value, json};
use tidings_hub::Clock;
use tokio::task::JoinSet;

use crate::support::{ADMIN, Answer, TestServer, demo, http, in_time, jwt, start_with, until};

const SECRET: &str = "a secret of at least thirty-two bytes";

/// Publishes a notification to `ann`, which every user may do.
async fn notify(server: &TestServer, token: &str) -> Answer {
    let body = json!({"title": "t", "message": "m"});
    server
        .call("POST", "/notifications/send?targetUserId=ann", token, body)
        .await
}

/// Makes calls until one is refused. Returns its answer, and how many calls were not refused.
async fn refused(mut call: impl AsyncFnMut(usize) -> Answer) -> (Answer, usize) {
    for nth in 0..5_000 {
        let answer = call(nth).await;
        if answer.status != 200 {
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (429, "rate_limited"),
                "{}",
                answer.text()
            );
            assert!(
                answer
                    .header("retry-after")
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
                    > 0
            );
            return (answer, nth);
        }
    }
    panic!("never refused");
}

/// The number after `name` in a structured field.
fn number(answer: &Answer, header: &str, item: &str, name: &str) -> u64 {
    let list = answer.header(header).unwrap();
    let item = list
        .split(", ")
        .find_map(|one| one.strip_prefix(&format!("\"{item}\"")));
    let value = item
        .unwrap()
        .split(';')
        .find_map(|one| one.strip_prefix(&format!("{name}=")));
    value.unwrap().parse().unwrap()
}

#[tokio::test]
async fn too_many_events_of_a_user_are_refused_and_not_published() {
    let server = start_with(&[("PUBLISH_RATE", "2")]).await;
    let bob = demo("bob", "user");
    let first = notify(&server, &bob).await;
    assert_eq!(
        first.header("ratelimit-policy").unwrap(),
        r#""events";q=4;w=2, "bytes";q=2097152;w=2;qu="content-bytes""#
    );
    assert_eq!(
        (
            number(&first, "ratelimit", "events", "r"),
            number(&first, "ratelimit", "events", "t")
        ),
        (3, 1)
    );
    let (answer, taken) = refused(async |_| notify(&server, &bob).await).await;
    assert_eq!(number(&answer, "ratelimit", "events", "r"), 0);
    assert!(number(&answer, "ratelimit", "events", "t") > 0);
    assert_eq!(number(&answer, "ratelimit-policy", "events", "q"), 4);
    // Other users are not refused because of this, and an admin has no limit.
    assert_eq!(notify(&server, &demo("cem", "user")).await.status, 200);
    for _ in 0..20 {
        let answer = notify(&server, ADMIN).await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None));
    }
    let kept = server
        .kept("notifications/user/ann", &demo("ann", "user"))
        .await;
    assert_eq!(kept.len(), 1 + taken + 1 + 20);
    // After a second, more is accepted.
    until(async || notify(&server, &bob).await.status == 200).await;
}

#[tokio::test]
async fn typing_joining_and_leaving_count_too() {
    for what in ["typing", "join", "leave"] {
        let server = start_with(&[("PUBLISH_RATE", "1")]).await;
        let bob = demo("bob", "user");
        let mut room = server.connected("/chat/room/r/stream", ADMIN).await;
        let path = format!("/chat/room/r/{what}");
        let (_, taken) =
            refused(async |_| server.call("POST", &path, &bob, json!(null)).await).await;
        assert!(taken >= 2, "{what}");
        // there is one limit for everything that is published
        refused(async |_| notify(&server, &bob).await).await;
        // Nobody was told of what was refused.
        server
            .post("/chat/message", json!({"roomId": "r", "message": "end"}))
            .await;
        let mut told = 0;
        loop {
            let block = room.next().await;
            if block.data["message"] == "end" {
                break;
            }
            told += 1;
        }
        assert_eq!(
            told,
            match what {
                "typing" => taken,
                "join" => 1,
                _ => 0,
            },
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_repeat_with_the_same_key_is_not_charged_and_answered_beyond_the_limit() {
    let server = start_with(&[("PUBLISH_RATE", "1")]).await;
    let bearer = format!("Bearer {}", demo("bob", "user"));
    let keyed = async |key: &str| {
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", key),
        ];
        server
            .request(
                "POST",
                "/notifications/send?targetUserId=ann",
                &headers,
                br#"{"title":"t","message":"m"}"#,
            )
            .await
    };
    let first = keyed("first").await;
    assert_eq!(
        (first.status, number(&first, "ratelimit", "events", "r")),
        (200, 1)
    );
    for _ in 0..30 {
        assert_eq!(
            keyed("first").await.header("idempotency-replayed"),
            Some("true")
        );
    }
    assert_eq!(
        keyed("second").await.status,
        200,
        "the repeats took nothing"
    );
    refused(async |nth| keyed(&format!("more-{nth}")).await).await;
    let again = keyed("first").await;
    assert_eq!((again.status, again.body == first.body), (200, true));
    // A refusal is not stored under the key: the call is accepted later with the same key.
    let (_, nth) = refused(async |nth| keyed(&format!("late-{nth}")).await).await;
    until(async || keyed(&format!("late-{nth}")).await.status == 200).await;
}

#[tokio::test]
async fn bytes_are_limited_and_a_large_body_delays_the_next_one() {
    let server = start_with(&[("PUBLISH_BYTES", "1KiB")]).await;
    let large = async |user: &str| {
        let body = json!({"roomId": "r", "message": "m", "metadata": "x".repeat(60_000)});
        server
            .call("POST", "/chat/message", &demo(user, "user"), body)
            .await
    };
    assert_eq!(
        large("bob").await.status,
        200,
        "taken while anything is left"
    );
    let answer = large("bob").await; // refused for the next minute
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "rate_limited")
    );
    assert_eq!(number(&answer, "ratelimit", "bytes", "r"), 0);
    assert!(answer.json()["message"].as_str().unwrap().contains("bytes"));
    assert_eq!(notify(&server, &demo("bob", "user")).await.status, 429);
    assert_eq!(large("cem").await.status, 200);
}

#[tokio::test]
async fn unlimited_roles_and_open_publish_have_no_limit() {
    let server = start_with(&[
        ("PUBLISH_RATE", "1"),
        ("PUBLISH_UNLIMITED_ROLES", "backend,batch"),
    ])
    .await;
    for role in ["backend", "user,batch"] {
        for _ in 0..20 {
            let answer = notify(&server, &demo("bob", role)).await;
            assert_eq!(
                (answer.status, answer.header("ratelimit-policy")),
                (200, None)
            );
        }
    }
    let bob = demo("bob", "user");
    refused(async |_| notify(&server, &bob).await).await;
    let server = start_with(&[("OPEN_PUBLISH", "true")]).await;
    assert_eq!(notify(&server, &bob).await.header("ratelimit-policy"), None);
    let server = start_with(&[
        ("OPEN_PUBLISH", "true"),
        ("PUBLISH_RATE", "1"),
        ("PUBLISH_BYTES", "off"),
    ])
    .await;
    assert_eq!(
        notify(&server, &bob).await.header("ratelimit-policy"),
        Some(r#""events";q=2;w=2"#)
    );
    refused(async |_| notify(&server, &bob).await).await;
}

#[tokio::test]
async fn new_names_are_limited_and_known_ones_are_not() {
    let server = start_with(&[
        ("PUBLISH_RATE", "off"),
        ("PUBLISH_UNLIMITED_ROLES", "backend"),
    ])
    .await;
    let bob = demo("bob", "user");
    let say = async |room: &str, token: &str| {
        server
            .call(
                "POST",
                "/chat/message",
                token,
                json!({"roomId": room, "message": "m"}),
            )
            .await
    };
    let to = async |user: &str, token: &str| {
        let body = json!({"entity": "e", "action": "update", "data": 1});
        server
            .call(
                "POST",
                &format!("/realtime/update?targetUserId={user}"),
                token,
                body,
            )
            .await
    };
    // Names are limited together: rooms, users, and rooms that are joined.
    let join = async |room: &str, token: &str| {
        let answer = server
            .call(
                "POST",
                &format!("/chat/room/{room}/join"),
                token,
                json!(null),
            )
            .await;
        if answer.status == 200 {
            server
                .call(
                    "POST",
                    &format!("/chat/room/{room}/leave"),
                    token,
                    json!(null),
                )
                .await;
        }
        answer
    };
    let (answer, made) = refused(async |nth| match nth % 3 {
        0 => say(&format!("said-{nth}"), &bob).await,
        1 => to(&format!("user-{nth}"), &bob).await,
        _ => join(&format!("joined-{nth}"), &bob).await,
    })
    .await;
    assert!(made >= 600, "{made}");
    assert!(
        answer.json()["message"].as_str().unwrap().contains("names"),
        "{}",
        answer.text()
    );
    for call in [
        say("one-more", &bob).await,
        to("one-more", &bob).await,
        join("one-more", &bob).await,
    ] {
        assert_eq!((call.status, call.code().as_str()), (429, "rate_limited"));
    }
    assert_eq!(say("said-0", &bob).await.status, 200);
    assert_eq!(to("user-1", &bob).await.status, 200);
    assert_eq!(join("joined-2", &bob).await.status, 200);
    for token in [ADMIN, &demo("cem", "user"), &demo("bob", "backend")] {
        assert_eq!(say(&format!("of-{}", token.len()), token).await.status, 200);
    }
    let members = server
        .call("GET", "/chat/room/one-more/members", ADMIN, json!(null))
        .await
        .json();
    assert_eq!(
        members["members"],
        json!([]),
        "who was refused is no member"
    );
}

/// Makes many requests for this path at once, each on a connection of its own. Returns their
/// answers.
async fn all_at_once(
    server: &TestServer,
    path: &'static str,
    headers: &[(&str, &str)],
) -> Vec<Answer> {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let calls = (0..60).map(|_| {
        let (address, headers) = (server.address, headers.clone());
        async move {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            http::request(address, "GET", path, &headers, b"").await
        }
    });
    in_time(calls.collect::<JoinSet<_>>().join_all()).await
}

#[tokio::test]
async fn too_many_invalid_credentials_are_refused_but_a_valid_one_never() {
    let settings = [
        ("JWT_SECRET", SECRET),
        ("AUTH_DEMO", "false"),
        ("METRICS_TOKEN", SECRET),
    ];
    let server = start_with(&settings).await;
    let good = jwt(SECRET, Clock::system().now(), 60);
    let bad = format!(
        "Bearer {}",
        jwt(
            "another secret of at least thirty-two bytes",
            Clock::system().now(),
            60
        )
    );
    // Calls, streams that require a user, streams that do not, pages of the log, and the metrics.
    let paths = [
        "/chat/room/r/members",
        "/chat/stream",
        "/notifications/stream",
        "/events?topic=chat",
        "/metrics",
    ];
    for path in paths {
        let headers = [
            ("Authorization", bad.as_str()),
            ("Accept", "text/event-stream, */*"),
        ];
        until(async || {
            let answers = all_at_once(&server, path, &headers).await;
            let codes: Vec<_> = answers
                .iter()
                .map(|answer| (answer.status, answer.code()))
                .collect();
            let known = [
                (401, "token_invalid".to_owned()),
                (429, "rate_limited".to_owned()),
            ];
            assert!(
                codes.iter().all(|code| known.contains(code)),
                "{path}: {codes:?}"
            );
            let limited = answers.iter().find(|answer| answer.status == 429);
            limited.is_some_and(|answer| answer.header("retry-after") == Some("1"))
        })
        .await;
        for _ in 0..3 {
            server.connected("/notifications/stream", &good).await;
            assert_eq!(
                server
                    .call("GET", "/chat/room/r/members", &good, Value::Null)
                    .await
                    .status,
                200
            );
        }
        assert_eq!(
            server.get("/chat/room/r/members").await.code(),
            "token_missing",
            "none is no bad one"
        );
    }
}

#[tokio::test]
async fn each_address_behind_a_proxy_has_its_own_count() {
    let server = start_with(&[("JWT_SECRET", SECRET), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let bad = format!(
        "Bearer {}",
        jwt(
            "another secret of at least thirty-two bytes",
            Clock::system().now(),
            60
        )
    );
    let from = |address: &'static str| {
        [
            ("Authorization", bad.clone()),
            ("X-Forwarded-For", address.to_owned()),
        ]
    };
    let call = async |address| {
        let headers = from(address);
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        all_at_once(&server, "/chat/room/r/members", &headers).await
    };
    until(async || {
        call("2001:db8::1")
            .await
            .iter()
            .any(|answer| answer.status == 429)
    })
    .await;
    let headers = from("2001:db8:0:1::1");
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    assert_eq!(
        server
            .request("GET", "/chat/room/r/members", &headers, b"")
            .await
            .status,
        401
    );
}
