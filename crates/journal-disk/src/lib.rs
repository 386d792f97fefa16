//! The log on disk: what was acknowledged outlives the process, and, as [`Sync`] says, the loss of power.
//!
//! # How it works
//!
//! All appends in flight go to one thread, which writes them in one batch, syncs once, and answers all. An entry is shown
//! to nobody before that. A topic's records lie side by side, so that a page of a topic is one range; reads go on while
//! the thread writes. In memory is an entry for each topic, and nothing for each record.
//!
//! A failed write or sync is final: the log refuses appends ([`Journal::health`] tells why), and reads go on. A directory
//! that is at its ceiling, with nothing left to let go of, refuses them too, until there is room.
//!
//! # Layout
//!
//! - [`Options`]: how a log is opened; [`Retention`]: how much it keeps
//! - `home`, `mark`, `times`: the directory, its lock and format; a position known to be safe; the log's time
//! - `place`: whether the directory is still where it was
//! - `tables`, `keys`, `codec`, `run`: what is written, in which tables of the storage engine
//! - `topics`: what is known of each topic, in memory
//! - [`look`](look()): whether a directory could be opened; `open`: from a directory to a log; `wal`, `manifest`: whether the storage engine may be let at its files
//! - `log`, `counters`: what the threads share; `committer`, `group`, `chore`, `syncer`: writing
//! - `reader`, `backwards`: reading, `damage`: around what can't be read any more; [`Inspection`], `verify`: looking at a
//!   directory that no server holds
//! - `janitor`, `trim`, `erase`, `ceiling`: what goes; `filter`: what is left out when the storage engine rewrites its files

mod backwards;
mod ceiling;
mod chore;
mod codec;
mod committer;
mod counters;
#[cfg(test)]
mod crash;
mod damage;
mod erase;
mod error;
mod filter;
#[cfg(test)]
mod full;
mod group;
mod home;
mod inspect;
mod janitor;
mod keys;
mod log;
mod look;
mod make;
mod manifest;
mod mark;
mod open;
mod options;
#[cfg(unix)]
mod place;
mod reader;
mod run;
mod syncer;
mod tables;
mod times;
mod topics;
mod trim;
mod verify;
mod wal;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

pub use error::OpenError;
pub use home::has_earlier_format;
pub use inspect::{Inspection, PoolStats, Stats, TopicStats};
pub use look::{Look, look};
pub use options::{Options, Retention, Rule, Sync};
pub use verify::Report;

use committer::{Committer, InFlight, Job};
use group::{Encoded, LONGEST_KEY, Unit};
use janitor::Janitor;
use keys::Kind;
use log::{Found, Log};
use tables::Commit;
use tidings_journal::{
    Append, Appended, Earlier, Epochs, Error, Holding, Journal, Kept, Limit, Page, Position, Selector, Tail, Timeline,
    TopicName, Vitals,
};

/// How many appends wait to be taken up, and how many KiB of memory they and those being written may take. Beyond it,
/// [`Journal::append`] waits.
const WAITING_APPENDS: usize = 4_096;
const WAITING_KIB: usize = 64 << 10;

/// The log on disk. Dropping it writes everything out and lets go of the directory.
pub struct Disk {
    log: Arc<Log>,
    jobs: Option<mpsc::Sender<Job>>,
    /// Room for what waits, in KiB.
    room: Arc<Semaphore>,
    committer: Option<JoinHandle<()>>,
    /// Threads that are woken by their sender, and end when it is dropped.
    helpers: Vec<(SyncSender<()>, JoinHandle<()>)>,
}

impl Disk {
    /// Opens a log for writing, making it if it is not there, and begins a new epoch. Waits for the device.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let found = open::for_writing(&options)?;
        let commit = Box::new(found.tables.db.clone());
        Self::start(found, options, commit)
    }

    fn start(found: Found, options: Options, commit: Box<dyn Commit>) -> Result<Self, OpenError> {
        let dir = options.dir.clone();
        let sync = options.sync;
        let log = Arc::new(Log::new(found, options));
        let (jobs, receiver) = mpsc::channel(WAITING_APPENDS);
        let committer = Committer::new(log.clone(), receiver, commit);
        let committer = spawn("journal-commit", &dir, || committer.run())?;
        let mut disk = Self {
            log,
            jobs: Some(jobs),
            room: Arc::new(Semaphore::new(WAITING_KIB)),
            committer: Some(committer),
            helpers: Vec::new(),
        };
        if let Sync::Interval(interval) = sync {
            disk.help("journal-sync", move |log, stop| syncer::run(&log, interval, &stop))?;
        }
        let jobs = disk.jobs.as_ref().map(mpsc::Sender::downgrade);
        if let Some(jobs) = jobs {
            // Here, and not in its thread: it is about the directory as it is now.
            let janitor = Janitor::new(disk.log.clone(), jobs);
            disk.help("journal-janitor", move |_, stop| janitor.run(&stop))?;
        }
        Ok(disk)
    }

    /// Starts a thread that ends with this log.
    fn help(&mut self, name: &str, run: impl FnOnce(Arc<Log>, Receiver<()>) + Send + 'static) -> Result<(), OpenError> {
        let (stop, stopped) = std::sync::mpsc::sync_channel(1);
        let log = self.log.clone();
        let thread = spawn(name, &self.log.options.dir, move || run(log, stopped))?;
        self.helpers.push((stop, thread));
        Ok(())
    }

    async fn send(&self, job: Job) -> Result<(), Error> {
        match &self.jobs {
            Some(jobs) if jobs.send(job).await.is_ok() => Ok(()),
            _ => Err(self.stopped()),
        }
    }

    /// The committer is gone.
    fn stopped(&self) -> Error {
        self.log.health().err().unwrap_or_else(|| self.log.close("its writing thread has ended; restart the server"))
    }

    /// Says where, and what to do.
    fn unreadable(&self, error: Error) -> Error {
        match error {
            Error::Damaged(why) | Error::Unreadable(why) => Error::Unreadable(format!(
                "{why}, in {}. Stop the server, then restore the directory from a backup or move it away",
                self.log.home.dir().display()
            )),
            other => other,
        }
    }

    /// Runs `read` where waiting for the device holds up nobody.
    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Log) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let log = self.log.clone();
        let permit = self.log.readers.clone().acquire_owned().await; // never closed
        let reading = move || {
            let done = read(&log);
            drop(permit); // not before: whoever asked may be gone, and the device still busy
            done
        };
        let done = tokio::task::spawn_blocking(reading).await;
        let done = done.unwrap_or_else(|error| Err(Error::Unreadable(format!("reading was broken off: {error}"))));
        done.map_err(|error| self.unreadable(error))
    }
}

#[async_trait::async_trait]
impl Journal for Disk {
    fn epochs(&self) -> Arc<Epochs> {
        self.log.epochs.clone()
    }

    fn head(&self) -> Position {
        self.log.head()
    }

    async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.log.health()?;
        let Append { records, receipt, condition, now_ms } = append;
        let records = records.into_iter().map(Encoded::new).collect::<Result<Vec<_>, _>>()?;
        let note = receipt.as_ref().map_or(0, |receipt| receipt.key.len() + receipt.value.len());
        if receipt.as_ref().is_some_and(|receipt| receipt.key.len() > LONGEST_KEY) {
            return Err(Error::TooLarge(format!("a receipt's key has at most {LONGEST_KEY} bytes")));
        }
        let weight = note + records.iter().map(Encoded::weight).sum::<usize>();
        // What is larger than all there is takes all there is: it is written alone.
        let share = u32::try_from((weight / 1_024 + 1).min(WAITING_KIB)).unwrap_or(u32::MAX);
        let permit = self.room.clone().acquire_many_owned(share).await.map_err(|_| self.stopped())?;
        let (answer, answered) = oneshot::channel();
        let since = Instant::now();
        let unit = Unit { records, receipt, condition, now_ms };
        self.send(Job::Append(InFlight { unit, weight, permit, since, answer })).await?;
        answered.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<Kept>, Error> {
        let key = key.to_vec();
        self.reading(move |log| log.receipt(&key, log.log_ms())).await
    }

    fn tail(&self) -> Box<dyn Tail> {
        self.log.tails.open()
    }

    async fn read(&self, selector: &Selector, after: Position, until: Position, limit: Limit) -> Result<Page, Error> {
        let selector = selector.clone();
        self.reading(move |log| log.page(&selector, &reader::ALL, after, until, limit)).await
    }

    async fn read_keyed(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        let selector = selector.clone();
        self.reading(move |log| log.page(&selector, &[Kind::Keyed], after, until, limit)).await
    }

    async fn read_before(&self, selector: &Selector, before: Position, limit: Limit) -> Result<Earlier, Error> {
        let selector = selector.clone();
        self.reading(move |log| log.page_before(&selector, before, limit)).await
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        let selector = selector.clone();
        self.reading(move |log| log.oldest(&selector)).await
    }

    fn floor(&self, selector: &Selector) -> Position {
        self.log.topics.read().floor(selector)
    }

    fn knows(&self, topic: &TopicName) -> bool {
        self.log.topics.read().get(topic).is_some()
    }

    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        self.log.topics.read().holding(prefix, after, most)
    }

    async fn erase(&self, topics: &[TopicName], until: Position) -> Result<Vec<(TopicName, Position)>, Error> {
        // Also while appends are refused for want of room: it makes some.
        let jobs = self.jobs.as_ref().map(mpsc::Sender::downgrade).ok_or_else(|| self.stopped())?;
        let topics = topics.to_vec();
        self.reading(move |log| erase::erase(log, &jobs, &topics, until)).await
    }

    fn expire(&self, now_ms: i64) {
        self.log.floors.set_now(now_ms);
        self.log.tell_time(now_ms);
        for (wake, _) in &self.helpers {
            let _ = wake.try_send(()); // full: it is about to wake
        }
    }

    fn log_ms(&self) -> i64 {
        self.log.log_ms()
    }

    fn kept_time(&self) -> Option<Timeline> {
        times::read(self.log.home.dir())
    }

    fn keep_time(&self, timeline: &Timeline) {
        self.log.keep_time(timeline);
    }

    fn health(&self) -> Result<(), Error> {
        self.log.health()
    }

    fn vitals(&self) -> Vitals {
        self.log.vitals()
    }

    async fn close(&self) {
        self.log.begin_to_close();
        let (answer, answered) = oneshot::channel();
        if self.send(Job::Close(answer)).await.is_ok() {
            let _ = answered.await; // an error is the log's state by now
        }
        // Here and not only when the log is dropped: a process that ends may not get that far.
        let log = self.log.clone();
        let _ = tokio::task::spawn_blocking(move || log.mark()).await;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.log.begin_to_close();
        for (stop, thread) in self.helpers.drain(..) {
            drop(stop);
            let _ = thread.join(); // a panic has been told by then
        }
        self.jobs = None;
        if let Some(committer) = self.committer.take() {
            let _ = committer.join();
        }
        self.log.mark();
    }
}

fn spawn(name: &str, dir: &Path, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(OpenError::io(dir, "starting a thread"))
}
