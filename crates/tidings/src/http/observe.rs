//! Around every request: its id, one line in the log, its place in the counts if it failed, and the headers that every answer has.
//!
//! A failure is logged here and nowhere else. The path is logged without its query, because a query may hold a token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::X_CONTENT_TYPE_OPTIONS;

use super::error::Code;
use super::request_id::{self, RequestId};
use crate::metrics::Counts;

/// The outermost layer but the base path's.
pub(crate) async fn observe(State(counts): State<Arc<Counts>>, request: Request, next: Next) -> Response {
    let id = RequestId::from_headers(request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let (status, code) = (response.status().as_u16(), response.extensions().get::<Code>().copied());
    // A peer's fault is nobody's emergency, and neither is what we do on purpose; ours is.
    let on_purpose = matches!(code, Some(Code::Draining | Code::TooManyConnections));
    let failed = status >= 500 && !on_purpose;
    if let Some(code) = code {
        counts.refused(code);
    }
    let code = code.map(Code::as_str);
    if failed {
        tracing::error!(request = %id, %method, path, status, code, "answered");
    } else {
        tracing::debug!(request = %id, %method, path, status, code, "answered");
    }
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, id.header_value());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
