//! The metrics of the log.
//!
//! A value that a log does not have, or does not know, is left out, and never written as zero.

use std::fmt;
use std::time::Duration;

use tidings_journal::{DiskVitals, Histogram, PoolVitals, Vitals};

use super::{Writer, float};
use crate::app::App;

pub(super) fn write(app: &App, writer: &mut Writer<'_>) -> fmt::Result {
    let writable = if app.hub.health().is_ok() { 1.0 } else { 0.0 };
    writer.gauge("tidings_journal_writable", "Whether the log takes events: 1 or 0", writable)?;
    let Vitals { kept, trimmed, topics, topics_trimmed, oldest_ms, keyed, disk, broker: _ } = app.hub.vitals();
    if let Some(kept) = kept {
        writer.gauge("tidings_journal_events", "Events that the log keeps, but for those with a key", float(kept))?;
    }
    if let Some(trimmed) = trimmed {
        let help = "Events that the log let go of, but for those with a key";
        writer.counter("tidings_journal_trimmed", help, trimmed)?;
    }
    if let Some(topics) = topics {
        writer.gauge("tidings_journal_topics", "Topics of which the log keeps something", float(topics))?;
        let limit = float(app.config.journal.max_topics as u64);
        writer.gauge("tidings_journal_topics_limit", "Of how many topics it may keep something", limit)?;
    }
    if let Some(trimmed) = topics_trimmed {
        let help = "Topics that the log let go of whole, because there were too many";
        writer.counter("tidings_journal_topics_trimmed", help, trimmed)?;
    }
    pools(&keyed, writer)?;
    if let Some(oldest_ms) = oldest_ms {
        let age_ms = app.now().as_millisecond().saturating_sub(oldest_ms).max(0).unsigned_abs();
        let age = Duration::from_millis(age_ms).as_secs_f64();
        writer.gauge(
            "tidings_journal_oldest_age_seconds",
            "Age of the oldest of the events that the log keeps",
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
    let help = "Keys that the log remembers, by the pool that they belong to";
    let held = keyed.iter().map(|pool| (pool.name.as_str(), float(pool.held)));
    writer.gauges("tidings_journal_keyed", help, "pool", held)?;
    let limits = keyed.iter().map(|pool| (pool.name.as_str(), float(pool.limit)));
    writer.gauges("tidings_journal_keyed_limit", "How many keys each pool has room for", "pool", limits)
}

fn on_disk(app: &App, vitals: &DiskVitals, writer: &mut Writer<'_>) -> fmt::Result {
    let DiskVitals { failed, damaged, cut, bytes, ceiling, batches, records, appends, syncs } = vitals;
    let help = "Whether a write or a sync of the log has failed, so that it takes no events until a restart: 1 or 0";
    writer.gauge("tidings_journal_failed", help, if *failed { 1.0 } else { 0.0 })?;
    let help = "Places of the log that were found to be damaged since the start: what was there can't be read any more";
    writer.gauge("tidings_journal_damaged_places", help, float(*damaged))?;
    let help = "Files in the directory of the log with acknowledged events that were cut off behind damage, until they are removed";
    writer.gauge("tidings_journal_cut_files", help, float(*cut))?;
    if let Some(bytes) = *bytes {
        writer.gauge("tidings_journal_disk_bytes", "What the log takes on disk", float(bytes))?;
    }
    if let Some(ceiling) = *ceiling {
        writer.gauge("tidings_journal_ceiling_bytes", "What the log may take on disk", float(ceiling))?;
    }
    if let Some(free) = free(app) {
        let help = "What may still be written to the file system that the log is on";
        writer.gauge("tidings_journal_free_bytes", help, float(free))?;
    }
    writer.counter("tidings_journal_batches", "Batches that were written to the log, each in one step", *batches)?;
    writer.counter("tidings_journal_records", "Events in those batches", *records)?;
    let help = "Time of an append to the log, from when it was ready to be written until it was safe";
    times(writer, "tidings_journal_append_seconds", help, appends)?;
    let help = "Time of a write to the log that waited for the device, or of a sync between writes";
    times(writer, "tidings_journal_sync_seconds", help, syncs)
}

fn times(writer: &mut Writer<'_>, name: &str, help: &str, times: &Histogram) -> fmt::Result {
    let counts = times.counts.iter().map(|(bound, count)| (bound.as_ref().map(Duration::as_secs_f64), *count));
    writer.histogram(name, help, counts, times.sum)
}

/// Returns how many bytes this process may still write to the file system of the log.
#[cfg(unix)]
fn free(app: &App) -> Option<u64> {
    let disk = rustix::fs::statvfs(&app.config.journal.data_dir).ok().filter(|disk| disk.f_blocks > 0)?; // 0: not a disk
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &App) -> Option<u64> {
    None
}
