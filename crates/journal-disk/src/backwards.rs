//! Reading backwards: the newest entries of some topics before a position. It reads only what it
//! returns and, of each topic, the run that contains the position.

use std::sync::Arc;

use fjall::{Iter, Readable as _, Slice, Snapshot};

use super::codec::Interner;
use super::error::unreadable;
use super::keys::{self, Kind, TopicId};
use super::log::{Log, View};
use super::merge::{self, StoredRecord, entry};
use super::run::{self, Element, Location};
use super::tables::Tables;
use tidings_journal::{Earlier, Error, Limit, Position, Selector};

/// The records of one kind in one topic, newest first.
struct Source {
    kind: Kind,
    after: Position,
    before: Position,
    runs: Iter,
    run: Option<run::Reader<Slice>>,
    /// The rest of the run, oldest first.
    rest: Vec<(Position, Location)>,
    /// The next record.
    head: Option<(Position, Location)>,
}

/// The entries of some topics, merged, newest first.
struct Backwards<'a> {
    tables: &'a Tables,
    snapshot: &'a Snapshot,
    sources: Vec<Source>,
    interner: Interner,
    /// Why nothing before the last record that was taken can be read.
    broken: Option<Error>,
}

impl Log {
    /// Reads a page backwards, see [`Journal::read_before`](tidings_journal::Journal::read_before).
    pub(super) fn page_before(
        &self,
        selector: &Selector,
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error> {
        let view = self.view();
        let before = before.min(view.head.next());
        let wanted = self.wanted(selector);
        let mut from = before;
        let mut page = loop {
            match self.page_to_damage_before(&view, &wanted, from, limit) {
                Err(Error::Damaged(why)) => {
                    from = self.skip_damage_before(&view, selector, &wanted, from, &why)?;
                }
                read => break read?,
            }
        };
        page.damaged = from < before;
        // Read after the page. What was trimmed in the meantime, and may be missing in the page, is
        // below it.
        page.floor = self.topics.read().floor(selector);
        Ok(page)
    }

    /// Reads a page that ends where the log is damaged. Fails if the damage is directly before
    /// `before`.
    fn page_to_damage_before(
        &self,
        view: &View,
        wanted: &[(TopicId, Kind, Position)],
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error> {
        let mut page = Earlier {
            entries: Vec::new(),
            prev: before,
            end: true,
            floor: Position::START,
            damaged: false,
        };
        let mut backwards =
            Backwards::new(&self.tables, &view.snapshot, wanted.iter().copied(), before)?;
        let mut bytes = 0;
        let mut next = |page: &mut Earlier| {
            let Some(position) = backwards.peek()? else {
                return Ok(false);
            };
            if page.entries.len() >= limit.events.max(1) || bytes >= limit.bytes.max(1) {
                page.end = false;
                return Ok(false);
            }
            if let Some(StoredRecord { record, .. }) = backwards.take(position)? {
                bytes += record.data.len();
                page.entries
                    .push(Arc::new(entry(&self.epochs, position, record)));
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

    /// Returns the position from which reading backwards can go on, below the damage before
    /// `before`. It assumes that the damage is one range, as it mostly is.
    fn skip_damage_before(
        &self,
        view: &View,
        selector: &Selector,
        wanted: &[(TopicId, Kind, Position)],
        before: Position,
        why: &str,
    ) -> Result<Position, Error> {
        let is_readable = |before| match self.page_to_damage_before(
            view,
            wanted,
            before,
            Limit {
                events: 1,
                bytes: 1,
            },
        ) {
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
            if is_readable(Position::new(middle))? {
                good = middle;
            } else {
                bad = middle;
            }
        }
        // The damage is reported and counted as if a reader had met it from the other side.
        let (after, until) = (
            Position::new(good.saturating_sub(1)),
            Position::new(before.get().saturating_sub(1)),
        );
        for name in selector.as_slice() {
            let id = self.topics.read().get(name).map(|topic| topic.row.id);
            for kind in [Kind::Plain, Kind::Keyed] {
                if let Some(id) = id {
                    self.damage_end(view, (name, id, kind), after, until, why)?;
                }
            }
        }
        Ok(Position::new(good))
    }

    /// Returns each kind of records of each topic, above what was trimmed from any of the topics.
    fn wanted(&self, selector: &Selector) -> Vec<(TopicId, Kind, Position)> {
        let topics = self.topics.read();
        let floor = topics.floor(selector);
        let known = selector
            .as_slice()
            .iter()
            .filter_map(|name| topics.get(name));
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
    /// Merges the records of some topics after a position, up to the one before `before`.
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
            // A run's key is its last position, so the first run at or after `before` may begin
            // below it.
            let around = snapshot
                .range(table, key(before)..=key(Position::new(u64::MAX)))
                .next();
            let around = around
                .map(|run| run.key().map_err(unreadable))
                .transpose()?;
            let last = around
                .and_then(|key| keys::parse_event(&key))
                .map_or(before, |(.., last)| last);
            let runs = snapshot.range(table, key(after.next())..=key(last));
            let mut source = Source {
                kind,
                after,
                before,
                runs,
                run: None,
                rest: Vec::new(),
                head: None,
            };
            source.go_back()?;
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
    fn peek(&mut self) -> Result<Option<Position>, Error> {
        match self.broken.take() {
            Some(error) => Err(error),
            None => Ok(self
                .sources
                .iter()
                .filter_map(|source| source.head.as_ref())
                .map(|(position, _)| *position)
                .max()),
        }
    }

    /// Takes the record at the next position. `None` if it was trimmed after the position was
    /// returned.
    fn take(&mut self, position: Position) -> Result<Option<StoredRecord>, Error> {
        let mut taken = None;
        for source in &mut self.sources {
            let Some((_, location)) = source.head.take_if(|(at, _)| *at == position) else {
                continue;
            };
            if taken.is_none() {
                taken = match source.element(&location) {
                    Element::Record(record) => {
                        Some(merge::decode(position, record, &mut self.interner)?)
                    }
                    Element::In(topic) => merge::get(
                        self.tables,
                        self.snapshot,
                        topic,
                        source.kind,
                        position,
                        &mut self.interner,
                    )?,
                };
            }
            if let Err(error) = source.go_back() {
                self.broken = Some(error); // the record that was taken is not affected
            }
        }
        Ok(taken)
    }
}

impl Source {
    /// Moves back to the record before.
    fn go_back(&mut self) -> Result<(), Error> {
        let damaged = || Error::Damaged("a run of records is invalid".to_owned());
        loop {
            self.head = self.rest.pop();
            if self.head.is_some() {
                return Ok(());
            }
            let Some(run) = self.runs.next_back() else {
                return Ok(());
            };
            let mut run = run::Reader::new(run.value().map_err(unreadable)?).ok_or_else(damaged)?;
            while let Some((position, location)) = run.next().ok_or_else(damaged)? {
                if position >= self.before {
                    break;
                }
                if position > self.after {
                    self.rest.push((position, location));
                }
            }
            self.run = Some(run);
        }
    }

    fn element(&self, location: &Location) -> Element<'_> {
        self.run
            .as_ref()
            .map_or(Element::Record(&[]), |run| run.element(location))
    }
}
