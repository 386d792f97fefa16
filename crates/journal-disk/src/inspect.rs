//! Examining a directory that no server holds: its figures, and all of its events in order.

use std::collections::HashMap;
use std::iter::Peekable;
use std::path::Path;

use fjall::Snapshot;

use super::codec::{self, BatchEntry, Interner};
use super::directory::Directory;
use super::error::OpenError;
use super::error::unreadable;
use super::keys::{self, Kind};
use super::merge::{self, StoredRecord, entry};
use super::open::{self, Contents};
use super::tables::Tables;
use super::topics::Topic;
use tidings_journal::{Entry, Epoch, Epochs, Error, Position, TopicName};

/// A log that is open for reading. Until it is dropped, no server can open the directory.
///
/// No record is changed and no epoch begins. The storage engine does what it does whenever it opens
/// its files: it opens them for writing, and cuts off what was half written when the last process
/// died. To examine a directory that may only be read, examine a copy of it.
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
    pub(super) directory: Directory,
}

/// The figures of a log.
#[derive(Clone, Debug)]
pub struct Stats {
    /// The position of the newest event.
    pub head: Position,
    /// All epochs, oldest first, each with its last position.
    pub epochs: Vec<(Epoch, Position)>,
    /// The number of kept events, including those with a key.
    pub events: u64,
    /// The number of live events with a key.
    pub keyed: u64,
    /// The size of the events without a key as they are written, in bytes.
    pub bytes: u64,
    /// The size of the directory on disk, in bytes.
    pub disk_bytes: u64,
    /// The floor of every topic that is not listed.
    pub forgotten: Position,
    /// The pools of live events with a key.
    pub pools: Vec<PoolStats>,
    /// The topics that hold events, or whose floor is remembered, by name.
    pub topics: Vec<TopicStats>,
}

/// A pool of live events with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// The pool's name: one of the server's own topics, `server` for its other ones, or `users`.
    pub name: String,
    /// The number of live events in it. A log that was written before there was a bound may have
    /// more than [`PoolStats::limit`].
    pub held: usize,
    /// The most that it may have.
    pub limit: usize,
}

/// The figures of a topic.
#[derive(Clone, Debug)]
pub struct TopicStats {
    /// The topic's name.
    pub name: TopicName,
    /// The highest position that was ever trimmed from it.
    pub floor: Position,
    /// The highest position of an event in it.
    pub last: Position,
    /// The number of kept events without a key that were published to it.
    pub events: u64,
    /// Their size, including copies in other topics, in bytes.
    pub bytes: u64,
    /// The number of live events with a key in it.
    pub keyed: u64,
}

impl PoolStats {
    fn of((name, held, limit): (&str, usize, usize)) -> Self {
        Self {
            name: name.to_owned(),
            held,
            limit,
        }
    }
}

impl Inspection {
    /// Opens `dir`, which must hold a log.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let (directory, tables, contents) = open::for_reading(dir)?;
        let mut earlier = contents.epochs.clone();
        let last = earlier.pop().map(|(epoch, _)| epoch);
        let last = last.ok_or_else(|| OpenError::damaged(dir, "it has no epoch"))?;
        let snapshot = tables.db.snapshot();
        Ok(Self {
            tables,
            contents,
            snapshot,
            epochs: Epochs::new(last, earlier),
            directory,
        })
    }

    /// Returns the log's figures.
    pub fn stats(&self) -> Stats {
        let topics = &self.contents.topics;
        let (events, bytes) = topics.totals();
        let keyed = topics.keyed().count() as u64;
        let stats = |(name, topic): (&TopicName, &Topic)| TopicStats {
            name: name.clone(),
            floor: topic.row.highest_trimmed(),
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
            disk_bytes: self.directory.disk_bytes().unwrap_or_default(),
            forgotten: self.contents.topics.forgotten,
            pools: self.contents.topics.pools().map(PoolStats::of).collect(),
            topics,
        }
    }

    /// Returns every kept event, in the order of the log.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, Error>> {
        Entries {
            log: self,
            keyed: self
                .contents
                .topics
                .keyed()
                .map(|(position, keyed)| (position, &keyed.topics[0]))
                .peekable(),
            listed: Batches::new(&self.tables),
            next: None,
            floors: self
                .contents
                .topics
                .iter()
                .map(|(_, topic)| (topic.row.id, topic.row.floor))
                .collect(),
            interner: Interner::default(),
        }
    }

    /// Returns the record at `position` of a topic, if it is kept.
    pub(super) fn get(
        &self,
        topic: keys::TopicId,
        kind: Kind,
        position: Position,
        interner: &mut Interner,
    ) -> Result<Option<StoredRecord>, Error> {
        merge::get(
            &self.tables,
            &self.snapshot,
            topic,
            kind,
            position,
            interner,
        )
    }
}

/// Iterates over the records in the table `order`.
pub(super) struct Batches {
    rows: fjall::Iter,
    batch: std::vec::IntoIter<BatchEntry>,
    next: Position,
}

impl Batches {
    pub(super) fn new(tables: &Tables) -> Self {
        Self {
            rows: tables.order.iter(),
            batch: Vec::new().into_iter(),
            next: Position::START,
        }
    }
}

impl Iterator for Batches {
    type Item = Result<(Position, BatchEntry), Error>;

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
            if Tables::is_noop(&key) {
                continue;
            }
            let (Some(first), Some(batch)) =
                (keys::parse_position(&key), codec::decode_batch(&value))
            else {
                return Some(Err(Error::Damaged("a batch is invalid".to_owned())));
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
    /// The next item of `listed`.
    next: Option<(Position, BatchEntry)>,
    floors: HashMap<keys::TopicId, Position>,
    interner: Interner,
}

impl<'a, K: Iterator<Item = (Position, &'a TopicName)>> Entries<'a, K> {
    fn get(
        &mut self,
        topic: keys::TopicId,
        kind: Kind,
        position: Position,
    ) -> Option<Result<Entry, Error>> {
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
            if let Some((position, name)) = self
                .keyed
                .next_if(|(at, _)| listed.is_none_or(|listed| *at <= listed))
            {
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
