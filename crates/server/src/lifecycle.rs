//! The life of a server: it serves, drains, and ends.
//!
//! A server serves until it is told to stop, either by the process or application that runs it or
//! by an admin's `POST /system/drain`. It then stops in five steps, so that no client loses
//! anything and the clients don't all come back at once:
//!
//! 1. `/health/ready` turns 503, so that balancers send no more clients to this server. New streams
//!    are answered with `busy`. The listener stays open and publishes are still taken.
//! 2. Open streams are ended one by one, at an even rate over `DRAIN_SECONDS` and in random order.
//!    Each gets the event `draining`, which says to come back 0.5–2 s after the last stream was
//!    ended. So a client comes back once, finds this server's successor, and resumes by its last
//!    id.
//! 3. After the last stream was ended, publishes are refused, and the server waits for those that
//!    were taken. The listener closes before the first client comes back, because that client would
//!    otherwise be answered with `busy` by the server that sent it away.
//! 4. The streams have at most a second to send their last event. By then, a call that has not
//!    arrived whole, or whose answer the client does not read, is cut. A call that arrived whole is
//!    answered.
//! 5. The journal is closed: it accepts nothing more, and makes durable what it has.
//!
//! If another process holds the listening sockets too (systemd's socket activation), the server's
//! successor can accept the connections that this server does not, and no call is refused. The
//! server then stops accepting before step 3, and clients that connect wait in the socket for the
//! successor. For a moment, answers tell clients with keep-alive connections to close them.
//! Publishes over these connections are taken until the last connection is gone, and only then
//! refused.
//!
//! The end therefore takes `DRAIN_SECONDS`, at most a second and a half, and the time that the
//! journal needs. After `SHUTDOWN_TIMEOUT` the server ends without waiting for the rest.

pub(crate) mod report;
pub mod supervisor;
pub(crate) mod unfinished;

use std::convert::Infallible;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use rand::seq::SliceRandom as _;
use tidings_hub::{Ending, EndingCause, Runner};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::app::{App, Phase};
use crate::config;
use crate::router::refusals;
use crate::routes::{chat, dashboard};
use crate::server::error::Error;
use crate::stream_groups;
use crate::times::random_delay;
use tidings_net::fair_queue::FairQueue;
use tidings_net::matcher::StreamMatcher;
use tidings_net::peer::LAST_BYTES_GRACE;
use tidings_net::{Calls, ConnectionServer};

pub use unfinished::Unfinished;

/// How long streams and calls have to end by themselves after the last stream was told to end.
const CLOSING_GRACE: Duration = Duration::from_secs(1);

/// How long a client has to take an answer for which the server has waited longer than
/// [`CLOSING_GRACE`].
const LATE_ANSWER_GRACE: Duration = Duration::from_millis(200);

/// How long the answers on keep-alive connections ask their clients to close, before the server
/// closes the idle connections itself. A call that arrives just when the server closes its
/// connection would be lost. The time is less than [`CLOSING_GRACE`], within which every connection
/// has to end.
const RETIRING_TIME: Duration = Duration::from_millis(700);

/// The sockets that the server listens on.
pub(crate) struct Listeners {
    pub(crate) listeners: Vec<TcpListener>,
    /// Whether another process holds the sockets too, and hands them to this server's successor.
    pub(crate) held_elsewhere: bool,
}

/// Serves on `listeners` until `shutdown`, then drains and closes everything.
pub(crate) async fn serve(
    app: Arc<App>,
    runner: Runner,
    router: Router,
    Listeners {
        listeners,
        held_elsewhere,
    }: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let is_parking = app.config.streams.lane == config::Lane::Parked;
    let calls = Calls {
        router: router.clone(),
        refusals: refusals(&app),
        unread_output: app.unread_output.clone(),
        refused: Box::new({
            let counts = app.counts.clone();
            move |code| counts.refused(code)
        }),
        max_head_bytes: app.config.http.max_head_bytes,
        retiring: AtomicBool::new(false),
    };
    let connection_server = ConnectionServer {
        router,
        calls: Arc::new(calls),
        parked_streams: is_parking.then(|| {
            StreamMatcher::new(
                stream_groups::paths(app.groups),
                app.config.http.base_path.as_deref(),
            )
        }),
        max_head_bytes: app.config.http.max_head_bytes,
        head_timeout: app.config.http.head_timeout,
        idle_timeout: app.config.http.idle_timeout,
        write_timeout: app.config.streams.write_timeout,
        connection_table: app.connection_table.clone(),
        queue: FairQueue::default(),
        tracer: app.tracer.clone(),
        closing: CancellationToken::new(),
        cut: CancellationToken::new(),
        connections: TaskTracker::new(),
    };
    // The guards close listeners and connections however this function ends, even if its caller
    // drops the future.
    let _cut = connection_server.cut.clone().drop_guard();
    let listening = CancellationToken::new();
    let _closed = listening.clone().drop_guard();
    let accepting = TaskTracker::new();
    for listener in listeners {
        let listener = Arc::new(tokio::net::TcpListener::from_std(listener)?);
        let (connection_server, listening) = (connection_server.clone(), listening.clone());
        accepting.spawn(supervisor::keep_running("accept", move || {
            connection_server
                .clone()
                .accept(listener.clone(), listening.clone())
        }));
    }
    accepting.close();
    let sockets = Sockets {
        connection_server,
        listening,
        accepting,
        held_elsewhere,
    };
    app.notifier.ready(&app.status());
    run(app, runner, shutdown, Some(sockets)).await
}

/// The sockets that a server has to close if it listens itself.
struct Sockets {
    connection_server: ConnectionServer,
    /// Cancelled to close the listeners.
    listening: CancellationToken,
    accepting: TaskTracker,
    /// Whether another process holds the listeners too.
    held_elsewhere: bool,
}

impl Sockets {
    /// Stops accepting connections.
    async fn stop_accepting(&self) {
        self.listening.cancel();
        self.accepting.wait().await;
    }

    /// Makes every answer ask its client to close the connection, and waits until `limit` for the
    /// connections to close.
    async fn retire(&self, limit: Instant) {
        let connections = &self.connection_server.connections;
        self.connection_server
            .calls
            .retiring
            .store(true, Ordering::Relaxed);
        connections.close();
        // The connections that are left are closed later.
        let _ = tokio::time::timeout_at(limit, connections.wait()).await;
    }

    /// Closes every connection once its calls are answered. At `limit`, waits only for the calls
    /// that have arrived whole, and then cuts the connections that are left.
    async fn close(&self, app: &App, limit: Instant) {
        let connections = &self.connection_server.connections;
        self.connection_server.closing.cancel();
        connections.close();
        if tokio::time::timeout_at(limit, connections.wait())
            .await
            .is_ok()
        {
            return;
        }
        until(|| app.counts.whole_calls() == 0).await;
        let _ = tokio::time::timeout(LATE_ANSWER_GRACE, connections.wait()).await;
        self.connection_server.cut.cancel();
    }
}

/// Runs the hub for an application that serves the connections itself, until `shutdown`, and then
/// drains. The application closes its connections after that.
pub(crate) async fn run_embedded(
    app: Arc<App>,
    runner: Runner,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    run(app, runner, shutdown, None).await
}

/// Runs the hub until `shutdown`, ends the streams, and then closes what is left.
async fn run(
    app: Arc<App>,
    runner: Runner,
    shutdown: impl Future<Output = ()>,
    sockets: Option<Sockets>,
) -> Result<(), Error> {
    let _streams = KillStreamsOnDrop(app.clone());
    let _memberships = AbortOnDropHandle::new(tokio::spawn({
        let app = app.clone();
        supervisor::keep_running("memberships", move || chat::end_memberships(app.clone()))
    }));
    let _dashboard = AbortOnDropHandle::new(tokio::spawn({
        let app = app.clone();
        supervisor::keep_running("dashboard", move || dashboard::report(app.clone()))
    }));
    let _reports = app.notifier.is_connected().then(|| {
        let app = app.clone();
        AbortOnDropHandle::new(tokio::spawn(supervisor::keep_running(
            "report",
            move || report::keep_reporting(app.clone()),
        )))
    });
    let mut delivering = AbortOnDropHandle::new(tokio::spawn(runner.run()));
    let mut shutdown = pin!(shutdown);
    let stop = async {
        tokio::select! {
            () = &mut shutdown => false,
            () = app.stop.cancelled() => true,
        }
    };
    tokio::select! {
        by_admin = stop => {
            let ending = async {
                end(&app, sockets.as_ref()).await;
                app.hub.close().await;
            };
            let ending = tokio::time::timeout(app.config.lifecycle.shutdown_timeout, ending);
            // In a drain that an admin began, `shutdown` is still polled, because the process or
            // application that runs the server may use it to ask for an earlier stop.
            let listening = async {
                if by_admin {
                    shutdown.await;
                }
                std::future::pending::<Infallible>().await
            };
            tokio::select! {
                ended = ending => ended.map_err(|_| {
                    let connections = sockets.as_ref().map_or(0, |sockets| sockets.connection_server.connections.len());
                    Error::Unfinished(Unfinished::of(&app, connections))
                }),
                never = listening => match never {},
            }
        }
        failed = &mut delivering => {
            app.enter(Phase::Closing);
            Err(match failed {
                Ok(error) => Error::Journal(error),
                // The runner panicked, which the log has reported. Without it, nothing is
                // delivered.
                Err(_) => Error::Runner,
            })
        }
    }
}

/// Kills all streams when it is dropped. However the server ends, even if its future is dropped, no
/// stream stays open that gets no events.
struct KillStreamsOnDrop(Arc<App>);

impl Drop for KillStreamsOnDrop {
    fn drop(&mut self) {
        for connection in self.0.hub.connections().all() {
            connection.kill();
        }
    }
}

/// Drains, and closes everything, in the steps that the documentation of this module lists.
async fn end(app: &App, sockets: Option<&Sockets>) {
    app.enter(Phase::Draining);
    let streams = drain(app).await;
    let drained = Instant::now();
    let limit = drained + CLOSING_GRACE;
    let successor = sockets.filter(|sockets| sockets.held_elsewhere);
    if successor.is_none() {
        app.close().await;
    }
    // The listeners close before the streams are gone, because a stuck peer holds its stream for a
    // second and other clients come back before that. Open connections are told to close later,
    // because some clients take HTTP/2's GOAWAY for an end and read no last event behind it.
    if let Some(sockets) = sockets {
        sockets.stop_accepting().await;
    }
    until_gone(app, limit).await;
    if streams > 0 {
        // The last clients are still reading their last event.
        tokio::time::sleep(LAST_BYTES_GRACE).await;
    }
    if let Some(sockets) = successor {
        // With `DRAIN_SECONDS=0` there is no such delay either.
        sockets
            .retire(drained + RETIRING_TIME.min(app.config.lifecycle.drain))
            .await;
    }
    if let Some(sockets) = sockets {
        sockets.close(app, limit).await;
    }
    app.close().await;
}

/// Ends the open streams one by one. Returns how many streams there were.
async fn drain(app: &App) -> u32 {
    let mut open = app.hub.connections().all();
    if open.is_empty() {
        return 0;
    }
    let drain_time = app.config.lifecycle.drain;
    tracing::info!(streams = open.len(), over = ?drain_time, "draining");
    open.shuffle(&mut rand::rng());
    let (start, count) = (
        Instant::now(),
        u32::try_from(open.len()).unwrap_or(u32::MAX),
    );
    app.drains_until(start + drain_time.min(app.config.lifecycle.shutdown_timeout));
    for (nth, connection) in (0..count).zip(open) {
        tokio::time::sleep_until(start + drain_time * nth / count).await;
        connection.end(draining(app));
    }
    count
}

/// Waits until all streams are gone, at the latest until `limit`, and then kills those that are
/// left. Streams that were opened since the drain are ended too.
async fn until_gone(app: &App, limit: Instant) {
    let gone = until(|| {
        let open = app.hub.connections().all();
        for connection in &open {
            connection.end(draining(app));
        }
        open.is_empty()
    });
    if tokio::time::timeout_at(limit, gone).await.is_err() {
        for connection in app.hub.connections().all() {
            connection.kill();
        }
    }
}

/// Checks `condition` every 10 ms until it is true.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Returns the ending of a stream in a drain. Its `retry` includes the rest of the drain, because
/// until then a client that comes back would find this server again.
fn draining(app: &App) -> Ending {
    let retry =
        random_delay(Duration::from_millis(500), Duration::from_secs(2)) + app.remaining_drain();
    Ending {
        cause: EndingCause::Shutdown,
        retry: Some(retry),
    }
}
