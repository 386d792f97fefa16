//! Members of rooms are restored from the log, each with one grace period.

use serde_json::json;

use super::House;
use crate::support::{ADMIN, TestServer, demo, until};

const ROOM: &str = "/chat/room/r/stream";

async fn call(server: &TestServer, user: &str, what: &str) {
    let answer = server
        .call(
            "POST",
            &format!("/chat/room/r/{what}"),
            &demo(user, "user"),
            json!(null),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The members of the room, and since when they are members.
async fn members(server: &TestServer) -> Vec<(String, String, String)> {
    let answer = server
        .call("GET", "/chat/room/r/members", ADMIN, json!(null))
        .await
        .json();
    let field = |member: &serde_json::Value, name: &str| member[name].as_str().unwrap().to_owned();
    let listed = answer["members"].as_array().unwrap().iter();
    listed
        .map(|one| {
            (
                field(one, "userId"),
                field(one, "username"),
                field(one, "joinedAt"),
            )
        })
        .collect()
}

async fn names(server: &TestServer) -> Vec<String> {
    members(server)
        .await
        .into_iter()
        .map(|(user, ..)| user)
        .collect()
}

#[tokio::test]
async fn members_come_back_after_a_restart_as_they_were() {
    let house = House::new();
    let server = house.start().await;
    for (user, what) in [
        ("ann", "join"),
        ("bob", "join"),
        ("bob", "leave"),
        ("cem", "join"),
        ("dan", "join"),
    ] {
        call(&server, user, what).await;
    }
    let before = members(&server).await;
    let server = house.restart(server).await;
    assert_eq!(members(&server).await, before);
    assert_eq!(names(&server).await, ["ann", "cem", "dan"]);
    // A restored member joins without an event, and can leave.
    call(&server, "ann", "join").await;
    call(&server, "cem", "leave").await;
    call(&server, "bob", "join").await;
    let server = house.restart(server).await;
    assert_eq!(names(&server).await, ["ann", "dan", "bob"]);
    let said = server.kept("chat/room/r", ADMIN).await;
    assert_eq!(
        said.len(),
        7,
        "the room heard of each once, and nothing of the restarts"
    );
    let own = server
        .call("GET", "/events?topic=_members", ADMIN, json!(null))
        .await;
    assert_eq!(
        own.status, 403,
        "what the server writes down for itself is nobody's business"
    );
}

#[tokio::test]
async fn a_member_who_does_not_return_within_the_grace_leaves_and_the_room_is_told() {
    let house = House::new();
    let server = house.start_with(&[("PRESENCE_GRACE", "300ms")]).await;
    let (mut ann, mut cursor) = (
        server.connected(ROOM, &demo("ann", "user")).await,
        String::new(),
    );
    let bob = server.connected(ROOM, &demo("bob", "user")).await;
    for user in ["ann", "bob"] {
        call(&server, user, "join").await;
        let said = ann.expect("chat-message").await;
        assert_eq!(said.data["message"], format!("{user}-name joined the room"));
        cursor = said.last_id;
    }
    drop((ann, bob));
    drop(server); // it could not tell anybody that it stops
    let server = house.start_with(&[("PRESENCE_GRACE", "300ms")]).await;
    let mut ann = server.resumed(ROOM, &demo("ann", "user"), &cursor).await;
    ann.expect("connected").await;
    assert_eq!(
        ann.expect("chat-message").await.data["message"],
        "bob-name left the room"
    );
    until(async || names(&server).await == ["ann"]).await;
    drop(server);
    let server = house.start().await;
    assert_eq!(names(&server).await, ["ann"], "who left stays away");
}
