//! Checks the machine: its clock, the limits of files and sockets, memory, and the port.

use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use tidings_hub::Clock;
use tidings_server::config::{Config, Loaded, Mode};
use tidings_server::listen;
use tidings_server::server::descriptors::Capacity;
use tidings_server::traces;
use tidings_telemetry::service_manager::Notifier;

use super::finding::Finding;
use crate::serve::unusual_sockets;

/// The least memory that an idle stream takes, in bytes: about 1 KiB in the server, and its socket
/// in the kernel.
const STREAM_BYTES: u64 = 4 << 10;

/// The shortest acceptable queue of new connections. With a shorter one, some clients have to try
/// again when many reconnect at once.
const MIN_BACKLOG: u64 = 1_024;

/// How far the clock may be behind a time in the past, because small corrections are normal.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(2);

/// Checks whether a server with these settings could run on this machine.
pub(super) fn all(loaded: &Loaded, running: bool) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = vec![clock()];
    findings.extend(descriptors(config));
    findings.extend(backlog());
    findings.extend(root(config));
    findings.extend(port(loaded, running));
    findings.extend(traces::missing_feature().map(|warning| Finding::warning("traces", warning)));
    let (_, warning) = Notifier::from_environment();
    findings.extend(
        warning
            .into_iter()
            .map(|warning| Finding::warning("systemd", warning)),
    );
    findings
}

/// Compares the clock with the modification time of the program's file, which is in the past. (No
/// command runs if the clock is before 1970.)
fn clock() -> Finding {
    let written = std::env::current_exe()
        .and_then(|program| program.metadata())
        .and_then(|metadata| metadata.modified());
    match written.map(|written| Timestamp::try_from(written).ok().and_then(behind_now)) {
        Ok(Some(behind)) => {
            let message = format!(
                "the clock is {} s behind the modification time of this program's file",
                behind.as_secs()
            );
            Finding::warning("clock", message).advice(
                "Set the clock, and keep it with NTP: the expiry of tokens is judged by it.",
            )
        }
        _ => Finding::ok("clock", format!("{:.0}", Clock::system().now())),
    }
}

/// Returns how far the clock is behind a time in the past, if by more than [`CLOCK_TOLERANCE`].
pub(super) fn behind_now(past: Timestamp) -> Option<Duration> {
    behind(past, Clock::system().now())
}

fn behind(past: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(past.duration_since(now))
        .ok()
        .filter(|behind| *behind > CLOCK_TOLERANCE)
}

fn descriptors(config: &Config) -> Vec<Finding> {
    let capacity = match Capacity::of_process(config) {
        Ok(capacity) => capacity,
        Err(error) => return vec![Finding::error("descriptors", error.to_string())],
    };
    let (streams, descriptors) = (capacity.limits.total, capacity.descriptors);
    let mut findings = vec![match capacity.warning {
        Some(warning) => Finding::warning("descriptors", warning),
        None => Finding::ok(
            "descriptors",
            format!(
                "{streams} streams fit into the {descriptors} file descriptors of this process"
            ),
        ),
    }];
    let is_configured = config.streams.max_connections.is_some();
    findings.extend(memory().and_then(|memory| exceeds_memory(streams, memory, is_configured)));
    findings
}

/// Reports a limit of streams that would need more than four fifths of the memory: as a warning if
/// the settings contain the limit, otherwise as a note.
fn exceeds_memory(streams: usize, memory: u64, is_configured: bool) -> Option<Finding> {
    let taken = u64::try_from(streams)
        .unwrap_or(u64::MAX)
        .saturating_mul(STREAM_BYTES);
    if taken <= memory / 5 * 4 {
        return None;
    }
    let message = format!(
        "{streams} idle streams need about {} MiB, and this process may have {} MiB of memory",
        taken >> 20,
        memory >> 20
    );
    let found = if is_configured {
        Finding::warning("memory", message)
    } else {
        Finding::note("memory", message)
    };
    Some(
        found.advice(
            "Set MAX_CONNECTIONS to what fits; clients beyond it are told to come back later.",
        ),
    )
}

/// Returns how much memory this process may use, in bytes: all of the machine's, or the limit of
/// its control group if that is lower.
fn memory() -> Option<u64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let total = fs::read_to_string("/proc/meminfo").ok()?;
    let total = total
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?
        .trim()
        .strip_suffix(" kB")?
        .parse::<u64>()
        .ok()?;
    let group = number("/sys/fs/cgroup/memory.max")
        .or_else(|| number("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    Some(group.map_or(total << 10, |group| group.min(total << 10)))
}

fn backlog() -> Option<Finding> {
    let length = fs::read_to_string("/proc/sys/net/core/somaxconn")
        .ok()?
        .trim()
        .parse::<u64>()
        .ok()?;
    let message = format!(
        "net.core.somaxconn={length} is a short queue: when many clients reconnect at once, some \
         have to try again"
    );
    (length < MIN_BACKLOG)
        .then(|| Finding::note("backlog", message).advice("sysctl -w net.core.somaxconn=4096"))
}

#[cfg(unix)]
fn root(config: &Config) -> Option<Finding> {
    let is_root = config.mode == Mode::Production && rustix::process::geteuid().is_root();
    let message = "this check runs as root, so it judged permissions as root has them; the server \
                   does not need to be root";
    is_root.then(|| {
        Finding::note("user", message).advice("Run the server and this check as a dedicated user.")
    })
}

#[cfg(not(unix))]
fn root(_: &Config) -> Option<Finding> {
    None
}

fn port(loaded: &Loaded, running: bool) -> Vec<Finding> {
    let sockets = match listen::inherited() {
        Ok(sockets) => sockets,
        Err(error) => return vec![Finding::error("port", error.to_string())],
    };
    let unusual =
        unusual_sockets(loaded, &sockets).map(|warning| Finding::warning("port", warning));
    let http = &loaded.config.http;
    let port = http.port;
    let found = match listen::probe(&http.host, port) {
        _ if !sockets.is_empty() => Finding::ok(
            "port",
            "the process that started this one passed its sockets to it",
        ),
        Ok(()) if port == 0 => Finding::ok("port", "any free port"),
        Ok(()) => Finding::ok("port", format!("{port} is free")),
        Err(listen::Error::Bind { source, .. })
            if running && source.kind() == std::io::ErrorKind::AddrInUse =>
        {
            Finding::ok(
                "port",
                format!("{port} is in use, presumably by the running server"),
            )
        }
        Err(error) => Finding::error("port", error.to_string()),
    };
    unusual.into_iter().chain([found]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_clock_may_be_corrected_by_a_little() {
        let now = Timestamp::UNIX_EPOCH + Duration::from_hours(1_000);
        assert_eq!(behind(now + Duration::from_mins(1), now), None);
        assert_eq!(behind(now - Duration::from_hours(1), now), None);
        assert_eq!(
            behind(now + Duration::from_mins(3), now),
            Some(Duration::from_mins(3))
        );
    }

    #[test]
    fn a_limit_of_streams_that_exceeds_the_memory_is_reported() {
        assert!(exceeds_memory(1_000, 1 << 30, true).is_none());
        assert_eq!(
            exceeds_memory(1 << 20, 1 << 30, true).unwrap().level,
            Level::Warning
        );
        assert_eq!(
            exceeds_memory(1 << 20, 1 << 30, false).unwrap().level,
            Level::Note
        );
    }
}
