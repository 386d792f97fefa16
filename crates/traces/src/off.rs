//! The replacement for traces where the feature `otlp` is off. It does nothing.
//!
//! Must never add any cost to a request.

use axum::routing::MethodRouter;
use http::Request;

use crate::environment::{endpoint, variable};

/// Makes no spans.
#[derive(Clone, Default)]
pub struct Tracer;

/// Sends nothing anywhere.
pub struct Export;

impl Tracer {
    /// Returns the route as it is.
    pub fn around<S>(&self, _: &'static str, route: MethodRouter<S>) -> MethodRouter<S> {
        route
    }

    /// Does nothing.
    pub fn arrived(&self, _: &mut Request<()>) {}
}

impl Export {
    /// Logs a warning if the environment asks for traces.
    pub fn start() -> Self {
        if let Some(doubt) = doubt() {
            tracing::warn!("{doubt}");
        }
        Self
    }

    /// Returns a tracer that makes no spans.
    pub fn tracer(&self) -> Tracer {
        Tracer
    }

    /// Returns `None`, because spans are sent nowhere.
    pub fn endpoint(&self) -> Option<&str> {
        None
    }

    /// Does nothing, because there are no spans to send.
    #[expect(clippy::unused_async, reason = "as where there is something to do")]
    pub async fn flush(&self) {}
}

/// Returns a warning if the environment asks for traces.
pub fn doubt() -> Option<&'static str> {
    endpoint(variable).map(|_| {
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this binary was built without traces: none are sent. Build it with \
         `cargo build --profile dist --features otlp`, or unset the variable"
    })
}

/// Does `work` without a span.
pub fn step<F: Future>(_: &'static str, work: F) -> F {
    work
}

/// Returns the work as it is.
pub fn carried<F: Future>(work: F) -> F {
    work
}

/// Writes nothing.
pub fn note(_: &'static str, _: &'static str) {}
