//! What stands in for traces where the feature `otlp` is off: nothing.
//!
//! Must never cost anything in the way of a request.

use axum::routing::MethodRouter;
use http::Request;

/// Makes no spans.
#[derive(Clone, Default)]
pub(crate) struct Tracer;

/// Sends nothing anywhere.
pub(crate) struct Export;

#[expect(clippy::unused_self, reason = "as where there is something to do")]
impl Tracer {
    pub(crate) fn around<S>(&self, _: &'static str, route: MethodRouter<S>) -> MethodRouter<S> {
        route
    }

    pub(crate) fn arrived(&self, _: &mut Request<()>) {}
}

#[expect(clippy::unused_self, clippy::unused_async, reason = "as where there is something to do")]
impl Export {
    /// Says so if somebody expects traces.
    pub(crate) fn start() -> Self {
        if let Some(doubt) = doubt() {
            tracing::warn!("{doubt}");
        }
        Self
    }

    pub(crate) fn tracer(&self) -> Tracer {
        Tracer
    }

    pub(crate) fn endpoint(&self) -> Option<&str> {
        None
    }

    pub(crate) async fn flush(&self) {}
}

/// What to say where somebody expects traces.
pub(crate) fn doubt() -> Option<&'static str> {
    super::endpoint(super::variable).map(|_| {
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this binary was built without traces: none are sent. Build it with \
         `cargo build --profile dist --features otlp`, or unset the variable"
    })
}

pub(crate) fn step<F: Future>(_: &'static str, work: F) -> F {
    work
}

pub(crate) fn carried<F: Future>(work: F) -> F {
    work
}

pub(crate) fn note(_: &'static str, _: &'static str) {}
