//! Chromium with a page in which one stream is followed by its own `EventSource`
//! (`clients/node/chromium.mjs`).

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::certificate::CERTIFICATE;
use crate::patience::in_time;

/// A browser of its own for one stream. Dropping it ends it.
pub(crate) struct Followed {
    reports: Lines<BufReader<ChildStdout>>,
    /// The program and the browser end with this.
    _commands: ChildStdin,
    _program: Child,
}

impl Followed {
    /// Has the page follow `url` and report these events.
    pub(crate) async fn start(url: &str, events: &[&str]) -> Self {
        let provisioned = |variable: &str| -> PathBuf {
            let place = std::env::var_os(variable);
            place
                .unwrap_or_else(|| {
                    panic!("{variable} is not set: run `cargo xtask test`, which installs it")
                })
                .into()
        };
        let mut program = Command::new("node")
            .arg(provisioned("TIDINGS_NODE_CLIENTS").join("chromium.mjs"))
            .arg(provisioned("TIDINGS_CHROMIUM"))
            .arg(&CERTIFICATE.key_digest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut commands = program.stdin.take().unwrap();
        let follow = json!({"follow": 1, "with": "EventSource", "url": url, "events": events, "token": "", "lastEventId": ""});
        commands
            .write_all(format!("{follow}\n").as_bytes())
            .await
            .unwrap();
        let reports = BufReader::new(program.stdout.take().unwrap()).lines();
        Self {
            reports,
            _commands: commands,
            _program: program,
        }
    }

    /// The next event, whatever else is reported before it. That the browser gave the stream up
    /// fails the test.
    pub(crate) async fn event(&mut self) -> Value {
        loop {
            let line = in_time(self.reports.next_line())
                .await
                .unwrap()
                .expect("the browser is still there");
            let report: Value = serde_json::from_str(&line).unwrap();
            assert!(
                report.get("exit").is_none(),
                "the browser gave the stream up"
            );
            if report["event"].is_string() {
                return report;
            }
        }
    }
}
