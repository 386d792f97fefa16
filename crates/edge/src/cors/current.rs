//! The current CORS rules. A reload replaces them for every request that comes afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use parking_lot::RwLock;
use tower::layer::layer_fn;
use tower::{Layer, Service};
use tower_http::cors::{self, CorsLayer};

use super::{Error, Options};

/// The current CORS rules of one server.
pub struct Current {
    layer: RwLock<CorsLayer>,
    /// The number of times the rules were replaced.
    changes: AtomicU64,
}

/// A service that applies the current rules to the inner service.
#[derive(Clone)]
pub struct Cors<S> {
    current: Arc<Current>,
    /// The value of [`Current::changes`] when `service` was made.
    seen_changes: u64,
    service: cors::Cors<S>,
}

impl Current {
    /// Starts with the rules of `options`.
    pub fn new(options: &Options) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self {
            layer: RwLock::new(super::layer(options)?),
            changes: AtomicU64::new(0),
        }))
    }

    /// Replaces the rules.
    pub fn replace(&self, layer: CorsLayer) {
        *self.layer.write() = layer;
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// The layer that applies to each request the rules that are current when it comes.
    pub fn layer<S>(self: Arc<Self>) -> impl Layer<S, Service = Cors<S>> + Clone {
        layer_fn(move |inner| {
            let seen_changes = self.changes.load(Ordering::Acquire);
            Cors {
                current: self.clone(),
                seen_changes,
                service: self.layer.read().layer(inner),
            }
        })
    }
}

impl<S> Service<Request> for Cors<S>
where
    S: Service<Request, Response = Response> + Clone,
{
    type Response = Response;
    type Error = S::Error;
    type Future = cors::ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // If nothing was reloaded, this costs one load of an atomic.
        let changes = self.current.changes.load(Ordering::Acquire);
        if changes != self.seen_changes {
            self.service = self
                .current
                .layer
                .read()
                .layer(self.service.get_ref().clone());
            self.seen_changes = changes;
        }
        self.service.call(request)
    }
}
