//! Publications: events before they are stored, and how stored and ephemeral events are delivered.

use std::sync::Arc;

use bytes::Bytes;
use tidings_journal::{Entry, EventId, Pool, Position, Record, StoredReceipt, TopicName};
use tidings_sse::{Event, EventName, Frame, Id};

use crate::fanout::Delivery;

/// The most bytes that the data of an event may have: 251 KiB.
///
/// With an envelope of up to 4 KiB around it, the `data:` line stays below 256 KiB, the longest
/// that common clients accept. Spring's `WebClient` fails at 262,144 bytes, reconnects with its
/// last id, is sent the same event again, and never sees the events after it.
pub const MAX_DATA_BYTES: usize = 251 << 10;

/// An event to be stored and delivered.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The topics that show the event: first the one that it is published to, then its aggregates.
    pub topics: Arc<[TopicName]>,
    /// The event's name.
    pub event: EventName,
    /// With a key, the event replaces the earlier one with the same first topic and key.
    pub key: Option<Arc<str>>,
    /// Whether the event ends its key: the earlier one is superseded, and this one is kept like an
    /// event without a key.
    pub ends_key: bool,
    /// The event's data, of at most [`MAX_DATA_BYTES`].
    pub data: String,
}

/// The outcome of publishing a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// The batch is in the log, and every stream can see it. Holds the id of its first event; for
    /// an empty batch, the next id.
    New(EventId),
    /// A batch with the same receipt key was published or refused before, and every stream can see
    /// the result. Nothing was changed. Holds the id of the first event of that batch; for a batch
    /// without events, the id that was next at that time.
    Known(EventId, StoredReceipt),
    /// The condition is not true: nothing was published, but the receipt is kept. Holds the id of
    /// the newest event that the condition was checked against, which every stream can see.
    Refused(EventId),
    /// The limit of keys is reached: nothing was published, and no receipt is kept.
    Full(Pool),
}

impl Publication {
    /// Creates an event without a key.
    pub fn new(
        topics: impl Into<Arc<[TopicName]>>,
        event: EventName,
        data: impl Into<String>,
    ) -> Self {
        Self {
            topics: topics.into(),
            event,
            key: None,
            ends_key: false,
            data: data.into(),
        }
    }

    /// Gives the event a key. The event becomes the newest one with that key.
    #[must_use]
    pub fn keyed(self, key: impl Into<Arc<str>>) -> Self {
        Self {
            key: Some(key.into()),
            ends_key: false,
            ..self
        }
    }

    /// Gives the event a key, which it ends.
    #[must_use]
    pub fn ending(self, key: impl Into<Arc<str>>) -> Self {
        Self {
            key: Some(key.into()),
            ends_key: true,
            ..self
        }
    }

    /// Fails if some clients could not read the data because it is too large. Events that are in
    /// the log already are not checked: what an earlier version stored is replayed as it is.
    pub(crate) fn check(&self) -> Result<(), tidings_journal::Error> {
        let bytes = self.data.len();
        if bytes > MAX_DATA_BYTES {
            let problem = format!(
                "The event's data has {bytes} bytes; the most that all clients can read is \
                 {MAX_DATA_BYTES}"
            );
            return Err(tidings_journal::Error::TooLarge(problem));
        }
        Ok(())
    }

    pub(crate) fn into_record(self, at_ms: i64) -> Record {
        let Self {
            topics,
            event,
            key,
            ends_key,
            data,
        } = self;
        Record {
            topics,
            event: event.as_str().into(),
            key,
            ends_key,
            data: Bytes::from(data),
            at_ms,
        }
    }
}

/// A stored event that is delivered.
pub(crate) struct Stored<'a> {
    pub(crate) entry: &'a Entry,
    /// Whether the event was erased meanwhile. It then keeps its position, but no topic shows it.
    pub(crate) hidden: bool,
}

impl Delivery for Stored<'_> {
    fn topics(&self) -> &[TopicName] {
        if self.hidden {
            &[]
        } else {
            &self.entry.record.topics
        }
    }

    fn position(&self) -> Option<Position> {
        Some(self.entry.id.position)
    }

    fn encode(&self) -> Option<Frame> {
        encode(self.entry, Some(self.entry.id))
    }
}

/// An event that is delivered to the streams that are open now, and is not stored.
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

/// Encodes `entry`, with or without its id. `None` if the journal returned something that is not a
/// valid event.
pub(crate) fn encode(entry: &Entry, id: Option<EventId>) -> Option<Frame> {
    let record = &entry.record;
    let name = EventName::parse(&record.event);
    let data = std::str::from_utf8(&record.data);
    let id = id.map(|id| Id::parse(&id.to_string())).transpose();
    match (name, data, id) {
        (Ok(name), Ok(data), Ok(id)) => Some(Event::new(name, data).id(id).encode()),
        _ => {
            tracing::error!(id = %entry.id, "the journal returned an entry that is not a valid \
                                             event; it is skipped");
            None
        }
    }
}
