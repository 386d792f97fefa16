//! `POST /realtime/…`: updates of entities, the two spellings of their fields, and which callers
//! may publish to whom.

use serde_json::{Value, json};

use crate::support::checks::{SetClock, assert_minted, names};
use crate::support::{ADMIN, Answer, TestServer, demo, start, start_at, start_with};

async fn update(server: &TestServer, query: &str, token: &str, body: Value) -> Answer {
    server
        .call("POST", &format!("/realtime/update{query}"), token, body)
        .await
}

#[tokio::test]
async fn an_update_without_a_target_goes_to_all_and_to_those_who_follow_the_entity() {
    let server = start().await;
    let mut all = server.stream("/realtime/stream", "").await;
    let mut orders = server.stream("/realtime/stream?entities=order", "").await;
    all.expect("connected").await;
    orders.expect("connected").await;
    let body = json!({"entity": "order", "action": "update", "data": {"x": 1}});
    let answer = server.post("/realtime/update", body).await.json();
    assert_eq!(names(&answer), ["success", "message", "id", "eventId"]);
    assert_eq!(
        answer["message"],
        "Real-time update sent successfully to all subscribers"
    );
    assert_minted(&answer["id"], "update");
    let event = all.expect("realtime-update").await;
    assert_eq!(
        names(&event.data),
        ["id", "timestamp", "entity", "action", "data"]
    );
    assert_eq!(event.data["id"], answer["id"]);
    assert_eq!(event.data["entity"], "order");
    assert_eq!(event.data["action"], "update");
    assert_eq!(event.data["data"], json!({"x": 1}));
    assert_eq!(event.last_id, answer["eventId"].as_str().unwrap());
    assert_eq!(
        orders.expect("realtime-update").await,
        event,
        "one event with one id on both"
    );
    assert_eq!(server.stored().await, 1);
}

#[tokio::test]
async fn a_targeted_update_is_for_one_user_alone() {
    let server = start().await;
    let body = json!({"entity": "order", "action": "create", "data": 1});
    let answer = server
        .post("/realtime/update?targetUserId=test123", body)
        .await
        .json();
    assert_eq!(
        answer["message"],
        "Real-time update sent successfully to test123"
    );
    assert_eq!(
        server.only("realtime/user/test123").await["id"],
        answer["eventId"]
    );
    assert_eq!(
        server.only("realtime/user/test123/entity/order").await["id"],
        answer["eventId"]
    );
    assert!(server.kept("realtime", ADMIN).await.is_empty());
    assert!(server.kept("realtime/entity/order", ADMIN).await.is_empty());
    let body = json!({"entity": "order", "action": "create", "data": 1});
    update(&server, "?targetUserId=", ADMIN, body)
        .await
        .assert_invalid(&["targetUserId"]);
    assert_eq!(server.stored().await, 1);
}

#[tokio::test]
async fn only_an_admin_updates_all_and_any_user_updates_one() {
    let server = start().await;
    let (user, body) = (
        demo("bob", "user"),
        json!({"entity": "order", "action": "create", "data": 1}),
    );
    update(&server, "", &user, body.clone())
        .await
        .assert_refused(403, "forbidden");
    update(&server, "", "", body.clone())
        .await
        .assert_refused(401, "token_missing");
    for action in ["create", "update", "delete"] {
        let path = format!("/realtime/entity/order/{action}");
        server
            .call("POST", &path, &user, json!({}))
            .await
            .assert_refused(403, "forbidden");
        server
            .call("POST", &path, "", json!({}))
            .await
            .assert_refused(401, "token_missing");
    }
    assert_eq!(server.stored().await, 0);
    assert_eq!(
        update(&server, "?targetUserId=alice", &user, body)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn open_publish_lets_any_valid_token_update_all() {
    let server = start_with(&[("OPEN_PUBLISH", "true")]).await;
    let (user, body) = (
        demo("bob", "user"),
        json!({"entity": "order", "action": "create", "data": 1}),
    );
    assert_eq!(update(&server, "", &user, body).await.status, 200);
    assert_eq!(
        server
            .call("POST", "/realtime/entity/order/create", &user, json!({}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn aliases_of_fields_are_accepted_and_the_event_has_the_normal_names() {
    let server = start().await;
    for (said, meant) in [
        ("created", "create"),
        ("updated", "update"),
        ("deleted", "delete"),
    ] {
        server
            .post(
                "/realtime/update",
                json!({"entityType": "order", "action": said, "data": {}}),
            )
            .await;
        let event = server
            .kept("realtime/entity/order", ADMIN)
            .await
            .pop()
            .unwrap();
        assert_eq!(event["data"]["entity"], "order");
        assert_eq!(event["data"]["action"], meant);
        assert_eq!(
            event["data"]["entityType"], "order",
            "the alias stands beside it"
        );
    }
}

#[tokio::test]
async fn entity_action_and_data_are_needed() {
    let server = start().await;
    update(&server, "", ADMIN, json!({}))
        .await
        .assert_invalid(&["entity", "action", "data"]);
    for (body, bad) in [
        (
            json!({"entity": "order", "action": "upsert", "data": 1}),
            &["action"][..],
        ),
        (
            json!({"entity": "order", "action": "Create", "data": 1}),
            &["action"],
        ),
        (
            json!({"entity": "order", "action": 1, "data": 1}),
            &["action"],
        ),
        (json!({"entity": "order", "action": "create"}), &["data"]),
        (
            json!({"entity": 5, "action": "create", "data": 1}),
            &["entity"],
        ),
        (
            json!({"entityType": "a b", "action": "create", "data": 1}),
            &["entityType"],
        ),
    ] {
        update(&server, "", ADMIN, body).await.assert_invalid(bad);
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn names_of_entities_have_1_to_128_characters_of_a_small_alphabet() {
    let server = start().await;
    let of = |entity: &str| json!({"entity": entity, "action": "create", "data": 1});
    for good in [
        "x",
        "A-b_c.d:e@f9",
        &"x".repeat(128),
        "...",
        "%".replace('%', "-").as_str(),
    ] {
        assert_eq!(
            update(&server, "", ADMIN, of(good)).await.status,
            200,
            "{good}"
        );
    }
    let stored = server.stored().await;
    for bad in [
        "",
        " ",
        "a b",
        "a/b",
        "a%2Fb",
        "*",
        "é",
        "a\0",
        "a\n",
        "a,b",
        "a#",
        &"x".repeat(129),
        ".",
        "..",
    ] {
        update(&server, "", ADMIN, of(bad))
            .await
            .assert_invalid(&["entity"]);
    }
    assert_eq!(server.stored().await, stored);
}

#[tokio::test]
async fn data_is_any_json_and_fields_that_are_not_listed_are_passed_on() {
    let server = start().await;
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", &format!("Bearer {ADMIN}")),
    ];
    for data in [
        "1.50",
        "\"text\"",
        "[1, 2]",
        "true",
        "null",
        r#"{"b":1,"a":2}"#,
    ] {
        let body = format!(
            r#"{{"entity":"order","action":"update","data":{data},"version":1e2,"by":{{"z":1,"a":2}}}}"#
        );
        let answer = server
            .request("POST", "/realtime/update", &headers, body.as_bytes())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let page = server.get("/events?topic=realtime&limit=1000").await.text();
        let passed = format!(
            r#""data":{},"version":1e2,"by":{{"z":1,"a":2}}"#,
            data.replace(' ', "")
        );
        assert!(page.contains(&passed), "{passed} in {page}");
    }
}

#[tokio::test]
async fn nobody_chooses_the_author_the_id_or_the_time() {
    let time = SetClock::at("2026-11-23T22:30:15.181Z");
    let server = start_at(&[], time.clock()).await;
    let body = json!({"entity": "order", "action": "update", "data": {"userId": "kept", "id": "kept"}, "userId": "mallory",
        "id": "mine", "timestamp": "mine", "username": "mine"});
    server.post("/realtime/update", body).await;
    let data = server.only("realtime").await["data"].clone();
    assert_eq!(data["userId"], "test123");
    assert_eq!(data["timestamp"], "2026-11-23T22:30:15.181Z");
    assert!(
        data["id"]
            .as_str()
            .unwrap()
            .starts_with("update_1795473015181_"),
        "{data}"
    );
    assert_eq!(data.get("username"), None);
    assert_eq!(data["data"], json!({"userId": "kept", "id": "kept"}));
}

#[tokio::test]
async fn an_entitys_calls_make_their_body_the_data_and_their_caller_the_author() {
    let server = start().await;
    let calls = [
        ("create", "Entity order creation broadcasted"),
        ("update", "Entity order update broadcasted"),
        ("delete", "Entity order deletion broadcasted"),
    ];
    for (action, message) in calls {
        let body = json!({"id": "7", "userId": "kept", "entity": "kept", "timestamp": "kept"});
        let answer = server
            .post(&format!("/realtime/entity/order/{action}"), body.clone())
            .await
            .json();
        assert_eq!(answer["success"], true);
        assert_eq!(answer["message"], message);
        assert_eq!(names(&answer), ["success", "message", "id", "eventId"]);
        let event = server.kept("realtime", ADMIN).await.pop().unwrap();
        assert_eq!(
            (&event["data"]["id"], &event["id"]),
            (&answer["id"], &answer["eventId"])
        );
        assert_eq!(event["event"], "realtime-update");
        let mut fields = names(&event["data"]);
        fields.sort_unstable();
        assert_eq!(
            fields,
            ["action", "data", "entity", "id", "timestamp", "userId"]
        );
        assert_eq!(event["data"]["entity"], "order");
        assert_eq!(event["data"]["action"], action);
        assert_eq!(event["data"]["data"], body);
        assert_eq!(event["data"]["userId"], "test123");
        assert_minted(&event["data"]["id"], "update");
        assert_eq!(
            server
                .kept("realtime/entity/order", ADMIN)
                .await
                .pop()
                .unwrap(),
            event
        );
    }
}

#[tokio::test]
async fn an_entitys_calls_take_any_json_and_nothing_else() {
    let server = start().await;
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", &format!("Bearer {ADMIN}")),
    ];
    let path = "/realtime/entity/order/update";
    for body in ["1", "\"text\"", "null", "[]", "{}", " [ {\"a\" : 1.0} ] "] {
        let answer = server
            .request("POST", path, &headers, body.as_bytes())
            .await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    }
    assert!(
        server
            .get("/events?topic=realtime")
            .await
            .text()
            .contains(r#""data":[{"a":1.0}]"#)
    );
    for body in ["", "  ", "{", "{}{}", "nul", "'a'"] {
        let answer = server
            .request("POST", path, &headers, body.as_bytes())
            .await;
        answer.assert_refused(400, "invalid_json");
    }
    assert_eq!(server.stored().await, 6);
}

#[tokio::test]
async fn a_bad_name_in_the_path_is_refused_like_any_bad_field() {
    let server = start().await;
    let longest = "x".repeat(128);
    for good in [longest.as_str(), "a%62c", "%40%3A"] {
        let answer = server
            .call(
                "POST",
                &format!("/realtime/entity/{good}/create"),
                ADMIN,
                json!({}),
            )
            .await;
        assert_eq!(answer.status, 200, "{good}: {}", answer.text());
    }
    let too_long = "x".repeat(129);
    for bad in [
        too_long.as_str(),
        "a%20b",
        "a%2Fb",
        "%00",
        "%0A",
        "%C3%A9",
        "a%",
        "%zz",
        "%2A",
        "%FF",
        "%C3",
        "a+b",
        ".",
        "..",
        "%2E%2E",
    ] {
        if bad != "%0A" {
            // White space around a name in the list is not a part of the name.
            let path = format!("/realtime/stream?entities=ok,{bad}");
            server
                .call("GET", &path, ADMIN, Value::Null)
                .await
                .assert_invalid(&["entities"]);
        }
        let answer = server
            .call(
                "POST",
                &format!("/realtime/entity/{bad}/create"),
                ADMIN,
                json!({}),
            )
            .await;
        answer.assert_invalid(&["entity"]);
    }
    assert_eq!(server.stored().await, 3);
}
