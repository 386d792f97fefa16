//! What can be said of a directory from outside, before anybody takes it.

use std::path::Path;

use super::error::OpenError;
use super::{home, times};

/// What stands in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether it is a log; if not, it is empty, or still to be made.
    pub is_log: bool,
    /// What the wall clock said when the log was last written to, in milliseconds since 1970, if that is known.
    pub last_seen_ms: Option<i64>,
}

/// Looks whether [`Disk::open`](super::Disk::open) would take `dir`, so far as that shows from outside: whether it is a log of a
/// format that is known, or free for one, and whether nobody has it open. Changes nothing, and reads none of its events.
///
/// # Errors
/// What [`Disk::open`](super::Disk::open) would fail with.
pub fn look(dir: &Path) -> Result<Look, OpenError> {
    let is_log = home::look(dir)?;
    let last_seen_ms = times::read(dir).map(|timeline| timeline.wall_ms()).filter(|_| is_log);
    Ok(Look { is_log, last_seen_ms })
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
        assert_eq!(look(&journal).unwrap(), Look { is_log: false, last_seen_ms: None });
        assert!(!journal.exists());
        fs::create_dir(&journal).unwrap();
        assert!(!look(&journal).unwrap().is_log);
        assert_eq!(fs::read_dir(&journal).unwrap().count(), 0);
        drop(Disk::open(Options::new(&journal)).unwrap());
        assert!(look(&journal).unwrap().is_log);
        drop(Disk::open(Options::new(&journal)).unwrap());
    }

    #[test]
    fn one_that_is_open_is_in_use_and_stays_its_owner_s() {
        let dir = tempfile::tempdir().unwrap();
        let _disk = Disk::open(Options::new(dir.path())).unwrap();
        let by = Some(std::process::id());
        for _ in 0..2 {
            let error = look(dir.path()).unwrap_err();
            assert!(matches!(&error, OpenError::InUse { by: holder, .. } if *holder == by), "{error}");
        }
    }

    #[test]
    fn what_is_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        assert!(matches!(look(dir.path()), Err(OpenError::Foreign { .. })));
        assert!(matches!(look(&dir.path().join("letter.txt")), Err(OpenError::Io { .. })));
    }
}
