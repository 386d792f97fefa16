//! The server's own events (`connected`, `heartbeat`, `reset`, `synced`, endings, `busy`) as JSON.
//!
//! The hub decides when each event is sent. If an event has a `retry:` field, its data repeats the
//! value.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tidings_hub::{After, Ending, Reset, Wording};
use tidings_journal::{EventId, IdError};
use tidings_sse::{Event, EventName, Frame, Id};

use crate::auth::Visitor;
use crate::times::{rfc3339, rfc3339_ms};

/// Encodes the events that the hub asks for, in the form that the HTTP API documents.
pub(crate) struct ControlEvents;

/// The content of a stream's first event.
pub(crate) struct Connected<'a> {
    pub(crate) now: Timestamp,
    pub(crate) connection: &'a str,
    pub(crate) visitor: &'a Visitor,
    pub(crate) counted_as: &'a [&'static str],
    pub(crate) heartbeat_interval: Duration,
    pub(crate) resumed: Option<bool>,
    pub(crate) cursor: Option<&'a str>,
    pub(crate) retry: Duration,
}

impl Wording for ControlEvents {
    fn heartbeat(&self, now_ms: i64) -> Frame {
        let data = json!({ "timestamp": rfc3339_ms(now_ms) });
        Event::new(EventName::from_static("heartbeat"), data.to_string()).encode()
    }

    fn reset(&self, reset: &Reset) -> Frame {
        let data = json!({
            "reason": reset.reason.as_str(),
            "requested": reset.requested,
            "resumedFrom": reset.resumed_from.to_string(),
            "oldest": reset.oldest.map(|oldest| oldest.to_string()),
        });
        Event::new(EventName::from_static("reset"), data.to_string())
            .id(wire_id(reset.resumed_from))
            .encode()
    }

    fn ending(&self, ending: &Ending) -> Frame {
        let cause = ending.cause;
        let mut data = json!({ "reason": cause.as_str(), "reconnect": cause.reconnect() });
        if let Some(retry) = ending.retry {
            data["retry"] = milliseconds(retry).into();
        }
        Event::new(cause.event(), data.to_string())
            .retry(ending.retry)
            .encode()
    }

    fn synced(&self, count: usize, at: EventId) -> Frame {
        let data = json!({ "count": count });
        Event::new(EventName::from_static("synced"), data.to_string())
            .id(wire_id(at))
            .encode()
    }
}

/// Returns the event that refuses a stream for a temporary reason, in place of an error status.
///
/// It repeats the cursor that the client sent. Some clients (httpx-sse in the loop that it
/// documents) forget their last id when an event has none, and would come back without a cursor.
pub(crate) fn busy(reason: &str, retry: Duration, asked: &After) -> Frame {
    let data = json!({ "reason": reason, "reconnect": true, "retry": milliseconds(retry) });
    let cursor = match asked {
        After::Id(text) if EventId::parse(text) == Err(IdError::Malformed) => None,
        asked => Id::parse(&asked.to_string()).ok(),
    };
    Event::new(EventName::from_static("busy"), data.to_string())
        .id(cursor)
        .retry(retry)
        .encode()
}

impl Connected<'_> {
    /// Encodes the event.
    pub(crate) fn frame(&self) -> Frame {
        let identity = self.visitor.identity.as_ref();
        let mut data = json!({
            "message": "SSE connection established",
            "timestamp": rfc3339(self.now),
            "connectionId": self.connection,
            "authenticated": identity.is_some(),
            "userId": identity.map(|identity| identity.id.as_str()),
            "subscriptions": self.counted_as,
            "heartbeatInterval": milliseconds(self.heartbeat_interval),
            "retry": milliseconds(self.retry),
            "expiresIn": self.expires_in(),
            "resumed": self.resumed,
        });
        if let Some(code) = self.visitor.auth_error {
            data["authError"] = code.into();
        }
        // The cursor comes from the client. If it can't be written in an `id` line, it was
        // malformed and is not repeated.
        let id = self.cursor.and_then(|cursor| Id::parse(cursor).ok());
        Event::new(EventName::from_static("connected"), data.to_string())
            .id(id)
            .retry(self.retry)
            .encode()
    }

    /// Returns in how many milliseconds the stream ends with `expired`; `None` if it never does.
    fn expires_in(&self) -> Option<i64> {
        let expiry = self.visitor.identity.as_ref()?.expires?;
        Some((expiry.refused_from().as_millisecond() - self.now.as_millisecond()).max(0))
    }
}

/// Returns a duration in milliseconds. In this form the data of an event repeats its field
/// `retry:`, because some clients (`okhttp-sse`) hide the field from the application.
fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn wire_id(id: EventId) -> Option<Id> {
    Id::parse(&id.to_string()).ok() // an id of this server always parses
}
