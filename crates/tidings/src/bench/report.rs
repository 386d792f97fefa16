//! What a run measured, as one JSON object.
//!
//! `None` is what was not measured. All figures are rounded where they are made, so that table and JSON agree.

use serde::Serialize;

/// Everything.
#[derive(Default, Serialize)]
pub(super) struct Report {
    pub(super) connections: Connections,
    pub(super) idle: Idle,
    pub(super) publishes: Publishes,
    pub(super) deliveries: Deliveries,
    #[serde(rename = "latencyMicros")]
    pub(super) latency: Latency,
    pub(super) memory: Memory,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connections {
    pub(super) wanted: usize,
    /// When publishing began.
    pub(super) open: usize,
    pub(super) refused: usize,
    pub(super) failed: usize,
    /// Ended by the server before the run was over.
    pub(super) ended: usize,
    pub(super) seconds: f64,
    pub(super) per_second: Option<f64>,
    /// The server's, for each stream that opened.
    pub(super) cpu_micros: Option<f64>,
    /// The server's memory for each open stream.
    pub(super) bytes: Option<f64>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Idle {
    pub(super) seconds: Option<f64>,
    /// Of one core.
    pub(super) cpu_percent: Option<f64>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Publishes {
    pub(super) sent: Option<u64>,
    /// Of those that were sent.
    pub(super) failed: Option<u64>,
    /// From the first publish to the last answer.
    pub(super) seconds: Option<f64>,
    /// Those that were taken.
    pub(super) per_second: Option<f64>,
    /// The server's, deliveries included, for each publish that was taken.
    pub(super) cpu_micros: Option<f64>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deliveries {
    pub(super) wanted: Option<u64>,
    pub(super) got: Option<u64>,
    /// From the first publish to the last delivery.
    pub(super) seconds: Option<f64>,
    pub(super) per_second: Option<f64>,
    /// On the wire, for each delivery.
    pub(super) bytes: Option<f64>,
    /// The server's, publishing included, for each delivery.
    pub(super) cpu_micros: Option<f64>,
    pub(super) cpu_user_micros: Option<f64>,
    pub(super) cpu_system_micros: Option<f64>,
}

/// From just before a publish was sent until its event was read, in microseconds.
#[derive(Default, Serialize)]
pub(super) struct Latency {
    pub(super) p50: Option<u64>,
    pub(super) p90: Option<u64>,
    pub(super) p99: Option<u64>,
    pub(super) p999: Option<u64>,
    pub(super) max: Option<u64>,
}

/// The server's memory, in bytes.
#[derive(Default, Serialize)]
pub(super) struct Memory {
    pub(super) before: Option<u64>,
    /// With all streams open, before anything was published.
    pub(super) open: Option<u64>,
    /// After the last delivery.
    pub(super) after: Option<u64>,
    /// A few seconds after all streams were closed.
    pub(super) closed: Option<u64>,
}

/// To three places.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// So much for each of `count`; `None` if there are none.
pub(super) fn each(value: f64, count: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    (count > 0).then(|| rounded(value / count as f64))
}

/// How many a second; `None` if no time passed.
pub(super) fn per_second(count: u64, seconds: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    (seconds > 0.0).then(|| (count as f64 / seconds * 10.0).round() / 10.0)
}
