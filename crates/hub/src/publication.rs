//! What is published: an event on its way into the log, or past it.

use std::sync::Arc;

use bytes::Bytes;
use tidings_journal::{Entry, EventId, Pool, Position, Record, StoredReceipt, TopicName};
use tidings_sse::{Event, EventName, Frame, Id};

use crate::fanout::Delivery;

/// The most bytes that the data of an event may have: 251 KiB.
///
/// With an envelope of up to 4 KiB around it, its `data:` line stays below 256 KiB, the longest that common readers take:
/// Spring's `WebClient` gives up at 262,144 bytes, comes back by its last id, is sent the same event, and never sees what comes
/// after it.
pub const MAX_DATA_BYTES: usize = 251 << 10;

/// An event to be stored and delivered.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The topics it stands in: the one published to first, then the aggregates that show it too.
    pub topics: Arc<[TopicName]>,
    /// The event's name.
    pub event: EventName,
    /// With a key, it takes the place of the earlier one with the same first topic and key.
    pub key: Option<Arc<str>>,
    /// Whether it ends its key: the earlier one goes, and this one is kept as one without a key is.
    pub ends_key: bool,
    /// The event's data, of at most [`MAX_DATA_BYTES`].
    pub data: String,
}

/// What came of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is in the log, and every stream can see it. The id of its first event; an empty batch has none, and gets the next id.
    New(EventId),
    /// One with the same receipt was published or refused before, and every stream can see what came of that. Nothing was
    /// changed.
    Known(StoredReceipt),
    /// Its condition is not true: nothing was published, but the receipt is kept. The id of the newest event that was looked at,
    /// which every stream can see.
    Refused(EventId),
    /// There is no room for its keys: nothing was published, and no receipt is kept.
    Full(Pool),
}

impl Publication {
    /// An event without a key.
    pub fn new(topics: impl Into<Arc<[TopicName]>>, event: EventName, data: impl Into<String>) -> Self {
        Self { topics: topics.into(), event, key: None, ends_key: false, data: data.into() }
    }

    /// The newest of its key from now on.
    #[must_use]
    pub fn keyed(self, key: impl Into<Arc<str>>) -> Self {
        Self { key: Some(key.into()), ends_key: false, ..self }
    }

    /// The end of its key.
    #[must_use]
    pub fn ending(self, key: impl Into<Arc<str>>) -> Self {
        Self { key: Some(key.into()), ends_key: true, ..self }
    }

    /// Fails for an event that not all readers could take. One that is in the log already is never judged: what an earlier
    /// version stored is replayed as it is.
    pub(crate) fn check(&self) -> Result<(), tidings_journal::Error> {
        let bytes = self.data.len();
        if bytes > MAX_DATA_BYTES {
            let problem =
                format!("The event's data has {bytes} bytes; the most that all clients can read is {MAX_DATA_BYTES}");
            return Err(tidings_journal::Error::TooLarge(problem));
        }
        Ok(())
    }

    pub(crate) fn into_record(self, at_ms: i64) -> Record {
        let Self { topics, event, key, ends_key, data } = self;
        Record { topics, event: event.as_str().into(), key, ends_key, data: Bytes::from(data), at_ms }
    }
}

/// A stored event as it is handed out.
pub(crate) struct Stored<'a> {
    pub(crate) entry: &'a Entry,
    /// Whether it was erased meanwhile: it has its place, and nobody is shown it.
    pub(crate) hidden: bool,
}

impl Delivery for Stored<'_> {
    fn topics(&self) -> &[TopicName] {
        if self.hidden { &[] } else { &self.entry.record.topics }
    }

    fn position(&self) -> Option<Position> {
        Some(self.entry.id.position)
    }

    fn encode(&self) -> Option<Frame> {
        encode(self.entry, Some(self.entry.id))
    }
}

/// An event that is delivered to who listens now, and to nobody later.
pub(crate) struct Ephemeral<'a>(pub(crate) &'a Publication);

impl Delivery for Ephemeral<'_> {
    fn topics(&self) -> &[TopicName] {
        &self.0.topics
    }

    fn position(&self) -> Option<Position> {
        None
    }

    fn encode(&self) -> Option<Frame> {
        Some(Event::new(self.0.event.clone(), self.0.data.as_str()).encode())
    }
}

/// The bytes of `entry`, with or without its id. `None` if what the journal gave back is no event.
pub(crate) fn encode(entry: &Entry, id: Option<EventId>) -> Option<Frame> {
    let record = &entry.record;
    let name = EventName::parse(&record.event);
    let data = std::str::from_utf8(&record.data);
    let id = id.map(|id| Id::parse(&id.to_string())).transpose();
    match (name, data, id) {
        (Ok(name), Ok(data), Ok(id)) => Some(Event::new(name, data).id(id).encode()),
        _ => {
            tracing::error!(id = %entry.id, "the journal returned what was never an event; it is left out");
            None
        }
    }
}
