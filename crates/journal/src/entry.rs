//! What is written to the log, and what is read back.

use std::sync::Arc;

use bytes::Bytes;

use crate::id::{EventId, Position};
use crate::topic::TopicName;

/// What is to be appended.
#[derive(Clone, Debug)]
pub struct Record {
    /// The topics it stands in: the one published to first, then the aggregates that show it too.
    pub topics: Arc<[TopicName]>,
    /// The event's name.
    pub event: Arc<str>,
    /// With a key, the record takes the place of the earlier one of the same first topic and key.
    pub key: Option<Arc<str>>,
    /// The event's data, UTF-8.
    pub data: Bytes,
    /// When it was published, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether it ends its key: the live record with it goes, and this one is kept as one without a key is.
    pub ends_key: bool,
}

/// A record in its place.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id, the same for ever.
    pub id: EventId,
    /// What was appended.
    pub record: Record,
}

/// Which entries a reader wants: those that stand in one of these topics.
#[derive(Clone, Debug)]
pub struct Selector(Arc<[TopicName]>);

/// How much one read returns at most; at least one entry, if there is any.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Entries.
    pub events: usize,
    /// Bytes of data.
    pub bytes: usize,
}

/// What one read found.
#[derive(Clone, Debug)]
pub struct Page {
    /// In the order of the log.
    pub entries: Vec<Arc<Entry>>,
    /// Up to where the log was searched: the cursor for the next read.
    pub next: Position,
    /// The highest position ever trimmed away from the selected topics, as of this read. When it is above the cursor
    /// that was read from, the page has a hole before its first entry.
    pub floor: Position,
    /// Whether there is such a hole because a part of the log can't be read any more. `floor` is its end, or higher.
    pub damaged: bool,
}

/// What one read backwards found.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// In the order of the log.
    pub entries: Vec<Arc<Entry>>,
    /// Down to where the log was searched: what the next read asks to be before.
    pub prev: Position,
    /// Whether nothing older is kept.
    pub end: bool,
    /// The highest position ever trimmed away from the selected topics, as of this read.
    pub floor: Position,
    /// Whether something before the place that was asked for was left out, because it can't be read any more.
    pub damaged: bool,
}

/// What the log keeps of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Its name.
    pub topic: TopicName,
    /// Entries that were published to it and are kept. What it shows of other topics is counted there.
    pub events: u64,
    /// What they take, in bytes.
    pub bytes: u64,
}

impl Record {
    /// Whether it is the live record of its key for as long as no other takes its place.
    pub fn is_keyed(&self) -> bool {
        self.key.is_some() && !self.ends_key
    }

    /// What it weighs against a bound on bytes: its texts, and a fixed share for the structures around them.
    pub fn weight(&self) -> usize {
        const STRUCTURES: usize = 256;
        STRUCTURES + self.data.len() + self.key.as_ref().map_or(0, |key| key.len())
    }
}

impl Selector {
    /// Entries of any of `topics`.
    pub fn topics(topics: impl Into<Arc<[TopicName]>>) -> Self {
        Self(topics.into())
    }

    /// The topics.
    pub fn as_slice(&self) -> &[TopicName] {
        &self.0
    }
}

impl Limit {
    /// No limit.
    pub const NONE: Self = Self { events: usize::MAX, bytes: usize::MAX };
}
