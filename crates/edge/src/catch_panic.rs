//! A layer around every route that turns a panic into an answer, 500 `internal`. Neither the
//! connection nor any other call ends with the panic.
//!
//! It is below the layers that every answer passes, so that a page of another origin may read this
//! answer too. It wraps no body, because the body of a stream may never be polled.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use tidings_telemetry::panics::{self, Panic};
use tower::layer::layer_fn;
use tower::{Layer, Service};

use crate::error::{Code, Error};

/// The layer. It is not tower-http's `CatchPanic`, because that boxes every body.
pub fn layer<S>() -> impl Layer<S, Service = Guard<S>> + Clone {
    layer_fn(|inner| Guard { inner })
}

/// A service whose panics become answers.
#[derive(Clone)]
pub struct Guard<S> {
    inner: S,
}

/// The future of the answer, or the panic, if the call panicked before it returned a future.
pub struct Guarded<F>(Result<F, Option<Panic>>);

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Guarded<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Guarded(panics::catch(|| self.inner.call(request)).map_err(Some))
    }
}

impl<F, E> Future for Guarded<F>
where
    F: Future<Output = Result<Response, E>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let panic = match &mut self.0 {
            Ok(answer) => match panics::catch(|| Pin::new(answer).poll(cx)) {
                Ok(answer) => return Poll::Ready(ready!(answer)),
                Err(panic) => Some(panic),
            },
            Err(panic) => panic.take(),
        };
        // What panicked is dropped, and never polled again.
        self.0 = Err(None);
        Poll::Ready(Ok(answer(panic)))
    }
}

/// The answer to a request that panicked. It carries the panic to the layer that logs.
fn answer(panic: Option<Panic>) -> Response {
    let mut response = Error::new(Code::Internal, "The server has a fault; its log says what").into_response();
    if let Some(panic) = panic {
        response.extensions_mut().insert(Arc::new(panic));
    }
    response
}
