//! How a call fails, and whether the same call may succeed later.
//!
//! Reads the server's error answers. Their texts come from the server, so they must be made safe
//! for a terminal before they are shown.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::address::{Address, NotAPath};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection: nothing was sent.
    #[error("can't reach {0}")]
    Unreachable(String),
    /// The certificate is not trusted, or there is none: nothing was sent.
    #[error("can't trust {0}")]
    Untrusted(String),
    /// The request was sent and no complete answer came: whether the server acted on it is unknown.
    #[error("no answer from {0}")]
    Lost(String),
    /// The server refused the call.
    #[error(transparent)]
    Refused(Refusal),
    /// A 200 with a different content type.
    #[error("the server answered with something other than an event stream; is the path that of a stream?")]
    NoStream,
    /// A path that no URI can contain.
    #[error(transparent)]
    Path(#[from] NotAPath),
    /// An id that no header can contain.
    #[error("the last id can't stand in a header")]
    Id,
}

/// A refusal in the server's words.
#[derive(Debug, thiserror::Error)]
#[error("{} ({})", self.words(), self.status.as_u16())]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    message: String,
    /// The code for programs; empty if there is none.
    code: String,
    details: Vec<Problem>,
    /// How long the server asks the client to wait.
    pub retry_after: Option<Duration>,
}

/// The body of an error; that of another server may lack every field.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    message: String,
    code: String,
    details: Vec<Problem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    field: String,
    problem: String,
}

impl Failure {
    /// Returns the failure of a connection.
    pub(crate) fn unreachable(address: &Address, error: &(dyn StdError + 'static)) -> Self {
        let why = format!("{address}: {}", cause(error));
        if is_about_a_certificate(error) { Self::Untrusted(why) } else { Self::Unreachable(why) }
    }

    /// Returns the failure of a connection that broke, or of an answer that took too long.
    pub(crate) fn lost(address: &Address, error: &(dyn StdError + 'static)) -> Self {
        Self::Lost(format!("{address}: {}", cause(error)))
    }

    /// Returns whether the failure may pass. Others recur on every attempt.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Lost(_) => true,
            Self::Refused(refusal) => {
                let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
                refusal.status.is_server_error() || passing.contains(&refusal.status)
            }
            Self::Untrusted(_) | Self::NoStream | Self::Path(_) | Self::Id => false,
        }
    }

    /// Returns how long the server asks the client to wait; zero if it does not say.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Refused(refusal) => refusal.retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
}

impl Refusal {
    /// Reads an answer that is not a success.
    pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let Answer { mut message, code, details } = serde_json::from_slice(body).unwrap_or_default();
        if let Some(elsewhere) = headers.get(LOCATION).filter(|_| status.is_redirection()) {
            message = format!("the server is elsewhere: {}", String::from_utf8_lossy(elsewhere.as_bytes()));
        }
        Self { status, message, code, details, retry_after: retry_after(headers) }
    }

    /// Returns the whole refusal: message, status, and the code if there is one.
    pub fn in_full(&self) -> String {
        let Self { status, code, .. } = self;
        let code = if code.is_empty() { String::new() } else { format!(", {code}") };
        format!("{} ({}{code})", self.words(), status.as_u16())
    }

    /// Returns the message, and those details that it does not contain already.
    fn words(&self) -> String {
        let mut words = if self.message.is_empty() {
            self.status.canonical_reason().unwrap_or("refused").to_owned()
        } else {
            self.message.clone()
        };
        for Problem { field, problem } in &self.details {
            let detail = format!("{field}: {problem}");
            if !words.contains(&detail) {
                words = format!("{words}; {detail}");
            }
        }
        words
    }
}

/// Parses seconds only: a date would have to be compared with a clock that may differ from the
/// server's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Returns the last of a chain of errors: hyper's own text ("client error (Connect)") tells a
/// person nothing, the system's ("Connection refused") does.
fn cause(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn is_about_a_certificate(error: &(dyn StdError + 'static)) -> bool {
    chain(error)
        .filter_map(|error| error.downcast_ref::<rustls::Error>())
        .any(|error| matches!(error, rustls::Error::InvalidCertificate(_)))
}

/// Returns the causes of an error. [`io::Error`] skips the error that it wraps, and rustls's is
/// wrapped twice.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => (**error).source(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal {
        Refusal::read(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn a_refusal_says_what_the_server_said() {
        let body =
            r#"{"statusCode":403,"error":"Forbidden","message":"This needs the role \"admin\"","code":"forbidden"}"#;
        assert_eq!(refusal(403, body).to_string(), "This needs the role \"admin\" (403)");
        assert_eq!(refusal(403, body).in_full(), "This needs the role \"admin\" (403, forbidden)");
        assert_eq!(refusal(502, "<html>").in_full(), "Bad Gateway (502)");
    }

    #[test]
    fn details_are_said_once() {
        let body = r#"{"message":"title: is required","details":[
            {"field":"title","problem":"is required"},{"field":"message","problem":"is too long"}]}"#;
        assert_eq!(refusal(400, body).to_string(), "title: is required; message: is too long (400)");
    }

    #[test]
    fn an_answer_of_something_else_still_has_its_status() {
        for body in ["", "<html>", "[]", "{}", r#"{"message":5}"#] {
            assert_eq!(refusal(502, body).to_string(), "Bad Gateway (502)", "{body}");
        }
        assert_eq!(refusal(599, "").to_string(), "refused (599)");
    }

    #[test]
    fn a_redirect_says_where_to() {
        let headers = HeaderMap::from_iter([(LOCATION, http::HeaderValue::from_static("https://h/a"))]);
        let refusal = Refusal::read(StatusCode::PERMANENT_REDIRECT, &headers, b"");
        assert_eq!(refusal.to_string(), "the server is elsewhere: https://h/a (308)");
    }

    #[test]
    fn lasting_refusals_are_told_from_passing_ones() {
        let passes = |status| Failure::Refused(refusal(status, "")).is_passing();
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(passes(status), "{status}");
        }
        for status in [204, 301, 400, 401, 403, 404, 405, 406, 413, 415, 422] {
            assert!(!passes(status), "{status}");
        }
        assert!(Failure::Lost(String::new()).is_passing());
        assert!(!Failure::NoStream.is_passing());
    }

    #[test]
    fn retry_after_is_a_number_of_seconds() {
        let after = |text: &'static str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, http::HeaderValue::from_static(text))]))
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(after("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
