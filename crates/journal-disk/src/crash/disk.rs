//! A disk that fails, and what a crash leaves of its files.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fjall::{Database, OwnedWriteBatch};
use parking_lot::Mutex;

use super::super::Disk;
use super::super::tables::Commit;

/// The fault that a commit meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing of the batch is written, because the disk is full.
    NoSpace,
    /// The write fails in the middle.
    Torn,
    /// The batch is written, but the sync fails. It is unknown what is on the device.
    NoSync,
}

/// A disk that fails at one step.
pub(super) struct Faulty {
    pub(super) database: Database,
    pub(super) dir: PathBuf,
    pub(super) steps: Arc<Mutex<Steps>>,
}

pub(super) struct Steps {
    /// How many commits succeed before the one that fails.
    pub(super) left: usize,
    pub(super) fault: Fault,
    /// Whether the fault was met.
    pub(super) failed: bool,
    /// The write-ahead log's active file when it was last synced, and its length then.
    pub(super) synced: (PathBuf, u64),
    /// The files of the tables at that time.
    pub(super) tables: Vec<PathBuf>,
}

impl Steps {
    /// Creates a plan in which `left` commits succeed and the next one meets `fault`.
    pub(super) fn new(left: usize, fault: Fault) -> Arc<Mutex<Self>> {
        let synced = (PathBuf::new(), 0);
        Arc::new(Mutex::new(Self {
            left,
            fault,
            failed: false,
            synced,
            tables: Vec::new(),
        }))
    }
}

impl Commit for Faulty {
    fn commit(&mut self, batch: OwnedWriteBatch, sync: bool) -> Result<(), fjall::Error> {
        let fault = {
            let mut steps = self.steps.lock();
            let fault = (steps.left == 0).then_some(steps.fault);
            steps.left = steps.left.saturating_sub(1);
            steps.failed |= fault.is_some();
            fault
        };
        match fault {
            Some(Fault::NoSpace) => Err(io::Error::from(io::ErrorKind::StorageFull).into()),
            // How far the write got is decided when the files are copied, see `cut_off`.
            Some(Fault::NoSync | Fault::Torn) => {
                self.database.commit(batch, false)?;
                Err(io::Error::other("the device does not answer").into())
            }
            None => {
                self.database.commit(batch, sync)?;
                if sync {
                    self.note();
                }
                Ok(())
            }
        }
    }

    fn sync(&mut self) -> Result<(), fjall::Error> {
        self.database.sync()?;
        self.note();
        Ok(())
    }
}

impl Faulty {
    pub(super) fn note(&self) {
        let (active, known) = {
            let steps = self.steps.lock();
            let active = active_log(&self.dir);
            (
                active.clone(),
                if steps.synced.0 == active {
                    steps.synced.1
                } else {
                    0
                },
            )
        };
        let used = used_bytes(&active, known).unwrap_or(known);
        let tables = tables(&self.dir);
        let mut steps = self.steps.lock();
        (steps.synced, steps.tables) = ((active, used), tables);
    }
}

/// Returns the files of the tables.
pub(super) fn tables(dir: &Path) -> Vec<PathBuf> {
    let files = listing(&dir.join("db/keyspaces")).into_iter();
    files
        .map(|(path, ..)| {
            path.strip_prefix(dir)
                .map(Path::to_owned)
                .unwrap_or_default()
        })
        .collect()
}

/// Returns the active file of the write-ahead log.
pub(super) fn active_log(dir: &Path) -> PathBuf {
    let logs = fs::read_dir(dir.join("db"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let number = |path: &PathBuf| {
        path.file_stem()
            .and_then(|stem| stem.to_str()?.parse::<u64>().ok())
    };
    let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    logs.max_by_key(number).unwrap()
}

/// Returns where the zeros at the end of a file begin, at or after `from`. The engine writes
/// nothing that contains as many zeros in a row.
pub(super) fn used_bytes(path: &Path, from: u64) -> io::Result<u64> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let (mut used, mut at) = (from, from);
    let mut chunk = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut chunk)?;
        let Some(last) = chunk[..read].iter().rposition(|&byte| byte != 0) else {
            return Ok(used);
        };
        used = at + last as u64 + 1;
        at += read as u64;
    }
}

/// Copies the files of a log that may still be trimming, until nothing changes during the copy.
pub(super) fn copy_while_quiet(log: &Disk, from: &Path, to: &Path) {
    for _ in 0..1_000 {
        let before = listing(from);
        let busy = log.log.tables.db.outstanding_flushes() + log.log.tables.db.active_compactions();
        let _ = fs::remove_dir_all(to);
        if busy == 0 && copy(from, to).is_ok() && listing(from) == before {
            return;
        }
        std::thread::sleep(Duration::from_millis(2)); // the engine's threads are at work
    }
    panic!("the log does not come to rest");
}

pub(super) fn listing(dir: &Path) -> Vec<(PathBuf, u64, Option<std::time::SystemTime>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => files.extend(listing(&path)),
            Ok(metadata) => files.push((path, metadata.len(), metadata.modified().ok())),
            Err(_) => files.push((path, 0, None)),
        }
    }
    files.sort_unstable();
    files
}

/// Copies a directory. Holes at the end of a file stay holes.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.metadata()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            let length = entry.metadata()?.len();
            let used = used_bytes(&entry.path(), 0)?;
            let mut source = File::open(entry.path())?.take(used);
            let mut copied = File::create(target)?;
            io::copy(&mut source, &mut copied)?;
            copied.set_len(length)?;
        }
    }
    Ok(())
}
