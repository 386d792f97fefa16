//! `POST /chat/…` and the members of rooms.

use serde_json::{Value, json};

use crate::support::checks::{SetClock, assert_minted, names};
use crate::support::{ADMIN, Answer, TestServer, demo, start, start_at, until};

async fn say(server: &TestServer, token: &str, body: Value) -> Answer {
    server.call("POST", "/chat/message", token, body).await
}

async fn members(server: &TestServer, room: &str) -> Value {
    let answer = server
        .call(
            "GET",
            &format!("/chat/room/{room}/members"),
            ADMIN,
            Value::Null,
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(names(&answer.json()), ["members"]);
    answer.json()["members"].clone()
}

#[tokio::test]
async fn a_message_is_shown_on_the_stream_of_its_room_and_of_all_rooms() {
    let server = start().await;
    let user = demo("ann", "user");
    let mut room = server.stream("/chat/stream?roomId=general", &user).await;
    let mut rooms = server.stream("/chat/stream", &user).await;
    room.expect("connected").await;
    rooms.expect("connected").await;
    let answer = say(
        &server,
        &user,
        json!({"roomId": "general", "message": "hi"}),
    )
    .await
    .json();
    assert_eq!(
        names(&answer),
        ["success", "message", "messageId", "eventId"]
    );
    assert_eq!(answer["message"], "Message sent successfully");
    assert_minted(&answer["messageId"], "msg");
    let event = room.expect("chat-message").await;
    assert_eq!(
        names(&event.data),
        [
            "id",
            "roomId",
            "userId",
            "username",
            "message",
            "type",
            "timestamp"
        ]
    );
    assert_eq!(event.data["id"], answer["messageId"]);
    assert_eq!(event.data["roomId"], "general");
    assert_eq!(event.data["userId"], "ann");
    assert_eq!(event.data["username"], "ann-name");
    assert_eq!(event.data["message"], "hi");
    assert_eq!(event.data["type"], "text");
    assert_eq!(event.last_id, answer["eventId"].as_str().unwrap());
    assert_eq!(
        rooms.expect("chat-message").await,
        event,
        "one event with one id on both"
    );
    assert_eq!(server.stored().await, 1);
}

#[tokio::test]
async fn metadata_is_passed_on_and_unknown_fields_are_dropped() {
    let time = SetClock::at("2026-11-23T22:30:15.217Z");
    let server = start_at(&[], time.clock()).await;
    let body = json!({"roomId": "general", "message": "hi", "metadata": {"b": 1, "a": [2.50]}, "userId": "mallory",
        "username": "Mallory", "id": "mine", "timestamp": "mine", "colour": "red"});
    say(&server, ADMIN, body).await;
    let data = server.only("chat/room/general").await["data"].clone();
    assert_eq!(
        names(&data),
        [
            "id",
            "roomId",
            "userId",
            "username",
            "message",
            "type",
            "timestamp",
            "metadata"
        ]
    );
    assert_eq!(data["userId"], "test123");
    assert_eq!(data["username"], "testuser");
    assert_eq!(data["timestamp"], "2026-11-23T22:30:15.217Z");
    assert_eq!(data["metadata"], json!({"b": 1, "a": [2.50]}));
}

#[tokio::test]
async fn the_type_is_text_image_or_file() {
    let server = start().await;
    for kind in ["text", "image", "file"] {
        let answer = say(
            &server,
            ADMIN,
            json!({"roomId": "r", "message": "m", "type": kind}),
        )
        .await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            server.kept("chat/room/r", ADMIN).await.pop().unwrap()["data"]["type"],
            kind
        );
    }
    for kind in [json!("system"), json!("Text"), json!(""), json!(0)] {
        let answer = say(
            &server,
            ADMIN,
            json!({"roomId": "r", "message": "m", "type": kind}),
        )
        .await;
        answer.assert_invalid(&["type"]);
    }
    assert_eq!(server.stored().await, 3, "nobody speaks for the system");
}

#[tokio::test]
async fn messages_have_1_to_4_000_characters_after_trimming() {
    let server = start().await;
    say(
        &server,
        ADMIN,
        json!({"roomId": "r", "message": " \t hi there\n "}),
    )
    .await;
    assert_eq!(
        server.only("chat/room/r").await["data"]["message"],
        "hi there"
    );
    let padded = format!("{0}{1}{0}", " ".repeat(1_000), "🙂".repeat(4_000));
    assert_eq!(
        say(&server, ADMIN, json!({"roomId": "r", "message": padded}))
            .await
            .status,
        200
    );
    for bad in [String::new(), " \n\t ".to_owned(), "é".repeat(4_001)] {
        say(&server, ADMIN, json!({"roomId": "r", "message": bad}))
            .await
            .assert_invalid(&["message"]);
    }
    say(&server, ADMIN, json!({}))
        .await
        .assert_invalid(&["roomId", "message"]);
    say(&server, ADMIN, json!({"roomId": 1, "message": 2}))
        .await
        .assert_invalid(&["roomId", "message"]);
    assert_eq!(server.stored().await, 2);
}

#[tokio::test]
async fn names_of_rooms_have_1_to_128_characters_of_a_small_alphabet() {
    let server = start().await;
    let longest = "x".repeat(128);
    for good in ["A-b_c.d:e@f9", longest.as_str(), "...", ".a"] {
        assert_eq!(
            say(&server, ADMIN, json!({"roomId": good, "message": "m"}))
                .await
                .status,
            200,
            "{good}"
        );
    }
    let too_long = "x".repeat(129);
    for bad in [
        "",
        "a b",
        "a/b",
        "*",
        "é",
        "a\0",
        too_long.as_str(),
        "%41",
        ".",
        "..",
    ] {
        say(&server, ADMIN, json!({"roomId": bad, "message": "m"}))
            .await
            .assert_invalid(&["roomId"]);
    }
    // A name that no URL can carry is not a name. A browser would request another path, and a
    // client that sends it nevertheless is told so.
    for bad in [
        too_long.as_str(),
        "a%20b",
        "a%2Fb",
        "%00",
        "%C3%A9",
        "%FF",
        "%zz",
        ".",
        "..",
        "%2E%2e",
        ".%2e",
        "%2E",
    ] {
        for call in ["join", "leave", "typing"] {
            let answer = server
                .call(
                    "POST",
                    &format!("/chat/room/{bad}/{call}"),
                    ADMIN,
                    Value::Null,
                )
                .await;
            answer.assert_invalid(&["roomId"]);
        }
        let answer = server
            .call(
                "GET",
                &format!("/chat/room/{bad}/members"),
                ADMIN,
                Value::Null,
            )
            .await;
        answer.assert_invalid(&["roomId"]);
        let answer = server
            .call(
                "GET",
                &format!("/chat/room/{bad}/stream"),
                ADMIN,
                Value::Null,
            )
            .await;
        answer.assert_invalid(&["roomId"]);
        let answer = server
            .call(
                "GET",
                &format!("/chat/stream?room={bad}"),
                ADMIN,
                Value::Null,
            )
            .await;
        answer.assert_invalid(&["roomId"]);
    }
    assert_eq!(server.stored().await, 4);
}

#[tokio::test]
async fn chat_needs_a_token_and_no_role() {
    let server = start().await;
    let calls = [
        ("POST", "/chat/message"),
        ("POST", "/chat/room/r/join"),
        ("POST", "/chat/room/r/typing"),
        ("POST", "/chat/room/r/leave"),
        ("GET", "/chat/room/r/members"),
    ];
    let body = json!({"roomId": "r", "message": "m"});
    for (method, path) in calls {
        let without = server.call(method, path, "", body.clone()).await;
        without.assert_refused(401, "token_missing");
        assert_eq!(
            without.json()["message"],
            "Authentication token is required"
        );
        let bad = server.call(method, path, "YQ==", body.clone()).await;
        bad.assert_refused(401, "token_invalid");
        assert_eq!(bad.json()["message"], "Invalid authentication token");
    }
    assert_eq!(server.stored().await, 0);
    let nobody_special = demo("ann", "");
    for (method, path) in calls {
        assert_eq!(
            server
                .call(method, path, &nobody_special, body.clone())
                .await
                .status,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn joining_and_leaving_tell_the_room() {
    let server = start().await;
    let mut room = server.stream("/chat/room/general/stream", ADMIN).await;
    room.expect("connected").await;
    for (call, answered, told) in [
        (
            "join",
            "Successfully joined room general",
            "testuser joined the room",
        ),
        (
            "leave",
            "Successfully left room general",
            "testuser left the room",
        ),
    ] {
        let answer = server
            .post(&format!("/chat/room/general/{call}"), Value::Null)
            .await
            .json();
        assert_eq!(answer, json!({"success": true, "message": answered}));
        let event = room.expect("chat-message").await;
        assert_eq!(
            names(&event.data),
            [
                "id",
                "roomId",
                "userId",
                "username",
                "message",
                "type",
                "timestamp"
            ]
        );
        assert_minted(&event.data["id"], "sys");
        assert_eq!(event.data["roomId"], "general");
        assert_eq!(event.data["userId"], "system");
        assert_eq!(event.data["username"], "System");
        assert_eq!(event.data["message"], told);
        assert_eq!(event.data["type"], "system");
    }
    assert_eq!(server.kept("chat", ADMIN).await.len(), 2);
}

#[tokio::test]
async fn a_second_join_and_a_leave_of_a_nonmember_are_not_announced() {
    let server = start().await;
    for (call, message, said) in [
        ("leave", "Successfully left room r", 0),
        ("join", "Successfully joined room r", 1),
        ("join", "Successfully joined room r", 1),
        ("leave", "Successfully left room r", 2),
        ("leave", "Successfully left room r", 2),
    ] {
        let answer = server
            .post(&format!("/chat/room/r/{call}"), Value::Null)
            .await
            .json();
        assert_eq!(answer, json!({"success": true, "message": message}));
        assert_eq!(
            server.kept("chat/room/r", ADMIN).await.len(),
            said,
            "{call}"
        );
    }
}

#[tokio::test]
async fn calls_without_a_body_ignore_body_and_content_type() {
    let server = start().await;
    let bearer = format!("Bearer {ADMIN}");
    let huge = vec![b'x'; 600 * 1024];
    let bodies: [&[u8]; 4] = [b"", b"{}", b"{bad \xff", &huge];
    let paths = [
        "/chat/room/r/join",
        "/chat/room/r/typing",
        "/chat/room/r/leave",
        "/system/cleanup",
    ];
    for kind in [
        None,
        Some("text/plain"),
        Some("application/json"),
        Some("nonsense"),
    ] {
        for body in bodies {
            for path in paths {
                let mut headers = vec![("Authorization", bearer.as_str())];
                headers.extend(kind.map(|kind| ("Content-Type", kind)));
                let answer = server.request("POST", path, &headers, body).await;
                assert_eq!(
                    answer.status,
                    200,
                    "{path} {kind:?} {}: {}",
                    body.len(),
                    answer.text()
                );
            }
        }
    }
}

#[tokio::test]
async fn members_are_the_users_who_joined() {
    let time = SetClock::at("2026-11-23T22:30:15.000Z");
    let server = start_at(&[], time.clock()).await;
    assert_eq!(members(&server, "general").await, json!([]));
    let (ann, bob) = (demo("ann", "user"), demo("bob", "user"));
    server
        .call("POST", "/chat/room/general/join", &bob, Value::Null)
        .await;
    time.advance(std::time::Duration::from_millis(7));
    server
        .call("POST", "/chat/room/general/join", &ann, Value::Null)
        .await;
    let listed = members(&server, "general").await;
    assert_eq!(
        listed,
        json!([
            {"userId": "bob", "username": "bob-name", "joinedAt": "2026-11-23T22:30:15.000Z", "connections": 0},
            {"userId": "ann", "username": "ann-name", "joinedAt": "2026-11-23T22:30:15.007Z", "connections": 0},
        ])
    );
    assert_eq!(
        names(&listed[0]),
        ["userId", "username", "joinedAt", "connections"]
    );
    assert_eq!(members(&server, "other").await, json!([]));
    server
        .call("POST", "/chat/room/general/leave", &bob, Value::Null)
        .await;
    assert_eq!(members(&server, "general").await[0]["userId"], "ann");
}

#[tokio::test]
async fn only_joining_makes_a_member() {
    let server = start().await;
    let ann = demo("ann", "user");
    let mut room = server.stream("/chat/room/r/stream", &ann).await;
    room.expect("connected").await;
    say(&server, &ann, json!({"roomId": "r", "message": "hi"})).await;
    server
        .call("POST", "/chat/room/r/typing", &ann, Value::Null)
        .await;
    assert_eq!(members(&server, "r").await, json!([]));
}

#[tokio::test]
async fn membership_gates_nothing() {
    let server = start().await;
    server.post("/chat/room/r/join", Value::Null).await;
    let stranger = demo("eve", "user");
    let answer = server
        .call("GET", "/chat/room/r/members", &stranger, Value::Null)
        .await;
    assert_eq!(answer.json()["members"][0]["userId"], "test123");
    assert_eq!(
        say(&server, &stranger, json!({"roomId": "r", "message": "hi"}))
            .await
            .status,
        200
    );
    assert_eq!(server.kept("chat/room/r", &stranger).await.len(), 2);
}

#[tokio::test]
async fn the_connections_of_a_member_are_the_streams_that_show_the_room() {
    let server = start().await;
    server.post("/chat/room/r/join", Value::Null).await;
    let mut streams = Vec::new();
    for path in [
        "/chat/stream",
        "/chat/stream?room=r",
        "/chat/room/r/stream",
        "/chat/room/other/stream",
        "/notifications/stream",
    ] {
        let mut stream = server.stream(path, ADMIN).await;
        stream.expect("connected").await;
        streams.push(stream);
    }
    let mut stranger = server
        .stream("/chat/room/r/stream", &demo("eve", "user"))
        .await;
    stranger.expect("connected").await;
    assert_eq!(members(&server, "r").await[0]["connections"], 3);
    streams.drain(..2);
    until(async || members(&server, "r").await[0]["connections"] == 1).await;
}

#[tokio::test]
async fn typing_is_sent_to_open_streams_and_never_stored() {
    let time = SetClock::at("2026-11-23T22:30:15.217Z");
    let server = start_at(&[], time.clock()).await;
    let mut room = server.stream("/chat/room/r/stream", ADMIN).await;
    let head = room.expect("connected").await.last_id;
    let answer = server.post("/chat/room/r/typing", Value::Null).await.json();
    assert_eq!(answer["success"], true);
    assert!(answer["message"].is_string());
    let event = room.expect("typing").await;
    let told = json!({"roomId": "r", "userId": "test123", "username": "testuser", "timestamp": "2026-11-23T22:30:15.217Z"});
    assert_eq!(event.data, told);
    assert_eq!(
        names(&event.data),
        ["roomId", "userId", "username", "timestamp"]
    );
    assert_eq!(event.last_id, head, "it has no id of its own");
    assert_eq!(server.stored().await, 0);
    assert!(server.kept("chat/room/r", ADMIN).await.is_empty());
}
