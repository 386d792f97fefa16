//! How a server lives and ends.
//!
//! It serves until it is told to stop, by whoever runs it or by an admin's `POST /system/drain`. Then, so that nobody loses
//! anything and the clients don't all come back at once:
//!
//! 1. `/health/ready` turns 503, so that no balancer sends anybody here any more; new streams are told `busy`. The
//!    listener stays open and publishes are taken.
//! 2. Open streams are ended one by one at an even rate over `DRAIN_SECONDS`, in random order, each told `draining` and
//!    to come back 0.5–2 s after the last of them was told. So a client comes back once, finds this server's successor, and
//!    goes on by its last id.
//! 3. After the last of them publishes are refused, and those that were taken are waited for. The listener closes before the
//!    first client comes back, who would otherwise be told `busy` by the server that sent it away.
//! 4. The streams' last words take no longer than a second. By then a call that has not arrived whole, or whose answer nobody
//!    takes, is cut; one that did arrive is answered.
//! 5. The journal takes nothing more, and what it has is made safe.
//!
//! Where another process holds the listening sockets too (systemd's socket activation), the server's successor can take what
//! this one does not, and no call is refused. Then it stops accepting before step 3: whoever connects waits in the socket for
//! the successor. Connections that are kept alive are told to close with their next answer, for a moment; publishes over them
//! are taken until the last connection is gone, and only then refused.
//!
//! So the end takes `DRAIN_SECONDS` and at most a second and a half, and what the journal needs. What is left after
//! `SHUTDOWN_TIMEOUT` is left behind.

pub(crate) mod left;
pub(crate) mod report;
pub mod watch;

use std::convert::Infallible;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use rand::seq::SliceRandom as _;
use tidings_hub::{Cause, Ending, Runner};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::app::{App, Phase};
use crate::config;
use crate::groups;
use crate::net::accept::Lane;
use crate::net::fair_queue::FairQueue;
use crate::net::hyper::Calls;
use crate::net::peer::LAST_BYTES_GRACE;
use crate::router::refusals;
use crate::routes::{chat, dashboard};
use crate::server::error::Error;
use crate::streams::paths::StreamPaths;
use crate::times::spread;

pub use left::Left;

/// How long after the last wave streams and calls have to go by themselves.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long an answer that was waited for longer than that has to be taken.
const A_MOMENT: Duration = Duration::from_millis(200);

/// How long calls of kept-alive connections are answered, with the request to close, before the connections that were silent
/// are closed: a call that comes in just then would be lost. Less than [`LAST_WORDS`], as what is left has to end within that.
const RETIRE: Duration = Duration::from_millis(700);

/// What the server listens on.
pub(crate) struct Listeners {
    pub(crate) listeners: Vec<TcpListener>,
    /// Whether another process holds them too, and hands them to this server's successor.
    pub(crate) held: bool,
}

/// Serves on `listeners` until `shutdown`, then drains and closes everything.
pub(crate) async fn serve(
    app: Arc<App>,
    runner: Runner,
    router: Router,
    Listeners { listeners, held }: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let parks = app.config.streams.lane == config::Lane::Parked;
    let calls = Calls {
        router: router.clone(),
        refusals: refusals(&app),
        unread_output: app.unread_output.clone(),
        counts: app.counts.clone(),
        max_head_bytes: app.config.http.max_head_bytes,
        retiring: AtomicBool::new(false),
    };
    let lane = Lane {
        router,
        calls: Arc::new(calls),
        parks: parks.then(|| StreamPaths::new(groups::paths(app.groups), app.config.http.base_path.as_deref())),
        max_head_bytes: app.config.http.max_head_bytes,
        head_timeout: app.config.http.head_timeout,
        idle_timeout: app.config.http.idle_timeout,
        write_timeout: app.config.streams.write_timeout,
        connection_table: app.connection_table.clone(),
        queue: FairQueue::new(),
        tracer: app.tracer.clone(),
        closing: CancellationToken::new(),
        cut: CancellationToken::new(),
        connections: TaskTracker::new(),
    };
    // However this ends – its caller may also drop it – listeners and connections end with it.
    let _cut = lane.cut.clone().drop_guard();
    let listening = CancellationToken::new();
    let _closed = listening.clone().drop_guard();
    let accepting = TaskTracker::new();
    for listener in listeners {
        let listener = Arc::new(tokio::net::TcpListener::from_std(listener)?);
        let (lane, listening) = (lane.clone(), listening.clone());
        accepting.spawn(watch::keep("accept", move || lane.clone().accept(listener.clone(), listening.clone())));
    }
    accepting.close();
    let sockets = Sockets { lane, listening, accepting, held };
    app.notifier.is_ready(&app.status());
    run(app, runner, shutdown, Some(sockets)).await
}

/// What a server that listens itself has to close.
struct Sockets {
    lane: Lane,
    /// Cancelled to close the listeners.
    listening: CancellationToken,
    accepting: TaskTracker,
    /// Whether another process holds the listeners too.
    held: bool,
}

impl Sockets {
    /// Lets nobody in any more.
    async fn let_nobody_in(&self) {
        self.listening.cancel();
        self.accepting.wait().await;
    }

    /// Has every answer ask its client to close the connection, until `limit` at most, and waits for that.
    async fn retire(&self, limit: Instant) {
        let connections = &self.lane.connections;
        self.lane.calls.retiring.store(true, Ordering::Relaxed);
        connections.close();
        let _ = tokio::time::timeout_at(limit, connections.wait()).await; // those that are left are told to go
    }

    /// Has every connection go once it was answered, until `limit` at most; but whoever arrived whole is answered first.
    async fn close(&self, app: &App, limit: Instant) {
        let connections = &self.lane.connections;
        self.lane.closing.cancel();
        connections.close();
        if tokio::time::timeout_at(limit, connections.wait()).await.is_ok() {
            return;
        }
        until(|| app.counts.whole_calls() == 0).await;
        let _ = tokio::time::timeout(A_MOMENT, connections.wait()).await;
        self.lane.cut.cancel(); // the others have had their time
    }
}

/// Moves what others serve until `shutdown`, then drains. The connections are theirs to close, after this.
pub(crate) async fn accompany(app: Arc<App>, runner: Runner, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    run(app, runner, shutdown, None).await
}

/// Moves the hub until `shutdown`, ends the streams, then closes what is left.
async fn run(
    app: Arc<App>,
    runner: Runner,
    shutdown: impl Future<Output = ()>,
    sockets: Option<Sockets>,
) -> Result<(), Error> {
    let _streams = KilledOnDrop(app.clone());
    let _memberships = AbortOnDropHandle::new(tokio::spawn({
        let app = app.clone();
        watch::keep("memberships", move || chat::end_memberships(app.clone()))
    }));
    let _dashboard = AbortOnDropHandle::new(tokio::spawn({
        let app = app.clone();
        watch::keep("dashboard", move || dashboard::report(app.clone()))
    }));
    let _reports = app.notifier.is_heard().then(|| {
        let app = app.clone();
        AbortOnDropHandle::new(tokio::spawn(watch::keep("report", move || report::keep_reporting(app.clone()))))
    });
    let mut moving = AbortOnDropHandle::new(tokio::spawn(runner.run()));
    let mut shutdown = pin!(shutdown);
    let stop = async {
        tokio::select! {
            () = &mut shutdown => false,
            () = app.stop.cancelled() => true,
        }
    };
    tokio::select! {
        by_call = stop => {
            let ending = async {
                end(&app, sockets.as_ref()).await;
                app.hub.close().await;
            };
            let ending = tokio::time::timeout(app.config.lifecycle.shutdown_timeout, ending);
            // Whoever runs it may still want it gone sooner, and tell so by what `shutdown` waits for.
            let listening = async {
                if by_call {
                    shutdown.await;
                }
                std::future::pending::<Infallible>().await
            };
            tokio::select! {
                ended = ending => ended.map_err(|_| {
                    let connections = sockets.as_ref().map_or(0, |sockets| sockets.lane.connections.len());
                    Error::Left(Left::of(&app, connections))
                }),
                never = listening => match never {},
            }
        }
        failed = &mut moving => {
            app.enter(Phase::Closing);
            Err(match failed {
                Ok(error) => Error::Journal(error),
                Err(_) => Error::Runner, // it panicked, which the log has told; nothing is delivered any more
            })
        }
    }
}

/// However the server ends – its future may also be dropped – no stream is left open that nobody feeds.
struct KilledOnDrop(Arc<App>);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        for connection in self.0.hub.connections().all() {
            connection.kill();
        }
    }
}

async fn end(app: &App, sockets: Option<&Sockets>) {
    app.enter(Phase::Draining);
    let streams = drain(app).await;
    let drained = Instant::now();
    let limit = drained + LAST_WORDS;
    let successor = sockets.filter(|sockets| sockets.held);
    if successor.is_none() {
        app.close().await;
    }
    // Not after the streams are gone: a peer that is stuck holds one for a second, and others come back before that. Open
    // connections are told later, as some clients take HTTP/2's GOAWAY for an end and read no last words behind it.
    if let Some(sockets) = sockets {
        sockets.let_nobody_in().await;
    }
    until_gone(app, limit).await;
    if streams > 0 {
        tokio::time::sleep(LAST_BYTES_GRACE).await; // the last of them are still reading what they were told
    }
    if let Some(sockets) = successor {
        // Who asks for a drain of no time wants no moment either.
        sockets.retire(drained + RETIRE.min(app.config.lifecycle.drain)).await;
    }
    if let Some(sockets) = sockets {
        sockets.close(app, limit).await;
    }
    app.close().await;
}

/// Ends the open streams one by one. Returns how many there were.
async fn drain(app: &App) -> u32 {
    let mut open = app.hub.connections().all();
    if open.is_empty() {
        return 0;
    }
    let over = app.config.lifecycle.drain;
    tracing::info!(streams = open.len(), ?over, "draining");
    open.shuffle(&mut rand::rng());
    let (start, count) = (Instant::now(), u32::try_from(open.len()).unwrap_or(u32::MAX));
    app.drains_until(start + over.min(app.config.lifecycle.shutdown_timeout));
    for (nth, connection) in (0..count).zip(open) {
        tokio::time::sleep_until(start + over * nth / count).await;
        connection.end(draining(app));
    }
    count
}

/// Waits until all streams are gone, and until `limit` at most: those that are left then are killed. Those that slipped in
/// since the last wave are ended too.
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

/// Looks again and again until it is so.
async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Until the drain is over, whoever comes back would find this server again.
fn draining(app: &App) -> Ending {
    let retry = spread(Duration::from_millis(500), Duration::from_secs(2)) + app.left_of_drain();
    Ending { cause: Cause::Shutdown, retry: Some(retry) }
}
