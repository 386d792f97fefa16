//! Reading backwards: the newest entries of some topics before a place. Only what is returned is read, and of each topic the
//! run that the place is in.

use std::sync::Arc;

use fjall::{Iter, Readable as _, Slice, Snapshot};

use super::codec::Interner;
use super::damage::unreadable;
use super::keys::{self, Kind, TopicId};
use super::log::{Log, View};
use super::reader::{self, Taken, entry};
use super::run::{self, Element, Place};
use super::tables::Tables;
use tidings_journal::{Earlier, Error, Limit, Position, Selector};

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
    /// Why what comes before the last one that was taken can't be read.
    broken: Option<Error>,
}

impl Log {
    /// What [`Journal::read_before`](tidings_journal::Journal::read_before) returns.
    pub(super) fn page_before(&self, selector: &Selector, before: Position, limit: Limit) -> Result<Earlier, Error> {
        let view = self.view();
        let before = before.min(view.head.next());
        let wanted = self.wanted(selector);
        let mut from = before;
        let mut page = loop {
            match self.piece_before(&view, &wanted, from, limit) {
                Err(Error::Damaged(why)) => from = self.skip_back(&view, selector, &wanted, from, &why)?,
                read => break read?,
            }
        };
        page.damaged = from < before;
        // After reading: what was trimmed meanwhile, and may be missing in the page, is below it.
        page.floor = self.topics.read().floor(selector);
        Ok(page)
    }

    /// A page down to where the log is damaged, if it is; fails if it is right before `before`.
    fn piece_before(
        &self,
        view: &View,
        wanted: &[(TopicId, Kind, Position)],
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error> {
        let mut page = Earlier { entries: Vec::new(), prev: before, end: true, floor: Position::START, damaged: false };
        let mut backwards = Backwards::new(&self.tables, &view.snapshot, wanted.iter().copied(), before)?;
        let mut bytes = 0;
        let mut next = |page: &mut Earlier| {
            let Some(position) = backwards.peek()? else {
                return Ok(false);
            };
            if page.entries.len() >= limit.events.max(1) || bytes >= limit.bytes.max(1) {
                page.end = false;
                return Ok(false);
            }
            if let Some(Taken { record, .. }) = backwards.take(position)? {
                bytes += record.data.len();
                page.entries.push(Arc::new(entry(&self.epochs, position, record)));
            }
            page.prev = position;
            Ok(true)
        };
        loop {
            match next(&mut page) {
                Ok(true) => {}
                Ok(false) => break,
                Err(Error::Damaged(_)) if page.prev < before => {
                    page.end = false;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        page.entries.reverse();
        Ok(page)
    }

    /// Where to read on before what can't be read before `before`: what can't be read is in most cases one place.
    fn skip_back(
        &self,
        view: &View,
        selector: &Selector,
        wanted: &[(TopicId, Kind, Position)],
        before: Position,
        why: &str,
    ) -> Result<Position, Error> {
        let is_readable = |before| match self.piece_before(view, wanted, before, Limit { events: 1, bytes: 1 }) {
            Ok(_) => Ok(true),
            Err(Error::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        };
        let (mut bad, mut step) = (before.get(), 1_u64);
        let mut good = loop {
            let next = bad.saturating_sub(step);
            if next == 0 || is_readable(Position::new(next))? {
                break next;
            }
            (bad, step) = (next, step.saturating_mul(2));
        };
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            if is_readable(Position::new(middle))? { good = middle } else { bad = middle }
        }
        // So that it is told and counted as if it had been met from the other side.
        let (after, until) = (Position::new(good.saturating_sub(1)), Position::new(before.get().saturating_sub(1)));
        for name in selector.as_slice() {
            let id = self.topics.read().get(name).map(|topic| topic.row.id);
            for kind in [Kind::Plain, Kind::Keyed] {
                if let Some(id) = id {
                    self.hole_end(view, (name, id, kind), after, until, why)?;
                }
            }
        }
        Ok(Position::new(good))
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
        Ok(Self { tables, snapshot, sources, interner: Interner::default(), broken: None })
    }

    /// The position that comes next. Fails if it can't be told: then nothing more may be taken.
    fn peek(&mut self) -> Result<Option<Position>, Error> {
        match self.broken.take() {
            Some(error) => Err(error),
            None => {
                Ok(self.sources.iter().filter_map(|source| source.head.as_ref()).map(|(position, _)| *position).max())
            }
        }
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
            if let Err(error) = source.go_back() {
                self.broken = Some(error); // this one is whole
            }
        }
        Ok(taken)
    }
}

impl Source {
    /// Moves on to the record before.
    fn go_back(&mut self) -> Result<(), Error> {
        let damaged = || Error::Damaged("a run of records makes no sense".to_owned());
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
