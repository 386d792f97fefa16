//! The page at `/` with its files, `GET /api` and `GET /openapi.json`, which describe the calls to
//! people and to programs.

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
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let api = answer.json();
    assert_eq!(
        names(&api),
        [
            "name",
            "version",
            "description",
            "endpoints",
            "authentication",
            "currentStats",
            "timestamp"
        ]
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
            "entityCreate": "POST /realtime/entity/:entity/create", "entityUpdate": "POST \
                /realtime/entity/:entity/update",
            "entityDelete": "POST /realtime/entity/:entity/delete"},
        "chat": {"stream": "GET /chat/stream", "roomStream": "GET /chat/room/:roomId/stream",
            "sendMessage": "POST /chat/message", "joinRoom": "POST /chat/room/:roomId/join",
            "leaveRoom": "POST /chat/room/:roomId/leave"},
        "system": {"statusStream": "GET /system/status/stream", "updateStatus": "POST \
            /system/status/update",
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
            let filled = path
                .replace(":entity", "e")
                .replace(":roomId", "r")
                .replace(":userId", "u");
            // No path has this method, so the answer lists the methods that the path has.
            let answer = server.request("BREW", &filled, &[], b"").await;
            answer.assert_refused(405, "method_not_allowed");
            let allowed = answer.header("allow").unwrap();
            assert!(
                allowed.split(',').any(|one| one.trim() == method),
                "{path}: {allowed}"
            );
        }
    }
}

#[tokio::test]
async fn the_test_token_is_shown_only_while_demo_tokens_are_on() {
    let server = start().await;
    let authentication = server.get("/api").await.json()["authentication"].clone();
    assert_eq!(
        names(&authentication),
        ["description", "example", "tokenFormat", "testToken"]
    );
    assert_eq!(
        authentication["example"],
        "Authorization: Bearer <base64-encoded-token>"
    );
    assert_eq!(
        authentication["tokenFormat"],
        "base64(userId:username:email:roles)"
    );
    assert_eq!(authentication["testToken"], ADMIN);
    assert!(
        !server.get("/").await.text().contains(ADMIN),
        "the page asks for it"
    );

    for settings in [
        &[("AUTH_DEMO", "false")][..],
        &[("AUTH_DEMO", "false"), ("JWT_SECRET", STRONG)],
        &[
            ("APP_ENV", "production"),
            ("JWT_SECRET", STRONG),
            ("HOST", "127.0.0.1"),
        ],
    ] {
        let server = start_with(settings).await;
        let authentication = server.get("/api").await.json()["authentication"].clone();
        assert_eq!(
            names(&authentication),
            ["description", "example", "tokenFormat"]
        );
        for path in ["/", "/api"] {
            let text = server.get(path).await.text();
            assert!(
                !text.contains(ADMIN) && !text.contains("base64(") && !text.contains(STRONG),
                "{path}: {text}"
            );
        }
    }
}

/// The files that the page names.
fn files(page: &str) -> Vec<&str> {
    let named = page.split('"').filter(|text| text.contains("/assets/"));
    named.collect()
}

#[tokio::test]
async fn the_page_is_html_without_anything_inline_or_from_elsewhere() {
    let server = start().await;
    for path in ["/", "/?utm_source=x"] {
        let page = server.get(path).await;
        assert_eq!(page.status, 200);
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = page.text();
        assert!(text.to_ascii_lowercase().starts_with("<!doctype html>"));
        assert!(
            !text.contains("<style") && !text.contains("style=") && !text.contains("://"),
            "{text}"
        );
        assert_eq!(files(&text).len(), 3, "{text}");
    }
    let head = server.request("HEAD", "/", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn the_files_of_the_page_may_be_cached_for_ever_but_not_the_page() {
    let server = start().await;
    let page = server.get("/").await;
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let text = page.text();
    for file in files(&text) {
        let path = file.strip_prefix('.').unwrap();
        let plain = server.get(path).await;
        assert_eq!(plain.status, 200, "{path}");
        assert_eq!(
            plain.header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
        assert_eq!(plain.header("vary"), Some("accept-encoding"));
        let gzip = server
            .request("GET", path, &[("Accept-Encoding", "br, gzip")], b"")
            .await;
        assert_eq!(gzip.header("content-encoding"), Some("gzip"));
        assert_eq!(&gzip.body[..2], b"\x1f\x8b");
        assert_eq!(gzip.header("content-type"), plain.header("content-type"));
        assert_ne!(gzip.header("etag"), plain.header("etag"));
    }
    for (path, accepted) in [("/", "gzip"), ("/", "identity"), ("/openapi.json", "gzip")] {
        let first = server
            .request("GET", path, &[("Accept-Encoding", accepted)], b"")
            .await;
        let tag = first.header("etag").unwrap().to_owned();
        let headers = [
            ("Accept-Encoding", accepted),
            ("If-None-Match", tag.as_str()),
        ];
        let again = server.request("GET", path, &headers, b"").await;
        assert_eq!(
            (again.status, again.body.len(), again.header("etag")),
            (304, 0, Some(tag.as_str())),
            "{path}"
        );
    }
    server
        .get("/assets/app-000000000000.js")
        .await
        .assert_refused(404, "not_found");
}

#[tokio::test]
async fn the_page_and_its_files_are_at_most_150_kib_compressed() {
    let server = start().await;
    let mut size = 0;
    let page = server.get("/").await.text();
    for path in files(&page)
        .into_iter()
        .map(|file| file.strip_prefix('.').unwrap())
        .chain(["/", "/openapi.json"])
    {
        size += server
            .request("GET", path, &[("Accept-Encoding", "gzip")], b"")
            .await
            .body
            .len();
    }
    assert!((1..=150 << 10).contains(&size), "{size} bytes");
}

#[tokio::test]
async fn the_page_names_its_files_below_the_base_path() {
    let server = start_with(&[("BASE_PATH", "/live")]).await;
    let page = server.get("/live").await.text();
    let files = files(&page);
    assert_eq!(files.len(), 3);
    for file in files {
        assert!(file.starts_with("/live/assets/"), "{file}");
        assert_eq!(server.get(file).await.status, 200, "{file}");
    }
    assert_eq!(
        server.call("GET", "/live/", "", Value::Null).await.text(),
        page
    );
    assert_eq!(
        server.get("/live/openapi.json").await.json()["servers"][0]["url"],
        "/live"
    );
}
