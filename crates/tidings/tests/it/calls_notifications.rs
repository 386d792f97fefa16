//! `POST /notifications/…`: what may be sent, by which callers, to which users, and what follows.

use serde_json::json;

use crate::support::checks::{SetClock, assert_minted, names};
use crate::support::{ADMIN, Answer, TestServer, demo, start, start_at, start_with};

const TO_ALL: &str = "Notification sent successfully to all subscribers";

async fn send(server: &TestServer, query: &str, token: &str, body: serde_json::Value) -> Answer {
    server
        .call("POST", &format!("/notifications/send{query}"), token, body)
        .await
}

#[tokio::test]
async fn a_notification_without_a_target_goes_to_all() {
    let server = start().await;
    let mut stream = server.stream("/notifications/stream", "").await;
    stream.expect("connected").await;
    let answer = server
        .post(
            "/notifications/send",
            json!({"title": "Test", "message": "Hello World", "type": "info"}),
        )
        .await;
    let json = answer.json();
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(names(&json), ["success", "message", "id", "eventId"]);
    assert_eq!(json["success"], true);
    assert_eq!(json["message"], TO_ALL);
    assert_minted(&json["id"], "notif");

    let event = stream.expect("notification").await;
    assert_eq!(json["eventId"], event.last_id);
    assert_eq!(json["id"], event.data["id"]);
    assert_eq!(
        names(&event.data),
        ["id", "timestamp", "title", "message", "type"]
    );
    assert_eq!(event.data["title"], "Test");
    assert_eq!(event.data["message"], "Hello World");
    assert_eq!(event.data["type"], "info");
    assert_eq!(server.only("notifications").await["data"], event.data);
}

#[tokio::test]
async fn a_target_in_the_query_gets_the_event_alone() {
    let server = start().await;
    let body =
        json!({"title": "T2", "message": "targeted", "type": "warning", "metadata": {"a": 1}});
    let answer = server
        .post("/notifications/send?targetUserId=test123", body)
        .await
        .json();
    assert_eq!(
        answer["message"],
        "Notification sent successfully to test123"
    );
    assert_eq!(names(&answer), ["success", "message", "id", "eventId"]);
    let event = server.only("notifications/user/test123").await;
    assert_eq!(
        names(&event["data"]),
        ["id", "timestamp", "title", "message", "type", "metadata"]
    );
    assert_eq!(event["data"]["metadata"], json!({"a": 1}));
    assert_eq!(event["id"], answer["eventId"]);
    assert_eq!(
        server.kept("notifications", ADMIN).await,
        Vec::<serde_json::Value>::new()
    );
}

#[tokio::test]
async fn a_target_in_the_body_gets_the_event_alone_and_is_not_part_of_it() {
    let server = start().await;
    let body = json!({"title": "T", "message": "M", "targetUserId": "test123"});
    let answer = server.post("/notifications/send", body).await.json();
    assert_eq!(
        answer["message"],
        "Notification sent successfully to test123"
    );
    let event = server.only("notifications/user/test123").await;
    assert_eq!(
        names(&event["data"]),
        ["id", "timestamp", "title", "message", "type"]
    );
    assert!(server.kept("notifications", ADMIN).await.is_empty());
}

#[tokio::test]
async fn two_targets_must_be_the_same_and_none_may_be_empty() {
    let server = start().await;
    let to = |user: &str| json!({"title": "T", "message": "M", "targetUserId": user});
    let same = send(&server, "?targetUserId=a", ADMIN, to("a")).await;
    assert_eq!(same.status, 200);
    let before = server.stored().await;
    send(&server, "?targetUserId=a", ADMIN, to("b"))
        .await
        .assert_invalid(&["targetUserId"]);
    send(&server, "", ADMIN, to(""))
        .await
        .assert_invalid(&["targetUserId"]);
    let nobody = json!({"title": "T", "message": "M"});
    send(&server, "?targetUserId=", ADMIN, nobody.clone())
        .await
        .assert_invalid(&["targetUserId"]);
    let number = json!({"title": "T", "message": "M", "targetUserId": 7});
    send(&server, "", ADMIN, number)
        .await
        .assert_invalid(&["targetUserId"]);
    assert_eq!(
        server.stored().await,
        before,
        "a front end that lost the id must not tell the world"
    );
}

#[tokio::test]
async fn only_an_admin_notifies_all_and_any_user_notifies_one() {
    let server = start().await;
    let user = demo("bob", "user");
    let body = json!({"title": "T", "message": "M"});
    send(&server, "", &user, body.clone())
        .await
        .assert_refused(403, "forbidden");
    server
        .call("POST", "/notifications/broadcast", &user, body.clone())
        .await
        .assert_refused(403, "forbidden");
    assert_eq!(server.stored().await, 0);
    let one = send(&server, "?targetUserId=alice", &user, body).await;
    assert_eq!(one.status, 200);
    assert_eq!(
        one.json()["message"],
        "Notification sent successfully to alice"
    );
}

#[tokio::test]
async fn open_publish_lets_any_valid_token_notify_all() {
    let server = start_with(&[("OPEN_PUBLISH", "true")]).await;
    let (user, body) = (demo("bob", "user"), json!({"title": "T", "message": "M"}));
    assert_eq!(
        send(&server, "", &user, body.clone()).await.json()["message"],
        TO_ALL
    );
    assert_eq!(
        server
            .call("POST", "/notifications/broadcast", &user, body.clone())
            .await
            .status,
        200
    );
    send(&server, "", "", body.clone())
        .await
        .assert_refused(401, "token_missing");
    send(&server, "", "garbage", body)
        .await
        .assert_refused(401, "token_invalid");
    assert_eq!(server.stored().await, 2);
}

#[tokio::test]
async fn notifying_needs_a_token() {
    let server = start().await;
    let body = json!({"title": "T", "message": "M"});
    for path in [
        "/notifications/send",
        "/notifications/send?targetUserId=a",
        "/notifications/broadcast",
    ] {
        let without = server.call("POST", path, "", body.clone()).await;
        without.assert_refused(401, "token_missing");
        assert_eq!(
            without.json()["message"],
            "Authentication token is required"
        );
        let bad = server.call("POST", path, "bad", body.clone()).await;
        bad.assert_refused(401, "token_invalid");
        assert_eq!(bad.json()["message"], "Invalid authentication token");
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn a_broadcast_tells_how_many_are_connected() {
    let server = start().await;
    let mut streams = Vec::new();
    for (path, token) in [
        ("/notifications/stream", ""),
        ("/realtime/stream", ADMIN),
        ("/chat/stream", ADMIN),
        ("/system/status/stream", ADMIN),
        ("/system/heartbeat", ""),
    ] {
        let mut stream = server.stream(path, token).await;
        stream.expect("connected").await;
        streams.push(stream);
    }
    let answer = server
        .post(
            "/notifications/broadcast",
            json!({"title": "B", "message": "x", "type": "info"}),
        )
        .await
        .json();
    assert_eq!(
        names(&answer),
        ["success", "message", "stats", "id", "eventId"]
    );
    assert_eq!(answer["message"], "Notification broadcast successfully");
    assert_minted(&answer["id"], "notif");
    let by_type = json!({"system-status": 1, "heartbeat": 5, "chat": 1, "realtime-updates": 1, "notifications": 1});
    assert_eq!(
        names(&answer["stats"]),
        [
            "totalConnections",
            "authenticatedConnections",
            "connectionsByType"
        ]
    );
    assert_eq!(
        answer["stats"],
        json!({"totalConnections": 5, "authenticatedConnections": 3, "connectionsByType": by_type})
    );
    assert_eq!(
        streams[0].expect("notification").await.last_id,
        answer["eventId"].as_str().unwrap()
    );
    assert_eq!(server.only("notifications").await["data"]["title"], "B");
}

#[tokio::test]
async fn a_broadcast_has_no_target() {
    let server = start().await;
    let body = json!({"title": "B", "message": "x"});
    let query = server
        .call(
            "POST",
            "/notifications/broadcast?targetUserId=a",
            ADMIN,
            body,
        )
        .await;
    query.assert_invalid(&["targetUserId"]);
    let body = json!({"title": "B", "message": "x", "targetUserId": "a"});
    server
        .call("POST", "/notifications/broadcast", ADMIN, body)
        .await
        .assert_invalid(&["targetUserId"]);
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn the_type_is_info_unless_it_is_one_of_three_others() {
    let server = start().await;
    for kind in ["info", "success", "warning", "error"] {
        server
            .post(
                "/notifications/send",
                json!({"title": "T", "message": "M", "type": kind}),
            )
            .await;
    }
    server
        .post("/notifications/send", json!({"title": "T", "message": "M"}))
        .await;
    let kept = server.kept("notifications", ADMIN).await;
    let kinds: Vec<_> = kept
        .iter()
        .map(|event| event["data"]["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["info", "success", "warning", "error", "info"]);
    for kind in [
        json!("Info"),
        json!("debug"),
        json!(""),
        json!(1),
        json!(["info"]),
        json!(true),
    ] {
        let answer = send(
            &server,
            "",
            ADMIN,
            json!({"title": "T", "message": "M", "type": kind}),
        )
        .await;
        answer.assert_invalid(&["type"]);
    }
    assert_eq!(server.stored().await, 5);
}

#[tokio::test]
async fn fields_that_are_not_listed_are_passed_on_as_they_came() {
    let server = start().await;
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", &format!("Bearer {ADMIN}")),
    ];
    let body = r#"{ "title": "T", "zeta" : 1.0, "alpha":12345678901234567890123, "message": "M",
        "small": 1e-400, "nested": {"b": [1 , 2.50], "a": null}, "link": "a\/b", "ü": "\u00fc \" \\",
        "metadata": { "b" : 1, "a": [ ] } }"#;
    let answer = server
        .request("POST", "/notifications/send", &headers, body.as_bytes())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = server.get("/events?topic=notifications").await.text();
    let passed = r#""zeta":1.0,"alpha":12345678901234567890123,"small":1e-400,"nested":{"b":[1,2.50],"a":null},"link":"a\/b","ü":"\u00fc \" \\""#;
    assert!(page.contains(passed), "{page}");
    assert!(page.contains(r#""metadata":{"b":1,"a":[]}"#), "{page}");
}

#[tokio::test]
async fn id_timestamp_and_username_are_the_servers() {
    let time = SetClock::at("2026-11-23T22:30:15.138Z");
    let server = start_at(&[], time.clock()).await;
    let body = json!({"title": "T", "message": "M", "id": "mine", "timestamp": "1970", "username": "Mallory"});
    server.post("/notifications/send", body).await;
    let data = server.only("notifications").await["data"].clone();
    assert_eq!(
        names(&data),
        ["id", "timestamp", "title", "message", "type"]
    );
    assert_eq!(data["timestamp"], "2026-11-23T22:30:15.138Z");
    assert!(
        data["id"]
            .as_str()
            .unwrap()
            .starts_with("notif_1795473015138_"),
        "{data}"
    );
}

#[tokio::test]
async fn titles_have_1_to_200_and_messages_1_to_10_000_characters() {
    let server = start().await;
    // The limit counts characters, not bytes: these have two, three and four bytes each.
    for char in ["é", "€", "🙂"] {
        let body = json!({"title": char.repeat(200), "message": char.repeat(10_000)});
        server.post("/notifications/send", body).await;
    }
    server
        .post("/notifications/send", json!({"title": "T", "message": "M"}))
        .await;
    let stored = server.stored().await;
    for (title, message, bad) in [
        (String::new(), "M".to_owned(), &["title"][..]),
        ("é".repeat(201), "M".to_owned(), &["title"]),
        ("T".to_owned(), String::new(), &["message"]),
        ("T".to_owned(), "🙂".repeat(10_001), &["message"]),
        ("T".repeat(201), "M".repeat(10_001), &["title", "message"]),
    ] {
        send(
            &server,
            "",
            ADMIN,
            json!({"title": title, "message": message}),
        )
        .await
        .assert_invalid(bad);
    }
    assert_eq!(server.stored().await, stored);
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let server = start().await;
    send(&server, "", ADMIN, json!({}))
        .await
        .assert_invalid(&["title", "message"]);
    let wrong = json!({"title": 1, "message": ["M"], "type": "loud"});
    send(&server, "", ADMIN, wrong)
        .await
        .assert_invalid(&["title", "message", "type"]);
    let empty = json!({"title": null, "message": {}});
    send(&server, "", ADMIN, empty)
        .await
        .assert_invalid(&["title", "message"]);
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn of_a_repeated_field_the_last_counts() {
    let server = start().await;
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", &format!("Bearer {ADMIN}")),
    ];
    let body = br#"{"title":"first","extra":1,"title":"last","message":"M","extra":2}"#;
    assert_eq!(
        server
            .request("POST", "/notifications/send", &headers, body)
            .await
            .status,
        200
    );
    let page = server.get("/events?topic=notifications").await.text();
    assert_eq!(page.matches("\"title\"").count(), 1, "{page}");
    assert_eq!(page.matches("\"extra\"").count(), 1, "{page}");
    assert!(
        page.contains(r#""title":"last""#) && page.contains(r#""extra":2"#),
        "{page}"
    );
}

#[tokio::test]
async fn control_characters_and_surrogate_pairs_survive_the_way() {
    let server = start().await;
    let title = "a\0b\r\nc\u{2028}d\u{feff}e🙂";
    let mut stream = server.stream("/notifications/stream", "").await;
    stream.expect("connected").await;
    server
        .post(
            "/notifications/send",
            json!({"title": title, "message": title, "metadata": {"k\n": title}}),
        )
        .await;
    let data = stream.expect("notification").await.data;
    assert_eq!(data["title"], title);
    assert_eq!(data["message"], title);
    assert_eq!(data["metadata"]["k\n"], title);
}

#[tokio::test]
async fn a_targets_id_is_escaped_in_the_topic_and_nowhere_else() {
    let server = start().await;
    let body = json!({"title": "T", "message": "M", "targetUserId": "a/b c%*é"});
    let answer = server.post("/notifications/send", body).await.json();
    assert_eq!(
        answer["message"],
        "Notification sent successfully to a/b c%*é"
    );
    let topic = "notifications/user/a%2Fb%20c%25%2A%C3%A9";
    let kept = server.kept(topic, &demo("a/b c%*é", "user")).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["topic"], topic);
    let unescaped = server.post(
        "/notifications/send?targetUserId=a%2Bb+c",
        json!({"title": "T", "message": "M"}),
    );
    assert_eq!(
        unescaped.await.json()["message"],
        "Notification sent successfully to a+b c"
    );
}

#[tokio::test]
async fn a_targets_id_has_1_to_128_bytes_and_no_control_characters() {
    let server = start().await;
    let to = |user: &str| json!({"title": "T", "message": "M", "targetUserId": user});
    for good in [
        "x".repeat(128),
        "é".repeat(64),
        "*".to_owned(),
        " ".to_owned(),
        "..".to_owned(),
    ] {
        assert_eq!(
            send(&server, "", ADMIN, to(&good)).await.status,
            200,
            "{good:?}"
        );
    }
    let stored = server.stored().await;
    for bad in [
        "x".repeat(129),
        "€".repeat(43),
        "a\nb".to_owned(),
        "\0".to_owned(),
        "a\u{85}".to_owned(),
    ] {
        send(&server, "", ADMIN, to(&bad))
            .await
            .assert_invalid(&["targetUserId"]);
    }
    let body = json!({"title": "T", "message": "M"});
    for bad in ["%00", "a%0Ab", "%7F"] {
        let answer = send(
            &server,
            &format!("?targetUserId={bad}"),
            ADMIN,
            body.clone(),
        )
        .await;
        answer.assert_invalid(&["targetUserId"]);
    }
    assert_eq!(server.stored().await, stored);
}
