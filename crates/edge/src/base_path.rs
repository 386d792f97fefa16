//! `BASE_PATH`: a prefix that is removed from every path, for proxies that forward `/api/…` without
//! removing it.

use axum::extract::Request;
use http::Uri;
use http::uri::PathAndQuery;

/// Removes `base` from the beginning of the path. A path without it is not changed, so that probes
/// may request `/health` directly.
pub fn strip(base: &str, mut request: Request) -> Request {
    let uri = request.uri();
    let rest = uri
        .path_and_query()
        .and_then(|path| path.as_str().strip_prefix(base));
    let stripped = match rest {
        Some("") => Some("/".to_owned()),
        Some(rest) if rest.starts_with('/') => Some(rest.to_owned()),
        Some(rest) if rest.starts_with('?') => Some(format!("/{rest}")),
        _ => None,
    };
    if let Some(path) = stripped.and_then(|path| path.parse::<PathAndQuery>().ok()) {
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// The part of `path` behind `base`. It is empty for `base` itself, and `None` if the path is not
/// below `base`.
pub fn below<'a>(base: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(base)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn stripped(uri: &str) -> String {
        let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        strip("/api", request).uri().to_string()
    }

    #[test]
    fn only_whole_segments_at_the_beginning_are_removed() {
        assert_eq!(stripped("/api/health?x=1"), "/health?x=1");
        assert_eq!(stripped("/api"), "/");
        assert_eq!(stripped("/api?x=1"), "/?x=1");
        assert_eq!(stripped("/api/api"), "/api");
        assert_eq!(stripped("/apis"), "/apis");
        assert_eq!(stripped("/health"), "/health");
    }
}
