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

/// Returns advice about a log that can't be opened. It names settings, which the error does not
/// know. The text is empty where the error needs no advice.
pub(super) fn advice(error: &disk::OpenError) -> &'static str {
    match error {
        disk::OpenError::InUse { .. } => {
            "; stop the other server, or set DATA_DIR to another directory"
        }
        disk::OpenError::Io { .. } => {
            "; set DATA_DIR to a directory that can be written, or JOURNAL=memory to keep nothing \
             on disk"
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
    pub available: Option<u64>,
    /// A warning for the operator.
    pub warning: Option<String>,
}

impl Ceiling {
    /// Returns the size that the settings ask for, or one that fits the disk.
    pub fn of(settings: &config::Journal) -> Self {
        let setting = settings
            .max_bytes
            .map(|bytes| u64::try_from(bytes).unwrap_or(u64::MAX));
        let available = available(&settings.data_dir);
        let (bytes, warning) = ceiling(setting, disk::Retention::default().max_disk, available);
        Self {
            bytes,
            available,
            warning,
        }
    }
}

fn on_disk(settings: &config::Journal) -> disk::Retention {
    let default = disk::Retention::default();
    let Ceiling {
        bytes: max_disk,
        warning,
        ..
    } = Ceiling::of(settings);
    if let Some(warning) = warning {
        tracing::warn!(data_dir = %settings.data_dir.display(), "{warning}");
    }
    disk::Retention {
        rules: settings.keep.clone(),
        max_age: settings.max_age.or(default.max_age),
        max_events: settings
            .max_events
            .and_then(|events| u64::try_from(events).ok())
            .unwrap_or(default.max_events),
        max_disk,
        max_topics: settings.max_topics,
        ..default
    }
}

/// Returns the maximum size of the directory, and a warning if it does not fit. `available` is the
/// bytes that the log takes already plus those that are free, if known.
fn ceiling(setting: Option<u64>, max_bytes: u64, available: Option<u64>) -> (u64, Option<String>) {
    let min_bytes = disk::Retention::MIN_DISK_BYTES;
    let fitting = available.map_or(max_bytes, |available| max_bytes.min(available / 2));
    let chosen = setting.unwrap_or(fitting).max(min_bytes);
    let warning = available
        .filter(|available| chosen > *available)
        .map(|available| {
            let or_lower = if chosen > min_bytes {
                format!(
                    ", or lower JOURNAL_MAX_BYTES (at least {})",
                    mebibytes(min_bytes)
                )
            } else {
                String::new() // it is the minimum already
            };
            format!(
                "the journal may take {}, but its disk has only {} for it: once the disk is full, \
             nothing more is published; free some space{or_lower}",
                mebibytes(chosen),
                mebibytes(available),
            )
        });
    (chosen, warning)
}

/// Formats a number of bytes in MiB, rounded down.
pub fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Returns the directory itself, or, if it does not exist yet, the nearest one above it. That one
/// is on the same disk.
pub fn nearest_existing(dir: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(dir).ok()?;
    absolute
        .ancestors()
        .find(|above| above.is_dir())
        .map(Path::to_owned)
}

/// Returns the bytes that the log in `dir` takes, plus those that are free on its disk.
#[cfg(unix)]
fn available(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(&nearest_existing(dir)?)
        .ok()
        .filter(|disk| disk.f_blocks > 0)?; // 0: not a disk
    Some(
        disk.f_bavail
            .saturating_mul(disk.f_frsize)
            .saturating_add(used_bytes(dir)),
    )
}

#[cfg(not(unix))]
fn available(_: &Path) -> Option<u64> {
    None
}

/// Returns the bytes that the files below `dir` take.
#[cfg(unix)]
fn used_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => used_bytes(&entry.path()),
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
    fn the_ceiling_is_the_setting_or_by_default_fits_the_disk() {
        assert_eq!(ceiling(None, 4 * GIB, Some(100 * GIB)), (4 * GIB, None));
        assert_eq!(ceiling(None, 4 * GIB, Some(3 * GIB)), (3 * GIB / 2, None));
        assert_eq!(
            ceiling(Some(50 * GIB), 4 * GIB, Some(100 * GIB)),
            (50 * GIB, None)
        );
        assert_eq!(ceiling(None, 4 * GIB, None), (4 * GIB, None));
    }

    #[test]
    fn the_operator_is_warned_of_a_ceiling_that_does_not_fit_the_disk() {
        let (chosen, warning) = ceiling(Some(8 * GIB), 4 * GIB, Some(2 * GIB));
        assert_eq!(chosen, 8 * GIB);
        insta::assert_snapshot!(warning.unwrap(), @"the journal may take 8192 MiB, but its disk has only 2048 MiB for it: once the disk is full, nothing more is published; free some space, or lower JOURNAL_MAX_BYTES (at least 256 MiB)");
        let (chosen, warning) = ceiling(None, 4 * GIB, Some(GIB / 8));
        assert_eq!(chosen, GIB / 4, "the minimum holds even if it does not fit");
        assert!(
            warning
                .unwrap()
                .ends_with("nothing more is published; free some space")
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_available_bytes_of_a_directory_that_does_not_exist_yet_are_those_of_its_disk() {
        let dir = tempfile::tempdir().unwrap();
        assert!(available(&dir.path().join("not/yet")).unwrap() > 0);
        assert!(available(Path::new("./not-yet-either")).unwrap() > 0);
    }
}
