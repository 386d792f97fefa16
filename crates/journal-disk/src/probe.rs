//! Examines a directory without opening it.

use std::path::Path;

use super::error::OpenError;
use super::{directory, time_file};

/// The state of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whether the directory is a log. If not, it is empty or does not exist.
    pub is_log: bool,
    /// What the wall clock said when the log was last written to, in milliseconds since 1970, if
    /// that is known.
    pub last_seen_ms: Option<i64>,
}

/// Checks whether [`Disk::open`](super::Disk::open) would accept `dir`, as far as that can be seen
/// without opening it: whether it is a log in a known format, or free for a new one, and whether
/// another process has it open. Changes nothing, and reads no events.
///
/// # Errors
///
/// Returns the error that [`Disk::open`](super::Disk::open) would return.
pub fn probe(dir: &Path) -> Result<Probe, OpenError> {
    let is_log = directory::probe(dir)?;
    let last_seen_ms = time_file::read(dir)
        .map(|timeline| timeline.wall_ms())
        .filter(|_| is_log);
    Ok(Probe {
        is_log,
        last_seen_ms,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Disk, Options};
    use super::*;

    #[test]
    fn a_log_is_known_and_nothing_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal");
        assert_eq!(
            probe(&journal).unwrap(),
            Probe {
                is_log: false,
                last_seen_ms: None
            }
        );
        assert!(!journal.exists());
        fs::create_dir(&journal).unwrap();
        assert!(!probe(&journal).unwrap().is_log);
        assert_eq!(fs::read_dir(&journal).unwrap().count(), 0);
        drop(Disk::open(Options::new(&journal)).unwrap());
        assert!(probe(&journal).unwrap().is_log);
        drop(Disk::open(Options::new(&journal)).unwrap());
    }

    #[test]
    fn an_open_directory_is_in_use_and_stays_with_its_process() {
        let dir = tempfile::tempdir().unwrap();
        let _disk = Disk::open(Options::new(dir.path())).unwrap();
        let by = Some(std::process::id());
        for _ in 0..2 {
            let error = probe(dir.path()).unwrap_err();
            assert!(
                matches!(&error, OpenError::InUse { by: holder, .. } if *holder == by),
                "{error}"
            );
        }
    }

    #[test]
    fn a_directory_or_file_that_is_no_log_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        assert!(matches!(probe(dir.path()), Err(OpenError::Foreign { .. })));
        assert!(matches!(
            probe(&dir.path().join("letter.txt")),
            Err(OpenError::Io { .. })
        ));
    }
}
