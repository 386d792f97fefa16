//! The watermark: a position that is known to be on the device, stored apart from the log.
//!
//! The storage engine takes the first bad block of its write-ahead log for the log's torn end, and
//! drops what follows, because it can't know whether that had been synced. The watermark tells: a
//! log that ends before it is damaged.
//!
//! The watermark may be out of date, but it is never wrong. It is written some time after the sync,
//! and is not synced itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use tidings_journal::Position;

/// The name of the file.
pub(super) const FILE: &str = "synced";

/// The watermark of one log.
pub(super) struct Watermark {
    file: File,
    written: Position,
}

impl Watermark {
    /// Opens the watermark in `dir` for writing.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(FILE))?;
        Ok(Self {
            file,
            written: Position::START,
        })
    }

    /// Stores that everything up to `position` is on the device.
    pub(super) fn set(&mut self, position: Position) -> io::Result<()> {
        if position > self.written {
            self.file.rewind()?;
            self.file.write_all(text(position.get()).as_bytes())?;
            self.written = position;
        }
        Ok(())
    }
}

/// Reads the watermark in `dir`. `None` if there is none, or if it was half written.
pub(super) fn read(dir: &Path) -> io::Result<Option<Position>> {
    let mut found = String::new();
    match File::open(dir.join(FILE)) {
        Ok(mut file) => {
            // A file that is not text was half written.
            if file.read_to_string(&mut found).is_err() {
                return Ok(None);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let number = found
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    Ok(number
        .filter(|&number| text(number) == found)
        .map(Position::new))
}

/// Formats a watermark. The text always has the same length, and contains the number a second time
/// in reverse, so that half of a watermark is not valid.
fn text(number: u64) -> String {
    let digits = format!("{number:020}");
    let backwards: String = digits.chars().rev().collect();
    format!("{digits} {backwards}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_reads_back_and_half_a_watermark_does_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let mut mark = Watermark::open(dir.path()).unwrap();
        mark.set(Position::new(123_456)).unwrap();
        mark.set(Position::new(7)).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Some(Position::new(123_456)));
        std::fs::write(dir.path().join(FILE), &text(123_456)[..30]).unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
    }
}
