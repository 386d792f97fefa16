//! `tidings tail`: the events of a stream as they arrive, across every interruption.
//!
//! Owns the life of the stream as a client sees it: opening, resuming by the last id, noticing a
//! dead connection, and knowing when not to come back. Must never skip an event silently: where
//! something may have been missed, it says so.

mod print;

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tidings_client::Client;
use tidings_sse::{Decoded, Decoder, Message};

use self::print::Printer;
use super::backoff::wait;
use super::remote::Remote;
use super::terminal::say;

/// The bounds of the wait that a server may ask for: less would overload it, more would look like
/// an end.
const RETRY_RANGE: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(1);

/// The wait for a stream that announces none.
const DEFAULT_RETRY: Duration = Duration::from_secs(3);

/// The longest wait while a server is unreachable, unless the server itself asked for more.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The number of missing heartbeats after which a connection counts as dead.
const MISSED_HEARTBEATS: u32 = 3;

/// The heartbeat interval that is assumed of a server which announces none.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(25);

/// The bounds within which an announced interval is believed: a busy network is silent for a
/// second, and a day is not a heartbeat.
const HEARTBEAT_RANGE: std::ops::RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_hours(1);

/// What to follow and how to show it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    remote: Remote,

    /// The stream, with its query if it has one, such as `/realtime/stream?entities=order`.
    #[arg(value_name = "PATH", default_value = "/notifications/stream")]
    path: String,

    /// Call without a token, and see what everybody may see.
    #[arg(long)]
    anonymous: bool,

    /// Start after the event with this id; `earliest` starts with the oldest that is kept.
    #[arg(long, value_name = "ID", value_parser = id)]
    after: Option<String>,

    /// Stop after so many events were shown.
    #[arg(long, value_name = "NUMBER")]
    count: Option<NonZeroU64>,

    /// Show only events of this name; may be given several times, or as a list with commas.
    #[arg(long = "event", value_name = "NAME", value_delimiter = ',')]
    events: Vec<String>,

    /// Show each event as one line of JSON: `{"id":…,"event":…,"data":…}`.
    #[arg(long)]
    json: bool,

    /// Leave `connected` and `heartbeat` out.
    #[arg(long, short)]
    quiet: bool,
}

/// A stream that is being followed.
struct Tail<W> {
    path: String,
    printer: Printer<W>,
    /// The id after which the next stream begins.
    cursor: Option<String>,
    /// How long the server wants the client to wait before the next stream.
    retry: Duration,
    /// Attempts in a row that brought no event.
    failures: u32,
}

/// How one stream ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// As many events were shown as were asked for.
    Enough,
    /// The server does not want this client back, or answers in a way that another attempt would
    /// not improve.
    ForGood(String),
    /// The connection is gone, for this reason.
    Broken(String),
}

/// The data of the server's control events; each has some of these fields.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ControlData {
    heartbeat_interval: Option<u64>,
    reason: String,
    reconnect: Option<bool>,
}

/// Follows a stream until there is a reason to stop. Ctrl-c is not an error: it ends the process
/// with 0.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { remote, path, anonymous, after, count, events, json, quiet } = arguments;
    let client = if anonymous { remote.anonymous() } else { remote.client() }?;
    let out = std::io::stdout().lock();
    let printer = Printer { out, json, quiet, events, left: count.map(NonZeroU64::get) };
    // The worker thread notices ctrl-c even while this thread waits for a reader that reads
    // nothing.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        tokio::spawn(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(0);
            }
        });
        Tail::new(path, after, printer).follow(&client).await
    })
}

impl<W: std::io::Write> Tail<W> {
    fn new(path: String, after: Option<String>, printer: Printer<W>) -> Self {
        Self { path, printer, cursor: after, retry: DEFAULT_RETRY, failures: 0 }
    }

    /// Opens the stream again and again. Fails when the server refuses for good, and when standard
    /// output is closed.
    async fn follow(&mut self, client: &Client) -> anyhow::Result<()> {
        loop {
            let (why, asked) = match client.stream(&self.path, self.cursor.as_deref()).await {
                Ok(body) => match self.read(body).await? {
                    End::Enough => return Ok(()),
                    End::ForGood(why) => anyhow::bail!(why),
                    End::Broken(why) => (why, Duration::ZERO),
                },
                Err(failure) if failure.is_passing() => (failure.to_string(), failure.retry_after()),
                Err(failure) => return Err(failure.into()),
            };
            let pause = wait(self.retry, MAX_WAIT, self.failures, rand::random());
            let pause = pause.max(asked.min(*RETRY_RANGE.end()));
            self.failures = self.failures.saturating_add(1);
            say(&format!("{why}; trying again in {:.1} s", pause.as_secs_f64()));
            tokio::time::sleep(pause).await;
        }
    }

    /// Shows one stream to its end. Fails only when standard output can't be written.
    async fn read<B>(&mut self, mut body: B) -> std::io::Result<End>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
    {
        let mut decoder = Decoder::new();
        let mut patience = DEFAULT_HEARTBEAT * MISSED_HEARTBEATS;
        let mut why = "the connection was closed".to_owned();
        loop {
            let frame = match tokio::time::timeout(patience, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                // The server ends a stream that is to be resumed in the middle of the body, which
                // hyper reports as an error; the preceding control event says more.
                Ok(Some(Err(_)) | None) => return Ok(End::Broken(why)),
                Err(_) => {
                    let silence = patience.as_secs_f64();
                    return Ok(End::Broken(format!("the connection is dead: nothing came for {silence:.1} s")));
                }
            };
            decoder.push(&frame.into_data().unwrap_or_default());
            for item in decoder.by_ref() {
                match item {
                    Ok(Decoded::Event(message)) => {
                        if self.printer.print(&message)? {
                            return Ok(End::Enough);
                        }
                        let words = serde_json::from_str::<ControlData>(&message.data).unwrap_or_default();
                        match apply_control(&message, &words) {
                            Some(End::Broken(farewell)) => why = farewell,
                            Some(end) => return Ok(end),
                            None => self.failures = 0,
                        }
                        if let ("connected", Some(interval)) = (&*message.event, words.heartbeat_interval) {
                            let interval = Duration::from_millis(interval);
                            patience =
                                interval.clamp(*HEARTBEAT_RANGE.start(), *HEARTBEAT_RANGE.end()) * MISSED_HEARTBEATS;
                        }
                    }
                    Ok(Decoded::Retry(retry)) => self.retry = retry.clamp(*RETRY_RANGE.start(), *RETRY_RANGE.end()),
                    Ok(Decoded::Comment(_)) => {}
                    // The same bytes would come again.
                    Err(error) => return Ok(End::ForGood(error.to_string())),
                }
            }
            if !decoder.last_event_id().is_empty() {
                self.cursor = Some(decoder.last_event_id().to_owned());
            }
        }
    }
}

/// Applies the server's control events. Returns how the stream will end, if this event announces
/// it.
fn apply_control(message: &Message, words: &ControlData) -> Option<End> {
    let ControlData { reason, .. } = words;
    match (&*message.event, words.reconnect) {
        ("reset", _) => {
            say(&format!("events may be missing ({reason}): read the state again; going on from {}", message.id));
            None
        }
        ("busy" | "expired" | "revoked" | "slow" | "draining", Some(reconnect)) => {
            let farewell = format!("the server ended the stream: {} ({reason})", message.event);
            Some(if reconnect { End::Broken(farewell) } else { End::ForGood(farewell) })
        }
        _ => None,
    }
}

/// Returns the id if a header can hold it.
fn id(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("an id is visible ASCII");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
