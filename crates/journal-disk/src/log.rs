//! The state that the threads of a log share, and whether the log takes appends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use fjall::Snapshot;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use super::counters::Counters;
use super::damaged_ranges::DamagedRanges;
use super::directory::Directory;
use super::error::{OpenError, describe};
use super::filter::Floors;
use super::garbage::Garbage;
use super::maintenance::MaintenanceWrite;
use super::options::Options;
use super::tables::Tables;
use super::topics::Topics;
use super::watermark::Watermark;
use tidings_journal::{DiskVitals, Epochs, Error, LogClock, Position, Tails, Timeline, Vitals};

/// A log that is open for writing.
pub(super) struct Log {
    pub(super) options: Options,
    pub(super) epochs: Arc<Epochs>,
    pub(super) topics: RwLock<Topics>,
    pub(super) floors: Arc<Floors>,
    pub(super) tails: Tails,
    /// The maintenance writes that wait for the committer.
    pub(super) maintenance: Mutex<Vec<MaintenanceWrite>>,
    /// Locked while a thread trims, from examining a topic until the decision is written. Otherwise
    /// two threads could subtract the same records from the counts.
    pub(super) trimming: Mutex<()>,
    /// What was trimmed and may still be on disk.
    pub(super) garbage: Mutex<Garbage>,
    /// The ranges that can't be read any more.
    pub(super) damaged_ranges: DamagedRanges,
    /// How many bytes may be appended before the directory is measured again.
    headroom: AtomicU64,
    /// Limits how many reads run at the same time.
    pub(super) readers: Arc<Semaphore>,
    pub(super) counters: Counters,
    /// The size of the directory in bytes when it was last measured, or `u64::MAX` before.
    disk_bytes: AtomicU64,
    /// The number of files that hold intact batches which were cut off the write-ahead log.
    cut_files: AtomicU64,
    /// When the oldest record without a key was published, when it was last examined; `i64::MAX` if
    /// it is not known.
    oldest_ms: AtomicI64,
    /// What readers see.
    view: RwLock<Arc<View>>,
    head: AtomicU64,
    synced: AtomicU64,
    checkpoint: AtomicU64,
    /// The log's clock, and its time that was written last.
    pub(super) clock: Mutex<LogClock>,
    clock_written_ms: AtomicI64,
    /// Whether the log is about to be closed, so that no append waits for space any more.
    closing: AtomicBool,
    /// Whether appends are refused because a write or a sync failed.
    failed: AtomicBool,
    /// Why appends are refused for good.
    closed: RwLock<Option<String>>,
    /// Why appends are refused for now.
    stalled: RwLock<Option<String>>,
    pub(super) tables: Tables,
    /// The directory, which is dropped last: until then, no other process may open it.
    pub(super) directory: Directory,
}

/// The log after one step. A record with a key and the record that it replaced are never both
/// visible, nor both missing.
pub(super) struct View {
    pub(super) head: Position,
    pub(super) snapshot: Snapshot,
}

/// The state of a log as it was recovered from a directory.
pub(super) struct RecoveredLog {
    pub(super) directory: Directory,
    pub(super) tables: Tables,
    pub(super) floors: Arc<Floors>,
    pub(super) topics: Topics,
    pub(super) epochs: Epochs,
    pub(super) head: Position,
    /// The position up to which the counts of all topics are stored.
    pub(super) checkpoint: Position,
    pub(super) clock: LogClock,
}

/// The most reads at the same time. More would not be faster, because all wait for one device.
pub(super) const MAX_CONCURRENT_READS: usize = 32;

impl Log {
    pub(super) fn new(recovered: RecoveredLog, options: Options) -> Self {
        Self {
            options,
            epochs: Arc::new(recovered.epochs),
            topics: RwLock::new(recovered.topics),
            floors: recovered.floors,
            tails: Tails::default(),
            maintenance: Mutex::default(),
            trimming: Mutex::default(),
            garbage: Mutex::default(),
            damaged_ranges: DamagedRanges::default(),
            headroom: AtomicU64::new(u64::MAX),
            readers: Arc::new(Semaphore::new(MAX_CONCURRENT_READS)),
            counters: Counters::default(),
            disk_bytes: AtomicU64::new(u64::MAX),
            cut_files: AtomicU64::new(recovered.directory.cut_files().unwrap_or_default()),
            oldest_ms: AtomicI64::new(i64::MAX),
            view: RwLock::new(Arc::new(View {
                head: recovered.head,
                snapshot: recovered.tables.db.snapshot(),
            })),
            head: AtomicU64::new(recovered.head.get()),
            synced: AtomicU64::new(recovered.head.get()),
            checkpoint: AtomicU64::new(recovered.checkpoint.get()),
            clock_written_ms: AtomicI64::new(recovered.clock.now_ms()),
            clock: Mutex::new(recovered.clock),
            closing: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            closed: RwLock::new(None),
            stalled: RwLock::new(None),
            tables: recovered.tables,
            directory: recovered.directory,
        }
    }

    /// Returns the last position that is as durable as the log promises.
    pub(super) fn head(&self) -> Position {
        Position::new(self.head.load(Ordering::Acquire))
    }

    /// Returns the last position that is known to be on the device.
    pub(super) fn synced(&self) -> Position {
        Position::new(self.synced.load(Ordering::Acquire))
    }

    /// Returns the position up to which the counts of all topics are stored. The next start reads
    /// what comes after it.
    pub(super) fn checkpoint(&self) -> Position {
        Position::new(self.checkpoint.load(Ordering::Acquire))
    }

    pub(super) fn set_checkpoint(&self, position: Position) {
        self.checkpoint.store(position.get(), Ordering::Release);
    }

    /// Reports a time to the log's clock, and returns the log's time.
    pub(super) fn tell_time(&self, told_ms: i64) -> i64 {
        let mut clock = self.clock.lock();
        let now_ms = clock.tell(told_ms);
        self.floors.set_log_ms(now_ms); // under the lock, so that it never goes back
        now_ms
    }

    /// Returns the time of the log's clock.
    pub(super) fn log_ms(&self) -> i64 {
        self.floors.log_ms()
    }

    /// Records that `written` is the state of the clock that is stored.
    pub(super) fn set_clock_written(&self, written: &LogClock) {
        self.clock_written_ms
            .store(written.now_ms(), Ordering::Relaxed);
    }

    /// Returns by how many milliseconds the log's clock has advanced since it was written. Zero if
    /// it was never written, because the first append writes it.
    pub(super) fn clock_unwritten_ms(&self) -> i64 {
        let written_ms = self.clock_written_ms.load(Ordering::Relaxed);
        if written_ms == 0 {
            0
        } else {
            self.log_ms().saturating_sub(written_ms)
        }
    }

    /// Returns what readers see now.
    pub(super) fn view(&self) -> Arc<View> {
        self.view.read().clone()
    }

    /// Shows readers what was appended up to `head`.
    pub(super) fn show(&self, head: Position) {
        let view = Arc::new(View {
            head,
            snapshot: self.tables.db.snapshot(),
        });
        *self.view.write() = view;
        self.head.store(head.get(), Ordering::Release);
    }

    pub(super) fn set_synced(&self, position: Position) {
        self.synced.fetch_max(position.get(), Ordering::AcqRel);
        self.floors.set_head(self.synced());
    }

    /// Returns whether nothing may be appended until the directory is measured again or has shrunk.
    pub(super) fn is_full(&self) -> bool {
        self.headroom.load(Ordering::Acquire) == 0
    }

    /// Sets how many bytes may be appended before the directory is measured again.
    pub(super) fn set_headroom(&self, bytes: u64) {
        self.headroom.store(bytes, Ordering::Release);
    }

    /// Subtracts bytes that are about to be appended from the headroom.
    pub(super) fn reserve(&self, bytes: u64) {
        let take = |headroom: u64| Some(headroom.saturating_sub(bytes));
        let _ = self
            .headroom
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
    }

    pub(super) fn set_disk_bytes(&self, bytes: u64) {
        self.disk_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Ages records by `timeline`, see [`Journal::keep_time`](tidings_journal::Journal::keep_time).
    pub(super) fn keep_time(&self, timeline: &Timeline) {
        if self.floors.set_timeline(timeline) {
            self.topics.write().forget_ages();
        }
    }

    /// Returns by how many milliseconds log time is ahead of the wall clock.
    pub(super) fn skew(&self) -> i64 {
        self.floors.timeline().map_or(0, |timeline| timeline.skew())
    }

    /// Checks whether the operator has removed the files with what was cut off.
    pub(super) fn check_cut_files(&self) {
        if self.cut_files.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Ok(cut) = self.directory.cut_files() {
            let before = self.cut_files.swap(cut, Ordering::Relaxed);
            if cut == 0 && before > 0 {
                tracing::info!(
                    "the files with what was cut off the journal in {} were removed; the journal \
                     counts as intact again",
                    self.directory.path().display()
                );
            }
        }
    }

    pub(super) fn set_oldest(&self, at_ms: Option<i64>) {
        self.oldest_ms
            .store(at_ms.unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Returns figures for monitoring, see [`Journal::vitals`](tidings_journal::Journal::vitals).
    pub(super) fn vitals(&self) -> Vitals {
        let Counters {
            batches,
            records,
            trimmed,
            topics_trimmed,
            appends,
            syncs,
        } = &self.counters;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let ceiling = self.options.ceiling_bytes();
        let oldest_ms = self.oldest_ms.load(Ordering::Relaxed);
        let (kept, topics, keyed) = {
            let topics = self.topics.read();
            (topics.totals().0, topics.held(), topics.pool_vitals())
        };
        Vitals {
            kept: Some(kept),
            trimmed: Some(read(trimmed)),
            topics: Some(topics as u64),
            topics_trimmed: Some(read(topics_trimmed)),
            // Converted to the wall clock's time.
            oldest_ms: (oldest_ms < i64::MAX).then(|| oldest_ms.saturating_sub(self.skew())),
            keyed,
            disk: Some(DiskVitals {
                failed: self.failed.load(Ordering::Acquire),
                damaged: self.damaged_ranges.count() as u64,
                cut: read(&self.cut_files),
                bytes: Some(read(&self.disk_bytes)).filter(|bytes| *bytes < u64::MAX),
                ceiling: (ceiling < u64::MAX).then_some(ceiling),
                batches: read(batches),
                records: read(records),
                appends: appends.read(),
                syncs: syncs.read(),
            }),
            broker: None,
        }
    }

    /// Returns an error unless the log takes appends.
    pub(super) fn health(&self) -> Result<(), Error> {
        let why = self
            .closed
            .read()
            .clone()
            .or_else(|| self.stalled.read().clone());
        why.map_or(Ok(()), |why| Err(Error::Closed(why)))
    }

    /// Returns whether the log is not closed for good. It may refuse appends for now.
    pub(super) fn is_open(&self) -> bool {
        self.closed.read().is_none()
    }

    /// Refuses appends for now.
    pub(super) fn stall(&self, why: &str) -> Error {
        let mut stalled = self.stalled.write();
        if stalled.is_none() {
            tracing::error!("{why}");
        }
        Error::Closed(stalled.get_or_insert_with(|| why.to_owned()).clone())
    }

    /// Takes appends again if they were refused for now.
    pub(super) fn recover(&self) {
        if self.stalled.write().take().is_some() {
            tracing::info!(
                "the journal in {} accepts appends again",
                self.directory.path().display()
            );
        }
    }

    /// Returns whether appends are refused for now.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.read().is_some()
    }

    /// Makes appends that wait for space fail, because the log is about to be closed.
    pub(super) fn begin_to_close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Writes the position up to which everything is on the device, unless another log has replaced
    /// this one.
    pub(super) fn write_watermark(&self) {
        if self.directory.is_ours()
            && let Ok(mut watermark) = Watermark::open(self.directory.path())
        {
            let _ = watermark.set(self.synced()); // an older watermark is not wrong
        }
    }

    /// Returns whether the log is about to be closed.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Refuses appends from now on. If it is called again, the first reason stays.
    pub(super) fn close(&self, why: &str) -> Error {
        Error::Closed(
            self.closed
                .write()
                .get_or_insert_with(|| why.to_owned())
                .clone(),
        )
    }

    /// Refuses appends for good because a write or a sync failed. The operation is not tried again:
    /// after a failed sync, the operating system may have dropped the data and report the next sync
    /// as successful (Rebello et al., USENIX ATC 2020).
    pub(super) fn fail(&self, what: &str, error: &fjall::Error) -> Error {
        let dir = self.directory.path().display();
        let error = describe(error);
        self.give_up(&format!(
            "{what} in {dir} failed: {error}. Nothing more is written, and what was acknowledged \
             is kept; see to the disk (is it full?), then restart the server"
        ))
    }

    /// Refuses appends for good because the directory is gone. The open files can still
    /// be written to, but can't be found by name any more.
    pub(super) fn fail_without_directory(&self) -> Error {
        let dir = self.directory.path().display();
        self.give_up(&format!(
            "{dir} was removed, or another directory took its place, while the server was \
             running. Nothing more is written; put it back, or restart the server to begin with \
             what is there now"
        ))
    }

    /// Refuses appends for good because other processes can't be kept out of the directory any
    /// more.
    pub(super) fn fail_without_lock(&self, error: &OpenError) -> Error {
        self.give_up(&format!(
            "the file LOCK was removed while the server was running, and can't be locked again: \
             {error}. Nothing more is written; restart the server when no other process uses the \
             directory"
        ))
    }

    fn give_up(&self, why: &str) -> Error {
        let was_open = self.is_open();
        let closed = self.close(why);
        self.failed.store(true, Ordering::Release);
        if was_open {
            tracing::error!("{closed}");
        }
        self.maintenance.lock().clear(); // drops the senders, which tells the waiting threads
        closed
    }
}

/// Marks the log as failed if the thread that holds this guard panics. Nothing else would notice.
pub(super) struct PanicGuard {
    log: Arc<Log>,
    what: &'static str,
}

impl PanicGuard {
    /// `what` tells what the thread does.
    pub(super) fn new(log: Arc<Log>, what: &'static str) -> Self {
        Self { log, what }
    }
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.log.fail(
                self.what,
                &std::io::Error::other("the thread has panicked").into(),
            );
        }
    }
}
