//! A connection of hyper's that can be cut from outside: after what was written has left, or at once.
//!
//! A stream whose client should come back ends without the last chunk, because some clients take a finished body for the
//! end of the story. hyper knows two ends of a body: finished, or failed – and a failed one may take the bytes before it
//! along. So the body asks for the cut here and stays pending; hyper flushes, and the flush that finds everything gone
//! ends the connection.
//!
//! And hyper does not poll the body of a response whose socket is blocked, so nothing inside a body can end a stream whose
//! peer reads nothing. The connection's task waits for [`Cut::killed`] beside hyper.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use parking_lot::Mutex;
use tidings_hub::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::census::Guest;
use super::peer::{self, HalfClosed};

/// The handle: cuts the connection it belongs to.
#[derive(Clone, Default)]
pub(crate) struct Cut {
    state: Arc<State>,
    /// Whether the connection carries several streams at a time (HTTP/2).
    shared: bool,
}

#[derive(Default)]
struct State {
    after_flush: AtomicBool,
    /// Whether the connection is closed without waiting for the peer to do the same.
    abandoned: AtomicBool,
    /// Whether bytes were written since somebody last asked.
    written: AtomicBool,
    /// Whether the peer of a stream has sent a FIN.
    half_closed: AtomicBool,
    kill: Notify,
    /// The stream that the connection carries, to be told when its socket takes nothing.
    stream: Mutex<Option<Arc<Connection>>>,
}

/// The connection.
pub(crate) struct Cuttable {
    /// What was read before hyper saw the connection; hyper reads it first.
    read_before: Bytes,
    /// `None` only while it is being dropped.
    socket: Option<TcpStream>,
    /// Whether the peer has said that nothing more comes from it.
    peer_done: bool,
    /// Set once the peer of a stream has said so.
    half_closed: Option<HalfClosed>,
    /// Whether the socket refused bytes since it last took all.
    refused: bool,
    cut: Cut,
    guest: Arc<Guest>,
    /// Where it is counted while it lingers.
    connections: TaskTracker,
}

impl Cut {
    /// The handle for one of several streams: it can kill the connection, and must not cut it for itself alone.
    pub(crate) fn shared(&self) -> Self {
        Self { state: self.state.clone(), shared: true }
    }

    /// Whether the connection carries several streams at a time.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Ends the connection with the next flush that leaves nothing behind.
    pub(crate) fn after_flush(&self) {
        self.state.after_flush.store(true, Ordering::Release);
    }

    /// Lets a kill of `stream` end the connection that carries it – and with it the other streams of a shared one, whose
    /// clients come back by their ids. A stream that has the connection to itself is told when the socket takes nothing.
    pub(crate) fn carries(&self, stream: &Arc<Connection>) {
        let state = self.state.clone();
        stream.on_kill(move || state.kill.notify_one());
        if !self.shared {
            *self.state.stream.lock() = Some(stream.clone());
        }
    }

    /// Resolves when the connection is to end whatever is unwritten.
    pub(crate) async fn killed(&self) {
        self.state.kill.notified().await;
    }

    /// Has the connection closed without waiting for its peer, which was told and did not go.
    pub(super) fn abandon(&self) {
        self.state.abandoned.store(true, Ordering::Relaxed);
    }

    /// Whether bytes were written since this was last asked.
    pub(super) fn has_written(&self) -> bool {
        self.state.written.swap(false, Ordering::Relaxed)
    }

    /// Whether the peer has sent a FIN since the connection carries a stream, which it then has to itself.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.state.half_closed.load(Ordering::Relaxed)
    }

    fn is_asked(&self) -> bool {
        self.state.after_flush.load(Ordering::Acquire)
    }
}

impl Cuttable {
    pub(super) fn new(
        socket: TcpStream,
        read_before: Vec<u8>,
        guest: Arc<Guest>,
        connections: TaskTracker,
    ) -> (Self, Cut) {
        let cut = Cut::default();
        let connection = Self {
            read_before: read_before.into(),
            socket: Some(socket),
            peer_done: false,
            half_closed: None,
            refused: false,
            cut: cut.clone(),
            guest,
            connections,
        };
        (connection, cut)
    }

    fn socket(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.socket.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Whether it carries, or has carried, a stream that has it to itself.
    fn carries_stream(&self) -> bool {
        self.cut.state.stream.lock().is_some()
    }

    /// Looks for the end of what the peer sends while a stream is open, as hyper doesn't read meanwhile. Fails once the peer
    /// is gone.
    fn poll_peer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = self.socket.as_mut() else { return Poll::Pending };
        if self.half_closed.is_none() {
            ready!(peer::poll_fin(socket, cx))?;
            self.peer_done = true;
            self.half_closed = Some(HalfClosed::new());
            self.cut.state.half_closed.store(true, Ordering::Relaxed);
            cx.waker().wake_by_ref(); // the body is asked again, and sees it
        }
        self.half_closed.as_mut().map_or(Poll::Pending, |half_closed| half_closed.poll_reset(socket, cx))
    }

    /// Tells the stream, and whoever sends idle connections away, whether the socket took bytes.
    fn tell<T>(&mut self, write: Poll<T>) -> Poll<T> {
        if write.is_ready() {
            self.cut.state.written.store(true, Ordering::Relaxed);
        } else if !std::mem::replace(&mut self.refused, true) {
            self.guest.unsent(true);
        }
        if let Some(stream) = &*self.cut.state.stream.lock() {
            stream.took_bytes(write.is_ready());
        }
        write
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.carries_stream() {
            return Poll::Ready(Ok(())); // what came meanwhile was thrown away, so that nothing can follow
        }
        if self.read_before.is_empty() {
            let before = buf.filled().len();
            let read = ready!(self.socket()?.poll_read(cx, buf));
            self.peer_done |= read.is_err() || (buf.remaining() > 0 && buf.filled().len() == before);
            return Poll::Ready(read);
        }
        let length = self.read_before.len().min(buf.remaining());
        buf.put_slice(&self.read_before.split_to(length));
        if self.read_before.is_empty() {
            self.read_before = Bytes::new(); // lets go of the buffer
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let write = self.socket()?.poll_write(cx, buf);
        self.tell(write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = self.socket()?.poll_write_vectored(cx, bufs);
        self.tell(write)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.socket()?.poll_flush(cx))?;
        if std::mem::replace(&mut self.refused, false) {
            self.guest.unsent(false);
        }
        if self.carries_stream()
            && let Poll::Ready(gone) = self.poll_peer(cx)
        {
            gone?;
        }
        // hyper asks its transport to flush only after its own buffer is empty.
        if self.cut.is_asked() {
            Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_shutdown(cx)
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        let lingers = !self.peer_done && !self.cut.state.abandoned.load(Ordering::Relaxed);
        if let Some(socket) = self.socket.take().filter(|_| lingers)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            if self.cut.is_asked() {
                self.connections.spawn_on(peer::break_off(socket), &runtime);
            } else {
                self.connections.spawn_on(peer::close(socket), &runtime);
            }
        }
    }
}
