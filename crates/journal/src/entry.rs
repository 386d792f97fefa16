//! Records, entries, and the pages that a read returns.

use std::sync::Arc;

use bytes::Bytes;

use crate::id::{EventId, Position};
use crate::topic::TopicName;

/// A record to be appended.
#[derive(Clone, Debug)]
pub struct Record {
    /// The topics that the record stands in: first the one that it was published to, then the
    /// aggregates that show it too.
    pub topics: Arc<[TopicName]>,
    /// The event's name.
    pub event: Arc<str>,
    /// The key, if the record has one. It then replaces the earlier record with the same first
    /// topic and key.
    pub key: Option<Arc<str>>,
    /// The event's data, UTF-8.
    pub data: Bytes,
    /// When the record was published, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether the record ends its key: the live record with that key is removed, and this one is
    /// kept like a record without a key.
    pub ends_key: bool,
}

/// A record at its position in the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The id, which never changes.
    pub id: EventId,
    /// The record.
    pub record: Record,
}

/// The entries that a reader wants: those that stand in one of these topics.
#[derive(Clone, Debug)]
pub struct Selector(Arc<[TopicName]>);

/// The most that one read returns. A read returns at least one entry if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The number of entries.
    pub events: usize,
    /// The number of bytes of data.
    pub bytes: usize,
}

/// The result of a read.
#[derive(Clone, Debug)]
pub struct Page {
    /// The entries in the order of the log.
    pub entries: Vec<Arc<Entry>>,
    /// The position up to which the log was searched, which is the cursor for the next read.
    pub next: Position,
    /// The highest position that was ever trimmed from the selected topics, at the time of this
    /// read. If it is above the cursor that was read from, entries are missing before the first one
    /// of this page.
    pub floor: Position,
    /// Whether entries are missing because a part of the log can't be read any more. `floor` is
    /// then at or above the end of that part.
    pub damaged: bool,
}

/// The result of a read backwards.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// The entries in the order of the log.
    pub entries: Vec<Arc<Entry>>,
    /// The position down to which the log was searched, which is `before` for the next read.
    pub prev: Position,
    /// Whether no older entry is kept.
    pub end: bool,
    /// The highest position that was ever trimmed from the selected topics, at the time of this
    /// read.
    pub floor: Position,
    /// Whether entries before the requested position are missing because a part of the log can't be
    /// read any more.
    pub damaged: bool,
}

/// What the log keeps of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The topic's name.
    pub topic: TopicName,
    /// The number of kept entries that were published to this topic. Entries that it shows of other
    /// topics count there.
    pub events: u64,
    /// The size of these entries in bytes.
    pub bytes: u64,
}

impl Record {
    /// Returns whether the record is the live record of its key until another one replaces it.
    pub fn is_keyed(&self) -> bool {
        self.key.is_some() && !self.ends_key
    }

    /// Returns the record's weight against a limit in bytes: the size of its texts, and a fixed
    /// amount for the data structures around them.
    pub fn weight(&self) -> usize {
        const STRUCTURES: usize = 256;
        STRUCTURES + self.data.len() + self.key.as_ref().map_or(0, |key| key.len())
    }
}

impl Selector {
    /// Selects the entries of any of `topics`.
    pub fn topics(topics: impl Into<Arc<[TopicName]>>) -> Self {
        Self(topics.into())
    }

    /// Returns the selected topics.
    pub fn as_slice(&self) -> &[TopicName] {
        &self.0
    }
}

impl Limit {
    /// No limit.
    pub const NONE: Self = Self {
        events: usize::MAX,
        bytes: usize::MAX,
    };
}
