//! The load generator, `tidings bench`: its arguments and its report.
//!
//! Owns its command line and the form of its report. Must never accept a run whose streams were not
//! all open.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use tokio::time::timeout;

use super::contender::{self, Access, Contender, Endpoints};
use super::running::pinned;

/// The core that only the load generator uses, in the notation of `taskset`.
const CORE: &str = "1";
/// The time limit beyond the requested duration, for connecting, for requests in flight, and for
/// closing.
const TIMEOUT: Duration = Duration::from_mins(2);

/// The task of the load generator.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) connections: u32,
    /// The maximum number of connection attempts at once; 0 is the generator's default.
    pub(super) burst: u32,
    /// The time between the opening of the streams and the first publish.
    pub(super) idle: Duration,
    /// How long events are published; if it is zero, none are.
    pub(super) duration: Duration,
    /// Publishes per second; 0 means as many as the server answers.
    pub(super) rate: u32,
    /// How many publishes are in flight before the generator waits for the first answer.
    pub(super) pipeline: u32,
    /// Whether the streams receive none of the published events.
    pub(super) elsewhere: bool,
    /// Whether each publish is for one user, who has one of these streams. Otherwise each is for
    /// all users.
    pub(super) to_one_user: bool,
    /// How many bytes longer the event is than the minimum.
    pub(super) padding: usize,
}

impl Load {
    /// Returns the arguments of `tidings bench`.
    fn arguments(
        &self,
        contender: Contender,
        access: Access,
        to: &Endpoints,
        pids: &[u32],
    ) -> Vec<String> {
        let mut arguments = ["bench", "--json", "--anonymous"]
            .map(str::to_owned)
            .to_vec();
        let mut add = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        add("url", to.url.clone());
        add(
            "path",
            if self.elsewhere {
                to.elsewhere
            } else {
                to.stream
            }
            .to_owned(),
        );
        add("connections", self.connections.to_string());
        add("idle", format!("{}ms", self.idle.as_millis()));
        if self.burst > 0 {
            add("connect-burst", self.burst.to_string());
        }
        match (&to.token, access) {
            (Some(_), Access::EachAnother) => {
                add("users", self.connections.to_string());
                add("header", "Authorization: Bearer {token}".to_owned());
            }
            (Some(token), _) => add("header", format!("Authorization: Bearer {token}")),
            (None, _) => {}
        }
        for pid in pids {
            add("pid", pid.to_string());
        }
        if self.elsewhere {
            add("expect", "0".to_owned());
        }
        if self.duration.is_zero() {
            arguments.push("--connect-only".to_owned());
            return arguments;
        }
        add("duration", format!("{}ms", self.duration.as_millis()));
        add("rate", self.rate.to_string());
        add("pipeline", self.pipeline.max(1).to_string());
        if let Some(token) = &to.token {
            add("publish-header", format!("Authorization: Bearer {token}"));
        }
        if self.to_one_user {
            add(
                "publish-path",
                "/notifications/send?targetUserId=bench-{user}".to_owned(),
            );
            add("expect", "1".to_owned());
        } else {
            add("publish-path", to.publish.to_owned());
        }
        add("body", contender.body(self.padding));
        arguments
    }

    /// Runs the load generator against a server. The generator is ended when the future is dropped.
    pub(super) async fn run(
        &self,
        contender: Contender,
        access: Access,
        to: &Endpoints,
        pids: &[u32],
    ) -> Result<Report> {
        let mut command = contender::built("tidings")?;
        command.args(self.arguments(contender, access, to, pids));
        let printed = output(&command, self.idle + self.duration + TIMEOUT).await?;
        let report: Report =
            serde_json::from_str(&printed).with_context(|| format!("no report: {printed}"))?;
        report.check()?;
        Ok(report)
    }
}

/// Runs a load generator on its own core, and returns its standard output.
///
/// # Errors
/// Returns its standard error if it fails, or that it took longer than `patience`.
pub(super) async fn output(command: &Command, patience: Duration) -> Result<String> {
    let mut pinned = tokio::process::Command::from(pinned(CORE, command));
    let running = pinned
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .process_group(0)
        .output();
    let output = timeout(patience, running)
        .await
        .context("the load generator does not end")??;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "the load generator failed, {}: {}",
        output.status,
        complaint.trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

impl Report {
    /// Checks that the load was the requested one.
    ///
    /// # Errors
    /// A stream or a publish was refused.
    pub(super) fn check(&self) -> Result<()> {
        let Self {
            connections:
                Connections {
                    wanted,
                    open,
                    ended,
                    ..
                },
            publishes,
            ..
        } = self;
        ensure!(
            open == wanted,
            "only {open} of {wanted} streams could be opened"
        );
        let (sent, failed) = (
            publishes.sent.unwrap_or_default(),
            publishes.failed.unwrap_or_default(),
        );
        ensure!(failed == 0, "{failed} of {sent} publishes failed");
        if *ended > 0 {
            eprintln!("bench: the server ended {ended} streams");
        }
        Ok(())
    }
}

/// The results of the load generator; `None` for values that it was not asked to measure.
#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) connections: Connections,
    pub(super) idle: Idle,
    pub(super) publishes: Publishes,
    pub(super) deliveries: Deliveries,
    pub(super) latency_micros: Latency,
    pub(super) memory: Memory,
}

#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connections {
    pub(super) wanted: u64,
    pub(super) open: u64,
    /// The streams that the server ended before the run was over.
    pub(super) ended: u64,
    pub(super) per_second: Option<f64>,
    /// The server's CPU time for each connection.
    pub(super) cpu_micros: Option<f64>,
    /// The server's own memory for each connection.
    pub(super) bytes: Option<f64>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Idle {
    pub(super) cpu_percent: Option<f64>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Publishes {
    pub(super) sent: Option<u64>,
    pub(super) failed: Option<u64>,
    pub(super) per_second: Option<f64>,
    /// The server's CPU time for each publish and all of its deliveries.
    pub(super) cpu_micros: Option<f64>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deliveries {
    pub(super) wanted: Option<u64>,
    pub(super) got: Option<u64>,
    pub(super) per_second: Option<f64>,
    /// The bytes on the wire for each delivery.
    pub(super) bytes: Option<f64>,
    /// The server's CPU time for each delivery.
    pub(super) cpu_micros: Option<f64>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Latency {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

/// The server's own memory, in bytes.
#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Memory {
    pub(super) before: Option<f64>,
    pub(super) open: Option<f64>,
    pub(super) closed: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(load: &Load, access: Access) -> String {
        let to = Contender::Tidings.endpoints(80, access).unwrap();
        load.arguments(Contender::Tidings, access, &to, &[7, 8])
            .join(" ")
    }

    #[test]
    fn each_stream_has_its_own_user_and_a_publish_targets_one_of_them() {
        let load = Load {
            connections: 3,
            to_one_user: true,
            duration: Duration::from_secs(1),
            ..Load::default()
        };
        let arguments = arguments(&load, Access::EachAnother);
        for part in [
            "--connections 3 ",
            "--users 3 --header Authorization: Bearer {token} ",
            "--pid 7 --pid 8 ",
            "--publish-path /notifications/send?targetUserId=bench-{user} --expect 1 ",
            r#"--body {"title":"T","message":"m","ts":{ts}}"#,
        ] {
            assert!(arguments.contains(part), "{part} in {arguments}");
        }
    }

    #[test]
    fn a_load_without_publishes_only_connects() {
        let arguments = arguments(
            &Load {
                connections: 3,
                ..Load::default()
            },
            Access::Demo,
        );
        assert!(arguments.ends_with("--connect-only"), "{arguments}");
        assert!(!arguments.contains("--rate"), "{arguments}");
    }

    #[test]
    fn a_run_with_a_refused_stream_or_publish_does_not_count() {
        let report = |open, failed| Report {
            connections: Connections {
                wanted: 2,
                open,
                ..Connections::default()
            },
            publishes: Publishes {
                sent: Some(9),
                failed,
                ..Publishes::default()
            },
            ..Report::default()
        };
        assert!(report(2, None).check().is_ok());
        assert!(report(2, Some(0)).check().is_ok());
        assert_eq!(
            report(1, None).check().unwrap_err().to_string(),
            "only 1 of 2 streams could be opened"
        );
        assert_eq!(
            report(2, Some(1)).check().unwrap_err().to_string(),
            "1 of 9 publishes failed"
        );
    }
}
