//! Which origins are allowed, as a browser sees it in the answers.

use std::convert::Infallible;

use http::{HeaderMap, Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

use super::*;

fn options(origins: &[&str]) -> Options {
    Options {
        origins: origins.iter().map(|&text| text.to_owned()).collect(),
        credentials: true,
        ..Options::default()
    }
}

/// Returns the headers that the layer adds to the answer of a request by `method` from a page of
/// `origin`.
async fn answer(options: &Options, method: Method, origin: &str) -> HeaderMap {
    let inner = service_fn(|_| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let request = Request::builder().method(method).header(ORIGIN, origin);
    let request = request
        .header("access-control-request-method", "POST")
        .body(())
        .unwrap();
    let response = layer(options)
        .unwrap()
        .layer(inner)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.headers().clone()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap().to_owned())
}

/// Returns whether the origin is mirrored, and whether with credentials.
async fn allowed(options: &Options, origin: &str) -> (bool, bool) {
    let headers = answer(options, Method::GET, origin).await;
    let mirrored = text(&headers, "access-control-allow-origin");
    assert!(
        mirrored
            .as_deref()
            .is_none_or(|mirrored| mirrored == origin)
    );
    (
        mirrored.is_some(),
        headers.contains_key("access-control-allow-credentials"),
    )
}

#[tokio::test]
async fn in_production_only_listed_origins_are_allowed() {
    let options = options(&["https://app.example.com", "http://localhost:3000/"]);
    for origin in ["https://app.example.com", "http://localhost:3000"] {
        assert_eq!(allowed(&options, origin).await, (true, true), "{origin}");
    }
    for origin in [
        "https://evil.net",
        "http://localhost:3001",
        "http://127.0.0.1:3000",
        "null",
        "not an origin",
    ] {
        assert_eq!(allowed(&options, origin).await, (false, false), "{origin}");
    }
}

#[tokio::test]
async fn in_development_local_origins_are_allowed_with_credentials() {
    let mut options = options(&["https://app.example.com"]);
    options.development = true;
    options.credentials = false;
    for origin in [
        "http://localhost:5173",
        "http://192.168.0.7:8080",
        "http://[::1]",
        "http://mac.local",
    ] {
        assert_eq!(allowed(&options, origin).await, (true, true), "{origin}");
    }
    assert_eq!(
        allowed(&options, "https://app.example.com").await,
        (true, false)
    );
    for origin in ["https://evil.net", "http://localhost.evil.net", "null"] {
        assert_eq!(allowed(&options, origin).await, (false, false), "{origin}");
    }
}

#[tokio::test]
async fn a_star_in_a_name_stands_for_one_or_more_labels() {
    let options = options(&["https://*.example.com", "http://*.example.org:8080"]);
    for origin in [
        "https://a.example.com",
        "https://a.b.example.com",
        "http://a.example.org:8080",
    ] {
        assert!(allowed(&options, origin).await.0, "{origin}");
    }
    for origin in [
        "https://example.com",
        "https://evilexample.com",
        "http://a.example.com",
        "http://a.example.org",
    ] {
        assert!(!allowed(&options, origin).await.0, "{origin}");
    }
}

#[tokio::test]
async fn a_regular_expression_matches_the_whole_origin_or_not_at_all() {
    let options = options(&[
        r"/^https:\/\/app-\d+\.example\.com$/",
        "/https://a.net|https://b.net/",
    ]);
    for origin in [
        "https://app-17.example.com",
        "https://a.net",
        "https://b.net",
    ] {
        assert!(allowed(&options, origin).await.0, "{origin}");
    }
    for origin in [
        "https://app-17.example.com.evil.net",
        "https://a.net.evil.net",
        "https://b.net:8443",
        "null",
    ] {
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
async fn a_star_alone_allows_every_origin_without_credentials() {
    let mut options = options(&["*"]);
    assert!(matches!(layer(&options), Err(Error::AnyWithCredentials)));
    options.credentials = false;
    options.development = true;
    for origin in ["https://anybody.net", "http://localhost:3000", "null"] {
        let headers = answer(&options, Method::GET, origin).await;
        assert_eq!(
            text(&headers, "access-control-allow-origin").as_deref(),
            Some("*")
        );
        assert_eq!(text(&headers, "access-control-allow-credentials"), None);
    }
}

#[test]
fn a_rule_that_cannot_be_parsed_is_an_error_that_says_what_is_allowed() {
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
        assert!(
            matches!(&error, Error::Origin(text) if text == bad),
            "{bad}: {error}"
        );
        assert!(
            error.to_string().contains("https://*.example.com"),
            "{error}"
        );
    }
    for bad in ["/(/", "/a)|(?:b/"] {
        assert!(
            matches!(layer(&options(&[bad])), Err(Error::Pattern { pattern, .. }) if pattern == bad),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_preflight_allows_exactly_the_listed_headers_and_methods() {
    let headers = answer(
        &options(&["https://app.example.com"]),
        Method::OPTIONS,
        "https://app.example.com",
    )
    .await;
    assert_eq!(
        text(&headers, "access-control-allow-headers").as_deref(),
        Some(
            "authorization,content-type,accept,cache-control,last-event-id,x-requested-with,idempotency-key,x-request-id,\
             traceparent,tracestate,baggage"
        )
    );
    assert_eq!(
        text(&headers, "access-control-allow-methods").as_deref(),
        Some("GET,HEAD,POST,DELETE,OPTIONS")
    );
    assert_eq!(
        text(&headers, "access-control-max-age").as_deref(),
        Some("7200")
    );
    assert_eq!(text(&headers, "vary").as_deref(), Some("origin"));
}

#[tokio::test]
async fn answers_expose_five_headers_and_vary_by_origin_allowed_or_not() {
    let options = options(&["https://app.example.com"]);
    for origin in ["https://app.example.com", "https://evil.net"] {
        let headers = answer(&options, Method::GET, origin).await;
        assert_eq!(
            text(&headers, "vary").as_deref(),
            Some("origin"),
            "{origin}"
        );
        assert_eq!(
            text(&headers, "access-control-expose-headers").as_deref(),
            Some("x-request-id,retry-after,ratelimit,ratelimit-policy,idempotency-replayed")
        );
    }
}

#[tokio::test]
async fn configured_headers_are_allowed_too_each_once() {
    let mut options = options(&["https://app.example.com"]);
    options.headers = vec![
        HeaderName::from_static("sentry-trace"),
        HeaderName::from_static("baggage"),
    ];
    let headers = answer(&options, Method::OPTIONS, "https://app.example.com").await;
    let allowed = text(&headers, "access-control-allow-headers").unwrap();
    assert!(
        allowed.ends_with(",tracestate,baggage,sentry-trace"),
        "{allowed}"
    );
}

/// The headers that the server reads but that pages can't or need not set, each with the reason.
const NOT_FOR_PAGES: [(&str, &str); 13] = [
    ("accept-encoding", "set by the browser itself"),
    ("connection", "set by the browser itself"),
    (
        "content-encoding",
        "only `identity` is accepted, which needs no header",
    ),
    ("content-length", "set by the browser itself"),
    ("cookie", "set by the browser itself"),
    ("date", "read in answers, not in requests"),
    ("host", "set by the browser itself"),
    ("if-none-match", "set by the cache of the browser"),
    ("origin", "set by the browser itself"),
    ("sec-fetch-site", "set by the browser itself"),
    ("transfer-encoding", "set by the browser itself"),
    ("upgrade", "set by the browser itself"),
    ("x-forwarded-for", "set by proxies"),
];

/// Returns the names of the headers that the code of a file reads from a `HeaderMap`.
fn read_headers(code: &str) -> Vec<String> {
    let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let reads = Regex::new(
        r#"headers\(?\)?\s*\.(?:get|get_all|contains_key)\(\s*(?:"([^"]+)"|([A-Z_]+))\s*\)"#,
    )
    .unwrap();
    let names = reads
        .captures_iter(code)
        .map(|found| match (found.get(1), found.get(2)) {
            (Some(text), _) => text.as_str().to_owned(),
            (None, name) => {
                let name = name.unwrap().as_str();
                let constant = Regex::new(&format!(
                    r#"const {name}: HeaderName = HeaderName::from_static\("([^"]+)"\)"#
                ));
                let constant = constant
                    .unwrap()
                    .captures(code)
                    .map(|found| found[1].to_owned());
                // a constant of the crate `http`
                constant.unwrap_or_else(|| name.to_ascii_lowercase().replace('_', "-"))
            }
        });
    names.collect()
}

#[test]
fn a_page_may_send_every_header_that_the_server_reads() {
    let sources = |folder| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![
        sources("src"),
        sources("../server/src"),
        sources("../net/src"),
    ];
    let mut read = std::collections::BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            match name {
                "tests.rs" => {}
                _ if path.is_dir() => folders.push(path),
                _ => read.extend(read_headers(&std::fs::read_to_string(&path).unwrap())),
            }
        }
    }
    for known in [
        "authorization",
        "accept",
        "last-event-id",
        "idempotency-key",
        "x-request-id",
        "content-type",
        "cookie",
    ] {
        assert!(
            read.contains(known),
            "the pattern no longer matches how the code reads headers: {known} is missing in \
             {read:?}"
        );
    }
    for name in read {
        let allowed = ALLOWED_HEADERS
            .iter()
            .any(|allowed| *allowed == name.as_str());
        let exempt = NOT_FOR_PAGES.iter().any(|(exempt, _)| *exempt == name);
        assert!(
            allowed || exempt,
            "{name} is read, but a page can't send it: add it to ALLOWED_HEADERS, or say why not"
        );
    }
}
