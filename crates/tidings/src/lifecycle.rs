//! How a server lives and ends.
//!
//! It serves until it is told to stop, by whoever runs it or by an admin's `POST /system/drain`. Then, so that nobody loses
//! anything and the clients don't all come back at once:
//!
//! 1. `/health/ready` turns 503, so that no balancer sends anybody here any more; new streams are told `busy`. The
//!    listener stays open and publishes are taken.
//! 2. Open streams are ended one by one at an even rate over `DRAIN_SECONDS`, in random order, each told `draining` and
//!    to come back after 0.5–2 s. A client that comes back finds another server, or this one's successor, and goes on by
//!    its last id.
//! 3. After the last of them publishes are refused, the listener closes, calls in progress end.
//! 4. The journal takes nothing more, and what it has is made safe.
//!
//! What is left after `SHUTDOWN_TIMEOUT` is left behind.

use std::convert::Infallible;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rand::seq::SliceRandom as _;
use tidings_hub::{Cause, Ending, Runner};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::app::{App, Phase, spread};
use crate::config;
use crate::http::router::StreamPaths;
use crate::net::accept::Lane;
use crate::net::peer::LEAVING;
use crate::net::turns::Turns;
use crate::routes::{chat, dashboard};
use crate::server::Error;

/// How long the streams of the last wave have to go. The hub kills those whose peers take nothing after a second.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Serves on `listeners` until `shutdown`, then drains and closes everything.
pub(crate) async fn serve(
    app: Arc<App>,
    runner: Runner,
    router: Router,
    listeners: Vec<TcpListener>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let parks = app.config.streams.lane == config::Lane::Parked;
    let lane = Lane {
        router,
        parks: parks.then(|| StreamPaths::new(app.config.http.base_path.as_deref())),
        max_head_bytes: app.config.http.max_head_bytes,
        head_timeout: app.config.http.head_timeout,
        write_timeout: app.config.streams.write_timeout,
        census: app.census.clone(),
        turns: Turns::new(),
        tracer: app.tracer.clone(),
        closing: CancellationToken::new(),
        connections: TaskTracker::new(),
    };
    // However this ends – its caller may also drop it – listeners and connections end with it.
    let _closing = lane.closing.clone().drop_guard();
    let accepting = TaskTracker::new();
    for listener in listeners {
        accepting.spawn(lane.clone().accept(tokio::net::TcpListener::from_std(listener)?));
    }
    let close = async {
        lane.closing.cancel();
        accepting.close();
        lane.connections.close();
        accepting.wait().await;
        lane.connections.wait().await;
    };
    run(app, runner, shutdown, close, || lane.connections.len()).await
}

/// Moves what others serve until `shutdown`, then drains. The connections are theirs to close, after this.
pub(crate) async fn accompany(app: Arc<App>, runner: Runner, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let streams = {
        let app = app.clone();
        move || app.hub.connections().stats().total
    };
    run(app, runner, shutdown, std::future::ready(()), streams).await
}

/// Moves the hub until `shutdown`, ends the streams, then has `close` close what is left. `left` counts what it did not
/// close in time.
async fn run(
    app: Arc<App>,
    runner: Runner,
    shutdown: impl Future<Output = ()>,
    close: impl Future<Output = ()>,
    left: impl Fn() -> usize,
) -> Result<(), Error> {
    let _streams = KilledOnDrop(app.clone());
    let _memberships = AbortOnDropHandle::new(tokio::spawn(chat::end_memberships(app.clone())));
    let _dashboard = AbortOnDropHandle::new(tokio::spawn(dashboard::report(app.clone())));
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
                end(&app).await;
                close.await;
                app.hub.close().await;
            };
            let limit = app.config.lifecycle.shutdown_timeout;
            let ending = tokio::time::timeout(limit, ending);
            // Whoever runs it may still want it gone sooner, and tell so by what `shutdown` waits for.
            let listening = async {
                if by_call {
                    shutdown.await;
                }
                std::future::pending::<Infallible>().await
            };
            tokio::select! {
                ended = ending => ended.map_err(|_| Error::Left(left())),
                never = listening => match never {},
            }
        }
        failed = &mut moving => {
            app.enter(Phase::Closing);
            Err(match failed {
                Ok(error) => Error::Journal(error),
                Err(error) => Error::Io(std::io::Error::other(error)), // it panicked; nothing is delivered any more
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

async fn end(app: &App) {
    app.enter(Phase::Draining);
    let streams = drain(app).await;
    app.close().await;
    until_gone(app).await;
    if streams > 0 {
        tokio::time::sleep(LEAVING).await; // the last of them are still reading what they were told
    }
}

/// Ends the open streams one by one. Returns how many there were.
async fn drain(app: &App) -> u32 {
    let mut open = app.hub.connections().all();
    if open.is_empty() {
        return 0;
    }
    tracing::info!(streams = open.len(), over = ?app.config.lifecycle.drain, "draining");
    open.shuffle(&mut rand::rng());
    let (start, count) = (Instant::now(), u32::try_from(open.len()).unwrap_or(u32::MAX));
    for (nth, connection) in (0..count).zip(open) {
        tokio::time::sleep_until(start + app.config.lifecycle.drain * nth / count).await;
        connection.end(draining());
    }
    count
}

/// Waits until all streams are gone, for as long as last words may take. Those that slipped in since the last wave are
/// ended too.
async fn until_gone(app: &App) {
    let limit = Instant::now() + LAST_WORDS;
    while app.hub.connections().stats().total > 0 && Instant::now() < limit {
        for connection in app.hub.connections().all() {
            connection.end(draining());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn draining() -> Ending {
    let retry = Some(spread(Duration::from_millis(500), Duration::from_secs(2)));
    Ending { cause: Cause::Shutdown, retry }
}
