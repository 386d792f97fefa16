//! `DELETE /events` and `DELETE /users/{id}`: once they are answered, nothing shows what was
//! erased, by any path and after any restart. And `GET /system/topics`, which lists the topics.

use serde_json::{Value, json};

use crate::support::binary::Place;
use crate::support::checks::{names, position};
use crate::support::{ADMIN, TestServer, demo, http, in_time, start, start_with, until};

/// Sends a message to a room. Returns the event's id.
async fn say(server: &TestServer, room: &str, message: &str) -> String {
    let answer = server
        .post("/chat/message", json!({"roomId": room, "message": message}))
        .await;
    answer.json()["eventId"].as_str().unwrap().to_owned()
}

async fn erase(server: &TestServer, topic: &str, until: &str) -> Value {
    let answer = server
        .call(
            "DELETE",
            &format!("/events?topic={topic}&until={until}"),
            ADMIN,
            Value::Null,
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// What `/events` shows of a topic, which must be the same forwards and backwards.
async fn shown(server: &TestServer, topic: &str) -> String {
    let ask = async |way: &str| {
        let answer = server
            .call(
                "GET",
                &format!("/events?topic={topic}&limit=1000{way}"),
                ADMIN,
                Value::Null,
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["events"].to_string()
    };
    let (forwards, backwards) = (ask("").await, ask("&before=latest").await);
    assert_eq!(forwards, backwards);
    forwards
}

#[tokio::test]
async fn erased_events_of_a_room_are_in_no_topic_and_on_no_stream() {
    let server = start().await;
    let before = server.head().await;
    let (first, _) = (
        say(&server, "r", "secret one").await,
        say(&server, "other", "harmless").await,
    );
    // These streams keep a ring for each topic, which has the events.
    let mut live = server.connected("/chat/stream", ADMIN).await;
    let mut room = server.connected("/chat/room/r/stream", ADMIN).await;
    let last = say(&server, "r", "secret two").await;
    assert_eq!(live.expect("chat-message").await.last_id, last);
    assert_eq!(room.expect("chat-message").await.last_id, last);
    let answer = erase(&server, "chat/room/r", &last).await;
    assert_eq!(names(&answer), ["success", "message", "topic", "floor"]);
    assert_eq!(
        (&answer["topic"], &answer["floor"]),
        (&json!("chat/room/r"), &json!(last))
    );
    for topic in ["chat", "chat/room/r"] {
        let shown = shown(&server, topic).await;
        assert!(!shown.contains("secret"), "{topic}: {shown}");
    }
    assert!(
        shown(&server, "chat/room/other").await.contains("harmless"),
        "another room keeps what it has"
    );
    let new = say(&server, "r", "new").await;
    for path in ["/chat/stream", "/chat/room/r/stream"] {
        for cursor in [&before, &first] {
            let mut stream = server.resumed(path, ADMIN, cursor).await;
            assert_eq!(stream.expect("connected").await.data["resumed"], false);
            assert_eq!(stream.expect("reset").await.data["reason"], "trimmed");
            assert!(!stream.text().contains("secret"), "{}", stream.text());
        }
        let mut stream = server.resumed(path, ADMIN, &last).await;
        assert_eq!(
            stream.expect("connected").await.data["resumed"],
            true,
            "who saw all of it missed nothing"
        );
        assert_eq!(stream.expect("chat-message").await.last_id, new);
        let mut earliest = server.resumed(path, ADMIN, "earliest").await;
        earliest.expect("connected").await;
        assert_eq!(earliest.expect("chat-message").await.last_id, new);
    }
    assert_eq!(
        live.expect("chat-message").await.last_id,
        new,
        "streams that had it go on"
    );
    assert_eq!(room.expect("chat-message").await.last_id, new);
}

#[tokio::test]
async fn erasing_an_aggregate_erases_its_other_topics_up_to_the_same_event() {
    let server = start().await;
    let update = async |entity: &str, secret: &str| {
        let path = format!("/realtime/entity/{entity}/update");
        server.post(&path, json!({"said": secret})).await;
    };
    update("order", "secret").await;
    update("user", "secret").await;
    let until = server.head().await;
    update("order", "kept").await;
    let floor = erase(&server, "realtime", &until).await["floor"].clone();
    assert_eq!(floor, json!(until));
    for (topic, kept) in [
        ("realtime", true),
        ("realtime/entity/order", true),
        ("realtime/entity/user", false),
    ] {
        let shown = shown(&server, topic).await;
        assert!(!shown.contains("secret"), "{topic}: {shown}");
        assert_eq!(shown.contains("kept"), kept, "{topic}: {shown}");
    }
}

#[tokio::test]
async fn the_status_of_a_service_can_be_erased_too() {
    let server = start().await;
    for service in ["db", "web"] {
        server
            .post(
                "/system/status/update",
                json!({"service": service, "status": "offline", "message": "secret"}),
            )
            .await;
    }
    let until = server.head().await;
    server
        .post(
            "/system/status/update",
            json!({"service": "web", "status": "online"}),
        )
        .await;
    erase(&server, "system/status", &until).await;
    let latest = server.get("/system/status").await.json();
    assert_eq!(latest["services"].as_array().unwrap().len(), 1);
    let mut stream = server.connected("/system/status/stream", "").await;
    assert_eq!(stream.expect("system-status").await.data["service"], "web");
    stream.expect("synced").await;
    assert!(!stream.text().contains("secret"), "{}", stream.text());
}

#[tokio::test]
async fn cached_pages_do_not_show_erased_events() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [
        ("JOURNAL", "disk"),
        ("DATA_DIR", directory.path().to_str().unwrap()),
    ];
    let mut server = start_with(&settings).await;
    let before = server.head().await;
    let mut last = String::new();
    for nth in 0..5 {
        last = server.notify(&format!("secret {nth}")).await;
    }
    server.stopped().await.unwrap();
    drop(server);
    let mut server = start_with(&settings).await;
    // No stream has followed the topic since the start, so missed events are read from the log, and
    // cached for other clients that have missed the same ones.
    let mut first = server.resumed("/notifications/stream", "", &before).await;
    first.expect("connected").await;
    assert_eq!(
        first.take("notification", 5).await.last().unwrap().last_id,
        last
    );
    erase(&server, "notifications", &last).await;
    let mut second = server.resumed("/notifications/stream", "", &before).await;
    second.expect("connected").await;
    second.expect("reset").await;
    assert!(!second.text().contains("secret"), "{}", second.text());
    assert_eq!(shown(&server, "notifications").await, "[]");
    server.stopped().await.unwrap();
    drop(server);
    let server = start_with(&settings).await;
    assert_eq!(shown(&server, "notifications").await, "[]");
}

#[tokio::test]
async fn an_erasure_survives_a_kill_right_after_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    for sync in ["always", "never"] {
        let data = directory.path().join(sync);
        let start = || {
            let place = Place::new()
                .env("JOURNAL", "disk")
                .env("DATA_DIR", data.to_str().unwrap());
            place
                .env("JOURNAL_SYNC", sync)
                .env("LOG_LEVEL", "warn")
                .start(&[])
        };
        let bearer = format!("Bearer {ADMIN}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        let mut process = start();
        let mut last = String::new();
        for nth in 0..20 {
            let body =
                json!({"roomId": format!("r{}", nth % 3), "message": format!("secret {nth}")})
                    .to_string();
            let address = process.addresses[0];
            let said = in_time(http::request(
                address,
                "POST",
                "/chat/message",
                &headers,
                body.as_bytes(),
            ))
            .await;
            said.json()["eventId"]
                .as_str()
                .unwrap()
                .clone_into(&mut last);
        }
        let path = format!("/events?topic=chat/room/r1&until={last}");
        let erased = in_time(http::request(
            process.addresses[0],
            "DELETE",
            &path,
            &headers,
            b"",
        ))
        .await;
        assert_eq!(erased.status, 200, "{}", erased.text());
        process.signal("KILL");
        process.ended();
        let process = start();
        for (topic, events) in [
            ("chat/room/r1", 0),
            ("chat/room/r0", 7),
            ("chat/room/r2", 6),
        ] {
            let path = format!("/events?topic={topic}");
            let page = in_time(http::request(
                process.addresses[0],
                "GET",
                &path,
                &headers,
                b"",
            ))
            .await
            .json();
            assert_eq!(
                page["events"].as_array().unwrap().len(),
                events,
                "{sync} {topic}: {page}"
            );
        }
    }
}

#[tokio::test]
async fn the_topics_of_a_user_are_erased_and_the_memberships_end() {
    let server = start().await;
    for user in ["ann", "ann2"] {
        let notification = json!({"title": "secret", "message": "m"});
        server
            .post(
                &format!("/notifications/send?targetUserId={user}"),
                notification,
            )
            .await;
        for entity in ["order", "invoice"] {
            let update = json!({"entity": entity, "action": "update", "data": "secret"});
            server
                .post(&format!("/realtime/update?targetUserId={user}"), update)
                .await;
        }
        for room in ["r", "s"] {
            let joined = server
                .call(
                    "POST",
                    &format!("/chat/room/{room}/join"),
                    &demo(user, "user"),
                    Value::Null,
                )
                .await;
            assert_eq!(joined.status, 200);
        }
    }
    server.notify("for all").await;
    let mut open = server
        .connected("/notifications/stream", &demo("ann", "user"))
        .await;
    let answer = server
        .call("DELETE", "/users/ann", ADMIN, Value::Null)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(names(&answer.json()), ["success", "message", "memberships"]);
    assert_eq!(answer.json()["memberships"], 2);
    let ask = async |user: &str, topic: &str| {
        let path = format!("/events?topic={topic}");
        server
            .call("GET", &path, &demo(user, "user"), Value::Null)
            .await
            .json()["events"]
            .as_array()
            .unwrap()
            .len()
    };
    for user in ["ann", "ann2"] {
        let kept = usize::from(user != "ann");
        assert_eq!(
            ask(user, &format!("notifications/user/{user}")).await,
            kept,
            "{user}"
        );
        assert_eq!(
            ask(user, &format!("realtime/user/{user}")).await,
            2 * kept,
            "{user}"
        );
        for entity in ["order", "invoice"] {
            assert_eq!(
                ask(user, &format!("realtime/user/{user}/entity/{entity}")).await,
                kept,
                "{user}"
            );
        }
    }
    for room in ["r", "s"] {
        let members = server
            .call(
                "GET",
                &format!("/chat/room/{room}/members"),
                ADMIN,
                Value::Null,
            )
            .await
            .json();
        assert_eq!(members["members"].as_array().unwrap().len(), 1, "{members}");
        assert!(
            shown(&server, &format!("chat/room/{room}"))
                .await
                .contains("ann-name left the room")
        );
    }
    assert!(shown(&server, "notifications").await.contains("for all"));
    server.notify("still there").await;
    assert_eq!(
        open.expect("notification").await.data["title"],
        "still there",
        "an open stream stays open"
    );
    let again = server
        .call("DELETE", "/users/ann", ADMIN, Value::Null)
        .await;
    assert_eq!(
        (again.status, &again.json()["memberships"]),
        (200, &json!(0)),
        "twice is once"
    );
}

#[tokio::test]
async fn a_user_is_named_as_a_path_writes_it() {
    let server = start().await;
    let user = "a/b ü%";
    server
        .post(
            "/notifications/send",
            json!({"title": "t", "message": "m", "targetUserId": user}),
        )
        .await;
    let events = async || {
        let listed = server
            .call("GET", "/system/topics", ADMIN, Value::Null)
            .await
            .json();
        let listed = listed["topics"].as_array().unwrap().clone();
        listed
            .iter()
            .find(|topic| {
                topic["name"]
                    .as_str()
                    .unwrap()
                    .starts_with("notifications/")
            })
            .unwrap()["events"]
            .clone()
    };
    assert_eq!(events().await, 1);
    let answer = server
        .call("DELETE", "/users/a%2Fb%20%C3%BC%25", ADMIN, Value::Null)
        .await;
    assert_eq!(
        answer.json()["message"],
        format!("Erased the topics of {user}")
    );
    assert_eq!(events().await, 0);
    let listed = server
        .call("GET", "/system/topics", ADMIN, Value::Null)
        .await
        .json();
    let is_of_floors = |topic: &Value| topic["name"] == "_floors" && topic["events"] != 0;
    assert!(
        listed["topics"]
            .as_array()
            .unwrap()
            .iter()
            .any(is_of_floors),
        "{listed}"
    );
    server
        .call("DELETE", "/users/%00", ADMIN, Value::Null)
        .await
        .assert_invalid(&["id"]);
}

#[tokio::test]
async fn only_admins_erase_and_only_with_all_parameters() {
    let server = start().await;
    let id = server.notify("kept").await;
    let erase = format!("/events?topic=notifications&until={id}");
    for path in [erase.as_str(), "/users/ann"] {
        assert_eq!(
            server
                .call("DELETE", path, &demo("ann", "user"), Value::Null)
                .await
                .status,
            403,
            "{path}"
        );
        assert_eq!(
            server.call("DELETE", path, "", Value::Null).await.status,
            401,
            "{path}"
        );
    }
    assert_eq!(
        server
            .call("GET", "/system/topics", &demo("ann", "user"), Value::Null)
            .await
            .status,
        403
    );
    let other = start().await.notify("of another log").await;
    let ahead = id.replace("-1", "-2");
    for (query, field) in [
        ("topic=notifications", "until"),
        ("topic=notifications&until=", "until"),
        ("topic=notifications&until=latest", "until"),
        ("topic=notifications&until=earliest", "until"),
        ("topic=notifications&until=17", "until"),
        (&format!("topic=notifications&until={other}"), "until"),
        (&format!("topic=notifications&until={ahead}"), "until"),
        (
            &format!("topic=notifications&until={id}&after={id}"),
            "after",
        ),
        (&format!("topic=notifications&until={id}&limit=1"), "limit"),
        (&format!("until={id}"), "topic"),
        (&format!("topic=chat/**&until={id}"), "topic"),
        (&format!("topic=_members&until={id}"), "topic"),
    ] {
        server
            .call("DELETE", &format!("/events?{query}"), ADMIN, Value::Null)
            .await
            .assert_invalid(&[field]);
    }
    server
        .get(&format!("/events?topic=notifications&until={id}"))
        .await
        .assert_invalid(&["until"]);
    assert!(shown(&server, "notifications").await.contains("kept"));
    let nothing = server
        .call(
            "DELETE",
            &format!("/events?topic=none/such&until={id}"),
            ADMIN,
            Value::Null,
        )
        .await;
    assert_eq!(
        (
            nothing.status,
            position(nothing.json()["floor"].as_str().unwrap())
        ),
        (200, 0),
        "{}",
        nothing.text()
    );
}

#[tokio::test]
async fn topics_are_listed_page_by_page_with_their_sizes_and_followers() {
    let server = start().await;
    for room in ["b", "a", "b"] {
        say(&server, room, "m").await;
    }
    server.notify("n").await;
    server
        .post(
            "/system/status/update",
            json!({"service": "db", "status": "online"}),
        )
        .await;
    let streams = [
        server.connected("/chat/room/b/stream", ADMIN).await,
        server.connected("/chat/room/b/stream", ADMIN).await,
        server.connected("/notifications/stream", "").await,
    ];
    let all = server
        .call("GET", "/system/topics", ADMIN, Value::Null)
        .await
        .json();
    let listed: Vec<_> = all["topics"].as_array().unwrap().iter().collect();
    assert_eq!(names(listed[0]), ["name", "events", "bytes", "followers"]);
    let of = |topic: &Value| {
        (
            topic["name"].as_str().unwrap().to_owned(),
            topic["events"].clone(),
            topic["followers"].clone(),
        )
    };
    let expected = [
        ("chat", 0, 0),
        ("chat/room/a", 1, 0),
        ("chat/room/b", 2, 2),
        ("notifications", 1, 1),
        ("system/status", 1, 0),
    ];
    let expected: Vec<_> = expected
        .map(|(name, events, of)| (name.to_owned(), json!(events), json!(of)))
        .into();
    assert_eq!(
        listed.iter().map(|topic| of(topic)).collect::<Vec<_>>(),
        expected
    );
    assert!(listed[2]["bytes"].as_u64() > listed[1]["bytes"].as_u64());
    assert_eq!(all.get("next"), None);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server
            .call(
                "GET",
                &format!("/system/topics?limit=2&cursor={cursor}"),
                ADMIN,
                Value::Null,
            )
            .await
            .json();
        seen.extend(page["topics"].as_array().unwrap().iter().map(of));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        next.clone_into(&mut cursor);
    }
    assert_eq!(seen, expected);
    server
        .call("GET", "/system/topics?cursor=a//b", ADMIN, Value::Null)
        .await
        .assert_invalid(&["cursor"]);
    server
        .call("GET", "/system/topics?limit=0", ADMIN, Value::Null)
        .await
        .assert_invalid(&["limit"]);
    drop(streams);
    until(async || {
        let page = server
            .call("GET", "/system/topics", ADMIN, Value::Null)
            .await
            .json();
        page["topics"]
            .as_array()
            .unwrap()
            .iter()
            .all(|topic| topic["followers"] == 0)
    })
    .await;
}
