//! Settings of cross-origin requests.
//!
//! Owns how patterns of origins are written in a list. The crate `tidings_edge` defines what a
//! pattern means. Patterns are checked here already, so that the error for a bad one names the
//! source of the setting, as for any other value.

use http::HeaderName;
use tidings_edge::cors;
use tidings_settings::rule::{List, Parsed, Raw, Rule, Shape, Switch};
use tidings_settings::section;

use super::{Config, Mode};

section! {
    "Other origins"
    /// Which web pages of other origins may read the answers of this server.
    pub struct Cors {
        /// The allowed origins: exact ones (`https://app.example.com`), every name below one
        /// (`https://*.example.com`), or a regular expression between slashes
        /// (`/^https:\/\/app-\d+\.example\.com$/`). In production only these are allowed; in
        /// development also origins on loopback, on private addresses and below `.local`. `*`
        /// allows everybody and requires `CORS_CREDENTIALS=false`.
        "cors_origin" => pub origins: Vec<String> = Patterns, "";

        /// Whether pages of other origins may send cookies and `Authorization`.
        "cors_credentials" => pub credentials: bool = Switch, "true";

        /// Request headers that pages of other origins may send in addition to those that the
        /// server reads, `X-Requested-With`, `traceparent`, `tracestate` and `baggage`. Examples:
        /// `sentry-trace`, or Datadog's `x-datadog-trace-id`, `x-datadog-parent-id`,
        /// `x-datadog-origin` and `x-datadog-sampling-priority`.
        "cors_headers" => pub headers: Vec<HeaderName> = List(HEADER), "";
    }
}

impl Config {
    /// Returns the origins whose pages may call, and the headers that they may send.
    pub(crate) fn cors_options(&self) -> cors::Options {
        cors::Options {
            origins: self.cors.origins.clone(),
            credentials: self.cors.credentials,
            headers: self.cors.headers.clone(),
            development: self.mode == Mode::Development,
        }
    }
}

/// The name of a header. `*` would be a valid name, but browsers understand it as all headers, or
/// as none where credentials are sent (Fetch standard, section 3.3.3), so it is always refused.
const HEADER: Parsed<HeaderName> = Parsed {
    placeholder: "HEADER",
    allowed: "names of headers, each written out, such as `sentry-trace`",
    read: |text| text.parse().ok().filter(|_| !text.contains('*')),
    show: ToString::to_string,
};

/// A list of patterns, separated by commas. A comma within a regular expression, which is written
/// between slashes, does not separate.
struct Patterns;

impl Rule for Patterns {
    type Value = Vec<String>;

    fn read(&self, raw: &Raw) -> Option<Vec<String>> {
        let origins = match raw {
            Raw::Text(text) => split(text),
            Raw::List(items) => items.iter().map(|item| item.trim().to_owned()).collect(),
            Raw::Other(_) => return None,
        };
        // `checks` decides whether `*` is allowed, because that depends on another setting, too.
        let options = cors::Options {
            origins,
            ..cors::Options::default()
        };
        cors::layer(&options).is_ok().then_some(options.origins)
    }

    fn allowed(&self) -> String {
        "a list, separated by commas, of origins such as `https://app.example.com`, \
         `https://*.example.com`, `/^regex$/`, `null`, or `*`"
            .to_owned()
    }

    fn show(&self, patterns: &Vec<String>) -> String {
        patterns.join(",")
    }

    fn placeholder(&self) -> &'static str {
        "LIST"
    }

    fn shape(&self) -> Shape {
        Shape::List
    }
}

/// Splits a list at the commas between patterns. A pattern that begins with a slash ends at the
/// next comma that follows a slash.
fn split(text: &str) -> Vec<String> {
    let mut patterns: Vec<String> = Vec::new();
    let mut open = false;
    for piece in text.split(',') {
        match patterns.last_mut() {
            Some(pattern) if open => {
                pattern.push(',');
                pattern.push_str(piece.trim_end());
                open = !piece.trim_end().ends_with('/');
            }
            _ => {
                let piece = piece.trim();
                open = piece.starts_with('/') && (piece.len() == 1 || !piece.ends_with('/'));
                patterns.push(piece.to_owned());
            }
        }
    }
    patterns.retain(|pattern| !pattern.is_empty());
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_inside_a_regular_expression_does_not_separate() {
        assert_eq!(
            split(r"https://a.example, /^https:\/\/[a-z]{1,3}\.b,?$/ ,https://*.c.example,,"),
            [
                "https://a.example",
                r"/^https:\/\/[a-z]{1,3}\.b,?$/",
                "https://*.c.example"
            ]
        );
    }
}
