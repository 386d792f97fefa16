//! Successful answers, and drafts of answers to publishes.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tidings_journal::EventId;

use crate::json::Object;

/// The number of headers of an answer once all layers have added theirs. The header table is
/// created with this capacity, so that it does not have to grow.
const HEADERS: usize = 12;

/// A JSON body with status 200. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reply(Bytes);

impl Reply {
    /// `{"success":true,"message":…` and the fields that `more` adds.
    #[inline]
    pub fn success(message: &str, more: impl FnOnce(Object) -> Object) -> Self {
        Self(more(Object::success(message)).finish().into())
    }

    /// An answer with any JSON.
    pub fn json(value: &serde_json::Value) -> Self {
        Self(value.to_string().into())
    }

    /// An answer with JSON that is already written.
    #[inline]
    pub fn written(text: String) -> Self {
        Self(text.into())
    }
}

/// The answer to a publish, except for the id of the event. It can be stored, and completed when
/// the publish is repeated.
pub struct Draft {
    object: Object,
    names_event: bool,
}

impl Draft {
    /// `{"success":true,"message":…` and the fields that `more` adds.
    pub fn success(message: &str, more: impl FnOnce(Object) -> Object) -> Self {
        Self {
            object: more(Object::success(message)),
            names_event: false,
        }
    }

    /// `{"success":true,"message":…`, the fields that `more` adds, and the `eventId` when the
    /// answer is completed.
    pub fn naming_event(message: &str, more: impl FnOnce(Object) -> Object) -> Self {
        Self {
            names_event: true,
            ..Self::success(message, more)
        }
    }

    /// Completes the answer with the id of the event.
    #[inline]
    pub fn complete(self, id: EventId) -> Reply {
        let object = if self.names_event {
            self.object.text("eventId", &id.to_string())
        } else {
            self.object
        };
        Reply(object.finish().into())
    }

    /// The draft as bytes, to be stored.
    #[inline]
    pub fn encode(&self) -> Vec<u8> {
        [
            &[u8::from(self.names_event)],
            self.object.written_so_far().as_bytes(),
        ]
        .concat()
    }

    /// Reads the bytes that [`Draft::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (names_event, object) = bytes.split_first()?;
        let object = Object::resume(std::str::from_utf8(object).ok()?.to_owned());
        Some(Self {
            object,
            names_event: *names_event == 1,
        })
    }
}

impl IntoResponse for Reply {
    #[inline]
    fn into_response(self) -> Response {
        let mut response = Response::new(self.0.into());
        let headers = response.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        // An answer must not be cached, because it describes the state of one moment.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
