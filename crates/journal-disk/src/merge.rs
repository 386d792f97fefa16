//! Merging: the records of some topics in the order of the log.

use fjall::{Iter, Readable as _, Slice, Snapshot};

use super::codec::{self, Interner};
use super::error::unreadable;
use super::keys::{self, Kind, TopicId};
use super::run::{self, Element, Location};
use super::tables::Tables;
use tidings_journal::{Entry, Epochs, Error, EventId, Position, Record};

/// The records of one kind in one topic, oldest first.
struct Source {
    kind: Kind,
    after: Position,
    until: Position,
    runs: Iter,
    run: Option<run::Reader<Slice>>,
    /// The next record.
    head: Option<(Position, Location)>,
}

/// A record, and its size.
pub(super) struct StoredRecord {
    pub(super) record: Record,
    /// Its size in its first topic, and in each of the others, in bytes.
    pub(super) own_bytes: u64,
    pub(super) copy_bytes: u64,
}

/// The entries of some topics, merged.
pub(super) struct Merge<'a> {
    tables: &'a Tables,
    snapshot: &'a Snapshot,
    sources: Vec<Source>,
    interner: Interner,
    /// Why nothing after the last record that was taken can be read.
    broken: Option<Error>,
}

impl<'a> Merge<'a> {
    /// Merges the records of `selector` of some kinds after a position, up to `until`.
    pub(super) fn new(
        tables: &'a Tables,
        snapshot: &'a Snapshot,
        wanted: impl IntoIterator<Item = (TopicId, Kind, Position)>,
        until: Position,
    ) -> Result<Self, Error> {
        let mut sources = Vec::new();
        for (topic, kind, after) in wanted {
            if after >= until {
                continue;
            }
            let range = keys::event(topic, kind, after.next())
                ..=keys::event(topic, kind, Position::new(u64::MAX));
            let runs = snapshot.range(&tables.events[keys::shard(topic)], range);
            let mut source = Source {
                kind,
                after,
                until,
                runs,
                run: None,
                head: None,
            };
            source.advance()?;
            sources.push(source);
        }
        Ok(Self {
            tables,
            snapshot,
            sources,
            interner: Interner::default(),
            broken: None,
        })
    }

    /// Returns the next position. After an error, nothing more may be taken.
    pub(super) fn peek(&mut self) -> Result<Option<Position>, Error> {
        match self.broken.take() {
            Some(error) => Err(error),
            None => Ok(self
                .sources
                .iter()
                .filter_map(|source| source.head.as_ref())
                .map(|(position, _)| *position)
                .min()),
        }
    }

    /// Takes the record at the next position. `None` if it was trimmed after the position was
    /// returned.
    pub(super) fn take(&mut self, position: Position) -> Result<Option<StoredRecord>, Error> {
        let mut taken = None;
        for source in &mut self.sources {
            let Some((_, location)) = source.head.take_if(|(at, _)| *at == position) else {
                continue;
            };
            if taken.is_none() {
                taken = match source.element(&location) {
                    Element::Record(record) => Some(decode(position, record, &mut self.interner)?),
                    Element::In(topic) => get(
                        self.tables,
                        self.snapshot,
                        topic,
                        source.kind,
                        position,
                        &mut self.interner,
                    )?,
                };
            }
            if let Err(error) = source.advance() {
                self.broken = Some(error); // the record that was taken is not affected
            }
        }
        Ok(taken)
    }
}

impl Source {
    /// Advances to the next record that is wanted.
    fn advance(&mut self) -> Result<(), Error> {
        let damaged = || Error::Damaged("a run of records is invalid".to_owned());
        loop {
            if let Some(run) = &mut self.run {
                match run.next().ok_or_else(damaged)? {
                    Some((position, _)) if position <= self.after => continue,
                    Some((position, _)) if position > self.until => return Ok(()),
                    Some(next) => {
                        self.head = Some(next);
                        return Ok(());
                    }
                    None => self.run = None,
                }
            }
            let Some(run) = self.runs.next() else {
                return Ok(());
            };
            let value = run.value().map_err(unreadable)?;
            self.run = Some(run::Reader::new(value).ok_or_else(damaged)?);
        }
    }

    fn element(&self, location: &Location) -> Element<'_> {
        self.run
            .as_ref()
            .map_or(Element::Record(&[]), |run| run.element(location))
    }
}

/// Returns the record that stands in `topic` at `position`.
pub(super) fn get(
    tables: &Tables,
    snapshot: &Snapshot,
    topic: TopicId,
    kind: Kind,
    position: Position,
    interner: &mut Interner,
) -> Result<Option<StoredRecord>, Error> {
    let before = Position::new(position.get().saturating_sub(1));
    let mut one = Merge::new(tables, snapshot, [(topic, kind, before)], position)?;
    let Some(source) = one.sources.first_mut() else {
        return Ok(None);
    };
    match source.head.take() {
        Some((at, location)) if at == position => match source.element(&location) {
            Element::Record(record) => decode(position, record, interner).map(Some),
            Element::In(_) => Err(damaged(position)),
        },
        _ => Ok(None),
    }
}

/// Decodes a record that was read at `position`.
pub(super) fn decode(
    position: Position,
    bytes: &[u8],
    interner: &mut Interner,
) -> Result<StoredRecord, Error> {
    let record = codec::decode_record(bytes, interner).ok_or_else(|| damaged(position))?;
    Ok(StoredRecord {
        own_bytes: Element::of(bytes, 0, 0).weight(),
        copy_bytes: Element::of(bytes, 0, 1).weight(),
        record,
    })
}

fn damaged(position: Position) -> Error {
    Error::Damaged(format!("the record at position {position} is invalid"))
}

/// Creates the entry for a record.
pub(super) fn entry(epochs: &Epochs, position: Position, record: Record) -> Entry {
    let EventId { epoch, position } = epochs.id_of(position);
    Entry {
        id: EventId { epoch, position },
        record,
    }
}
