//! The file in which the log's time is stored for the next process, because the age of records must
//! not depend on a single reading of the wall clock.
//!
//! It is a file beside the tables, so versions that do not know it leave it alone. A log without it
//! is aged by the wall clock once that has stood for long enough.

use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::watermark;
use tidings_journal::Timeline;

/// The name of the file.
const FILE: &str = "time";

/// How many milliseconds the stored time may be out of date.
const WRITE_INTERVAL_MS: u64 = 15_000;

/// Writes the log's time from time to time.
#[derive(Default)]
pub(super) struct TimeFile {
    written: Option<Timeline>,
    failed: bool,
}

impl TimeFile {
    /// Writes `timeline` if that is due.
    pub(super) fn note(&mut self, dir: &Path, timeline: Option<&Timeline>) {
        let Some(timeline) = timeline.filter(|timeline| self.is_due(timeline)) else {
            return;
        };
        let written = write(dir, &timeline.encode());
        if let Err(error) = &written
            && !self.failed
        {
            tracing::warn!(%error, "the journal's file time can't be written; after a restart, \
                                    events may be kept for longer than configured");
        }
        self.failed = written.is_err();
        self.written = Some(timeline.clone());
    }

    fn is_due(&self, timeline: &Timeline) -> bool {
        self.written.as_ref().is_none_or(|written| {
            written.skew() != timeline.skew()
                || written.wall_ms().abs_diff(timeline.wall_ms()) >= WRITE_INTERVAL_MS
                || written.is_plain() != timeline.is_plain()
        })
    }
}

fn write(dir: &Path, text: &str) -> io::Result<()> {
    let unfinished = dir.join("time.new");
    fs::write(&unfinished, text)?;
    fs::rename(unfinished, dir.join(FILE))
}

/// Reads what is stored in `dir`. Without the file, the log was last in use when its watermark was
/// written. Without a watermark, nothing is known.
pub(super) fn read(dir: &Path) -> Option<Timeline> {
    let written = fs::read_to_string(dir.join(FILE))
        .ok()
        .and_then(|text| Timeline::decode(&text));
    written.or_else(|| {
        let marked = fs::metadata(dir.join(watermark::FILE))
            .and_then(|metadata| metadata.modified())
            .ok()?;
        let ms = marked.duration_since(UNIX_EPOCH).ok()?.as_millis();
        Some(Timeline::new(0, 0).last_seen(i64::try_from(ms).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_time_is_read_and_without_it_the_watermarks_age_is_used() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), None);
        watermark::Watermark::open(dir.path())
            .unwrap()
            .set(tidings_journal::Position::new(1))
            .unwrap();
        assert!(read(dir.path()).unwrap().wall_ms() > 0);
        let timeline = Timeline::new(7, 8);
        TimeFile::default().note(dir.path(), Some(&timeline));
        assert_eq!(read(dir.path()).unwrap().encode(), timeline.encode());
        fs::write(dir.path().join(FILE), "half").unwrap();
        assert!(read(dir.path()).unwrap().wall_ms() > 7);
    }
}
