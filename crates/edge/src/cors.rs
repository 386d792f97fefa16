//! CORS: which web pages of other origins may call the server (Fetch standard, section 3.3).
//!
//! Owns the rules for origins and the fixed lists of headers and methods; tower-http implements the
//! protocol itself. Must never allow credentials for an origin unless the origin is listed or, in
//! development, on the local network.

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

/// The headers that a page may send. Clients that open streams with `fetch` send `Last-Event-ID`,
/// for which browsers always send a preflight first. The last three carry the context of a trace
/// (W3C Trace Context, W3C Baggage).
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

/// The headers of answers that a page may read, in addition to those that it may always read.
const EXPOSED_HEADERS: [HeaderName; 5] = [
    request_id::HEADER,
    RETRY_AFTER,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("idempotency-replayed"),
];

const METHODS: [Method; 5] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::DELETE,
    Method::OPTIONS,
];

/// How long a browser may cache the answer to a preflight. This is the most that Chromium allows.
const MAX_AGE: Duration = Duration::from_hours(2);

/// Which pages may call the server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The allowed origins, each in one of these forms:
    /// - `https://app.example.com`: this origin. A slash at the end is ignored.
    /// - `https://*.example.com`: every name one or more labels below `example.com`, but not that
    ///   name itself, with the same scheme and port.
    /// - `/^https://(a|b)\.example\.com$/`: every origin that the regular expression matches from
    ///   the first to the last character. It is anchored even if it is written without `^` and `$`.
    /// - `null`: sandboxed pages and files, and therefore pages of any site.
    /// - `*`: every origin, without credentials even in development. The other entries then have no
    ///   effect.
    pub origins: Vec<String>,
    /// Whether pages of the allowed origins may send cookies and `Authorization`.
    pub credentials: bool,
    /// The headers that pages may send in addition to [`ALLOWED_HEADERS`].
    pub headers: Vec<HeaderName>,
    /// Whether origins on loopback, private addresses, `localhost` and `*.local` are allowed too.
    /// Their pages may always send credentials.
    pub development: bool,
}

/// Why the rules are refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `*` is combined with credentials. The Fetch standard forbids that, and mirroring every
    /// origin instead would let any site act on behalf of its visitors.
    #[error("`*` can't be combined with credentials: list the origins, or switch credentials off")]
    AnyWithCredentials,
    /// The origin has none of the allowed forms.
    #[error(
        "`{0}` is not an origin: allowed are `https://app.example.com`, `https://*.example.com`, \
         `/^regex$/`, `null` and `*`"
    )]
    Origin(String),
    /// The regular expression between the slashes does not compile.
    #[error("`{pattern}` is not a regular expression")]
    Pattern {
        /// The expression as it was given, slashes included.
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
    /// The subdomains of this origin.
    Subdomains(Origin),
    Pattern(Regex),
}

/// The rules for origins, compiled.
#[derive(Clone, Debug)]
pub struct AllowedOrigins {
    rules: Arc<[Rule]>,
    credentials: bool,
    development: bool,
}

impl AllowedOrigins {
    /// Compiles the rules of `options`.
    pub fn compile(options: &Options) -> Result<Self, Error> {
        if options.origins.iter().any(|text| text == "*") {
            if options.credentials {
                return Err(Error::AnyWithCredentials);
            }
            return Ok(Self {
                rules: Arc::default(),
                credentials: false,
                development: false,
            });
        }
        let rules = options
            .origins
            .iter()
            .map(|text| Rule::parse(text))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            rules,
            credentials: options.credentials,
            development: options.development,
        })
    }

    /// Whether pages of this origin may read answers.
    fn may_read(&self, origin: &HeaderValue) -> bool {
        is_listed(&self.rules, origin) || (self.development && is_local(origin))
    }

    /// Whether pages of this origin may send cookies and `Authorization`, and read the answers.
    pub fn may_send_credentials(&self, origin: &HeaderValue) -> bool {
        (self.credentials && is_listed(&self.rules, origin))
            || (self.development && is_local(origin))
    }
}

/// The layer that answers preflights and adds the CORS headers to answers, by the rules of
/// `options`.
pub fn layer(options: &Options) -> Result<CorsLayer, Error> {
    let more = options
        .headers
        .iter()
        .filter(|header| !ALLOWED_HEADERS.contains(header))
        .cloned();
    let layer = CorsLayer::new()
        .allow_methods(METHODS)
        .allow_headers(ALLOWED_HEADERS.into_iter().chain(more).collect::<Vec<_>>())
        .expose_headers(EXPOSED_HEADERS)
        .max_age(MAX_AGE);
    let allowed = AllowedOrigins::compile(options)?;
    if options.origins.iter().any(|text| text == "*") {
        return Ok(layer.allow_origin(Any));
    }
    let readers = allowed.clone();
    let readers = AllowOrigin::predicate(move |origin, _| readers.may_read(origin));
    let with_credentials =
        AllowCredentials::predicate(move |origin, _| allowed.may_send_credentials(origin));
    Ok(layer
        .allow_origin(readers)
        .allow_credentials(with_credentials)
        .vary([ORIGIN]))
}

fn is_listed(rules: &[Rule], value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else {
        return false;
    };
    let origin = Origin::parse(text);
    rules.iter().any(|rule| match (rule, &origin) {
        (Rule::Null, None) => text == "null",
        (Rule::Exact(exact), Some(origin)) => origin == exact,
        (Rule::Subdomains(parent), Some(origin)) => origin.is_subdomain_of(parent),
        (Rule::Pattern(pattern), Some(_)) => pattern.is_match(text),
        _ => false,
    })
}

fn is_local(value: &HeaderValue) -> bool {
    value
        .to_str()
        .ok()
        .and_then(Origin::parse)
        .is_some_and(|origin| origin.is_local())
}

impl Rule {
    fn parse(text: &str) -> Result<Self, Error> {
        let unknown = || Error::Origin(text.to_owned());
        if text == "null" {
            return Ok(Self::Null);
        }
        if let Some(pattern) = text.strip_prefix('/') {
            let pattern = pattern
                .strip_suffix('/')
                .filter(|pattern| !pattern.is_empty())
                .ok_or_else(unknown)?;
            return Self::pattern(pattern).map_err(|source| Error::Pattern {
                pattern: text.to_owned(),
                source,
            });
        }
        let text = text.strip_suffix('/').unwrap_or(text);
        if let Some((scheme, parent)) = text.split_once("://*.") {
            let parent = Origin::parse(&format!("{scheme}://{parent}")).filter(Origin::has_name);
            return parent.map(Self::Subdomains).ok_or_else(unknown);
        }
        Origin::parse(text).map(Self::Exact).ok_or_else(unknown)
    }

    /// Compiles a pattern twice: first as it is written, which fails for a pattern such as `a)|(b`
    /// that could escape from the anchors, and then between the anchors.
    fn pattern(pattern: &str) -> Result<Self, regex_lite::Error> {
        Regex::new(pattern)?;
        Regex::new(&format!(r"\A(?:{pattern})\z")).map(Self::Pattern)
    }
}

#[cfg(test)]
mod tests;
