//! The metrics of the process: what the operating system reports about it, under the names that
//! Prometheus's own clients use, and counts that several servers in one process share.
//!
//! A value that can't be read is left out. It is never written as zero.

use std::fmt;

use jiff::Timestamp;
use tidings_telemetry::panics;

use super::{Writer, float};

pub(super) fn write(started_at: Timestamp, writer: &mut Writer<'_>) -> fmt::Result {
    let help = "Time of the start of the server, in seconds since 1970";
    writer.gauge(
        "process_start_time_seconds",
        help,
        started_at.as_duration().as_secs_f64(),
    )?;
    if let Some(bytes) = resident_bytes() {
        writer.gauge(
            "process_resident_memory_bytes",
            "Memory of this process that is in RAM",
            float(bytes),
        )?;
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        writer.gauge(
            "process_open_fds",
            "Open file descriptors",
            float(open.count() as u64),
        )?;
    }
    #[cfg(unix)]
    if let Ok((soft, _)) = rlimit::Resource::NOFILE.get() {
        writer.gauge(
            "process_max_fds",
            "The limit of open file descriptors",
            float(soft),
        )?;
    }
    #[cfg(target_os = "linux")]
    if let Ok(time) = nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID) {
        let used = std::time::Duration::from(time).as_secs_f64();
        writer.seconds(
            "process_cpu_seconds",
            "CPU time that this process used",
            used,
        )?;
    }
    let help = "Lines of the log that were dropped: standard error did not accept them in time \
                (full), or a write failed (failed)";
    writer.counters(
        "tidings_log_lines_dropped",
        help,
        "reason",
        tidings_telemetry::dropped(),
    )?;
    let help = "Panics. Each is a bug in the server, and is in its log";
    writer.counter("tidings_panics", help, panics::count())
}

/// Returns the resident memory in bytes. It is read from Linux's `/proc`, and is `None` on other
/// systems.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes.saturating_mul(1_024))
}
