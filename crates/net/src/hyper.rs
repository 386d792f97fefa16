//! hyper's lane: calls, HTTP/2, and streams that are requested soon after another request on the
//! same connection.
//!
//! Owns such a connection for as long as it is busy: which requests it serves, how long it may be
//! idle or take nothing, and how it is told to close. Knows nothing of what a request means.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_edge::client_ip::Peer;
use tidings_edge::error::Code;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::answer::{self, Answer, AnswerProgress};
use crate::connection_server::{Calls, ConnectionServer};
use crate::connections::{Call, TrackedConnection};
use crate::cut::{Cut, Cuttable};
use crate::incoming_body::IncomingBody;
use crate::refused_head;

/// How long a peer has to close its connection after it was told to. Over HTTP/2, it first has to
/// acknowledge.
const CLOSE_GRACE: Duration = Duration::from_millis(500);

/// How long a connection of HTTP/1 stays with hyper after an answer. hyper keeps 16 KiB of buffers
/// for each connection; a resting connection needs none.
const REST_DELAY: Duration = Duration::from_secs(2);

/// How long the calls of a connection may wait for their peer once the server is closing.
const STALLED_CALL_GRACE: Duration = Duration::from_secs(1);

/// The most concurrent streams on one connection of HTTP/2, including calls (RFC 9113 section
/// 5.1.2).
const MAX_STREAMS: u32 = 100;

/// How many bytes of all bodies together may arrive over one connection of HTTP/2 before they are
/// read.
const CONNECTION_WINDOW: u32 = 256 << 10;
/// How many bytes of one body may arrive over HTTP/2 before they are read.
const STREAM_WINDOW: u32 = 64 << 10;

/// How many bytes of each answer h2 buffers before they are written.
const SEND_BUFFER: usize = 64 << 10;

/// The factor by which a head over HTTP/2 may exceed the limit and still be answered with an error
/// that says so.
const REFUSED_HEAD_FACTOR: u32 = 4;

/// An answer that is being made.
type Answering = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

/// The state of a connection after hyper has served it.
pub(crate) enum Outcome {
    /// The connection has ended.
    Closed,
    /// The connection is kept alive and rests until its next request or its end. `read` holds the
    /// bytes that were already read.
    Resting {
        socket: TcpStream,
        read: Vec<u8>,
        since: Instant,
    },
}

/// Whether a connection was told to close, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shutdown {
    No,
    /// The connection was told to close, and closes once its calls are answered.
    WhenDone,
    /// The connection was told to close, and is closed when [`CLOSE_GRACE`] is over.
    Soon,
    /// hyper was told to give the connection back, so that it rests.
    ForRest,
}

/// What to do with a connection after it was checked.
enum Action {
    /// Leave it alone, and check it again at this time.
    CheckAgain(Instant),
    /// Tell it to close in this way, and check it again at this time.
    ShutDown(Shutdown, Instant),
    /// Close it.
    Close,
    /// Close it without waiting for its peer.
    Abandon,
}

/// A connection that hyper serves, of either version of HTTP.
trait HyperConnection: Future<Output = hyper::Result<()>> + Unpin {
    fn shut_down(&mut self);
}

/// Runs the tasks of an HTTP/2 connection's streams, and drops a task if the peer takes nothing of
/// its answer within the write timeout.
#[derive(Clone)]
struct Http2Executor {
    write_timeout: Duration,
    tracked: Arc<TrackedConnection>,
}

tokio::task_local! {
    /// The progress of the answer that this task makes.
    static ANSWER_PROGRESS: Arc<AnswerProgress>;
}

impl ConnectionServer {
    /// Serves a connection of HTTP/1 until it has ended or rests.
    pub(crate) async fn http1(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        read_before: Vec<u8>,
        tracked: &Arc<TrackedConnection>,
        accepted: Instant,
    ) -> Outcome {
        let (io, cut) = Cuttable::new(
            socket,
            read_before,
            false,
            tracked.clone(),
            self.connections.clone(),
        );
        let service = service_fn(self.service(peer, tracked.clone(), cut.clone()));
        let mut connection = http1::Builder::new()
            // `drive` enforces the time limits, because hyper has a single timer for a head
            // and for the time before it.
            .header_read_timeout(None)
            .max_buf_size(self.max_head_bytes)
            // A request that arrived whole is answered, even if its sender has since shut its
            // sending side.
            .half_close(true)
            .serve_connection(TokioIo::new(io), service);
        let Some((result, shutdown)) = self.drive(&mut connection, &cut, tracked, accepted).await
        else {
            return Outcome::Closed;
        };
        let http1::Parts { io, read_buf, .. } = connection.into_parts();
        let io = io.into_inner();
        match (result, shutdown, cut.refusal()) {
            (_, _, Some(status)) => {
                if let Some(socket) = io.into_socket() {
                    let head = if read_buf.is_empty() {
                        cut.beginning_of_head().into()
                    } else {
                        read_buf
                    };
                    self.refuse(socket, status, &head).await;
                }
            }
            (Ok(()), Shutdown::ForRest, None) if !io.is_peer_done() => {
                let idle = tracked.idle_for().unwrap_or_default();
                let now = Instant::now();
                let since = cut
                    .head_since()
                    .unwrap_or_else(|| now.checked_sub(idle).unwrap_or(now));
                if let Some(socket) = io.into_socket() {
                    return Outcome::Resting {
                        socket,
                        read: read_buf.into(),
                        since,
                    };
                }
            }
            (Ok(()), ..) => {}
            (Err(error), ..) => tracing::trace!(%peer, %error, "a connection broke off"),
        }
        Outcome::Closed
    }

    /// Serves a connection of HTTP/2 to its end.
    pub(crate) async fn http2(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        read_before: Vec<u8>,
        tracked: &Arc<TrackedConnection>,
        accepted: Instant,
    ) {
        let (io, cut) = Cuttable::new(
            socket,
            read_before,
            true,
            tracked.clone(),
            self.connections.clone(),
        );
        let service = service_fn(self.service(peer, tracked.clone(), cut.clone()));
        let max_head_bytes = u32::try_from(self.max_head_bytes).unwrap_or(u32::MAX);
        let mut connection = http2::Builder::new(Http2Executor {
            write_timeout: self.write_timeout,
            tracked: tracked.clone(),
        })
        .timer(TokioTimer::new())
        // h2 itself refuses a larger head, without a body.
        .max_header_list_size(max_head_bytes.saturating_mul(REFUSED_HEAD_FACTOR))
        .max_concurrent_streams(MAX_STREAMS)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(TokioIo::new(io), service);
        if let Some((Err(error), _)) = self.drive(&mut connection, &cut, tracked, accepted).await {
            tracing::trace!(%peer, %error, "a connection broke off");
        }
    }

    /// Returns the service that hyper calls for the answer to each request.
    fn service(
        &self,
        peer: SocketAddr,
        tracked: Arc<TrackedConnection>,
        cut: Cut,
    ) -> impl Fn(http::Request<Incoming>) -> Answering + Clone + Unpin + use<> {
        let calls = self.calls.clone();
        move |request| {
            let is_whole = request.body().is_end_stream();
            cut.head_is_read(!is_whole);
            let call = tracked.begin_call(is_whole);
            let (calls, cut) = (calls.clone(), cut.clone());
            Box::pin(async move {
                let progress = ANSWER_PROGRESS.try_with(Clone::clone).ok();
                Ok(calls.answer(request, call, peer, cut, progress).await)
            })
        }
    }

    /// Drives a connection until hyper is done with it. Returns `None` if the connection has to be
    /// closed before that.
    async fn drive<C: HyperConnection>(
        &self,
        connection: &mut C,
        cut: &Cut,
        tracked: &Arc<TrackedConnection>,
        accepted: Instant,
    ) -> Option<(hyper::Result<()>, Shutdown)> {
        // The bytes that were read before are processed first, because a connection that is told to
        // close before it has read anything closes at once. A call that had arrived whole would
        // then be lost.
        let first_poll = poll_fn(|cx| Poll::Ready(Pin::new(&mut *connection).poll(cx))).await;
        if let Poll::Ready(result) = first_poll {
            return Some((result, Shutdown::No));
        }
        let mut shutdown = Shutdown::No;
        let mut check = std::pin::pin!(tokio::time::sleep_until(
            self.first_check(tracked, accepted)
        ));
        loop {
            let action = tokio::select! {
                // The connection comes last, because one that always has something to do would
                // starve the others.
                biased;
                () = cut.killed() => return None,
                () = tracked.told_to_close() => match tracked.stalled_for() {
                    Some(_) => Action::Abandon,
                    None => Action::ShutDown(Shutdown::Soon, Instant::now() + CLOSE_GRACE),
                },
                () = self.closing.cancelled(), if matches!(shutdown, Shutdown::No | Shutdown::ForRest) => {
                    Action::ShutDown(Shutdown::WhenDone, Instant::now() + CLOSE_GRACE)
                }
                () = &mut check => self.check(cut, tracked, accepted, shutdown),
                result = &mut *connection => return Some((result, shutdown)),
            };
            match action {
                Action::CheckAgain(at) => check.as_mut().reset(at),
                Action::ShutDown(how, at) => {
                    shutdown = how;
                    connection.shut_down();
                    check.as_mut().reset(at);
                }
                Action::Close => return None,
                Action::Abandon => {
                    cut.abandon();
                    return None;
                }
            }
        }
    }

    /// Returns the time of the first check of a connection.
    fn first_check(&self, tracked: &TrackedConnection, accepted: Instant) -> Instant {
        if tracked.has_requested() {
            Instant::now() + REST_DELAY.min(self.idle_timeout)
        } else {
            accepted + self.head_timeout
        }
    }

    /// Checks whether a connection has waited too long for its peer, and returns what to do with
    /// it.
    fn check(
        &self,
        cut: &Cut,
        tracked: &TrackedConnection,
        accepted: Instant,
        shutdown: Shutdown,
    ) -> Action {
        let now = Instant::now();
        let closed = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        if shutdown == Shutdown::Soon {
            return Action::Abandon;
        }
        // A stream that has the connection to itself is ended by its own limit, which also says
        // why.
        let blocked = cut
            .blocked_since()
            .filter(|_| cut.is_shared() || !tracked.has_stream());
        if blocked.is_some_and(|since| since + self.write_timeout <= now) {
            closed(&tracked.closed().write_timeout);
            return Action::Abandon;
        }
        if !tracked.has_requested() && accepted + self.head_timeout <= now {
            closed(&tracked.closed().head_timeout);
            return Action::Close;
        }
        let Some(idle) = tracked.idle_for() else {
            let is_stalled = tracked
                .stalled_for()
                .is_some_and(|stalled| stalled >= STALLED_CALL_GRACE);
            return match shutdown {
                Shutdown::WhenDone if self.closing.is_cancelled() && is_stalled => Action::Abandon,
                Shutdown::WhenDone => Action::CheckAgain(now + CLOSE_GRACE),
                _ if tracked.has_stream() => {
                    Action::CheckAgain(now + self.write_timeout.min(self.idle_timeout))
                }
                _ => Action::CheckAgain(
                    now + REST_DELAY.min(self.idle_timeout).min(self.write_timeout),
                ),
            };
        };
        if let Some(since) = cut.head_since() {
            if since + self.head_timeout <= now {
                closed(&tracked.closed().head_timeout);
                return Action::Close;
            }
            return Action::CheckAgain(since + self.head_timeout);
        }
        if shutdown == Shutdown::WhenDone {
            return Action::Close;
        }
        if !tracked.has_requested() {
            return Action::CheckAgain(accepted + self.head_timeout);
        }
        if idle >= self.idle_timeout {
            closed(&tracked.closed().idle);
            return Action::ShutDown(Shutdown::WhenDone, now + CLOSE_GRACE);
        }
        let until_idle = self.idle_timeout.saturating_sub(idle);
        if cut.is_shared() {
            return Action::CheckAgain(now + until_idle);
        }
        match REST_DELAY.saturating_sub(idle) {
            Duration::ZERO => Action::ShutDown(Shutdown::ForRest, now + CLOSE_GRACE),
            until_rest => Action::CheckAgain(now + until_rest.min(until_idle)),
        }
    }
}

impl Calls {
    /// Answers a request by the router, or by that for refusals if its head is too large.
    async fn answer(
        &self,
        request: http::Request<Incoming>,
        call: Call,
        peer: SocketAddr,
        cut: Cut,
        progress: Option<Arc<AnswerProgress>>,
    ) -> Response<Answer> {
        let call_progress = call.progress();
        let mut request: Request =
            request.map(|body| Body::new(IncomingBody::new(body, call_progress)));
        // hyper does not apply its limit to a head whose first bytes came with an earlier request,
        // nor to one over HTTP/2.
        let too_large = size_of_head(&request) > self.max_head_bytes;
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(cut.clone());
        let router = if too_large {
            refused_head::mark(
                &mut request,
                http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            );
            self.refusals.clone()
        } else {
            self.router.clone()
        };
        let mut response = router
            .oneshot(request)
            .await
            .unwrap_or_else(|never| match never {});
        if progress.is_none() && (too_large || self.retiring.load(Ordering::Relaxed)) {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let (response, refused) =
            answer::reserve(response, call, &self.unread_output, &cut, progress);
        if refused.is_some() {
            (self.refused)(Code::Overloaded);
        }
        response
    }
}

/// Returns about how many bytes a head took on the wire.
fn size_of_head<B>(request: &http::Request<B>) -> usize {
    let headers: &HeaderMap = request.headers();
    let fields: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    fields
        + request
            .uri()
            .path_and_query()
            .map_or(0, |path| path.as_str().len())
}

impl<S> HyperConnection for http1::Connection<TokioIo<Cuttable>, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = Answer> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn shut_down(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl<S> HyperConnection for http2::Connection<TokioIo<Cuttable>, S, Http2Executor>
where
    Self: Future<Output = hyper::Result<()>> + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = Answer>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    Http2Executor: hyper::rt::bounds::Http2ServerConnExec<S::Future, Answer>,
{
    fn shut_down(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Http2Executor {
    fn execute(&self, stream: F) {
        let (progress, limit, tracked) = (
            Arc::<AnswerProgress>::default(),
            self.write_timeout,
            self.tracked.clone(),
        );
        tokio::spawn(ANSWER_PROGRESS.scope(progress.clone(), async move {
            tokio::select! {
                () = stream => {}
                () = progress.until_stuck(limit) => {
                    tracked.closed().write_timeout.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
}
