//! Errors: the one place where a failure becomes an answer.
//!
//! Each error of the server is a row of [`Code`], and nothing else decides the status of an answer.
//! `docs/errors.md` is generated from these rows.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tidings_hub::{LimitReached, MAX_MEMBERSHIPS, MAX_MEMBERSHIPS_PER_USER, MembershipLimit};

use crate::auth::Refusal;
use crate::auth::guard::Denied;
use crate::rate_limit_headers::RateLimitHeaders;

/// A stable identifier of a failure. Programs test it, so a name never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the rows of the table below, from which docs/errors.md is generated, say what each \
              means"
)]
pub enum Code {
    ValidationFailed,
    InvalidJson,
    TokenMissing,
    TokenInvalid,
    TokenExpired,
    TicketInvalid,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    PayloadTooLarge,
    UnsupportedMediaType,
    IdempotencyConflict,
    RateLimited,
    TooManyConnections,
    Draining,
    JournalUnavailable,
    TooManyKeys,
    Overloaded,
    MalformedRequest,
    HeadTooLarge,
    Internal,
}

/// The most problems that one answer lists. A query or a body can have any number of them.
pub const MAX_PROBLEMS: usize = 16;

/// An error that will be sent as the answer to a request.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    code: Code,
    /// The status of the answer, which is usually the code's own.
    status: StatusCode,
    message: Cow<'static, str>,
    details: Vec<Problem>,
    retry_after: Option<Duration>,
    /// Boxed, because few errors have one, and otherwise it would make every `Result` larger.
    rate_limit_headers: Option<Box<RateLimitHeaders>>,
    /// Whether the answer asks for a body without a content coding, because the body of the request
    /// came with one.
    wants_identity: bool,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The field's name.
    pub field: Cow<'static, str>,
    /// What is wrong with the field.
    pub problem: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    status_code: u16,
    error: &'a str,
    message: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    details: &'a [Problem],
}

impl Code {
    /// Every code, in the order of the discriminants.
    pub const ALL: [Self; 23] = [
        Self::ValidationFailed,
        Self::InvalidJson,
        Self::TokenMissing,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::TicketInvalid,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::IdempotencyConflict,
        Self::RateLimited,
        Self::TooManyConnections,
        Self::Draining,
        Self::JournalUnavailable,
        Self::TooManyKeys,
        Self::Overloaded,
        Self::MalformedRequest,
        Self::HeadTooLarge,
        Self::Internal,
    ];

    /// Returns the identifier on the wire, the status, and a text that says what the code means and
    /// what a client should do.
    #[expect(clippy::too_many_lines, reason = "a table")]
    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::ValidationFailed => (
                "validation_failed",
                StatusCode::BAD_REQUEST,
                "A field, parameter or header is missing or not allowed; `details` names each. \
                 Nothing was published.",
            ),
            Self::InvalidJson => (
                "invalid_json",
                StatusCode::BAD_REQUEST,
                "The body is not JSON; the message says where. Nothing was published.",
            ),
            Self::TokenMissing => (
                "token_missing",
                StatusCode::UNAUTHORIZED,
                "The call needs a token: `Authorization: Bearer …`, or `?token=…`.",
            ),
            Self::TokenInvalid => (
                "token_invalid",
                StatusCode::UNAUTHORIZED,
                "The token is malformed, has a wrong signature, is not valid yet, or is of a kind \
                 that is switched off.",
            ),
            Self::TokenExpired => (
                "token_expired",
                StatusCode::UNAUTHORIZED,
                "The token has expired. Get a new one.",
            ),
            Self::TicketInvalid => (
                "ticket_invalid",
                StatusCode::UNAUTHORIZED,
                "The ticket was never issued, or was used before.",
            ),
            Self::Forbidden => (
                "forbidden",
                StatusCode::FORBIDDEN,
                "The token is valid, but its user may not do this; usually, the admin role is \
                 missing. Or the cookie came from a page whose origin `CORS_ORIGIN` does not \
                 allow.",
            ),
            Self::NotFound => (
                "not_found",
                StatusCode::NOT_FOUND,
                "The path, or what it names, does not exist.",
            ),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "The path does not have this method; `Allow` lists those that it has.",
            ),
            Self::NotAcceptable => (
                "not_acceptable",
                StatusCode::NOT_ACCEPTABLE,
                "A stream was asked for with an `Accept` that excludes `text/event-stream`.",
            ),
            Self::RequestTimeout => (
                "request_timeout",
                StatusCode::REQUEST_TIMEOUT,
                "The body did not arrive in time. Nothing was published.",
            ),
            Self::PayloadTooLarge => (
                "payload_too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is larger than `MAX_BODY_BYTES`, or the data of the event is larger \
                 than 251 KiB. Nothing was published.",
            ),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must have `Content-Type: application/json` and no `Content-Encoding`.",
            ),
            Self::IdempotencyConflict => (
                "idempotency_conflict",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The `Idempotency-Key` was used for another request. Use a new key for a new \
                 request.",
            ),
            Self::RateLimited => (
                "rate_limited",
                StatusCode::TOO_MANY_REQUESTS,
                "This user or address exceeds its limit; with status 503, all users together \
                 exceed theirs. The message says which limit, and what to do. Nothing was \
                 published; try again after `Retry-After`.",
            ),
            Self::TooManyConnections => (
                "too_many_connections",
                StatusCode::TOO_MANY_REQUESTS,
                "This user or address has reached its limit of open streams; with status 503, the \
                 whole server has reached its own.",
            ),
            Self::Draining => (
                "draining",
                StatusCode::SERVICE_UNAVAILABLE,
                "The server is about to stop. Nothing was published; try again after \
                 `Retry-After`.",
            ),
            Self::JournalUnavailable => (
                "journal_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The log can't be written, or gave no certain answer within 10 s. Whether the \
                 event is in the log is unknown: repeat the call with the same `Idempotency-Key`.",
            ),
            Self::TooManyKeys => (
                "too_many_keys",
                StatusCode::SERVICE_UNAVAILABLE,
                "The log has reached its limit of keys (services, members and the like), and \
                 drops none of them. Nothing was published; try again after `Retry-After`. `GET \
                 /metrics` shows the operator which limit it is.",
            ),
            Self::Overloaded => (
                "overloaded",
                StatusCode::SERVICE_UNAVAILABLE,
                "The server has reached its limit of buffered bytes: request bodies that are \
                 arriving, or answers that clients have not read. Nothing was published; try \
                 again after `Retry-After`.",
            ),
            Self::MalformedRequest => (
                "malformed_request",
                StatusCode::BAD_REQUEST,
                "The request is not HTTP, or is malformed. The connection is closed.",
            ),
            Self::HeadTooLarge => (
                "head_too_large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The first line and the header fields together are larger than `MAX_HEAD_BYTES`. \
                 The connection is closed.",
            ),
            Self::Internal => (
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "The server has a fault; its log has the details. Whether a publish took place is \
                 unknown: repeat it with the same `Idempotency-Key`. Please report the fault.",
            ),
        }
    }

    /// The identifier on the wire.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The usual status of the code. An error may set another one.
    pub const fn status(self) -> StatusCode {
        self.row().1
    }
}

impl Error {
    /// An error with the status of its code.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status: code.status(),
            message: message.into(),
            details: Vec::new(),
            retry_after: None,
            rate_limit_headers: None,
            wants_identity: false,
        }
    }

    /// An error that reports all problems at once, so that a client does not have to correct them
    /// one request at a time.
    pub fn validation(details: Vec<Problem>) -> Self {
        let problems: Vec<_> = details
            .iter()
            .map(|one| format!("{}: {}", one.field, one.problem))
            .collect();
        Self {
            details,
            ..Self::new(Code::ValidationFailed, problems.join("; "))
        }
    }

    /// An error for one field.
    pub fn field(field: &'static str, problem: impl Into<String>) -> Self {
        Self::validation(vec![Problem {
            field: field.into(),
            problem: problem.into(),
        }])
    }

    /// The error for a body of more than `limit` bytes.
    pub fn body_too_large(limit: usize) -> Self {
        Self::new(
            Code::PayloadTooLarge,
            format!("The body is larger than {limit} bytes"),
        )
    }

    /// The error for a body with a content coding.
    pub fn content_encoded(coding: &str) -> Self {
        let shown: String = coding.chars().take(32).collect();
        let message = format!(
            "The body has the content coding `{shown}`; send it without `Content-Encoding`"
        );
        Self {
            wants_identity: true,
            ..Self::new(Code::UnsupportedMediaType, message)
        }
    }

    /// The error for a stream that would exceed a limit of open streams.
    pub fn stream_limit(limit: LimitReached) -> Self {
        let (status, message) = match limit {
            LimitReached::Total => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The server has reached its limit of open streams; try again later",
            ),
            LimitReached::User => (
                StatusCode::TOO_MANY_REQUESTS,
                "You have reached your limit of open streams; close one, or try again later",
            ),
            LimitReached::Address => (
                StatusCode::TOO_MANY_REQUESTS,
                "Your address has reached its limit of open streams; close one, or try again later",
            ),
        };
        let retry_after = Some(Duration::from_secs(5));
        Self {
            status,
            retry_after,
            ..Self::new(Code::TooManyConnections, message)
        }
    }

    /// The error for a join that would exceed a limit of memberships.
    pub fn membership_limit(limit: MembershipLimit) -> Self {
        let message = match limit {
            MembershipLimit::User => format!(
                "Not joined: a user can be in at most {MAX_MEMBERSHIPS_PER_USER} rooms; leave \
                 one, or close its streams and wait"
            ),
            MembershipLimit::Total => format!(
                "Not joined: the server has reached its limit of {MAX_MEMBERSHIPS} memberships of \
                 rooms; try again later (GET /metrics shows its operator the number)"
            ),
        };
        let error = Self::new(Code::RateLimited, message);
        let status = match limit {
            MembershipLimit::User => error.status,
            MembershipLimit::Total => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, ..error }.retry_after(Duration::from_mins(1))
    }

    /// The error for a record whose new key would exceed the log's limit of keys. No other key is
    /// dropped to make space.
    pub fn too_many_keys() -> Self {
        let message = "The log has reached its limit of keys; try again later (GET /metrics shows \
                       the operator which limit it is)";
        Self::new(Code::TooManyKeys, message).retry_after(Duration::from_mins(1))
    }

    /// The error of a server that is about to stop. `left` is the time until its drain is over.
    pub fn draining(left: Duration) -> Self {
        let retry_after = Some(Duration::from_secs(2) + left);
        Self {
            retry_after,
            ..Self::new(Code::Draining, "The server is about to stop")
        }
    }

    /// The error for a call whose task did not finish: it panicked, or the server is stopping.
    pub fn unfinished_task(error: &tokio::task::JoinError) -> Self {
        let code = if error.is_panic() {
            Code::Internal
        } else {
            Code::JournalUnavailable
        };
        Self::new(
            code,
            "The server did not finish the call; whether it took effect is unknown",
        )
    }

    /// Appends `more` to the message.
    #[must_use]
    pub fn adding(self, more: &str) -> Self {
        Self {
            message: format!("{}{more}", self.message).into(),
            ..self
        }
    }

    /// Replaces the status by another one of the same class (4xx or 5xx) as the code's own.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Sets when the client should try again.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        Self {
            retry_after: Some(delay),
            ..self
        }
    }

    /// Adds the header fields that tell the caller the state of its rate limits.
    #[must_use]
    pub fn rate_limit_headers(self, headers: RateLimitHeaders) -> Self {
        Self {
            rate_limit_headers: Some(Box::new(headers)),
            ..self
        }
    }

    /// The code, which programs test.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong with each field.
    pub fn problems(&self) -> &[Problem] {
        &self.details
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Missing => Code::TokenMissing,
            Refusal::Invalid | Refusal::NotYetValid => Code::TokenInvalid,
            Refusal::Expired => Code::TokenExpired,
            Refusal::TicketInvalid => Code::TicketInvalid,
            Refusal::ForeignOrigin => Code::Forbidden,
            Refusal::TooMany => {
                return Self::new(Code::RateLimited, refusal.to_string())
                    .retry_after(Duration::from_secs(1));
            }
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unauthenticated(refusal) => refusal.into(),
            denied => Self::new(Code::Forbidden, denied.to_string()),
        }
    }
}

impl From<tidings_journal::Error> for Error {
    fn from(error: tidings_journal::Error) -> Self {
        if let tidings_journal::Error::TooLarge(problem) = error {
            return Self::new(Code::PayloadTooLarge, problem);
        }
        match &error {
            // The reason was logged when it closed.
            tidings_journal::Error::Closed(_) => {}
            tidings_journal::Error::Uncertain(_) => {
                tracing::warn!(%error, "a call is answered with 503");
            }
            _ => tracing::error!(%error, "the journal failed a call"),
        }
        let message = match error {
            tidings_journal::Error::Unreadable(_) | tidings_journal::Error::Damaged(_) => {
                "This part of the log can't be read"
            }
            tidings_journal::Error::Uncertain(_) => "The log gave no certain answer; try again",
            _ => "The log can't be written at the moment; try again later",
        };
        Self {
            retry_after: Some(Duration::from_secs(5)),
            ..Self::new(Code::JournalUnavailable, message)
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status;
        let answer = Answer {
            status_code: status.as_u16(),
            error: status.canonical_reason().unwrap_or_default(),
            message: &self.message,
            code: self.code.as_str(),
            details: &self.details,
        };
        let body = serde_json::to_string(&answer).unwrap_or_default(); // strings and a number always serialize
        let mut response = (
            status,
            [(CONTENT_TYPE, "application/json; charset=utf-8")],
            body,
        )
            .into_response();
        if let Some(delay) = self.retry_after {
            // Rounded up, so that a client that waits this long is not refused for the same reason.
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(headers) = &self.rate_limit_headers {
            headers.write(response.headers_mut());
        }
        if self.wants_identity {
            // RFC 9110, section 12.5.3: in an answer, this field lists what the server accepts.
            response.headers_mut().insert(
                http::header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            );
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1, requires a challenge. `Bearer` opens no password dialog in
            // a browser.
            response.headers_mut().insert(
                http::header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer"),
            );
        }
        response.extensions_mut().insert(self.code);
        response
    }
}

/// Lets an application's own routes refuse a caller as the server's routes do.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

/// The text of `docs/errors.md`.
#[cfg(test)]
fn reference() -> String {
    use std::fmt::Write as _;
    let mut page = String::from(
        "# Error codes\n\nEvery error answers JSON: `statusCode`, `error` and `message` for \
         people, `code` for programs, and `details` with `field` and `problem` where fields are \
         at fault.\n\n<!-- Generated from crates/edge/src/error.rs by `cargo xtask docs`. \
         -->\n\n| `code` | status | meaning |\n| --- | --- | --- |\n",
    );
    for code in Code::ALL {
        let (name, status, meaning) = code.row();
        let _ = writeln!(page, "| `{name}` | {} | {meaning} |", status.as_u16());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_error_table_is_fresh() {
        tidings_fresh::assert_fresh("docs/errors.md", &reference());
    }

    #[test]
    fn a_refusal_answers_with_the_code_that_it_names() {
        for refusal in [
            Refusal::Missing,
            Refusal::Invalid,
            Refusal::Expired,
            Refusal::NotYetValid,
            Refusal::TicketInvalid,
            Refusal::TooMany,
        ] {
            assert_eq!(Error::from(refusal).code().as_str(), refusal.code());
        }
    }
}
