//! Which streams get which events: those of everybody, one user, one entity, one room.

use serde_json::{Value, json};

use crate::support::stream::Received;
use crate::support::{ADMIN, Stream, TestServer, demo, start};

async fn notify_user(server: &TestServer, user: &str, title: &str) {
    let user: String = form_urlencoded::byte_serialize(user.as_bytes()).collect();
    let path = format!("/notifications/send?targetUserId={user}");
    server
        .post(&path, json!({"title": title, "message": "m"}))
        .await;
}

/// Publishes an update to all users, or to one.
async fn update(server: &TestServer, user: Option<&str>, entity: &str, what: &str) {
    let target = user
        .map(|user| format!("?targetUserId={user}"))
        .unwrap_or_default();
    let body = json!({"entity": entity, "action": "update", "data": what});
    server
        .post(&format!("/realtime/update{target}"), body)
        .await;
}

async fn say(server: &TestServer, room: &str, message: &str) {
    server
        .post("/chat/message", json!({"roomId": room, "message": message}))
        .await;
}

/// Checks that the next event is named `event` and has `what` in `field`. Events come in order, so
/// none came before it.
async fn next_says(stream: &mut Stream, event: &str, field: &str, what: &str) -> Received {
    let received = stream.expect(event).await;
    assert_eq!(received.data[field], what, "{received:?}");
    received
}

async fn next_title(stream: &mut Stream, title: &str) {
    next_says(stream, "notification", "title", title).await;
}

async fn next_update(stream: &mut Stream, what: &str) {
    next_says(stream, "realtime-update", "data", what).await;
}

async fn next_message(stream: &mut Stream, what: &str) -> Received {
    next_says(stream, "chat-message", "message", what).await
}

#[tokio::test]
async fn a_notification_to_all_reaches_everybody_with_the_same_id() {
    let server = start().await;
    let mut streams = Vec::new();
    for token in ["", ADMIN, &demo("ann", "user")] {
        streams.push(server.connected("/notifications/stream", token).await);
    }
    let id = server.notify("all").await;
    for stream in &mut streams {
        assert_eq!(stream.block("notification").await.id.as_ref(), Some(&id));
    }
}

#[tokio::test]
async fn a_targeted_notification_reaches_every_notifications_stream_of_that_user_and_no_other() {
    let server = start().await;
    let (ann, bob) = (demo("ann", "user"), demo("bob", "user"));
    let mut anns = [
        server.connected("/notifications/stream", &ann).await,
        server.connected("/notifications/stream", &ann).await,
    ];
    let mut others = [
        server.connected("/notifications/stream", &bob).await,
        server.connected("/notifications/stream", ADMIN).await,
        server.connected("/notifications/stream", "").await,
    ];
    let mut realtime = server.connected("/realtime/stream", &ann).await;
    let mut chat = server.connected("/chat/stream", &ann).await;
    let mut status = server.connected("/system/status/stream", &ann).await;
    status.expect("synced").await;

    notify_user(&server, "ann", "for ann").await;
    server.notify("for all").await;
    update(&server, None, "order", "u").await;
    say(&server, "r", "c").await;
    server
        .post(
            "/system/status/update",
            json!({"service": "db", "status": "online"}),
        )
        .await;

    for stream in &mut anns {
        next_title(stream, "for ann").await;
        next_title(stream, "for all").await;
    }
    for stream in &mut others {
        next_title(stream, "for all").await;
    }
    next_update(&mut realtime, "u").await;
    next_message(&mut chat, "c").await;
    next_says(&mut status, "system-status", "service", "db").await;
}

#[tokio::test]
async fn a_targeted_update_reaches_every_realtime_stream_of_that_user_and_no_other() {
    let server = start().await;
    let (ann, bob) = (demo("ann", "user"), demo("bob", "user"));
    let mut anns = [
        server.connected("/realtime/stream", &ann).await,
        server.connected("/realtime/stream", &ann).await,
    ];
    let mut others = [
        server.connected("/realtime/stream", &bob).await,
        server.connected("/realtime/stream", "").await,
    ];
    let mut notifications = server.connected("/notifications/stream", &ann).await;
    update(&server, Some("ann"), "order", "for ann").await;
    update(&server, None, "order", "for all").await;
    server.notify("n").await;
    for stream in &mut anns {
        next_update(stream, "for ann").await;
        next_update(stream, "for all").await;
    }
    for stream in &mut others {
        next_update(stream, "for all").await;
    }
    next_title(&mut notifications, "n").await;
}

#[tokio::test]
async fn an_entity_filter_lets_through_its_entities_and_the_users_own_of_them() {
    let server = start().await;
    let ann = demo("ann", "user");
    let mut anns = server
        .connected("/realtime/stream?entities=order,%20user%20,order", &ann)
        .await;
    let mut anonymous = server
        .connected("/realtime/stream?entities=order,user", "")
        .await;
    let mut unfiltered = server.connected("/realtime/stream?entities=", &ann).await;
    for (target, entity, what) in [
        (None, "item", "item to all"),
        (Some("ann"), "item", "item to ann"),
        (Some("ann"), "order", "order to ann"),
        (Some("bob"), "order", "order to bob"),
        (None, "orders", "another name"),
        (None, "Order", "yet another"),
        (None, "user", "user to all"),
        (None, "order", "order to all"),
    ] {
        update(&server, target, entity, what).await;
    }
    for what in ["order to ann", "user to all", "order to all"] {
        next_update(&mut anns, what).await;
    }
    for what in ["user to all", "order to all"] {
        next_update(&mut anonymous, what).await;
    }
    for what in [
        "item to all",
        "item to ann",
        "order to ann",
        "another name",
        "yet another",
        "user to all",
        "order to all",
    ] {
        next_update(&mut unfiltered, what).await;
    }
}

#[tokio::test]
async fn an_entity_call_reaches_the_entitys_stream_and_the_aggregate_once_each() {
    let server = start().await;
    let mut all = server.connected("/realtime/stream", ADMIN).await;
    let mut orders = server
        .connected("/realtime/stream?entities=order", ADMIN)
        .await;
    for (call, action) in [
        ("create", "create"),
        ("update", "update"),
        ("delete", "delete"),
    ] {
        server
            .post(
                &format!("/realtime/entity/order/{call}"),
                json!({"id": call}),
            )
            .await;
        for stream in [&mut all, &mut orders] {
            let event = next_says(stream, "realtime-update", "action", action).await;
            assert_eq!(
                (&event.data["data"]["id"], &event.data["userId"]),
                (&json!(call), &json!("test123"))
            );
        }
    }
}

#[tokio::test]
async fn the_chat_stream_shows_every_room_and_the_stream_of_a_room_only_its_own() {
    let server = start().await;
    let ann = demo("ann", "user");
    let mut every = server.connected("/chat/stream", &ann).await;
    let mut by_path = server.connected("/chat/room/r/stream", &ann).await;
    let mut by_query = server.connected("/chat/stream?roomId=r", &ann).await;
    let mut by_alias = server.connected("/chat/stream?room=r", &ann).await;
    let mut by_both = server.connected("/chat/stream?room=r&roomId=r", &ann).await;
    say(&server, "s", "1").await;
    say(&server, "r", "2").await;
    say(&server, "r2", "3").await;
    say(&server, "r", "4").await;
    let mut ids = Vec::new();
    for what in ["1", "2", "3", "4"] {
        ids.push(next_message(&mut every, what).await.last_id);
    }
    for stream in [&mut by_path, &mut by_query, &mut by_alias, &mut by_both] {
        assert_eq!(
            next_message(stream, "2").await.last_id,
            ids[1],
            "one event has one id everywhere"
        );
        assert_eq!(next_message(stream, "4").await.last_id, ids[3]);
    }
}

#[tokio::test]
async fn typing_has_no_id_and_is_never_replayed() {
    let server = start().await;
    let mut room = server.connected("/chat/room/r/stream", ADMIN).await;
    let mut every = server.connected("/chat/stream", ADMIN).await;
    let mut other = server.connected("/chat/room/s/stream", ADMIN).await;
    say(&server, "r", "before").await;
    let before = next_message(&mut room, "before").await.last_id;
    next_message(&mut every, "before").await;
    assert_eq!(
        server
            .call(
                "POST",
                "/chat/room/r/typing",
                &demo("ann", "user"),
                json!(null)
            )
            .await
            .status,
        200
    );
    for stream in [&mut room, &mut every] {
        let block = stream.block("typing").await;
        assert_eq!((block.id, block.retry), (None, None));
        let data: Value = serde_json::from_str(&block.data).unwrap();
        let keys: Vec<_> = data
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(keys, ["roomId", "userId", "username", "timestamp"]);
        assert_eq!(
            (&data["roomId"], &data["userId"]),
            (&json!("r"), &json!("ann"))
        );
    }
    say(&server, "s", "nobody types here").await;
    next_message(&mut other, "nobody types here").await;

    say(&server, "r", "missed").await;
    assert_eq!(
        server
            .call("POST", "/chat/room/r/typing", ADMIN, json!(null))
            .await
            .status,
        200
    );
    room.expect("chat-message").await;
    room.expect("typing").await;
    let mut back = server.resumed("/chat/room/r/stream", ADMIN, &before).await;
    back.expect("connected").await;
    say(&server, "r", "after").await;
    next_message(&mut back, "missed").await;
    next_message(&mut back, "after").await;
}

#[tokio::test]
async fn a_user_id_may_contain_any_character_and_is_never_a_pattern() {
    let server = start().await;
    let odd = "a/b *%é";
    let mut own = server
        .connected("/notifications/stream", &demo(odd, "user"))
        .await;
    let mut realtime = server
        .connected("/realtime/stream?entities=order", &demo(odd, "user"))
        .await;
    let mut others = Vec::new();
    for user in [
        "a",
        "b",
        "*",
        "**",
        "a/b",
        "a%2Fb%20%2A%25%C3%A9",
        "a/b *%è",
    ] {
        others.push(
            server
                .connected("/notifications/stream", &demo(user, "user"))
                .await,
        );
    }
    notify_user(&server, odd, "odd").await;
    notify_user(&server, "**", "stars").await;
    server.notify("all").await;
    next_title(&mut own, "odd").await;
    next_title(&mut own, "all").await;
    for (nth, other) in others.iter_mut().enumerate() {
        if nth == 3 {
            next_title(other, "stars").await;
        }
        next_title(other, "all").await;
    }
    let body = json!({"entity": "order", "action": "update", "data": "odd", "targetUserId": odd});
    server.post("/realtime/update", body).await;
    next_update(&mut realtime, "odd").await;

    let listed = server
        .call(
            "GET",
            "/system/connections?userId=a%2Fb%20*%25%C3%A9",
            ADMIN,
            json!(null),
        )
        .await
        .json();
    let topics: Vec<_> = listed["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["topics"].to_string())
        .collect();
    assert_eq!(
        topics[0],
        r#"["notifications","notifications/user/a%2Fb%20%2A%25%C3%A9"]"#
    );
    assert_eq!(
        topics[1],
        r#"["realtime/entity/order","realtime/user/a%2Fb%20%2A%25%C3%A9/entity/order"]"#
    );
}
