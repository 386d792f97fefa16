//! The one thread that writes: it takes all appends in flight, writes them in one batch, syncs once, and answers all.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::ceiling::Ceiling;
use super::chore::{Checkpoint, Chore};
use super::counters::add;
use super::group::{Group, Unit};
use super::log::{Log, Watch};
use super::options::Sync;
use super::tables::Commit;
use tidings_journal::{Appended, Error, LogClock};

/// The most records and bytes in one step. More would not be faster, and the first would wait for the last.
const STEP_RECORDS: usize = 8_192;
const STEP_BYTES: usize = 8 << 20;

/// How long the thread sleeps before it looks again whether there is room.
const NO_ROOM: Duration = Duration::from_millis(2);

/// After so many looks, the thread lends a hand itself: a second.
const LONG: u32 = 500;

/// What the thread is asked to do.
pub(super) enum Job {
    Append(InFlight),
    /// Look at the chores.
    Chores,
    /// Have everything on the device, and take no more appends.
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

/// The thread.
pub(super) struct Committer {
    log: Arc<Log>,
    jobs: mpsc::Receiver<Job>,
    commit: Box<dyn Commit>,
    checkpoint: Checkpoint,
    /// The log's clock as it stands written.
    clock: LogClock,
    #[cfg(unix)]
    place: Option<super::place::Place>,
}

impl Committer {
    pub(super) fn new(log: Arc<Log>, jobs: mpsc::Receiver<Job>, commit: Box<dyn Commit>) -> Self {
        let clock = log.clock.lock().clone();
        Self {
            #[cfg(unix)]
            place: super::place::Place::of(&log.home.db()).ok(),
            clock,
            log,
            jobs,
            commit,
            checkpoint: Checkpoint::default(),
        }
    }

    /// Writes until the log is dropped.
    pub(super) fn run(mut self) {
        let _watch = Watch::new(self.log.clone(), "writing to the journal");
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
                    Job::Chores => {}
                    Job::Close(answer) => close.push(answer),
                }
                let full = records >= STEP_RECORDS || bytes >= STEP_BYTES;
                next = if full { None } else { self.jobs.try_recv().ok() };
            }
            if !appends.is_empty()
                && let Err(error) = self.wait_for_room()
            {
                for append in appends.drain(..) {
                    let _ = append.answer.send(Err(error.clone())); // whoever asked may be gone
                }
            }
            self.step(appends);
            if !close.is_empty() {
                self.close();
                for answer in close {
                    let _ = answer.send(());
                }
            }
        }
        self.close();
    }

    /// Waits until the storage engine can take a batch, and the directory is below its ceiling. Fails if that takes too
    /// long.
    fn wait_for_room(&mut self) -> Result<(), Error> {
        let looks = self.log.options.tuning.patience.as_millis() / NO_ROOM.as_millis();
        for look in 1_u32.. {
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
            if self.log.is_closing() || self.log.is_stalled() || u128::from(look) > looks {
                return Err(self.log.stall(&self.why(is_full)));
            }
            if is_full {
                self.step(Vec::new()); // trimming is what makes room
            }
            if look.is_multiple_of(LONG)
                && let Err(error) = self.log.tables.help()
            {
                return Err(self.log.fail("making room in the journal", &error));
            }
            std::thread::sleep(NO_ROOM);
        }
        Ok(())
    }

    /// Why appends are refused for now.
    fn why(&self, is_full: bool) -> String {
        let dir = self.log.home.dir().display();
        if is_full {
            let most = Ceiling::bytes(&self.log) >> 20;
            format!(
                "{dir} is at its ceiling of {most} MiB, and nothing is left in it that may go. Raise the ceiling, or remove \
                 from the directory what is not the journal's; appends are taken again as soon as there is room"
            )
        } else {
            format!(
                "the disk that {dir} is on does not keep up with what is written. See to the disk; appends are taken again \
                 as soon as it does"
            )
        }
    }

    fn step(&mut self, appends: Vec<InFlight>) {
        let chores = std::mem::take(&mut *self.log.chores.lock());
        if appends.is_empty() && chores.is_empty() {
            return;
        }
        let (units, answers): (Vec<_>, Vec<_>) =
            appends.into_iter().map(|append| (append.unit, (append.answer, append.permit, append.since))).unzip();
        let done: Vec<_> = match self.write(units, chores) {
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
            let _ = answer.send(done); // whoever asked may be gone; what was appended stays
        }
    }

    /// Takes one step. Returns what came of each unit.
    fn write(&mut self, units: Vec<Unit>, chores: Vec<Chore>) -> Result<Vec<Result<Appended, Error>>, Error> {
        if !self.log.is_open() {
            self.log.health()?;
        }
        let log = self.log.clone();
        let mut group = Group::new(&log);
        let appends = !units.is_empty();
        let done: Vec<_> = units.into_iter().map(|unit| group.append(unit)).collect();
        if chores.is_empty() && group.is_empty() {
            return Ok(done); // all of it was known, or had no room
        }
        let records = group.records();
        let mut answers = Vec::new();
        for chore in chores {
            answers.push(group.chore(chore, &mut self.checkpoint));
        }
        let clock = group.note_clock(&self.clock);
        let sync = group.must_sync || log.options.sync == Sync::Always;
        let batch = group.finish();
        self.log.take_room(group.bytes());
        let since = Instant::now();
        self.commit.commit(batch, sync).map_err(|error| log.fail("writing to the journal", &error))?;
        if sync {
            log.counters.syncs.observe(since.elapsed());
        }
        #[cfg(unix)]
        if self.place.as_mut().is_some_and(|place| !place.is_there()) {
            return Err(log.fail_without_directory()); // it was written to files that nobody will find
        }
        group.taken(sync);
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

    /// Has everything on the device, and writes down what makes the next start quick.
    fn close(&mut self) {
        let mut more = self.log.is_open();
        // The engine might never let go of a writer that it halts: without the counts, the next start takes a little longer.
        while more && self.log.is_open() && self.is_ready() {
            self.log.chores.lock().push(Chore::Checkpoint(oneshot::channel().0));
            self.step(Vec::new());
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

    /// Whether the storage engine takes a batch within a second.
    fn is_ready(&self) -> bool {
        (0..LONG).any(|look| {
            if look > 0 {
                std::thread::sleep(NO_ROOM);
            }
            !self.log.tables.is_congested()
        })
    }
}
