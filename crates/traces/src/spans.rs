//! The spans of requests: one around each traced request, and some inside of it.
//!
//! Owns the names and attributes of the spans, which follow the semantic conventions for HTTP
//! servers. `url.path`, `url.query`, the client's address and its `User-Agent` are left out on
//! purpose: a path may contain the name of a room, for example. The value of an attribute is a
//! number or a `&'static str`, so it can't contain any part of a request.

use std::time::SystemTime;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use http::{HeaderMap, HeaderName, Version};
use opentelemetry::context::FutureExt as _;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    SpanBuilder, SpanKind, SpanRef, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;
use tidings_edge::error::Code;

use crate::ERROR;

/// The longest `traceparent` or `tracestate` that is accepted, in bytes. W3C Trace Context (section
/// 3.3.1.5) asks implementations to propagate at least this length. A span keeps these headers in
/// memory until it is sent.
const MAX_HEADER_BYTES: usize = 512;

/// Creates spans, if there is a collector.
#[derive(Clone, Default)]
pub struct Tracer(Option<SdkTracer>);

/// What [`traced`] needs to know about the path of its requests.
#[derive(Clone)]
struct TracedPath {
    tracer: SdkTracer,
    path: &'static str,
}

/// The time at which the server read the head of a request that may have to wait.
#[derive(Clone, Copy)]
struct Arrived(SystemTime);

impl Tracer {
    pub(super) fn new(tracer: SdkTracer) -> Self {
        Self(Some(tracer))
    }

    /// Adds a span to each GET or POST request of `path`. It lasts from the request to the head of
    /// its answer.
    pub fn around<S>(&self, path: &'static str, route: MethodRouter<S>) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        match self.0.clone() {
            Some(tracer) => {
                route.route_layer(from_fn_with_state(TracedPath { tracer, path }, traced))
            }
            None => route,
        }
    }

    /// Records the arrival time of a request that may wait before it is routed.
    pub fn arrived(&self, request: &mut http::Request<()>) {
        if self.0.is_some() {
            request.extensions_mut().insert(Arrived(now()));
        }
    }
}

/// The middleware that creates the span of a request. If the client disconnects before the answer,
/// the span has no status.
async fn traced(
    State(TracedPath { tracer, path }): State<TracedPath>,
    request: Request,
    next: Next,
) -> Response {
    let method = match request.method().as_str() {
        "GET" => "GET",
        "POST" => "POST",
        _ => return next.run(request).await, // HEAD is not traced, because it opens no stream
    };
    let parent = TraceContextPropagator::new()
        .extract_with_context(&Context::new(), &Headers(request.headers()));
    let arrived = request
        .extensions()
        .get::<Arrived>()
        .map(|arrived| arrived.0);
    let builder = SpanBuilder::from_name(format!("{method} {path}"))
        .with_kind(SpanKind::Server)
        .with_start_time(arrived.unwrap_or_else(now))
        .with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", path),
            KeyValue::new("url.scheme", "http"),
            KeyValue::new("network.protocol.version", version(request.version())),
        ]);
    let span = tracer.build_with_context(builder, &parent);
    let context = parent.with_span(span).with_value(tracer);
    if arrived.is_some() {
        context.span().add_event("its turn came", Vec::new());
    }
    let response = next.run(request).with_context(context.clone()).await;
    let span = context.span();
    set_outcome(&span, &response);
    span.end();
    response
}

/// Adds the outcome of a request to its span.
fn set_outcome(span: &SpanRef<'_>, response: &Response) {
    let status = response.status();
    span.set_attribute(KeyValue::new(
        "http.response.status_code",
        i64::from(status.as_u16()),
    ));
    if let Some(code) = response.extensions().get::<Code>() {
        span.set_attribute(KeyValue::new(ERROR, code.as_str()));
    }
    if status.is_server_error() {
        // according to the conventions, a 4xx is not an error of the server
        span.set_status(Status::error(""));
    }
}

/// Does `work` within a child of the current request's span. If the request has no span, creates
/// none.
pub async fn in_span<F: Future>(name: &'static str, work: F) -> F::Output {
    let context = Context::current();
    let span = context
        .get::<SdkTracer>()
        .filter(|_| context.span().is_recording())
        .map(|tracer| {
            let span = tracer.build_with_context(SpanBuilder::from_name(name), &context);
            context.with_span(span)
        });
    let output = work.with_context(span.clone().unwrap_or(context)).await;
    if let Some(child) = span {
        child.span().end();
    }
    output
}

/// Ties `work`, which may then be moved to another task, to the current request's span.
pub fn with_current_span<F: Future>(work: F) -> impl Future<Output = F::Output> {
    work.with_current_context()
}

/// Sets an attribute of the current request's span, if it has one.
pub fn set_attribute(name: &'static str, value: &'static str) {
    Context::map_current(|context| context.span().set_attribute(KeyValue::new(name, value)));
}

/// The version of HTTP, as the conventions write it.
fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the SDK takes the times of its spans from the system's clock too"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// The headers of a request, which may name the parent span.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)?
            .to_str()
            .ok()
            .filter(|text| text.len() <= MAX_HEADER_BYTES)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
