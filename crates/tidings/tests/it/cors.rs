//! `CORS_ORIGIN` and `CORS_CREDENTIALS`: which pages of other origins may call, and what they may
//! send and read.

use crate::support::{ADMIN, Answer, TestServer, config, start, start_with};

async fn get(server: &TestServer, path: &str, origin: &str) -> Answer {
    server
        .request("GET", path, &[("Origin", origin)], b"")
        .await
}

async fn preflight(
    server: &TestServer,
    path: &str,
    origin: &str,
    method: &str,
    headers: &str,
) -> Answer {
    let asked = [
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", headers),
    ];
    server.request("OPTIONS", path, &asked, b"").await
}

/// The elements of a list in a header, in lower case, sorted, and without spaces.
fn list(answer: &Answer, header: &str) -> Vec<String> {
    let listed = answer.header(header).unwrap_or_default().split(',');
    let mut listed: Vec<_> = listed.map(|one| one.trim().to_ascii_lowercase()).collect();
    listed.sort_unstable();
    listed
}

#[track_caller]
fn assert_allowed(answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true"),
        "{origin}"
    );
}

#[track_caller]
fn assert_stranger(answer: &Answer, origin: &str) {
    assert_eq!(
        answer.header("access-control-allow-origin"),
        None,
        "{origin}"
    );
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        None,
        "{origin}"
    );
}

#[tokio::test]
async fn in_development_origins_nearby_are_mirrored_with_credentials() {
    let server = start().await;
    for origin in [
        "http://localhost:5173",
        "https://localhost",
        "http://127.0.0.1:8080",
        "http://[::1]:3000",
        "http://192.168.1.20:4200",
        "http://10.1.2.3",
        "http://172.16.0.9:81",
        "http://[fd00::1]",
        "http://laptop.local:8080",
    ] {
        assert_allowed(&get(&server, "/health", origin).await, origin);
    }
    for origin in [
        "https://example.com",
        "http://8.8.8.8",
        "http://172.32.0.1",
        "https://localhost.evil.example",
        "https://evil.local.example",
        "http://local",
        "null",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
    ] {
        assert_stranger(&get(&server, "/health", origin).await, origin);
    }
}

#[tokio::test]
async fn in_production_only_what_is_listed_may_call() {
    let secret = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";
    let listed =
        r"https://app.example.com,https://*.example.org,/^https:\/\/app-\d{1,3}\.example\.net$/";
    let server = start_with(&[
        ("APP_ENV", "production"),
        ("JWT_SECRET", secret),
        ("CORS_ORIGIN", listed),
    ])
    .await;
    for origin in [
        "https://app.example.com",
        "https://a.example.org",
        "https://a.b.example.org",
        "https://app-7.example.net",
    ] {
        assert_allowed(&get(&server, "/health", origin).await, origin);
    }
    for origin in [
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://evilexample.org",
        "https://example.org",
        "https://app-1234.example.net",
        "https://app-7.example.net.evil.example",
        "https://app-7xexample.net",
        "http://localhost:5173",
        "http://127.0.0.1",
        "null",
        "",
    ] {
        assert_stranger(&get(&server, "/health", origin).await, origin);
    }
}

#[tokio::test]
async fn a_preflight_allows_what_clients_of_streams_send() {
    let server = start().await;
    let origin = "http://localhost:5173";
    let answer = preflight(
        &server,
        "/notifications/stream",
        origin,
        "GET",
        "last-event-id,authorization",
    )
    .await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.is_empty());
    assert_allowed(&answer, origin);
    let allowed = [
        "accept",
        "authorization",
        "baggage",
        "cache-control",
        "content-type",
        "idempotency-key",
        "last-event-id",
        "traceparent",
        "tracestate",
        "x-request-id",
        "x-requested-with",
    ];
    assert_eq!(list(&answer, "access-control-allow-headers"), allowed);
    let methods = list(&answer, "access-control-allow-methods");
    for method in ["get", "post", "delete"] {
        assert!(methods.iter().any(|one| one == method), "{methods:?}");
    }
    for path in [
        "/notifications/send",
        "/system/connections/x",
        "/chat/room/r/stream",
    ] {
        assert_allowed(
            &preflight(&server, path, origin, "POST", "content-type").await,
            origin,
        );
    }
}

#[tokio::test]
async fn cors_headers_allows_more_headers_and_accepts_only_names() {
    let server = start_with(&[(
        "CORS_HEADERS",
        "sentry-trace, X-Datadog-Trace-Id,traceparent",
    )])
    .await;
    for path in ["/notifications/stream", "/realtime/update", "/nope"] {
        let answer = preflight(
            &server,
            path,
            "http://localhost:5173",
            "GET",
            "sentry-trace",
        )
        .await;
        let allowed = list(&answer, "access-control-allow-headers");
        for header in [
            "sentry-trace",
            "x-datadog-trace-id",
            "traceparent",
            "last-event-id",
        ] {
            assert_eq!(
                allowed.iter().filter(|one| *one == header).count(),
                1,
                "{path} {header}: {allowed:?}"
            );
        }
    }
    for bad in ["*", "x-datadog-*", "two words", "a:b", "é", "x\ny"] {
        let refused = config(&[("CORS_HEADERS", bad)]).unwrap_err().to_string();
        assert!(
            refused.contains("CORS_HEADERS") && refused.contains("sentry-trace"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_strangers_preflight_is_answered_without_permission() {
    let server = start().await;
    let origin = "https://example.com";
    assert_stranger(
        &preflight(
            &server,
            "/notifications/send",
            origin,
            "POST",
            "content-type",
        )
        .await,
        origin,
    );
}

#[tokio::test]
async fn a_page_may_read_the_request_id_and_when_to_come_back() {
    let server = start().await;
    let answer = get(&server, "/health", "http://localhost:5173").await;
    let exposed = list(&answer, "access-control-expose-headers");
    for header in [
        "x-request-id",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "idempotency-replayed",
    ] {
        assert!(exposed.iter().any(|one| one == header), "{exposed:?}");
    }
}

#[tokio::test]
async fn every_answer_tells_caches_that_it_depends_on_the_origin() {
    let server = start().await;
    for path in ["/health", "/nope", "/system/connections"] {
        for headers in [
            &[][..],
            &[("Origin", "http://localhost")],
            &[("Origin", "https://example.com")],
        ] {
            let answer = server.request("GET", path, headers, b"").await;
            assert!(
                list(&answer, "vary").iter().any(|one| one == "origin"),
                "{path} {headers:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_may_read_why_it_was_refused_and_what_a_stream_says() {
    let server = start().await;
    let origin = "http://localhost:5173";
    for (method, path, status) in [
        ("GET", "/nope", 404),
        ("PUT", "/health", 405),
        ("GET", "/system/connections", 401),
        ("GET", "/events", 400),
        ("POST", "/realtime/entity/%FF/create", 401),
    ] {
        let answer = server
            .request(method, path, &[("Origin", origin)], b"")
            .await;
        assert_eq!(answer.status, status);
        assert_allowed(&answer, origin);
    }
    let stream = server
        .stream_with("/notifications/stream", ADMIN, &[("Origin", origin)])
        .await;
    assert_eq!(stream.header("access-control-allow-origin"), Some(origin));
    assert_eq!(
        stream.header("access-control-allow-credentials"),
        Some("true")
    );
}

#[tokio::test]
async fn without_credentials_an_origin_is_allowed_and_they_are_not() {
    let settings = [
        ("CORS_ORIGIN", "https://app.example.com"),
        ("CORS_CREDENTIALS", "false"),
    ];
    let server = start_with(&settings).await;
    let answer = get(&server, "/health", "https://app.example.com").await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let everybody = start_with(&[("CORS_ORIGIN", "*"), ("CORS_CREDENTIALS", "false")]).await;
    let answer = get(&everybody, "/health", "https://example.com").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[test]
fn everybody_with_credentials_is_refused_at_start() {
    for settings in [
        &[("CORS_ORIGIN", "*")][..],
        &[
            ("CORS_ORIGIN", "https://a.example,*"),
            ("CORS_CREDENTIALS", "true"),
        ],
    ] {
        let refused = config(settings).unwrap_err().to_string();
        assert!(
            refused.contains("CORS_ORIGIN=*") && refused.contains("CORS_CREDENTIALS"),
            "{refused}"
        );
    }
    for bad in [
        "example.com",
        "https://",
        "https://a.example/path",
        "/[/",
        "https://*",
    ] {
        assert!(config(&[("CORS_ORIGIN", bad)]).is_err(), "{bad}");
    }
}
