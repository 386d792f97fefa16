//! Server-sent events as axum's documentation has them: `Sse` over a `tokio::sync::broadcast`
//! channel.
//!
//! `GET /stream` shows what `POST /publish` takes. Owns nothing clever, on purpose: it is what one
//! writes before there is a reason to want more, and what `cargo xtask bench` compares with. Must
//! never be tuned beyond that.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use futures_util::stream::{Stream, StreamExt as _};
use tokio::net::TcpSocket;
use tokio::sync::broadcast::Sender;
use tokio_stream::wrappers::BroadcastStream;

/// How many events a stream may be behind before it misses some.
const CAPACITY: usize = 4_096;
/// How many connections may wait to be accepted, as with Tidings: of the 128 that
/// `TcpListener::bind` has, a crowd loses seconds to repeated attempts.
const BACKLOG: u32 = 4_096;
/// As often as Tidings shows that a stream lives.
const HEARTBEAT: Duration = Duration::from_secs(25);

type Events = Sender<Arc<str>>;

/// The argument is the address to listen on; any free port of loopback by default.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address: SocketAddr = std::env::args()
        .nth(1)
        .as_deref()
        .unwrap_or("127.0.0.1:0")
        .parse()?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let events = Events::new(CAPACITY);
    let app = Router::new()
        .route("/stream", get(stream))
        .route("/publish", post(publish))
        .with_state(events);
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    announce(listener.local_addr()?);
    // Nagle's algorithm would hold small events back until the one before is acknowledged.
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, app).await?;
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "whoever starts this program with port 0 reads here where it listens"
)]
fn announce(address: SocketAddr) {
    println!("http://{address}");
}

async fn stream(
    State(events): State<Events>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // Who was too slow misses events, which this program does not tell them.
    let seen = BroadcastStream::new(events.subscribe()).filter_map(async |event| event.ok());
    Sse::new(seen.map(|data| Ok(Event::default().data(data))))
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

async fn publish(State(events): State<Events>, body: String) -> &'static str {
    // Nobody listening is no failure.
    let _ = events.send(body.into());
    "ok"
}
