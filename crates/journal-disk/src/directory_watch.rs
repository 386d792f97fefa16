//! Watches whether the directory is still where it was, so that what is written can be found.
//!
//! A directory that is removed or moved stays writable for a process that has its files open. So
//! the files are looked up by name before any append is answered. That takes three or four system
//! calls, and a few microseconds.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::directory::number;
use super::wal;

/// The folder in `db` that contains a folder for each table.
const TABLES: &str = "keyspaces";

/// The folder with the tables as it was when the log was opened, and its write-ahead log.
pub(super) struct DirectoryWatch {
    path: PathBuf,
    /// Kept open, so that no other file gets its inode number.
    folder: File,
    /// The newest write-ahead log file that was seen, and its number.
    log: Option<(u64, File)>,
    /// The folder that contains a folder for each table, and its number of links, which in most
    /// file systems counts these folders.
    tables: Option<(File, u64)>,
}

impl DirectoryWatch {
    /// Begins to watch the folder with the tables as it is now.
    pub(super) fn of(db: &Path) -> io::Result<Self> {
        let path = std::path::absolute(db)?;
        let tables = match File::open(path.join(TABLES)) {
            Ok(tables) => {
                let links = tables.metadata()?.nlink();
                Some((tables, links))
            }
            Err(error) if is_gone(&error) => None,
            Err(error) => return Err(error),
        };
        let mut watch = Self {
            folder: File::open(&path)?,
            path,
            log: None,
            tables,
        };
        watch.follow()?;
        Ok(watch)
    }

    /// Returns whether the folder is still there. If this can't be determined, returns true.
    pub(super) fn is_there(&mut self) -> bool {
        is_at(&self.folder, &self.path) && self.has_tables() && self.has_log()
    }

    /// Returns whether the tables are there. They are large: if they are removed first, it may take
    /// seconds until the write-ahead log is removed too. The engine never removes the folder of a
    /// table.
    fn has_tables(&self) -> bool {
        let Some((tables, links)) = &self.tables else {
            return true;
        };
        let is_whole = tables
            .metadata()
            .map_or(true, |metadata| metadata.nlink() >= *links);
        is_whole && is_at(tables, &self.path.join(TABLES))
    }

    /// Returns whether the write-ahead log is there, because removing a directory begins with its
    /// contents. The engine removes its oldest log files too, but only once there are newer ones.
    fn has_log(&mut self) -> bool {
        let is_linked = |(_, file): &(u64, File)| {
            file.metadata()
                .map_or(true, |metadata| metadata.nlink() > 0)
        };
        self.log.as_ref().is_some_and(is_linked)
            || self.follow().unwrap_or_else(|error| !is_gone(&error))
    }

    /// Looks for the newest write-ahead log file. Returns whether there is one that was not known.
    fn follow(&mut self) -> io::Result<bool> {
        let Some((newest, path)) = wal::logs(&self.path)?.pop() else {
            return Ok(false);
        };
        if self.log.as_ref().is_some_and(|(known, _)| newest <= *known) {
            return Ok(false);
        }
        self.log = Some((newest, File::open(path)?));
        Ok(true)
    }
}

/// Returns whether a path still leads to what was opened there. If this can't be
/// determined, returns true.
fn is_at(opened: &File, path: &Path) -> bool {
    match (opened.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => number(&ours) == number(&there),
        (_, Err(error)) => !is_gone(&error),
        (Err(_), Ok(_)) => true,
    }
}

/// Returns whether nothing is at a path, as opposed to something that can't be examined.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        fs::create_dir(&db).unwrap();
        fs::write(db.join("0.jnl"), "a").unwrap();
        (dir, db)
    }

    #[test]
    fn a_folder_that_is_moved_removed_or_replaced_is_gone() {
        let (dir, db) = folder();
        let mut watch = DirectoryWatch::of(&db).unwrap();
        assert!(watch.is_there());
        fs::rename(&db, dir.path().join("elsewhere")).unwrap();
        assert!(!watch.is_there());
        fs::create_dir(&db).unwrap();
        assert!(!watch.is_there(), "another one is in its place");
        fs::remove_dir(&db).unwrap();
        fs::rename(dir.path().join("elsewhere"), &db).unwrap();
        assert!(watch.is_there());
        fs::remove_dir_all(dir.path()).unwrap();
        assert!(!watch.is_there());
    }

    #[test]
    fn a_folder_whose_tables_are_being_removed_is_gone() {
        let (_dir, db) = folder();
        let tables = db.join(TABLES);
        fs::create_dir_all(tables.join("0")).unwrap();
        let mut watch = DirectoryWatch::of(&db).unwrap();
        assert!(watch.is_there());
        fs::rename(&tables, db.join("elsewhere")).unwrap();
        assert!(!watch.is_there());
        fs::create_dir(&tables).unwrap();
        assert!(!watch.is_there(), "another one is in its place");
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_noticed() {
        let (dir, db) = folder();
        let (_other, there) = folder();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&db, &link).unwrap();
        let mut watch = DirectoryWatch::of(&link).unwrap();
        assert!(watch.is_there());
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(there, &link).unwrap();
        assert!(!watch.is_there());
    }

    #[test]
    fn a_write_ahead_log_may_be_followed_by_a_newer_one_and_not_by_nothing() {
        let (_dir, db) = folder();
        let mut watch = DirectoryWatch::of(&db).unwrap();
        fs::write(db.join("1.jnl"), "b").unwrap();
        fs::remove_file(db.join("0.jnl")).unwrap();
        assert!(watch.is_there());
        fs::remove_file(db.join("1.jnl")).unwrap();
        assert!(!watch.is_there(), "the folder is being removed");
        fs::write(db.join("1.jnl"), "another").unwrap();
        assert!(!watch.is_there(), "writes go to another file");
    }
}
