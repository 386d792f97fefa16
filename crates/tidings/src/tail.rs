//! `tidings tail`: shows the events of a stream as they arrive, and reconnects whenever it breaks.
//!
//! Owns the life of the stream on the client's side: opening, resuming after the last id, detecting
//! a dead connection, and knowing when not to reconnect. Must never skip an event silently: if
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

/// The bounds of the wait that a server may ask for: a shorter one would overload it, and a longer
/// one would look as if the stream had ended.
const RETRY_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_mins(1);

/// The wait if the stream contains no `retry:`.
const DEFAULT_RETRY: Duration = Duration::from_secs(3);

/// The longest wait while a server is unreachable, unless the server itself asked for more.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The number of missing heartbeats after which a connection counts as dead.
const MISSED_HEARTBEATS: u32 = 3;

/// The heartbeat interval that is assumed if the server announces none.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(25);

/// The bounds to which an announced heartbeat interval is clamped: a busy network may deliver
/// nothing for a second, and after too long an interval no dead connection would be detected.
const HEARTBEAT_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_hours(1);

/// What to follow and how to show it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    remote: Remote,

    /// The stream, with its query if it has one, such as `/realtime/stream?entities=order`.
    #[arg(value_name = "PATH", default_value = "/notifications/stream")]
    path: String,

    /// Call without a token, to see only what everybody may see.
    #[arg(long)]
    anonymous: bool,

    /// Start after the event with this id; `earliest` starts with the oldest event that is kept.
    #[arg(long, value_name = "ID", value_parser = id)]
    after: Option<String>,

    /// Stop after this number of events.
    #[arg(long, value_name = "NUMBER")]
    count: Option<NonZeroU64>,

    /// Show only events with this name; may be given several times, or as a list with commas.
    #[arg(long = "event", value_name = "NAME", value_delimiter = ',')]
    events: Vec<String>,

    /// Show each event as one line of JSON: `{"id":…,"event":…,"data":…}`.
    #[arg(long)]
    json: bool,

    /// Do not show `connected` and `heartbeat`.
    #[arg(long, short)]
    quiet: bool,
}

/// A stream that is being followed.
struct Tail<W> {
    path: String,
    printer: Printer<W>,
    /// The id after which the next stream begins.
    cursor: Option<String>,
    /// How long the server wants the client to wait before it reconnects.
    retry: Duration,
    /// The number of attempts since the last event arrived.
    failures: u32,
}

/// How one stream ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// All events that were asked for were shown.
    CountReached,
    /// The client must not reconnect, for this reason: the server said so, or another attempt would
    /// fail in the same way.
    Final(String),
    /// The connection is gone, for this reason; the client reconnects.
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

/// Follows a stream until it ends for good. Ctrl-c is not an error: it ends the process with 0.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments {
        remote,
        path,
        anonymous,
        after,
        count,
        events,
        json,
        quiet,
    } = arguments;
    let client = if anonymous {
        remote.anonymous()
    } else {
        remote.client()
    }?;
    let out = std::io::stdout().lock();
    let printer = Printer {
        out,
        json,
        quiet,
        events,
        left: count.map(NonZeroU64::get),
    };
    // The worker thread handles ctrl-c even while this thread is blocked by a reader of standard
    // output that reads nothing.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
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
        Self {
            path,
            printer,
            cursor: after,
            retry: DEFAULT_RETRY,
            failures: 0,
        }
    }

    /// Opens the stream again and again. Fails if the stream ends for good, and if standard output
    /// is closed.
    async fn follow(&mut self, client: &Client) -> anyhow::Result<()> {
        loop {
            let (why, asked) = match client.stream(&self.path, self.cursor.as_deref()).await {
                Ok(body) => match self.read(body).await? {
                    End::CountReached => return Ok(()),
                    End::Final(why) => anyhow::bail!(why),
                    End::Broken(why) => (why, Duration::ZERO),
                },
                Err(failure) if failure.is_temporary() => {
                    (failure.to_string(), failure.retry_after())
                }
                Err(failure) => return Err(failure.into()),
            };
            let pause = wait(self.retry, MAX_WAIT, self.failures, rand::random());
            let pause = pause.max(asked.min(*RETRY_RANGE.end()));
            self.failures = self.failures.saturating_add(1);
            say(&format!(
                "{why}; trying again in {:.1} s",
                pause.as_secs_f64()
            ));
            tokio::time::sleep(pause).await;
        }
    }

    /// Shows one stream until it ends. Fails only if standard output can't be written.
    async fn read<B>(&mut self, mut body: B) -> std::io::Result<End>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
    {
        let mut decoder = Decoder::new();
        let mut idle_timeout = DEFAULT_HEARTBEAT * MISSED_HEARTBEATS;
        let mut why = "the connection was closed".to_owned();
        loop {
            let frame = match tokio::time::timeout(idle_timeout, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                // The server cuts off the body of a stream that the client should resume, which
                // hyper reports as an error; the preceding control event says more.
                Ok(Some(Err(_)) | None) => return Ok(End::Broken(why)),
                Err(_) => {
                    let silence = idle_timeout.as_secs_f64();
                    return Ok(End::Broken(format!(
                        "the connection is dead: nothing came for {silence:.1} s"
                    )));
                }
            };
            decoder.push(&frame.into_data().unwrap_or_default());
            for item in decoder.by_ref() {
                match item {
                    Ok(Decoded::Event(message)) => {
                        if self.printer.print(&message)? {
                            return Ok(End::CountReached);
                        }
                        let data =
                            serde_json::from_str::<ControlData>(&message.data).unwrap_or_default();
                        match apply_control(&message, &data) {
                            Some(End::Broken(announced)) => why = announced,
                            Some(end) => return Ok(end),
                            None => self.failures = 0,
                        }
                        if let ("connected", Some(interval)) =
                            (&*message.event, data.heartbeat_interval)
                        {
                            let interval = Duration::from_millis(interval);
                            idle_timeout = interval
                                .clamp(*HEARTBEAT_RANGE.start(), *HEARTBEAT_RANGE.end())
                                * MISSED_HEARTBEATS;
                        }
                    }
                    Ok(Decoded::Retry(retry)) => {
                        self.retry = retry.clamp(*RETRY_RANGE.start(), *RETRY_RANGE.end());
                    }
                    Ok(Decoded::Comment(_)) => {}
                    // After reconnecting, the same bytes would arrive again.
                    Err(error) => return Ok(End::Final(error.to_string())),
                }
            }
            if !decoder.last_event_id().is_empty() {
                self.cursor = Some(decoder.last_event_id().to_owned());
            }
        }
    }
}

/// Reports a `reset`, and returns how the stream will end if this event announces its end.
fn apply_control(message: &Message, data: &ControlData) -> Option<End> {
    let ControlData { reason, .. } = data;
    match (&*message.event, data.reconnect) {
        ("reset", _) => {
            say(&format!(
                "events may be missing ({reason}): reload the state; the stream continues after {}",
                message.id
            ));
            None
        }
        ("busy" | "expired" | "revoked" | "slow" | "draining", Some(reconnect)) => {
            let why = format!("the server ended the stream: {} ({reason})", message.event);
            Some(if reconnect {
                End::Broken(why)
            } else {
                End::Final(why)
            })
        }
        _ => None,
    }
}

/// Returns the id, if it can be sent in a header field.
fn id(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("an id consists of visible ASCII characters");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
