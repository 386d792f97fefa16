//! Which web pages of other origins may call (Fetch standard, section 3.3).
//!
//! Owns the rules for origins and the fixed lists of headers and methods; the protocol itself is tower-http's. Must never
//! mirror an origin with credentials that nobody listed, development's own network apart.

mod current;
mod origin;

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ORIGIN, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method};
use regex_lite::Regex;
use tower_http::cors::{AllowCredentials, AllowOrigin, Any, CorsLayer};

use crate::request_id;

pub use current::Current;
use origin::Origin;

/// What a page may send. Clients that open streams with `fetch` send `Last-Event-ID`, which is always preflighted; the last
/// three are the context of a trace (W3C Trace Context, W3C Baggage).
pub const ALLOWED_HEADERS: [HeaderName; 11] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    ACCEPT,
    CACHE_CONTROL,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("x-requested-with"),
    HeaderName::from_static("idempotency-key"),
    request_id::HEADER,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
];

/// What a page may read beyond what it always may.
const EXPOSED_HEADERS: [HeaderName; 5] = [
    request_id::HEADER,
    RETRY_AFTER,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("idempotency-replayed"),
];

const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS];

/// How long a browser may remember a preflight: the most that Chromium keeps.
const MAX_AGE: Duration = Duration::from_hours(2);

/// Who may call.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The allowed origins, each one of:
    /// - `https://app.example.com`: this one; a slash at the end is forgiven;
    /// - `https://*.example.com`: every name one or more labels below `example.com`, never itself, on the same port;
    /// - `/^https://(a|b)\.example\.com$/`: what the regular expression matches from first to last character, as if it
    ///   began with `^` and ended with `$`, written with them or not;
    /// - `null`: sandboxed pages and files, and so anybody's;
    /// - `*`: everybody, without credentials, in development too; it makes the others superfluous.
    pub origins: Vec<String>,
    /// Whether pages of the allowed origins may send cookies and `Authorization`.
    pub credentials: bool,
    /// What pages may send beyond [`ALLOWED_HEADERS`].
    pub headers: Vec<HeaderName>,
    /// Whether origins on loopback, private addresses, `localhost` and `*.local` are allowed too, always with credentials.
    pub development: bool,
}

/// Why the rules can't stand.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Fetch standard forbids it, and mirroring every origin instead would let any site act for its visitors.
    #[error("`*` can't be combined with credentials: list the origins, or switch credentials off")]
    AnyWithCredentials,
    /// None of the forms that are allowed.
    #[error(
        "`{0}` is not an origin: allowed are `https://app.example.com`, `https://*.example.com`, `/^regex$/`, `null` and `*`"
    )]
    Origin(String),
    /// The regular expression between the slashes does not compile.
    #[error("`{pattern}` is not a regular expression")]
    Pattern {
        /// As it was given, slashes included.
        pattern: String,
        /// What is wrong with it.
        source: regex_lite::Error,
    },
}

/// One allowed form of an origin.
#[derive(Debug)]
enum Rule {
    Null,
    Exact(Origin),
    Below(Origin),
    Pattern(Regex),
}

/// The origins that are allowed.
#[derive(Clone, Debug)]
pub struct Allowed {
    rules: Arc<[Rule]>,
    credentials: bool,
    development: bool,
}

impl Allowed {
    /// Reads the rules of `options`.
    pub fn of(options: &Options) -> Result<Self, Error> {
        if options.origins.iter().any(|text| text == "*") {
            if options.credentials {
                return Err(Error::AnyWithCredentials);
            }
            return Ok(Self { rules: Arc::default(), credentials: false, development: false });
        }
        let rules = options.origins.iter().map(|text| Rule::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { rules, credentials: options.credentials, development: options.development })
    }

    /// Whether pages of this origin may read answers.
    fn reads(&self, origin: &HeaderValue) -> bool {
        is_listed(&self.rules, origin) || (self.development && is_nearby(origin))
    }

    /// Whether pages of this origin may send cookies and `Authorization`, and read what is answered.
    pub fn sends_credentials(&self, origin: &HeaderValue) -> bool {
        (self.credentials && is_listed(&self.rules, origin)) || (self.development && is_nearby(origin))
    }
}

/// The layer that answers preflights and marks answers by `options`.
pub fn layer(options: &Options) -> Result<CorsLayer, Error> {
    let more = options.headers.iter().filter(|header| !ALLOWED_HEADERS.contains(header)).cloned();
    let layer = CorsLayer::new()
        .allow_methods(METHODS)
        .allow_headers(ALLOWED_HEADERS.into_iter().chain(more).collect::<Vec<_>>())
        .expose_headers(EXPOSED_HEADERS)
        .max_age(MAX_AGE);
    let allowed = Allowed::of(options)?;
    if options.origins.iter().any(|text| text == "*") {
        return Ok(layer.allow_origin(Any));
    }
    let readers = allowed.clone();
    let readers = AllowOrigin::predicate(move |origin, _| readers.reads(origin));
    let with_credentials = AllowCredentials::predicate(move |origin, _| allowed.sends_credentials(origin));
    Ok(layer.allow_origin(readers).allow_credentials(with_credentials).vary([ORIGIN]))
}

fn is_listed(rules: &[Rule], value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else {
        return false;
    };
    let origin = Origin::parse(text);
    rules.iter().any(|rule| match (rule, &origin) {
        (Rule::Null, None) => text == "null",
        (Rule::Exact(exact), Some(origin)) => origin == exact,
        (Rule::Below(parent), Some(origin)) => origin.is_below(parent),
        (Rule::Pattern(pattern), Some(_)) => pattern.is_match(text),
        _ => false,
    })
}

fn is_nearby(value: &HeaderValue) -> bool {
    value.to_str().ok().and_then(Origin::parse).is_some_and(|origin| origin.is_nearby())
}

impl Rule {
    fn parse(text: &str) -> Result<Self, Error> {
        let unknown = || Error::Origin(text.to_owned());
        if text == "null" {
            return Ok(Self::Null);
        }
        if let Some(pattern) = text.strip_prefix('/') {
            let pattern = pattern.strip_suffix('/').filter(|pattern| !pattern.is_empty()).ok_or_else(unknown)?;
            return Self::pattern(pattern).map_err(|source| Error::Pattern { pattern: text.to_owned(), source });
        }
        let text = text.strip_suffix('/').unwrap_or(text);
        if let Some((scheme, parent)) = text.split_once("://*.") {
            let parent = Origin::parse(&format!("{scheme}://{parent}")).filter(Origin::has_name);
            return parent.map(Self::Below).ok_or_else(unknown);
        }
        Origin::parse(text).map(Self::Exact).ok_or_else(unknown)
    }

    /// Compiled once as it is, so that `a)|(b` can't climb out of the anchors, and once between them.
    fn pattern(pattern: &str) -> Result<Self, regex_lite::Error> {
        Regex::new(pattern)?;
        Regex::new(&format!(r"\A(?:{pattern})\z")).map(Self::Pattern)
    }
}

#[cfg(test)]
mod tests;
