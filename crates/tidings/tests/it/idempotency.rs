//! `Idempotency-Key`: a publish that is repeated because its answer was lost happens only once.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::checks::SetClock;
use crate::support::{ADMIN, Answer, TestServer, demo, http, in_time, start, start_at};

/// Every call that publishes, with a valid body.
const PUBLISHES: [(&str, &str); 9] = [
    ("/notifications/send", r#"{"title":"T","message":"M"}"#),
    (
        "/notifications/send?targetUserId=ann",
        r#"{"title":"T","message":"M"}"#,
    ),
    ("/notifications/broadcast", r#"{"title":"T","message":"M"}"#),
    (
        "/realtime/update",
        r#"{"entity":"e","action":"update","data":1}"#,
    ),
    ("/realtime/entity/e/create", "{}"),
    ("/realtime/entity/e/delete", "{}"),
    ("/chat/message", r#"{"roomId":"r","message":"m"}"#),
    ("/chat/room/r/join", ""),
    (
        "/system/status/update",
        r#"{"service":"s","status":"online"}"#,
    ),
];

async fn post(server: &TestServer, path: &str, token: &str, key: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", key),
    ];
    server
        .request("POST", path, &headers, body.as_bytes())
        .await
}

/// Publishes a notification with this title.
async fn notify(server: &TestServer, key: &str, title: &str) -> Answer {
    let body = json!({"title": title, "message": "M"}).to_string();
    post(server, "/notifications/send", ADMIN, key, &body).await
}

/// Publishes notifications with these titles and one key, on as many connections.
async fn all_at_once(server: &TestServer, titles: Vec<String>) -> Vec<Answer> {
    let call = async |address, title| {
        let (bearer, body) = (
            format!("Bearer {ADMIN}"),
            json!({"title": title, "message": "M"}).to_string(),
        );
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "k"),
        ];
        http::request(
            address,
            "POST",
            "/notifications/send",
            &headers,
            body.as_bytes(),
        )
        .await
    };
    let calls = titles.into_iter().map(|title| call(server.address, title));
    in_time(calls.collect::<JoinSet<_>>().join_all()).await
}

fn is_replayed(answer: &Answer) -> bool {
    match answer.header("idempotency-replayed") {
        Some(value) => {
            assert_eq!(value, "true");
            true
        }
        None => false,
    }
}

#[tokio::test]
async fn a_repeat_answers_as_the_first_did_and_publishes_nothing() {
    let server = start().await;
    for (nth, (path, body)) in PUBLISHES.into_iter().enumerate() {
        // The same path with another query is another request, and gets another key.
        let key = if path.contains('?') { "key-2" } else { "key-1" };
        let first = post(&server, path, ADMIN, key, body).await;
        assert_eq!(first.status, 200, "{path}: {}", first.text());
        assert!(!is_replayed(&first), "{path}");
        let stored = server.stored().await;
        for _ in 0..2 {
            let repeat = post(&server, path, ADMIN, key, body).await;
            assert_eq!(repeat.status, 200);
            assert!(is_replayed(&repeat), "{path}");
            assert_eq!(repeat.body, first.body, "{path}");
            assert_eq!(repeat.header("content-type"), first.header("content-type"));
        }
        assert_eq!(server.stored().await, stored, "{path}");
        assert!(stored > u64::try_from(nth).unwrap());
    }
}

#[tokio::test]
async fn the_same_key_for_a_join_and_a_leave_is_not_a_repeat() {
    let server = start().await;
    for (call, key, replayed, said) in [
        ("join", "a", false, 1),
        ("leave", "a", false, 2),
        ("join", "a", true, 2),
        ("join", "b", false, 3),
        ("leave", "a", true, 3),
        ("leave", "b", false, 4),
    ] {
        let answer = post(&server, &format!("/chat/room/r/{call}"), ADMIN, key, "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            (
                is_replayed(&answer),
                server.kept("chat/room/r", ADMIN).await.len()
            ),
            (replayed, said),
            "{call} {key}"
        );
    }
}

#[tokio::test]
async fn a_join_that_is_repeated_after_a_leave_joins_nobody() {
    let server = start().await;
    for (call, key, replayed) in [
        ("join", "a", false),
        ("join", "b", false),
        ("leave", "c", false),
        ("join", "b", true),
        ("leave", "d", false),
    ] {
        let answer = post(&server, &format!("/chat/room/r/{call}"), ADMIN, key, "").await;
        assert_eq!(
            (answer.status, is_replayed(&answer)),
            (200, replayed),
            "{call} {key}"
        );
    }
    assert_eq!(
        server.kept("chat/room/r", ADMIN).await.len(),
        2,
        "one joined, and one left"
    );
    let members = server
        .call("GET", "/chat/room/r/members", ADMIN, Value::Null)
        .await
        .json();
    assert_eq!(members, json!({ "members": [] }));
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    let server = start().await;
    assert_eq!(notify(&server, "k", "one").await.status, 200);
    for title in ["two", "one "] {
        let conflict = notify(&server, "k", title).await;
        conflict.assert_refused(422, "idempotency_conflict");
        assert!(!is_replayed(&conflict));
    }
    assert!(
        is_replayed(&notify(&server, "k", "one").await),
        "the first answer still stands"
    );
    assert_eq!(server.stored().await, 1);
}

#[tokio::test]
async fn the_same_key_with_another_target_is_a_conflict() {
    let server = start().await;
    for (path, body) in [
        ("/notifications/send", r#"{"title":"T","message":"M"}"#),
        (
            "/realtime/update",
            r#"{"entity":"e","action":"update","data":1}"#,
        ),
    ] {
        assert_eq!(
            post(
                &server,
                &format!("{path}?targetUserId=ann"),
                ADMIN,
                "k",
                body
            )
            .await
            .status,
            200
        );
        for other in [format!("{path}?targetUserId=bob"), path.to_owned()] {
            post(&server, &other, ADMIN, "k", body)
                .await
                .assert_refused(422, "idempotency_conflict");
        }
    }
    assert_eq!(server.stored().await, 2);
}

#[tokio::test]
async fn a_key_belongs_to_its_caller_its_method_and_its_path() {
    let server = start().await;
    let body = r#"{"title":"T","message":"M"}"#;
    let calls = [
        ("/notifications/send?targetUserId=x", ADMIN.to_owned()),
        ("/notifications/send?targetUserId=x", demo("ann", "user")),
        ("/notifications/send?targetUserId=x", demo("bob", "user")),
        ("/notifications/broadcast", ADMIN.to_owned()),
        ("/notifications/broadcast", demo("ann", "admin")),
    ];
    for (path, token) in &calls {
        assert!(
            !is_replayed(&post(&server, path, token, "k", body).await),
            "{path}"
        );
    }
    assert_eq!(server.stored().await, 5);
    for (path, token) in &calls {
        assert!(
            is_replayed(&post(&server, path, token, "k", body).await),
            "{path}"
        );
    }
    assert_eq!(server.stored().await, 5);
    let rooms =
        async |room: &str| post(&server, &format!("/chat/room/{room}/join"), ADMIN, "k", "").await;
    assert!(!is_replayed(&rooms("one").await));
    assert!(!is_replayed(&rooms("two").await));
}

#[tokio::test]
async fn a_caller_is_identified_by_the_user_id_and_not_by_the_token() {
    let server = start().await;
    let body = r#"{"roomId":"r","message":"m"}"#;
    assert_eq!(
        post(&server, "/chat/message", &demo("ann", "user"), "k", body)
            .await
            .status,
        200
    );
    assert!(is_replayed(
        &post(
            &server,
            "/chat/message",
            &demo("ann", "user,new"),
            "k",
            body
        )
        .await
    ));
}

#[tokio::test]
async fn only_answers_of_200_are_kept() {
    let server = start().await;
    let send = "/notifications/send";
    post(&server, send, ADMIN, "k", "{")
        .await
        .assert_refused(400, "invalid_json");
    post(&server, send, ADMIN, "k", "{}")
        .await
        .assert_refused(400, "validation_failed");
    post(
        &server,
        send,
        &demo("test123", "user"),
        "k",
        r#"{"title":"T","message":"M"}"#,
    )
    .await
    .assert_refused(403, "forbidden");
    let first = notify(&server, "k", "good").await;
    assert_eq!(
        (first.status, is_replayed(&first)),
        (200, false),
        "the key may try again"
    );
    notify(&server, "k", "other")
        .await
        .assert_refused(422, "idempotency_conflict");
    assert!(is_replayed(&notify(&server, "k", "good").await));
    // What is refused before the key is looked up is refused even if the key was used.
    post(&server, send, ADMIN, "k", "{")
        .await
        .assert_refused(400, "invalid_json");
    post(
        &server,
        send,
        "bad",
        "k",
        r#"{"title":"good","message":"M"}"#,
    )
    .await
    .assert_refused(401, "token_invalid");
    assert_eq!(server.stored().await, 1);
}

#[tokio::test]
async fn without_a_key_every_request_is_a_new_one() {
    let server = start().await;
    for _ in 0..3 {
        let answer = server
            .post("/notifications/send", json!({"title": "T", "message": "M"}))
            .await;
        assert!(!is_replayed(&answer));
    }
    assert_eq!(server.stored().await, 3);
}

#[tokio::test]
async fn a_key_has_1_to_255_visible_ascii_characters() {
    let server = start().await;
    for good in [
        "x",
        "!~",
        &"x".repeat(255),
        "\"quoted\"",
        "8e03978e-40d5-43dd-bc93-6894a57f9324",
    ] {
        assert_eq!(notify(&server, good, "T").await.status, 200, "{good}");
        assert!(is_replayed(&notify(&server, good, "T").await));
    }
    let stored = server.stored().await;
    for bad in ["", "a b", "a\tb", "é", &"x".repeat(256)] {
        notify(&server, bad, "T")
            .await
            .assert_invalid(&["Idempotency-Key"]);
        post(&server, "/chat/room/r/join", ADMIN, bad, "")
            .await
            .assert_invalid(&["Idempotency-Key"]);
    }
    assert_eq!(server.stored().await, stored);
}

#[tokio::test]
async fn typing_ignores_the_key() {
    let server = start().await;
    let mut room = server.stream("/chat/room/r/stream", ADMIN).await;
    room.expect("connected").await;
    for key in ["k", "k", "not a key"] {
        let answer = post(&server, "/chat/room/r/typing", ADMIN, key, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!is_replayed(&answer));
        room.expect("typing").await;
    }
}

#[tokio::test]
async fn calls_that_publish_nothing_ignore_the_key() {
    let server = start().await;
    for _ in 0..2 {
        let answer = post(&server, "/system/cleanup", ADMIN, "not a key", "").await;
        assert_eq!(answer.status, 200);
        assert!(!is_replayed(&answer));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_the_same_time_one_publishes_and_the_others_wait_for_its_answer() {
    let server = start().await;
    let answers = all_at_once(&server, vec!["T".to_owned(); 40]).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(
        answers.iter().filter(|answer| !is_replayed(answer)).count(),
        1
    );
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    assert_eq!(server.stored().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_with_different_bodies_one_publishes_and_the_others_conflict() {
    let server = start().await;
    let titles: Vec<_> = (0..40).map(|nth| nth.to_string()).collect();
    let answers = all_at_once(&server, titles).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 200).count(),
        1
    );
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.assert_refused(422, "idempotency_conflict");
    }
    assert_eq!(server.stored().await, 1);
}

#[tokio::test]
async fn a_repeat_after_a_lost_answer_finds_the_event_published_once() {
    use tokio::io::AsyncWriteExt as _;
    let server = start().await;
    let body = r#"{"title":"T","message":"M"}"#;
    let head = format!(
        "POST /notifications/send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \
         {ADMIN}\r\nIdempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: \
         {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    drop(socket);
    assert_eq!(
        post(&server, "/notifications/send", ADMIN, "k", body)
            .await
            .status,
        200
    );
    assert_eq!(server.stored().await, 1);
}

#[tokio::test]
async fn an_idempotency_key_is_valid_for_5_minutes() {
    let time = SetClock::at("2026-11-23T22:30:15.138Z");
    let server = start_at(&[], time.clock()).await;
    let notify = async || {
        let body = json!({"title": "T", "message": "M"}).to_string();
        let bearer = format!("Bearer {ADMIN}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "k"),
        ];
        http::request(
            server.address,
            "POST",
            "/notifications/send",
            &headers,
            body.as_bytes(),
        )
        .await
    };
    // Time passes as it really does, and the log learns of it now and then, because it does not
    // believe a clock that jumps.
    let pass = async |seconds: u64| {
        for second in 1..=seconds {
            time.advance(Duration::from_secs(1));
            if second % 30 == 0 || second == seconds {
                server.notify("meanwhile").await;
            }
        }
    };
    let first = notify().await;
    pass(299).await;
    let repeat = notify().await;
    assert!(is_replayed(&repeat));
    assert_eq!(repeat.body, first.body);
    pass(2).await;
    let anew = notify().await;
    assert_eq!((anew.status, is_replayed(&anew)), (200, false));
    assert_ne!(anew.json()["id"], first.json()["id"]);
    assert_ne!(anew.json(), Value::Null);
}
