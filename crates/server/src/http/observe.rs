//! The layer around every request. It gives the request an id, writes one line to the log, counts
//! failures, and sets the headers that every answer has.
//!
//! A failure is logged here and nowhere else. The path is logged without its query, because a query
//! may contain a token.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::response::Response;
use http::header::X_CONTENT_TYPE_OPTIONS;
use http::{HeaderValue, Method};
use tidings_edge::error::Code;
use tidings_edge::request_id::{self, RequestId};
use tidings_telemetry::panics::Panic;
use tower::layer::layer_fn;
use tower::{Layer, Service};

use crate::counts::Counts;

/// Creates the layer. Only the layer of the base path is outside of it. It is a service of its own,
/// because `from_fn` would box the inner layers for each request.
pub(crate) fn layer<S>(counts: Arc<Counts>) -> impl Layer<S, Service = Observe<S>> + Clone {
    layer_fn(move |inner| Observe {
        inner,
        counts: counts.clone(),
    })
}

/// A service whose requests are observed.
#[derive(Clone)]
pub(crate) struct Observe<S> {
    inner: S,
    counts: Arc<Counts>,
}

/// A request in progress.
pub(crate) struct Observed<F> {
    answer: F,
    id: RequestId,
    method: Method,
    path: String,
    in_progress: InProgress,
}

/// Counts as one call in progress until it is dropped.
struct InProgress(Arc<Counts>);

impl InProgress {
    fn new(counts: Arc<Counts>) -> Self {
        counts.called();
        Self(counts)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.answered();
    }
}

impl<S> Service<Request> for Observe<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Observed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let id = RequestId::from_headers(request.headers());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let in_progress = InProgress::new(self.counts.clone());
        Observed {
            answer: self.inner.call(request),
            id,
            method,
            path,
            in_progress,
        }
    }
}

impl<F, E> Future for Observed<F>
where
    F: Future<Output = Result<Response, E>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(cx));
        Poll::Ready(answer.map(|response| self.finish(response)))
    }
}

impl<F> Observed<F> {
    /// Logs and counts the answer, and sets its headers.
    fn finish(&self, mut response: Response) -> Response {
        let Self {
            id, method, path, ..
        } = self;
        let (status, code) = (
            response.status().as_u16(),
            response.extensions().get::<Code>().copied(),
        );
        // Only a failure of this server is logged as an error. A mistake of the client is not one,
        // and neither is a refusal that the server intends.
        let is_intended = matches!(code, Some(Code::Draining | Code::TooManyConnections));
        let is_failure = status >= 500 && !is_intended;
        if let Some(code) = code {
            self.in_progress.0.refused(code);
        }
        let code = code.map(Code::as_str);
        if let Some(panic) = response.extensions_mut().remove::<Arc<Panic>>() {
            let Panic {
                message,
                at,
                backtrace,
            } = &*panic;
            tracing::error!(request = %id, %method, path, status, code, panic = message, at, backtrace, "panicked");
        } else if is_failure {
            tracing::error!(request = %id, %method, path, status, code, "answered");
        } else {
            tracing::debug!(request = %id, %method, path, status, code, "answered");
        }
        let headers = response.headers_mut();
        headers.insert(request_id::HEADER, id.header_value());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}
