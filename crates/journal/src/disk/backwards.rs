//! Reading backwards: the newest entries of some topics before a place. Only what is returned is read, and of each topic the
//! run that the place is in.

use std::sync::Arc;

use fjall::{Iter, Readable as _, Slice, Snapshot};

use super::codec::Interner;
use super::keys::{self, Kind, TopicId};
use super::log::Log;
use super::reader::{self, Taken, entry, unreadable};
use super::run::{self, Element, Place};
use super::tables::Tables;
use crate::{Earlier, Error, Limit, Position, Selector};

/// One topic's records of one kind, newest first.
struct Source {
    kind: Kind,
    after: Position,
    before: Position,
    runs: Iter,
    run: Option<run::Reader<Slice>>,
    /// What is left of the run, oldest first.
    rest: Vec<(Position, Place)>,
    /// The one that comes next.
    head: Option<(Position, Place)>,
}

/// The entries of some topics, merged, newest first.
struct Backwards<'a> {
    tables: &'a Tables,
    snapshot: &'a Snapshot,
    sources: Vec<Source>,
    interner: Interner,
}

impl Log {
    /// What [`Journal::read_before`](crate::Journal::read_before) returns.
    pub(super) fn page_before(&self, selector: &Selector, before: Position, limit: Limit) -> Result<Earlier, Error> {
        let view = self.view();
        let before = before.min(view.head.next());
        let mut page = Earlier { entries: Vec::new(), prev: before, end: true, floor: Position::START };
        let mut backwards = Backwards::new(&self.tables, &view.snapshot, self.wanted(selector), before)?;
        let mut bytes = 0;
        while let Some(position) = backwards.peek() {
            if page.entries.len() >= limit.events.max(1) || bytes >= limit.bytes.max(1) {
                page.end = false;
                break;
            }
            if let Some(Taken { record, .. }) = backwards.take(position)? {
                bytes += record.data.len();
                page.entries.push(Arc::new(entry(&self.epochs, position, record)));
            }
            page.prev = position;
        }
        page.entries.reverse();
        // After reading: what was trimmed meanwhile, and may be missing in the page, is below it.
        page.floor = self.topics.read().floor(selector);
        Ok(page)
    }

    /// Each kind of records of each topic, above what was trimmed from any of them.
    fn wanted(&self, selector: &Selector) -> Vec<(TopicId, Kind, Position)> {
        let topics = self.topics.read();
        let floor = topics.floor(selector);
        let known = selector.as_slice().iter().filter_map(|name| topics.get(name));
        known
            .flat_map(|topic| {
                let keyed = (topic.keyed > 0).then_some((topic.row.id, Kind::Keyed, floor));
                [Some((topic.row.id, Kind::Plain, floor)), keyed]
            })
            .flatten()
            .collect()
    }
}

impl<'a> Backwards<'a> {
    /// Each topic's records of a kind after a position, up to the one before `before`.
    fn new(
        tables: &'a Tables,
        snapshot: &'a Snapshot,
        wanted: impl IntoIterator<Item = (TopicId, Kind, Position)>,
        before: Position,
    ) -> Result<Self, Error> {
        let mut sources = Vec::new();
        for (topic, kind, after) in wanted {
            if after.next() >= before {
                continue;
            }
            let table = &tables.events[keys::shard(topic)];
            let key = |position| keys::event(topic, kind, position);
            // A run's key is its last position: the first at or after `before` may begin below it.
            let around = snapshot.range(table, key(before)..=key(Position::new(u64::MAX))).next();
            let around = around.map(|run| run.key().map_err(unreadable)).transpose()?;
            let last = around.and_then(|key| keys::parse_event(&key)).map_or(before, |(.., last)| last);
            let runs = snapshot.range(table, key(after.next())..=key(last));
            let mut source = Source { kind, after, before, runs, run: None, rest: Vec::new(), head: None };
            source.go_back()?;
            sources.push(source);
        }
        Ok(Self { tables, snapshot, sources, interner: Interner::default() })
    }

    /// The position that comes next.
    fn peek(&self) -> Option<Position> {
        self.sources.iter().filter_map(|source| source.head.as_ref()).map(|(position, _)| *position).max()
    }

    /// The record at the position that comes next. `None` if it was trimmed between one look and the other.
    fn take(&mut self, position: Position) -> Result<Option<Taken>, Error> {
        let mut taken = None;
        for source in &mut self.sources {
            let Some((_, place)) = source.head.take_if(|(at, _)| *at == position) else {
                continue;
            };
            if taken.is_none() {
                taken = match source.element(&place) {
                    Element::Record(record) => Some(reader::decode(position, record, &mut self.interner)?),
                    Element::In(topic) => {
                        reader::get(self.tables, self.snapshot, topic, source.kind, position, &mut self.interner)?
                    }
                };
            }
            source.go_back()?;
        }
        Ok(taken)
    }
}

impl Source {
    /// Moves on to the record before.
    fn go_back(&mut self) -> Result<(), Error> {
        let damaged = || Error::Unreadable("a run of records is damaged".to_owned());
        loop {
            self.head = self.rest.pop();
            if self.head.is_some() {
                return Ok(());
            }
            let Some(run) = self.runs.next_back() else {
                return Ok(());
            };
            let mut run = run::Reader::new(run.value().map_err(unreadable)?).ok_or_else(damaged)?;
            while let Some((position, place)) = run.next().ok_or_else(damaged)? {
                if position >= self.before {
                    break;
                }
                if position > self.after {
                    self.rest.push((position, place));
                }
            }
            self.run = Some(run);
        }
    }

    fn element(&self, place: &Place) -> Element<'_> {
        self.run.as_ref().map_or(Element::Record(&[]), |run| run.element(place))
    }
}
