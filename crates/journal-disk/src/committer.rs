//! The committer: the only thread that writes. It takes all appends in flight, writes them in one
//! batch, syncs once, and answers all of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::counters::add;
use super::log::{Log, PanicGuard};
use super::maintenance::MaintenanceWrite;
use super::options::Sync;
use super::step::{Checkpoint, Step, Unit};
use super::tables::Commit;
use tidings_journal::{Appended, Error, LogClock};

/// The most records and bytes in one step. A larger step would not be faster, and its first append
/// would wait for its last.
const MAX_STEP_RECORDS: usize = 8_192;
const MAX_STEP_BYTES: usize = 8 << 20;

/// How long the thread sleeps before it checks again whether there is capacity.
const CAPACITY_POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The number of checks per second. After each second of waiting, the thread helps the engine.
const POLLS_PER_SECOND: u32 = 500;

/// A request to the thread.
pub(super) enum Job {
    Append(InFlight),
    /// There may be maintenance writes.
    Maintenance,
    /// Sync everything to the device, and refuse further appends.
    Close(oneshot::Sender<()>),
}

/// An append in flight.
pub(super) struct InFlight {
    pub(super) unit: Unit,
    pub(super) weight: usize,
    /// Its share of the memory for appends in flight.
    pub(super) permit: OwnedSemaphorePermit,
    /// When it was ready to be written.
    pub(super) since: Instant,
    pub(super) answer: oneshot::Sender<Result<Appended, Error>>,
}

/// The state of the thread.
pub(super) struct Committer {
    log: Arc<Log>,
    jobs: mpsc::Receiver<Job>,
    commit: Box<dyn Commit>,
    checkpoint: Checkpoint,
    /// The log's clock as it was written last.
    clock: LogClock,
    #[cfg(unix)]
    watch: Option<super::directory_watch::DirectoryWatch>,
}

impl Committer {
    pub(super) fn new(log: Arc<Log>, jobs: mpsc::Receiver<Job>, commit: Box<dyn Commit>) -> Self {
        let clock = log.clock.lock().clone();
        Self {
            #[cfg(unix)]
            watch: super::directory_watch::DirectoryWatch::of(&log.directory.db()).ok(),
            clock,
            log,
            jobs,
            commit,
            checkpoint: Checkpoint::default(),
        }
    }

    /// Writes until the log is dropped.
    pub(super) fn run(mut self) {
        let _guard = PanicGuard::new(self.log.clone(), "writing to the journal");
        while let Some(job) = self.jobs.blocking_recv() {
            let mut appends = Vec::new();
            let mut close = Vec::new();
            let (mut records, mut bytes) = (0, 0);
            let mut next = Some(job);
            while let Some(job) = next {
                match job {
                    Job::Append(append) => {
                        records += append.unit.records.len();
                        bytes += append.weight;
                        appends.push(append);
                    }
                    Job::Maintenance => {}
                    Job::Close(answer) => close.push(answer),
                }
                let full = records >= MAX_STEP_RECORDS || bytes >= MAX_STEP_BYTES;
                next = if full {
                    None
                } else {
                    self.jobs.try_recv().ok()
                };
            }
            if !appends.is_empty()
                && let Err(error) = self.wait_for_capacity()
            {
                for append in appends.drain(..) {
                    let _ = append.answer.send(Err(error.clone())); // the caller may be gone
                }
            }
            self.run_step(appends);
            if !close.is_empty() {
                self.close();
                for answer in close {
                    let _ = answer.send(());
                }
            }
        }
        self.close();
    }

    /// Waits until the storage engine can take a batch and the directory is below its ceiling.
    /// Fails if that takes too long.
    fn wait_for_capacity(&mut self) -> Result<(), Error> {
        let polls =
            self.log.options.tuning.append_timeout.as_millis() / CAPACITY_POLL_INTERVAL.as_millis();
        for poll in 1_u32.. {
            if !self.log.is_open() {
                break;
            }
            let is_full = self.log.is_full();
            if let Err(error) = self.log.tables.check() {
                return Err(self.log.fail("writing to the journal", &error));
            }
            if !is_full && !self.log.tables.is_congested() {
                break;
            }
            if self.log.is_closing() || self.log.is_stalled() || u128::from(poll) > polls {
                return Err(self.log.stall(&self.why(is_full)));
            }
            if is_full {
                self.run_step(Vec::new()); // only trimming frees space
            }
            if poll.is_multiple_of(POLLS_PER_SECOND)
                && let Err(error) = self.log.tables.merge_overlapping()
            {
                return Err(self.log.fail("freeing space in the journal", &error));
            }
            std::thread::sleep(CAPACITY_POLL_INTERVAL);
        }
        Ok(())
    }

    /// Returns the reason why appends are refused for now.
    fn why(&self, is_full: bool) -> String {
        let dir = self.log.directory.path().display();
        if is_full {
            let most = self.log.options.ceiling_bytes() >> 20;
            format!(
                "{dir} is at its ceiling of {most} MiB, and nothing is left in it that may be \
                 trimmed. Raise the ceiling, or remove files from the directory that are not the \
                 journal's; appends are accepted again as soon as there is space"
            )
        } else {
            format!(
                "the disk of {dir} does not keep up with what is written. Check the disk; appends \
                 are accepted again as soon as it does"
            )
        }
    }

    /// Runs one step with `appends` and all waiting maintenance writes, and answers the callers.
    fn run_step(&mut self, appends: Vec<InFlight>) {
        let maintenance = std::mem::take(&mut *self.log.maintenance.lock());
        if appends.is_empty() && maintenance.is_empty() {
            return;
        }
        let (units, answers): (Vec<_>, Vec<_>) = appends
            .into_iter()
            .map(|append| (append.unit, (append.answer, append.permit, append.since)))
            .unzip();
        let done: Vec<_> = match self.write(units, maintenance) {
            Ok(done) => {
                let now = Instant::now();
                for (.., since) in &answers {
                    self.log.counters.appends.observe(now - *since);
                }
                done
            }
            Err(error) => answers.iter().map(|_| Err(error.clone())).collect(),
        };
        for ((answer, _permit, _), done) in answers.into_iter().zip(done) {
            let _ = answer.send(done); // the caller may be gone; what was appended stays
        }
    }

    /// Writes one step. Returns the outcome of each unit.
    fn write(
        &mut self,
        units: Vec<Unit>,
        maintenance: Vec<MaintenanceWrite>,
    ) -> Result<Vec<Result<Appended, Error>>, Error> {
        if !self.log.is_open() {
            self.log.health()?;
        }
        let log = self.log.clone();
        let mut step = Step::new(&log);
        let appends = !units.is_empty();
        let done: Vec<_> = units.into_iter().map(|unit| step.append(unit)).collect();
        if maintenance.is_empty() && step.is_empty() {
            return Ok(done); // every unit was known or exceeded a bound
        }
        let records = step.records();
        let mut answers = Vec::new();
        for write in maintenance {
            answers.push(step.maintain(write, &mut self.checkpoint));
        }
        let clock = step.note_clock(&self.clock);
        let sync = step.must_sync || log.options.sync == Sync::Always;
        let batch = step.finish();
        self.log.reserve(step.bytes());
        let since = Instant::now();
        self.commit
            .commit(batch, sync)
            .map_err(|error| log.fail("writing to the journal", &error))?;
        if sync {
            log.counters.syncs.observe(since.elapsed());
        }
        #[cfg(unix)]
        if self.watch.as_mut().is_some_and(|watch| !watch.is_there()) {
            // the batch is in files that can't be found any more
            return Err(log.fail_without_directory());
        }
        step.committed(sync);
        if let Some(clock) = clock {
            self.log.set_clock_written(&clock);
            self.clock = clock;
        }
        add(&log.counters.batches, u64::from(appends));
        add(&log.counters.records, records);
        for answer in answers {
            let _ = answer.send(());
        }
        Ok(done)
    }

    /// Syncs everything to the device, and writes what makes the next start fast.
    fn close(&mut self) {
        let mut more = self.log.is_open();
        // The counts are written only if the engine is ready, because it might never release a
        // writer that it has halted. Without the counts, the next start only takes a little longer.
        while more && self.log.is_open() && self.is_ready() {
            self.log
                .maintenance
                .lock()
                .push(MaintenanceWrite::Checkpoint(oneshot::channel().0));
            self.run_step(Vec::new());
            more = self.checkpoint.is_under_way();
        }
        if !self.log.is_open() {
            return;
        }
        let head = self.log.head();
        match self.commit.sync() {
            Ok(()) => {
                self.log.set_synced(head);
                self.log.close("the server is stopping");
            }
            Err(error) => _ = self.log.fail("syncing the journal", &error),
        }
    }

    /// Returns whether the storage engine can take a batch within a second.
    fn is_ready(&self) -> bool {
        (0..POLLS_PER_SECOND).any(|poll| {
            if poll > 0 {
                std::thread::sleep(CAPACITY_POLL_INTERVAL);
            }
            !self.log.tables.is_congested()
        })
    }
}
