//! The thread that lets go of what is no longer kept, in small steps, while appends and reads go on.
//!
//! It decides; what it decides is written by the committer, as a [`Chore`] in the next step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::ceiling::Ceiling;
use super::chore::{Chore, Fold};
use super::committer::Job;
use super::log::{Log, Watch};
use super::mark::Mark;
use super::times::Times;
use super::trim::{self, Bounds};
use tidings_journal::TopicName;

/// The thread.
pub(super) struct Janitor {
    log: Arc<Log>,
    jobs: mpsc::WeakSender<Job>,
    mark: Option<Mark>,
    times: Times,
    #[cfg(unix)]
    place: Option<super::place::Place>,
    ceiling: Ceiling,
    /// The time of the last look at all topics.
    looked_ms: i64,
}

/// Looking at all topics holds up the committer: 100,000 of them for some milliseconds. The more there are, the longer it
/// is to the next look.
const TOPICS_PER_SECOND: usize = 5_000;

/// How many topics are looked at in advance, to be trimmed should there be too many.
const LOOKED_AT: usize = 1_024;

/// The most topics that are trimmed in one step of the committer. A step costs a sync, however many they are; publishers
/// wait while it is taken.
const TRIMS_AT_ONCE: usize = 64;

/// After how many milliseconds without an append the log's clock is written for its own sake: half of what it takes for a time
/// that has passed by itself.
const CLOCK_STALE_MS: i64 = 30_000;

/// The log is closing, or broken: there is nothing left to do.
pub(super) struct Over;

impl Janitor {
    pub(super) fn new(log: Arc<Log>, jobs: mpsc::WeakSender<Job>) -> Self {
        let mark = Mark::open(log.home.dir()).inspect_err(|error| {
            tracing::warn!(%error, "the journal's mark can't be written; damage to its end would go unnoticed");
        });
        Self {
            mark: mark.ok(),
            times: Times::default(),
            #[cfg(unix)]
            place: super::place::Place::of(&log.home.db()).ok(),
            ceiling: Ceiling::new(&log),
            log,
            jobs,
            looked_ms: i64::MIN,
        }
    }

    /// Works until `stop` is dropped or the log is closed.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        let _watch = Watch::new(self.log.clone(), "tidying up the journal");
        self.ceiling.look(&self.log, 0);
        while stop.recv_timeout(self.rest()) != Err(RecvTimeoutError::Disconnected) {
            if self.turn().is_err() {
                break;
            }
        }
        self.note_synced();
        self.note_time();
    }

    /// A full directory is looked at more often.
    fn rest(&self) -> Duration {
        let rest = self.log.options.tuning.rest;
        if self.ceiling.is_near() { rest / 10 } else { rest }
    }

    /// Does what is due.
    fn turn(&mut self) -> Result<(), Over> {
        if !self.log.is_open() || self.log.is_closing() {
            return Err(Over);
        }
        #[cfg(unix)]
        {
            if self.place.as_mut().is_some_and(|place| !place.is_there()) {
                self.log.fail_without_directory();
                return Err(Over);
            }
            if let Err(error) = self.log.home.keep_lock() {
                self.log.fail_to_keep(&error);
                return Err(Over);
            }
        }
        if let Err(error) = self.log.tables.check() {
            self.log.fail("writing to the journal", &error);
            return Err(Over);
        }
        self.note_synced();
        self.note_time();
        self.note_clock()?;
        self.log.look_for_cut_files();
        self.keep_rules()?;
        self.keep_totals()?;
        self.keep_topics()?;
        self.checkpoint()?;
        let (log, jobs) = (self.log.clone(), self.jobs.clone());
        let trim_to = |bytes| trim_largest(&log, &jobs, u64::MAX, bytes);
        self.ceiling.hold(&log, trim_to, || let_go(&log, &jobs))
    }

    fn note_synced(&mut self) {
        if let Some(mark) = &mut self.mark
            && let Err(error) = mark.set(self.log.synced())
        {
            tracing::warn!(%error, "the journal's mark can't be written; damage to its end would go unnoticed");
            self.mark = None;
        }
    }

    fn note_time(&mut self) {
        if self.log.home.is_ours() {
            self.times.note(self.log.home.dir(), self.log.floors.timeline().as_deref());
        }
    }

    /// Has the log's clock written down if nothing was appended for a while: it is written with what is. Without it a log that was
    /// quiet would not believe, after a kill, that the time since its last append has passed.
    fn note_clock(&self) -> Result<(), Over> {
        let is_due = self.log.clock_unwritten_ms() >= CLOCK_STALE_MS && !self.log.is_full() && !self.log.is_stalled();
        if is_due { self.write(Chore::Beat) } else { Ok(()) }
    }

    /// Trims every topic to what its rule says.
    fn keep_rules(&mut self) -> Result<(), Over> {
        let now_ms = self.log.floors.now_ms();
        let mut over = self.log.topics.write().take_over();
        let pause = i64::try_from(self.log.topics.read().len() / TOPICS_PER_SECOND).unwrap_or(i64::MAX);
        // The log's time may go back, if the wall clock has stood there for long enough.
        if now_ms.abs_diff(self.looked_ms) > pause.saturating_mul(1_000).unsigned_abs() {
            self.looked_ms = now_ms;
            let retention = &self.log.options.retention;
            let topics = self.log.topics.read();
            let aged = |topic| Bounds::of(retention, topic, now_ms).is_aged(topic);
            let due = topics.iter().filter(|(_, topic)| aged(topic) || topic.is_unsettled());
            over.extend(due.map(|(name, _)| name.clone()));
            self.log.set_oldest(topics.oldest_ms());
            let vanished = topics.vanished(self.log.options.tuning.max_vanished);
            drop(topics);
            if let Some((topics, floor)) = vanished {
                self.write(|done| Chore::Fold(Fold { topics, floor }, done))?;
            }
        }
        // A topic may hold too much and too old.
        let bounds: BTreeMap<_, _> = {
            let topics = self.log.topics.read();
            let bounds = |topic| Bounds::of(&self.log.options.retention, topic, now_ms);
            over.into_iter().filter_map(|name| topics.get(&name).map(bounds).map(|bounds| (name, bounds))).collect()
        };
        trim_to(&self.log, &self.jobs, bounds)?;
        Ok(())
    }

    /// Trims the largest topics until all together are within the bounds.
    fn keep_totals(&mut self) -> Result<(), Over> {
        let retention = &self.log.options.retention;
        let (events, bytes) = self.log.topics.read().totals();
        if events > retention.max_events || bytes > retention.max_bytes {
            trim_largest(&self.log, &self.jobs, retention.max_events, retention.max_bytes)?;
        }
        Ok(())
    }

    /// Finds out where the topics are shown that would go next if there were too many, and has those go that are too many: mostly
    /// the committer has let them go by itself, but not what was there at the start.
    fn keep_topics(&self) -> Result<(), Over> {
        let most = self.log.options.retention.max_topics;
        loop {
            let held = self.log.topics.read().held();
            if held <= most - most / 8 {
                return Ok(());
            }
            let unknown = self.log.topics.write().unknown(LOOKED_AT);
            for name in unknown {
                if let Err(error) = trim::find_shown(&self.log, &name) {
                    tracing::error!(topic = %name, %error, "a topic can't be read");
                }
            }
            if held <= most {
                return Ok(());
            }
            self.write(Chore::MakeRoom)?;
            let mut topics = self.log.topics.write();
            topics.shrink();
            if topics.held() >= held {
                return Ok(()); // those that are left are the server's own, or are written to all the time
            }
        }
    }

    /// Has the counts written down, in steps, so that the next start need not count much.
    fn checkpoint(&mut self) -> Result<(), Over> {
        let due = |log: &Log| log.head().get() - log.checkpoint().get() > log.options.tuning.checkpoint_every;
        if due(&self.log) {
            let before = self.log.checkpoint();
            while self.log.checkpoint() == before {
                self.write(Chore::Checkpoint)?;
            }
        }
        Ok(())
    }

    fn write(&self, chore: impl FnOnce(oneshot::Sender<()>) -> Chore) -> Result<(), Over> {
        write(&self.log, &self.jobs, chore)
    }
}

/// Has the engine remove the files that it has replaced.
fn let_go(log: &Log, jobs: &mpsc::WeakSender<Job>) -> Result<(), Over> {
    if log.tables.is_busy() {
        return Ok(());
    }
    write(log, jobs, Chore::Beat)?;
    log.tables.let_go().map_err(|error| {
        log.fail("making room in the journal", &error);
        Over
    })
}

/// Has a chore written, and waits for it.
pub(super) fn write(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    chore: impl FnOnce(oneshot::Sender<()>) -> Chore,
) -> Result<(), Over> {
    let (done, written) = oneshot::channel();
    write_all(log, jobs, vec![chore(done)], vec![written])
}

/// Has chores written, in one step if the committer is idle, and waits for all of them.
pub(super) fn write_all(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    chores: Vec<Chore>,
    written: Vec<oneshot::Receiver<()>>,
) -> Result<(), Over> {
    log.chores.lock().extend(chores);
    if !log.is_open() || log.is_closing() {
        return Err(Over); // nobody might look
    }
    // If the queue is full, the committer is at work and will look at the chores anyway.
    let _ = jobs.upgrade().ok_or(Over)?.try_send(Job::Chores);
    written.into_iter().try_for_each(|written| written.blocking_recv().map_err(|_| Over))
}

/// Trims each topic until it is within its bounds; none may be named twice. Returns how many bytes that let go.
fn trim_to(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    topics: impl IntoIterator<Item = (TopicName, Bounds)>,
) -> Result<u64, Over> {
    let mut gone = 0;
    let mut rest = topics.into_iter();
    let mut at_hand = Vec::with_capacity(TRIMS_AT_ONCE);
    loop {
        at_hand.extend(rest.by_ref().take(TRIMS_AT_ONCE - at_hand.len()));
        if at_hand.is_empty() {
            return Ok(gone);
        }
        let _turn = log.trimming.lock();
        let (mut trims, mut written) = (Vec::new(), Vec::new());
        at_hand.retain(|(name, bounds)| match trim::next(log, name, *bounds) {
            Ok(trim::Next::Within) => false,
            Ok(trim::Next::Step(step)) => {
                gone += step.bytes;
                log.trimmed.lock().add(log, &step);
                let (done, receiver) = oneshot::channel();
                trims.push(Chore::Trim(step, done));
                written.push(receiver);
                true
            }
            Err(error) => {
                tracing::error!(topic = %name, %error, "a topic can't be trimmed");
                false
            }
        });
        if !trims.is_empty() {
            write_all(log, jobs, trims, written)?;
        }
    }
}

/// Trims the topics that hold most, until all together hold at most `events` records and `bytes`. Returns how many bytes
/// that let go.
fn trim_largest(log: &Log, jobs: &mpsc::WeakSender<Job>, events: u64, bytes: u64) -> Result<u64, Over> {
    let (by_events, by_bytes) = {
        let topics = log.topics.read();
        let level = |most, of: fn(&super::topics::Topic) -> u64| {
            let level = trim::water_level(topics.iter().map(|(_, topic)| of(topic)).collect(), most);
            let over = topics.iter().filter(|(_, topic)| of(topic) > level).map(|(name, _)| name.clone());
            (level, over.collect::<Vec<_>>())
        };
        (level(events, |topic| topic.row.events), level(bytes, |topic| topic.row.bytes))
    };
    let each = |names: Vec<TopicName>, bounds| names.into_iter().map(move |name| (name, bounds));
    let mut gone = trim_to(log, jobs, each(by_events.1, Bounds { events: by_events.0, ..Bounds::NONE }))?;
    gone += trim_to(log, jobs, each(by_bytes.1, Bounds { bytes: by_bytes.0, ..Bounds::NONE }))?;
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use fjall::{Database, OwnedWriteBatch};
    use tokio::time::Instant;

    use super::*;
    use crate::keys::meta;
    use crate::tables::Commit;
    use crate::{Disk, Options, Rule, open};
    use tidings_journal::{Append, Journal as _, LogClock, Pattern, Record};
    use tidings_journal_contract::Put as _;

    /// Says when it is about to write, and waits until it may.
    struct Held {
        db: Database,
        begun: Sender<()>,
        go_on: Receiver<()>,
    }

    impl Commit for Held {
        fn commit(&mut self, batch: OwnedWriteBatch, sync: bool) -> Result<(), fjall::Error> {
            let _ = self.begun.send(());
            let _ = self.go_on.recv(); // nobody holds it any more once the other end is gone
            self.db.commit(batch, sync)
        }

        fn sync(&mut self) -> Result<(), fjall::Error> {
            Commit::sync(&mut self.db)
        }
    }

    async fn until(log: &Disk, what: &str, done: impl Fn(&Disk) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(10);
        for now_ms in 1.. {
            if done(log) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}");
            log.expire(now_ms);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn what_is_counted_and_not_written_yet_is_trimmed_once_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path());
        let pattern = Pattern::parse("a").unwrap();
        options.retention.rules = vec![Rule { pattern, max_age: None, max_events: Some(2), max_bytes: None }];
        let found = open::for_writing(&options).unwrap();
        let ((begun, began), (go_on, wait)) = (channel(), channel());
        let commit = Held { db: found.tables.db.clone(), begun, go_on: wait };
        let log = Arc::new(Disk::start(found, options, Box::new(commit)).unwrap());
        let records = (0..5).map(|_| Record {
            topics: [TopicName::parse("a").unwrap()].into(),
            event: "e".into(),
            key: None,
            data: "x".into(),
            at_ms: 0,
            ends_key: false,
        });
        let appending = tokio::spawn({
            let (log, records) = (log.clone(), records.collect());
            async move { log.put(records).await }
        });
        tokio::task::spawn_blocking(move || began.recv()).await.unwrap().unwrap();
        // The janitor has looked for them in vain once it no longer knows how old the oldest is.
        until(&log, "it is counted", |log| log.vitals().oldest_ms == Some(0)).await;
        until(&log, "it is looked for", |log| log.vitals().oldest_ms.is_none()).await;
        drop(go_on);
        appending.await.unwrap().unwrap();
        until(&log, "it is trimmed", |log| log.vitals().kept == Some(2)).await;
    }

    /// Where nothing is appended, it is written for its own sake.
    #[tokio::test]
    async fn the_logs_clock_is_written_in_a_quiet_log_once_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let log = Disk::open(Options::new(dir.path())).unwrap();
        let written_ms = |log: &Disk| {
            let row = log.log.tables.meta.get(meta::CLOCK).unwrap().unwrap();
            LogClock::decode(&row).unwrap().now_ms()
        };
        let start_ms = 1_800_000_000_000;
        log.append(Append::default().at(start_ms)).await.unwrap();
        assert_eq!(written_ms(&log), 0, "there was nothing to append");
        let record = Record {
            topics: [TopicName::parse("a").unwrap()].into(),
            event: "e".into(),
            key: None,
            data: "x".into(),
            at_ms: 0,
            ends_key: false,
        };
        log.append(Append::from(vec![record]).at(start_ms)).await.unwrap();
        assert_eq!(written_ms(&log), start_ms);
        log.expire(start_ms + CLOCK_STALE_MS);
        let deadline = Instant::now() + Duration::from_mins(10);
        while written_ms(&log) < start_ms + CLOCK_STALE_MS {
            assert!(Instant::now() < deadline, "it is never written");
            log.expire(start_ms + CLOCK_STALE_MS);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
