//! The directory of a log: its lock, and the format in which it is written.
//!
//! ```text
//! FORMAT   "tidings journal, format 2"; read before anything else is touched
//! LOCK     locked by the process that has the log open, and its process id
//! synced   a position that is known to be on the device (see `watermark`)
//! time     the log's time (see `time_file`)
//! cut-*    intact batches that were cut off the write-ahead log; the operator removes them (see `wal`)
//! db/      the tables (see `tables`)
//! ```
//!
//! # Formats
//!
//! - 1: up to version 0.1.
//! - 2: adds records that end a key, receipts with the outcome of their unit which end by the log's
//!   clock, and, in the table `meta`, the log's bounds and its clock.
//!
//! A directory of format 1 is read as it is. It gets format 2 when it is first opened for writing:
//! FORMAT is on the device before anything is written that an earlier version would misread. There
//! is no way back.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;

use super::error::OpenError;

/// The format that this version writes.
const FORMAT: u32 = 2;

/// The earliest format that this version reads.
const EARLIEST: u32 = 1;

const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "LOCK";
const PREFIX: &str = "tidings journal, format ";

/// The beginning of the names of files that hold intact batches which were cut off.
pub(super) const CUT: &str = "cut-";

/// A directory that belongs to this process until this is dropped.
pub(super) struct Directory {
    dir: PathBuf,
    lock: Mutex<File>,
    format: u32,
}

impl Directory {
    /// Takes `dir`, or creates it.
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(OpenError::io(dir, "making the directory"))?;
        check_format(dir)?;
        let lock = Mutex::new(lock(dir)?);
        // Checked again, because the process that had the lock may have raised the format.
        let format = check_format(dir)?;
        let mut directory = Self {
            dir: dir.to_owned(),
            lock,
            format: format.unwrap_or_default(),
        };
        if format.is_none() {
            directory.raise_format()?;
        }
        Ok(directory)
    }

    /// Takes `dir` if it holds a log.
    pub(super) fn take_existing(dir: &Path) -> Result<Self, OpenError> {
        let Some(format) = check_format(dir)? else {
            let what = "there is no file FORMAT in it".to_owned();
            return Err(OpenError::Foreign {
                dir: dir.to_owned(),
                what,
            });
        };
        Ok(Self {
            dir: dir.to_owned(),
            lock: Mutex::new(lock(dir)?),
            format,
        })
    }

    /// Returns whether an earlier version can still open the directory.
    pub(super) fn has_earlier_format(&self) -> bool {
        self.format < FORMAT
    }

    /// Stores on the device that the directory has the format that this version writes.
    pub(super) fn raise_format(&mut self) -> Result<(), OpenError> {
        write_format(&self.dir).map_err(OpenError::io(&self.dir, "writing FORMAT"))?;
        self.format = FORMAT;
        Ok(())
    }

    /// Returns the path of the directory.
    pub(super) fn path(&self) -> &Path {
        &self.dir
    }

    /// Checks that the lock file is still there, and restores it if it was removed. Fails if
    /// another process has taken the directory in the meantime.
    #[cfg(unix)]
    pub(super) fn keep_lock(&self) -> Result<(), OpenError> {
        let mut ours = self.lock.lock();
        if is_named(&ours, &self.dir.join(LOCK_FILE)).unwrap_or(true) {
            return Ok(());
        }
        *ours = lock(&self.dir)?;
        tracing::warn!(
            "the file {LOCK_FILE} in {} was removed while the server was running, and was \
             restored: it keeps other processes out",
            self.dir.display()
        );
        Ok(())
    }

    /// Returns whether the directory's path still leads to it, so that files which are written by
    /// name end up in it.
    pub(super) fn is_ours(&self) -> bool {
        is_named(&self.lock.lock(), &self.dir.join(LOCK_FILE)).unwrap_or(false)
    }

    /// Fails while a storage engine has the tables open. The engine has a lock of its own, which
    /// holds even if ours was removed. Its files must not be touched while it is held.
    pub(super) fn check_engine(&self) -> Result<(), OpenError> {
        let in_use = || OpenError::InUse {
            dir: self.dir.clone(),
            by: None,
        };
        match File::open(self.db().join("lock")).map(|file| file.try_lock()) {
            Ok(Err(TryLockError::WouldBlock)) => Err(in_use()),
            // The engine's lock file is empty, and some backups leave empty files out. It is not
            // created here: if both locks were removed while a server runs, a second one would get
            // in.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::damaged(
                &self.dir,
                "the file db/lock is not there. It is empty: if no server uses the directory, \
                 `touch` it, and nothing is lost",
            )),
            _ => Ok(()), // the engine will report what is wrong
        }
    }

    /// Returns the path of the tables.
    pub(super) fn db(&self) -> PathBuf {
        self.dir.join("db")
    }

    /// Returns the path where tables are created before they are moved to their place. What is
    /// there is incomplete.
    pub(super) fn unfinished_db(&self) -> PathBuf {
        self.dir.join("db.new")
    }

    /// Returns the number of files with intact batches that were cut off the write-ahead log.
    pub(super) fn cut_files(&self) -> io::Result<u64> {
        let is_cut = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(CUT);
        Ok(fs::read_dir(&self.dir)?.flatten().filter(is_cut).count() as u64)
    }

    /// Returns the size of the tables' files on disk, in bytes.
    pub(super) fn table_bytes(&self) -> io::Result<u64> {
        bytes_below(&self.db().join("keyspaces"))
    }

    /// Returns the size of the directory on disk, in bytes.
    pub(super) fn disk_bytes(&self) -> io::Result<u64> {
        bytes_below(&self.dir)
    }
}

/// Syncs the entries of `dir` itself to the device.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Returns the size on disk of the files below `dir`. Files may vanish in the meantime, and what
/// may not be read does not belong to the log, like `lost+found`.
fn bytes_below(dir: &Path) -> io::Result<u64> {
    let foreign = |error: io::Error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            Ok(0)
        } else {
            Err(error)
        }
    };
    let gone = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            Ok(())
        } else {
            Err(error)
        }
    };
    let mut bytes = 0;
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => return gone(error).map(|()| 0),
    };
    for entry in entries {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                bytes += bytes_below(&entry.path()).or_else(foreign)?;
            }
            Ok(metadata) => bytes += allocated(&metadata),
            Err(error) => gone(error)?,
        }
    }
    Ok(bytes)
}

/// Returns the space that is allocated for a file, which is less than its length if it has holes.
#[cfg(unix)]
fn allocated(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

#[cfg(not(unix))]
fn allocated(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}

/// Returns the number in FORMAT, if that file exists and this version knows the format.
fn check_format(dir: &Path) -> Result<Option<u32>, OpenError> {
    let foreign = |what: &str| OpenError::Foreign {
        dir: dir.to_owned(),
        what: what.to_owned(),
    };
    let text = match fs::read(dir.join(FORMAT_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut entries =
                fs::read_dir(dir).map_err(OpenError::io(dir, "reading the directory"))?;
            // The directory may be a file system of its own, and ext4 puts `lost+found` into each.
            let ours = |name: &std::ffi::OsStr| {
                name == LOCK_FILE || name == "FORMAT.new" || name == "lost+found"
            };
            return match entries
                .find(|entry| !entry.as_ref().is_ok_and(|entry| ours(&entry.file_name())))
            {
                None => Ok(None),
                Some(Ok(_)) => Err(foreign(
                    "it is not empty, and there is no file FORMAT in it",
                )),
                Some(Err(error)) => Err(OpenError::io(dir, "reading the directory")(error)),
            };
        }
        Err(error) => return Err(OpenError::io(dir, "reading FORMAT")(error)),
    };
    let number = str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim_end().strip_prefix(PREFIX));
    let is_number =
        |number: &&str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match number
        .filter(is_number)
        .map(|number| number.parse().unwrap_or(u32::MAX))
    {
        Some(known @ EARLIEST..=FORMAT) => Ok(Some(known)),
        Some(found) if found > FORMAT => Err(OpenError::Newer {
            dir: dir.to_owned(),
            found,
            known: FORMAT,
        }),
        _ => Err(foreign("its file FORMAT says something else")),
    }
}

fn write_format(dir: &Path) -> io::Result<()> {
    let unfinished = dir.join("FORMAT.new");
    let mut file = File::create(&unfinished)?;
    writeln!(file, "{PREFIX}{FORMAT}")?;
    file.sync_all()?;
    fs::rename(unfinished, dir.join(FORMAT_FILE))?;
    sync_dir(dir)
}

/// Returns whether an earlier version wrote the log in `dir` and can still open it. When this
/// version first opens it for writing, it raises the format, and the earlier version refuses the
/// directory from then on. Changes nothing, and needs no lock.
pub fn has_earlier_format(dir: &Path) -> bool {
    check_format(dir).is_ok_and(|format| format.is_some_and(|format| format < FORMAT))
}

/// Returns whether there is a log in `dir`. Fails if [`Directory::take`] would, as far as that can
/// be seen. Changes nothing.
pub(super) fn probe(dir: &Path) -> Result<bool, OpenError> {
    if fs::symlink_metadata(dir).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(false);
    }
    let is_log = check_format(dir)?.is_some();
    match File::open(dir.join(LOCK_FILE)) {
        // The lock is held only for this check, and `lock` tries several times.
        Ok(mut file) if matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) => {
            Err(in_use(dir, &mut file))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(OpenError::io(dir, "opening LOCK")(error))
        }
        _ => Ok(is_log),
    }
}

/// Returns the error that another process has the lock, with the process id that it has written.
fn in_use(dir: &Path, lock: &mut File) -> OpenError {
    let mut text = String::new();
    let by = lock
        .read_to_string(&mut text)
        .ok()
        .and_then(|_| text.trim_end().parse().ok());
    OpenError::InUse {
        dir: dir.to_owned(),
        by,
    }
}

/// How often the lock is tried. A process may have removed the file in the meantime, or only check
/// whether it is locked.
const LOCK_TRIES: u32 = 10;

/// The time between two attempts. On a busy machine, a process that only checks may hold the lock
/// for a while.
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(20);

fn lock(dir: &Path) -> Result<File, OpenError> {
    lock_in_time(dir, || std::thread::sleep(LOCK_RETRY_INTERVAL))
}

/// Takes the lock. `pause` waits between two attempts.
fn lock_in_time(dir: &Path, mut pause: impl FnMut()) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let mut tries = 1..=LOCK_TRIES;
    let mut file = loop {
        let last = tries.next().is_none_or(|nth| nth == LOCK_TRIES);
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = file.map_err(OpenError::io(dir, "opening LOCK"))?;
        match file.try_lock() {
            // A lock on a file that was removed keeps no other process out.
            Ok(()) if !last && !is_named(&file, &path).unwrap_or(true) => {}
            Ok(()) => break file,
            Err(TryLockError::WouldBlock) if !last => pause(),
            Err(TryLockError::WouldBlock) => return Err(in_use(dir, &mut file)),
            Err(TryLockError::Error(error)) => {
                return Err(OpenError::io(dir, "locking LOCK")(error));
            }
        }
    };
    let mut sign = || {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    sign().map_err(OpenError::io(dir, "writing LOCK"))?;
    Ok(file)
}

#[cfg(unix)]
/// Returns the device and the inode number, which are equal for two names of one file.
pub(super) fn number(metadata: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Returns whether `path` leads to this file.
#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => Ok(number(&there) == number(&file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn is_named(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true) // an open file can't be removed
}

#[cfg(test)]
mod tests;
