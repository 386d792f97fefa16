//! `bench-crowd`, the load of these cases: what it is told, and what it found.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::contender::{self, Access, Contender};
use super::super::load::output;
use super::super::running::Running;

/// How many of a crowd may be without a head at once: with more it is the listener's queue that is measured.
const UNDER_WAY: usize = 512;
const PATIENCE: Duration = Duration::from_mins(2);

/// What many publishers found.
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

/// What a crowd found that came back.
#[derive(Deserialize)]
pub(super) struct Returned {
    /// Until the last of them had everything.
    pub(super) seconds: f64,
}

/// Notifications for so long, one under way on each connection.
pub(super) async fn publish(server: &Running, connections: usize, time: Duration) -> Result<Published> {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    run(server, json!({ "task": "publish", "connections": connections, "millis": millis })).await
}

/// So many messages to each of so many rooms.
pub(super) async fn fill(server: &Running, connections: usize, rooms: usize, messages: usize) -> Result<Published> {
    run(server, json!({ "task": "fill", "connections": connections, "rooms": rooms, "messages": messages })).await
}

/// So many clients of so many rooms come back with one id, and read so many messages each.
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
    task["token"] = json!(Contender::Tidings.endpoints(server.port(), Access::Demo)?.token);
    let mut command = contender::built("bench-crowd")?;
    command.arg(task.to_string());
    let said = output(&command, PATIENCE).await?;
    serde_json::from_str(&said).with_context(|| format!("no report: {said}"))
}

/// The server's process.
pub(super) fn pid(server: &Running) -> Result<u32> {
    server.pids()?.first().copied().context("the server has a process")
}

/// The CPU time that a process has had. The kernel counts in hundredths of a second.
pub(super) fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |nth: usize| fields.get(nth).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or_default();
    Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
}

/// A process's memory (RSS), in bytes. Its share of what it shares (PSS) would be a little less, but to tell that, the kernel
/// holds on to all of the process's memory meanwhile, and a server under load would have to wait.
#[expect(clippy::cast_precision_loss, reason = "shown in MiB with one decimal")]
pub(super) fn memory(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse::<u64>().ok());
    Ok(kib.context("status has no VmRSS")? as f64 * 1_024.0)
}
