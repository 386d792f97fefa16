//! Settings of cross-origin requests.
//!
//! Owns how patterns are listed. What a pattern is and matches is settled in [`http::cors`](tidings_edge::cors), which is
//! asked here, so that a bad one is refused with its origin like any other value.

use http::HeaderName;
use tidings_edge::cors;
use tidings_settings::rule::{List, Parsed, Raw, Rule, Shape, Switch};
use tidings_settings::section;

use super::{Config, Mode};

section! {
    "Other origins"
    /// Which web pages of other origins may read what this server answers.
    pub struct Cors {
        /// Origins that may ask: exact ones (`https://app.example.com`), every name below one
        /// (`https://*.example.com`), or a regular expression between slashes (`/^https:\/\/app-\d+\.example\.com$/`).
        /// In production only these; in development also origins on loopback, on private addresses and below `.local`.
        /// `*` lets everybody in and needs `CORS_CREDENTIALS=false`.
        "cors_origin" => pub origins: Vec<String> = Patterns, "";

        /// Whether pages of other origins may send cookies and `Authorization`.
        "cors_credentials" => pub credentials: bool = Switch, "true";

        /// Request headers that pages of other origins may send beside those that the server reads, `X-Requested-With`,
        /// `traceparent`, `tracestate` and `baggage`: `sentry-trace`, or the four of Datadog's, `x-datadog-trace-id`,
        /// `x-datadog-parent-id`, `x-datadog-origin` and `x-datadog-sampling-priority`.
        "cors_headers" => pub headers: Vec<HeaderName> = List(HEADER), "";
    }
}

impl Config {
    /// Who may call from where.
    pub(crate) fn cors_options(&self) -> cors::Options {
        cors::Options {
            origins: self.cors.origins.clone(),
            credentials: self.cors.credentials,
            headers: self.cors.headers.clone(),
            development: self.mode == Mode::Development,
        }
    }
}

/// A header's name. A `*` is one too, but browsers take it for all headers, or for none where credentials are sent (Fetch
/// standard, section 3.3.3), so it is refused wherever it stands.
const HEADER: Parsed<HeaderName> = Parsed {
    placeholder: "HEADER",
    allowed: "names of headers, each written out, such as `sentry-trace`",
    read: |text| text.parse().ok().filter(|_| !text.contains('*')),
    show: ToString::to_string,
};

/// Patterns separated by commas, where a comma between the slashes of a regular expression does not separate.
struct Patterns;

impl Rule for Patterns {
    type Value = Vec<String>;

    fn read(&self, raw: &Raw) -> Option<Vec<String>> {
        let origins = match raw {
            Raw::Text(text) => split(text),
            Raw::List(items) => items.iter().map(|item| item.trim().to_owned()).collect(),
            Raw::Other(_) => return None,
        };
        // Whether `*` goes together with credentials is a question about two settings, asked when both are read.
        let options = cors::Options { origins, ..cors::Options::default() };
        cors::layer(&options).is_ok().then_some(options.origins)
    }

    fn allowed(&self) -> String {
        "a list, separated by commas, of origins such as `https://app.example.com`, `https://*.example.com`, \
         `/^regex$/`, `null`, or `*`"
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

/// Splits at the commas between patterns: one that began with a slash goes on until a piece ends with one.
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
            ["https://a.example", r"/^https:\/\/[a-z]{1,3}\.b,?$/", "https://*.c.example"]
        );
    }
}
