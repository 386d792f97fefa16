//! A connection that can be cut after what was written has left, from inside the body of a response.
//!
//! A stream whose client should come back ends without the last chunk, because some clients take a finished body for the
//! end of the story. hyper knows two ends of a body: finished, or failed – and a failed one may take the bytes before it
//! along. So the body asks for the cut here and stays pending; hyper flushes, and the flush that finds everything gone
//! ends the connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

/// How long a peer has to close its side after a cut. Closing with unread bytes in the buffer would reset the connection,
/// and a reset destroys what the peer has not read yet (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);

/// The handle: cuts the connection it belongs to.
#[derive(Clone, Default)]
pub(crate) struct Cut(Arc<AtomicBool>);

/// The connection.
pub(crate) struct Cuttable {
    /// `None` only while it is being dropped.
    stream: Option<TcpStream>,
    cut: Cut,
}

impl Cut {
    /// Ends the connection with the next flush that leaves nothing behind.
    pub(crate) fn after_flush(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Cuttable {
    pub(crate) fn new(stream: TcpStream) -> (Self, Cut) {
        let cut = Cut::default();
        (
            Self {
                stream: Some(stream),
                cut: cut.clone(),
            },
            cut,
        )
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream
            .as_mut()
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.stream()?.poll_flush(cx))?;
        // hyper asks its transport to flush only after its own buffer is empty.
        if self.cut.is_asked() {
            Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take().filter(|_| self.cut.is_asked())
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(tokio::time::timeout(LINGER, close(stream)));
        }
    }
}

/// Says that nothing more comes, and waits for the peer to say the same.
async fn close(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 512];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}
