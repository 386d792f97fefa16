//! From a listening socket to requests: accepts, and finds the lane that carries each connection.
//!
//! An accept loop of our own, because `axum::serve` has no time limit for request heads, no way to cut a connection, and
//! gives no look at a request before hyper's buffers are paid for.

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
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::cut::Cuttable;
use super::head::{self, Head};
use super::parked;
use crate::http::extract::Peer;
use crate::http::router::StreamPaths;

/// How long the loop waits after an accept that failed for want of something (descriptors, memory): long enough not to
/// spin, short enough that nobody notices when it is over.
const BACK_OFF: Duration = Duration::from_millis(50);

/// How long a connection may be silent before the kernel asks whether the other end is there.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Lane {
    pub(crate) router: Router,
    /// Which requests the parked lane takes; `None` if hyper carries everything.
    pub(crate) parks: Option<StreamPaths>,
    pub(crate) max_head_bytes: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) write_timeout: Duration,
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

    /// What comes after the head is boxed: while thousands wait for theirs at once, each should cost little.
    async fn serve(self, mut socket: TcpStream, peer: SocketAddr) {
        self.tune(&socket);
        let mut read_before = Vec::new();
        if let Some(streams) = &self.parks {
            let head = head::read(&mut socket, self.max_head_bytes);
            let read = tokio::select! {
                read = tokio::time::timeout(self.head_timeout, head) => read,
                () = self.closing.cancelled() => return, // it has asked for nothing yet
            };
            let Ok(Ok(Head { bytes, get })) = read else {
                return; // it left, or dawdled
            };
            if let Some(request) = get.filter(|request| streams.takes(request)) {
                drop(bytes);
                return Box::pin(self.park(socket, peer, request)).await;
            }
            read_before = bytes;
        }
        Box::pin(self.hyper(socket, peer, read_before)).await;
    }

    /// Options that a kernel may lack are no reason to refuse a connection.
    fn tune(&self, socket: &TcpStream) {
        // Small events must leave at once, not wait for an acknowledgement (RFC 896).
        let _ = socket.set_nodelay(true);
        let socket = SockRef::from(socket);
        // A peer that vanished without a word: one that acknowledges nothing that was written is gone after the write
        // timeout (RFC 5482), not after the quarter of an hour that the kernel would try; one to which nothing is written
        // is asked now and then.
        #[cfg(target_os = "linux")]
        let _ = socket.set_tcp_user_timeout(Some(self.write_timeout));
        let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    }

    /// The parked lane: the request goes through the same router and layers, and what is left of it sleeps in a task of
    /// its own.
    async fn park(self, socket: TcpStream, peer: SocketAddr, mut request: http::Request<()>) {
        request.extensions_mut().insert(Peer(peer));
        match parked::answer(socket, self.router, request).await {
            Ok(Some(parked)) => drop(self.connections.spawn(parked)),
            Ok(None) => {}
            Err(error) => tracing::trace!(%peer, %error, "a connection broke off"),
        }
    }

    /// hyper's lane.
    async fn hyper(self, socket: TcpStream, peer: SocketAddr, read_before: Vec<u8>) {
        let (io, cut) = Cuttable::new(socket, read_before);
        let asked = Arc::new(AtomicBool::new(false));
        let service = service_fn({
            let (asked, router, cut) = (asked.clone(), self.router, cut.clone());
            move |request: http::Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                let mut request: Request = request.map(axum::body::Body::new);
                request.extensions_mut().insert(Peer(peer));
                let shared = request.version() > http::Version::HTTP_11;
                request.extensions_mut().insert(if shared { cut.shared() } else { cut.clone() });
                let router = router.clone();
                async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        let max_head_bytes = u32::try_from(self.max_head_bytes).unwrap_or(u32::MAX);
        let timer = TokioTimer::new();
        builder.http1().timer(timer.clone()).header_read_timeout(self.head_timeout).max_buf_size(self.max_head_bytes);
        builder.http2().timer(timer).max_header_list_size(max_head_bytes);
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
                () = cut.killed() => return,
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
