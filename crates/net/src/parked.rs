//! The parked lane: a stream as a small task that owns a socket and a subscription, and nothing
//! else.
//!
//! hyper keeps 16 KiB of buffers for each idle HTTP/1 stream and polls through several layers for
//! each write. In this lane, the request goes through the same router and layers, its answer is
//! written once, and every buffer is dropped. What remains is a plain task that sleeps until an
//! event of its topics wakes it, and then writes bytes that all streams share.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use tidings_hub::{Step, Subscription};
use tidings_sse::Frame;
use tokio::io::{AsyncWrite as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use crate::fair_queue;
use crate::peer;
use crate::slot::{StreamOutput, StreamSlot};

/// The most frames in one vectored write. `IOV_MAX` is 1,024, but more slices than this use more
/// stack and gain nothing.
const MAX_SLICES: usize = 64;

/// The size up to which the first frame is sent together with the head. Both fit into the send
/// buffer of any new socket, so a client that reads nothing cannot delay the parking of its stream.
const MAX_FIRST_FRAME_BYTES: usize = 2 << 10;

/// The end of a finished body (RFC 9112 section 7.1).
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// An open stream.
pub(crate) struct Parked {
    /// `None` once the stream has ended.
    socket: Option<TcpStream>,
    subscription: Subscription,
    /// Frames that were taken from the subscription and not yet written in full. Part of the first
    /// may have been written. Empty and without a buffer while the stream sleeps.
    unwritten: Vec<Frame>,
    /// How many bytes were written of the first unwritten frame, or of the last chunk. No frame has
    /// 4 GiB.
    written: u32,
    /// Whether frames are sent as chunks. To HTTP/1.0 they are sent bare, and the end of the
    /// connection ends them.
    chunked: bool,
    /// Set when the stream ends with the frames that are unwritten. The value says whether the last
    /// chunk follows them.
    finish: Option<bool>,
    /// Whether the peer has sent a FIN.
    half_closed: bool,
}

/// How a stream ended.
enum StreamEnd {
    /// Everything was sent.
    Sent,
    /// The peer closed the connection, or does not read.
    PeerGone,
}

/// Answers a request. Returns the stream to park, if the request opened one.
pub(crate) async fn answer(
    mut socket: TcpStream,
    router: Router,
    request: Request<()>,
) -> io::Result<Option<Parked>> {
    let version = request.version();
    let chunked = version == Version::HTTP_11;
    let mut response = router
        .oneshot(request.map(|()| Body::empty()))
        .await
        .unwrap_or_else(|never| match never {});
    let slot = response.extensions_mut().remove::<StreamSlot>();
    match slot.and_then(|slot| slot.take()) {
        Some(StreamOutput::Everything(mut subscription)) => {
            if chunked {
                response
                    .headers_mut()
                    .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            let mut bytes = head(version, &response);
            if let Some(frame) = subscription.take_first(MAX_FIRST_FRAME_BYTES) {
                bytes.extend_from_slice(bytes_of(&frame, chunked));
            }
            socket.write_all(&bytes).await?;
            let socket = Some(socket);
            Ok(Some(Parked {
                socket,
                subscription: *subscription,
                unwritten: Vec::new(),
                written: 0,
                chunked,
                finish: None,
                half_closed: false,
            }))
        }
        Some(StreamOutput::Once(frame)) => {
            if chunked {
                response
                    .headers_mut()
                    .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            let mut bytes = head(version, &response);
            bytes.extend_from_slice(bytes_of(&frame, chunked));
            socket.write_all(&bytes).await?;
            peer::break_off(socket).await;
            Ok(None)
        }
        None => {
            write_answer(&mut socket, version, response).await?;
            peer::close(socket).await;
            Ok(None)
        }
    }
}

/// Writes an answer that is not a stream. It tells the peer that the connection is closed after it.
pub(crate) async fn write_answer(
    socket: &mut TcpStream,
    version: Version,
    response: Response<Body>,
) -> io::Result<()> {
    let (mut parts, body) = response.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    parts
        .headers
        .insert(CONNECTION, HeaderValue::from_static("close"));
    let mut bytes = head(version, &Response::from_parts(parts, ()));
    bytes.extend_from_slice(&body);
    socket.write_all(&bytes).await
}

/// Returns the status line and the headers as hyper would write them.
fn head<B>(version: Version, response: &Response<B>) -> Vec<u8> {
    let status: StatusCode = response.status();
    let headers: &HeaderMap = response.headers();
    let mut bytes = Vec::with_capacity(1_024);
    let version = if version == Version::HTTP_11 {
        "HTTP/1.1"
    } else {
        "HTTP/1.0"
    };
    for part in [
        version,
        " ",
        status.as_str(),
        " ",
        status.canonical_reason().unwrap_or_default(),
        "\r\n",
    ] {
        bytes.extend_from_slice(part.as_bytes());
    }
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    if !headers.contains_key(DATE)
        && let Some(date) = date(now())
    {
        bytes.extend_from_slice(b"date: ");
        bytes.extend_from_slice(date.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[expect(
    clippy::disallowed_methods,
    reason = "a date for people and caches; nothing is judged by it"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Returns the value of `Date`, or `None` if the clock is set to a time before 1970 or after 9999.
/// HTTP has no date for such a time, and `httpdate` panics on it. A server without a clock sends no
/// `Date` (RFC 9110, section 6.6.1).
fn date(time: SystemTime) -> Option<String> {
    const AFTER_9999_SECONDS: u64 = 253_402_300_800;
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since_1970.as_secs() < AFTER_9999_SECONDS).then(|| httpdate::fmt_http_date(time))
}

impl Future for Parked {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut socket) = self.socket.take() else {
            return Poll::Ready(());
        };
        let polled = match self.poll_peer(&mut socket, cx) {
            Poll::Ready(gone) => Poll::Ready(gone.map(|()| StreamEnd::PeerGone)),
            Poll::Pending => self.poll_events(&mut socket, cx),
        };
        match polled {
            Poll::Pending => {
                self.socket = Some(socket);
                return Poll::Pending;
            }
            // The socket is closed in a task of its own, so that no subscription is held while its
            // last bytes are read.
            Poll::Ready(Ok(StreamEnd::Sent)) if self.finish == Some(true) => {
                drop(tokio::spawn(peer::close(socket)));
            }
            Poll::Ready(Ok(StreamEnd::Sent)) => drop(tokio::spawn(peer::break_off(socket))),
            Poll::Ready(Ok(StreamEnd::PeerGone)) => {}
            Poll::Ready(Err(error)) => tracing::trace!(%error, "a stream broke off"),
        }
        Poll::Ready(())
    }
}

impl Parked {
    /// Whether missed events have yet to be read from the log.
    pub(crate) fn is_behind(&self) -> bool {
        self.subscription.is_behind()
    }

    /// Runs the stream until it has caught up with the events that it missed. Returns `None` if it
    /// ended before that.
    pub(crate) async fn catch_up(mut self) -> Option<Self> {
        let caught_up = std::future::poll_fn(|cx| match Pin::new(&mut self).poll(cx) {
            Poll::Pending if self.is_behind() => Poll::Pending,
            polled => Poll::Ready(polled.is_pending()),
        });
        caught_up.await.then_some(self)
    }

    /// Ready when the peer is gone. A peer that has sent a FIN may only have shut its sending side.
    /// It gets what was visible by then, and the stream ends after that.
    fn poll_peer(&mut self, socket: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.half_closed {
            return socket
                .take_error()?
                .map_or(Poll::Pending, |reset| Poll::Ready(Err(reset)));
        }
        ready!(peer::poll_fin(socket, cx))?;
        self.half_closed = true;
        self.subscription.finish();
        if self.unwritten.is_empty() && self.is_behind() {
            // If the peer is gone, this frame provokes its reset before the log is read for it.
            self.unwritten.push(Frame::comment());
        }
        peer::spawn_reset_checks(self.subscription.connection());
        Poll::Pending
    }

    /// Writes events until there are no more, or the socket takes no more. Yields after each page
    /// of missed events.
    fn poll_events(
        &mut self,
        socket: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<StreamEnd>> {
        let mut was_behind = false;
        loop {
            match self.poll_write(socket, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.subscription.connection().took_bytes(false);
                    return self
                        .subscription
                        .poll_killed(cx)
                        .map(|()| Ok(StreamEnd::PeerGone));
                }
            }
            if self.finish.is_some() {
                return Poll::Ready(Ok(StreamEnd::Sent));
            }
            if was_behind {
                fair_queue::wake_after_ready_tasks(cx);
                return Poll::Pending;
            }
            if self.subscription.should_yield() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            was_behind = self.is_behind();
            match self.subscription.poll_frames(cx, &mut self.unwritten) {
                Poll::Ready(Step::Frames) => {}
                Poll::Ready(Step::End { reconnect }) => {
                    self.finish = Some(self.chunked && !reconnect);
                }
                Poll::Ready(Step::Killed) => return Poll::Ready(Ok(StreamEnd::PeerGone)),
                Poll::Pending => {
                    self.unwritten = Vec::new(); // an idle stream holds no buffer
                    return Poll::Pending;
                }
            }
        }
    }

    /// Writes what is unwritten, and then the last chunk if it is due.
    fn poll_write(&mut self, socket: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let mut took = ready!(self.poll_write_frames(socket, cx))?;
            if took == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.subscription.connection().took_bytes(true);
            took += std::mem::take(&mut self.written) as usize;
            let whole = self.unwritten.iter().take_while(|frame| {
                let length = bytes_of(frame, self.chunked).len();
                let whole = took >= length;
                took -= if whole { length } else { 0 };
                whole
            });
            let whole = whole.count();
            self.unwritten.drain(..whole);
            self.written = u32::try_from(took).map_err(io::Error::other)?;
        }
        while self.finish == Some(true)
            && let Some(rest @ [_, ..]) = LAST_CHUNK.get(self.written as usize..)
        {
            let took = ready!(Pin::new(&mut *socket).poll_write(cx, rest))?;
            self.written += u32::try_from(took).map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes once: usually a single frame, otherwise several frames in one vectored write.
    fn poll_write_frames(
        &self,
        socket: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let socket = Pin::new(socket);
        let first = &bytes_of(&self.unwritten[0], self.chunked)[self.written as usize..];
        if self.unwritten.len() == 1 {
            return socket.poll_write(cx, first);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        slices[0] = IoSlice::new(first);
        let rest = self.unwritten[1..]
            .iter()
            .map(|frame| IoSlice::new(bytes_of(frame, self.chunked)));
        let filled = slices[1..]
            .iter_mut()
            .zip(rest)
            .map(|(slot, slice)| *slot = slice)
            .count();
        socket.poll_write_vectored(cx, &slices[..=filled])
    }
}

fn bytes_of(frame: &Frame, chunked: bool) -> &[u8] {
    if chunked {
        frame.chunked()
    } else {
        frame.block()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_parked_stream_is_small() {
        // Every idle stream pays for a large field here. The runtime adds about 100 bytes and
        // rounds up to a multiple of 128.
        assert!(size_of::<Parked>() <= 160, "{}", size_of::<Parked>());
    }

    #[test]
    fn no_date_is_sent_for_a_time_that_http_can_not_express() {
        let epoch = SystemTime::UNIX_EPOCH;
        let last = epoch + Duration::from_secs(253_402_300_799);
        assert_eq!(
            date(epoch).as_deref(),
            Some("Thu, 01 Jan 1970 00:00:00 GMT")
        );
        assert_eq!(date(epoch - Duration::from_secs(1)), None);
        assert_eq!(date(last).as_deref(), Some("Fri, 31 Dec 9999 23:59:59 GMT"));
        assert_eq!(date(last + Duration::from_secs(1)), None);
    }
}
