//! A position that is known to be on the device, kept apart from the log.
//!
//! The storage engine takes the first bad block of its write-ahead log for the torn end of it, and drops what follows:
//! it can't know whether that had been synced. This file can: if the log ends before the mark, it is damaged.
//!
//! The mark may be old, never wrong: it is written some time after the sync, and not synced itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use tidings_journal::Position;

/// The file's name.
pub(super) const FILE: &str = "synced";

/// The mark of one log.
pub(super) struct Mark {
    file: File,
    written: Position,
}

impl Mark {
    /// Opens the mark in `dir` to write it.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(dir.join(FILE))?;
        Ok(Self { file, written: Position::START })
    }

    /// Notes that everything up to `position` is on the device.
    pub(super) fn set(&mut self, position: Position) -> io::Result<()> {
        if position > self.written {
            self.file.rewind()?;
            self.file.write_all(text(position.get()).as_bytes())?;
            self.written = position;
        }
        Ok(())
    }
}

/// What the mark in `dir` says; nothing if there is none, or one that was half written.
pub(super) fn read(dir: &Path) -> io::Result<Option<Position>> {
    let mut found = String::new();
    match File::open(dir.join(FILE)) {
        Ok(mut file) => {
            // Not text: half written.
            if file.read_to_string(&mut found).is_err() {
                return Ok(None);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let number = found.split(' ').next().and_then(|number| number.parse().ok());
    Ok(number.filter(|&number| text(number) == found).map(Position::new))
}

/// Always of the same length. Said twice, the second time backwards, so that half of it is no mark.
fn text(number: u64) -> String {
    let digits = format!("{number:020}");
    let backwards: String = digits.chars().rev().collect();
    format!("{digits} {backwards}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_half_a_mark_does_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let mut mark = Mark::open(dir.path()).unwrap();
        mark.set(Position::new(123_456)).unwrap();
        mark.set(Position::new(7)).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Some(Position::new(123_456)));
        std::fs::write(dir.path().join(FILE), &text(123_456)[..30]).unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
    }
}
