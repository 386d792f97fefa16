//! From a listening socket to requests: accepts, and has hyper serve each connection.
//!
//! An accept loop of our own, because `axum::serve` has no time limit for request heads and no way to cut a connection.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::cut::Cuttable;
use crate::http::extract::Peer;

/// How long the loop waits after an accept that failed for want of something (descriptors, memory): long enough not to
/// spin, short enough that nobody notices when it is over.
const BACK_OFF: Duration = Duration::from_millis(50);

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Lane {
    pub(crate) router: Router,
    pub(crate) max_head_bytes: usize,
    pub(crate) head_timeout: Duration,
    /// Tells connections to end after the request that they are serving.
    pub(crate) closing: CancellationToken,
    pub(crate) connections: TaskTracker,
}

impl Lane {
    /// Accepts until the server closes.
    pub(crate) async fn accept(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.closing.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    self.connections.spawn(self.clone().serve(stream, peer));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "can't accept at the moment");
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    }

    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        // Small events must leave at once, not wait for an acknowledgement (RFC 896).
        let _ = stream.set_nodelay(true);
        let (io, cut) = Cuttable::new(stream);
        let asked = Arc::new(AtomicBool::new(false));
        let service = service_fn({
            let (asked, router) = (asked.clone(), self.router);
            move |request: http::Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                let mut request: Request = request.map(axum::body::Body::new);
                request.extensions_mut().insert(Peer(peer));
                if request.version() <= http::Version::HTTP_11 {
                    request.extensions_mut().insert(cut.clone());
                }
                let router = router.clone();
                async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_buf_size(self.max_head_bytes);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(self.max_head_bytes).unwrap_or(u32::MAX));
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
        // hyper times the head from its first byte; who connects and says nothing, or dawdles over the bytes that tell
        // HTTP/1 from HTTP/2, is timed here.
        let mut first_head = std::pin::pin!(tokio::time::sleep(self.head_timeout + Duration::from_secs(1)));
        let (mut waiting, mut closing) = (true, false);
        loop {
            tokio::select! {
                result = &mut connection => {
                    if let Err(error) = result {
                        tracing::trace!(%peer, error = &*error, "a connection broke off");
                    }
                    return;
                }
                () = &mut first_head, if waiting => {
                    waiting = false;
                    if !asked.load(Ordering::Relaxed) {
                        return;
                    }
                }
                () = self.closing.cancelled(), if !closing => {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// The peer gave up between its connect and our accept.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
