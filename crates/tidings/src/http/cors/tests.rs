//! Who may call from where, as a browser sees it in the answers.

use std::convert::Infallible;

use http::{HeaderMap, Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

use super::*;

fn options(origins: &[&str]) -> Options {
    Options { origins: origins.iter().map(|&text| text.to_owned()).collect(), credentials: true, development: false }
}

/// What the layer adds to the answer of a request by `method` from a page of `origin`.
async fn answer(options: &Options, method: Method, origin: &str) -> HeaderMap {
    let inner = service_fn(|_| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let request = Request::builder().method(method).header(ORIGIN, origin);
    let request = request.header("access-control-request-method", "POST").body(()).unwrap();
    let response = layer(options).unwrap().layer(inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.headers().clone()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| value.to_str().unwrap().to_owned())
}

/// Whether the origin is mirrored, and whether with credentials.
async fn allowed(options: &Options, origin: &str) -> (bool, bool) {
    let headers = answer(options, Method::GET, origin).await;
    let mirrored = text(&headers, "access-control-allow-origin");
    assert!(mirrored.as_deref().is_none_or(|mirrored| mirrored == origin));
    (mirrored.is_some(), headers.contains_key("access-control-allow-credentials"))
}

#[tokio::test]
async fn in_production_only_listed_origins_are_allowed() {
    let options = options(&["https://app.example.com", "http://localhost:3000/"]);
    for origin in ["https://app.example.com", "http://localhost:3000"] {
        assert_eq!(allowed(&options, origin).await, (true, true), "{origin}");
    }
    for origin in ["https://evil.net", "http://localhost:3001", "http://127.0.0.1:3000", "null", "not an origin"] {
        assert_eq!(allowed(&options, origin).await, (false, false), "{origin}");
    }
}

#[tokio::test]
async fn in_development_nearby_origins_are_allowed_with_credentials() {
    let mut options = options(&["https://app.example.com"]);
    options.development = true;
    options.credentials = false;
    for origin in ["http://localhost:5173", "http://192.168.0.7:8080", "http://[::1]", "http://mac.local"] {
        assert_eq!(allowed(&options, origin).await, (true, true), "{origin}");
    }
    assert_eq!(allowed(&options, "https://app.example.com").await, (true, false));
    for origin in ["https://evil.net", "http://localhost.evil.net", "null"] {
        assert_eq!(allowed(&options, origin).await, (false, false), "{origin}");
    }
}

#[tokio::test]
async fn a_star_stands_for_one_or_more_labels() {
    let options = options(&["https://*.example.com", "http://*.example.org:8080"]);
    for origin in ["https://a.example.com", "https://a.b.example.com", "http://a.example.org:8080"] {
        assert!(allowed(&options, origin).await.0, "{origin}");
    }
    for origin in ["https://example.com", "https://evilexample.com", "http://a.example.com", "http://a.example.org"] {
        assert!(!allowed(&options, origin).await.0, "{origin}");
    }
}

#[tokio::test]
async fn a_regular_expression_matches_the_whole_origin_or_not_at_all() {
    let options = options(&[r"/^https:\/\/app-\d+\.example\.com$/", "/https://a.net|https://b.net/"]);
    for origin in ["https://app-17.example.com", "https://a.net", "https://b.net"] {
        assert!(allowed(&options, origin).await.0, "{origin}");
    }
    for origin in ["https://app-17.example.com.evil.net", "https://a.net.evil.net", "https://b.net:8443", "null"] {
        assert!(!allowed(&options, origin).await.0, "{origin}");
    }
    assert!(!allowed(&self::options(&["/.*/"]), "null").await.0);
}

#[tokio::test]
async fn null_is_allowed_only_where_it_is_listed() {
    assert!(allowed(&options(&["null"]), "null").await.0);
    assert!(!allowed(&options(&["null"]), "https://evil.net").await.0);
}

#[tokio::test]
async fn a_star_alone_allows_everybody_without_credentials() {
    let mut options = options(&["*"]);
    assert!(matches!(layer(&options), Err(Error::AnyWithCredentials)));
    options.credentials = false;
    options.development = true;
    for origin in ["https://anybody.net", "http://localhost:3000", "null"] {
        let headers = answer(&options, Method::GET, origin).await;
        assert_eq!(text(&headers, "access-control-allow-origin").as_deref(), Some("*"));
        assert_eq!(text(&headers, "access-control-allow-credentials"), None);
    }
}

#[test]
fn a_rule_that_cannot_be_read_stops_the_start_and_says_what_is_allowed() {
    for bad in [
        "",
        "example.com",
        "https://*",
        "https://a*.example.com",
        "https://*.*.example.com",
        "https://*.10.0.0.1",
        "https://example.com/path",
        "/unfinished",
        "//",
        "/^a$/i",
        "https://*.",
    ] {
        let error = layer(&options(&[bad])).unwrap_err();
        assert!(matches!(&error, Error::Origin(text) if text == bad), "{bad}: {error}");
        assert!(error.to_string().contains("https://*.example.com"), "{error}");
    }
    for bad in ["/(/", "/a)|(?:b/"] {
        assert!(matches!(layer(&options(&[bad])), Err(Error::Pattern { pattern, .. }) if pattern == bad), "{bad}");
    }
}

#[tokio::test]
async fn a_preflight_allows_exactly_the_listed_headers_and_methods() {
    let headers = answer(&options(&["https://app.example.com"]), Method::OPTIONS, "https://app.example.com").await;
    assert_eq!(
        text(&headers, "access-control-allow-headers").as_deref(),
        Some(
            "authorization,content-type,accept,cache-control,last-event-id,x-requested-with,idempotency-key,x-request-id"
        )
    );
    assert_eq!(text(&headers, "access-control-allow-methods").as_deref(), Some("GET,HEAD,POST,DELETE,OPTIONS"));
    assert_eq!(text(&headers, "access-control-max-age").as_deref(), Some("7200"));
    assert_eq!(text(&headers, "vary").as_deref(), Some("origin"));
}

#[tokio::test]
async fn answers_expose_three_headers_and_vary_by_origin_allowed_or_not() {
    let options = options(&["https://app.example.com"]);
    for origin in ["https://app.example.com", "https://evil.net"] {
        let headers = answer(&options, Method::GET, origin).await;
        assert_eq!(text(&headers, "vary").as_deref(), Some("origin"), "{origin}");
        assert_eq!(
            text(&headers, "access-control-expose-headers").as_deref(),
            Some("x-request-id,retry-after,idempotency-replayed")
        );
    }
}
