//! What stands in for traces where the feature `otlp` is off: nothing.
//!
//! Must never cost anything in the way of a request.

use axum::routing::MethodRouter;
use http::Request;

/// Makes no spans.
#[derive(Clone, Default)]
pub struct Tracer;

/// Sends nothing anywhere.
pub struct Export;

#[expect(clippy::unused_self, reason = "as where there is something to do")]
impl Tracer {
    pub(crate) fn around<S>(&self, _: &'static str, route: MethodRouter<S>) -> MethodRouter<S> {
        route
    }

    pub(crate) fn arrived(&self, _: &mut Request<()>) {}
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
