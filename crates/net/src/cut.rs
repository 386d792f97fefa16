//! A connection of hyper's that can be cut from outside, either at once or after all bytes of
//! hyper's buffer are written.
//!
//! A stream whose client should come back ends without the last chunk, because some clients take a
//! finished body to mean that they should not come back. hyper knows two ends of a body: finished
//! or failed. A failed body may lose the bytes that came before the failure. Therefore the body
//! asks for the cut here and stays pending. hyper flushes, and the flush that leaves nothing
//! unwritten ends the connection.
//!
//! hyper does not poll the body of a response while its socket is blocked. Therefore nothing inside
//! a body can end a stream whose peer reads nothing, and the connection's task waits for
//! `Cut::killed` beside hyper.

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

use crate::connections::TrackedConnection;
use crate::peer::{self, HalfClosed};

/// The only headers of the answer with which hyper itself refuses a head.
const REFUSAL_HEADERS: [&str; 3] = ["connection", "content-length", "date"];

/// How many bytes of the beginning of a head are kept. If the head can't be read, the answer takes
/// the request's origin and id from them.
const BEGINNING_BYTES: usize = 1 << 10;

/// The end of a head.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// How many headers of an answer are parsed to recognize a refusal of hyper's own: one more than it
/// has.
const MAX_REFUSAL_HEADERS: usize = 4;

/// A handle that cuts the connection that it belongs to.
#[derive(Clone, Default)]
pub struct Cut {
    state: Arc<State>,
    /// Whether the connection carries several streams at a time (HTTP/2).
    shared: bool,
}

#[derive(Default)]
struct State {
    cut_after_flush: AtomicBool,
    /// Whether the connection is closed without waiting for the peer to close its side.
    abandoned: AtomicBool,
    /// Since when the socket has taken nothing.
    blocked: Mutex<Option<Instant>>,
    /// The head that is being read. Used only over HTTP/1.
    head: Mutex<PartialHead>,
    /// The status of hyper's own answer to a head that it can't read. That answer was not sent.
    withheld_status: AtomicU16,
    /// Whether the connection holds a small answer that has no share of the budget for answers.
    free_answer: AtomicBool,
    /// Whether the peer has sent a FIN. Over HTTP/1 this is set only while a stream is open.
    half_closed: AtomicBool,
    kill: Notify,
    /// The stream that has the connection to itself. It is told when its socket takes nothing.
    stream: Mutex<Option<Arc<Connection>>>,
    /// The streams that share the connection, some of which may have ended. They are told when the
    /// peer sends a FIN.
    streams: Mutex<Vec<Weak<Connection>>>,
}

/// A head that has not been read to its end.
#[derive(Default)]
struct PartialHead {
    /// When the first byte of the head came.
    since: Option<Instant>,
    /// The first bytes of the head, because hyper does not always give back what it could not read.
    beginning: Vec<u8>,
}

/// A connection that can be cut by its [`Cut`].
pub(crate) struct Cuttable {
    /// What was read before hyper saw the connection; hyper reads it first.
    read_before: Bytes,
    /// `None` only while the connection is dropped, or after its socket was taken.
    socket: Option<TcpStream>,
    /// Whether the peer has sent a FIN, or a read has failed.
    peer_done: bool,
    /// Set once the peer has sent a FIN while a stream was open over HTTP/1, or at any time over
    /// HTTP/2.
    half_closed: Option<HalfClosed>,
    /// The value of `written` when the last check found that every request that the peer sent over
    /// HTTP/2 before its FIN was answered. `None` if that check found one that was not.
    answered_at: Option<u64>,
    /// How many bytes were written so far.
    written: u64,
    is_http2: bool,
    cut: Cut,
    tracked: Arc<TrackedConnection>,
    /// Counts the connection while it lingers.
    connections: TaskTracker,
}

impl Cut {
    /// Whether the connection carries several streams at a time. Each of them can kill it, and none
    /// may cut it for itself alone.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Ends the connection with the next flush that leaves nothing unwritten.
    pub(crate) fn cut_after_flush(&self) {
        self.state.cut_after_flush.store(true, Ordering::Release);
    }

    /// Registers a stream that the connection carries. A kill of `stream` then ends the connection,
    /// including the other streams of a shared one, whose clients come back by their ids. A stream
    /// that has the connection to itself is told when the socket takes nothing.
    pub(crate) fn register(&self, stream: &Arc<Connection>) {
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

    /// Resolves when the connection has to end at once, even if bytes are unwritten.
    pub(crate) async fn killed(&self) {
        self.state.kill.notified().await;
    }

    /// Makes the connection close without waiting for its peer, which was told to close and has not
    /// done so.
    pub(crate) fn abandon(&self) {
        self.state.abandoned.store(true, Ordering::Relaxed);
    }

    /// Since when the socket has taken nothing of what is written to it.
    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        *self.state.blocked.lock()
    }

    /// When the first byte of the head that is being read came; `None` if no head is incomplete,
    /// and always over HTTP/2. The time limit for the first request of a connection counts from the
    /// accept instead.
    pub(crate) fn head_since(&self) -> Option<Instant> {
        self.state.head.lock().since
    }

    /// Notes that a whole head was read. If the request has no body, the bytes behind the head are
    /// the beginning of the next head.
    pub(crate) fn head_is_read(&self, has_body: bool) {
        let mut head = self.state.head.lock();
        head.since = None;
        let end = head
            .beginning
            .windows(END_OF_HEAD.len())
            .position(|bytes| bytes == END_OF_HEAD);
        let read = end
            .filter(|_| !has_body)
            .map_or(head.beginning.len(), |end| end + END_OF_HEAD.len());
        head.beginning.drain(..read);
    }

    /// Takes the beginning of the head that was being read last, if it was not read to its end.
    pub(crate) fn beginning_of_head(&self) -> Vec<u8> {
        std::mem::take(&mut self.state.head.lock().beginning)
    }

    /// Returns the status of hyper's own refusal of a head that it can't read. That refusal has no
    /// body and was not sent.
    pub(crate) fn refusal(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.state.withheld_status.load(Ordering::Relaxed)).ok()
    }

    /// Takes the connection's one place for a small answer that needs no share of the budget.
    /// Returns `false` if the place is taken.
    pub(crate) fn take_free_answer(&self) -> bool {
        !self.state.free_answer.swap(true, Ordering::Relaxed)
    }

    /// Gives the place for a small answer back.
    pub(crate) fn give_free_answer(&self) {
        self.state.free_answer.store(false, Ordering::Relaxed);
    }

    /// Whether the peer of the connection's streams has sent a FIN.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.state.half_closed.load(Ordering::Relaxed)
    }

    /// Whether every stream that shares the connection has ended, or is blocked by its window,
    /// which the peer will not open any more.
    fn owes_nothing(&self) -> bool {
        self.state
            .streams
            .lock()
            .iter()
            .filter_map(Weak::upgrade)
            .all(|stream| stream.is_blocked())
    }

    fn is_cut_requested(&self) -> bool {
        self.state.cut_after_flush.load(Ordering::Acquire)
    }
}

impl Cuttable {
    pub(crate) fn new(
        socket: TcpStream,
        read_before: Vec<u8>,
        is_http2: bool,
        tracked: Arc<TrackedConnection>,
        connections: TaskTracker,
    ) -> (Self, Cut) {
        let cut = Cut {
            shared: is_http2,
            ..Cut::default()
        };
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
            connection.note_read(&connection.read_before);
        }
        (connection, cut)
    }

    fn socket(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.socket
            .as_mut()
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Whether the connection carries, or has carried, a stream that has it to itself.
    fn has_own_stream(&self) -> bool {
        self.cut.state.stream.lock().is_some()
    }

    /// Looks for the peer's FIN while a stream is open, because hyper doesn't read during that
    /// time. Fails once the peer is gone.
    fn poll_peer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = self.socket.as_mut() else {
            return Poll::Pending;
        };
        if self.half_closed.is_none() {
            ready!(peer::poll_fin(socket, cx))?;
            self.peer_done = true;
            self.half_closed = Some(HalfClosed::new());
            self.cut.state.half_closed.store(true, Ordering::Relaxed);
            cx.waker().wake_by_ref(); // the body is polled again, and sees the FIN
        }
        self.half_closed
            .as_mut()
            .map_or(Poll::Pending, |half_closed| {
                half_closed.poll_reset(socket, cx)
            })
    }

    /// Passes the peer's FIN over HTTP/2 on to hyper once everything that the peer requested before
    /// is answered and written, and its streams have sent what they owe. h2 takes a FIN for the end
    /// of the connection, and drops what is in progress.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = self.socket.as_ref() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let state = &self.cut.state;
        if !state.half_closed.swap(true, Ordering::Relaxed) {
            let streams: Vec<_> = state
                .streams
                .lock()
                .iter()
                .filter_map(Weak::upgrade)
                .collect();
            for stream in streams {
                stream.wake(); // its body is polled again, and sees the FIN
            }
        }
        let half_closed = self.half_closed.get_or_insert_with(HalfClosed::new);
        loop {
            let answered = !self.tracked.is_answering()
                && self.cut.blocked_since().is_none()
                && self.cut.owes_nothing();
            let answered_at = answered.then_some(self.written);
            // The check has to succeed twice, because the last answer is written after the first
            // time.
            if std::mem::replace(&mut self.answered_at, answered_at)
                .is_some_and(|before| answered_at == Some(before))
            {
                return Poll::Ready(Ok(()));
            }
            ready!(half_closed.poll_check(socket, cx))?;
        }
    }

    /// Whether the peer has sent a FIN, or a read has failed.
    pub(crate) fn is_peer_done(&self) -> bool {
        self.peer_done
    }

    /// Takes the socket out of the connection, so that it can be served without hyper.
    pub(crate) fn into_socket(mut self) -> Option<TcpStream> {
        self.socket.take()
    }

    /// Notes the result of a write, for the stream and for the checks that close a connection whose
    /// socket takes nothing.
    fn note_write(&mut self, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
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

    /// Whether `bytes` are an answer that hyper itself makes to a head that it can't read. Such an
    /// answer has neither a body nor the headers of the server's answers, and another one is sent
    /// in its place. hyper closes the connection after it.
    fn is_hypers_refusal(&self, bytes: &[u8]) -> bool {
        let is_refusal =
            !self.is_http2 && bytes.starts_with(b"HTTP/1.") && bytes.get(9) == Some(&b'4');
        if !is_refusal || !bytes.ends_with(b"\r\n\r\n") {
            return false;
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_REFUSAL_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let is_whole = head
            .parse(bytes)
            .is_ok_and(|parsed| parsed == httparse::Status::Complete(bytes.len()));
        let names = head.headers.iter().map(|header| header.name);
        let is_hypers_refusal = is_whole
            && names.into_iter().all(|name| {
                REFUSAL_HEADERS
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(name))
            });
        if let Some(status) = head.code.filter(|_| is_hypers_refusal) {
            self.cut
                .state
                .withheld_status
                .store(status, Ordering::Relaxed);
        }
        is_hypers_refusal
    }

    /// Notes bytes that were read.
    fn note_read(&self, bytes: &[u8]) {
        self.tracked.moved(bytes.len());
        if !self.is_http2 && self.tracked.is_idle() {
            let mut head = self.cut.state.head.lock();
            head.since.get_or_insert_with(Instant::now);
            let space = BEGINNING_BYTES.saturating_sub(head.beginning.len());
            head.beginning
                .extend_from_slice(&bytes[..bytes.len().min(space)]);
        }
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_own_stream() {
            // The bytes that came during the stream were thrown away, so nothing can follow it.
            return Poll::Ready(Ok(()));
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
                self.note_read(&buf.filled()[before..]);
            }
            return Poll::Ready(read);
        }
        let length = self.read_before.len().min(buf.remaining());
        buf.put_slice(&self.read_before.split_to(length));
        if self.read_before.is_empty() {
            self.read_before = Bytes::new(); // frees the buffer
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_hypers_refusal(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let write = self.socket()?.poll_write(cx, buf);
        self.note_write(write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = bufs
            && self.is_hypers_refusal(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        let write = self.socket()?.poll_write_vectored(cx, bufs);
        self.note_write(write)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.socket()?.poll_flush(cx))?;
        if self.has_own_stream()
            && let Poll::Ready(gone) = self.poll_peer(cx)
        {
            gone?;
        }
        // hyper asks its transport to flush only after its own buffer is empty.
        if self.cut.is_cut_requested() {
            Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
        } else {
            Poll::Ready(Ok(()))
        }
    }

    /// Does nothing, because hyper does not decide how the connection ends. Its owner either takes
    /// the socket and goes on with it, or drops the connection, which closes it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        let waits_for_peer = !self.peer_done && !self.cut.state.abandoned.load(Ordering::Relaxed);
        if let Some(socket) = self.socket.take().filter(|_| waits_for_peer)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            if self.cut.is_cut_requested() {
                self.connections.spawn_on(peer::break_off(socket), &runtime);
            } else {
                self.connections.spawn_on(peer::close(socket), &runtime);
            }
        }
    }
}
