//! Checks the list of files of each table before the storage engine opens it.
//!
//! The engine writes a checksum of each list, but does not check it when it opens the table, and it
//! removes every file that is not listed, so one flipped bit would silently delete a file. The
//! engine takes a table without a list for one that was never completed, and creates it again; but
//! here all tables are complete before the directory gets any (see `create`). So the lists are
//! checked first. Nothing is ever written here.

use std::fs;
use std::io;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::codec;
use super::directory::Directory;
use super::error::OpenError;
use super::tables::Tables;

/// Checks the lists of all tables in `db`.
pub(super) fn check(directory: &Directory, db: &Path) -> Result<(), OpenError> {
    let dir = directory.path();
    let reading = |error| OpenError::io(dir, "reading a list of files")(error);
    for id in Tables::IDS {
        let table = db.join("keyspaces").join(id.to_string());
        let current = table.join("current");
        let named = |path: &Path| path.strip_prefix(dir).unwrap_or(path).display().to_string();
        let pointer = match fs::read(&current) {
            Ok(pointer) => pointer,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::damaged(
                    dir,
                    format!("{} is not there", named(&current)),
                ));
            }
            Err(error) => return Err(reading(error)),
        };
        let damaged = |path: &Path| {
            OpenError::damaged(dir, format!("the checksum of {} is wrong", named(path)))
        };
        // The number of the list (u64), its checksum (u128), and the kind of checksum (u8),
        // little-endian.
        let mut rest = &pointer[..];
        let (Some(number), Some(sum), Some([0]), []) = (
            codec::take(&mut rest),
            codec::take(&mut rest),
            codec::take(&mut rest),
            rest,
        ) else {
            return Err(damaged(&current));
        };
        let list = table.join(format!("v{}", u64::from_le_bytes(number)));
        match fs::read(&list) {
            Ok(bytes) if xxh3_128(&bytes) == u128::from_le_bytes(sum) => {}
            Ok(_) => return Err(damaged(&list)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged(&current)),
            Err(error) => return Err(reading(error)),
        }
    }
    Ok(())
}
