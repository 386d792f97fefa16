//! A layer around every route that refuses an HTTP/1.1 request unless it has exactly one `Host`
//! header (RFC 9112, section 3.2).
//!
//! Nothing in this server depends on the host, but a proxy in front of it may depend on it. A
//! request that a proxy and a server understand differently can be used for request smuggling.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderValue, Method, Version};
use tower::layer::layer_fn;
use tower::{Layer, Service};

use crate::client_ip::Peer;
use crate::error::Error;

/// The layer for every method but `OPTIONS`. It is below the layers that every answer passes.
pub fn layer<S>() -> impl Layer<S, Service = RequireHost<S>> + Clone {
    layer_fn(|inner| RequireHost {
        inner,
        preflights: false,
    })
}

/// The layer for `OPTIONS`. It is above the CORS layer, which answers every such request and passes
/// none on. So no page can read this refusal, and none needs to, because every browser sends the
/// header.
pub fn layer_for_preflights<S>() -> impl Layer<S, Service = RequireHost<S>> + Clone {
    layer_fn(|inner| RequireHost {
        inner,
        preflights: true,
    })
}

/// A service that calls the inner service only if the request has a valid `Host`.
#[derive(Clone)]
pub struct RequireHost<S> {
    inner: S,
    /// Whether only requests with the method `OPTIONS` are checked; otherwise, only the others are.
    preflights: bool,
}

/// The future of the answer.
pub enum RequireHostFuture<F> {
    /// The future of the inner service.
    Inner(F),
    /// The refusal. It is taken when it is returned.
    Refused(Option<Response>),
}

impl<S> Service<Request> for RequireHost<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = S::Error;
    type Future = RequireHostFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let is_checked = (request.method() == Method::OPTIONS) == self.preflights;
        match is_checked.then(|| problem(&request)).flatten() {
            None => RequireHostFuture::Inner(self.inner.call(request)),
            Some(problem) => {
                RequireHostFuture::Refused(Some(Error::field("Host", problem).into_response()))
            }
        }
    }
}

impl<F, E> Future for RequireHostFuture<F>
where
    F: Future<Output = Result<Response, E>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Inner(future) => Pin::new(future).poll(cx),
            Self::Refused(response) => Poll::Ready(Ok(response.take().unwrap_or_default())),
        }
    }
}

/// What is wrong with the request's `Host`, if anything is. The header is required even if the
/// target is in absolute form.
///
/// Two kinds of requests are not checked: those over HTTP/2, where the host is part of the target,
/// and those that an embedding application made, which did not come over a socket.
fn problem(request: &Request) -> Option<&'static str> {
    let version = request.version();
    if version > Version::HTTP_11 || request.extensions().get::<Peer>().is_none() {
        return None;
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Some("is given more than once"),
        (Some(host), None) if !is_host(host) => {
            Some("must be a name or an address, optionally with a port")
        }
        (None, _) if version == Version::HTTP_11 => Some("is required by HTTP/1.1"),
        _ => None,
    }
}

/// Whether the value is `uri-host [ ":" port ]`. It may be empty, for targets without a host.
fn is_host(value: &HeaderValue) -> bool {
    value.is_empty()
        || (Authority::try_from(value.as_bytes()).is_ok() && !value.as_bytes().contains(&b'@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        let is_host = |text: &'static str| is_host(&HeaderValue::from_static(text));
        for good in [
            "",
            "x",
            "localhost:3000",
            "my_service:80",
            "127.0.0.1",
            "[::1]:3000",
            "a.b-c.example",
            "x:",
        ] {
            assert!(is_host(good), "{good:?}");
        }
        for bad in ["a b", "a@b", "a/b", "http://x", "[::1", "a?b"] {
            assert!(!is_host(bad), "{bad:?}");
        }
    }
}
