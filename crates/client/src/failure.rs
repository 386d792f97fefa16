//! Why a call failed, and whether the same call may succeed later.
//!
//! Owns how the server's error answers are read. Their texts come from the server, so they must be
//! made safe for a terminal before they are shown.

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
    /// The client can't connect. Nothing was sent.
    #[error("can't reach {0}")]
    Unreachable(String),
    /// The server has no certificate that is trusted. Nothing was sent.
    #[error("can't trust {0}")]
    Untrusted(String),
    /// The request was sent, but no complete answer came. Whether the server acted on it is
    /// unknown.
    #[error("no answer from {0}")]
    Lost(String),
    /// The server refused the call.
    #[error(transparent)]
    Refused(Refusal),
    /// The answer is a 200 that is not an event stream.
    #[error(
        "the server answered with something other than an event stream; is the path that of a \
         stream?"
    )]
    NoStream,
    /// No URI can contain the path.
    #[error(transparent)]
    Path(#[from] NotAPath),
    /// No header can contain the id of the last event.
    #[error("the id of the last event contains characters that a header can't contain")]
    Id,
}

/// An error answer of the server.
#[derive(Debug, thiserror::Error)]
#[error("{} ({})", self.text(), self.status.as_u16())]
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

/// The body of an error answer. Each field may be missing, because the answer may be that of
/// another server.
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
    /// Returns the failure of a connection that could not be made.
    pub(crate) fn unreachable(address: &Address, error: &(dyn StdError + 'static)) -> Self {
        let text = format!("{address}: {}", cause(error));
        if is_certificate_error(error) {
            Self::Untrusted(text)
        } else {
            Self::Unreachable(text)
        }
    }

    /// Returns the failure of a call whose connection broke or whose answer took too long.
    pub(crate) fn lost(address: &Address, error: &(dyn StdError + 'static)) -> Self {
        Self::Lost(format!("{address}: {}", cause(error)))
    }

    /// Returns whether the same call may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Lost(_) => true,
            Self::Refused(refusal) => {
                let temporary = [
                    StatusCode::REQUEST_TIMEOUT,
                    StatusCode::TOO_EARLY,
                    StatusCode::TOO_MANY_REQUESTS,
                ];
                refusal.status.is_server_error() || temporary.contains(&refusal.status)
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
        let Answer {
            mut message,
            code,
            details,
        } = serde_json::from_slice(body).unwrap_or_default();
        if let Some(location) = headers.get(LOCATION).filter(|_| status.is_redirection()) {
            message = format!(
                "the server has moved to {}",
                String::from_utf8_lossy(location.as_bytes())
            );
        }
        Self {
            status,
            message,
            code,
            details,
            retry_after: retry_after(headers),
        }
    }

    /// Formats the answer with its status, and with its code if there is one.
    pub fn with_code(&self) -> String {
        let Self { status, code, .. } = self;
        let code = if code.is_empty() {
            String::new()
        } else {
            format!(", {code}")
        };
        format!("{} ({}{code})", self.text(), status.as_u16())
    }

    /// Returns the message, and the details that are not part of it.
    fn text(&self) -> String {
        let mut text = if self.message.is_empty() {
            self.status
                .canonical_reason()
                .unwrap_or("refused")
                .to_owned()
        } else {
            self.message.clone()
        };
        for Problem { field, problem } in &self.details {
            let detail = format!("{field}: {problem}");
            if !text.contains(&detail) {
                text = format!("{text}; {detail}");
            }
        }
        text
    }
}

/// Reads `Retry-After`, but only as a number of seconds: a date would have to be compared with a
/// clock that may differ from the server's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

/// Returns the text of the innermost error. The text of the system ("Connection refused") is
/// useful; that of hyper ("client error (Connect)") is not.
fn cause(error: &(dyn StdError + 'static)) -> String {
    chain(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn is_certificate_error(error: &(dyn StdError + 'static)) -> bool {
    chain(error)
        .filter_map(|error| error.downcast_ref::<rustls::Error>())
        .any(|error| matches!(error, rustls::Error::InvalidCertificate(_)))
}

/// Returns an error and its causes, from the outside in. The `source` of an [`io::Error`] skips the
/// error that it wraps, so that error is taken from it directly; those of rustls are wrapped twice.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped),
            None => (**error).source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal {
        Refusal::read(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
        )
    }

    #[test]
    fn a_refusal_shows_the_message_of_the_server() {
        let body = r#"{"statusCode":403,"error":"Forbidden","message":"This needs the role \"admin\"","code":"forbidden"}"#;
        assert_eq!(
            refusal(403, body).to_string(),
            "This needs the role \"admin\" (403)"
        );
        assert_eq!(
            refusal(403, body).with_code(),
            "This needs the role \"admin\" (403, forbidden)"
        );
        assert_eq!(refusal(502, "<html>").with_code(), "Bad Gateway (502)");
    }

    #[test]
    fn each_detail_is_shown_once() {
        let body = r#"{"message":"title: is required","details":[
            {"field":"title","problem":"is required"},{"field":"message","problem":"is too long"}]}"#;
        assert_eq!(
            refusal(400, body).to_string(),
            "title: is required; message: is too long (400)"
        );
    }

    #[test]
    fn an_answer_of_another_server_is_shown_by_its_status() {
        for body in ["", "<html>", "[]", "{}", r#"{"message":5}"#] {
            assert_eq!(
                refusal(502, body).to_string(),
                "Bad Gateway (502)",
                "{body}"
            );
        }
        assert_eq!(refusal(599, "").to_string(), "refused (599)");
    }

    #[test]
    fn a_redirect_shows_its_target() {
        let headers =
            HeaderMap::from_iter([(LOCATION, http::HeaderValue::from_static("https://h/a"))]);
        let refusal = Refusal::read(StatusCode::PERMANENT_REDIRECT, &headers, b"");
        assert_eq!(
            refusal.to_string(),
            "the server has moved to https://h/a (308)"
        );
    }

    #[test]
    fn temporary_failures_differ_from_permanent_ones() {
        let is_temporary = |status| Failure::Refused(refusal(status, "")).is_temporary();
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(is_temporary(status), "{status}");
        }
        for status in [204, 301, 400, 401, 403, 404, 405, 406, 413, 415, 422] {
            assert!(!is_temporary(status), "{status}");
        }
        assert!(Failure::Lost(String::new()).is_temporary());
        assert!(!Failure::NoStream.is_temporary());
    }

    #[test]
    fn retry_after_is_a_number_of_seconds() {
        let after = |text: &'static str| {
            retry_after(&HeaderMap::from_iter([(
                RETRY_AFTER,
                http::HeaderValue::from_static(text),
            )]))
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(after("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
