//! Replaces the functions for traces if the feature `otlp` is off. They do nothing, and must not
//! add any cost to a request.

use axum::routing::MethodRouter;
use http::Request;

use crate::environment::{endpoint, variable};

/// Creates no spans.
#[derive(Clone, Default)]
pub struct Tracer;

/// Sends nothing.
pub struct Export;

impl Tracer {
    /// Returns the route unchanged.
    pub fn around<S>(&self, _: &'static str, route: MethodRouter<S>) -> MethodRouter<S> {
        route
    }

    /// Does nothing.
    pub fn arrived(&self, _: &mut Request<()>) {}
}

impl Export {
    /// Logs a warning if the environment asks for traces.
    pub fn start() -> Self {
        if let Some(warning) = missing_feature() {
            tracing::warn!("{warning}");
        }
        Self
    }

    /// Returns a tracer that creates no spans.
    pub fn tracer(&self) -> Tracer {
        Tracer
    }

    /// Returns `None`, because no spans are sent.
    pub fn endpoint(&self) -> Option<&str> {
        None
    }

    /// Does nothing, because there are no spans.
    #[expect(clippy::unused_async, reason = "the signature of the implementation")]
    pub async fn flush(&self) {}
}

/// Returns a warning if the environment asks for traces.
pub fn missing_feature() -> Option<&'static str> {
    endpoint(variable).map(|_| {
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this binary was built without traces, so none \
         are sent. Build it with `cargo build --profile dist --features otlp`, or unset the \
         variable"
    })
}

/// Returns the work unchanged.
pub fn in_span<F: Future>(_: &'static str, work: F) -> F {
    work
}

/// Returns the work unchanged.
pub fn with_current_span<F: Future>(work: F) -> F {
    work
}

/// Does nothing.
pub fn set_attribute(_: &'static str, _: &'static str) {}
