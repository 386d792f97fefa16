//! Answers with fixed content. They have an `ETag`, are compressed once, and have no body for a
//! client that has the content already.
//!
//! Owns `ETag`, `If-None-Match` and `Accept-Encoding` (RFC 9110, sections 8.8.3, 13.1.2 and 12.5.3)
//! for these answers. Must never be used for content that includes secrets, because the length of
//! compressed content reveals something about it.

use std::io::Write as _;
use std::sync::OnceLock;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName,
    IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::header_list;

/// Fixed content, with its fingerprint.
pub struct Content {
    bytes: Bytes,
    fingerprint: String,
    /// Compressed when a client accepts it for the first time.
    gzipped: OnceLock<Bytes>,
}

impl Content {
    /// Creates content from its bytes.
    pub fn new(bytes: Bytes) -> Self {
        let hash = digest::digest(&digest::SHA256, &bytes);
        let head = hash
            .as_ref()
            .iter()
            .take(6)
            .fold(0, |head: u64, byte| head << 8 | u64::from(*byte));
        let fingerprint = format!("{head:012x}");
        Self {
            bytes,
            fingerprint,
            gzipped: OnceLock::new(),
        }
    }

    /// Twelve characters that identify the content: the first 48 bits of its SHA-256, in
    /// hexadecimal digits.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn gzipped(&self) -> &Bytes {
        self.gzipped.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            // Writing into memory never fails. If it did, the plain content would be a better
            // answer than an empty body.
            let _ = encoder.write_all(&self.bytes);
            encoder.finish().map_or_else(|_| Bytes::new(), Bytes::from)
        })
    }
}

/// The answer with `content`, in the form that the request's `headers` accept.
pub fn answer(
    headers: &HeaderMap,
    media_type: &'static str,
    cache_control: &'static str,
    content: &Content,
) -> Response {
    let gzip = accepts_gzip(headers);
    // Each form has a tag of its own, because a strong tag identifies the bytes that are sent.
    let tag = format!(
        "\"{}{}\"",
        content.fingerprint,
        if gzip { "-gzip" } else { "" }
    );
    let is_cached = client_has(headers, &tag);
    let body = match (is_cached, gzip) {
        (true, _) => Bytes::new(),
        (false, true) => content.gzipped().clone(),
        (false, false) => content.bytes.clone(),
    };
    let mut response = Response::new(Body::from(body));
    let fields = response.headers_mut();
    let mut put = |name: HeaderName, value: &'static str| {
        fields.insert(name, HeaderValue::from_static(value))
    };
    put(CACHE_CONTROL, cache_control);
    put(VARY, "accept-encoding");
    if !is_cached {
        put(CONTENT_TYPE, media_type);
        if gzip {
            put(CONTENT_ENCODING, "gzip");
        }
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        fields.insert(ETAG, tag);
    }
    if is_cached {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response
}

/// Whether `headers` say that the client has the content with this `tag`. A weak tag counts too,
/// because `If-None-Match` uses the weak comparison.
fn client_has(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter();
    lines
        .flat_map(|line| header_list::from_right(line.as_bytes(), b','))
        .any(|one| {
            let one = one.strip_prefix(b"W/").unwrap_or(one);
            one == tag.as_bytes() || one == b"*"
        })
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter();
    lines
        .flat_map(|line| header_list::from_right(line.as_bytes(), b','))
        .any(|element| {
            let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let named = parts
                .next()
                .is_some_and(|coding| coding.eq_ignore_ascii_case(b"gzip"));
            let refused = parts.any(|weight| {
                weight.starts_with(b"q=0") && weight[3..].iter().all(|byte| b"0.".contains(byte))
            });
            named && !refused
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_sent_to_clients_that_accept_it_by_name() {
        for good in ["gzip", "br, GZIP;q=0.5", "deflate , gzip;q=1.0"] {
            assert!(accepts_gzip(&with(ACCEPT_ENCODING, good)), "{good}");
        }
        for bad in ["", "br", "gzip;q=0", "gzip; q=0.000", "x-gzip2"] {
            assert!(!accepts_gzip(&with(ACCEPT_ENCODING, bad)), "{bad}");
        }
    }

    #[test]
    fn content_that_the_client_has_is_not_sent_again() {
        let content = Content::new(Bytes::from_static(b"hello"));
        let first = answer(&HeaderMap::new(), "text/plain", "no-cache", &content);
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        assert_eq!((first.status(), tag.len()), (StatusCode::OK, 14));
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".to_owned(),
        ] {
            let headers =
                HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::try_from(known).unwrap())]);
            assert_eq!(
                answer(&headers, "text/plain", "no-cache", &content).status(),
                StatusCode::NOT_MODIFIED
            );
        }
        let other = with(IF_NONE_MATCH, "\"other\"");
        assert_eq!(
            answer(&other, "text/plain", "no-cache", &content).status(),
            StatusCode::OK
        );
        let gzip = with(ACCEPT_ENCODING, "gzip");
        assert_ne!(
            answer(&gzip, "text/plain", "no-cache", &content).headers()[ETAG],
            tag.as_str()
        );
    }
}
