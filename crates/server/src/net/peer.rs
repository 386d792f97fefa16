//! The other end of a socket: whether it still reads, and how a connection to it is closed.
//!
//! A peer that closed its socket and one that only shut its sending side look alike: both send a FIN, and from then on every
//! read returns 0. Only the second reads what is written to it; the first answers a write with a reset. As the FIN was there
//! before it, that reset never shows in a read, only as an error of the socket.

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

/// How long a client has to read the last bytes before the stream's connection is closed. Of a body that breaks off, a browser's `fetch`
/// throws away what the page has not read yet, and with it what was said last (docs/clients.md); HTTP/2 drops what is queued
/// on a stream that is reset.
pub(crate) const LAST_BYTES_GRACE: Duration = Duration::from_millis(100);

/// How long a peer has to close its side once we have closed ours: after a cut, or after an answer that was given before
/// the request was read to its end. Closing with unread bytes in the buffer would reset the connection,
/// and a reset destroys what the peer has not read yet (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);

/// How much of what a client sends on an open stream, where it means nothing, is thrown away before others get their turn.
const NONSENSE: usize = 16 << 10;

/// The time between two looks for the reset of a peer that has sent a FIN.
const LOOK: Duration = Duration::from_millis(250);

/// A peer that has sent a FIN, as long as it is not known to be gone.
pub(super) struct HalfClosed(Box<Interval>);

impl HalfClosed {
    pub(super) fn new() -> Self {
        Self(Box::new(looks()))
    }

    /// Fails once the peer has answered a write with a reset. Never ready without an error.
    pub(super) fn poll_reset(&mut self, socket: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_look(socket, cx))?;
        }
    }

    /// Ready now and then; fails once the peer has answered a write with a reset.
    pub(super) fn poll_look(&mut self, socket: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll_tick(cx));
        Poll::Ready(socket.take_error()?.map_or(Ok(()), Err))
    }
}

/// Has the carrier of a stream whose peer has sent a FIN woken now and then to look for a reset, until the stream is over. A
/// task of its own, as a timer in each parked stream would cost every one that sleeps.
pub(super) fn have_it_look_for_a_reset(stream: &Arc<Connection>) {
    let stream = Arc::downgrade(stream);
    tokio::spawn(async move {
        let mut looks = looks();
        loop {
            looks.tick().await;
            let Some(stream) = stream.upgrade() else { return };
            stream.wake();
        }
    });
}

fn looks() -> Interval {
    let mut looks = interval_at(Instant::now() + LOOK, LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// Ready when the peer has sent a FIN. What it sends on an open stream means nothing and is thrown away; reading it also
/// registers the task to be woken when the FIN comes.
pub(super) fn poll_fin(socket: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut nonsense = 0;
    while nonsense < NONSENSE {
        let mut space = [0; 256];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut *socket).poll_read(cx, &mut buffer))?;
        match buffer.filled().len() {
            0 => return Poll::Ready(Ok(())),
            length => nonsense += length,
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

/// Says that nothing more comes, and waits a moment for the peer to say the same.
pub(crate) async fn close(mut socket: TcpStream) {
    let wait = async {
        socket.shutdown().await?;
        until_peer_closes(&mut socket).await
    };
    let _ = tokio::time::timeout(LINGER, wait).await; // either way it is over
}

/// Whether there is something to read, by a look at the socket itself: the runtime hears of it a moment later.
pub(super) fn has_sent(socket: &TcpStream) -> bool {
    let mut first = [MaybeUninit::uninit()];
    SockRef::from(socket).peek(&mut first).is_ok_and(|length| length > 0)
}

async fn until_peer_closes(socket: &mut TcpStream) -> io::Result<()> {
    let mut nonsense = [0; 512];
    while socket.read(&mut nonsense).await? > 0 {}
    Ok(())
}
