//! The retention task: a thread that removes what is no longer kept, in small steps, while appends
//! and reads go on.
//!
//! The task decides what to remove. The committer writes that as a [`MaintenanceWrite`] in its next
//! step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::ceiling::Ceiling;
use super::committer::Job;
use super::log::{Log, PanicGuard};
use super::maintenance::{ForgottenTopics, MaintenanceWrite};
use super::request::{self, Stopped};
use super::time_file::TimeFile;
use super::topics::TopicLimits;
use super::trim;
use super::watermark::Watermark;
use tidings_journal::TopicName;

/// The state of the thread.
pub(super) struct RetentionTask {
    log: Arc<Log>,
    jobs: mpsc::WeakSender<Job>,
    watermark: Option<Watermark>,
    time_file: TimeFile,
    #[cfg(unix)]
    watch: Option<super::directory_watch::DirectoryWatch>,
    ceiling: Ceiling,
    /// The log time when all topics were last examined.
    examined_ms: i64,
}

/// How many topics add a second to the time between two examinations of all topics. Examining all
/// topics delays the committer, by some milliseconds with 100,000 topics.
const TOPICS_PER_SECOND: usize = 5_000;

/// How many topics are prepared in advance to be trimmed whole, should there be too many topics.
const PREPARED_TOPICS: usize = 1_024;

/// The most topics that are trimmed in one step of the committer. A step costs one sync, however
/// many topics it trims; publishers wait while it is written.
const MAX_TRIMS_PER_STEP: usize = 64;

/// After how many milliseconds without an append the log's clock is written by itself. This is half
/// of [`LogClock::MAX_STEP`](tidings_journal::LogClock::MAX_STEP), the time that the clock accepts
/// at once.
const CLOCK_STALE_MS: i64 = 30_000;

impl RetentionTask {
    pub(super) fn new(log: Arc<Log>, jobs: mpsc::WeakSender<Job>) -> Self {
        let watermark = Watermark::open(log.directory.path()).inspect_err(|error| {
            tracing::warn!(%error, "the journal's file synced can't be written; damage to the end \
                                    of the log would go unnoticed");
        });
        Self {
            watermark: watermark.ok(),
            time_file: TimeFile::default(),
            #[cfg(unix)]
            watch: super::directory_watch::DirectoryWatch::of(&log.directory.db()).ok(),
            ceiling: Ceiling::new(&log),
            log,
            jobs,
            examined_ms: i64::MIN,
        }
    }

    /// Runs until `stop` is dropped or the log is closed.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        let _guard = PanicGuard::new(self.log.clone(), "trimming the journal");
        self.ceiling.measure(&self.log, 0);
        while stop.recv_timeout(self.pause()) != Err(RecvTimeoutError::Disconnected) {
            if self.pass().is_err() {
                break;
            }
        }
        self.write_watermark();
        self.write_time();
    }

    /// Returns how long to rest. A directory that is nearly full is examined more often.
    fn pause(&self) -> Duration {
        let interval = self.log.options.tuning.retention_interval;
        if self.ceiling.is_near() {
            interval / 10
        } else {
            interval
        }
    }

    /// Does everything that is due.
    fn pass(&mut self) -> Result<(), Stopped> {
        if !self.log.is_open() || self.log.is_closing() {
            return Err(Stopped);
        }
        #[cfg(unix)]
        {
            if self.watch.as_mut().is_some_and(|watch| !watch.is_there()) {
                self.log.fail_without_directory();
                return Err(Stopped);
            }
            if let Err(error) = self.log.directory.keep_lock() {
                self.log.fail_without_lock(&error);
                return Err(Stopped);
            }
        }
        if let Err(error) = self.log.tables.check() {
            self.log.fail("writing to the journal", &error);
            return Err(Stopped);
        }
        self.write_watermark();
        self.write_time();
        self.write_clock()?;
        self.log.check_cut_files();
        self.apply_rules()?;
        self.apply_totals()?;
        self.limit_topics()?;
        self.checkpoint()?;
        let (log, jobs) = (self.log.clone(), self.jobs.clone());
        let trim_to = |bytes| trim_largest(&log, &jobs, u64::MAX, bytes);
        self.ceiling
            .enforce(&log, trim_to, || remove_replaced_files(&log, &jobs))
    }

    fn write_watermark(&mut self) {
        if let Some(watermark) = &mut self.watermark
            && let Err(error) = watermark.set(self.log.synced())
        {
            tracing::warn!(%error, "the journal's file synced can't be written; damage to the end \
                                    of the log would go unnoticed");
            self.watermark = None;
        }
    }

    fn write_time(&mut self) {
        if self.log.directory.is_ours() {
            self.time_file.note(
                self.log.directory.path(),
                self.log.floors.timeline().as_deref(),
            );
        }
    }

    /// Has the log's clock written if nothing was appended for a while; each append writes it too.
    /// Without this, a quiet log that is killed would not accept the time since its last append.
    fn write_clock(&self) -> Result<(), Stopped> {
        let is_due = self.log.clock_unwritten_ms() >= CLOCK_STALE_MS
            && !self.log.is_full()
            && !self.log.is_stalled();
        if is_due {
            self.write(MaintenanceWrite::Noop)
        } else {
            Ok(())
        }
    }

    /// Trims every topic to what its rule allows.
    fn apply_rules(&mut self) -> Result<(), Stopped> {
        let now_ms = self.log.floors.now_ms();
        let mut exceeding = self.log.topics.write().take_exceeding();
        let pause =
            i64::try_from(self.log.topics.read().len() / TOPICS_PER_SECOND).unwrap_or(i64::MAX);
        // Log time may go back, if the wall clock has stood at an earlier time for long enough.
        if now_ms.abs_diff(self.examined_ms) > pause.saturating_mul(1_000).unsigned_abs() {
            self.examined_ms = now_ms;
            let retention = &self.log.options.retention;
            let topics = self.log.topics.read();
            let aged = |topic| TopicLimits::of(retention, topic, now_ms).is_aged(topic);
            let due = topics
                .iter()
                .filter(|(_, topic)| aged(topic) || topic.counts_hidden_records());
            exceeding.extend(due.map(|(name, _)| name.clone()));
            self.log.set_oldest(topics.oldest_ms());
            let surplus = topics.surplus_empty(self.log.options.tuning.max_empty_topics);
            drop(topics);
            if let Some((topics, floor)) = surplus {
                self.write(|done| {
                    MaintenanceWrite::ForgetTopics(ForgottenTopics { topics, floor }, done)
                })?;
            }
        }
        // A map, because a topic may hold both too much and too old records.
        let limits: BTreeMap<_, _> = {
            let topics = self.log.topics.read();
            let limits = |topic| TopicLimits::of(&self.log.options.retention, topic, now_ms);
            exceeding
                .into_iter()
                .filter_map(|name| topics.get(&name).map(limits).map(|limits| (name, limits)))
                .collect()
        };
        trim_to(&self.log, &self.jobs, limits)?;
        Ok(())
    }

    /// Trims the largest topics until all topics together are within the limits.
    fn apply_totals(&mut self) -> Result<(), Stopped> {
        let retention = &self.log.options.retention;
        let (events, bytes) = self.log.topics.read().totals();
        if events > retention.max_events || bytes > retention.max_bytes {
            trim_largest(
                &self.log,
                &self.jobs,
                retention.max_events,
                retention.max_bytes,
            )?;
        }
        Ok(())
    }

    /// Finds the other topics of those topics that would be trimmed whole next if there were too
    /// many. Then trims topics if there are too many: the committer has usually done so, but not
    /// for topics that were there at the start.
    fn limit_topics(&self) -> Result<(), Stopped> {
        let most = self.log.options.retention.max_topics;
        loop {
            let held = self.log.topics.read().held();
            if held <= most - most / 8 {
                return Ok(());
            }
            let unknown = self.log.topics.write().unknown(PREPARED_TOPICS);
            for name in unknown {
                if let Err(error) = trim::find_other_topics(&self.log, &name) {
                    tracing::error!(topic = %name, %error, "a topic can't be read");
                }
            }
            if held <= most {
                return Ok(());
            }
            self.write(MaintenanceWrite::TrimSurplusTopics)?;
            let mut topics = self.log.topics.write();
            topics.shrink();
            if topics.held() >= held {
                // the remaining topics are the server's own, or are written to all the time
                return Ok(());
            }
        }
    }

    /// Has the counts of all topics written, in steps, so that the next start has little to count.
    fn checkpoint(&mut self) -> Result<(), Stopped> {
        let due = |log: &Log| {
            log.head().get() - log.checkpoint().get() > log.options.tuning.checkpoint_every
        };
        if due(&self.log) {
            let before = self.log.checkpoint();
            while self.log.checkpoint() == before {
                self.write(MaintenanceWrite::Checkpoint)?;
            }
        }
        Ok(())
    }

    fn write(
        &self,
        make: impl FnOnce(oneshot::Sender<()>) -> MaintenanceWrite,
    ) -> Result<(), Stopped> {
        request::write(&self.log, &self.jobs, make)
    }
}

/// Has the engine remove the files that it has replaced.
fn remove_replaced_files(log: &Log, jobs: &mpsc::WeakSender<Job>) -> Result<(), Stopped> {
    if log.tables.is_busy() {
        return Ok(());
    }
    request::write(log, jobs, MaintenanceWrite::Noop)?;
    log.tables.remove_replaced_files().map_err(|error| {
        log.fail("freeing space in the journal", &error);
        Stopped
    })
}

/// Trims each topic until it is within its limits. No topic may be named twice. Returns how many
/// bytes were trimmed.
fn trim_to(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    topics: impl IntoIterator<Item = (TopicName, TopicLimits)>,
) -> Result<u64, Stopped> {
    let mut trimmed_bytes = 0;
    let mut rest = topics.into_iter();
    let mut current = Vec::with_capacity(MAX_TRIMS_PER_STEP);
    loop {
        current.extend(rest.by_ref().take(MAX_TRIMS_PER_STEP - current.len()));
        if current.is_empty() {
            return Ok(trimmed_bytes);
        }
        let _guard = log.trimming.lock();
        let (mut trims, mut written) = (Vec::new(), Vec::new());
        current.retain(|(name, limits)| match trim::next(log, name, *limits) {
            Ok(trim::Decision::WithinLimits) => false,
            Ok(trim::Decision::Trim(step)) => {
                trimmed_bytes += step.bytes;
                log.garbage.lock().add(&log.topics.read(), &step);
                let (done, receiver) = oneshot::channel();
                trims.push(MaintenanceWrite::Trim(step, done));
                written.push(receiver);
                true
            }
            Err(error) => {
                tracing::error!(topic = %name, %error, "a topic can't be trimmed");
                false
            }
        });
        if !trims.is_empty() {
            request::write_all(log, jobs, trims, written)?;
        }
    }
}

/// Trims the topics that hold most until all topics together hold at most `events` records and at
/// most `bytes`. Returns how many bytes were trimmed.
fn trim_largest(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    events: u64,
    bytes: u64,
) -> Result<u64, Stopped> {
    let (by_events, by_bytes) = {
        let topics = log.topics.read();
        let level = |most, of: fn(&super::topics::Topic) -> u64| {
            let level =
                trim::water_level(topics.iter().map(|(_, topic)| of(topic)).collect(), most);
            let over = topics
                .iter()
                .filter(|(_, topic)| of(topic) > level)
                .map(|(name, _)| name.clone());
            (level, over.collect::<Vec<_>>())
        };
        (
            level(events, |topic| topic.row.events),
            level(bytes, |topic| topic.row.bytes),
        )
    };
    let each = |names: Vec<TopicName>, limits| names.into_iter().map(move |name| (name, limits));
    let mut trimmed_bytes = trim_to(
        log,
        jobs,
        each(
            by_events.1,
            TopicLimits {
                events: by_events.0,
                ..TopicLimits::NONE
            },
        ),
    )?;
    trimmed_bytes += trim_to(
        log,
        jobs,
        each(
            by_bytes.1,
            TopicLimits {
                bytes: by_bytes.0,
                ..TopicLimits::NONE
            },
        ),
    )?;
    Ok(trimmed_bytes)
}

#[cfg(test)]
mod tests;
