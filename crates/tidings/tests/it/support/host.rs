//! Programs in which many streams are followed at once: the one Chromium with its page
//! (`clients/node/chromium.mjs`), the one program in Go (`clients/go`), and a JVM for each library
//! of the JVM (`clients/jvm`).
//!
//! Owns the numbers that identify the streams. The first test that needs a program starts it. The
//! program ends with this process, when the other end of its standard input is closed.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::client::provisioned;

/// More reports than any test leaves unread.
const UNREAD: usize = 4_096;

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    Chromium,
    Go,
    /// A module of `clients/jvm`, and its class with `main`.
    Jvm(&'static str, &'static str),
}

/// What to follow, and how.
pub(crate) struct Following<'a> {
    /// The library's name in its program.
    pub(crate) with: &'a str,
    pub(crate) url: &'a str,
    /// The names of the events to report, separated by commas.
    pub(crate) events: &'a str,
    /// May be empty.
    pub(crate) token: &'a str,
    /// May be empty.
    pub(crate) last_event_id: &'a str,
    /// How long the stream may be silent. For the followers of `docs/integrating.md`.
    pub(crate) silence_ms: u64,
}

/// A program that is running.
struct Running {
    commands: Mutex<ChildStdin>,
    streams: Streams,
    next: AtomicU64,
}

type Streams = Arc<Mutex<HashMap<u64, mpsc::Sender<Value>>>>;

/// A stream that a program follows. Dropping it closes the stream.
pub(crate) struct Followed {
    host: Arc<Running>,
    number: u64,
    reports: mpsc::Receiver<Value>,
}

impl Host {
    fn running(self) -> Arc<Running> {
        static RUNNING: LazyLock<Mutex<HashMap<Host, Arc<Running>>>> =
            LazyLock::new(Mutex::default);
        RUNNING
            .lock()
            .entry(self)
            .or_insert_with(|| Arc::new(Running::start(self.command())))
            .clone()
    }

    fn command(self) -> Command {
        match self {
            Self::Chromium => {
                let mut command = Command::new("node");
                command.arg(provisioned("TIDINGS_NODE_CLIENTS").join("chromium.mjs"));
                command.arg(provisioned("TIDINGS_CHROMIUM"));
                command
            }
            Self::Go => Command::new(provisioned("TIDINGS_GO_CLIENTS")),
            Self::Jvm(module, main) => java(&provisioned("TIDINGS_JVM_CLIENTS").join(module), main),
        }
    }

    /// Follows a stream with one of the program's libraries.
    pub(crate) fn follow(self, what: &Following<'_>) -> Followed {
        let host = self.running();
        let number = host.next.fetch_add(1, Ordering::Relaxed);
        let (sender, reports) = mpsc::channel(UNREAD);
        host.streams.lock().insert(number, sender);
        let events: Vec<_> = what.events.split(',').collect();
        host.tell(&json!({
            "follow": number, "with": what.with, "url": what.url, "events": events, "token": what.token,
            "lastEventId": what.last_event_id, "silenceMs": what.silence_ms,
        }))
        .unwrap();
        Followed {
            host,
            number,
            reports,
        }
    }
}

/// The command of a JVM that starts quickly, because it runs for a minute at most.
fn java(module: &Path, main: &str) -> Command {
    let libraries = std::fs::read_to_string(module.join("class-path")).unwrap();
    let class_path = format!("{}:{}", module.join("classes").display(), libraries.trim());
    let mut command = Command::new("java");
    command.args([
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Xmx256m",
        "-cp",
        &class_path,
    ]);
    command.arg(format!("tidings.clients.{main}"));
    command
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = Mutex::new(child.stdin.take().unwrap());
        let streams = Streams::default();
        std::thread::spawn({
            let streams = streams.clone();
            move || hand_out(child, &streams)
        });
        Self {
            commands,
            streams,
            next: AtomicU64::new(1),
        }
    }

    fn tell(&self, command: &Value) -> std::io::Result<()> {
        let mut commands = self.commands.lock();
        commands.write_all(format!("{command}\n").as_bytes())
    }
}

/// Passes each report to the test that follows the stream. Once the program has ended, all these
/// tests see the end.
fn hand_out(mut child: Child, streams: &Streams) {
    let reports = BufReader::new(child.stdout.take().unwrap());
    for line in reports.lines().map_while(Result::ok) {
        let report: Value = serde_json::from_str(&line).unwrap();
        let number = report["stream"].as_u64().unwrap();
        let mut streams = streams.lock();
        if let Some(stream) = streams.get(&number)
            && stream.try_send(report).is_err()
        {
            streams.remove(&number);
        }
    }
    streams.lock().clear();
    let _ = child.wait();
}

impl Followed {
    /// The next report; `None` once the program has ended.
    pub(crate) async fn report(&mut self) -> Option<Value> {
        self.reports.recv().await
    }

    /// Sets the token that a follower of `docs/integrating.md` gets when it asks again.
    pub(crate) fn renew(&self, token: &str) {
        self.host
            .tell(&json!({"renew": self.number, "token": token}))
            .unwrap();
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.host.streams.lock().remove(&self.number);
        let _ = self.host.tell(&json!({"close": self.number}));
    }
}
