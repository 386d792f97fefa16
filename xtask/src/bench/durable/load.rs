//! `bench-crowd`, the load generator of these cases: its tasks and its results.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::contender::{self, Access, Contender};
use super::super::load::output;
use super::super::running::Running;

/// The maximum number of streams of a crowd that may wait for the head of their answer at once.
/// With more, the queue of the listener would be measured.
const UNDER_WAY: usize = 512;
const TIMEOUT: Duration = Duration::from_mins(2);

/// The result of many publishers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Published {
    pub(super) answered: u64,
    pub(super) seconds: f64,
    pub(super) p50_micros: f64,
    pub(super) p99_micros: f64,
    /// The id of the last event.
    pub(super) last: String,
}

/// The result of a crowd that reconnected.
#[derive(Deserialize)]
pub(super) struct Returned {
    /// The time until the last client had received everything.
    pub(super) seconds: f64,
}

/// Publishes notifications for `time`, with one request in flight on each connection.
pub(super) async fn publish(
    server: &Running,
    connections: usize,
    time: Duration,
) -> Result<Published> {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    run(
        server,
        json!({ "task": "publish", "connections": connections, "millis": millis }),
    )
    .await
}

/// Publishes `messages` messages to each of `rooms` rooms.
pub(super) async fn fill(
    server: &Running,
    connections: usize,
    rooms: usize,
    messages: usize,
) -> Result<Published> {
    run(
        server,
        json!({ "task": "fill", "connections": connections, "rooms": rooms, "messages": messages }),
    )
    .await
}

/// Lets `clients` clients of `rooms` rooms reconnect with the same id, and read `messages` messages
/// each.
pub(super) async fn come_back(
    server: &Running,
    clients: usize,
    (rooms, messages): (usize, usize),
    cursor: &str,
) -> Result<Returned> {
    let mut task = json!({ "task": "return", "clients": clients, "underWay": UNDER_WAY });
    task["rooms"] = json!(rooms);
    task["messages"] = json!(messages);
    task["cursor"] = json!(cursor);
    run(server, task).await
}

async fn run<T: for<'a> Deserialize<'a>>(server: &Running, mut task: Value) -> Result<T> {
    task["port"] = json!(server.port());
    task["token"] = json!(
        Contender::Tidings
            .endpoints(server.port(), Access::Demo)?
            .token
    );
    let mut command = contender::built("bench-crowd")?;
    command.arg(task.to_string());
    let printed = output(&command, TIMEOUT).await?;
    serde_json::from_str(&printed).with_context(|| format!("no report: {printed}"))
}

/// Returns the id of the server's process.
pub(super) fn pid(server: &Running) -> Result<u32> {
    server
        .pids()?
        .first()
        .copied()
        .context("the server has a process")
}

/// Returns the CPU time that a process has used. The kernel counts in hundredths of a second.
pub(super) fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may contain any character.
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |nth: usize| {
        fields
            .get(nth)
            .and_then(|ticks| ticks.parse::<u64>().ok())
            .unwrap_or_default()
    };
    Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
}

/// Returns a process's resident memory (RSS), in bytes. Its proportional share (PSS) would be
/// slightly less, but while the kernel determines that, it locks all of the process's memory, and a
/// server under load would have to wait.
#[expect(clippy::cast_precision_loss, reason = "shown in MiB with one decimal")]
pub(super) fn memory(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?
            .trim()
            .split(' ')
            .next()?
            .parse::<u64>()
            .ok()
    });
    Ok(kib.context("status has no VmRSS")? as f64 * 1_024.0)
}
