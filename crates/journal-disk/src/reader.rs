//! Reading: pages of some topics, in the order of the log. Everything here waits for the device,
//! and must run where that is allowed.

use std::sync::Arc;

use fjall::{Iter, Readable as _, Slice, Snapshot};

use super::codec::{self, End, Interner};
use super::damage::unreadable;
use super::keys::{self, Kind, TopicId};
use super::log::{Log, View};
use super::run::{self, Element, Location};
use super::tables::Tables;
use tidings_journal::{Entry, Epochs, Error, EventId, Limit, Page, Position, Record, Selector, StoredReceipt};

/// All kinds of records.
pub(super) const ALL: [Kind; 2] = [Kind::Plain, Kind::Keyed];

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

impl Log {
    /// Reads a page, see [`Journal::read`](tidings_journal::Journal::read), of records of `kinds`
    /// only. Other kinds are not read, so damage among them hides none of these records.
    pub(super) fn page(
        &self,
        selector: &Selector,
        kinds: &[Kind],
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        let view = self.view();
        let until = until.min(view.head);
        let mut from = after;
        let mut page = loop {
            match self.page_to_damage(&view, selector, kinds, from, until, limit) {
                Err(Error::Damaged(why)) => from = self.skip_damage(&view, selector, kinds, from, until, &why)?,
                read => break read?,
            }
        };
        page.damaged = from > after;
        // Read after the page. What was trimmed in the meantime, and may be missing in the page, is
        // below it.
        page.floor = self.topics.read().floor(selector);
        if page.damaged {
            page.floor = page.floor.max(from);
        }
        Ok(page)
    }

    /// Reads a page that ends where the log is damaged. Fails if the damage is directly behind
    /// `after`.
    fn page_to_damage(
        &self,
        view: &View,
        selector: &Selector,
        kinds: &[Kind],
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        let next = until.max(after);
        let mut page = Page { entries: Vec::new(), next, floor: Position::START, damaged: false };
        if until <= after {
            return Ok(page);
        }
        let mut merge = self.merge(view, selector, kinds, after, until)?;
        let (mut bytes, mut done) = (0, after);
        let mut next = || {
            let Some(position) = merge.peek()? else {
                return Ok(None);
            };
            let full = page.entries.len() >= limit.events || bytes >= limit.bytes;
            if let Some(last) = page.entries.last().filter(|_| full) {
                page.next = last.id.position;
                return Ok(None);
            }
            if let Some(StoredRecord { record, .. }) = merge.take(position)? {
                bytes += record.data.len();
                page.entries.push(Arc::new(entry(&self.epochs, position, record)));
            }
            Ok(Some(position))
        };
        loop {
            match next() {
                Ok(Some(position)) => done = position,
                Ok(None) => return Ok(page),
                Err(Error::Damaged(_)) if done > after => {
                    page.next = done;
                    return Ok(page);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the position from which reading can go on behind the damage at `after`.
    fn skip_damage(
        &self,
        view: &View,
        selector: &Selector,
        kinds: &[Kind],
        after: Position,
        until: Position,
        why: &str,
    ) -> Result<Position, Error> {
        let wanted: Vec<_> = {
            let topics = self.topics.read();
            let ids = |name| topics.get(name).map(|topic| (name, topic.row.id, topic.row.floor));
            selector.as_slice().iter().filter_map(ids).collect()
        };
        let mut behind = None;
        for (name, id, floor) in wanted {
            // Records without a key are hidden up to the floor, and read from there on.
            for &kind in kinds {
                let from = if kind == Kind::Plain { after.max(floor) } else { after };
                behind = behind.max(self.damage_end(view, (name, id, kind), from, until, why)?);
            }
        }
        // Otherwise it was readable after all, and the next attempt succeeds.
        behind.filter(|behind| *behind > after).ok_or_else(|| Error::Unreadable(why.to_owned()))
    }

    /// Returns the position of the oldest record of `selector`.
    pub(super) fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        let view = self.view();
        let mut after = Position::START;
        loop {
            match self.merge(&view, selector, &ALL, after, view.head) {
                Err(Error::Damaged(why)) => after = self.skip_damage(&view, selector, &ALL, after, view.head, &why)?,
                merge => return merge?.peek(),
            }
        }
    }

    /// Returns the receipt with this key, unless it has ended by `now_ms`.
    pub(super) fn receipt(&self, key: &[u8], now_ms: i64) -> Result<Option<StoredReceipt>, Error> {
        let receipt = self.tables.receipts.get(keys::receipt(key)).map_err(unreadable).and_then(|value| {
            let decode = |value: fjall::Slice| codec::decode_receipt(&value);
            let receipt =
                value.map(|value| decode(value).ok_or_else(|| Error::Damaged("a receipt is invalid".to_owned())));
            receipt.transpose()
        });
        let receipt = match receipt {
            Err(Error::Damaged(why)) => {
                // An error would refuse all appends with such a key for ever.
                tracing::error!(
                    "the receipts of some idempotency keys can't be read ({why}): a repeated publish with such a key may be stored twice"
                );
                return Ok(None);
            }
            receipt => receipt?,
        };
        let is_live = |(end, kept): &(End, StoredReceipt)| end.in_log_time(|| self.floors.skew_at(kept.first)) > now_ms;
        Ok(receipt.filter(is_live).map(|(_, kept)| kept))
    }

    fn merge<'a>(
        &'a self,
        view: &'a View,
        selector: &Selector,
        kinds: &[Kind],
        after: Position,
        until: Position,
    ) -> Result<Merge<'a>, Error> {
        let mut wanted = Vec::new();
        {
            let topics = self.topics.read();
            for topic in selector.as_slice().iter().filter_map(|name| topics.get(name)) {
                if kinds.contains(&Kind::Plain) {
                    wanted.push((topic.row.id, Kind::Plain, after.max(topic.row.floor)));
                }
                if kinds.contains(&Kind::Keyed) && topic.keyed > 0 {
                    wanted.push((topic.row.id, Kind::Keyed, after));
                }
            }
        }
        Merge::new(&self.tables, &view.snapshot, wanted, until)
    }
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
            let range = keys::event(topic, kind, after.next())..=keys::event(topic, kind, Position::new(u64::MAX));
            let runs = snapshot.range(&tables.events[keys::shard(topic)], range);
            let mut source = Source { kind, after, until, runs, run: None, head: None };
            source.advance()?;
            sources.push(source);
        }
        Ok(Self { tables, snapshot, sources, interner: Interner::default(), broken: None })
    }

    /// Returns the next position. If it can't be told, this fails, and nothing more may be taken.
    pub(super) fn peek(&mut self) -> Result<Option<Position>, Error> {
        match self.broken.take() {
            Some(error) => Err(error),
            None => {
                Ok(self.sources.iter().filter_map(|source| source.head.as_ref()).map(|(position, _)| *position).min())
            }
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
                    Element::In(topic) => {
                        get(self.tables, self.snapshot, topic, source.kind, position, &mut self.interner)?
                    }
                };
            }
            if let Err(error) = source.advance() {
                self.broken = Some(error); // the record that was taken is whole
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
        self.run.as_ref().map_or(Element::Record(&[]), |run| run.element(location))
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
pub(super) fn decode(position: Position, bytes: &[u8], interner: &mut Interner) -> Result<StoredRecord, Error> {
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
    Entry { id: EventId { epoch, position }, record }
}

#[cfg(test)]
mod tests;
