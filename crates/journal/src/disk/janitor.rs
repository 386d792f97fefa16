//! The thread that lets go of what is no longer kept, in small steps, while appends and reads go on.
//!
//! It decides; what it decides is written by the committer, as a [`Chore`] in the next step.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::ceiling::Ceiling;
use super::chore::{Chore, Fold};
use super::committer::Job;
use super::log::{Log, Watch};
use super::mark::Mark;
use super::trim::{self, Bounds};
use crate::TopicName;

/// The thread.
pub(super) struct Janitor {
    log: Arc<Log>,
    jobs: mpsc::WeakSender<Job>,
    mark: Option<Mark>,
    ceiling: Ceiling,
    /// The time of the last look at all topics.
    looked_ms: i64,
}

/// Looking at all topics holds up the committer: 100,000 of them for some milliseconds. The more there are, the longer it
/// is to the next look.
const TOPICS_PER_SECOND: usize = 5_000;

/// The log is closing, or broken: there is nothing left to do.
pub(super) struct Over;

impl Janitor {
    pub(super) fn new(log: Arc<Log>, jobs: mpsc::WeakSender<Job>) -> Self {
        let mark = Mark::open(log.home.dir()).inspect_err(|error| {
            tracing::warn!(%error, "the journal's mark can't be written; damage to its end would go unnoticed");
        });
        Self { ceiling: Ceiling::new(&log), log, jobs, mark: mark.ok(), looked_ms: i64::MIN }
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
        if let Err(error) = self.log.tables.check() {
            self.log.fail("writing to the journal", &error);
            return Err(Over);
        }
        self.note_synced();
        self.keep_rules()?;
        self.keep_totals()?;
        self.checkpoint()?;
        let (log, jobs) = (self.log.clone(), self.jobs.clone());
        self.ceiling.hold(&log, |bytes| trim_largest(&log, &jobs, u64::MAX, bytes))
    }

    fn note_synced(&mut self) {
        if let Some(mark) = &mut self.mark
            && let Err(error) = mark.set(self.log.synced())
        {
            tracing::warn!(%error, "the journal's mark can't be written; damage to its end would go unnoticed");
            self.mark = None;
        }
    }

    /// Trims every topic to what its rule says.
    fn keep_rules(&mut self) -> Result<(), Over> {
        let now_ms = self.log.floors.now_ms();
        let mut over = self.log.topics.write().take_over();
        let pause = i64::try_from(self.log.topics.read().len() / TOPICS_PER_SECOND).unwrap_or(i64::MAX);
        if now_ms > self.looked_ms.saturating_add(pause.saturating_mul(1_000)) {
            self.looked_ms = now_ms;
            let retention = &self.log.options.retention;
            let topics = self.log.topics.read();
            let aged = |topic| Bounds::of(retention, topic, now_ms).is_aged(topic);
            over.extend(topics.iter().filter(|(_, topic)| aged(topic)).map(|(name, _)| name.clone()));
            self.log.set_oldest(topics.oldest_ms());
            let vanished = topics.vanished(self.log.options.tuning.max_vanished);
            drop(topics);
            if let Some((topics, floor)) = vanished {
                self.write(|done| Chore::Fold(Fold { topics, floor }, done))?;
            }
        }
        for name in over {
            let bounds = {
                let topics = self.log.topics.read();
                topics.get(&name).map(|topic| Bounds::of(&self.log.options.retention, topic, now_ms))
            };
            if let Some(bounds) = bounds {
                trim_to(&self.log, &self.jobs, &name, bounds)?;
            }
        }
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

/// Has a chore written, and waits for it.
fn write(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    chore: impl FnOnce(oneshot::Sender<()>) -> Chore,
) -> Result<(), Over> {
    let (done, written) = oneshot::channel();
    log.chores.lock().push(chore(done));
    if !log.is_open() || log.is_closing() {
        return Err(Over); // nobody might look
    }
    // If the queue is full, the committer is at work and will look at the chores anyway.
    let _ = jobs.upgrade().ok_or(Over)?.try_send(Job::Chores);
    written.blocking_recv().map_err(|_| Over)
}

/// Trims one topic until it is within `bounds`. Returns how many bytes that let go.
fn trim_to(log: &Log, jobs: &mpsc::WeakSender<Job>, name: &TopicName, bounds: Bounds) -> Result<u64, Over> {
    let mut gone = 0;
    loop {
        match trim::next(log, name, bounds) {
            Ok(trim::Next::Within) => return Ok(gone),
            Ok(trim::Next::Step(step)) => {
                gone += step.bytes;
                log.trimmed.lock().add(log, &step);
                write(log, jobs, |done| Chore::Trim(step, done))?;
            }
            Err(error) => {
                tracing::error!(topic = %name, %error, "a topic can't be trimmed");
                return Ok(gone);
            }
        }
    }
}

/// Trims the topics that hold most, until all together hold at most `events` records and `bytes`. Returns how many bytes
/// that let go.
fn trim_largest(log: &Log, jobs: &mpsc::WeakSender<Job>, events: u64, bytes: u64) -> Result<u64, Over> {
    let mut gone = 0;
    let (by_events, by_bytes) = {
        let topics = log.topics.read();
        let level = |most, of: fn(&super::topics::Topic) -> u64| {
            let level = trim::water_level(topics.iter().map(|(_, topic)| of(topic)).collect(), most);
            let over = topics.iter().filter(|(_, topic)| of(topic) > level).map(|(name, _)| name.clone());
            (level, over.collect::<Vec<_>>())
        };
        (level(events, |topic| topic.row.events), level(bytes, |topic| topic.row.bytes))
    };
    for name in by_events.1 {
        gone += trim_to(log, jobs, &name, Bounds { events: by_events.0, ..Bounds::NONE })?;
    }
    for name in by_bytes.1 {
        gone += trim_to(log, jobs, &name, Bounds { bytes: by_bytes.0, ..Bounds::NONE })?;
    }
    Ok(gone)
}
