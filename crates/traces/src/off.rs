//! What stands in for traces where the feature `otlp` is off: nothing.
//!
//! Must never cost anything in the way of a request.

use axum::routing::MethodRouter;
use http::Request;

use crate::environment::{endpoint, variable};

/// Makes no spans.
#[derive(Clone, Default)]
pub struct Tracer;

/// Sends nothing anywhere.
pub struct Export;

impl Tracer {
    /// Puts no span around anything.
    pub fn around<S>(&self, _: &'static str, route: MethodRouter<S>) -> MethodRouter<S> {
        route
    }

    /// Notes nothing.
    pub fn arrived(&self, _: &mut Request<()>) {}
}

impl Export {
    /// Says so if somebody expects traces.
    pub fn start() -> Self {
        if let Some(doubt) = doubt() {
            tracing::warn!("{doubt}");
        }
        Self
    }

    /// What makes the spans: none.
    pub fn tracer(&self) -> Tracer {
        Tracer
    }

    /// Where they go: nowhere.
    pub fn endpoint(&self) -> Option<&str> {
        None
    }

    /// Sends what waits: nothing does.
    #[expect(clippy::unused_async, reason = "as where there is something to do")]
    pub async fn flush(&self) {}
}

/// What to say where somebody expects traces.
pub fn doubt() -> Option<&'static str> {
    endpoint(variable).map(|_| {
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this binary was built without traces: none are sent. Build it with \
         `cargo build --profile dist --features otlp`, or unset the variable"
    })
}

/// Does `work`, in no span.
pub fn step<F: Future>(_: &'static str, work: F) -> F {
    work
}

/// The work as it is.
pub fn carried<F: Future>(work: F) -> F {
    work
}

/// Writes nothing.
pub fn note(_: &'static str, _: &'static str) {}
