//! The maintenance writes of a step.

use tokio::sync::oneshot;

use super::Step;
use crate::counters::add;
use crate::keys::meta;
use crate::maintenance::{Erasure, ForgottenTopics, MaintenanceWrite, TrimStep};
use crate::topics::{OtherTopics, Topics};
use tidings_journal::{Position, TopicName};

/// How far the counts of the topics are written.
#[derive(Default)]
pub(crate) struct Checkpoint {
    /// The topics whose row has yet to be written.
    topics: Vec<TopicName>,
    /// The position up to which the counts are stored once all rows are written.
    upto: Position,
}

/// The most topic rows in one step, which take about a millisecond.
const MAX_ROWS_PER_STEP: usize = 512;

/// The most surplus topics that are trimmed in one step, which takes about a millisecond.
const MAX_SURPLUS_PER_STEP: usize = 512;

impl Checkpoint {
    /// Returns whether there are rows left to write.
    pub(crate) fn is_under_way(&self) -> bool {
        !self.topics.is_empty()
    }
}

impl Step<'_> {
    /// Adds a maintenance write to the step. Returns the sender to be used when the step is
    /// written.
    pub(crate) fn maintain(
        &mut self,
        write: MaintenanceWrite,
        checkpoint: &mut Checkpoint,
    ) -> oneshot::Sender<()> {
        match write {
            MaintenanceWrite::Trim(trim, done) => {
                self.trim(trim);
                done
            }
            MaintenanceWrite::Erase(erasure, done) => {
                self.erase(erasure);
                done
            }
            MaintenanceWrite::ForgetTopics(forgotten, done) => {
                self.forget_topics(forgotten);
                done
            }
            MaintenanceWrite::TrimSurplusTopics(done) => {
                let log = self.log;
                self.trim_surplus_topics(&mut log.topics.write());
                done
            }
            MaintenanceWrite::Checkpoint(done) => {
                self.checkpoint(checkpoint);
                done
            }
            MaintenanceWrite::Noop(done) => {
                self.put_noop();
                done
            }
        }
    }

    fn trim(&mut self, trim: TrimStep) {
        self.must_sync = true;
        let mut topics = self.log.topics.write();
        topics.subtract(&trim.topic, trim.events, trim.bytes, trim.oldest_ms);
        add(&self.log.counters.trimmed, trim.events);
        let others = trim
            .others
            .into_iter()
            .map(|other| (other.topic, other.floor));
        for (name, floor) in std::iter::once((trim.topic, trim.floor)).chain(others) {
            self.raise(&mut topics, name, floor);
        }
    }

    fn raise(&mut self, topics: &mut Topics, name: TopicName, floor: Position) {
        if let Some((id, floor)) = topics.raise(&name, floor) {
            self.floors.push((id, floor));
            self.due.insert(name);
        }
    }

    fn erase(&mut self, erasure: Erasure) {
        self.must_sync = true;
        let mut topics = self.log.topics.write();
        for position in erasure.keyed {
            // A record that was superseded in the meantime is gone already.
            if let Some(keyed) = topics.take_keyed(position) {
                self.forget_keyed(&topics, position, keyed);
            }
        }
        for (name, floor) in erasure.floors {
            self.raise(&mut topics, name, floor);
        }
    }

    fn forget_topics(&mut self, forgotten: ForgottenTopics) {
        self.must_sync = true;
        let mut topics = self.log.topics.write();
        topics.forgotten = topics.forgotten.max(forgotten.floor);
        for name in forgotten.topics {
            if let Some(id) = topics.forget(&name) {
                self.due.remove(&name);
                self.forgotten.push(id);
                self.remove_topic(&name);
            }
        }
        self.note_forgotten(&topics);
    }

    fn note_forgotten(&mut self, topics: &Topics) {
        self.must_sync = true;
        self.put_meta(meta::FORGOTTEN, topics.forgotten.get());
        self.put_meta(meta::NEXT_ID, topics.next_id);
    }

    /// Trims topics whole if too many topics hold records, the one whose newest record is oldest
    /// first. Also forgets these topics, so that their floors become part of the common one. Trims
    /// a few more than necessary, because each time costs a sync.
    ///
    /// Nothing is read for this. If the other topics of a topic's records are not known, the call
    /// does nothing until the retention task has found them.
    pub(crate) fn trim_surplus_topics(&mut self, topics: &mut Topics) {
        let most = self.log.options.retention.max_topics;
        if topics.held() <= most {
            return;
        }
        let goal = most - (most / 64).min(MAX_SURPLUS_PER_STEP / 2);
        let mut trimmed = 0;
        while topics.held() > goal && trimmed < MAX_SURPLUS_PER_STEP {
            let Some((name, topic)) = topics.take_oldest() else {
                break;
            };
            if topic.other_topics == OtherTopics::Unknown {
                topics.put_back(name);
                break;
            }
            self.trim_whole(topics, &name);
            trimmed += 1;
        }
        if trimmed > 0 {
            add(&self.log.counters.topics_trimmed, trimmed as u64);
            self.note_forgotten(topics);
        }
    }

    fn trim_whole(&mut self, topics: &mut Topics, name: &TopicName) {
        let Some(topic) = topics.remove(name) else {
            return;
        };
        add(&self.log.counters.trimmed, topic.row.events);
        self.due.remove(name);
        self.remove_topic(name);
        self.forgotten.push(topic.row.id);
        self.whole.push((topic.row.id, topic.row.bytes));
        // The records are below the common floor now. As after any trimming, the topics that showed
        // them begin behind them.
        if topic.row.last_plain > topic.row.floor {
            for other in topic.other_topics.topics() {
                self.raise(topics, other.clone(), topic.row.last_plain);
            }
        }
    }

    /// Writes the counts of some topics. Once every row that was out of date at the beginning is
    /// written, the counts are complete up to the position that the log had then.
    fn checkpoint(&mut self, checkpoint: &mut Checkpoint) {
        if checkpoint.topics.is_empty() {
            checkpoint.topics = self.log.topics.write().take_dirty();
            checkpoint.upto = self.end();
        }
        let rest = checkpoint.topics.len().saturating_sub(MAX_ROWS_PER_STEP);
        self.due.extend(checkpoint.topics.drain(rest..));
        if checkpoint.topics.is_empty() {
            self.put_meta(meta::CHECKPOINT, checkpoint.upto.get());
            self.checkpoint = Some(checkpoint.upto);
        }
    }
}
