//! A collector of OTLP over HTTP that stores what it receives.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use axum::serve::Listener;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message as _;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::server::TlsStream;

use crate::support::until;

pub(super) struct Collector {
    pub(super) address: SocketAddr,
    posts: Posts,
}

type Posts = Arc<Mutex<Vec<Post>>>;

/// One export, as it was received.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Collector {
    pub(super) async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// A collector behind TLS, named `localhost`, and the certificate that has to be trusted.
    pub(super) async fn secure() -> (Self, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into();
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into());
        let config = config
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        let config = config
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (
            Self::on(Secure {
                listener,
                acceptor: Arc::new(config).into(),
            }),
            cert.pem(),
        )
    }

    fn on(listener: impl Listener<Addr = SocketAddr>) -> Self {
        let (address, posts) = (listener.local_addr().unwrap(), Posts::default());
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(posts.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { address, posts }
    }

    pub(super) fn posts(&self) -> Vec<Post> {
        self.posts.lock().clone()
    }

    /// Every span that was received so far.
    pub(super) fn spans(&self) -> Vec<Span> {
        let requests = self.requests().into_iter();
        let scopes = requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// Waits for the span of this name.
    pub(super) async fn span(&self, name: &str) -> Span {
        let mut found = None;
        until(async || {
            found = self.spans().into_iter().find(|span| span.name == name);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// The attributes of the resource that sent the spans.
    pub(super) fn resource(&self) -> Vec<KeyValue> {
        let mut requests = self.requests();
        requests
            .swap_remove(0)
            .resource_spans
            .swap_remove(0)
            .resource
            .unwrap()
            .attributes
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.posts()
            .into_iter()
            .map(|post| ExportTraceServiceRequest::decode(post.body).unwrap())
            .collect()
    }
}

struct Secure {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (socket, peer) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(socket).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn take(State(posts): State<Posts>, headers: HeaderMap, body: Bytes) {
    posts.lock().push(Post { headers, body });
}

/// The value of an attribute; `null` if it is not there.
pub(super) fn attribute(attributes: &[KeyValue], name: &str) -> Value {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.clone()) {
        Some(Any::StringValue(text)) => text.into(),
        Some(Any::IntValue(number)) => number.into(),
        Some(other) => panic!("{name}: {other:?}"),
        None => Value::Null,
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
