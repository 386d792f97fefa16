//! A step of the committer: the appends in flight and the maintenance writes, which are written in
//! one batch.

mod maintenance;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use fjall::{Keyspace, OwnedWriteBatch, Slice};

pub(super) use self::maintenance::Checkpoint;
use super::codec::{self, BatchEntry};
use super::keys::{self, Kind, TopicId, meta};
use super::log::Log;
use super::run::{self, Element};
use super::topics::{KeyedRecord, Topics};
use tidings_journal::{
    Appended, Condition, Entry, Error, EventId, LogClock, Position, Receipt, Record, StoredReceipt,
    TopicName,
};

/// A record in its encoded form. The task that appends it encodes it, so that the one thread which
/// all tasks wait for does not have to.
pub(super) struct EncodedRecord {
    record: Record,
    bytes: Vec<u8>,
}

/// A unit that waits for its step.
pub(super) struct Unit {
    pub(super) records: Vec<EncodedRecord>,
    pub(super) receipt: Option<Receipt>,
    pub(super) condition: Option<Condition>,
    pub(super) now_ms: i64,
}

/// A step that is being assembled.
pub(super) struct Step<'a> {
    pub(super) log: &'a Log,
    batch: OwnedWriteBatch,
    /// The records without a key, by topic, that are not in the batch yet.
    runs: HashMap<TopicId, run::Builder>,
    /// Rows that may be written more than once in a step. Only the last value goes into the batch,
    /// because the engine would not know which one is the last.
    rows: BTreeMap<(Table, Vec<u8>), Option<Slice>>,
    /// The topics whose row is to be written.
    pub(super) due: BTreeSet<TopicName>,
    listed: Vec<BatchEntry>,
    /// The ids of one record's topics, reused for each record.
    ids: Vec<TopicId>,
    first: Position,
    next: Position,
    /// The new entries, for the tails.
    entries: Vec<Arc<Entry>>,
    /// The floors that compaction may use once the step is durable.
    pub(super) floors: Vec<(TopicId, Position)>,
    pub(super) forgotten: Vec<TopicId>,
    /// The topics that were trimmed whole, and their size.
    pub(super) whole: Vec<(TopicId, u64)>,
    /// The position up to which this step stores the counts of all topics.
    pub(super) checkpoint: Option<Position>,
    /// Whether the step has to be synced even if [`Sync`](super::Sync) does not demand it.
    pub(super) must_sync: bool,
    /// The size of the batch in bytes.
    batch_bytes: usize,
    /// By how many milliseconds log time is ahead of the wall clock.
    skew: i64,
}

/// The table of a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Events(usize),
    Keys,
    Topics,
    Receipts,
    Meta,
}

/// The longest key of a record or a receipt, in bytes. The engine's own limit is 65,536.
pub(super) const MAX_KEY_BYTES: usize = 32 << 10;

impl EncodedRecord {
    pub(super) fn new(record: Record) -> Result<Self, Error> {
        if record
            .key
            .as_ref()
            .is_some_and(|key| key.len() > MAX_KEY_BYTES)
        {
            return Err(Error::TooLarge(format!(
                "a record's key has at most {MAX_KEY_BYTES} bytes"
            )));
        }
        Ok(Self {
            bytes: codec::encode_record(&record),
            record,
        })
    }

    /// Returns the record's weight while it waits.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + self.record.weight()
    }
}

impl<'a> Step<'a> {
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

    /// Adds a unit, and returns its outcome.
    pub(super) fn append(&mut self, unit: Unit) -> Result<Appended, Error> {
        let Unit {
            records,
            receipt,
            condition,
            now_ms,
        } = unit;
        let now_ms = self.log.tell_time(now_ms);
        if let Some(receipt) = &receipt
            && let Some(kept) = self.receipt(&receipt.key, now_ms)?
        {
            return Ok(Appended::Known(kept));
        }
        let first = self.next;
        {
            let mut topics = self.log.topics.write();
            if condition
                .is_some_and(|condition| !condition.holds(|topic, key| topics.live(topic, key)))
            {
                drop(topics);
                self.keep_receipt(receipt, now_ms, (first, 0), true);
                return Ok(Appended::Refused(self.end()));
            }
            if let Some(pool) = topics.exceeded_pool(records.iter().map(|encoded| &encoded.record))
            {
                return Ok(Appended::Full(pool));
            }
            for record in records {
                self.add(&mut topics, record);
            }
            self.trim_surplus_topics(&mut topics);
        }
        let events = u32::try_from(self.next.get() - first.get()).unwrap_or(u32::MAX);
        self.keep_receipt(receipt, now_ms, (first, events), false);
        Ok(Appended::New(first))
    }

    /// Returns the live receipt with this key, from this step or from earlier ones.
    fn receipt(&self, key: &[u8], now_ms: i64) -> Result<Option<StoredReceipt>, Error> {
        let Some(value) = self.rows.get(&(Table::Receipts, keys::receipt(key))) else {
            return self.log.receipt(key, now_ms);
        };
        let receipt = value.as_deref().and_then(codec::decode_receipt);
        Ok(receipt
            .filter(|(end, _)| end.in_log_time(|| 0) > now_ms)
            .map(|(_, kept)| kept))
    }

    fn keep_receipt(
        &mut self,
        receipt: Option<Receipt>,
        now_ms: i64,
        at: (Position, u32),
        refused: bool,
    ) {
        if let Some(Receipt { key, value, lives }) = receipt {
            let end = now_ms.saturating_add(i64::try_from(lives.as_millis()).unwrap_or(i64::MAX));
            let value = codec::encode_receipt(
                end,
                &StoredReceipt {
                    value,
                    first: at.0,
                    events: at.1,
                    refused,
                },
            );
            self.put(Table::Receipts, keys::receipt(&key), value);
        }
    }

    /// Returns the number of records in the step.
    pub(super) fn records(&self) -> u64 {
        self.next.get() - self.first.get()
    }

    /// Returns whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.next == self.first && self.rows.is_empty() && self.due.is_empty()
    }

    fn add(&mut self, topics: &mut Topics, EncodedRecord { record, bytes }: EncodedRecord) {
        let position = self.next;
        self.next = position.next();
        let kind = if record.is_keyed() {
            Kind::Keyed
        } else {
            Kind::Plain
        };
        let log = self.log;
        let retention = &log.options.retention;
        let mut ids = std::mem::take(&mut self.ids);
        for name in &*record.topics {
            let (id, new) = topics.insert(name, kind, position, retention);
            if ids.contains(&id) {
                continue; // the record names the topic twice
            }
            ids.push(id);
            if new {
                log.floors.raise(id, topics.forgotten);
                self.due.insert(name.clone());
            }
        }
        let written = self.put_record(&ids, kind, position, &bytes);
        if let Some((first, others)) = record.topics.split_first() {
            topics.note_other_topics(first, others);
        }
        if let (Some(key), Some(name)) = (
            record.key.as_ref().filter(|_| record.ends_key),
            record.topics.first(),
        ) {
            self.end_key(topics, name, key);
        }
        match (
            record.key.as_ref().filter(|_| !record.ends_key),
            record.topics.first(),
        ) {
            (Some(key), Some(_)) => self.supersede(topics, position, &record.topics, key, written),
            (None, Some(name)) => topics.count(
                name,
                written,
                Some(record.at_ms.saturating_add(self.skew)),
                retention,
            ),
            (_, None) => {} // a record in no topic has a position, but no read can return it
        }
        let topic = ids.first().copied().unwrap_or_default();
        let others = ids.get(1..).unwrap_or_default().to_vec();
        self.listed.push(BatchEntry {
            topic,
            keyed: kind == Kind::Keyed,
            bytes: written,
            others,
        });
        ids.clear();
        self.ids = ids;
        let id = EventId {
            epoch: self.log.epochs.current(),
            position,
        };
        self.entries.push(Arc::new(Entry { id, record }));
    }

    /// Adds a record to its topics. Returns the size that it takes in bytes.
    fn put_record(
        &mut self,
        topics: &[TopicId],
        kind: Kind,
        position: Position,
        record: &[u8],
    ) -> u64 {
        let mut written = 0;
        for &topic in topics {
            let element = Element::of(record, topics[0], topic);
            written += element.weight();
            match kind {
                Kind::Plain => {
                    let run = self
                        .runs
                        .entry(topic)
                        .or_insert_with(|| run::Builder::new(position));
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
        self.batch
            .insert(&self.log.tables.events[keys::shard(topic)], key, bytes);
    }

    /// Replaces the live record with the same key.
    fn supersede(
        &mut self,
        topics: &mut Topics,
        position: Position,
        names: &[TopicName],
        key: &Arc<str>,
        bytes: u64,
    ) {
        let mut distinct: Vec<TopicName> = Vec::with_capacity(names.len());
        for name in names {
            if !distinct.contains(name) {
                distinct.push(name.clone());
            }
        }
        let Some(id) = names
            .first()
            .and_then(|name| topics.get(name))
            .map(|topic| topic.row.id)
        else {
            return;
        };
        self.put(
            Table::Keys,
            keys::key(id, key),
            keys::position(position).to_vec(),
        );
        if let Some((earlier, keyed)) = topics.add_keyed(
            position,
            KeyedRecord {
                topics: distinct,
                key: key.clone(),
                bytes,
            },
        ) {
            self.remove_keyed(topics, earlier, &keyed);
        }
    }

    /// Ends a key, and removes its live record if there is one.
    fn end_key(&mut self, topics: &mut Topics, name: &TopicName, key: &Arc<str>) {
        if let Some((earlier, keyed)) = topics.end_key(name, key) {
            self.forget_keyed(topics, earlier, keyed);
        }
    }

    /// Removes a record with a key, and its key.
    pub(super) fn forget_keyed(&mut self, topics: &Topics, position: Position, keyed: KeyedRecord) {
        self.remove_keyed(topics, position, &keyed);
        if let Some(topic) = keyed.topics.first().and_then(|name| topics.get(name)) {
            self.rows
                .insert((Table::Keys, keys::key(topic.row.id, &keyed.key)), None);
        }
        self.due.extend(keyed.topics);
    }

    fn remove_keyed(&mut self, topics: &Topics, position: Position, keyed: &KeyedRecord) {
        for topic in keyed.topics.iter().filter_map(|name| topics.get(name)) {
            let id = topic.row.id;
            let key = keys::event(id, Kind::Keyed, position);
            self.rows
                .insert((Table::Events(keys::shard(id)), key.to_vec()), None);
        }
    }

    /// Stores the log's clock if it differs enough from `written`, and returns what it stored.
    /// While the log is being closed, any difference is enough, so that the next process continues
    /// from there.
    pub(super) fn note_clock(&mut self, written: &LogClock) -> Option<LogClock> {
        let is_closing = self.log.is_closing();
        let clock = {
            let clock = self.log.clock.lock();
            let is_due = clock.is_worth_writing(written) || (is_closing && *clock != *written);
            is_due.then(|| clock.clone())?
        };
        self.put(Table::Meta, meta::CLOCK.to_vec(), clock.encode());
        Some(clock)
    }

    /// Writes a number into the table `meta`.
    pub(super) fn put_meta(&mut self, key: &[u8], number: u64) {
        self.put(Table::Meta, key.to_vec(), number.to_be_bytes().to_vec());
    }

    /// Writes a key without a meaning.
    pub(super) fn put_noop(&mut self) {
        self.put(Table::Meta, keys::NOOP_KEY.to_vec(), Vec::new());
    }

    /// Removes the row of a topic.
    pub(super) fn remove_topic(&mut self, name: &TopicName) {
        self.rows
            .insert((Table::Topics, name.as_str().into()), None);
    }

    fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.rows.insert((table, key), Some(value.into()));
    }

    /// Puts everything into one batch. Nothing may be added after this call.
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
                    self.rows.insert(
                        (Table::Topics, name.as_str().into()),
                        Some(row.encode().into()),
                    );
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

    /// Returns about how many bytes each write of the finished batch takes. It is written several
    /// times: to the log, to tables, and when these are merged.
    pub(super) fn bytes(&self) -> u64 {
        self.batch_bytes as u64
    }

    /// Returns the position of the last record.
    pub(super) fn end(&self) -> Position {
        Position::new(self.next.get() - 1)
    }

    /// Applies the effects of the step after it was written. `synced` tells whether it is on the
    /// device.
    pub(super) fn committed(&mut self, synced: bool) {
        let end = self.end();
        if let Some(checkpoint) = self.checkpoint {
            self.log.set_checkpoint(checkpoint);
        }
        if synced {
            self.log.set_synced(end);
            self.floors
                .drain(..)
                .for_each(|(topic, floor)| self.log.floors.raise(topic, floor));
            self.forgotten
                .drain(..)
                .for_each(|topic| self.log.floors.forget(topic));
        }
        if !self.whole.is_empty() {
            let mut garbage = self.log.garbage.lock();
            self.whole
                .drain(..)
                .for_each(|(topic, bytes)| garbage.add_whole(topic, bytes));
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
