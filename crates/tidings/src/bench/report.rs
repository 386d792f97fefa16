//! The measured values of a run, as one JSON object.
//!
//! `None` means that a value was not measured. All values are rounded where they are computed, so
//! that the table and the JSON agree.

use serde::Serialize;

/// All measured values.
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
    /// The streams that were open when publishing began.
    pub(super) open: usize,
    pub(super) refused: usize,
    pub(super) failed: usize,
    /// The streams that the server ended before the run was over.
    pub(super) ended: usize,
    pub(super) seconds: f64,
    pub(super) per_second: Option<f64>,
    /// CPU time of the server for each stream that opened.
    pub(super) cpu_micros: Option<f64>,
    /// Memory of the server for each open stream.
    pub(super) bytes: Option<f64>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Idle {
    pub(super) seconds: Option<f64>,
    /// CPU time of the server, as a percentage of one core.
    pub(super) cpu_percent: Option<f64>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Publishes {
    pub(super) sent: Option<u64>,
    /// The publishes that were sent but not accepted.
    pub(super) failed: Option<u64>,
    /// The time from the first publish to the last answer.
    pub(super) seconds: Option<f64>,
    /// The accepted publishes per second.
    pub(super) per_second: Option<f64>,
    /// CPU time of the server for each accepted publish, including deliveries.
    pub(super) cpu_micros: Option<f64>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deliveries {
    pub(super) wanted: Option<u64>,
    pub(super) got: Option<u64>,
    /// The time from the first publish to the last delivery.
    pub(super) seconds: Option<f64>,
    pub(super) per_second: Option<f64>,
    /// Bytes on the wire for each delivery.
    pub(super) bytes: Option<f64>,
    /// CPU time of the server for each delivery, including publishing.
    pub(super) cpu_micros: Option<f64>,
    pub(super) cpu_user_micros: Option<f64>,
    pub(super) cpu_system_micros: Option<f64>,
}

/// The time from just before a publish was sent until its event was read, in microseconds.
#[derive(Default, Serialize)]
pub(super) struct Latency {
    pub(super) p50: Option<u64>,
    pub(super) p90: Option<u64>,
    pub(super) p99: Option<u64>,
    pub(super) p999: Option<u64>,
    pub(super) max: Option<u64>,
}

/// Memory of the server, in bytes.
#[derive(Default, Serialize)]
pub(super) struct Memory {
    pub(super) before: Option<u64>,
    /// With all streams open, before the first publish.
    pub(super) open: Option<u64>,
    /// After the last delivery.
    pub(super) after: Option<u64>,
    /// A few seconds after all streams were closed.
    pub(super) closed: Option<u64>,
}

/// Rounds to three decimal places.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Returns `value` divided by `count`, or `None` if `count` is 0.
pub(super) fn each(value: f64, count: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    (count > 0).then(|| rounded(value / count as f64))
}

/// Returns the rate per second, or `None` if no time passed.
pub(super) fn per_second(count: u64, seconds: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    (seconds > 0.0).then(|| (count as f64 / seconds * 10.0).round() / 10.0)
}
