//! The log on disk, with the threads that work for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::JoinHandle;

use tidings_journal::{
    Append, Appended, Earlier, Epochs, Error, EventId, Holding, Journal, Limit, Page, Position,
    Selector, StoredReceipt, Tail, Timeline, TopicName, Vitals,
};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::committer::{Committer, InFlight, Job};
use crate::keys::Kind;
use crate::log::{Log, RecoveredLog};
use crate::retention::RetentionTask;
use crate::step::{EncodedRecord, MAX_KEY_BYTES, Unit};
use crate::tables::Commit;
use crate::{OpenError, Options, Sync};
use crate::{erase, open, reader, syncer, time_file};

/// The most appends that wait for the committer, and the most memory in KiB that they and those
/// being written may take. Above either, [`Journal::append`] waits.
const MAX_QUEUED_APPENDS: usize = 4_096;
const MAX_QUEUED_KIB: usize = 64 << 10;

/// The log on disk. Dropping it writes everything out and releases the directory.
pub struct Disk {
    pub(crate) log: Arc<Log>,
    jobs: Option<mpsc::Sender<Job>>,
    /// The memory that is left for waiting appends, in KiB.
    queue_capacity: Arc<Semaphore>,
    committer: Option<JoinHandle<()>>,
    /// The other threads, each with the sender that wakes it. A thread ends when its sender is
    /// dropped.
    helpers: Vec<(SyncSender<()>, JoinHandle<()>)>,
}

impl Disk {
    /// Opens a log for writing, or creates it, and begins a new epoch. Waits for the device.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let recovered = open::for_writing(&options)?;
        let commit = Box::new(recovered.tables.db.clone());
        Self::start(recovered, options, commit)
    }

    /// Starts the threads of a log that was opened. `commit` writes its batches.
    pub(crate) fn start(
        recovered: RecoveredLog,
        options: Options,
        commit: Box<dyn Commit>,
    ) -> Result<Self, OpenError> {
        let dir = options.dir.clone();
        let sync = options.sync;
        let log = Arc::new(Log::new(recovered, options));
        let (jobs, receiver) = mpsc::channel(MAX_QUEUED_APPENDS);
        let committer = Committer::new(log.clone(), receiver, commit);
        let committer = spawn("journal-commit", &dir, || committer.run())?;
        let mut disk = Self {
            log,
            jobs: Some(jobs),
            queue_capacity: Arc::new(Semaphore::new(MAX_QUEUED_KIB)),
            committer: Some(committer),
            helpers: Vec::new(),
        };
        if let Sync::Interval(interval) = sync {
            disk.spawn_helper("journal-sync", move |log, stop| {
                syncer::run(&log, interval, &stop);
            })?;
        }
        let jobs = disk.jobs.as_ref().map(mpsc::Sender::downgrade);
        if let Some(jobs) = jobs {
            // The task is created here rather than in its thread, because it must watch the
            // directory as it is now.
            let task = RetentionTask::new(disk.log.clone(), jobs);
            disk.spawn_helper("journal-trim", move |_, stop| task.run(&stop))?;
        }
        Ok(disk)
    }

    /// Starts a thread that ends with this log.
    fn spawn_helper(
        &mut self,
        name: &str,
        run: impl FnOnce(Arc<Log>, Receiver<()>) + Send + 'static,
    ) -> Result<(), OpenError> {
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

    /// Returns the error of a log whose committer has ended.
    fn stopped(&self) -> Error {
        self.log.health().err().unwrap_or_else(|| {
            self.log
                .close("the thread that writes has ended; restart the server")
        })
    }

    /// Adds to an error which directory can't be read, and what to do.
    fn unreadable(&self, error: Error) -> Error {
        match error {
            Error::Damaged(why) | Error::Unreadable(why) => Error::Unreadable(format!(
                "{why}, in {}. Stop the server, then restore the directory from a backup or move \
                 it away",
                self.log.directory.path().display()
            )),
            other => other,
        }
    }

    /// Runs `read` on a thread that may wait for the device.
    pub(crate) async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Log) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let log = self.log.clone();
        // the semaphore is never closed
        let permit = self.log.readers.clone().acquire_owned().await;
        let reading = move || {
            let done = read(&log);
            drop(permit); // not earlier, because the read may go on after the caller has gone
            done
        };
        let done = tokio::task::spawn_blocking(reading).await;
        let done = done.unwrap_or_else(|error| {
            Err(Error::Unreadable(format!("the read was aborted: {error}")))
        });
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
        let Append {
            records,
            receipt,
            condition,
            now_ms,
        } = append;
        let records = records
            .into_iter()
            .map(EncodedRecord::new)
            .collect::<Result<Vec<_>, _>>()?;
        let note = receipt
            .as_ref()
            .map_or(0, |receipt| receipt.key.len() + receipt.value.len());
        if receipt
            .as_ref()
            .is_some_and(|receipt| receipt.key.len() > MAX_KEY_BYTES)
        {
            return Err(Error::TooLarge(format!(
                "a receipt's key has at most {MAX_KEY_BYTES} bytes"
            )));
        }
        let weight = note + records.iter().map(EncodedRecord::weight).sum::<usize>();
        // An append that is larger than the whole capacity takes all of it, and is written alone.
        let share = u32::try_from((weight / 1_024 + 1).min(MAX_QUEUED_KIB)).unwrap_or(u32::MAX);
        let permit = self
            .queue_capacity
            .clone()
            .acquire_many_owned(share)
            .await
            .map_err(|_| self.stopped())?;
        let (answer, answered) = oneshot::channel();
        let since = Instant::now();
        let unit = Unit {
            records,
            receipt,
            condition,
            now_ms,
        };
        self.send(Job::Append(InFlight {
            unit,
            weight,
            permit,
            since,
            answer,
        }))
        .await?;
        answered.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, Error> {
        let key = key.to_vec();
        self.reading(move |log| log.receipt(&key, log.log_ms()))
            .await
    }

    fn tail(&self) -> Box<dyn Tail> {
        self.log.tails.open()
    }

    async fn read(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        let selector = selector.clone();
        self.reading(move |log| log.page(&selector, &reader::ALL, after, until, limit))
            .await
    }

    async fn read_keyed(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        let selector = selector.clone();
        self.reading(move |log| log.page(&selector, &[Kind::Keyed], after, until, limit))
            .await
    }

    async fn read_before(
        &self,
        selector: &Selector,
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error> {
        let selector = selector.clone();
        self.reading(move |log| log.page_before(&selector, before, limit))
            .await
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
        self.log.topics.read().holdings(prefix, after, most)
    }

    async fn erase(
        &self,
        topics: &[TopicName],
        until: EventId,
    ) -> Result<Vec<(TopicName, Position)>, Error> {
        let until = self.log.epochs.locate(until, self.log.head())?;
        // Erasing is possible while appends are refused for want of space, because it frees some.
        let jobs = self
            .jobs
            .as_ref()
            .map(mpsc::Sender::downgrade)
            .ok_or_else(|| self.stopped())?;
        let topics = topics.to_vec();
        self.reading(move |log| erase::erase(log, &jobs, &topics, until))
            .await
    }

    fn expire(&self, now_ms: i64) {
        self.log.floors.set_now(now_ms);
        self.log.tell_time(now_ms);
        for (wake, _) in &self.helpers {
            let _ = wake.try_send(()); // if the queue is full, the thread is about to wake
        }
    }

    fn log_ms(&self) -> i64 {
        self.log.log_ms()
    }

    fn kept_time(&self) -> Option<Timeline> {
        time_file::read(self.log.directory.path())
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
            let _ = answered.await; // an error shows in the log's state
        }
        // The watermark is written here and not only on drop, because a process may end before the
        // log is dropped.
        let log = self.log.clone();
        let _ = tokio::task::spawn_blocking(move || log.write_watermark()).await;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.log.begin_to_close();
        for (stop, thread) in self.helpers.drain(..) {
            drop(stop);
            let _ = thread.join(); // a panic was logged by the thread
        }
        self.jobs = None;
        if let Some(committer) = self.committer.take() {
            let _ = committer.join();
        }
        self.log.write_watermark();
    }
}

fn spawn(
    name: &str,
    dir: &Path,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(OpenError::io(dir, "starting a thread"))
}
