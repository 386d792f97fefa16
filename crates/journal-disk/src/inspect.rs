//! Looking at a directory that no server holds: what is in it, all of it in order.

use std::collections::HashMap;
use std::iter::Peekable;
use std::path::Path;

use fjall::Snapshot;

use super::codec::{self, Interner, Listed};
use super::damage::unreadable;
use super::error::OpenError;
use super::home::Home;
use super::keys::{self, Kind};
use super::open::{self, Contents};
use super::reader::{self, Taken, entry};
use super::tables::Tables;
use super::topics::Topic;
use tidings_journal::{Entry, Epoch, Epochs, Error, Position, TopicName};

/// A log that is looked at. Until it is dropped, no server can open the directory.
///
/// No record is changed and no epoch begins. The storage engine does with its files what it does whenever it opens them:
/// it opens them for writing, and cuts off what was half written when the last process died. What may only be read is looked at
/// in a copy.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let log = tidings_journal_disk::Inspection::open("data/journal".as_ref())?;
/// println!("{} events in {} topics", log.stats().events, log.stats().topics.len());
/// for entry in log.entries() {
///     println!("{}", entry?.id);
/// }
/// # Ok(()) }
/// ```
pub struct Inspection {
    pub(super) tables: Tables,
    pub(super) contents: Contents,
    snapshot: Snapshot,
    epochs: Epochs,
    pub(super) home: Home,
}

/// What a log holds.
#[derive(Clone, Debug)]
pub struct Stats {
    /// The position of the newest event.
    pub head: Position,
    /// All epochs, oldest first, each with its last position.
    pub epochs: Vec<(Epoch, Position)>,
    /// How many events are kept, those with a key included.
    pub events: u64,
    /// How many of them have a key.
    pub keyed: u64,
    /// What those without a key take as they are written, in bytes.
    pub bytes: u64,
    /// What the directory takes on disk, in bytes.
    pub disk_bytes: u64,
    /// The floor of every topic that is not listed.
    pub forgotten: Position,
    /// How many live events with a key there may be, and are, of each of the server's own topics and of all others.
    pub pools: Vec<PoolStats>,
    /// The topics that hold something, or are remembered for their floor, by name.
    pub topics: Vec<TopicStats>,
}

/// How many live events with a key there are of what has a bound of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// Its name: a topic of the server's, `server` for its other ones, or `users`.
    pub name: String,
    /// How many there are. A log that was written before there was a bound may have more than [`PoolStats::most`].
    pub held: usize,
    /// How many there may be.
    pub most: usize,
}

/// What a topic holds.
#[derive(Clone, Debug)]
pub struct TopicStats {
    /// Its name.
    pub name: TopicName,
    /// The highest position ever trimmed away.
    pub floor: Position,
    /// The highest position of an event in it.
    pub last: Position,
    /// How many events without a key were published to it and are kept.
    pub events: u64,
    /// What they take, copies in other topics included, in bytes.
    pub bytes: u64,
    /// How many events with a key stand in it.
    pub keyed: u64,
}

impl PoolStats {
    fn of((name, held, most): (&str, usize, usize)) -> Self {
        Self { name: name.to_owned(), held, most }
    }
}

impl Inspection {
    /// Opens `dir`, which has to hold a log.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let (home, tables, contents) = open::for_reading(dir)?;
        let mut earlier = contents.epochs.clone();
        let last = earlier.pop().map(|(epoch, _)| epoch);
        let last = last.ok_or_else(|| OpenError::damaged(dir, "it has no epoch"))?;
        let snapshot = tables.db.snapshot();
        Ok(Self { tables, contents, snapshot, epochs: Epochs::new(last, earlier), home })
    }

    /// What there is.
    pub fn stats(&self) -> Stats {
        let topics = &self.contents.topics;
        let (events, bytes) = topics.totals();
        let keyed = topics.keyed().count() as u64;
        let stats = |(name, topic): (&TopicName, &Topic)| TopicStats {
            name: name.clone(),
            floor: topic.row.lost(),
            last: topic.row.last,
            events: topic.row.events,
            bytes: topic.row.bytes,
            keyed: topic.keyed as u64,
        };
        let mut topics: Vec<_> = topics.iter().map(stats).collect();
        topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Stats {
            head: self.contents.head,
            epochs: self.contents.epochs.clone(),
            events: events + keyed,
            keyed,
            bytes,
            disk_bytes: self.home.disk_bytes().unwrap_or_default(),
            forgotten: self.contents.topics.forgotten,
            pools: self.contents.topics.pools().map(PoolStats::of).collect(),
            topics,
        }
    }

    /// Every event that is kept, in the order of the log.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, Error>> {
        Entries {
            log: self,
            keyed: self.contents.topics.keyed().map(|(position, keyed)| (position, &keyed.topics[0])).peekable(),
            listed: Batches::new(&self.tables),
            next: None,
            floors: self.contents.topics.iter().map(|(_, topic)| (topic.row.id, topic.row.floor)).collect(),
            interner: Interner::default(),
        }
    }

    /// The record at `position` of a topic, if it is kept.
    pub(super) fn get(
        &self,
        topic: keys::TopicId,
        kind: Kind,
        position: Position,
        interner: &mut Interner,
    ) -> Result<Option<Taken>, Error> {
        reader::get(&self.tables, &self.snapshot, topic, kind, position, interner)
    }
}

/// Everything in `order`, record by record.
pub(super) struct Batches {
    rows: fjall::Iter,
    batch: std::vec::IntoIter<Listed>,
    next: Position,
}

impl Batches {
    pub(super) fn new(tables: &Tables) -> Self {
        Self { rows: tables.order.iter(), batch: Vec::new().into_iter(), next: Position::START }
    }
}

impl Iterator for Batches {
    type Item = Result<(Position, Listed), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(listed) = self.batch.next() {
                let position = self.next;
                self.next = position.next();
                return Some(Ok((position, listed)));
            }
            let (key, value) = match self.rows.next()?.into_inner() {
                Ok(row) => row,
                Err(error) => return Some(Err(unreadable(error))),
            };
            if Tables::is_beat(&key) {
                continue;
            }
            let (Some(first), Some(batch)) = (keys::parse_position(&key), codec::decode_batch(&value)) else {
                return Some(Err(Error::Damaged("a batch makes no sense".to_owned())));
            };
            self.next = first;
            self.batch = batch.into_iter();
        }
    }
}

struct Entries<'a, K: Iterator<Item = (Position, &'a TopicName)>> {
    log: &'a Inspection,
    keyed: Peekable<K>,
    listed: Batches,
    /// The next of `listed`.
    next: Option<(Position, Listed)>,
    floors: HashMap<keys::TopicId, Position>,
    interner: Interner,
}

impl<'a, K: Iterator<Item = (Position, &'a TopicName)>> Entries<'a, K> {
    fn get(&mut self, topic: keys::TopicId, kind: Kind, position: Position) -> Option<Result<Entry, Error>> {
        match self.log.get(topic, kind, position, &mut self.interner) {
            Ok(taken) => taken.map(|taken| Ok(entry(&self.log.epochs, position, taken.record))),
            Err(error) => Some(Err(error)),
        }
    }
}

impl<'a, K: Iterator<Item = (Position, &'a TopicName)>> Iterator for Entries<'a, K> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let topics = &self.log.contents.topics;
        loop {
            if self.next.is_none() {
                match self.listed.next() {
                    Some(Ok(listed)) => self.next = Some(listed),
                    Some(Err(error)) => return Some(Err(error)),
                    None => {}
                }
            }
            let listed = self.next.as_ref().map(|(position, _)| *position);
            if let Some((position, name)) = self.keyed.next_if(|(at, _)| listed.is_none_or(|listed| *at <= listed)) {
                let topic = topics.get(name)?.row.id;
                if let Some(entry) = self.get(topic, Kind::Keyed, position) {
                    return Some(entry);
                }
                continue;
            }
            let (position, listed) = self.next.take()?;
            let floor = self.floors.get(&listed.topic).copied();
            if !listed.keyed
                && floor.is_some_and(|floor| position > floor)
                && let Some(entry) = self.get(listed.topic, Kind::Plain, position)
            {
                return Some(entry);
            }
        }
    }
}
