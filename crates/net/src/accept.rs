//! Accepts connections, reads the beginning of their requests, and chooses the lane that carries
//! each connection.
//!
//! The server has an accept loop of its own for three reasons. `axum::serve` has no time limit for
//! the head of a request, has no way to cut a connection, and shows a request only after hyper's
//! buffers have been paid for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tidings_edge::client_ip::Peer;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::hyper::Outcome;
use crate::connection_server::ConnectionServer;
use crate::head::{self, Head};
use crate::{parked, peer};

/// How long the loop waits when it can't accept, because descriptors or memory are exhausted, or
/// because there are too many connections. It is long enough that the loop does not spin, and short
/// enough that it does not noticeably delay the recovery.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// How many connections are accepted before the loop yields to other tasks.
const MAX_ACCEPTS_IN_A_ROW: u32 = 8;

/// How long a connection may be silent before the kernel probes whether its peer is still there.
const KEEPALIVE_TIME: Duration = Duration::from_mins(1);

impl ConnectionServer {
    /// Accepts as long as the server listens. Keeps no state from one connection to the next, so
    /// that it can be restarted after a panic.
    pub async fn accept(self, listener: Arc<TcpListener>, listening: CancellationToken) {
        let (mut crowded, mut accepted_in_a_row) = (false, 0);
        loop {
            if accepted_in_a_row == MAX_ACCEPTS_IN_A_ROW {
                accepted_in_a_row = 0;
                tokio::task::yield_now().await;
            }
            let has_capacity = self.connection_table.has_capacity(self.connections.len());
            if !has_capacity && !crowded {
                tracing::warn!("too many connections are open; new ones wait to be accepted");
            }
            crowded = !has_capacity;
            let accept = async {
                if crowded {
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                    return None;
                }
                Some(listener.accept().await)
            };
            let accepted = tokio::select! {
                accepted = accept => accepted,
                () = listening.cancelled() => return,
            };
            let Some(accepted) = accepted else { continue };
            match accepted {
                Ok((stream, peer)) => {
                    accepted_in_a_row += 1;
                    let (connection_server, cut) = (self.clone(), self.cut.clone());
                    self.connections.spawn(async move {
                        cut.run_until_cancelled(connection_server.serve(stream, peer))
                            .await
                    });
                }
                Err(error) if peer_gave_up(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "can't accept at the moment");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }

    /// Serves a connection until it ends. Reads the head of the first request to choose the lane,
    /// and does so again for each request that arrives while the connection rests.
    ///
    /// The futures that follow the head are boxed, so that each connection costs little while
    /// thousands wait for their heads at once.
    async fn serve(self, mut socket: TcpStream, peer: SocketAddr) {
        self.set_options(&socket);
        let (accepted, tracked) = (Instant::now(), Arc::new(self.connection_table.enter()));
        let (mut read_before, mut resting_since) = (Vec::new(), None);
        loop {
            let mut began = resting_since.unwrap_or(accepted);
            if read_before.is_empty() {
                let has_sent = tokio::select! {
                    biased; // what has arrived is answered first
                    has_sent = self.first_byte(&socket, accepted, resting_since) => has_sent,
                    () = self.closing.cancelled() => {
                        // The runtime learns of bytes a moment after they have arrived.
                        if !peer::has_sent(&socket) {
                            return;
                        }
                        true
                    }
                    () = tracked.told_to_close() => return,
                };
                if !has_sent {
                    return peer::close(socket).await;
                }
                if resting_since.is_some() {
                    began = Instant::now();
                }
            }
            let head = tokio::select! {
                head = self.head(&mut socket, read_before, began) => head,
                () = tracked.told_to_close() => return,
            };
            let Some(Head {
                bytes,
                get,
                is_http2,
            }) = head
            else {
                return peer::close(socket).await;
            };
            if let Some(request) = get.filter(|request| {
                self.parked_streams
                    .as_ref()
                    .is_some_and(|streams| streams.matches(request))
            }) {
                // the request is answered at once, or opens a stream, which the table does not list
                drop((bytes, tracked));
                return Box::pin(self.park(socket, peer, request)).await;
            }
            if is_http2 {
                return Box::pin(self.http2(socket, peer, bytes, &tracked, accepted)).await;
            }
            match Box::pin(self.http1(socket, peer, bytes, &tracked, accepted)).await {
                Outcome::Closed => return,
                Outcome::Resting {
                    socket: resting,
                    read,
                    since,
                } => {
                    (socket, read_before, resting_since) = (resting, read, Some(since));
                }
            }
        }
    }

    /// Waits for the first byte of the next request, and returns whether it came. The first request
    /// of a connection has the time limit for heads, and each later one the idle timeout. No buffer
    /// is allocated before that byte.
    async fn first_byte(
        &self,
        socket: &TcpStream,
        accepted: Instant,
        resting_since: Option<Instant>,
    ) -> bool {
        let (until, closed) = match resting_since {
            Some(since) => (
                since + self.idle_timeout,
                &self.connection_table.closed.idle,
            ),
            None => (
                accepted + self.head_timeout,
                &self.connection_table.closed.head_timeout,
            ),
        };
        let Ok(readable) = tokio::time::timeout_at(until, socket.readable()).await else {
            closed.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        readable.is_ok()
    }

    /// Reads the beginning of the next request, whose first byte came at `began`. Returns `None` if
    /// the connection failed or ended, or if the rest did not come in time.
    async fn head(&self, socket: &mut TcpStream, before: Vec<u8>, began: Instant) -> Option<Head> {
        let head = head::read(socket, before, self.max_head_bytes);
        let Ok(head) = tokio::time::timeout_at(began + self.head_timeout, head).await else {
            self.connection_table
                .closed
                .head_timeout
                .fetch_add(1, Ordering::Relaxed);
            return None;
        };
        head.ok() // an error means that the peer has left
    }

    /// Sets the options of a socket. A kernel may lack some of them, which is no reason to refuse
    /// the connection.
    fn set_options(&self, socket: &TcpStream) {
        // Small events must leave at once instead of waiting for an acknowledgement (RFC 896).
        let _ = socket.set_nodelay(true);
        let socket = SockRef::from(socket);
        // A peer may vanish without a FIN or a reset. If it acknowledges nothing of what was
        // written, it counts as gone after the write timeout (RFC 5482), instead of after the
        // quarter of an hour for which the kernel would retry. If nothing is written to it, the
        // kernel probes it now and then.
        #[cfg(target_os = "linux")]
        let _ = socket.set_tcp_user_timeout(Some(self.write_timeout));
        let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_TIME));
    }

    /// Serves a request in the parked lane. It goes through the same router and layers as every
    /// other request, and the stream that it opens sleeps in a task of its own. Until the stream
    /// has caught up with the events that it missed, all of its work goes through the fair queue.
    async fn park(self, socket: TcpStream, peer: SocketAddr, mut request: http::Request<()>) {
        request.extensions_mut().insert(Peer(peer));
        self.tracer.arrived(&mut request);
        match self
            .queue
            .run(parked::answer(socket, self.router, request))
            .await
        {
            Ok(Some(parked)) if parked.is_behind() => {
                let (queue, connections) = (self.queue, self.connections.clone());
                self.connections.spawn(async move {
                    if let Some(parked) = queue.run(parked.catch_up()).await {
                        connections.spawn(parked);
                    }
                });
            }
            Ok(Some(parked)) => drop(self.connections.spawn(parked)),
            Ok(None) => {}
            Err(error) => tracing::trace!(%peer, %error, "a connection broke off"),
        }
    }
}

/// Whether the error concerns one connection only: the peer gave up between its connect and our
/// accept.
fn peer_gave_up(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
