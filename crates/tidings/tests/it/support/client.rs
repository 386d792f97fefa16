//! The programs in `clients/`: client libraries that other people wrote, each stream in a process of its own, or followed
//! by a page in the one browser.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{PATIENCE, browser, in_time};

/// Which library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// The browser's own `EventSource`, in Chromium.
    Browser,
    /// npm `@microsoft/fetch-event-source`, which needs a browser.
    FetchEventSource,
    /// npm `eventsource`: the browser's algorithm for Node.
    EventSource,
    /// npm `eventsource-client`.
    EventSourceClient,
    /// Python's `httpx-sse`, in a loop.
    HttpxSse,
    /// Python's `sseclient-py`: one connection.
    Sseclient,
}

/// A stream that is followed.
pub(crate) struct Client {
    through: Through,
    /// The status with which it gave up.
    status: Option<i32>,
}

enum Through {
    Process { process: Box<Child>, lines: Lines<BufReader<ChildStdout>> },
    Browser(browser::Followed),
}

impl Library {
    pub(crate) const ALL: [Self; 6] = [
        Self::Browser,
        Self::FetchEventSource,
        Self::EventSource,
        Self::EventSourceClient,
        Self::HttpxSse,
        Self::Sseclient,
    ];

    /// Follows `url` and reports the events named `events`. Token and last id may be empty.
    pub(crate) fn follow(self, url: &str, events: &str, token: &str, last_event_id: &str) -> Client {
        let page = |library| Through::Browser(browser::follow(library, url, events, token, last_event_id));
        let through = match self {
            Self::Browser => page("EventSource"),
            Self::FetchEventSource => page("fetch-event-source"),
            Self::EventSource => process(&node("follow_eventsource.mjs"), url, events, token, last_event_id),
            Self::EventSourceClient => {
                process(&node("follow_eventsource_client.mjs"), url, events, token, last_event_id)
            }
            Self::HttpxSse => process(&python("follow_httpx_sse.py"), url, events, token, last_event_id),
            Self::Sseclient => process(&python("follow_sseclient.py"), url, events, token, last_event_id),
        };
        Client { through, status: None }
    }
}

/// An interpreter and what it runs.
type Program = (PathBuf, PathBuf);

fn node(script: &str) -> Program {
    ("node".into(), provisioned("TIDINGS_NODE_CLIENTS").join(script))
}

fn python(script: &str) -> Program {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/python");
    (provisioned("TIDINGS_PYTHON"), scripts.join(script))
}

fn process((interpreter, script): &Program, url: &str, events: &str, token: &str, last_event_id: &str) -> Through {
    let mut command = Command::new(interpreter);
    // Should this program be killed, they end by themselves.
    let limit = PATIENCE.as_millis().to_string();
    command.arg(script).args([url, "--events", events, "--count", "1000000", "--timeout-ms", &limit]);
    for (name, value) in [("--token", token), ("--last-event-id", last_event_id)] {
        if !value.is_empty() {
            command.args([name, value]);
        }
    }
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    Through::Process { process: Box::new(process), lines }
}

impl Client {
    /// The next thing that happened; `None` when it gave up. Dropped before it is ready, it has taken nothing.
    pub(crate) async fn line(&mut self) -> Option<Value> {
        if self.status.is_some() {
            return None;
        }
        match &mut self.through {
            Through::Process { process, lines } => match lines.next_line().await.unwrap() {
                Some(line) => Some(serde_json::from_str(&line).unwrap()),
                None => {
                    self.status = process.wait().await.unwrap().code();
                    None
                }
            },
            Through::Browser(followed) => {
                let line = followed.report().await.expect("the browser is still there");
                match line.get("exit") {
                    Some(status) => {
                        self.status = status.as_i64().and_then(|status| status.try_into().ok());
                        None
                    }
                    None => Some(line),
                }
            }
        }
    }

    /// The next thing that happened.
    pub(crate) async fn next(&mut self) -> Value {
        in_time(self.line()).await.expect("the client is still there")
    }

    /// The next thing, which must be an event called `name`.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        let line = self.next().await;
        assert_eq!(line["event"], name, "{line}");
        line
    }

    /// The next thing, which must be that a connection was accepted as an event stream.
    pub(crate) async fn opened(&mut self) {
        let line = self.next().await;
        assert_eq!(line["open"], true, "{line}");
    }

    /// The next thing, which must be that a connection failed or ended.
    pub(crate) async fn failed(&mut self) -> Value {
        let line = self.next().await;
        assert!(line["error"].is_string(), "{line}");
        line
    }

    /// The status with which it gives up; it must have nothing more to say.
    pub(crate) async fn exit(mut self) -> Option<i32> {
        assert_eq!(in_time(self.line()).await, None);
        self.status
    }
}

/// Where `cargo xtask test` has put something.
pub(crate) fn provisioned(variable: &str) -> PathBuf {
    let place = env::var_os(variable);
    place.unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask test`, which installs the clients")).into()
}
