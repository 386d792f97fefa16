//! Presence: a user becomes a member of a room by joining, and stops being one by leaving or by a
//! time without a stream. The room is told of both.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::{ADMIN, Stream, TestServer, demo, start, start_with, until};

/// A short grace period, for tests that wait until it has passed.
const SHORT: (&str, &str) = ("PRESENCE_GRACE", "300ms");

async fn join(server: &TestServer, user: &str, room: &str) {
    call(server, user, room, "join", "joined").await;
}

async fn leave(server: &TestServer, user: &str, room: &str) {
    call(server, user, room, "leave", "left").await;
}

async fn call(server: &TestServer, user: &str, room: &str, what: &str, done: &str) {
    let answer = server
        .call(
            "POST",
            &format!("/chat/room/{room}/{what}"),
            &demo(user, "user"),
            json!(null),
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["message"],
        format!("Successfully {done} room {room}")
    );
}

/// The members as `[userId, connections]`, in alphabetical order.
async fn members(server: &TestServer, room: &str) -> Vec<(String, u64)> {
    let answer = server
        .call(
            "GET",
            &format!("/chat/room/{room}/members"),
            &demo("anyone", "user"),
            json!(null),
        )
        .await;
    let listed = answer.json()["members"].as_array().unwrap().clone();
    let mut members: Vec<_> = listed
        .iter()
        .map(|member| {
            (
                member["userId"].as_str().unwrap().to_owned(),
                member["connections"].as_u64().unwrap(),
            )
        })
        .collect();
    members.sort();
    members
}

async fn says(stream: &mut Stream, what: &str) -> Value {
    let data = stream.expect("chat-message").await.data;
    assert_eq!(data["message"], what);
    data
}

/// A stream of everything in `room`, for a user that is not a member.
async fn witness(server: &TestServer, room: &str) -> Stream {
    server
        .connected(&format!("/chat/room/{room}/stream"), ADMIN)
        .await
}

#[tokio::test]
async fn joins_and_leaves_are_announced_in_the_room() {
    let server = start().await;
    let mut room = witness(&server, "r").await;
    let mut other = witness(&server, "s").await;
    join(&server, "ann", "r").await;
    let joined = says(&mut room, "ann-name joined the room").await;
    assert_eq!(
        (&joined["userId"], &joined["username"], &joined["type"]),
        (&json!("system"), &json!("System"), &json!("system"))
    );
    assert_eq!(joined["roomId"], "r");
    assert!(joined["id"].as_str().unwrap().starts_with("sys_"));
    leave(&server, "ann", "r").await;
    says(&mut room, "ann-name left the room").await;
    join(&server, "ann", "s").await;
    says(&mut other, "ann-name joined the room").await;
}

#[tokio::test]
async fn a_second_join_and_a_leave_of_a_nonmember_are_not_announced() {
    let server = start().await;
    let mut room = witness(&server, "r").await;
    leave(&server, "ann", "r").await;
    join(&server, "ann", "r").await;
    join(&server, "ann", "r").await;
    join(&server, "bob", "r").await;
    leave(&server, "ann", "r").await;
    leave(&server, "ann", "r").await;
    leave(&server, "bob", "r").await;
    for what in [
        "ann-name joined",
        "bob-name joined",
        "ann-name left",
        "bob-name left",
    ] {
        says(&mut room, &format!("{what} the room")).await;
    }
}

#[tokio::test]
async fn members_are_the_users_who_joined_each_once_with_their_connections() {
    let server = start().await;
    assert_eq!(members(&server, "r").await, []);
    let ann = demo("ann", "user");
    let mut open = vec![server.connected("/chat/room/r/stream", &ann).await];
    assert_eq!(
        members(&server, "r").await,
        [],
        "only joining makes a member"
    );
    join(&server, "ann", "r").await;
    join(&server, "bob", "r").await;
    assert_eq!(
        members(&server, "r").await,
        [("ann".into(), 1), ("bob".into(), 0)]
    );
    for path in ["/chat/stream?roomId=r", "/chat/stream"] {
        open.push(server.connected(path, &ann).await);
    }
    assert_eq!(
        members(&server, "r").await,
        [("ann".into(), 3), ("bob".into(), 0)]
    );
    for path in [
        "/chat/room/s/stream",
        "/notifications/stream",
        "/realtime/stream",
    ] {
        open.push(server.connected(path, &ann).await);
    }
    assert_eq!(
        members(&server, "r").await,
        [("ann".into(), 3), ("bob".into(), 0)],
        "streams that hear the room"
    );
    assert_eq!(members(&server, "s").await, []);
    drop(open);
    until(async || members(&server, "r").await == [("ann".into(), 0), ("bob".into(), 0)]).await;
}

#[tokio::test]
async fn a_member_is_described_by_name_and_time() {
    let server = start().await;
    join(&server, "ann", "r").await;
    let members = server
        .call("GET", "/chat/room/r/members", ADMIN, json!(null))
        .await
        .json()["members"]
        .clone();
    let keys: Vec<_> = members[0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, ["userId", "username", "joinedAt", "connections"]);
    assert_eq!(members[0]["username"], "ann-name");
    assert!(
        members[0]["joinedAt"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok()
    );
    assert_eq!(
        server.get("/chat/room/r/members").await.code(),
        "token_missing"
    );
}

#[tokio::test]
async fn membership_gates_nothing() {
    let server = start().await;
    let mut room = server
        .connected("/chat/room/r/stream", &demo("ann", "user"))
        .await;
    let body = json!({"roomId": "r", "message": "hi"});
    assert_eq!(
        server
            .call("POST", "/chat/message", &demo("bob", "user"), body)
            .await
            .status,
        200
    );
    says(&mut room, "hi").await;
    assert_eq!(members(&server, "r").await, []);
}

#[tokio::test]
async fn a_member_leaves_a_grace_period_after_the_last_stream_closed() {
    for paths in [
        ["/chat/room/r/stream", "/chat/stream?roomId=r"],
        ["/chat/stream", "/chat/room/r/stream"],
    ] {
        let server = start_with(&[SHORT]).await;
        let mut room = witness(&server, "r").await;
        let ann = demo("ann", "user");
        let (first, last) = (
            server.connected(paths[0], &ann).await,
            server.connected(paths[1], &ann).await,
        );
        join(&server, "ann", "r").await;
        says(&mut room, "ann-name joined the room").await;
        drop(first);
        until(async || members(&server, "r").await == [("ann".into(), 1)]).await;
        pass(&server, &mut room).await;
        assert_eq!(
            members(&server, "r").await,
            [("ann".into(), 1)],
            "one stream is left"
        );
        drop(last);
        says(&mut room, "ann-name left the room").await;
        assert_eq!(members(&server, "r").await, []);
    }
}

/// Waits for a whole grace period: until the one has passed that now begins for a member without a
/// stream.
async fn pass(server: &TestServer, room: &mut Stream) {
    join(server, "clock", "r").await;
    says(room, "clock-name joined the room").await;
    says(room, "clock-name left the room").await;
}

#[tokio::test]
async fn a_member_without_any_stream_leaves_a_grace_period_after_joining() {
    let server = start_with(&[SHORT]).await;
    let mut room = witness(&server, "r").await;
    pass(&server, &mut room).await;
    assert_eq!(members(&server, "r").await, []);
}

#[tokio::test]
async fn streams_that_do_not_hear_the_room_do_not_keep_a_member() {
    let server = start_with(&[SHORT]).await;
    let ann = demo("ann", "user");
    let _others = [
        server.connected("/notifications/stream", &ann).await,
        server.connected("/chat/room/s/stream", &ann).await,
    ];
    let mut room = witness(&server, "r").await;
    join(&server, "ann", "r").await;
    says(&mut room, "ann-name joined the room").await;
    says(&mut room, "ann-name left the room").await;
}

#[tokio::test]
async fn a_member_who_returns_within_the_grace_stays() {
    let server = start_with(&[SHORT]).await;
    let mut room = witness(&server, "r").await;
    let ann = demo("ann", "user");
    let mut stream = server.connected("/chat/room/r/stream", &ann).await;
    join(&server, "ann", "r").await;
    says(&mut room, "ann-name joined the room").await;
    for _ in 0..3 {
        drop(stream);
        stream = server.connected("/chat/stream", &ann).await;
        pass(&server, &mut room).await;
        until(async || members(&server, "r").await == [("ann".into(), 1)]).await;
    }
}

#[tokio::test]
async fn a_member_who_left_is_not_announced_again_after_the_grace() {
    let server = start_with(&[SHORT]).await;
    let mut room = witness(&server, "r").await;
    let stream = server
        .connected("/chat/room/r/stream", &demo("ann", "user"))
        .await;
    join(&server, "ann", "r").await;
    leave(&server, "ann", "r").await;
    drop(stream);
    says(&mut room, "ann-name joined the room").await;
    says(&mut room, "ann-name left the room").await;
    pass(&server, &mut room).await;
}

#[tokio::test]
async fn a_member_of_many_rooms_leaves_all_of_them_after_the_last_stream() {
    let server = start_with(&[SHORT]).await;
    let mut every = server.connected("/chat/stream", ADMIN).await;
    let stream = server.connected("/chat/stream", &demo("ann", "user")).await;
    for room in ["a", "b", "c"] {
        join(&server, "ann", room).await;
        says(&mut every, "ann-name joined the room").await;
    }
    drop(stream);
    let mut left = Vec::new();
    for _ in 0..3 {
        left.push(
            says(&mut every, "ann-name left the room").await["roomId"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    left.sort();
    assert_eq!(left, ["a", "b", "c"]);
}

#[tokio::test]
async fn with_a_grace_of_nothing_a_member_without_a_stream_leaves_at_once() {
    let server = start_with(&[("PRESENCE_GRACE", "0")]).await;
    let mut room = witness(&server, "r").await;
    join(&server, "ann", "r").await;
    says(&mut room, "ann-name joined the room").await;
    says(&mut room, "ann-name left the room").await;
    let stream = server.connected("/chat/stream", &demo("bob", "user")).await;
    join(&server, "bob", "r").await;
    says(&mut room, "bob-name joined the room").await;
    assert_eq!(members(&server, "r").await, [("bob".into(), 1)]);
    drop(stream);
    says(&mut room, "bob-name left the room").await;
}

#[tokio::test]
async fn the_number_of_rooms_of_a_user_is_limited_and_a_refused_join_is_not_announced() {
    let server = start().await;
    let ann = demo("ann", "user,admin");
    for nth in 0..tidings_hub::MAX_MEMBERSHIPS_PER_USER {
        let answer = server
            .call("POST", &format!("/chat/room/{nth}/join"), &ann, json!(null))
            .await;
        assert_eq!(answer.status, 200, "{nth}: {}", answer.text());
    }
    let mut every = witness(&server, "r").await;
    let refused = server
        .call("POST", "/chat/room/r/join", &ann, json!(null))
        .await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "rate_limited")
    );
    assert!(
        refused.json()["message"]
            .as_str()
            .unwrap()
            .contains("leave one"),
        "{}",
        refused.text()
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(members(&server, "r").await, []);
    leave(&server, "bob", "r").await;
    join(&server, "bob", "r").await;
    says(&mut every, "bob-name joined the room").await;
    // A member can join its room again, and if it leaves one, it can join another.
    assert_eq!(
        server
            .call("POST", "/chat/room/7/join", &ann, json!(null))
            .await
            .status,
        200
    );
    assert_eq!(
        server
            .call("POST", "/chat/room/7/leave", &ann, json!(null))
            .await
            .status,
        200
    );
    join(&server, "ann", "r").await;
    says(&mut every, "ann-name joined the room").await;
}

#[tokio::test]
async fn a_long_name_is_truncated_between_two_characters() {
    let server = start().await;
    let name = "é".repeat(1_000);
    let token =
        base64::engine::general_purpose::STANDARD.encode(format!("ann:{name}:a@example.com:user"));
    let mut room = witness(&server, "r").await;
    assert_eq!(
        server
            .call("POST", "/chat/room/r/join", &token, json!(null))
            .await
            .status,
        200
    );
    says(&mut room, &format!("{} joined the room", &name[..256])).await;
    let listed = server
        .call("GET", "/chat/room/r/members", ADMIN, json!(null))
        .await
        .json();
    assert_eq!(listed["members"][0]["username"], name[..256]);
}
