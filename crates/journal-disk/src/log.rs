//! What the threads of a log share, and whether it still takes appends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use fjall::Snapshot;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use super::ceiling::{Ceiling, Trimmed};
use super::chore::Chore;
use super::counters::Counters;
use super::damage::Holes;
use super::error::{OpenError, describe};
use super::filter::Floors;
use super::home::Home;
use super::mark::Mark;
use super::options::Options;
use super::tables::Tables;
use super::topics::Topics;
use tidings_journal::{DiskVitals, Epochs, Error, LogClock, Position, Tails, Timeline, Vitals};

/// A log that is open for writing.
pub(super) struct Log {
    pub(super) options: Options,
    pub(super) epochs: Arc<Epochs>,
    pub(super) topics: RwLock<Topics>,
    pub(super) floors: Arc<Floors>,
    pub(super) tails: Tails,
    /// What the janitor wants to have written.
    pub(super) chores: Mutex<Vec<Chore>>,
    /// Held by whoever trims, from when it looks at a topic until what it decided is written: what two decided at the same
    /// time would be discounted twice.
    pub(super) trimming: Mutex<()>,
    /// What was trimmed and may still be on disk.
    pub(super) trimmed: Mutex<Trimmed>,
    /// What can't be read any more.
    pub(super) holes: Holes,
    /// How many bytes may be appended before the directory is looked at again.
    room: AtomicU64,
    /// How many pages are read at the same time.
    pub(super) readers: Arc<Semaphore>,
    pub(super) counters: Counters,
    /// What the directory took when it was last looked at; `u64::MAX` before.
    disk_bytes: AtomicU64,
    /// How many files there are with what was cut off the write-ahead log though it was whole.
    cut_files: AtomicU64,
    /// When the oldest record without a key was published, as of the last look; `i64::MAX` if that is not known.
    oldest_ms: AtomicI64,
    /// What readers see.
    view: RwLock<Arc<View>>,
    head: AtomicU64,
    synced: AtomicU64,
    checkpoint: AtomicU64,
    /// The log's clock, and its time as it stands written.
    pub(super) clock: Mutex<LogClock>,
    clock_written_ms: AtomicI64,
    /// Whether the log is about to be closed: nobody waits for room any more.
    closing: AtomicBool,
    /// Whether they are refused because a write or a sync failed.
    failed: AtomicBool,
    /// Why appends are refused for good.
    closed: RwLock<Option<String>>,
    /// Why they are refused for now.
    stalled: RwLock<Option<String>>,
    pub(super) tables: Tables,
    /// The last to go: until then, nobody else may open the directory.
    pub(super) home: Home,
}

/// The log as it was after one step: a record with a key and the one that it took the place of are never both there, nor
/// both gone.
pub(super) struct View {
    pub(super) head: Position,
    pub(super) snapshot: Snapshot,
}

/// What was found in a directory.
pub(super) struct Found {
    pub(super) home: Home,
    pub(super) tables: Tables,
    pub(super) floors: Arc<Floors>,
    pub(super) topics: Topics,
    pub(super) epochs: Epochs,
    pub(super) head: Position,
    /// Up to where the counts of all topics were written down.
    pub(super) checkpoint: Position,
    pub(super) clock: LogClock,
}

/// More at once would not be faster: they wait for one device.
pub(super) const READERS: usize = 32;

impl Log {
    pub(super) fn new(found: Found, options: Options) -> Self {
        Self {
            options,
            epochs: Arc::new(found.epochs),
            topics: RwLock::new(found.topics),
            floors: found.floors,
            tails: Tails::default(),
            chores: Mutex::default(),
            trimming: Mutex::default(),
            trimmed: Mutex::default(),
            holes: Holes::default(),
            room: AtomicU64::new(u64::MAX),
            readers: Arc::new(Semaphore::new(READERS)),
            counters: Counters::default(),
            disk_bytes: AtomicU64::new(u64::MAX),
            cut_files: AtomicU64::new(found.home.cut_files().unwrap_or_default()),
            oldest_ms: AtomicI64::new(i64::MAX),
            view: RwLock::new(Arc::new(View { head: found.head, snapshot: found.tables.db.snapshot() })),
            head: AtomicU64::new(found.head.get()),
            synced: AtomicU64::new(found.head.get()),
            checkpoint: AtomicU64::new(found.checkpoint.get()),
            clock_written_ms: AtomicI64::new(found.clock.now_ms()),
            clock: Mutex::new(found.clock),
            closing: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            closed: RwLock::new(None),
            stalled: RwLock::new(None),
            tables: found.tables,
            home: found.home,
        }
    }

    /// The last position for which the promise holds.
    pub(super) fn head(&self) -> Position {
        Position::new(self.head.load(Ordering::Acquire))
    }

    /// The last position that is known to be on the device.
    pub(super) fn synced(&self) -> Position {
        Position::new(self.synced.load(Ordering::Acquire))
    }

    /// Up to where the counts of all topics are written down: what comes after is read at the next start.
    pub(super) fn checkpoint(&self) -> Position {
        Position::new(self.checkpoint.load(Ordering::Acquire))
    }

    pub(super) fn set_checkpoint(&self, position: Position) {
        self.checkpoint.store(position.get(), Ordering::Release);
    }

    /// Tells the log's clock the time. Returns the log's.
    pub(super) fn tell_time(&self, told_ms: i64) -> i64 {
        let mut clock = self.clock.lock();
        let now_ms = clock.tell(told_ms);
        self.floors.set_log_ms(now_ms); // under the lock, so that it never goes back
        now_ms
    }

    /// What the log's clock says.
    pub(super) fn log_ms(&self) -> i64 {
        self.floors.log_ms()
    }

    /// Notes what of the log's clock is written.
    pub(super) fn set_clock_written(&self, written: &LogClock) {
        self.clock_written_ms.store(written.now_ms(), Ordering::Relaxed);
    }

    /// By how many milliseconds the log's clock went on since it was written. By none if it never was: it is with the first append.
    pub(super) fn clock_unwritten_ms(&self) -> i64 {
        let written_ms = self.clock_written_ms.load(Ordering::Relaxed);
        if written_ms == 0 { 0 } else { self.log_ms().saturating_sub(written_ms) }
    }

    /// What there is to read.
    pub(super) fn view(&self) -> Arc<View> {
        self.view.read().clone()
    }

    /// Shows what was appended up to `head`.
    pub(super) fn show(&self, head: Position) {
        let view = Arc::new(View { head, snapshot: self.tables.db.snapshot() });
        *self.view.write() = view;
        self.head.store(head.get(), Ordering::Release);
    }

    pub(super) fn set_synced(&self, position: Position) {
        self.synced.fetch_max(position.get(), Ordering::AcqRel);
        self.floors.set_head(self.synced());
    }

    /// Whether nothing may be appended before the directory was looked at, or has shrunk.
    pub(super) fn is_full(&self) -> bool {
        self.room.load(Ordering::Acquire) == 0
    }

    /// Says how many bytes may be appended before the directory is looked at again.
    pub(super) fn set_room(&self, bytes: u64) {
        self.room.store(bytes, Ordering::Release);
    }

    /// Notes that so much is about to be appended.
    pub(super) fn take_room(&self, bytes: u64) {
        let take = |room: u64| Some(room.saturating_sub(bytes));
        let _ = self.room.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
    }

    pub(super) fn set_disk_bytes(&self, bytes: u64) {
        self.disk_bytes.store(bytes, Ordering::Relaxed);
    }

    /// See [`Journal::keep_time`](tidings_journal::Journal::keep_time).
    pub(super) fn keep_time(&self, timeline: &Timeline) {
        if self.floors.set_timeline(timeline) {
            self.topics.write().forget_ages();
        }
    }

    /// By how many milliseconds the log's time is ahead of the wall clock's.
    pub(super) fn skew(&self) -> i64 {
        self.floors.timeline().map_or(0, |timeline| timeline.skew())
    }

    /// Looks whether the operator has removed what was cut off.
    pub(super) fn look_for_cut_files(&self) {
        if self.cut_files.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Ok(cut) = self.home.cut_files() {
            let before = self.cut_files.swap(cut, Ordering::Relaxed);
            if cut == 0 && before > 0 {
                tracing::info!(
                    "what was cut off the journal in {} was removed: it is well again",
                    self.home.dir().display()
                );
            }
        }
    }

    pub(super) fn set_oldest(&self, at_ms: Option<i64>) {
        self.oldest_ms.store(at_ms.unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// What [`Journal::vitals`](tidings_journal::Journal::vitals) returns.
    pub(super) fn vitals(&self) -> Vitals {
        let Counters { batches, records, trimmed, topics_trimmed, appends, syncs } = &self.counters;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let ceiling = Ceiling::bytes(self);
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
            // As the wall clock would say it.
            oldest_ms: (oldest_ms < i64::MAX).then(|| oldest_ms.saturating_sub(self.skew())),
            keyed,
            disk: Some(DiskVitals {
                failed: self.failed.load(Ordering::Acquire),
                damaged: self.holes.count() as u64,
                cut: read(&self.cut_files),
                bytes: Some(read(&self.disk_bytes)).filter(|bytes| *bytes < u64::MAX),
                ceiling: (ceiling < u64::MAX).then_some(ceiling),
                batches: read(batches),
                records: read(records),
                appends: appends.read(),
                syncs: syncs.read(),
            }),
        }
    }

    /// Whether appends are taken.
    pub(super) fn health(&self) -> Result<(), Error> {
        let why = self.closed.read().clone().or_else(|| self.stalled.read().clone());
        why.map_or(Ok(()), |why| Err(Error::Closed(why)))
    }

    /// Whether the log is not closed, for good. Appends may be refused for now.
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

    /// Takes appends again, if they were refused for now.
    pub(super) fn recover(&self) {
        if self.stalled.write().take().is_some() {
            tracing::info!("the journal in {} takes appends again", self.home.dir().display());
        }
    }

    /// Whether appends are refused for now.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.read().is_some()
    }

    /// Lets nobody wait for room any more.
    pub(super) fn begin_to_close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Notes up to where everything is on the device, unless another log has taken the place of this one.
    pub(super) fn mark(&self) {
        if self.home.is_ours()
            && let Ok(mut mark) = Mark::open(self.home.dir())
        {
            let _ = mark.set(self.synced()); // it may be old
        }
    }

    /// Whether the log is about to be closed.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Refuses appends from now on. The first reason stays.
    pub(super) fn close(&self, why: &str) -> Error {
        Error::Closed(self.closed.write().get_or_insert_with(|| why.to_owned()).clone())
    }

    /// Refuses appends for good, because a write or a sync failed. It is not tried again: after a failed sync the system
    /// may have dropped what was to be written, and report the next one as good (Rebello et al., USENIX ATC 2020).
    pub(super) fn fail(&self, what: &str, error: &fjall::Error) -> Error {
        let dir = self.home.dir().display();
        let error = describe(error);
        self.give_up(&format!(
            "{what} in {dir} failed: {error}. Nothing more is written, and what was acknowledged is kept; see to the disk \
             (is it full?), then restart the server"
        ))
    }

    /// Refuses appends for good, because the directory is not there any more: its files are written to, but nobody would find
    /// them.
    pub(super) fn fail_without_directory(&self) -> Error {
        let dir = self.home.dir().display();
        self.give_up(&format!(
            "{dir} was removed, or another directory took its place, while the server was running. Nothing more is written; \
             put it back, or restart the server to begin with what is there now"
        ))
    }

    /// Refuses appends for good, because the directory can't be kept from others any more.
    pub(super) fn fail_to_keep(&self, error: &OpenError) -> Error {
        self.give_up(&format!(
            "the lock was removed while the server was running, and can't be taken again: {error}. Nothing more is written; \
             restart the server when nobody else has the directory"
        ))
    }

    fn give_up(&self, why: &str) -> Error {
        let was_open = self.is_open();
        let closed = self.close(why);
        self.failed.store(true, Ordering::Release);
        if was_open {
            tracing::error!("{closed}");
        }
        self.chores.lock().clear(); // whoever waits for one is told
        closed
    }
}

/// Turns a log red if the thread that holds this ends by a panic: nobody else would notice.
pub(super) struct Watch {
    log: Arc<Log>,
    what: &'static str,
}

impl Watch {
    /// `what` is what the thread does.
    pub(super) fn new(log: Arc<Log>, what: &'static str) -> Self {
        Self { log, what }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.log.fail(self.what, &std::io::Error::other("the thread has panicked").into());
        }
    }
}
