//! The load generator, `tidings bench`: what it is told, and what it reports.
//!
//! Owns its command line and the shape of its report. Must never take a run for good whose streams were not all open.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Deserializer};
use tokio::time::timeout;

use super::contender::{self, Access, Contender, Endpoints};
use super::running::pinned;

/// The load has this core for itself, as `taskset` counts.
const CORE: &str = "1";
/// Beyond what was asked for, for connecting, for what is still under way, and for closing.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the load generator is to do.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) connections: u32,
    /// How many connections may be under way at once; the generator's own choice where it is 0.
    pub(super) burst: u32,
    /// How long the open streams are left alone before anything is published.
    pub(super) idle: Duration,
    /// How long is published; not at all where it is zero.
    pub(super) duration: Duration,
    /// Publishes per second; 0 is as many as are answered.
    pub(super) rate: u32,
    /// How many publishes are sent before the first answer is waited for.
    pub(super) pipeline: u32,
    /// Each publish is for one user, whose only stream is one of these; otherwise it is for all.
    pub(super) to_one_user: bool,
    /// How much longer the event is than it need be.
    pub(super) padding: usize,
}

impl Deliveries {
    /// How many bytes came for each event.
    #[expect(clippy::cast_precision_loss, reason = "some hundred bytes")]
    pub(super) fn event_bytes(&self) -> Option<f64> {
        (self.got > 0).then_some(self.bytes? as f64 / self.got as f64)
    }
}

impl Load {
    /// The arguments of `tidings bench`.
    fn arguments(&self, contender: Contender, access: Access, to: &Endpoints, pids: &[u32]) -> Vec<String> {
        let mut arguments = vec!["bench".to_owned(), "--json".to_owned()];
        let mut add = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        add("url", to.url.clone());
        add("path", to.stream.to_owned());
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
            add("publish-path", "/notifications/send?targetUserId=bench-{user}".to_owned());
            add("expect", "1".to_owned());
        } else {
            add("publish-path", to.publish.to_owned());
        }
        add("body", contender.body(self.padding));
        arguments
    }

    /// Runs the load generator against a server, and ends it where this is dropped.
    pub(super) async fn run(
        &self,
        contender: Contender,
        access: Access,
        to: &Endpoints,
        pids: &[u32],
    ) -> Result<Report> {
        let mut command = contender::built("tidings")?;
        command.args(self.arguments(contender, access, to, pids));
        let said = output(&command, self.idle + self.duration + PATIENCE).await?;
        let report: Report = serde_json::from_str(&said).with_context(|| format!("no report: {said}"))?;
        report.check()?;
        Ok(report)
    }
}

/// What a load generator says to standard output, run on its own core.
///
/// # Errors
/// It fails, with what it says to standard error, or takes longer than `patience`.
pub(super) async fn output(command: &Command, patience: Duration) -> Result<String> {
    let mut pinned = tokio::process::Command::from(pinned(CORE, command));
    let running = pinned.stdin(Stdio::null()).kill_on_drop(true).process_group(0).output();
    let output = timeout(patience, running).await.context("the load generator does not end")??;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the load generator failed, {}: {}", output.status, complaint.trim());
    Ok(String::from_utf8(output.stdout)?)
}

impl Report {
    /// Whether it is one of the load that was asked for.
    ///
    /// # Errors
    /// A stream was refused, or a publish.
    pub(super) fn check(&self) -> Result<()> {
        let Self { connections: Connections { wanted, open, .. }, publishes: Publishes { sent, failed, .. }, .. } =
            self;
        ensure!(open == wanted, "only {open} of {wanted} streams could be opened");
        ensure!(*failed == 0, "{failed} of {sent} publishes failed");
        Ok(())
    }
}

/// What the load generator has seen; nothing where it was not asked to look.
#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    #[serde(deserialize_with = "perhaps")]
    pub(super) connections: Connections,
    #[serde(deserialize_with = "perhaps")]
    pub(super) idle: Idle,
    #[serde(deserialize_with = "perhaps")]
    pub(super) publishes: Publishes,
    #[serde(deserialize_with = "perhaps")]
    pub(super) deliveries: Deliveries,
    #[serde(deserialize_with = "perhaps")]
    pub(super) latency_micros: Latency,
    #[serde(deserialize_with = "perhaps")]
    pub(super) memory: Memory,
}

/// What was not measured is `null`.
fn perhaps<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Connections {
    pub(super) wanted: u64,
    pub(super) open: u64,
    pub(super) per_second: Option<f64>,
    /// The server's CPU time, for one.
    pub(super) cpu_micros: Option<f64>,
    /// The server's own memory, for one.
    pub(super) bytes: Option<f64>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Idle {
    pub(super) cpu_percent: Option<f64>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Publishes {
    pub(super) sent: u64,
    pub(super) failed: u64,
    pub(super) per_second: Option<f64>,
    /// The server's CPU time, for one and all its deliveries.
    pub(super) cpu_micros: Option<f64>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Deliveries {
    pub(super) wanted: u64,
    pub(super) got: u64,
    pub(super) per_second: Option<f64>,
    /// Of all that came.
    pub(super) bytes: Option<u64>,
    /// The server's CPU time, for one.
    pub(super) cpu_micros: Option<f64>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Latency {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

/// The server's own, in bytes.
#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase", default)]
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
        load.arguments(Contender::Tidings, access, &to, &[7, 8]).join(" ")
    }

    #[test]
    fn a_crowd_of_users_is_told_apart_and_one_of_them_is_published_to() {
        let load = Load { connections: 3, to_one_user: true, duration: Duration::from_secs(1), ..Load::default() };
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
        let arguments = arguments(&Load { connections: 3, ..Load::default() }, Access::Demo);
        assert!(arguments.ends_with("--connect-only"), "{arguments}");
        assert!(!arguments.contains("--rate"), "{arguments}");
    }

    #[test]
    fn a_run_with_a_refused_stream_or_publish_does_not_count() {
        let report = |connections, publishes| {
            let text = format!(
                r#"{{"connections":{connections},"idle":null,"publishes":{publishes},"deliveries":{{"got":1,"bytes":210}},
                "latencyMicros":null,"memory":null}}"#
            );
            serde_json::from_str::<Report>(&text).unwrap()
        };
        let (all, none) = (r#"{"wanted":2,"open":2,"bytes":null}"#, r#"{"sent":9,"failed":0}"#);
        assert!(report(all, none).check().is_ok());
        assert!(report(r#"{"wanted":2,"open":1}"#, none).check().is_err());
        assert!(report(all, r#"{"sent":9,"failed":1}"#).check().is_err());
        assert_eq!(report(all, none).deliveries.event_bytes(), Some(210.0));
    }
}
