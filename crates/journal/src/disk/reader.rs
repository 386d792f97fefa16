//! Reading: pages of some topics, in the order of the log. Everything here waits for the device, and runs where it may.

use fjall::{Iter, Slice};

use super::codec::{self, Interner, Stored};
use super::error::describe;
use super::keys::{self, Kind, TopicId};
use super::log::Log;
use super::tables::Tables;
use crate::{Entry, Epochs, Error, EventId, Kept, Limit, Page, Position, Record, Selector};

use std::sync::Arc;

/// One topic's records of one kind, oldest first.
struct Source {
    topic: TopicId,
    kind: Kind,
    rest: Iter,
    /// The one that comes next.
    head: Option<(Position, Slice)>,
}

/// The entries of some topics, merged.
pub(super) struct Merge<'a> {
    tables: &'a Tables,
    sources: Vec<Source>,
    interner: Interner,
}

impl Log {
    /// What [`Journal::read`](crate::Journal::read) returns.
    pub(super) fn page(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        let until = until.min(self.head());
        let mut page = Page { entries: Vec::new(), next: until.max(after), floor: Position::START };
        if until > after {
            let mut merge = self.merge(selector, after, until)?;
            let mut bytes = 0;
            while let Some(position) = merge.peek() {
                let full = page.entries.len() >= limit.events || bytes >= limit.bytes;
                if let Some(last) = page.entries.last().filter(|_| full) {
                    page.next = last.id.position;
                    break;
                }
                if let Some(record) = merge.take(position)? {
                    bytes += record.data.len();
                    page.entries.push(Arc::new(entry(&self.epochs, position, record)));
                }
            }
        }
        // After reading: what was trimmed meanwhile, and may be missing in the page, is below it.
        page.floor = self.topics.read().floor(selector);
        Ok(page)
    }

    /// The position of the oldest record of `selector`.
    pub(super) fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        Ok(self.merge(selector, Position::START, self.head())?.peek())
    }

    /// The receipt with this key.
    pub(super) fn receipt(&self, key: &[u8], now_ms: i64) -> Result<Option<Kept>, Error> {
        let value = self.tables.receipts.get(keys::receipt(key)).map_err(unreadable)?;
        let receipt = value.as_deref().and_then(codec::decode_receipt);
        Ok(receipt.filter(|(end, _)| *end > now_ms).map(|(_, kept)| kept))
    }

    fn merge(&self, selector: &Selector, after: Position, until: Position) -> Result<Merge<'_>, Error> {
        let mut wanted = Vec::new();
        {
            let topics = self.topics.read();
            for topic in selector.as_slice().iter().filter_map(|name| topics.get(name)) {
                wanted.push((topic.row.id, Kind::Plain, after.max(topic.row.floor)));
                if topic.keyed > 0 {
                    wanted.push((topic.row.id, Kind::Keyed, after));
                }
            }
        }
        Merge::new(&self.tables, wanted, until)
    }
}

impl<'a> Merge<'a> {
    /// Each topic's records of a kind after a position, up to `until`.
    pub(super) fn new(
        tables: &'a Tables,
        wanted: impl IntoIterator<Item = (TopicId, Kind, Position)>,
        until: Position,
    ) -> Result<Self, Error> {
        let mut sources = Vec::new();
        for (topic, kind, after) in wanted {
            if after >= until {
                continue;
            }
            let range = keys::event(topic, kind, after.next())..=keys::event(topic, kind, until);
            let rest = tables.events[keys::shard(topic)].range(range);
            let mut source = Source { topic, kind, rest, head: None };
            source.advance()?;
            sources.push(source);
        }
        Ok(Self { tables, sources, interner: Interner::default() })
    }

    /// The position that comes next.
    pub(super) fn peek(&self) -> Option<Position> {
        self.sources.iter().filter_map(|source| source.head.as_ref()).map(|(position, _)| *position).min()
    }

    /// The record at the position that comes next. `None` if it was trimmed between one look and the other.
    pub(super) fn take(&mut self, position: Position) -> Result<Option<Record>, Error> {
        let mut record = None;
        for source in &mut self.sources {
            if let Some((_, value)) = source.head.take_if(|(at, _)| *at == position) {
                source.advance()?;
                if record.is_none() {
                    let damaged = || Error::Unreadable(format!("the record at position {position} is damaged"));
                    record = match codec::decode_stored(&value, &mut self.interner).ok_or_else(damaged)? {
                        Stored::Record(record) => Some(record),
                        Stored::In(topic) => get(self.tables, topic, source.kind, position, &mut self.interner)?,
                    };
                }
            }
        }
        Ok(record)
    }
}

impl Source {
    fn advance(&mut self) -> Result<(), Error> {
        debug_assert!(self.head.is_none(), "topic {} was advanced past a record", self.topic);
        if let Some(next) = self.rest.next() {
            let (key, value) = next.into_inner().map_err(unreadable)?;
            self.head = keys::parse_event(&key).map(|(_, _, position)| (position, value));
        }
        Ok(())
    }
}

/// The record that stands in `topic` at `position`.
pub(super) fn get(
    tables: &Tables,
    topic: TopicId,
    kind: Kind,
    position: Position,
    interner: &mut Interner,
) -> Result<Option<Record>, Error> {
    let key = keys::event(topic, kind, position);
    let Some(value) = tables.events[keys::shard(topic)].get(key).map_err(unreadable)? else {
        return Ok(None);
    };
    match codec::decode_stored(&value, interner) {
        Some(Stored::Record(record)) => Ok(Some(record)),
        _ => Err(Error::Unreadable(format!("the record at position {position} is damaged"))),
    }
}

/// A record in its place.
pub(super) fn entry(epochs: &Epochs, position: Position, record: Record) -> Entry {
    let EventId { epoch, position } = epochs.id_of(position);
    Entry { id: EventId { epoch, position }, record }
}

/// What a reader is told.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn unreadable(error: fjall::Error) -> Error {
    Error::Unreadable(describe(&error))
}
