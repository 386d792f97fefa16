//! The programs in `clients/`: client libraries by other authors, and the followers of
//! `docs/integrating.md`. Each stream has a process of its own, or one program follows many.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::host::{Followed, Following, Host};
use super::{PATIENCE, in_time};

/// A client library.
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
    /// Go's `r3labs/sse`.
    R3labs,
    /// Go's `tmaxmax/go-sse`.
    Tmaxmax,
    /// Go's `launchdarkly/eventsource`.
    GoEventSource,
    /// Go's `donovanhide/eventsource`.
    Donovanhide,
    /// Go's `net/http` and `bufio.Scanner`: one connection.
    NetHttp,
    /// `okhttp-sse`: one connection.
    OkHttp,
    /// `okhttp-eventsource`.
    OkHttpEventSource,
    /// Spring's `WebClient`: one connection.
    WebClient,
    /// The JDK's `java.net.http`: one connection.
    JavaNetHttp,
    /// Jersey's `SseEventSource`.
    Jersey,
    /// Ktor's plugin: one connection.
    Ktor,
    /// Ktor's plugin with `maxReconnectionAttempts`.
    KtorReconnecting,
}

/// A follower of `docs/integrating.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follower {
    NetHttp,
    GoEventSource,
    OkHttp,
    OkHttpEventSource,
    WebClient,
    JavaNetHttp,
    Ktor,
}

/// A stream that a client follows.
pub(crate) struct Client {
    through: Through,
    /// The status with which the client gave up.
    status: Option<i32>,
}

enum Through {
    Process {
        process: Box<Child>,
        lines: Lines<BufReader<ChildStdout>>,
    },
    Host(Followed),
}

const OKHTTP: Host = Host::Jvm("okhttp", "OkHttp");
const LAUNCHDARKLY: Host = Host::Jvm("launchdarkly", "OkHttpEventSource");
const SPRING: Host = Host::Jvm("spring", "Spring");
const JDK: Host = Host::Jvm("jdk", "Jdk");
const JERSEY: Host = Host::Jvm("jersey", "Jersey");
const KTOR: Host = Host::Jvm("ktor", "Ktor");

impl Library {
    /// The program that follows many streams with this library, and the library's name there.
    /// `None` if each stream has a process of its own.
    fn host(self) -> Option<(Host, &'static str)> {
        Some(match self {
            Self::Browser => (Host::Chromium, "EventSource"),
            Self::FetchEventSource => (Host::Chromium, "fetch-event-source"),
            Self::EventSource | Self::EventSourceClient | Self::HttpxSse | Self::Sseclient => {
                return None;
            }
            Self::R3labs => (Host::Go, "r3labs/sse"),
            Self::Tmaxmax => (Host::Go, "tmaxmax/go-sse"),
            Self::GoEventSource => (Host::Go, "launchdarkly/eventsource"),
            Self::Donovanhide => (Host::Go, "donovanhide/eventsource"),
            Self::NetHttp => (Host::Go, "net/http"),
            Self::OkHttp => (OKHTTP, "okhttp-sse"),
            Self::OkHttpEventSource => (LAUNCHDARKLY, "okhttp-eventsource"),
            Self::WebClient => (SPRING, "WebClient"),
            Self::JavaNetHttp => (JDK, "java.net.http"),
            Self::Jersey => (JERSEY, "jersey"),
            Self::Ktor => (KTOR, "ktor"),
            Self::KtorReconnecting => (KTOR, "ktor, reconnecting"),
        })
    }

    /// Whether the machine has what the library needs, so that it was not left out.
    pub(crate) fn is_there(self) -> bool {
        self.host().is_none_or(|(host, _)| is_there(host))
    }

    /// Follows `url` and reports the events named `events`. The token and the last id may be empty.
    pub(crate) fn follow(
        self,
        url: &str,
        events: &str,
        token: &str,
        last_event_id: &str,
    ) -> Client {
        let through = match (self, self.host()) {
            (_, Some((host, with))) => Through::Host(host.follow(&Following {
                with,
                url,
                events,
                token,
                last_event_id,
                silence_ms: 0,
            })),
            (Self::EventSource, _) => process(
                &node("follow_eventsource.mjs"),
                url,
                events,
                token,
                last_event_id,
            ),
            (Self::EventSourceClient, _) => process(
                &node("follow_eventsource_client.mjs"),
                url,
                events,
                token,
                last_event_id,
            ),
            (Self::Sseclient, _) => process(
                &python("follow_sseclient.py"),
                url,
                events,
                token,
                last_event_id,
            ),
            _ => process(
                &python("follow_httpx_sse.py"),
                url,
                events,
                token,
                last_event_id,
            ),
        };
        Client {
            through,
            status: None,
        }
    }
}

impl Follower {
    const ALL: [Self; 7] = [
        Self::NetHttp,
        Self::GoEventSource,
        Self::OkHttp,
        Self::OkHttpEventSource,
        Self::WebClient,
        Self::JavaNetHttp,
        Self::Ktor,
    ];

    fn host(self) -> (Host, &'static str) {
        match self {
            Self::NetHttp => (Host::Go, "follower net/http"),
            Self::GoEventSource => (Host::Go, "follower launchdarkly"),
            Self::OkHttp => (OKHTTP, "follower"),
            Self::OkHttpEventSource => (LAUNCHDARKLY, "follower"),
            Self::WebClient => (SPRING, "follower"),
            Self::JavaNetHttp => (JDK, "follower"),
            Self::Ktor => (KTOR, "follower"),
        }
    }

    /// All followers that the machine can run.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(|follower| is_there(follower.host().0))
    }

    /// Follows `url`, after `last_event_id` unless that is empty, and reports the events named
    /// `events`.
    pub(crate) fn follow(
        self,
        url: &str,
        events: &str,
        token: &str,
        last_event_id: &str,
        silence: Duration,
    ) -> Client {
        let (host, with) = self.host();
        let silence_ms = silence.as_millis().try_into().unwrap();
        let followed = host.follow(&Following {
            with,
            url,
            events,
            token,
            last_event_id,
            silence_ms,
        });
        Client {
            through: Through::Host(followed),
            status: None,
        }
    }
}

/// Whether the machine can run this program. `cargo xtask test` leaves a language out if the
/// machine has no version of it that is new enough, and says so.
fn is_there(host: Host) -> bool {
    let left_out = env::var("TIDINGS_LEFT_OUT").unwrap_or_default();
    let needs = match host {
        Host::Chromium => return true,
        Host::Go => "go",
        Host::Jvm(..) => "jvm",
    };
    !left_out.split(',').any(|one| one == needs)
}

/// An interpreter and what it runs.
type Program = (PathBuf, PathBuf);

fn node(script: &str) -> Program {
    (
        "node".into(),
        provisioned("TIDINGS_NODE_CLIENTS").join(script),
    )
}

fn python(script: &str) -> Program {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/python");
    (provisioned("TIDINGS_PYTHON"), scripts.join(script))
}

fn process(
    (interpreter, script): &Program,
    url: &str,
    events: &str,
    token: &str,
    last_event_id: &str,
) -> Through {
    let mut command = Command::new(interpreter);
    // If this program is killed, they end by themselves.
    let limit = PATIENCE.as_millis().to_string();
    command.arg(script).args([
        url,
        "--events",
        events,
        "--count",
        "1000000",
        "--timeout-ms",
        &limit,
    ]);
    for (name, value) in [("--token", token), ("--last-event-id", last_event_id)] {
        if !value.is_empty() {
            command.args([name, value]);
        }
    }
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    Through::Process {
        process: Box::new(process),
        lines,
    }
}

impl Client {
    /// The next report; `None` once the client has given up. If the future is dropped before it is
    /// ready, no report is lost.
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
            Through::Host(followed) => {
                let line = followed
                    .report()
                    .await
                    .expect("the program that follows is still there");
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

    /// The next report.
    pub(crate) async fn next(&mut self) -> Value {
        in_time(self.line())
            .await
            .expect("the client is still there")
    }

    /// The next report, which must be an event named `name`.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        let line = self.next().await;
        assert_eq!(line["event"], name, "{line}");
        line
    }

    /// The next report, which must say that a connection was accepted as an event stream.
    pub(crate) async fn opened(&mut self) {
        let line = self.next().await;
        assert_eq!(line["open"], true, "{line}");
    }

    /// The next report, which must say that a connection failed or ended.
    pub(crate) async fn failed(&mut self) -> Value {
        let line = self.next().await;
        assert!(line["error"].is_string(), "{line}");
        line
    }

    /// The next report, which must say that a follower of `docs/integrating.md` asks for its token,
    /// because it is about to connect.
    pub(crate) async fn asked(&mut self) {
        let line = self.next().await;
        assert_eq!(line["asked"], true, "{line}");
    }

    /// Sets the token that a follower of `docs/integrating.md` gets when it asks again.
    pub(crate) fn renew(&self, token: &str) {
        match &self.through {
            Through::Host(followed) => followed.renew(token),
            Through::Process { .. } => panic!("this one never asks"),
        }
    }

    /// The status with which the client gives up. It must have nothing more to report.
    pub(crate) async fn exit(mut self) -> Option<i32> {
        assert_eq!(in_time(self.line()).await, None);
        self.status
    }
}

/// The path of something that `cargo xtask test` has provided.
pub(crate) fn provisioned(variable: &str) -> PathBuf {
    let place = env::var_os(variable);
    place
        .unwrap_or_else(|| {
            panic!("{variable} is not set: run `cargo xtask test`, which installs the clients")
        })
        .into()
}
