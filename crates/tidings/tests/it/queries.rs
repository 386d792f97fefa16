//! Queries: every parameter is read in full, or refused by its name.

use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, TestServer, demo, start};

async fn get(server: &TestServer, path: &str) -> Answer {
    server.call("GET", path, ADMIN, Value::Null).await
}

async fn send(server: &TestServer, query: &str, body: &Value) -> Answer {
    server
        .call(
            "POST",
            &format!("/notifications/send{query}"),
            ADMIN,
            body.clone(),
        )
        .await
}

/// Every path that reads a query, with its method and the parameters that it needs.
const PATHS: [(&str, &str); 22] = [
    ("GET", "/notifications/stream?"),
    ("GET", "/realtime/stream?"),
    ("GET", "/chat/stream?"),
    ("GET", "/chat/room/r/stream?"),
    ("GET", "/system/status/stream?"),
    ("GET", "/system/heartbeat?"),
    ("GET", "/system/dashboard/stream?"),
    ("POST", "/notifications/send?"),
    ("POST", "/notifications/broadcast?"),
    ("POST", "/realtime/update?"),
    ("POST", "/realtime/entity/e/create?"),
    ("POST", "/realtime/entity/e/update?"),
    ("POST", "/realtime/entity/e/delete?"),
    ("POST", "/chat/message?"),
    ("POST", "/chat/room/r/join?"),
    ("POST", "/chat/room/r/leave?"),
    ("GET", "/chat/room/r/members?"),
    ("POST", "/chat/room/r/typing?"),
    ("POST", "/system/status/update?"),
    ("GET", "/system/connections?"),
    ("GET", "/events?topic=notifications&"),
    ("POST", "/system/cleanup?"),
];

/// A body that every call accepts.
fn body() -> Value {
    json!({
        "title": "T", "message": "M", "entity": "e", "action": "update", "data": 1, "roomId": "r", "service": "s",
        "status": "online",
    })
}

#[tokio::test]
async fn a_list_may_be_given_as_repeats_and_with_commas() {
    let server = start().await;
    for query in [
        "entities=order&entities=user",
        "entities[]=order&entities[]=user",
        "entities%5B%5D=order&entities%5B%5D=user",
        "entities[0]=order&entities[1]=user",
        "entities=order,&entities=&entities=user,order",
    ] {
        let mut stream = server
            .connected(&format!("/realtime/stream?{query}"), "")
            .await;
        for entity in ["order", "user", "invoice"] {
            server
                .post(
                    "/realtime/update",
                    json!({"entity": entity, "action": "update", "data": 1}),
                )
                .await;
        }
        server
            .post(
                "/realtime/update",
                json!({"entity": "order", "action": "delete", "data": 2}),
            )
            .await;
        let mut heard = Vec::new();
        for _ in 0..3 {
            let update = stream.expect("realtime-update").await;
            heard.push(update.data["entity"].as_str().unwrap().to_owned());
        }
        assert_eq!(heard, ["order", "user", "order"], "{query}");
    }
    let names: Vec<_> = (0..65).map(|nth| format!("entities=e{nth}")).collect();
    get(&server, &format!("/realtime/stream?{}", names.join("&")))
        .await
        .assert_invalid(&["entities"]);
    get(&server, "/realtime/stream?entities=ok&entities=a%20b")
        .await
        .assert_invalid(&["entities"]);
    get(&server, "/realtime/stream?entities=ok&entities=%FF")
        .await
        .assert_invalid(&["entities"]);
}

#[tokio::test]
async fn an_empty_list_of_entities_does_not_filter() {
    let server = start().await;
    for query in [
        "entities=",
        "entities",
        "entities=,",
        "entities=&entities=",
        "entities[]=",
    ] {
        let mut stream = server
            .connected(&format!("/realtime/stream?{query}"), "")
            .await;
        server
            .post(
                "/realtime/update",
                json!({"entity": "order", "action": "update", "data": 1}),
            )
            .await;
        stream.expect("realtime-update").await;
    }
}

#[tokio::test]
async fn two_values_of_a_single_parameter_are_refused_and_one_value_twice_is_one() {
    let server = start().await;
    for (path, field) in [
        ("/chat/stream?roomId=a&roomId=b", "roomId"),
        ("/chat/stream?roomId=a&room=b", "roomId"),
        ("/chat/stream?room=a&room=", "roomId"),
        (
            "/notifications/stream?lastEventId=a-1&lastEventId=a-2",
            "lastEventId",
        ),
        (
            "/notifications/stream?lastEventId=a-1&last_event_id=a-2",
            "lastEventId",
        ),
        (
            "/system/status/stream?last_event_id=earliest&lastEventID=a-2",
            "lastEventId",
        ),
        ("/system/heartbeat?ticket=a&ticket=b", "ticket"),
        ("/system/connections?userId=a&userId=b", "userId"),
        ("/system/connections?limit=1&limit=2", "limit"),
        ("/system/connections?topic=chat&topic=realtime", "topic"),
        ("/events?topic=notifications&topic=chat", "topic"),
        (
            "/events?topic=notifications&after=earliest&after=x-1",
            "after",
        ),
        ("/events?topic=notifications&limit=&limit=2", "limit"),
    ] {
        get(&server, path).await.assert_invalid(&[field]);
    }
    let body = json!({"title": "T", "message": "M"});
    send(&server, "?targetUserId=a&targetUserId=b", &body)
        .await
        .assert_invalid(&["targetUserId"]);
    send(&server, "?targetUserId=a&targetUserId=", &body)
        .await
        .assert_invalid(&["targetUserId"]);
    let update = server
        .call(
            "POST",
            "/realtime/update?targetUserId=a&targetUserId=b",
            ADMIN,
            self::body(),
        )
        .await;
    update.assert_invalid(&["targetUserId"]);
    assert_eq!(server.stored().await, 0);
    let same = send(&server, "?targetUserId=a%20b&targetUserId=a+b", &body).await;
    assert_eq!(
        same.json()["message"],
        "Notification sent successfully to a b"
    );
    for path in [
        "/chat/stream?roomId=a&room=a",
        "/notifications/stream?lastEventId=&last_event_id=earliest&lastEventID=earliest",
        "/realtime/stream?last_event_id=earliest",
    ] {
        server.connected(path, ADMIN).await;
    }
}

#[tokio::test]
async fn two_tokens_in_a_query_are_refused_on_every_path() {
    let server = start().await;
    let other = demo("bob", "admin");
    for (method, path) in PATHS {
        let path = format!("{path}token={ADMIN}&token={other}");
        server
            .call(method, &path, "", body())
            .await
            .assert_invalid(&["token"]);
    }
    assert_eq!(server.stored().await, 0);
    assert_eq!(server.stats().await["totalConnections"], 0);
}

#[tokio::test]
async fn an_empty_target_or_room_is_refused() {
    let server = start().await;
    let body = json!({"title": "T", "message": "M"});
    for query in ["?targetUserId=", "?targetUserId", "?x=1&targetUserId=&y=2"] {
        send(&server, query, &body)
            .await
            .assert_invalid(&["targetUserId"]);
    }
    send(
        &server,
        "",
        &json!({"title": "T", "message": "M", "targetUserId": ""}),
    )
    .await
    .assert_invalid(&["targetUserId"]);
    for path in [
        "/chat/stream?roomId=",
        "/chat/stream?roomId",
        "/chat/stream?room=",
    ] {
        get(&server, path).await.assert_invalid(&["roomId"]);
    }
    get(&server, "/system/connections?userId=")
        .await
        .assert_invalid(&["userId"]);
    get(&server, "/system/connections?topic=")
        .await
        .assert_invalid(&["topic"]);
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn a_misspelled_name_is_refused_on_every_path_that_knows_it() {
    let server = start().await;
    for (method, path) in PATHS {
        for name in ["Token", "tokens", "t-oken", "taken", "TOKEN[]", "token[]"] {
            let answer = server
                .call(method, &format!("{path}{name}=x"), ADMIN, body())
                .await;
            answer.assert_invalid(&["token"]);
            assert!(
                answer.text().contains(&format!("`{name}`")),
                "{}",
                answer.text()
            );
        }
        if path.contains("/stream") || path.contains("heartbeat") {
            for name in [
                "lasteventid",
                "last-event-id",
                "lastEventIds",
                "Last_Event_Id",
            ] {
                get(&server, &format!("{path}{name}=x"))
                    .await
                    .assert_invalid(&["lastEventId"]);
            }
            get(&server, &format!("{path}tickets=x"))
                .await
                .assert_invalid(&["ticket"]);
        }
    }
    for (path, field) in [
        ("/chat/stream?roomid=a", "roomId"),
        ("/chat/stream?room_id=a", "roomId"),
        ("/chat/stream?rooms=a", "roomId"),
        ("/chat/stream?roomId[]=a", "roomId"),
        ("/realtime/stream?Entities=a", "entities"),
        ("/realtime/stream?entitie=a", "entities"),
        ("/realtime/stream?entities[a]=a", "entities"),
        ("/system/connections?user_id=a", "userId"),
        ("/system/connections?userid=a", "userId"),
        ("/system/connections?limits=1", "limit"),
        ("/system/connections?Cursor=1", "cursor"),
        ("/events?topic=notifications&LIMIT=1", "limit"),
        ("/events?topic=notifications&aftr=1&afte=x", "after"),
    ] {
        let answer = get(&server, path).await;
        if path.contains("aftr") {
            assert_eq!(answer.status, 200, "four letters are near to too much");
            continue;
        }
        answer.assert_invalid(&[field]);
    }
    for name in [
        "targetUserID",
        "target_user_id",
        "TARGETUSERID",
        "targetUserIds",
        "argetUserId",
        "targetUserld",
    ] {
        for path in [
            "/notifications/send",
            "/notifications/broadcast",
            "/realtime/update",
        ] {
            let answer = server
                .call("POST", &format!("{path}?{name}=a"), ADMIN, body())
                .await;
            answer.assert_invalid(&["targetUserId"]);
        }
    }
    assert_eq!(server.stored().await, 0);
    assert_eq!(server.stats().await["totalConnections"], 0);
}

#[tokio::test]
async fn a_misspelled_target_in_a_body_is_refused_and_other_fields_are_passed_on() {
    let server = start().await;
    for name in [
        "targetUserID",
        "targetuserid",
        "target_user_id",
        "TARGET-USER-ID",
        "Targetuser_Id",
    ] {
        for path in [
            "/notifications/send",
            "/notifications/broadcast",
            "/realtime/update",
        ] {
            let mut body = body();
            body[name] = "a".into();
            let answer = server.call("POST", path, ADMIN, body).await;
            answer.assert_invalid(&["targetUserId"]);
            assert!(answer.text().contains(name), "{}", answer.text());
        }
    }
    let twice = br#"{"title":"T","message":"M","targetUserId":"a","targetUserId":"b"}"#;
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", bearer.as_str()),
    ];
    server
        .request("POST", "/notifications/send", &headers, twice)
        .await
        .assert_invalid(&["targetUserId"]);
    assert_eq!(server.stored().await, 0);
    // A name with one more letter is a field of the publisher's own.
    let own = json!({"title": "T", "message": "M", "targetUserIds": ["a"], "targetUser": "b", "Title": 1});
    server.post("/notifications/send", own).await;
    let kept = server.only("notifications").await;
    assert_eq!(
        (&kept["data"]["targetUserIds"], &kept["data"]["Title"]),
        (&json!(["a"]), &json!(1))
    );
}

#[tokio::test]
async fn every_other_unknown_name_is_ignored() {
    let server = start().await;
    let unknown = "_=1&v=2&Room=x&user=y&page=3&targets=4&roomIdentifier=5&utm_source=z&limit2=6&=7&&%FF=8&token1=9&eventId=1";
    for (method, path) in PATHS {
        if path.contains("stream") || path.contains("heartbeat") {
            server.connected(&format!("{path}{unknown}"), ADMIN).await;
        } else {
            let answer = server
                .call(method, &format!("{path}{unknown}"), ADMIN, body())
                .await;
            assert_eq!(answer.status, 200, "{path} {}", answer.text());
        }
    }
    for path in [
        "/health",
        "/api",
        "/system/stats",
        "/system/status",
        "/metrics",
        "/openapi.json",
        "/",
    ] {
        assert_eq!(
            server
                .get(&format!("{path}?tokens=x&Token=y&token=a&token=b"))
                .await
                .status,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn missing_rights_are_reported_before_other_errors() {
    let server = start().await;
    let bad = "?tokens=x&targetUserID=y&roomid=z";
    server
        .call("POST", &format!("/notifications/send{bad}"), "", body())
        .await
        .assert_refused(401, "token_missing");
    get(&server, "/chat/stream?roomid=z&token=bad")
        .await
        .assert_invalid(&["roomId"]);
    server
        .get("/chat/stream?roomid=z")
        .await
        .assert_refused(401, "token_missing");
    let user = demo("bob", "user");
    for (method, path) in [
        ("POST", "/notifications/broadcast"),
        ("POST", "/realtime/entity/e/create"),
        ("POST", "/system/status/update"),
        ("GET", "/system/connections"),
        ("GET", "/system/dashboard/stream"),
    ] {
        server
            .call(method, &format!("{path}{bad}"), &user, body())
            .await
            .assert_refused(403, "forbidden");
    }
}

#[tokio::test]
async fn invalid_utf_8_in_a_query_is_refused_and_invalid_escapes_are_literal() {
    let server = start().await;
    let body = json!({"title": "T", "message": "M"});
    for bad in ["%FF", "a%C3", "%ED%A0%80", "a%00b", "%0A"] {
        send(&server, &format!("?targetUserId={bad}"), &body)
            .await
            .assert_invalid(&["targetUserId"]);
        get(&server, &format!("/chat/stream?roomId={bad}"))
            .await
            .assert_invalid(&["roomId"]);
        get(&server, &format!("/system/connections?userId={bad}"))
            .await
            .assert_invalid(&["userId"]);
    }
    assert_eq!(server.stored().await, 0);
    for (said, user) in [
        ("100%", "100%"),
        ("%zz%2", "%zz%2"),
        ("a+b%2Bc", "a b+c"),
        ("a=b", "a=b"),
        ("%C3%A9", "é"),
    ] {
        let answer = send(&server, &format!("?targetUserId={said}"), &body).await;
        assert_eq!(
            answer.json()["message"],
            format!("Notification sent successfully to {user}")
        );
    }
    // A malformed cursor is answered in the stream, so that the client learns that it is malformed.
    for bad in ["%FF", "%00", "x"] {
        let mut stream = server
            .connected(&format!("/notifications/stream?lastEventId={bad}"), "")
            .await;
        assert_eq!(stream.expect("reset").await.data["reason"], "malformed");
    }
}

#[tokio::test]
async fn thousands_of_parameters_get_one_short_answer() {
    let server = start().await;
    let many = "a=b&".repeat(3_000);
    server
        .connected(&format!("/notifications/stream?{many}"), "")
        .await;
    let wrong: Vec<_> = ('a'..='z')
        .map(|letter| format!("token{letter}=1"))
        .collect();
    let wrong = wrong.join("&").repeat(40);
    let answer = get(&server, &format!("/notifications/stream?{wrong}")).await;
    answer.assert_refused(400, "validation_failed");
    assert!(answer.body.len() < 4_096, "{}", answer.body.len());
}

#[tokio::test]
async fn an_id_of_any_user_can_be_named_in_a_path_or_in_a_query() {
    let server = start().await;
    for id in ["a/b", "100%", "a?b#c", "%2F", "...", "é +&=", "a;b"] {
        let escaped: String = form_urlencoded::byte_serialize(id.as_bytes())
            .collect::<String>()
            .replace('+', "%20");
        let mut streams = Vec::new();
        for path in [
            format!("/system/users/{escaped}/connections"),
            format!("/system/users/connections?userId={escaped}"),
        ] {
            let mut stream = server
                .connected("/notifications/stream", &demo(id, "user"))
                .await;
            let listed = get(&server, &format!("/system/connections?userId={escaped}"))
                .await
                .json();
            assert_eq!(listed["connections"].as_array().unwrap().len(), 1, "{id}");
            let answer = server.call("DELETE", &path, ADMIN, Value::Null).await;
            assert_eq!(answer.json()["ended"], 1, "{path}: {}", answer.text());
            stream.expect("revoked").await;
            streams.push(stream);
            server.until_nobody_is_left().await;
        }
    }
    for id in [".", ".."] {
        let mut stream = server
            .connected("/notifications/stream", &demo(id, "user"))
            .await;
        let path = format!("/system/users/connections?userId={id}");
        assert_eq!(
            server
                .call("DELETE", &path, ADMIN, Value::Null)
                .await
                .json()["ended"],
            1,
            "{id}"
        );
        stream.expect("revoked").await;
    }
    for bad in [
        "",
        "?userId=",
        "?userId=a&userId=b",
        "?userid=a",
        "?userId=%FF",
    ] {
        let path = format!("/system/users/connections{bad}");
        server
            .call("DELETE", &path, ADMIN, Value::Null)
            .await
            .assert_invalid(&["userId"]);
    }
    let user = demo("bob", "user");
    let refused = server
        .call(
            "DELETE",
            "/system/users/connections?userId=x",
            &user,
            Value::Null,
        )
        .await;
    refused.assert_refused(403, "forbidden");
}

#[tokio::test]
async fn a_topic_with_an_invalid_segment_is_refused() {
    let server = start().await;
    for topic in [
        "chat/room/..",
        "chat/room/%2E",
        "realtime/entity/..",
        "realtime/user/test123/entity/.",
        "..",
    ] {
        get(&server, &format!("/events?topic={topic}"))
            .await
            .assert_invalid(&["topic"]);
        get(&server, &format!("/system/connections?topic={topic}"))
            .await
            .assert_invalid(&["topic"]);
    }
    let page = server
        .call(
            "GET",
            "/events?topic=notifications/user/..",
            &demo("..", "user"),
            Value::Null,
        )
        .await;
    assert_eq!(page.status, 200, "{}", page.text());
}

#[tokio::test]
async fn two_idempotency_keys_are_refused() {
    let server = start().await;
    let bearer = format!("Bearer {ADMIN}");
    let call = async |one, other| {
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", one),
            ("Idempotency-Key", other),
        ];
        server
            .request(
                "POST",
                "/notifications/send",
                &headers,
                br#"{"title":"T","message":"M"}"#,
            )
            .await
    };
    call("a", "b").await.assert_invalid(&["Idempotency-Key"]);
    assert_eq!(server.stored().await, 0);
    assert_eq!(call("a", "a").await.status, 200);
}

#[tokio::test]
async fn a_long_name_is_cut_between_characters_wherever_it_is_shown() {
    use base64::Engine as _;
    let server = start().await;
    let name = format!("x{}", "é".repeat(300));
    let token = base64::engine::general_purpose::STANDARD
        .encode(format!("ann:{name}:ann@example.com:user"));
    let cut = format!("x{}", "é".repeat(127));
    let mut stream = server.connected("/chat/room/r/stream", &token).await;
    for (call, body) in [
        ("/chat/room/r/join", Value::Null),
        ("/chat/message", json!({"roomId": "r", "message": "m"})),
        ("/chat/room/r/typing", Value::Null),
    ] {
        let answer = server.call("POST", call, &token, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(
        stream.expect("chat-message").await.data["message"],
        format!("{cut} joined the room")
    );
    assert_eq!(stream.expect("chat-message").await.data["username"], cut);
    assert_eq!(stream.expect("typing").await.data["username"], cut);
    let members = server
        .call("GET", "/chat/room/r/members", &token, Value::Null)
        .await
        .json();
    assert_eq!(members["members"][0]["username"], cut);
}
