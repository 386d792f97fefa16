//! `/system/…` and `/health…`: the state of services, the open connections, and the state of the
//! server.

use serde_json::{Value, json};

use crate::support::checks::{SetClock, assert_minted, names};
use crate::support::stream::End;
use crate::support::{ADMIN, TestServer, demo, start, start_at, start_with, until};

const UPDATE: &str = "/system/status/update";

async fn stats(server: &TestServer) -> Value {
    server.stats().await
}

async fn connections(server: &TestServer, query: &str) -> Value {
    let answer = server
        .call(
            "GET",
            &format!("/system/connections{query}"),
            ADMIN,
            Value::Null,
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Opens a stream. Returns it with its `connectionId`.
async fn connect(server: &TestServer, path: &str, token: &str) -> (crate::support::Stream, String) {
    let mut stream = server.stream(path, token).await;
    let id = stream.expect("connected").await.data["connectionId"]
        .as_str()
        .unwrap()
        .to_owned();
    (stream, id)
}

#[tokio::test]
async fn a_status_goes_to_all_who_follow_the_status() {
    let time = SetClock::at("2026-11-23T22:30:15.251Z");
    let server = start_at(&[], time.clock()).await;
    let (mut stream, _) = connect(&server, "/system/status/stream", "").await;
    stream.expect("synced").await;
    let answer = server
        .post(UPDATE, json!({"service": "db", "status": "degraded"}))
        .await
        .json();
    assert_eq!(answer["success"], true);
    assert_eq!(answer["message"], "System status updated for db");
    assert_eq!(names(&answer), ["success", "message", "id", "eventId"]);
    let event = stream.expect("system-status").await;
    assert_eq!(
        (&event.data["id"], event.last_id.as_str()),
        (&answer["id"], answer["eventId"].as_str().unwrap())
    );
    assert_eq!(names(&event.data), ["id", "timestamp", "service", "status"]);
    assert_minted(&event.data["id"], "status");
    assert_eq!(event.data["timestamp"], "2026-11-23T22:30:15.251Z");
    assert_eq!(event.data["service"], "db");
    assert_eq!(event.data["status"], "degraded");
}

#[tokio::test]
async fn a_status_carries_message_metrics_and_whatever_else_came() {
    let server = start().await;
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", bearer.as_str()),
    ];
    let body = r#"{"service":"db","status":"online","message":"fine","metrics":{"load":0.50,"a":[1]},"region":"eu",
        "id":"mine","timestamp":"mine","username":"mine"}"#;
    assert_eq!(
        server
            .request("POST", UPDATE, &headers, body.as_bytes())
            .await
            .status,
        200
    );
    let page = server.get("/system/status").await;
    let service = &page.json()["services"][0];
    assert_eq!(
        names(service),
        [
            "id",
            "timestamp",
            "service",
            "status",
            "message",
            "metrics",
            "region"
        ]
    );
    assert_eq!(service["message"], "fine");
    assert!(
        page.text()
            .contains(r#""metrics":{"load":0.50,"a":[1]},"region":"eu""#),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn a_status_is_one_of_four_words_and_a_services_name_is_a_name() {
    let server = start().await;
    for status in ["online", "offline", "degraded", "maintenance"] {
        server
            .post(UPDATE, json!({"service": "a-B_c.d:e@9", "status": status}))
            .await;
    }
    let too_long = "x".repeat(129);
    for (body, bad) in [
        (json!({}), &["service", "status"][..]),
        (json!({"service": "db", "status": "down"}), &["status"]),
        (json!({"service": "db", "status": true}), &["status"]),
        (json!({"service": "", "status": "online"}), &["service"]),
        (json!({"service": "a b", "status": "online"}), &["service"]),
        (json!({"service": "..", "status": "online"}), &["service"]),
        (json!({"service": ".", "status": "online"}), &["service"]),
        (
            json!({"service": too_long, "status": "online"}),
            &["service"],
        ),
        (
            json!({"service": "db", "status": "online", "message": 1}),
            &["message"],
        ),
    ] {
        server
            .call("POST", UPDATE, ADMIN, body)
            .await
            .assert_invalid(bad);
    }
    assert_eq!(server.stored().await, 4);
}

#[tokio::test]
async fn only_an_admin_reports_a_status() {
    let server = start_with(&[("OPEN_PUBLISH", "true")]).await;
    let body = json!({"service": "db", "status": "online"});
    server
        .call("POST", UPDATE, "", body.clone())
        .await
        .assert_refused(401, "token_missing");
    server
        .call("POST", UPDATE, "bad", body.clone())
        .await
        .assert_refused(401, "token_invalid");
    assert_eq!(server.stored().await, 0);
    assert_eq!(server.call("POST", UPDATE, ADMIN, body).await.status, 200);
}

#[tokio::test]
async fn without_open_publish_a_user_reports_no_status() {
    let server = start().await;
    let body = json!({"service": "db", "status": "online"});
    server
        .call("POST", UPDATE, &demo("bob", "user"), body)
        .await
        .assert_refused(403, "forbidden");
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn the_status_is_the_latest_of_each_service() {
    let server = start().await;
    assert_eq!(
        server.get("/system/status").await.json(),
        json!({"services": []})
    );
    for (service, status) in [
        ("db", "online"),
        ("mail", "online"),
        ("db", "offline"),
        ("cache", "degraded"),
    ] {
        server
            .post(UPDATE, json!({"service": service, "status": status}))
            .await;
    }
    let answer = server.get("/system/status").await.json();
    assert_eq!(names(&answer), ["services"]);
    let services = answer["services"].as_array().unwrap();
    let mut latest: Vec<_> = services
        .iter()
        .map(|one| (one["service"].as_str(), one["status"].as_str()))
        .collect();
    latest.sort_unstable();
    let expected = [("cache", "degraded"), ("db", "offline"), ("mail", "online")];
    assert_eq!(
        latest,
        expected.map(|(service, status)| (Some(service), Some(status)))
    );
}

#[tokio::test]
async fn the_stats_count_each_stream_under_its_name_and_as_heartbeat() {
    let server = start().await;
    let answer = stats(&server).await;
    assert_eq!(
        answer,
        json!({"totalConnections": 0, "authenticatedConnections": 0, "connectionsByType": {}})
    );
    let shown = server.get("/system/stats").await.json();
    let names = names(&shown);
    assert_eq!(
        names[..3],
        [
            "totalConnections",
            "authenticatedConnections",
            "connectionsByType"
        ]
    );
    assert_eq!(
        names[3..],
        ["totalOpened", "opened", "refused", "ended", "closed"]
    );
    let mut streams = Vec::new();
    for (path, token) in [
        ("/notifications/stream", ADMIN),
        ("/notifications/stream", ""),
        ("/realtime/stream?entities=a,b", ""),
        ("/chat/stream", ADMIN),
        ("/chat/room/r/stream", ADMIN),
        ("/system/status/stream", ""),
        ("/system/heartbeat", ""),
    ] {
        streams.push(connect(&server, path, token).await);
    }
    let by_type = json!({"notifications": 2, "realtime-updates": 1, "chat": 2, "system-status": 1, "heartbeat": 7});
    let all =
        json!({"totalConnections": 7, "authenticatedConnections": 3, "connectionsByType": by_type});
    assert_eq!(stats(&server).await, all);
    drop(streams);
    until(async || {
        stats(&server).await == json!({"totalConnections": 0, "authenticatedConnections": 0, "connectionsByType": {}})
    })
    .await;
}

#[tokio::test]
async fn the_connections_are_listed_with_what_they_follow() {
    let time = SetClock::at("2026-11-23T22:30:14.226Z");
    let server = start_at(&[], time.clock()).await;
    let (_anonymous, first) = connect(&server, "/notifications/stream", "").await;
    let (mut stream, second) = connect(&server, "/realtime/stream?entities=order", ADMIN).await;
    time.advance(std::time::Duration::from_millis(930));
    server
        .post("/realtime/entity/order/create", json!({}))
        .await;
    stream.expect("realtime-update").await;
    until(async || {
        connections(&server, "").await["connections"][1]["lastActivity"]
            == "2026-11-23T22:30:15.156Z"
    })
    .await;
    let answer = connections(&server, "").await;
    assert_eq!(answer["stats"], stats(&server).await);
    let [anonymous, known] = answer["connections"].as_array().unwrap().as_slice() else {
        panic!("{answer}")
    };
    assert_eq!(anonymous["id"], first);
    assert_eq!(anonymous.get("userId"), None);
    assert_eq!(
        anonymous["subscriptions"],
        json!(["notifications", "heartbeat"])
    );
    assert_eq!(anonymous["connectedAt"], "2026-11-23T22:30:14.226Z");
    assert_eq!(anonymous["lastActivity"], "2026-11-23T22:30:14.226Z");
    assert_eq!(known["id"], second);
    assert_eq!(known["userId"], "test123");
    assert_eq!(
        known["subscriptions"],
        json!(["realtime-updates", "heartbeat"])
    );
    assert_eq!(known["connectedAt"], "2026-11-23T22:30:14.226Z");
    assert_eq!(known["lagBytes"], 0);
}

#[tokio::test]
async fn the_connections_are_listed_by_user_by_topic_and_page_by_page() {
    let server = start().await;
    let mut streams = Vec::new();
    let (ann, bob) = (demo("ann", "user"), demo("bob", "user"));
    for (path, token) in [
        ("/chat/room/r/stream", ann.as_str()),
        ("/chat/room/r/stream", &bob),
        ("/notifications/stream", &ann),
        ("/notifications/stream", ""),
    ] {
        streams.push(connect(&server, path, token).await);
    }
    let ids: Vec<_> = streams.iter().map(|(_, id)| id.as_str()).collect();
    let listed = async |query: &str| {
        let answer = connections(&server, query).await;
        assert_eq!(answer["stats"]["totalConnections"], 4);
        let connections = answer["connections"].as_array().unwrap().iter();
        connections
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, ids);
    assert_eq!(listed("?userId=ann").await, [ids[0], ids[2]]);
    assert_eq!(listed("?topic=chat/room/r").await, ids[..2]);
    assert_eq!(listed("?topic=chat%2Froom%2Fr&userId=bob").await, ids[1..2]);
    assert_eq!(listed("?topic=notifications/user/ann").await, ids[2..3]);
    assert_eq!(listed("?userId=nobody").await, Vec::<String>::new());
    let (mut query, mut paged) = ("?limit=3".to_owned(), Vec::new());
    loop {
        paged.extend(listed(&query).await);
        match connections(&server, &query).await["next"].as_str() {
            Some(next) => query = format!("?limit=3&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, ids);
    for (query, bad) in [
        ("?limit=0", "limit"),
        ("?limit=x", "limit"),
        ("?limit=-1", "limit"),
        ("?cursor=x", "cursor"),
        ("?topic=a//b", "topic"),
        ("?topic=*", "topic"),
        ("?userId=%00", "userId"),
    ] {
        let answer = server
            .call(
                "GET",
                &format!("/system/connections{query}"),
                ADMIN,
                Value::Null,
            )
            .await;
        answer.assert_invalid(&[bad]);
    }
}

#[tokio::test]
async fn a_clients_address_is_the_rightmost_that_is_no_trusted_proxy() {
    const NEAR: (&str, &str) = ("X-Forwarded-For", "198.51.100.7, 203.0.113.9, 10.0.0.2");
    const FAR: (&str, &str) = (
        "Forwarded",
        "for=198.51.100.8, for=\"[2001:db8::1]:80\", for=10.0.0.2",
    );
    let trusting = ("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8");
    for (settings, address) in [
        (&[][..], "127.0.0.1"),
        (&[("TRUSTED_PROXIES", "10.0.0.0/8")], "127.0.0.1"),
        (&[trusting], "203.0.113.9"),
        (&[trusting, ("TRUSTED_HEADER", "forwarded")], "2001:db8::1"),
    ] {
        let server = start_with(settings).await;
        let mut stream = server
            .stream_with("/notifications/stream", "", &[NEAR, FAR])
            .await;
        stream.expect("connected").await;
        assert_eq!(
            connections(&server, "").await["connections"][0]["address"],
            address,
            "{settings:?}"
        );
    }
}

#[tokio::test]
async fn only_an_admin_sees_and_ends_connections() {
    let server = start().await;
    let (_stream, id) = connect(&server, "/notifications/stream", "").await;
    for (method, path) in [
        ("GET", "/system/connections".to_owned()),
        ("POST", "/system/cleanup".to_owned()),
        ("POST", "/system/drain".to_owned()),
        ("DELETE", format!("/system/connections/{id}")),
        ("DELETE", "/system/connections/nonsense".to_owned()),
        ("DELETE", "/system/users/test123/connections".to_owned()),
    ] {
        server
            .call(method, &path, "", Value::Null)
            .await
            .assert_refused(401, "token_missing");
        server
            .call(method, &path, "bad", Value::Null)
            .await
            .assert_refused(401, "token_invalid");
        server
            .call(method, &path, &demo("bob", "user"), Value::Null)
            .await
            .assert_refused(403, "forbidden");
    }
    assert_eq!(stats(&server).await["totalConnections"], 1);
}

#[tokio::test]
async fn an_admin_ends_one_connection_and_its_token_stays_good() {
    let server = start().await;
    let ann = demo("ann", "user");
    let (mut ended, id) = connect(&server, "/notifications/stream", &ann).await;
    let (mut other, _) = connect(&server, "/notifications/stream", &ann).await;
    let answer = server
        .call(
            "DELETE",
            &format!("/system/connections/{id}"),
            ADMIN,
            Value::Null,
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["success"], true);
    let revoked = ended.expect("revoked").await;
    assert_eq!(names(&revoked.data), ["reason", "reconnect", "retry"]);
    assert_eq!(revoked.data["reconnect"], true);
    assert!(revoked.retry.is_some());
    assert_eq!(ended.end().await, End::Cut);
    server
        .post("/notifications/send", json!({"title": "T", "message": "M"}))
        .await;
    other.expect("notification").await;
    let (_again, _) = connect(&server, "/notifications/stream", &ann).await;
    until(async || {
        server
            .call(
                "DELETE",
                &format!("/system/connections/{id}"),
                ADMIN,
                Value::Null,
            )
            .await
            .status
            == 404
    })
    .await;
    for unknown in [
        id.as_str(),
        "conn_00000000000000000000000000000000",
        "nonsense",
        "%00",
    ] {
        let answer = server
            .call(
                "DELETE",
                &format!("/system/connections/{unknown}"),
                ADMIN,
                Value::Null,
            )
            .await;
        answer.assert_refused(404, "not_found");
    }
    server
        .call("DELETE", "/system/connections/%FF", ADMIN, Value::Null)
        .await
        .assert_invalid(&["id"]);
}

#[tokio::test]
async fn an_admin_ends_all_connections_of_a_user_and_of_nobody_else() {
    let server = start().await;
    let (odd, bob) = (demo("a/b é", "user"), demo("bob", "user"));
    let (mut one, _) = connect(&server, "/notifications/stream", &odd).await;
    let (mut two, _) = connect(&server, "/chat/stream", &odd).await;
    let (mut other, _) = connect(&server, "/notifications/stream", &bob).await;
    let answer = server
        .call(
            "DELETE",
            "/system/users/a%2Fb%20%C3%A9/connections",
            ADMIN,
            Value::Null,
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["success"], true);
    for stream in [&mut one, &mut two] {
        let revoked = stream.expect("revoked").await;
        assert_eq!(revoked.data["reconnect"], true);
        assert_eq!(stream.end().await, End::Cut);
    }
    server
        .post("/notifications/send", json!({"title": "T", "message": "M"}))
        .await;
    other.expect("notification").await;
    let nobody = server
        .call(
            "DELETE",
            "/system/users/nobody/connections",
            ADMIN,
            Value::Null,
        )
        .await;
    assert_eq!(nobody.status, 200);
    for bad in ["%00", "%0A", "%FF", &"x".repeat(129)] {
        let answer = server
            .call(
                "DELETE",
                &format!("/system/users/{bad}/connections"),
                ADMIN,
                Value::Null,
            )
            .await;
        answer.assert_invalid(&["userId"]);
    }
}

#[tokio::test]
async fn there_is_never_anything_to_clean_up() {
    let server = start().await;
    let (_stream, _) = connect(&server, "/notifications/stream", ADMIN).await;
    let answer = server.post("/system/cleanup", Value::Null).await.json();
    assert_eq!(
        names(&answer),
        ["success", "message", "statsBefore", "statsAfter"]
    );
    assert_eq!(answer["message"], "Cleaned up 0 inactive connections");
    assert_eq!(answer["statsBefore"], stats(&server).await);
    assert_eq!(answer["statsAfter"], stats(&server).await);
}

#[tokio::test]
async fn the_health_of_the_system_counts_its_connections() {
    let time = SetClock::at("2026-11-23T22:30:15.290Z");
    let server = start_at(&[], time.clock()).await;
    let (_stream, _) = connect(&server, "/notifications/stream", "").await;
    let answer = server.get("/system/health").await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(
        names(&json),
        ["status", "timestamp", "version", "uptime", "connections"]
    );
    assert_eq!(json["status"], "ok");
    assert_eq!(json["timestamp"], "2026-11-23T22:30:15.290Z");
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["connections"], 1);
    let uptime = json["uptime"].as_f64().unwrap();
    assert!((0.0..60.0).contains(&uptime), "{uptime} seconds");
}

#[tokio::test]
async fn a_get_with_a_body_is_answered_like_one_without() {
    let server = start().await;
    for path in [
        "/health",
        "/system/stats",
        "/events?topic=notifications",
        "/api",
        "/",
    ] {
        let answer = server
            .request("GET", path, &[("Content-Length", "4")], b"")
            .await;
        assert_eq!(answer.status, 200, "{path}: the body is not waited for");
        assert_eq!(
            server
                .request("GET", path, &[("Content-Type", "text/plain")], b"what")
                .await
                .status,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_health_names_the_environment() {
    let time = SetClock::at("2026-11-23T22:30:15.300Z");
    let server = start_at(&[], time.clock()).await;
    let json = server.get("/health").await.json();
    assert_eq!(
        names(&json),
        ["status", "timestamp", "uptime", "environment", "version"]
    );
    assert_eq!(json["status"], "ok");
    assert_eq!(json["timestamp"], "2026-11-23T22:30:15.300Z");
    assert_eq!(json["environment"], "development");
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert!(json["uptime"].is_f64());
}

#[tokio::test]
async fn while_it_drains_the_server_is_live_not_ready_and_accepts_publishes() {
    let mut server = start_with(&[("DRAIN_SECONDS", "10m")]).await;
    assert_eq!(server.get("/health/live").await.status, 200);
    assert_eq!(server.get("/health/ready").await.status, 200);
    let (mut one, _) = connect(&server, "/notifications/stream", "").await;
    let (mut two, _) = connect(&server, "/notifications/stream", "").await;
    server.begin_stop();
    // One of the streams is ended at once, the other one after half of the time.
    tokio::select! {
        event = one.expect("draining") => assert_eq!(event.data["reconnect"], true),
        event = two.expect("draining") => assert_eq!(event.data["reconnect"], true),
    }
    let ready = server.get("/health/ready").await;
    ready.assert_refused(503, "draining");
    assert!(
        ready
            .header("retry-after")
            .is_some_and(|seconds| seconds.parse::<u32>().is_ok())
    );
    assert_eq!(server.get("/health/live").await.status, 200);
    assert_eq!(server.get("/health").await.json()["status"], "degraded");
    assert_eq!(
        server.get("/system/health").await.json()["status"],
        "degraded"
    );
    server
        .post("/notifications/send", json!({"title": "T", "message": "M"}))
        .await;
    assert_eq!(server.only("notifications").await["data"]["title"], "T");
}
