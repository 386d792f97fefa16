//! A layer around every route that refuses an HTTP/1.1 request unless it names its host exactly
//! once (RFC 9112, section 3.2).
//!
//! This server decides nothing by that name, but a proxy in front of it may. A request that two
//! programs understand differently is how requests are smuggled.

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

/// The layer. It is below those that every answer passes.
pub fn layer<S>() -> impl Layer<S, Service = Hosted<S>> + Clone {
    layer_fn(|inner| Hosted { inner, preflights: false })
}

/// The layer for `OPTIONS`. It is above the CORS layer, which answers every such request and passes
/// none on. No page needs to read this refusal, because browsers name the host.
pub fn of_preflights<S>() -> impl Layer<S, Service = Hosted<S>> + Clone {
    layer_fn(|inner| Hosted { inner, preflights: true })
}

/// A service that is called only if the request names its host.
#[derive(Clone)]
pub struct Hosted<S> {
    inner: S,
    /// Whether this layer checks only requests with the method `OPTIONS`, or only the others.
    preflights: bool,
}

/// The future of the answer to a request that was checked.
pub enum Judged<F> {
    /// The future of the service's answer.
    Served(F),
    /// The refusal, until it is taken.
    Refused(Option<Response>),
}

impl<S> Service<Request> for Hosted<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Judged<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let is_judged = (request.method() == Method::OPTIONS) == self.preflights;
        match is_judged.then(|| problem(&request)).flatten() {
            None => Judged::Served(self.inner.call(request)),
            Some(problem) => Judged::Refused(Some(Error::field("Host", problem).into_response())),
        }
    }
}

impl<F, E> Future for Judged<F>
where
    F: Future<Output = Result<Response, E>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Served(answer) => Pin::new(answer).poll(cx),
            Self::Refused(response) => Poll::Ready(Ok(response.take().unwrap_or_default())),
        }
    }
}

/// What is wrong with the request's host. A target in absolute form does not replace the header.
/// Over HTTP/2, the host is part of the target. A request that did not come over a socket of the
/// server was made by an embedding application, and is not checked.
fn problem(request: &Request) -> Option<&'static str> {
    let version = request.version();
    if version > Version::HTTP_11 || request.extensions().get::<Peer>().is_none() {
        return None;
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Some("is there more than once"),
        (Some(host), None) if !is_host(host) => Some("must be a name or an address, and perhaps a port"),
        (None, _) if version == Version::HTTP_11 => Some("is required by HTTP/1.1"),
        _ => None,
    }
}

/// Whether the value is `uri-host [ ":" port ]`. It may be empty, for targets without a host.
fn is_host(value: &HeaderValue) -> bool {
    value.is_empty() || (Authority::try_from(value.as_bytes()).is_ok() && !value.as_bytes().contains(&b'@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        let is_host = |text: &'static str| is_host(&HeaderValue::from_static(text));
        for good in ["", "x", "localhost:3000", "my_service:80", "127.0.0.1", "[::1]:3000", "a.b-c.example", "x:"] {
            assert!(is_host(good), "{good:?}");
        }
        for bad in ["a b", "a@b", "a/b", "http://x", "[::1", "a?b"] {
            assert!(!is_host(bad), "{bad:?}");
        }
    }
}
