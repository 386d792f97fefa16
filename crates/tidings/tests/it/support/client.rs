//! The programs in `clients/`: client libraries that other people wrote, each in a process of its own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::in_time;

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// npm `eventsource`: reconnects by itself, as a browser does.
    EventSource,
    /// Python's `httpx-sse`, in the loop that its documentation shows.
    HttpxSse,
    /// Python's `sseclient-py`: one connection.
    Sseclient,
}

/// A running program.
pub(crate) struct Client {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Library {
    fn command(self) -> Command {
        let (program, script) = match self {
            Self::EventSource => ("node".into(), provisioned("TIDINGS_NODE_CLIENTS").join("follow.mjs")),
            Self::HttpxSse => (provisioned("TIDINGS_PYTHON"), python("follow_httpx_sse.py")),
            Self::Sseclient => (provisioned("TIDINGS_PYTHON"), python("follow_sseclient.py")),
        };
        let mut command = Command::new(program);
        command.arg(script);
        command
    }

    /// Follows `url` and prints the events named `events`.
    pub(crate) fn follow(self, url: &str, events: &str, more: &[&str]) -> Client {
        let mut process = self
            .command()
            .args([url, "--events", events, "--count", "1000000"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Client { process, lines }
    }
}

impl Client {
    /// The next thing that happened.
    pub(crate) async fn next(&mut self) -> Value {
        let line = in_time(self.lines.next_line()).await.unwrap();
        serde_json::from_str(&line.expect("the client is still there")).unwrap()
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

    /// The status with which the program exits; it must have nothing more to say.
    pub(crate) async fn exit(mut self) -> Option<i32> {
        assert_eq!(in_time(self.lines.next_line()).await.unwrap(), None);
        in_time(self.process.wait()).await.unwrap().code()
    }
}

fn python(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/python").join(script)
}

/// Where `cargo xtask test` has put something.
fn provisioned(variable: &str) -> PathBuf {
    let place = env::var_os(variable);
    place.unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask test`, which installs the clients")).into()
}
