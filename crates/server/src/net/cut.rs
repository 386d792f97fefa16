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
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use parking_lot::Mutex;
use tidings_hub::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::connections::TrackedConnection;
use super::peer::{self, HalfClosed};

/// The only headers of an answer that hyper gives by itself.
const BARE: [&str; 3] = ["connection", "content-length", "date"];

/// How much is kept of the beginning of a head, in bytes, for an answer to one that can't be read.
const BEGINNING: usize = 1 << 10;

/// What ends a head.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// More than an answer of hyper's own has.
const BARE_HEADERS: usize = 4;

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
    /// Since when the socket takes nothing.
    blocked: Mutex<Option<Instant>>,
    /// The head that is being read, over HTTP/1.
    head: Mutex<Reading>,
    /// The status of an answer of hyper's own, to a head that it can't read; it was not sent.
    bare: AtomicU16,
    /// Whether a small answer waits to be taken that has no share of the room for all.
    free_answer: AtomicBool,
    /// Whether the peer has sent a FIN, where that is of interest: over HTTP/1 to a stream, over HTTP/2 always.
    half_closed: AtomicBool,
    kill: Notify,
    /// The stream that the connection carries, to be told when its socket takes nothing.
    stream: Mutex<Option<Arc<Connection>>>,
    /// Those that it carries among others, to be told of its peer's FIN; some may be over.
    streams: Mutex<Vec<Weak<Connection>>>,
}

/// A head that is not complete.
#[derive(Default)]
struct Reading {
    /// When its first byte came.
    since: Option<Instant>,
    /// How it begins: hyper does not always give back what it could not read.
    beginning: Vec<u8>,
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
    /// How many bytes had been written when all that a peer asked for over HTTP/2 before its FIN was last found answered.
    answered_at: Option<u64>,
    /// How many bytes were written.
    written: u64,
    is_http2: bool,
    cut: Cut,
    tracked: Arc<TrackedConnection>,
    /// Where it is counted while it lingers.
    connections: TaskTracker,
}

impl Cut {
    /// Whether the connection carries several streams at a time: each can kill it, and must not cut it for itself alone.
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
        if self.shared {
            let mut streams = self.state.streams.lock();
            streams.retain(|stream| stream.strong_count() > 0);
            streams.push(Arc::downgrade(stream));
        } else {
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

    /// Since when the socket takes nothing of what is written to it.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        *self.state.blocked.lock()
    }

    /// When the first byte came of a head that is not complete. Only over HTTP/1, and not of a connection's first.
    pub(super) fn head_since(&self) -> Option<Instant> {
        self.state.head.lock().since
    }

    /// A whole head was read. If nothing of a body belongs to it, what came behind it is the beginning of the next.
    pub(super) fn head_is_read(&self, has_body: bool) {
        let mut head = self.state.head.lock();
        head.since = None;
        let end = head.beginning.windows(END_OF_HEAD.len()).position(|bytes| bytes == END_OF_HEAD);
        let read = end.filter(|_| !has_body).map_or(head.beginning.len(), |end| end + END_OF_HEAD.len());
        head.beginning.drain(..read);
    }

    /// How the head that was read last begins, if it was not read whole.
    pub(super) fn beginning_of_head(&self) -> Vec<u8> {
        std::mem::take(&mut self.state.head.lock().beginning)
    }

    /// What hyper would have answered by itself, without a body, to what it can't read.
    pub(super) fn refusal(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.state.bare.load(Ordering::Relaxed)).ok()
    }

    /// Takes the connection's one place for a small answer without a share of the room for all; `false` if it is taken.
    pub(super) fn take_free_answer(&self) -> bool {
        !self.state.free_answer.swap(true, Ordering::Relaxed)
    }

    pub(super) fn give_free_answer(&self) {
        self.state.free_answer.store(false, Ordering::Relaxed);
    }

    /// Whether the peer of the streams that it carries has sent a FIN.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.state.half_closed.load(Ordering::Relaxed)
    }

    /// Whether each stream that shares it is over, or has no room in its window, which nobody will open any more.
    fn owes_nothing(&self) -> bool {
        self.state.streams.lock().iter().filter_map(Weak::upgrade).all(|stream| stream.is_blocked())
    }

    fn is_asked(&self) -> bool {
        self.state.after_flush.load(Ordering::Acquire)
    }
}

impl Cuttable {
    pub(super) fn new(
        socket: TcpStream,
        read_before: Vec<u8>,
        is_http2: bool,
        tracked: Arc<TrackedConnection>,
        connections: TaskTracker,
    ) -> (Self, Cut) {
        let cut = Cut { shared: is_http2, ..Cut::default() };
        let connection = Self {
            read_before: read_before.into(),
            socket: Some(socket),
            peer_done: false,
            half_closed: None,
            answered_at: None,
            written: 0,
            is_http2,
            cut: cut.clone(),
            tracked,
            connections,
        };
        if !connection.read_before.is_empty() {
            connection.came(&connection.read_before);
        }
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

    /// The end of what a peer sends over HTTP/2, once what it asked for before is answered and written, and its streams have said
    /// what they owe: h2 takes it for the end of the connection, and drops what is under way.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = self.socket.as_ref() else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let state = &self.cut.state;
        if !state.half_closed.swap(true, Ordering::Relaxed) {
            let streams: Vec<_> = state.streams.lock().iter().filter_map(Weak::upgrade).collect();
            for stream in streams {
                stream.wake(); // its body is asked again, and sees it
            }
        }
        let half_closed = self.half_closed.get_or_insert_with(HalfClosed::new);
        loop {
            let answered =
                !self.tracked.is_answering() && self.cut.blocked_since().is_none() && self.cut.owes_nothing();
            let answered_at = answered.then_some(self.written);
            // Twice: what was answered last is written after the first time.
            if std::mem::replace(&mut self.answered_at, answered_at).is_some_and(|before| answered_at == Some(before)) {
                return Poll::Ready(Ok(()));
            }
            ready!(half_closed.poll_look(socket, cx))?;
        }
    }

    /// Whether nothing more comes from the peer.
    pub(super) fn is_over(&self) -> bool {
        self.peer_done
    }

    /// The socket, for who goes on with it.
    pub(super) fn into_socket(mut self) -> Option<TcpStream> {
        self.socket.take()
    }

    /// Tells the stream, and whoever closes what takes nothing, how a write went.
    fn tell(&mut self, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let mut blocked = self.cut.state.blocked.lock();
        match &write {
            Poll::Ready(Ok(length)) => {
                *blocked = None;
                self.written += *length as u64;
                self.tracked.moved(*length);
            }
            Poll::Ready(Err(_)) => *blocked = None,
            Poll::Pending => drop(blocked.get_or_insert_with(Instant::now)),
        }
        drop(blocked);
        if let Some(stream) = &*self.cut.state.stream.lock() {
            stream.took_bytes(write.is_ready());
        }
        write
    }

    /// Whether hyper writes an answer of its own to a head that it can't read. It has neither a body nor the headers of our
    /// answers, and another is sent in its place. hyper closes the connection after it.
    fn is_bare(&self, bytes: &[u8]) -> bool {
        let is_refusal = !self.is_http2 && bytes.starts_with(b"HTTP/1.") && bytes.get(9) == Some(&b'4');
        if !is_refusal || !bytes.ends_with(b"\r\n\r\n") {
            return false;
        }
        let mut headers = [httparse::EMPTY_HEADER; BARE_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let is_whole = head.parse(bytes).is_ok_and(|parsed| parsed == httparse::Status::Complete(bytes.len()));
        let names = head.headers.iter().map(|header| header.name);
        let is_bare = is_whole && names.into_iter().all(|name| BARE.iter().any(|bare| bare.eq_ignore_ascii_case(name)));
        if let Some(status) = head.code.filter(|_| is_bare) {
            self.cut.state.bare.store(status, Ordering::Relaxed);
        }
        is_bare
    }

    /// Notes what came.
    fn came(&self, bytes: &[u8]) {
        self.tracked.moved(bytes.len());
        if !self.is_http2 && self.tracked.is_idle() {
            let mut head = self.cut.state.head.lock();
            head.since.get_or_insert_with(Instant::now);
            let room = BEGINNING.saturating_sub(head.beginning.len());
            head.beginning.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.carries_stream() {
            return Poll::Ready(Ok(())); // what came meanwhile was thrown away, so that nothing can follow
        }
        if self.read_before.is_empty() {
            if self.is_http2 && self.peer_done {
                return self.poll_end(cx);
            }
            let before = buf.filled().len();
            let read = ready!(self.socket()?.poll_read(cx, buf));
            let length = buf.filled().len() - before;
            self.peer_done |= read.is_err() || (buf.remaining() > 0 && length == 0);
            if self.is_http2 && self.peer_done && read.is_ok() {
                return self.poll_end(cx);
            }
            if length > 0 {
                self.came(&buf.filled()[before..]);
            }
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
        if self.is_bare(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let write = self.socket()?.poll_write(cx, buf);
        self.tell(write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = bufs
            && self.is_bare(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        let write = self.socket()?.poll_write_vectored(cx, bufs);
        self.tell(write)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.socket()?.poll_flush(cx))?;
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

    /// The end is not hyper's to tell: who takes the connection over goes on with it, and whoever drops it closes it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
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
