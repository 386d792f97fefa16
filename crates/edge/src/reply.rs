//! The answers that are not errors.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tidings_journal::EventId;

use crate::json::Object;

/// How many headers an answer has when all layers have added theirs: the table then need not grow.
const HEADERS: usize = 12;

/// A JSON body with status 200. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reply(Bytes);

impl Reply {
    /// `{"success":true,"message":…` and what `more` adds.
    pub fn success(message: &str, more: impl FnOnce(Object) -> Object) -> Self {
        Self(more(Object::success(message)).finish().into())
    }

    /// Any JSON.
    pub fn json(value: &serde_json::Value) -> Self {
        Self(value.to_string().into())
    }

    /// JSON that was written already.
    pub fn written(text: String) -> Self {
        Self(text.into())
    }
}

/// The answer to a publish, before the event has its id. It can be kept, to be completed again.
pub struct Draft {
    object: Object,
    names_event: bool,
}

impl Draft {
    /// `{"success":true,"message":…` and what `more` adds.
    pub fn success(message: &str, more: impl FnOnce(Object) -> Object) -> Self {
        Self { object: more(Object::success(message)), names_event: false }
    }

    /// The same, and `eventId`.
    pub fn naming_event(message: &str, more: impl FnOnce(Object) -> Object) -> Self {
        Self { names_event: true, ..Self::success(message, more) }
    }

    /// The answer, now that the event has an id.
    pub fn complete(self, id: EventId) -> Reply {
        let object = if self.names_event { self.object.text("eventId", &id.to_string()) } else { self.object };
        Reply(object.finish().into())
    }

    /// The draft as bytes, to be kept.
    pub fn encode(&self) -> Vec<u8> {
        [&[u8::from(self.names_event)], self.object.written_so_far().as_bytes()].concat()
    }

    /// Reads what [`Draft::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (names_event, object) = bytes.split_first()?;
        let object = Object::resume(std::str::from_utf8(object).ok()?.to_owned());
        Some(Self { object, names_event: *names_event == 1 })
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.0.into());
        let headers = response.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        // No answer of this server is worth keeping: each tells the state of a moment.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
