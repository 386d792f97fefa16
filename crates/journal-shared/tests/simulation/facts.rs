//! What happened in a simulation, as seen from outside: what was published and answered, what
//! readers saw, and which faults there were. The oracle judges by nothing else.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidings_journal::{Entry, Epoch, EventId, Position, TopicName};

/// An id as a key.
pub(crate) type Id = (Epoch, Position);

/// Everything that happened.
#[derive(Default)]
pub(crate) struct Facts {
    /// What is wrong for certain, at the moment when it was noticed.
    pub(crate) violations: Vec<String>,
    /// What each id named when a node showed it.
    pub(crate) shown: BTreeMap<Id, Shown>,
    pub(crate) units: Vec<Unit>,
    pub(crate) readers: Vec<Vec<Span>>,
    pub(crate) erasures: Vec<Erasure>,
    /// When the broker lost something, or may have.
    pub(crate) losses: Vec<Loss>,
    /// When each life of a node ended.
    pub(crate) deaths: BTreeMap<u64, u64>,
    /// The time of healing, in milliseconds since the start.
    pub(crate) healed_ms: u64,
}

/// An entry that a node showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) data: Bytes,
    pub(crate) topics: Vec<TopicName>,
    pub(crate) keyed: bool,
}

/// A unit that was published.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The data of its records. Each record has its own.
    pub(crate) data: Vec<String>,
    /// The receipt that it shares with its repetitions.
    pub(crate) receipt: Option<String>,
    /// Whether nothing but a loss can undo it: it has no condition and no key.
    pub(crate) plain: bool,
    /// The life of the node that it was published at.
    pub(crate) life: u64,
    pub(crate) outcome: Outcome,
}

/// What a publisher was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing for certain.
    Unsure,
    /// It is in the log, at this time in milliseconds since the start.
    New(u64),
    /// It is a repetition, at this time.
    Known(u64),
    /// Its condition does not hold, or there is no capacity.
    Refused,
}

/// A stretch of a stream in which a reader was told of no reset.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) topics: Vec<TopicName>,
    /// The id after which it begins.
    pub(crate) start: EventId,
    pub(crate) seen: Vec<(EventId, Bytes)>,
    pub(crate) end: End,
}

/// How a span ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It goes on.
    Open,
    /// The reader has everything up to this id and came to no reset.
    Final(EventId),
    /// The reader's id was said to be ahead, or of no known epoch.
    Foreign(EventId),
    /// Something after the reader's id was trimmed.
    Trimmed(EventId),
}

/// An erasure that a node confirmed.
#[derive(Debug)]
pub(crate) struct Erasure {
    pub(crate) topic: TopicName,
    pub(crate) until: EventId,
    pub(crate) done: bool,
}

/// A loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The end of the log was lost.
    Tail,
    /// The old server came back, or went on beside the new one.
    Forked,
    /// The log itself was lost.
    Log,
    /// Groups were deleted behind the nodes' backs.
    Groups,
}

impl Facts {
    /// Notes an entry that a node shows.
    pub(crate) fn show(&mut self, entry: &Entry) {
        let shown = Shown {
            data: entry.record.data.clone(),
            topics: entry.record.topics.to_vec(),
            keyed: entry.record.key.is_some(),
        };
        let id = (entry.id.epoch, entry.id.position);
        let before = self.shown.entry(id).or_insert_with(|| shown.clone());
        if *before != shown {
            let violation = format!("{} named {before:?} and then {shown:?}", entry.id);
            self.violations.push(violation);
        }
    }

    /// Whether there was a loss of this kind.
    pub(crate) fn lost(&self, loss: Loss) -> bool {
        self.losses.contains(&loss)
    }
}

impl Unit {
    /// When it was said to be in the log.
    pub(crate) fn acknowledged_ms(&self) -> Option<u64> {
        match self.outcome {
            Outcome::New(ms) => Some(ms),
            Outcome::Unsure | Outcome::Known(_) | Outcome::Refused => None,
        }
    }
}
