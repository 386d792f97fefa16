//! The metrics of the log.
//!
//! A value that this kind of log does not have, or does not know at the moment, is left out. It is
//! never written as zero.

use std::fmt;
use std::time::Duration;

use tidings_journal::{DiskVitals, Histogram, PoolVitals, Vitals};

use super::{Writer, float};
use crate::app::App;

pub(super) fn write(app: &App, writer: &mut Writer<'_>) -> fmt::Result {
    let writable = if app.hub.health().is_ok() { 1.0 } else { 0.0 };
    writer.gauge(
        "tidings_journal_writable",
        "Whether the log accepts events: 1 or 0",
        writable,
    )?;
    let Vitals {
        kept,
        trimmed,
        topics,
        topics_trimmed,
        oldest_ms,
        keyed,
        disk,
        broker: _,
    } = app.hub.vitals();
    if let Some(kept) = kept {
        writer.gauge(
            "tidings_journal_events",
            "Events in the log, except those with a key",
            float(kept),
        )?;
    }
    if let Some(trimmed) = trimmed {
        let help = "Events that were trimmed from the log, except those with a key";
        writer.counter("tidings_journal_trimmed", help, trimmed)?;
    }
    if let Some(topics) = topics {
        writer.gauge(
            "tidings_journal_topics",
            "Topics with events in the log",
            float(topics),
        )?;
        let limit = float(app.config.journal.max_topics as u64);
        writer.gauge(
            "tidings_journal_topics_limit",
            "The limit of topics with events in the log",
            limit,
        )?;
    }
    if let Some(trimmed) = topics_trimmed {
        let help = "Topics that were trimmed completely, because there were too many";
        writer.counter("tidings_journal_topics_trimmed", help, trimmed)?;
    }
    pools(&keyed, writer)?;
    if let Some(oldest_ms) = oldest_ms {
        let age_ms = app
            .now()
            .as_millisecond()
            .saturating_sub(oldest_ms)
            .max(0)
            .unsigned_abs();
        let age = Duration::from_millis(age_ms).as_secs_f64();
        writer.gauge(
            "tidings_journal_oldest_age_seconds",
            "Age of the oldest event in the log",
            age,
        )?;
    }
    disk.map_or(Ok(()), |disk| on_disk(app, &disk, writer))
}

/// Writes the number of keys in each pool, and the limit of the pool. The names of the pools come
/// from the log and are a closed set.
fn pools(keyed: &[PoolVitals], writer: &mut Writer<'_>) -> fmt::Result {
    if keyed.is_empty() {
        return Ok(());
    }
    let help = "Keys in the log, by their pool";
    let counts = keyed
        .iter()
        .map(|pool| (pool.name.as_str(), float(pool.held)));
    writer.gauges("tidings_journal_keyed", help, "pool", counts)?;
    let limits = keyed
        .iter()
        .map(|pool| (pool.name.as_str(), float(pool.limit)));
    writer.gauges(
        "tidings_journal_keyed_limit",
        "The limit of keys in each pool",
        "pool",
        limits,
    )
}

fn on_disk(app: &App, vitals: &DiskVitals, writer: &mut Writer<'_>) -> fmt::Result {
    let DiskVitals {
        failed,
        damaged,
        cut,
        bytes,
        ceiling,
        batches,
        records,
        appends,
        syncs,
    } = vitals;
    let help = "Whether a write or a sync of the log has failed, so that the log accepts no \
                events until a restart: 1 or 0";
    writer.gauge(
        "tidings_journal_failed",
        help,
        if *failed { 1.0 } else { 0.0 },
    )?;
    let help = "Damaged places in the log that were found since the start; their events can't be \
                read any more";
    writer.gauge("tidings_journal_damaged_places", help, float(*damaged))?;
    let help = "Files in the directory of the log that contain acknowledged events behind damage; \
                they count until they are removed";
    writer.gauge("tidings_journal_cut_files", help, float(*cut))?;
    if let Some(bytes) = *bytes {
        writer.gauge(
            "tidings_journal_disk_bytes",
            "Bytes that the log occupies on disk",
            float(bytes),
        )?;
    }
    if let Some(ceiling) = *ceiling {
        writer.gauge(
            "tidings_journal_ceiling_bytes",
            "The limit of bytes that the log occupies on disk",
            float(ceiling),
        )?;
    }
    if let Some(free) = free(app) {
        let help = "Free bytes in the file system of the log";
        writer.gauge("tidings_journal_free_bytes", help, float(free))?;
    }
    writer.counter(
        "tidings_journal_batches",
        "Batches that were written to the log; each is one write",
        *batches,
    )?;
    writer.counter(
        "tidings_journal_records",
        "Events in the batches that were written to the log",
        *records,
    )?;
    let help = "Time of an append to the log, from when it was ready to be written until it was \
                as durable as JOURNAL_SYNC demands";
    times(writer, "tidings_journal_append_seconds", help, appends)?;
    let help = "Time of a write to the log that waited for the device, or of a separate sync";
    times(writer, "tidings_journal_sync_seconds", help, syncs)
}

fn times(writer: &mut Writer<'_>, name: &str, help: &str, times: &Histogram) -> fmt::Result {
    let counts = times
        .counts
        .iter()
        .map(|(bound, count)| (bound.as_ref().map(Duration::as_secs_f64), *count));
    writer.histogram(name, help, counts, times.sum)
}

/// Returns how many bytes this process may still write to the file system of the log.
#[cfg(unix)]
fn free(app: &App) -> Option<u64> {
    let disk = rustix::fs::statvfs(&app.config.journal.data_dir)
        .ok()
        .filter(|disk| disk.f_blocks > 0)?; // file systems that are not on a disk report 0
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &App) -> Option<u64> {
    None
}
