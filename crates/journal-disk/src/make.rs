//! Making the tables of a new log.
//!
//! They are made beside their place and moved to it when they are complete and on the device: the storage engine does not get
//! over being killed in the middle of it.
//!
//! The engine waits for the device some 250 times while it makes 36 small files, one step after the other: a tenth of a second
//! on a quick disk, and one to two on a disk that others use. So where the system has a place in memory, they are made there,
//! and copied and synced all at once. What fails of that is left to the slow way, which also says what is wrong.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use fjall::PersistMode;

use super::error::OpenError;
use super::home::{self, Home};
use super::open::open_tables;
use super::options::Options;

/// A file system in memory, for everybody to use, on Linux: `shm_overview(7)`.
const IN_MEMORY: &str = "/dev/shm";

/// The engine's first write-ahead log. Of new tables it says little more than their names.
const FIRST_LOG: &str = "0.jnl";

/// How much of it is looked at, in bytes, and how much is left behind what was written.
const BEGINNING: usize = 64 << 10;
const SPARE: usize = 4 << 10;

/// How many files are synced at the same time. A file system takes those that wait together in one step.
const AT_ONCE: usize = 16;

/// Makes the tables if there are none.
pub(super) fn tables(home: &Home, options: &Options) -> Result<(), OpenError> {
    let (path, unfinished) = (home.db(), home.unfinished_db());
    if path.exists() {
        return Ok(());
    }
    remove(&unfinished).map_err(OpenError::io(home.dir(), "removing what was half made"))?;
    if !quickly(home, options, Path::new(IN_MEMORY), &unfinished) {
        remove(&unfinished).map_err(OpenError::io(home.dir(), "removing what was half made"))?;
        make(home, options, &unfinished)?;
    }
    let moved = fs::rename(&unfinished, &path).and_then(|()| home::sync_dir(home.dir()));
    moved.map_err(OpenError::io(home.dir(), "moving the tables to their place"))
}

/// Makes them in `memory`, and from there in `path`. Returns whether all of them are on the device.
fn quickly(home: &Home, options: &Options, memory: &Path, path: &Path) -> bool {
    // Its name can't be guessed, and nobody else can look into it.
    let Ok(folder) = tempfile::tempdir_in(memory) else { return false };
    let made = folder.path().join("db");
    if let Err(error) = make(home, options, &made) {
        tracing::debug!(%error, "the tables can't be made in memory");
        return false;
    }
    let mut copied = Vec::new();
    copy(&made, path, &mut copied).and_then(|()| sync(&copied)).is_ok()
}

fn make(home: &Home, options: &Options, path: &Path) -> Result<(), OpenError> {
    let tables = open_tables(home, path, options, &Arc::default())?;
    tables.db.persist(PersistMode::SyncAll).map_err(|error| OpenError::engine(home.dir(), error))?;
    drop(tables);
    shorten(&path.join(FIRST_LOG)).map_err(OpenError::io(home.dir(), "shortening the write-ahead log"))
}

/// Takes most of the zeros off the end of a write-ahead log that has hardly begun. The engine makes it 64 MiB long, and cuts it
/// off where it is opened the next time, which is at once: until then they would be copied, and read twice.
fn shorten(log: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(log)?;
    let mut beginning = Vec::new();
    Read::by_ref(&mut file).take(BEGINNING as u64).read_to_end(&mut beginning)?;
    let written = beginning.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    // What was written last may end with zeros.
    let kept = (written + SPARE) as u64;
    if written + SPARE < BEGINNING && kept < file.metadata()?.len() {
        file.set_len(kept)?;
        file.sync_all()?;
    }
    Ok(())
}

fn remove(unfinished: &Path) -> io::Result<()> {
    if unfinished.exists() { fs::remove_dir_all(unfinished) } else { Ok(()) }
}

/// Copies a directory with everything in it, and lists what has to be synced.
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

/// Has files and the entries of directories on the device.
fn sync(paths: &[PathBuf]) -> io::Result<()> {
    let each = |paths: &[PathBuf]| paths.iter().try_for_each(|path| File::open(path)?.sync_all());
    thread::scope(|scope| {
        let parts = paths.chunks(paths.len().div_ceil(AT_ONCE).max(1));
        let syncing: Vec<_> = parts.map(|part| scope.spawn(move || each(part))).collect();
        syncing.into_iter().try_for_each(|part| part.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look;

    /// Every file below, with what is in it.
    fn listing(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut paths = Vec::new();
        list(dir, &mut paths);
        paths.sort();
        let of = |path: PathBuf| (path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
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
    fn what_was_made_in_memory_and_copied_is_what_is_made_in_place() {
        let (memory, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (home, options) = (Home::take(dir.path()).unwrap(), Options::new(dir.path()));
        let (copied, made) = (dir.path().join("copied"), dir.path().join("made"));
        assert!(quickly(&home, &options, memory.path(), &copied));
        make(&home, &options, &made).unwrap();
        let names = |dir: &Path| listing(dir).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        assert_eq!(names(&copied), names(&made));
        assert_eq!(fs::read_dir(memory.path()).unwrap().count(), 0, "nothing is left in memory");
        let tables = open_tables(&home, &copied, &options, &Arc::default()).unwrap();
        assert_eq!(tables.db.keyspace_count(), tables.all().count());
    }

    #[test]
    fn a_log_that_has_hardly_begun_loses_its_zeros_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FIRST_LOG);
        let of = |length: usize, written: usize| {
            let mut content = vec![0; length];
            content[..written].fill(7);
            fs::write(&path, &content).unwrap();
            shorten(&path).unwrap();
            let left = fs::read(&path).unwrap();
            assert!(content.starts_with(&left) && content[left.len()..].iter().all(|byte| *byte == 0));
            left.len()
        };
        assert_eq!(of(1 << 20, 126), 126 + SPARE);
        assert_eq!(of(1 << 20, 0), SPARE);
        assert_eq!(of(200, 126), 200, "it is short already");
        assert_eq!(of(1 << 20, BEGINNING), 1 << 20, "it has begun");
        assert_eq!(of(1 << 20, BEGINNING - SPARE), 1 << 20);
    }

    #[test]
    fn without_a_place_in_memory_they_are_made_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (home, options) = (Home::take(dir.path()).unwrap(), Options::new(dir.path()));
        assert!(!quickly(&home, &options, Path::new("/nonexistent"), &home.unfinished_db()));
        assert!(!home.unfinished_db().exists());
        fs::create_dir(home.unfinished_db()).unwrap();
        fs::write(home.unfinished_db().join("half"), "made").unwrap();
        tables(&home, &options).unwrap();
        assert!(!home.db().join("half").exists() && !home.unfinished_db().exists());
        drop(home);
        assert!(look::look(dir.path()).is_ok());
    }
}
