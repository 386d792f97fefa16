//! What is written beside appends: what was trimmed, which topics were forgotten, and how much each topic holds.

use tokio::sync::oneshot;

use super::counters::add;
use super::group::Group;
use super::keys::meta;
use super::topics::{Shown, Topics};
use tidings_journal::{Position, TopicName};

/// Something to be written in the next step.
pub(super) enum Chore {
    /// The oldest records of a topic go.
    Trim(Trim, oneshot::Sender<()>),
    /// What was to be erased goes, beside what is trimmed for it.
    Erase(Erase, oneshot::Sender<()>),
    /// Topics that hold nothing are forgotten.
    Fold(Fold, oneshot::Sender<()>),
    /// If there are too many topics, some go.
    MakeRoom(oneshot::Sender<()>),
    /// Some of what each topic holds is written down.
    Checkpoint(oneshot::Sender<()>),
    /// Something that means nothing is written: readers see a newer state, and hold on to no older one.
    Beat(oneshot::Sender<()>),
}

/// The oldest records of a topic, which go.
pub(super) struct Trim {
    /// Their first topic.
    pub(super) topic: TopicName,
    /// The highest of their positions.
    pub(super) floor: Position,
    /// How many they are, and what they take: in this topic, and in all.
    pub(super) events: u64,
    pub(super) own: u64,
    pub(super) bytes: u64,
    /// When the oldest of those that stay was published, if that is known.
    pub(super) oldest_ms: Option<i64>,
    /// Their other topics.
    pub(super) others: Vec<Guests>,
}

/// Those of the records that stand in another topic too.
pub(super) struct Guests {
    pub(super) topic: TopicName,
    /// The highest of their positions.
    pub(super) floor: Position,
    /// What they take there.
    pub(super) bytes: u64,
}

/// What goes at somebody's word.
pub(super) struct Erase {
    /// Topics, each with what its floor is at least.
    pub(super) floors: Vec<(TopicName, Position)>,
    /// Where records with a key stand.
    pub(super) keyed: Vec<Position>,
}

/// Topics that hold nothing.
pub(super) struct Fold {
    pub(super) topics: Vec<TopicName>,
    /// What is at least as high as the floor of each.
    pub(super) floor: Position,
}

impl Trim {
    /// Nothing of `topic` yet.
    pub(super) fn new(topic: TopicName) -> Self {
        Self { topic, floor: Position::START, events: 0, own: 0, bytes: 0, oldest_ms: None, others: Vec::new() }
    }
}

impl Guests {
    /// None in `topic` yet.
    pub(super) fn new(topic: TopicName) -> Self {
        Self { topic, floor: Position::START, bytes: 0 }
    }
}

/// How far the counts are written down.
#[derive(Default)]
pub(super) struct Checkpoint {
    /// The topics whose row is still to be written.
    topics: Vec<TopicName>,
    /// Up to where the counts are written down once all are.
    upto: Position,
}

/// The most rows of topics in one step: about a millisecond.
const ROWS: usize = 512;

/// The most topics that are trimmed in one step because there are too many: about a millisecond.
const TRIMMED_AT_ONCE: usize = 512;

impl Checkpoint {
    /// Whether there is more to write.
    pub(super) fn is_under_way(&self) -> bool {
        !self.topics.is_empty()
    }
}

impl Group<'_> {
    /// Adds a chore. Returns whom to tell when it is done.
    pub(super) fn chore(&mut self, chore: Chore, checkpoint: &mut Checkpoint) -> oneshot::Sender<()> {
        match chore {
            Chore::Trim(trim, done) => {
                self.trim(trim);
                done
            }
            Chore::Erase(erase, done) => {
                self.erase(erase);
                done
            }
            Chore::Fold(fold, done) => {
                self.fold(fold);
                done
            }
            Chore::MakeRoom(done) => {
                let log = self.log;
                self.make_room(&mut log.topics.write());
                done
            }
            Chore::Checkpoint(done) => {
                self.checkpoint(checkpoint);
                done
            }
            Chore::Beat(done) => {
                self.beat();
                done
            }
        }
    }

    fn trim(&mut self, trim: Trim) {
        self.must_sync = true;
        let mut topics = self.log.topics.write();
        topics.discount(&trim.topic, trim.events, trim.bytes, trim.oldest_ms);
        add(&self.log.counters.trimmed, trim.events);
        let others = trim.others.into_iter().map(|guests| (guests.topic, guests.floor));
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

    fn erase(&mut self, erase: Erase) {
        self.must_sync = true;
        let mut topics = self.log.topics.write();
        for position in erase.keyed {
            // One that was superseded meanwhile is gone.
            if let Some(keyed) = topics.take_keyed(position) {
                self.forget_keyed(&topics, position, keyed);
            }
        }
        for (name, floor) in erase.floors {
            self.raise(&mut topics, name, floor);
        }
    }

    fn fold(&mut self, fold: Fold) {
        self.must_sync = true;
        let mut topics = self.log.topics.write();
        topics.forgotten = topics.forgotten.max(fold.floor);
        for name in fold.topics {
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

    /// If more topics hold something than may, trims those whose newest record is oldest, whole, and forgets them: their floor
    /// becomes the common one. Some more than have to go, as each time costs a sync.
    ///
    /// Nothing is read for it. A topic of which it is not known where its records are shown waits for the janitor to find out.
    pub(super) fn make_room(&mut self, topics: &mut Topics) {
        let most = self.log.options.retention.max_topics;
        if topics.held() <= most {
            return;
        }
        let goal = most - (most / 64).min(TRIMMED_AT_ONCE / 2);
        let mut trimmed = 0;
        while topics.held() > goal && trimmed < TRIMMED_AT_ONCE {
            let Some((name, topic)) = topics.take_oldest() else { break };
            if topic.shown == Shown::Unknown {
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
        let Some(topic) = topics.remove(name) else { return };
        add(&self.log.counters.trimmed, topic.row.events);
        self.due.remove(name);
        self.remove_topic(name);
        self.forgotten.push(topic.row.id);
        self.whole.push((topic.row.id, topic.row.bytes));
        // What stood there is below the common floor; what it was shown in begins behind it, as when it is trimmed.
        if topic.row.last_plain > topic.row.floor {
            for other in topic.shown.topics() {
                self.raise(topics, other.clone(), topic.row.last_plain);
            }
        }
    }

    /// Writes some of the counts. Once all that were out of date at the beginning are written, those of everything before
    /// it are.
    fn checkpoint(&mut self, checkpoint: &mut Checkpoint) {
        if checkpoint.topics.is_empty() {
            checkpoint.topics = self.log.topics.write().take_dirty();
            checkpoint.upto = self.end();
        }
        let rest = checkpoint.topics.len().saturating_sub(ROWS);
        self.due.extend(checkpoint.topics.drain(rest..));
        if checkpoint.topics.is_empty() {
            self.put_meta(meta::CHECKPOINT, checkpoint.upto.get());
            self.checkpoint = Some(checkpoint.upto);
        }
    }
}
