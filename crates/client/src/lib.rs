//! A small HTTP client for the commands that talk to a running server, and the TLS configuration of
//! every client.
//!
//! Owns the address, the token, and which failures are temporary. Must never put the token anywhere
//! except into the `Authorization` header. Must never follow a redirect, because the token would be
//! sent along. Must never repeat a call, because only the caller knows whether that is safe.

mod address;
mod failure;
mod resolver;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

pub use address::{Address, NotAPath};
pub use failure::{Failure, Refusal};

use resolver::Resolver;

/// The time limit for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time limit for a whole answer, or for the head of a stream, including the connection. This
/// is enough, because a publish waits for the disk, but not for the clients that receive the event.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer that is read, in bytes, unless it is a stream.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// The header that says after which event a stream resumes.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A client of one server, with the token of the caller. It has no `Debug`, because of the token.
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    address: Address,
    authorization: Option<HeaderValue>,
}

/// Why a client could not be created.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No header can contain the token.
    #[error("the token contains characters that no token can contain")]
    Token,
    /// There are no root certificates, so no server can be verified.
    #[error("the system's root certificates can't be read, which https needs")]
    Roots(#[source] std::io::Error),
    /// An error of the TLS library.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl Client {
    /// Returns a client for the server at `address`. It does not connect yet.
    pub fn new(address: Address, token: Option<&str>) -> Result<Self, Error> {
        Self::build(address, token, false)
    }

    /// Returns a client that uses HTTP/2 if the server offers it during the TLS handshake, as
    /// browsers do.
    pub fn with_http2(address: Address, token: Option<&str>) -> Result<Self, Error> {
        Self::build(address, token, true)
    }

    fn build(address: Address, token: Option<&str>, http2: bool) -> Result<Self, Error> {
        let authorization = token.map(bearer).transpose()?;
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(address.is_https())?)
            .https_or_http();
        let connector = if http2 {
            connector.enable_all_versions().wrap_connector(tcp)
        } else {
            connector.enable_http1().wrap_connector(tcp)
        };
        // Each call has a connection of its own, because a reused one may be dead, which looks like
        // a lost answer.
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Ok(Self {
            http,
            address,
            authorization,
        })
    }

    /// Posts JSON or an empty body, and returns the body of the answer if its status is 2xx. `key`
    /// is the `Idempotency-Key`.
    pub async fn post(&self, path: &str, body: Bytes, key: &HeaderValue) -> Result<Bytes, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(IDEMPOTENCY_KEY, key.clone());
        let answered = async {
            let response = self.send(http::Method::POST, path, headers, body).await?;
            if response.status().is_success() {
                let read = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
                    .collect()
                    .await;
                return Ok(read
                    .map_err(|error| Failure::lost(&self.address, &*error))?
                    .to_bytes());
            }
            Err(Failure::Refused(refusal(response).await))
        };
        self.within_timeout(answered).await
    }

    /// Opens an event stream. If `after` is given, the stream resumes after the event with that id.
    pub async fn stream(&self, path: &str, after: Option<&str>) -> Result<Incoming, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(id) = after {
            let id = HeaderValue::from_bytes(id.as_bytes()).map_err(|_| Failure::Id)?;
            headers.insert(LAST_EVENT_ID, id);
        }
        let opened = async {
            let response = self
                .send(http::Method::GET, path, headers, Bytes::new())
                .await?;
            if response.status() != StatusCode::OK {
                return Err(Failure::Refused(refusal(response).await));
            }
            if is_event_stream(response.headers()) {
                Ok(response.into_body())
            } else {
                Err(Failure::NoStream)
            }
        };
        self.within_timeout(opened).await
    }

    /// Sends a request without a body, and returns the answer whatever its status is. The caller
    /// has to set a timeout.
    pub async fn ask(
        &self,
        method: http::Method,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Response<Incoming>, Failure> {
        self.send(method, path, headers, Bytes::new()).await
    }

    async fn send(
        &self,
        method: http::Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.address.at(path)?;
        *request.headers_mut() = headers;
        let agent = concat!("tidings/", env!("CARGO_PKG_VERSION"));
        request
            .headers_mut()
            .insert(USER_AGENT, HeaderValue::from_static(agent));
        if let Some(authorization) = &self.authorization {
            request
                .headers_mut()
                .insert(AUTHORIZATION, authorization.clone());
        }
        self.http.request(request).await.map_err(|error| {
            if error.is_connect() {
                Failure::unreachable(&self.address, &error)
            } else {
                Failure::lost(&self.address, &error)
            }
        })
    }

    async fn within_timeout<T>(
        &self,
        answered: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let timed_out = |elapsed| Failure::lost(&self.address, &elapsed);
        tokio::time::timeout(ANSWER_TIMEOUT, answered)
            .await
            .map_err(timed_out)?
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Error::Token)?;
    value.set_sensitive(true); // hides it from every `Debug`
    Ok(value)
}

/// Returns the TLS configuration. It names its cryptography provider, because looking for the
/// default of the process fails if a second provider is linked. Without `https`, it contains no
/// root certificates, because reading them takes longer than a publish.
pub fn tls(https: bool) -> Result<rustls::ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    let roots = if https {
        hyper_rustls::ConfigBuilderExt::with_native_roots(versions).map_err(Error::Roots)?
    } else {
        versions.with_root_certificates(rustls::RootCertStore::empty())
    };
    Ok(roots.with_no_client_auth())
}

/// Reads the body of an error answer. If the body is incomplete, only the status and the headers
/// count.
pub async fn refusal(response: Response<Incoming>) -> Refusal {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    let body = body
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    Refusal::read(head.status, &head.headers, &body)
}

/// Returns whether an answer is an event stream. Only the media type counts, not its parameters,
/// and case does not matter (RFC 9110, section 8.3.1).
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    let essence = |value: &HeaderValue| {
        let mime: mime::Mime = value.to_str().ok()?.parse().ok()?;
        Some(mime.type_() == mime::TEXT && mime.subtype() == "event-stream")
    };
    headers
        .get(CONTENT_TYPE)
        .and_then(essence)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_media_type_decides_whether_an_answer_is_an_event_stream() {
        let is_stream = |text: &'static str| {
            is_event_stream(&HeaderMap::from_iter([(
                CONTENT_TYPE,
                HeaderValue::from_static(text),
            )]))
        };
        assert!(is_stream("text/event-stream"));
        assert!(is_stream("Text/Event-Stream; charset=utf-8"));
        assert!(!is_stream("text/html"));
        assert!(!is_stream("text/event-streams"));
        assert!(!is_event_stream(&HeaderMap::new()));
    }

    #[test]
    fn no_debug_output_shows_the_token() {
        let value = bearer("secret-token").unwrap();
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert!(matches!(bearer("two\nlines"), Err(Error::Token)));
    }

    #[test]
    fn tls_does_not_use_the_default_provider_of_the_process() {
        assert!(tls(false).is_ok());
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }
}
