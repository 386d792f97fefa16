//! Checks the table of contents of each table file before the storage engine opens it.
//!
//! The engine reads the number of entries from the table of contents, and allocates memory for that
//! many before it checks the checksum. One flipped bit makes it ask for hundreds of gigabytes, and
//! the process is aborted without a message. So this checks first that the file has space for that
//! many entries; the engine detects all other damage itself. Nothing is ever written here.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::codec;
use super::directory::Directory;
use super::error::OpenError;
use super::tables::Tables;

/// The bytes at the end of a file: a magic number, the version (u8), the kind of checksum (u8), the
/// checksum (u128), and where the table of contents begins and how long it is (u64 each),
/// little-endian.
const TRAILER_BYTES: usize = 4 + 1 + 1 + 16 + 8 + 8;
const TRAILER_MAGIC: [u8; 4] = *b"SFA!";

/// The table of contents begins with this, followed by the number of its entries (u32).
const CONTENTS_MAGIC: [u8; 4] = *b"TOC!";
const CONTENTS_HEAD_BYTES: usize = 4 + 4;

/// The fewest bytes that an entry takes: a position and a length (u64 each), and the length of its
/// name (u16).
const MIN_ENTRY_BYTES: u64 = 8 + 8 + 2;

/// Checks the files of all tables in `db`.
pub(super) fn check(directory: &Directory, db: &Path) -> Result<(), OpenError> {
    let dir = directory.path();
    let reading = |error| OpenError::io(dir, "reading a table of contents")(error);
    for id in Tables::IDS {
        let files = match fs::read_dir(db.join("keyspaces").join(id.to_string()).join("tables")) {
            Ok(files) => files,
            // the engine reports it
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(reading(error)),
        };
        for file in files {
            let path = file.map_err(reading)?.path();
            if !fits(&path).map_err(reading)? {
                let name = path.strip_prefix(dir).unwrap_or(&path).display();
                return Err(OpenError::damaged(
                    dir,
                    format!("the table of contents of {name} is wrong"),
                ));
            }
        }
    }
    Ok(())
}

/// Returns whether the table of contents of a file has space for the entries that it claims to
/// have. A file without one is accepted: the engine removes a file that was being written when the
/// process died, and reports any other.
fn fits(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let Some(end) = file.metadata()?.len().checked_sub(TRAILER_BYTES as u64) else {
        return Ok(true);
    };
    let mut trailer = [0; TRAILER_BYTES];
    file.seek(SeekFrom::Start(end))?;
    file.read_exact(&mut trailer)?;
    let mut rest = &trailer[..];
    let (Some(TRAILER_MAGIC), Some(_), Some(start)) = (
        codec::take(&mut rest),
        codec::take::<18>(&mut rest),
        codec::take(&mut rest),
    ) else {
        return Ok(true);
    };
    let start = u64::from_le_bytes(start);
    let Some(space) = end
        .checked_sub(start)
        .and_then(|bytes| bytes.checked_sub(CONTENTS_HEAD_BYTES as u64))
    else {
        return Ok(true); // the engine finds no magic number there
    };
    let mut head = [0; CONTENTS_HEAD_BYTES];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut head)?;
    let mut rest = &head[..];
    let (Some(CONTENTS_MAGIC), Some(entries)) = (codec::take(&mut rest), codec::take(&mut rest))
    else {
        return Ok(true);
    };
    Ok(u64::from(u32::from_le_bytes(entries)) * MIN_ENTRY_BYTES <= space)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tidings_journal_contract::{Put as _, record};

    use super::super::{Disk, Options};
    use super::*;

    fn tables(db: &Path) -> Vec<PathBuf> {
        let folder = |id: u64| db.join("keyspaces").join(id.to_string()).join("tables");
        let folders = Tables::IDS
            .map(folder)
            .filter_map(|folder| fs::read_dir(folder).ok());
        folders.flatten().map(|file| file.unwrap().path()).collect()
    }

    #[tokio::test]
    async fn an_impossible_number_of_entries_is_damage_and_does_not_abort_the_process() {
        let dir = tempfile::tempdir().unwrap();
        {
            let log = Disk::open(Options::new(dir.path())).unwrap();
            log.put(vec![record(&["a"], "x")]).await.unwrap();
            log.log.tables.flush().unwrap();
        }
        let tables = tables(&dir.path().join("db"));
        assert!(!tables.is_empty());
        for path in tables {
            let intact = fs::read(&path).unwrap();
            let at = intact
                .windows(4)
                .rposition(|bytes| bytes == CONTENTS_MAGIC)
                .unwrap()
                + CONTENTS_MAGIC.len();
            for bit in [0, 12, 24, 31] {
                let mut bytes = intact.clone();
                bytes[at + bit / 8] ^= 1 << (bit % 8);
                fs::write(&path, bytes).unwrap();
                let what = format!("bit {bit} of {}", path.display());
                let error = Disk::open(Options::new(dir.path()))
                    .err()
                    .unwrap_or_else(|| panic!("{what}"));
                assert!(
                    matches!(error, OpenError::Damaged { .. }),
                    "{what}: {error}"
                );
            }
            fs::write(&path, intact).unwrap();
        }
        Disk::open(Options::new(dir.path())).unwrap();
    }

    #[test]
    fn an_incomplete_table_file_is_left_to_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0");
        for bytes in [&b""[..], b"TOC!", &[0; 100], &[b'x'; 4_096]] {
            fs::write(&path, bytes).unwrap();
            assert!(fits(&path).unwrap(), "{bytes:?}");
        }
        // The trailer says that the table of contents begins behind the end of the file.
        let mut bytes = TRAILER_MAGIC.to_vec();
        bytes.extend([0; 18]);
        bytes.extend([0xff; 16]);
        fs::write(&path, &bytes).unwrap();
        assert!(fits(&path).unwrap());
    }
}
