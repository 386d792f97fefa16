//! The other end of a socket: whether it still reads, and how a connection to it is closed.
//!
//! A peer that closed its socket looks the same as one that only shut its sending side: both send a
//! FIN, and from then on every read returns 0. The second still reads what is written to it, while
//! the first answers a write with a reset. Because the FIN came before the reset, the reset never
//! shows in a read, only as an error of the socket.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tidings_hub::Connection;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How long a client has to read the last bytes before the stream's connection is closed. If a body
/// breaks off, a browser's `fetch` throws away what the page has not read yet, and with it the last
/// event (docs/clients.md). HTTP/2 drops what is queued on a stream that is reset.
pub const LAST_BYTES_GRACE: Duration = Duration::from_millis(100);

/// How long a peer has to close its side once the server has closed its own, after a cut or after
/// an answer that was given before the request was read to its end. Closing with unread bytes in
/// the buffer would reset the connection, and a reset destroys what the peer has not read yet (RFC
/// 9112 section 9.6).
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// How many bytes from the client of an open stream are thrown away before other tasks run. They
/// mean nothing there.
const MAX_IGNORED_BYTES: usize = 16 << 10;

/// The interval at which a peer that has sent a FIN is checked for a reset.
const RESET_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// A peer that has sent a FIN and is not known to be gone.
pub(crate) struct HalfClosed(Box<Interval>);

impl HalfClosed {
    pub(crate) fn new() -> Self {
        Self(Box::new(reset_checks()))
    }

    /// Fails once the peer has answered a write with a reset. Is never ready without an error.
    pub(crate) fn poll_reset(
        &mut self,
        socket: &TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_check(socket, cx))?;
        }
    }

    /// Ready at each check; fails once the peer has answered a write with a reset.
    pub(crate) fn poll_check(
        &mut self,
        socket: &TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.0.poll_tick(cx));
        Poll::Ready(socket.take_error()?.map_or(Ok(()), Err))
    }
}

/// Starts a task that wakes the one that carries `stream` at intervals until the stream has ended.
/// Its peer has sent a FIN, so the woken task checks for a reset.
///
/// The timer is in a task of its own, because a timer in each parked stream would cost memory for
/// every stream that sleeps.
pub(crate) fn spawn_reset_checks(stream: &Arc<Connection>) {
    let stream = Arc::downgrade(stream);
    tokio::spawn(async move {
        let mut reset_checks = reset_checks();
        loop {
            reset_checks.tick().await;
            let Some(stream) = stream.upgrade() else {
                return;
            };
            stream.wake();
        }
    });
}

fn reset_checks() -> Interval {
    let mut reset_checks = interval_at(Instant::now() + RESET_CHECK_INTERVAL, RESET_CHECK_INTERVAL);
    reset_checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    reset_checks
}

/// Ready when the peer has sent a FIN. Anything else that the peer sends on an open stream means
/// nothing and is thrown away. Reading also registers the task to be woken when the FIN comes.
pub(crate) fn poll_fin(socket: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut ignored = 0;
    while ignored < MAX_IGNORED_BYTES {
        let mut space = [0; 256];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut *socket).poll_read(cx, &mut buffer))?;
        match buffer.filled().len() {
            0 => return Poll::Ready(Ok(())),
            length => ignored += length,
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Ends a stream without its last chunk, once the client has had a moment to read what came before.
pub(crate) async fn break_off(mut socket: TcpStream) {
    let _ = tokio::time::timeout(LAST_BYTES_GRACE, until_peer_closes(&mut socket)).await;
    close(socket).await;
}

/// Shuts the sending side, and waits a moment for the peer to close its own.
pub(crate) async fn close(mut socket: TcpStream) {
    let wait = async {
        socket.shutdown().await?;
        until_peer_closes(&mut socket).await
    };
    let _ = tokio::time::timeout(LINGER_TIMEOUT, wait).await; // the connection ends in either case
}

/// Whether there is something to read. Asks the socket itself, because the runtime learns of new
/// bytes a moment later.
pub(crate) fn has_sent(socket: &TcpStream) -> bool {
    let mut first = [MaybeUninit::uninit()];
    SockRef::from(socket)
        .peek(&mut first)
        .is_ok_and(|length| length > 0)
}

async fn until_peer_closes(socket: &mut TcpStream) -> io::Result<()> {
    let mut ignored = [0; 512];
    while socket.read(&mut ignored).await? > 0 {}
    Ok(())
}
