//! A layer around every route that answers a panic with 500 `internal`, so that the connection and
//! the other calls on it survive.
//!
//! It is below the layers that every answer passes, so that CORS applies to this answer too, and a
//! page of another origin may read it. It does not wrap the body of an answer, because the body of
//! a stream may never be polled.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use tidings_telemetry::panics::{self, Panic};
use tower::layer::layer_fn;
use tower::{Layer, Service};

use crate::error::{Code, Error};

/// The layer. It does not use the `CatchPanic` of tower-http, because that boxes every body.
pub fn layer<S>() -> impl Layer<S, Service = CatchPanic<S>> + Clone {
    layer_fn(|inner| CatchPanic { inner })
}

/// A service that answers a panic of the inner service.
#[derive(Clone)]
pub struct CatchPanic<S> {
    inner: S,
}

/// The future of the answer. It holds the future of the inner service, or the panic of the call
/// that should have returned one. The panic is taken when it is answered.
pub struct CatchPanicFuture<F>(Result<F, Option<Panic>>);

impl<S> Service<Request> for CatchPanic<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = S::Error;
    type Future = CatchPanicFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        CatchPanicFuture(panics::catch(|| self.inner.call(request)).map_err(Some))
    }
}

impl<F, E> Future for CatchPanicFuture<F>
where
    F: Future<Output = Result<Response, E>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let panic = match &mut self.0 {
            Ok(future) => match panics::catch(|| Pin::new(future).poll(cx)) {
                Ok(poll) => return Poll::Ready(ready!(poll)),
                Err(panic) => Some(panic),
            },
            Err(panic) => panic.take(),
        };
        // Drops the future that panicked, because it must never be polled again.
        self.0 = Err(None);
        Poll::Ready(Ok(panic_response(panic)))
    }
}

/// The answer to a request that panicked. The panic is attached to it for the layer that logs.
fn panic_response(panic: Option<Panic>) -> Response {
    let mut response = Error::new(
        Code::Internal,
        "The server has a fault; its log has the details",
    )
    .into_response();
    if let Some(panic) = panic {
        response.extensions_mut().insert(Arc::new(panic));
    }
    response
}
