//! Everything that is written in one step: the appends in flight, and what else is due.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use fjall::{Keyspace, OwnedWriteBatch, Slice};

use super::codec::{self, Listed};
use super::keys::{self, Kind, TopicId, meta};
use super::log::Log;
use super::run::{self, Element};
use super::tables::BEAT;
use super::topics::{Keyed, Topics};
use tidings_journal::{
    Appended, Condition, Entry, Error, EventId, Kept, LogClock, Position, Receipt, Record, TopicName,
};

/// A record, encoded where it was appended, so that this is not done by the one thread that all wait for.
pub(super) struct Encoded {
    record: Record,
    bytes: Vec<u8>,
}

/// A unit on its way into a step.
pub(super) struct Unit {
    pub(super) records: Vec<Encoded>,
    pub(super) receipt: Option<Receipt>,
    pub(super) condition: Option<Condition>,
    pub(super) now_ms: i64,
}

/// A step in the making.
pub(super) struct Group<'a> {
    pub(super) log: &'a Log,
    batch: OwnedWriteBatch,
    /// The records without a key, by topic, that are not in the batch yet.
    runs: HashMap<TopicId, run::Builder>,
    /// Rows that may be written more than once: the last one counts. The engine would not know which one is the last.
    rows: BTreeMap<(Table, Vec<u8>), Option<Slice>>,
    /// The topics whose row is due.
    pub(super) due: BTreeSet<TopicName>,
    listed: Vec<Listed>,
    /// The ids of one record's topics: emptied for each.
    ids: Vec<TopicId>,
    first: Position,
    next: Position,
    /// For the tails.
    entries: Vec<Arc<Entry>>,
    /// What compaction may know of once the step is safe.
    pub(super) floors: Vec<(TopicId, Position)>,
    pub(super) forgotten: Vec<TopicId>,
    /// Topics that went whole, and what they took.
    pub(super) whole: Vec<(TopicId, u64)>,
    /// Up to where the counts of all topics are written down with this step.
    pub(super) checkpoint: Option<Position>,
    /// Whether the step has to be on the device whatever the mode.
    pub(super) must_sync: bool,
    /// What is in the batch, in bytes.
    batch_bytes: usize,
    /// By how many milliseconds the log's time is ahead of the wall clock's.
    skew: i64,
}

/// Where a row goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Events(usize),
    Keys,
    Topics,
    Receipts,
    Meta,
}

/// The longest key of a record or receipt, in bytes. The engine's own bound is 65,536.
pub(super) const LONGEST_KEY: usize = 32 << 10;

impl Encoded {
    pub(super) fn new(record: Record) -> Result<Self, Error> {
        if record.key.as_ref().is_some_and(|key| key.len() > LONGEST_KEY) {
            return Err(Error::TooLarge(format!("a record's key has at most {LONGEST_KEY} bytes")));
        }
        Ok(Self { bytes: codec::encode_record(&record), record })
    }

    /// What it weighs while it waits.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + self.record.weight()
    }
}

impl<'a> Group<'a> {
    pub(super) fn new(log: &'a Log) -> Self {
        let next = log.head().next();
        Self {
            log,
            batch: log.tables.db.batch(),
            runs: HashMap::new(),
            rows: BTreeMap::new(),
            due: BTreeSet::new(),
            listed: Vec::new(),
            ids: Vec::new(),
            first: next,
            next,
            entries: Vec::new(),
            floors: Vec::new(),
            forgotten: Vec::new(),
            whole: Vec::new(),
            checkpoint: None,
            must_sync: false,
            batch_bytes: 0,
            skew: log.skew(),
        }
    }

    /// Adds a unit, or says why not.
    pub(super) fn append(&mut self, unit: Unit) -> Result<Appended, Error> {
        let Unit { records, receipt, condition, now_ms } = unit;
        let now_ms = self.log.tell_time(now_ms);
        if let Some(receipt) = &receipt
            && let Some(kept) = self.receipt(&receipt.key, now_ms)?
        {
            return Ok(Appended::Known(kept));
        }
        let first = self.next;
        {
            let mut topics = self.log.topics.write();
            if condition.is_some_and(|condition| !condition.holds(|topic, key| topics.live(topic, key))) {
                drop(topics);
                self.keep_receipt(receipt, now_ms, (first, 0), true);
                return Ok(Appended::Refused(self.end()));
            }
            if let Some(pool) = topics.without_room(records.iter().map(|encoded| &encoded.record)) {
                return Ok(Appended::Full(pool));
            }
            for record in records {
                self.add(&mut topics, record);
            }
            self.make_room(&mut topics);
        }
        let events = u32::try_from(self.next.get() - first.get()).unwrap_or(u32::MAX);
        self.keep_receipt(receipt, now_ms, (first, events), false);
        Ok(Appended::New(first))
    }

    /// The live receipt with this key, of this step or of those before it.
    fn receipt(&self, key: &[u8], now_ms: i64) -> Result<Option<Kept>, Error> {
        let Some(value) = self.rows.get(&(Table::Receipts, keys::receipt(key))) else {
            return self.log.receipt(key, now_ms);
        };
        let receipt = value.as_deref().and_then(codec::decode_receipt);
        Ok(receipt.filter(|(end, _)| end.in_log_time(|| 0) > now_ms).map(|(_, kept)| kept))
    }

    fn keep_receipt(&mut self, receipt: Option<Receipt>, now_ms: i64, at: (Position, u32), refused: bool) {
        if let Some(Receipt { key, value, lives }) = receipt {
            let end = now_ms.saturating_add(i64::try_from(lives.as_millis()).unwrap_or(i64::MAX));
            let value = codec::encode_receipt(end, &Kept { value, first: at.0, events: at.1, refused });
            self.put(Table::Receipts, keys::receipt(&key), value);
        }
    }

    /// How many records it appends.
    pub(super) fn records(&self) -> u64 {
        self.next.get() - self.first.get()
    }

    /// Whether nothing is to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.next == self.first && self.rows.is_empty() && self.due.is_empty()
    }

    fn add(&mut self, topics: &mut Topics, Encoded { record, bytes }: Encoded) {
        let position = self.next;
        self.next = position.next();
        let kind = if record.is_keyed() { Kind::Keyed } else { Kind::Plain };
        let log = self.log;
        let retention = &log.options.retention;
        let mut ids = std::mem::take(&mut self.ids);
        for name in &*record.topics {
            let (id, new) = topics.list(name, kind, position, retention);
            if ids.contains(&id) {
                continue; // named twice
            }
            ids.push(id);
            if new {
                log.floors.raise(id, topics.forgotten);
                self.due.insert(name.clone());
            }
        }
        let written = self.put_record(&ids, kind, position, &bytes);
        if let Some((first, others)) = record.topics.split_first() {
            topics.show(first, others);
        }
        if let (Some(key), Some(name)) = (record.key.as_ref().filter(|_| record.ends_key), record.topics.first()) {
            self.end_key(topics, name, key);
        }
        match (record.key.as_ref().filter(|_| !record.ends_key), record.topics.first()) {
            (Some(key), Some(_)) => self.supersede(topics, position, &record.topics, key, written),
            (None, Some(name)) => topics.count(name, written, Some(record.at_ms.saturating_add(self.skew)), retention),
            (_, None) => {} // in no topic: it has a position, and nobody can ask for it
        }
        let topic = ids.first().copied().unwrap_or_default();
        let others = ids.get(1..).unwrap_or_default().to_vec();
        self.listed.push(Listed { topic, keyed: kind == Kind::Keyed, bytes: written, others });
        ids.clear();
        self.ids = ids;
        let id = EventId { epoch: self.log.epochs.current(), position };
        self.entries.push(Arc::new(Entry { id, record }));
    }

    /// Puts a record into its topics. Returns how many bytes that takes.
    fn put_record(&mut self, topics: &[TopicId], kind: Kind, position: Position, record: &[u8]) -> u64 {
        let mut written = 0;
        for &topic in topics {
            let element = Element::of(record, topics[0], topic);
            written += element.weight();
            match kind {
                Kind::Plain => {
                    let run = self.runs.entry(topic).or_insert_with(|| run::Builder::new(position));
                    run.push(position, element);
                    if run.is_full()
                        && let Some(run) = self.runs.remove(&topic)
                    {
                        self.put_run(topic, run);
                    }
                }
                Kind::Keyed => {
                    let mut run = run::Builder::new(position);
                    run.push(position, element);
                    let key = keys::event(topic, kind, position).to_vec();
                    self.put(Table::Events(keys::shard(topic)), key, run.finish().1);
                }
            }
        }
        written
    }

    fn put_run(&mut self, topic: TopicId, run: run::Builder) {
        let (last, bytes) = run.finish();
        let key = keys::event(topic, Kind::Plain, last);
        self.batch_bytes += key.len() + bytes.len();
        self.batch.insert(&self.log.tables.events[keys::shard(topic)], key, bytes);
    }

    /// Lets a record with a key take the place of the one before it.
    fn supersede(&mut self, topics: &mut Topics, position: Position, names: &[TopicName], key: &Arc<str>, bytes: u64) {
        let mut distinct: Vec<TopicName> = Vec::with_capacity(names.len());
        for name in names {
            if !distinct.contains(name) {
                distinct.push(name.clone());
            }
        }
        let Some(id) = names.first().and_then(|name| topics.get(name)).map(|topic| topic.row.id) else {
            return;
        };
        self.put(Table::Keys, keys::key(id, key), keys::position(position).to_vec());
        if let Some((earlier, keyed)) = topics.add_keyed(position, Keyed { topics: distinct, key: key.clone(), bytes })
        {
            self.remove_keyed(topics, earlier, &keyed);
        }
    }

    /// Removes the live record with a key, if there is one, and the key.
    fn end_key(&mut self, topics: &mut Topics, name: &TopicName, key: &Arc<str>) {
        if let Some((earlier, keyed)) = topics.end_key(name, key) {
            self.forget_keyed(topics, earlier, keyed);
        }
    }

    /// Removes a record with a key, and its key.
    pub(super) fn forget_keyed(&mut self, topics: &Topics, position: Position, keyed: Keyed) {
        self.remove_keyed(topics, position, &keyed);
        if let Some(topic) = keyed.topics.first().and_then(|name| topics.get(name)) {
            self.rows.insert((Table::Keys, keys::key(topic.row.id, &keyed.key)), None);
        }
        self.due.extend(keyed.topics);
    }

    fn remove_keyed(&mut self, topics: &Topics, position: Position, keyed: &Keyed) {
        for topic in keyed.topics.iter().filter_map(|name| topics.get(name)) {
            let id = topic.row.id;
            let key = keys::event(id, Kind::Keyed, position);
            self.rows.insert((Table::Events(keys::shard(id)), key.to_vec()), None);
        }
    }

    /// Writes down the log's clock, if it says enough beside what `written` says. Returns what is written then.
    pub(super) fn note_clock(&mut self, written: &LogClock) -> Option<LogClock> {
        let clock = Some(self.log.clock.lock()).filter(|clock| clock.is_news(written)).map(|clock| clock.clone())?;
        self.put(Table::Meta, meta::CLOCK.to_vec(), clock.encode());
        Some(clock)
    }

    /// Writes a number into `meta`.
    pub(super) fn put_meta(&mut self, key: &[u8], number: u64) {
        self.put(Table::Meta, key.to_vec(), number.to_be_bytes().to_vec());
    }

    /// Writes what means nothing.
    pub(super) fn beat(&mut self) {
        self.put(Table::Meta, BEAT.to_vec(), Vec::new());
    }

    /// Removes the row of a topic.
    pub(super) fn remove_topic(&mut self, name: &TopicName) {
        self.rows.insert((Table::Topics, name.as_str().into()), None);
    }

    fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.rows.insert((table, key), Some(value.into()));
    }

    /// Turns all of it into one batch. Nothing may be added afterwards.
    pub(super) fn finish(&mut self) -> OwnedWriteBatch {
        for (topic, run) in std::mem::take(&mut self.runs) {
            self.put_run(topic, run);
        }
        let tables = &self.log.tables;
        let mut batch = std::mem::replace(&mut self.batch, tables.db.batch());
        if !self.listed.is_empty() {
            let listed = codec::encode_batch(&self.listed);
            self.batch_bytes += listed.len();
            batch.insert(&tables.order, keys::position(self.first), listed);
        }
        let counted = self.end();
        {
            let mut topics = self.log.topics.write();
            for name in std::mem::take(&mut self.due) {
                if let Some(row) = topics.write_row(&name, counted) {
                    self.rows.insert((Table::Topics, name.as_str().into()), Some(row.encode().into()));
                }
            }
        }
        for ((table, key), value) in std::mem::take(&mut self.rows) {
            let table = table.of(tables);
            self.batch_bytes += key.len() + value.as_ref().map_or(0, |value| value.len());
            match value {
                Some(value) => batch.insert(table, key, value),
                None => batch.remove(table, key),
            }
        }
        batch
    }

    /// What the finished batch takes each time that it is written, in bytes, about.
    pub(super) fn bytes(&self) -> u64 {
        self.batch_bytes as u64
    }

    /// The position of the last record.
    pub(super) fn end(&self) -> Position {
        Position::new(self.next.get() - 1)
    }

    /// Says that the step was taken, and whether it is on the device.
    pub(super) fn taken(&mut self, synced: bool) {
        let end = self.end();
        if let Some(checkpoint) = self.checkpoint {
            self.log.set_checkpoint(checkpoint);
        }
        if synced {
            self.log.set_synced(end);
            self.floors.drain(..).for_each(|(topic, floor)| self.log.floors.raise(topic, floor));
            self.forgotten.drain(..).for_each(|topic| self.log.floors.forget(topic));
        }
        if !self.whole.is_empty() {
            let mut trimmed = self.log.trimmed.lock();
            self.whole.drain(..).for_each(|(topic, bytes)| trimmed.add_whole(topic, bytes));
        }
        self.log.tails.push(&self.entries, || self.log.show(end));
    }
}

impl Table {
    fn of(self, tables: &super::tables::Tables) -> &Keyspace {
        match self {
            Self::Events(shard) => &tables.events[shard],
            Self::Keys => &tables.keys,
            Self::Topics => &tables.topics,
            Self::Receipts => &tables.receipts,
            Self::Meta => &tables.meta,
        }
    }
}
