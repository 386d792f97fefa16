//! `tidings bench`: puts load on a server of event streams, and measures its performance.
//!
//! Owns the flags. Must use nothing but HTTP, event streams, and the fact that a published text
//! arrives on them, because it measures other servers too.

mod answer;
mod clock;
mod marker;
mod plan;
mod process;
mod progress;
mod publisher;
mod report;
mod request;
mod run;
mod streams;
mod table;
mod tally;
mod template;

use std::io::Write;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use anyhow::bail;
use tidings_settings::units::read_span;
use tokio_util::sync::CancellationToken;

use self::plan::Plan;
use self::run::Run;
use super::remote::Remote;
use super::terminal::say;

/// The default body of a publish: a notification.
const BODY: &str =
    r#"{"title":"Test","message":"Hello World","type":"info","metadata":{"ts":{ts}}}"#;

/// The number of file descriptors for everything but streams: the runtime, the publisher, files in
/// `/proc`.
const OTHER_DESCRIPTORS: u64 = 64;

/// Which server to put load on, and how much.
///
/// Opens streams, holds them open, publishes, and counts deliveries: every `"ts":` in the bytes of
/// a stream that is followed by the time at which a publish was sent. Latency is measured from just
/// before a publish is sent. Supports plain http only.
///
/// In paths, headers and the body, an `n` in braces is the number of the stream or publish,
/// `{user}` and `{room}` that number modulo --users and --rooms, `{token}` the demo token of the
/// user `bench-{user}`, and `{ts}`, in publishes only, the time in nanoseconds since 1970.
///
/// The exit code is 0 if there is a result, however bad; 1 if no stream could be opened, nothing
/// could be published, or the server stopped answering; 2 for an invalid command line. Ctrl-c ends
/// the run early, and the results so far are printed.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    remote: Remote,

    /// The path of the stream, with its query if it has one.
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/notifications/stream",
        help_heading = "Streams"
    )]
    path: String,

    /// A header of each stream; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE", help_heading = "Streams")]
    headers: Vec<String>,

    /// Call without a token.
    #[arg(long, help_heading = "Streams")]
    anonymous: bool,

    /// How many streams to open.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "100",
        help_heading = "Streams"
    )]
    connections: NonZeroU32,

    /// How many streams may be opening at once.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "256",
        help_heading = "Streams"
    )]
    connect_burst: NonZeroUsize,

    /// Publish nothing.
    #[arg(long, help_heading = "Streams")]
    connect_only: bool,

    /// How long to keep the streams idle before the first publish: by default 0s, but 5s with
    /// --pid, to measure the CPU time of idle streams.
    #[arg(long, value_name = "DURATION", value_parser = span, help_heading = "Streams")]
    idle: Option<Duration>,

    /// The number of users to whom the streams belong, in turn. They call with `{token}`, unless a
    /// header contains other credentials.
    ///
    /// Without this flag and without a token, each stream to a server on this machine has its own
    /// user.
    #[arg(long, value_name = "NUMBER", help_heading = "Streams")]
    users: Option<NonZeroU64>,

    /// The number of rooms for `{room}`.
    #[arg(long, value_name = "NUMBER", help_heading = "Streams")]
    rooms: Option<NonZeroU64>,

    /// Publishes per second; 0 means as fast as answers arrive.
    #[arg(long, value_name = "NUMBER", default_value = "10", value_parser = rate, help_heading = "Publishes")]
    rate: f64,

    /// How long to publish.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = span, help_heading = "Publishes")]
    duration: Duration,

    /// How many publishes may wait for an answer; they share one connection.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "1",
        help_heading = "Publishes"
    )]
    pipeline: NonZeroUsize,

    /// The URL to publish to, if it is a different server; with or without a path.
    #[arg(long, value_name = "URL", help_heading = "Publishes")]
    publish_url: Option<String>,

    /// The path to publish to: /notifications/broadcast unless --publish-url has one.
    #[arg(long, value_name = "PATH", help_heading = "Publishes")]
    publish_path: Option<String>,

    /// A header of each publish; may be repeated.
    #[arg(
        long = "publish-header",
        value_name = "NAME: VALUE",
        help_heading = "Publishes"
    )]
    publish_headers: Vec<String>,

    /// The body. It must contain `"ts":{ts}`, and so must the event that the server makes from it.
    #[arg(long, value_name = "TEXT", default_value = BODY, allow_hyphen_values = true, help_heading = "Publishes")]
    body: String,

    /// How many streams each publish should reach.
    ///
    /// By default, all open streams; or those of one user or room, if the path or body of a publish
    /// contains `{user}` or `{room}` and so do the streams.
    #[arg(long, value_name = "NUMBER", help_heading = "Publishes")]
    expect: Option<u64>,

    /// A process of the server, to measure its CPU time and memory; may be repeated. Linux only.
    #[arg(long = "pid", value_name = "PID", help_heading = "Results")]
    pids: Vec<i32>,

    /// Print the results as one JSON object; null means not measured.
    #[arg(long, help_heading = "Results")]
    json: bool,
}

/// Runs to the end, or until ctrl-c, and prints the results.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let json = arguments.json;
    let plan = Plan::check(arguments)?;
    raise_descriptor_limit(plan.connections)?;
    // Many small tasks are ready at the same time, so I/O is checked less often than by default,
    // which is after every 61 tasks.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime
        .enable_all()
        .event_interval(512)
        .max_io_events_per_tick(4_096)
        .build()?;
    let outcome = runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(handle_interrupts(stop.clone()));
        Run::new(plan, stop).await?.measure().await
    })?;
    if json {
        writeln!(out, "{}", serde_json::to_string(&outcome.report)?)?;
    } else {
        write!(out, "{}", table::table(&outcome.report))?;
    }
    outcome.notes.iter().for_each(|note| say(note));
    outcome.failure.map_or(Ok(()), Err)
}

/// Ends the run early on the first ctrl-c, and the process on the second one.
async fn handle_interrupts(stop: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.cancel();
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(130);
    }
}

/// Raises the limit of file descriptors. Fails if the streams do not fit.
fn raise_descriptor_limit(connections: usize) -> anyhow::Result<()> {
    // the usual limit if it can't be read
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024);
    if limit < connections as u64 + OTHER_DESCRIPTORS {
        let most = limit.saturating_sub(OTHER_DESCRIPTORS);
        bail!(
            "{connections} streams need more file descriptors than this process may have: {most} \
             fit; see `ulimit -Hn`"
        );
    }
    Ok(())
}

fn span(text: &str) -> Result<Duration, &'static str> {
    read_span(text).ok_or("a duration looks like 500ms, 10s or 2m")
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1e9).contains(rate));
    rate.ok_or("a rate is a number such as 50 or 0.5, or 0 for as fast as answers arrive")
}
