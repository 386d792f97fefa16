//! The CORS rules that apply now. A reload replaces them for every request that comes afterwards.

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

/// The CORS rules of one server.
pub struct Current {
    layer: RwLock<CorsLayer>,
    /// How many times the rules were replaced.
    changes: AtomicU64,
}

/// A service to which the rules apply.
#[derive(Clone)]
pub struct Cors<S> {
    current: Arc<Current>,
    /// The value of [`Current::changes`] at which `service` was made.
    change: u64,
    service: cors::Cors<S>,
}

impl Current {
    /// The first rules.
    pub fn new(options: &Options) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self { layer: RwLock::new(super::layer(options)?), changes: AtomicU64::new(0) }))
    }

    /// Replaces the rules.
    pub fn replace(&self, layer: CorsLayer) {
        *self.layer.write() = layer;
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// The layer that applies the rules that are current when a request comes.
    pub fn layer<S>(self: Arc<Self>) -> impl Layer<S, Service = Cors<S>> + Clone {
        layer_fn(move |inner| {
            let change = self.changes.load(Ordering::Acquire);
            Cors { current: self.clone(), change, service: self.layer.read().layer(inner) }
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
        let change = self.current.changes.load(Ordering::Acquire);
        if change != self.change {
            self.service = self.current.layer.read().layer(self.service.get_ref().clone());
            self.change = change;
        }
        self.service.call(request)
    }
}
