//! Opens the log that the settings ask for, and determines its size.
//!
//! The values of settings that are `auto` are determined here, because they depend on the disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidings_journal::Journal;
use tidings_journal::memory::{self, Memory};
use tidings_journal_disk::{self as disk, Disk};

use crate::config::{self, Home};

/// Opens the log. It blocks on the disk.
pub(super) fn open(settings: &config::Journal) -> Result<Arc<dyn Journal>, disk::OpenError> {
    Ok(match settings.home {
        Home::Memory => Arc::new(Memory::new(in_memory(settings))),
        Home::Disk => {
            let mut options = disk::Options::new(&settings.data_dir);
            options.sync = settings.sync;
            options.retention = on_disk(settings);
            Arc::new(Disk::open(options)?)
        }
    })
}

/// Returns advice about a log that can't be opened, or an empty text where the error itself gives
/// it. The error does not know the settings.
pub(super) fn advice(error: &disk::OpenError) -> &'static str {
    match error {
        disk::OpenError::InUse { .. } => "; stop the other one, or name another directory with DATA_DIR",
        disk::OpenError::Io { .. } => {
            "; name a directory that can be written with DATA_DIR, or do without with JOURNAL=memory"
        }
        _ => "",
    }
}

fn in_memory(settings: &config::Journal) -> memory::Retention {
    let default = memory::Retention::default();
    memory::Retention {
        rules: settings.keep.clone(),
        max_events: settings.max_events.unwrap_or(default.max_events),
        max_bytes: settings.max_bytes.unwrap_or(default.max_bytes),
        max_age: settings.max_age.unwrap_or(default.max_age),
        max_topics: settings.max_topics,
        ..default
    }
}

/// The maximum size of a log on disk.
pub struct Ceiling {
    /// The size in bytes, of everything in the directory.
    pub bytes: u64,
    /// The bytes that the log takes already, plus those that are free on its disk, if known.
    pub room: Option<u64>,
    /// A warning for the operator.
    pub warning: Option<String>,
}

impl Ceiling {
    /// Returns the size that the settings ask for, or one that fits the disk.
    pub fn of(settings: &config::Journal) -> Self {
        let asked = settings.max_bytes.map(|bytes| u64::try_from(bytes).unwrap_or(u64::MAX));
        let room = room(&settings.data_dir);
        let (bytes, warning) = ceiling(asked, disk::Retention::default().max_disk, room);
        Self { bytes, room, warning }
    }
}

fn on_disk(settings: &config::Journal) -> disk::Retention {
    let default = disk::Retention::default();
    let Ceiling { bytes: max_disk, warning, .. } = Ceiling::of(settings);
    if let Some(warning) = warning {
        tracing::warn!(data_dir = %settings.data_dir.display(), "{warning}");
    }
    disk::Retention {
        rules: settings.keep.clone(),
        max_age: settings.max_age.or(default.max_age),
        max_events: settings.max_events.and_then(|events| u64::try_from(events).ok()).unwrap_or(default.max_events),
        max_disk,
        max_topics: settings.max_topics,
        ..default
    }
}

/// Returns the maximum size of the directory, and a warning if it does not fit. `room` is the bytes
/// that the log takes already plus those that are free, if known.
fn ceiling(asked: Option<u64>, most: u64, room: Option<u64>) -> (u64, Option<String>) {
    let least = disk::Retention::MIN_DISK_BYTES;
    let fitting = room.map_or(most, |room| most.min(room / 2));
    let chosen = asked.unwrap_or(fitting).max(least);
    let warning = room.filter(|room| chosen > *room).map(|room| {
        let or_lower = if chosen > least {
            format!(", or lower JOURNAL_MAX_BYTES (at least {})", mebibytes(least))
        } else {
            String::new() // it is the minimum already
        };
        format!(
            "the journal may take {}, and its disk has only {} for it: once that is full, nothing more is published; make room\
             {or_lower}",
            mebibytes(chosen),
            mebibytes(room),
        )
    });
    (chosen, warning)
}

/// Formats a number of bytes in MiB, rounded down.
pub fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Returns the directory itself, or the nearest one above if it does not exist yet: that one is on
/// the same disk.
pub fn nearest_existing(dir: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(dir).ok()?;
    whole.ancestors().find(|above| above.is_dir()).map(Path::to_owned)
}

/// Returns the bytes that the log in `dir` takes, plus those that are free on its disk.
#[cfg(unix)]
fn room(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(&nearest_existing(dir)?).ok().filter(|disk| disk.f_blocks > 0)?; // 0: not a disk
    Some(disk.f_bavail.saturating_mul(disk.f_frsize).saturating_add(taken(dir)))
}

#[cfg(not(unix))]
fn room(_: &Path) -> Option<u64> {
    None
}

/// Returns the bytes that the files below `dir` take.
#[cfg(unix)]
fn taken(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => taken(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0, // deleted meanwhile
    };
    entries.map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_ceiling_is_what_was_asked_for_and_by_itself_fits_the_disk() {
        assert_eq!(ceiling(None, 4 * GIB, Some(100 * GIB)), (4 * GIB, None));
        assert_eq!(ceiling(None, 4 * GIB, Some(3 * GIB)), (3 * GIB / 2, None));
        assert_eq!(ceiling(Some(50 * GIB), 4 * GIB, Some(100 * GIB)), (50 * GIB, None));
        assert_eq!(ceiling(None, 4 * GIB, None), (4 * GIB, None));
    }

    #[test]
    fn a_ceiling_that_the_disk_can_not_bear_is_warned_of() {
        let (chosen, warning) = ceiling(Some(8 * GIB), 4 * GIB, Some(2 * GIB));
        assert_eq!(chosen, 8 * GIB);
        insta::assert_snapshot!(warning.unwrap(), @"the journal may take 8192 MiB, and its disk has only 2048 MiB for it: once that is full, nothing more is published; make room, or lower JOURNAL_MAX_BYTES (at least 256 MiB)");
        let (chosen, warning) = ceiling(None, 4 * GIB, Some(GIB / 8));
        assert_eq!(chosen, GIB / 4, "less than the least is not to be had");
        assert!(warning.unwrap().ends_with("nothing more is published; make room"));
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_that_is_still_to_be_made_has_the_room_of_its_disk() {
        let dir = tempfile::tempdir().unwrap();
        assert!(room(&dir.path().join("not/yet")).unwrap() > 0);
        assert!(room(Path::new("./not-yet-either")).unwrap() > 0);
    }
}
