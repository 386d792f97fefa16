//! The HTTP client that sends spans to the collector. It implements the trait that the exporter
//! requires, with the HTTP client that the binary contains anyway.
//!
//! Owns the time limit of an export, and the reason why the last one failed. Must never create
//! spans itself.

use std::error::Error;
use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use parking_lot::Mutex;
use tidings_client as client;
use tokio::runtime::Handle;

/// The longest answer that is read, in bytes. An answer contains only the number of refused spans
/// and the reason.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// An HTTP client for one collector. Clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct CollectorClient {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    runtime: Handle,
    pub(super) cause: FailureCause,
}

/// Why the last export failed, as a text for the log. The error of the exporter does not contain
/// the reason.
#[derive(Clone, Debug, Default)]
pub(super) struct FailureCause(Arc<Mutex<Option<String>>>);

impl CollectorClient {
    /// Returns a client that uses the current runtime. It does not connect yet.
    pub(super) fn new(https: bool, timeout: Duration) -> Result<Self, client::Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client::tls(https)?)
            .https_or_http()
            .enable_http1();
        let http = Client::builder(TokioExecutor::new()).build(connector.wrap_connector(tcp));
        Ok(Self {
            http,
            timeout,
            runtime: Handle::current(),
            cause: FailureCause::default(),
        })
    }

    /// Sends a request and reads the whole answer, within the time limit.
    async fn exchange(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answered = async {
            let (head, body) = self
                .http
                .request(request.map(Full::new))
                .await?
                .into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES)
                .collect()
                .await?
                .to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        tokio::time::timeout(self.timeout, answered)
            .await
            .unwrap_or_else(|_| Err("it did not answer in time".into()))
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    /// Sends a request in a task of the runtime, because the thread of the exporter has no runtime.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let exchanged = self.runtime.spawn(self.clone().exchange(request)).await;
        let exchanged = exchanged.unwrap_or_else(|error| Err(error.into()));
        match &exchanged {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => self.cause.set(format!("it answered {}", answer.status())),
            Err(error) => self.cause.set(innermost(&**error)),
        }
        exchanged
    }
}

impl FailureCause {
    fn set(&self, cause: String) {
        *self.0.lock() = Some(cause);
    }

    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().take()
    }
}

/// Returns the text of the innermost error, such as "Connection refused". The errors around it say
/// only that the client failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    successors(Some(error), |&error| error.source())
        .last()
        .unwrap_or(error)
        .to_string()
}
