//! Maintenance writes: what the committer writes in addition to appends. They trim records, forget
//! topics, and store how much each topic holds.

use tokio::sync::oneshot;

use tidings_journal::{Position, TopicName};

/// Something that the committer writes in its next step. The sender is used when it is written.
pub(super) enum MaintenanceWrite {
    /// Trims the oldest records of a topic.
    Trim(TrimStep, oneshot::Sender<()>),
    /// Erases records with a key and raises floors, in addition to the trimming that an erasure
    /// needs.
    Erase(Erasure, oneshot::Sender<()>),
    /// Forgets topics that hold nothing.
    ForgetTopics(ForgottenTopics, oneshot::Sender<()>),
    /// Trims some topics whole if there are too many.
    TrimSurplusTopics(oneshot::Sender<()>),
    /// Writes the counts of some topics.
    Checkpoint(oneshot::Sender<()>),
    /// Writes a key without a meaning, so that readers get a newer snapshot and release older ones.
    Noop(oneshot::Sender<()>),
}

/// The oldest records of a topic, which are to be trimmed.
pub(super) struct TrimStep {
    /// The first topic of the records.
    pub(super) topic: TopicName,
    /// Their highest position.
    pub(super) floor: Position,
    /// Their number, and their size in bytes: in this topic, and in all of their topics.
    pub(super) events: u64,
    pub(super) own_bytes: u64,
    pub(super) bytes: u64,
    /// When the oldest record that stays was published, if that is known.
    pub(super) oldest_ms: Option<i64>,
    /// The other topics that these records stand in.
    pub(super) others: Vec<OtherTopic>,
}

/// A topic that shows some records of another one.
pub(super) struct OtherTopic {
    pub(super) topic: TopicName,
    /// The highest position of these records.
    pub(super) floor: Position,
    /// Their size in this topic in bytes.
    pub(super) bytes: u64,
}

/// What an erasure writes.
pub(super) struct Erasure {
    /// Topics, each with the lowest value that its floor may have.
    pub(super) floors: Vec<(TopicName, Position)>,
    /// The positions of records with a key.
    pub(super) keyed: Vec<Position>,
}

/// Topics that hold nothing and are to be forgotten.
pub(super) struct ForgottenTopics {
    pub(super) topics: Vec<TopicName>,
    /// A position at or above the floor of each of them.
    pub(super) floor: Position,
}

impl TrimStep {
    /// Creates an empty step for `topic`.
    pub(super) fn new(topic: TopicName) -> Self {
        Self {
            topic,
            floor: Position::START,
            events: 0,
            own_bytes: 0,
            bytes: 0,
            oldest_ms: None,
            others: Vec::new(),
        }
    }
}

impl OtherTopic {
    /// Creates an entry for `topic` without records.
    pub(super) fn new(topic: TopicName) -> Self {
        Self {
            topic,
            floor: Position::START,
            bytes: 0,
        }
    }
}
