//! Creates the tables of a new log.
//!
//! They are created beside their final place, and moved there when they are complete and on the
//! device, because the storage engine does not survive being killed while it creates them.
//!
//! The engine waits for the device about 250 times while it creates 36 small files one after the
//! other. That takes a tenth of a second on a fast disk, and one to two seconds on a busy one. So
//! where the system has a file system in memory, the tables are created there, and then copied and
//! synced together. If any of that fails, the tables are created in the slow way, which also
//! reports what is wrong.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use fjall::PersistMode;

use super::directory::{self, Directory};
use super::error::OpenError;
use super::options::Options;
use super::tables::Tables;

/// The file system in memory that every process may use on Linux: `shm_overview(7)`.
const IN_MEMORY: &str = "/dev/shm";

/// The engine's first write-ahead log. For new tables, it contains little more than their names.
const FIRST_WAL: &str = "0.jnl";

/// How many bytes of the log are examined, and how many are left behind those that were written.
const INSPECTED_BYTES: usize = 64 << 10;
const SPARE_BYTES: usize = 4 << 10;

/// How many files are synced at the same time. A file system syncs those that wait together in one
/// step.
const CONCURRENT_SYNCS: usize = 16;

/// Creates the tables if there are none.
pub(super) fn ensure(directory: &Directory, options: &Options) -> Result<(), OpenError> {
    let (path, unfinished) = (directory.db(), directory.unfinished_db());
    if path.exists() {
        return Ok(());
    }
    remove(&unfinished).map_err(OpenError::io(
        directory.path(),
        "removing incomplete tables",
    ))?;
    if !create_in_memory(directory, options, Path::new(IN_MEMORY), &unfinished) {
        remove(&unfinished).map_err(OpenError::io(
            directory.path(),
            "removing incomplete tables",
        ))?;
        create(directory, options, &unfinished)?;
    }
    let moved = fs::rename(&unfinished, &path).and_then(|()| directory::sync_dir(directory.path()));
    moved.map_err(OpenError::io(
        directory.path(),
        "moving the tables to their place",
    ))
}

/// Creates the tables in `memory` and copies them to `path`. Returns whether all of them are on the
/// device.
fn create_in_memory(directory: &Directory, options: &Options, memory: &Path, path: &Path) -> bool {
    // The folder's name can't be guessed, and other users can't look into it.
    let Ok(folder) = tempfile::tempdir_in(memory) else {
        return false;
    };
    let made = folder.path().join("db");
    if let Err(error) = create(directory, options, &made) {
        tracing::debug!(%error, "the tables can't be created in memory");
        return false;
    }
    let mut copied = Vec::new();
    copy(&made, path, &mut copied)
        .and_then(|()| sync(&copied))
        .is_ok()
}

fn create(directory: &Directory, options: &Options, path: &Path) -> Result<(), OpenError> {
    let tables = Tables::open_in(directory, path, options, &Arc::default())?;
    tables
        .db
        .persist(PersistMode::SyncAll)
        .map_err(|error| OpenError::engine(directory.path(), error))?;
    drop(tables);
    shorten(&path.join(FIRST_WAL)).map_err(OpenError::io(
        directory.path(),
        "shortening the write-ahead log",
    ))
}

/// Cuts most of the zeros off the end of a new write-ahead log. The engine creates the file with 64
/// MiB, and shortens it itself when it opens it the next time, which is right after this. Without
/// this, the zeros would be copied, and read twice.
fn shorten(log: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(log)?;
    let mut beginning = Vec::new();
    Read::by_ref(&mut file)
        .take(INSPECTED_BYTES as u64)
        .read_to_end(&mut beginning)?;
    let written = beginning
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    // The last bytes that were written may be zeros.
    let kept = (written + SPARE_BYTES) as u64;
    if written + SPARE_BYTES < INSPECTED_BYTES && kept < file.metadata()?.len() {
        file.set_len(kept)?;
        file.sync_all()?;
    }
    Ok(())
}

fn remove(unfinished: &Path) -> io::Result<()> {
    if unfinished.exists() {
        fs::remove_dir_all(unfinished)
    } else {
        Ok(())
    }
}

/// Copies a directory with everything in it, and lists the paths that have to be synced.
fn copy(from: &Path, to: &Path, copied: &mut Vec<PathBuf>) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, copied)?;
        } else {
            fs::copy(entry.path(), &target)?;
            copied.push(target);
        }
    }
    copied.push(to.to_owned());
    Ok(())
}

/// Syncs files, and the entries of directories, to the device.
fn sync(paths: &[PathBuf]) -> io::Result<()> {
    let each = |paths: &[PathBuf]| {
        paths
            .iter()
            .try_for_each(|path| File::open(path)?.sync_all())
    };
    thread::scope(|scope| {
        let parts = paths.chunks(paths.len().div_ceil(CONCURRENT_SYNCS).max(1));
        let syncing: Vec<_> = parts.map(|part| scope.spawn(move || each(part))).collect();
        syncing.into_iter().try_for_each(|part| {
            part.join()
                .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe;

    /// Returns every file below `dir` with its contents.
    fn listing(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut paths = Vec::new();
        list(dir, &mut paths);
        paths.sort();
        let of = |path: PathBuf| {
            (
                path.strip_prefix(dir).unwrap().to_owned(),
                fs::read(&path).unwrap(),
            )
        };
        paths.into_iter().map(of).collect()
    }

    fn list(dir: &Path, paths: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                list(&path, paths);
            } else {
                paths.push(path);
            }
        }
    }

    #[test]
    fn tables_created_in_memory_and_copied_equal_those_created_in_place() {
        let (memory, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (directory, options) = (
            Directory::take(dir.path()).unwrap(),
            Options::new(dir.path()),
        );
        let (copied, made) = (dir.path().join("copied"), dir.path().join("made"));
        assert!(create_in_memory(
            &directory,
            &options,
            memory.path(),
            &copied
        ));
        create(&directory, &options, &made).unwrap();
        let names = |dir: &Path| {
            listing(dir)
                .into_iter()
                .map(|(path, _)| path)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&copied), names(&made));
        assert_eq!(
            fs::read_dir(memory.path()).unwrap().count(),
            0,
            "nothing is left in memory"
        );
        let tables = Tables::open_in(&directory, &copied, &options, &Arc::default()).unwrap();
        assert_eq!(tables.db.keyspace_count(), tables.all().count());
    }

    #[test]
    fn a_new_log_file_loses_only_its_trailing_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FIRST_WAL);
        let of = |length: usize, written: usize| {
            let mut content = vec![0; length];
            content[..written].fill(7);
            fs::write(&path, &content).unwrap();
            shorten(&path).unwrap();
            let left = fs::read(&path).unwrap();
            assert!(
                content.starts_with(&left) && content[left.len()..].iter().all(|byte| *byte == 0)
            );
            left.len()
        };
        assert_eq!(of(1 << 20, 126), 126 + SPARE_BYTES);
        assert_eq!(of(1 << 20, 0), SPARE_BYTES);
        assert_eq!(of(200, 126), 200, "the file is short already");
        assert_eq!(
            of(1 << 20, INSPECTED_BYTES),
            1 << 20,
            "the file has more contents than are examined"
        );
        assert_eq!(of(1 << 20, INSPECTED_BYTES - SPARE_BYTES), 1 << 20);
    }

    #[test]
    fn tables_are_created_without_a_file_system_in_memory_too() {
        let dir = tempfile::tempdir().unwrap();
        let (directory, options) = (
            Directory::take(dir.path()).unwrap(),
            Options::new(dir.path()),
        );
        assert!(!create_in_memory(
            &directory,
            &options,
            Path::new("/nonexistent"),
            &directory.unfinished_db()
        ));
        assert!(!directory.unfinished_db().exists());
        fs::create_dir(directory.unfinished_db()).unwrap();
        fs::write(directory.unfinished_db().join("half"), "made").unwrap();
        ensure(&directory, &options).unwrap();
        assert!(!directory.db().join("half").exists() && !directory.unfinished_db().exists());
        drop(directory);
        assert!(probe::probe(dir.path()).is_ok());
    }
}
