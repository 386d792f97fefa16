//! The answers that are not errors.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::json::Object;

/// A JSON body with status 200. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Reply(Bytes);

impl Reply {
    /// `{"success":true,"message":…` and what `more` adds.
    pub(crate) fn success(message: &str, more: impl FnOnce(Object) -> Object) -> Self {
        Self(more(Object::new().value("success", true).text("message", message)).finish().into())
    }

    /// Any JSON.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self(value.to_string().into())
    }

    /// JSON that was written already.
    pub(crate) fn written(text: String) -> Self {
        Self(text.into())
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        // No answer of this server is worth keeping: each tells the state of a moment.
        ([(CONTENT_TYPE, "application/json; charset=utf-8"), (CACHE_CONTROL, "no-store")], self.0).into_response()
    }
}
