//! hyper's lane: calls, HTTP/2, and streams that are asked for on a connection that has carried another request before.
//!
//! Owns such a connection from its first byte to its last: which requests it serves, how long it may be idle, and how it is
//! told to go. Knows nothing of what a request means.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http_body::Frame;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::accept::Lane;
use super::census::{Call, Guest};
use super::cut::Cuttable;
use crate::http::extract::Peer;
use crate::http::stream_response::StreamSlot;

/// How long a peer that was told to go has for it: over HTTP/2 it has to acknowledge.
const GRACE: Duration = Duration::from_millis(500);

/// How far a connection is on its way out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leave {
    Not,
    /// It was told to, and goes when it has been answered.
    WhenDone,
    /// It was told to, and goes soon.
    Soon,
}

impl Lane {
    /// Serves a connection to its end.
    pub(super) async fn hyper(self, socket: TcpStream, peer: SocketAddr, read_before: Vec<u8>, guest: Guest) {
        let guest = Arc::new(guest);
        let (io, cut) = Cuttable::new(socket, read_before, guest.clone(), self.connections.clone());
        let service = service_fn({
            let (guest, router, cut) = (guest.clone(), self.router.clone(), cut.clone());
            move |request: http::Request<Incoming>| {
                let mut call = guest.call();
                let mut request: Request = request.map(Body::new);
                request.extensions_mut().insert(Peer(peer));
                let shared = request.version() > http::Version::HTTP_11;
                request.extensions_mut().insert(if shared { cut.shared() } else { cut.clone() });
                let router = router.clone();
                async move {
                    let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
                    if response.extensions().get::<StreamSlot>().is_some_and(StreamSlot::is_stream) {
                        call.is_stream();
                    }
                    Ok::<_, Infallible>(response.map(|body| Answer { body, _call: call }))
                }
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        let max_head_bytes = u32::try_from(self.max_head_bytes).unwrap_or(u32::MAX);
        let timer = TokioTimer::new();
        builder.http1().timer(timer.clone()).header_read_timeout(self.head_timeout).max_buf_size(self.max_head_bytes);
        // A request that arrived whole is answered, whatever its sender has shut since.
        builder.http1().half_close(true);
        builder.http2().timer(timer).max_header_list_size(max_head_bytes);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
        // Over HTTP/1 hyper times each head, from the end of the answer before it. Who connects and says nothing, dawdles over
        // the bytes that tell HTTP/1 from HTTP/2, or asks for nothing over HTTP/2, is timed here.
        let idle_limit = self.head_timeout.max(self.write_timeout);
        let mut watch = std::pin::pin!(tokio::time::sleep(self.head_timeout + Duration::from_secs(1)));
        let mut leave = Leave::Not;
        loop {
            tokio::select! {
                biased; // the connection last: one that always has something to do would keep the others from their turn
                () = cut.killed() => return,
                () = guest.sent_away() => {
                    leave = Leave::Soon;
                    connection.as_mut().graceful_shutdown();
                    watch.as_mut().reset(Instant::now() + GRACE);
                }
                () = self.closing.cancelled(), if leave == Leave::Not => {
                    leave = Leave::WhenDone;
                    connection.as_mut().graceful_shutdown();
                    watch.as_mut().reset(Instant::now() + GRACE);
                }
                () = &mut watch => {
                    let now = Instant::now();
                    if leave == Leave::Soon {
                        cut.abandon();
                        return;
                    }
                    if !guest.has_asked() {
                        guest.closed().head_timeout.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    // What HTTP/2 holds back for want of a window is neither with us nor with the socket; as long as some of
                    // it leaves, the peer is not idle.
                    let idle = guest.idle_since().filter(|_| !cut.has_written());
                    let next = match (idle, leave) {
                        (Some(_), Leave::WhenDone) => return,
                        (Some(since), _) if since + idle_limit <= now => {
                            guest.closed().idle.fetch_add(1, Ordering::Relaxed);
                            leave = Leave::WhenDone;
                            connection.as_mut().graceful_shutdown();
                            now + GRACE
                        }
                        (Some(since), _) => since + idle_limit,
                        (None, Leave::Not) => now + idle_limit,
                        (None, _) => now + GRACE,
                    };
                    watch.as_mut().reset(next);
                }
                result = &mut connection => {
                    if let Err(error) = result {
                        tracing::trace!(%peer, error = &*error, "a connection broke off");
                    }
                    return;
                }
            }
        }
    }
}

/// The body of an answer, which counts as being answered until hyper lets go of it.
struct Answer {
    body: Body,
    _call: Call,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
