//! `GET /` and `GET /api`: what there is, for people and for programs.

use serde_json::{Value, json};

use crate::support::checks::{SetClock, names};
use crate::support::{ADMIN, start, start_at, start_with};

const STRONG: &str = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";

#[tokio::test]
async fn the_api_lists_every_endpoint_under_the_names_that_clients_know() {
    let time = SetClock::at("2026-11-23T22:30:15.300Z");
    let server = start_at(&[], time.clock()).await;
    let mut stream = server.stream("/notifications/stream", ADMIN).await;
    stream.expect("connected").await;
    let answer = server.get("/api").await;
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    let api = answer.json();
    assert_eq!(
        names(&api),
        ["name", "version", "description", "endpoints", "authentication", "currentStats", "timestamp"]
    );
    assert_eq!(api["name"], "Tidings");
    assert_eq!(api["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(api["timestamp"], "2026-11-23T22:30:15.300Z");
    assert_eq!(api["currentStats"], server.stats().await);
    assert_eq!(api["currentStats"]["totalConnections"], 1);
    let known = json!({
        "notifications": {"stream": "GET /notifications/stream", "send": "POST /notifications/send",
            "broadcast": "POST /notifications/broadcast"},
        "realtime": {"stream": "GET /realtime/stream", "update": "POST /realtime/update",
            "entityCreate": "POST /realtime/entity/:entity/create", "entityUpdate": "POST /realtime/entity/:entity/update",
            "entityDelete": "POST /realtime/entity/:entity/delete"},
        "chat": {"stream": "GET /chat/stream", "roomStream": "GET /chat/room/:roomId/stream",
            "sendMessage": "POST /chat/message", "joinRoom": "POST /chat/room/:roomId/join",
            "leaveRoom": "POST /chat/room/:roomId/leave"},
        "system": {"statusStream": "GET /system/status/stream", "updateStatus": "POST /system/status/update",
            "connections": "GET /system/connections", "stats": "GET /system/stats", "cleanup": "POST /system/cleanup",
            "health": "GET /system/health", "heartbeat": "GET /system/heartbeat"},
    });
    for (group, calls) in known.as_object().unwrap() {
        for (name, call) in calls.as_object().unwrap() {
            assert_eq!(&api["endpoints"][group][name], call, "{group}.{name}");
        }
    }
}

#[tokio::test]
async fn every_endpoint_that_the_api_lists_is_there() {
    let server = start().await;
    let api = server.get("/api").await.json();
    for calls in api["endpoints"].as_object().unwrap().values() {
        for call in calls.as_object().unwrap().values() {
            let (method, path) = call.as_str().unwrap().split_once(' ').unwrap();
            let filled = path.replace(":entity", "e").replace(":roomId", "r").replace(":userId", "u");
            // A method that no path has: the answer names those that this one has.
            let answer = server.request("BREW", &filled, &[], b"").await;
            answer.assert_refused(405, "method_not_allowed");
            let allowed = answer.header("allow").unwrap();
            assert!(allowed.split(',').any(|one| one.trim() == method), "{path}: {allowed}");
        }
    }
}

#[tokio::test]
async fn the_test_token_is_shown_only_while_demo_tokens_are_on() {
    let server = start().await;
    let authentication = server.get("/api").await.json()["authentication"].clone();
    assert_eq!(names(&authentication), ["description", "example", "tokenFormat", "testToken"]);
    assert_eq!(authentication["example"], "Authorization: Bearer <base64-encoded-token>");
    assert_eq!(authentication["tokenFormat"], "base64(userId:username:email:roles)");
    assert_eq!(authentication["testToken"], ADMIN);
    assert!(server.get("/").await.text().contains(ADMIN));

    for settings in [
        &[("AUTH_DEMO", "false")][..],
        &[("AUTH_DEMO", "false"), ("JWT_SECRET", STRONG)],
        &[("APP_ENV", "production"), ("JWT_SECRET", STRONG), ("HOST", "127.0.0.1")],
    ] {
        let server = start_with(settings).await;
        let authentication = server.get("/api").await.json()["authentication"].clone();
        assert_eq!(names(&authentication), ["description", "example", "tokenFormat"]);
        for path in ["/", "/api"] {
            let text = server.get(path).await.text();
            assert!(!text.contains(ADMIN) && !text.contains("base64(") && !text.contains(STRONG), "{path}: {text}");
        }
    }
}

#[tokio::test]
async fn the_page_is_html_without_anything_from_elsewhere() {
    let server = start().await;
    for path in ["/", "/?utm_source=x"] {
        let page = server.get(path).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        assert!(page.text().to_ascii_lowercase().starts_with("<!doctype html>"));
        assert!(page.text().contains("/notifications/stream"));
    }
    let head = server.request("HEAD", "/", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn the_page_links_below_the_base_path() {
    let server = start_with(&[("BASE_PATH", "/live")]).await;
    let page = server.get("/live").await.text();
    assert!(page.contains("href=\"/live/health\""), "{page}");
    assert!(!page.contains("href=\"/health\""), "{page}");
    assert_eq!(server.call("GET", "/live/", "", Value::Null).await.text(), page);
}
