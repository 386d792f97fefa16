//! The log as one reader holds it: the entries that are kept, by position and by topic, with
//! floors, keys and receipts.
//!
//! A replica is a plain data structure without a lock, a clock or a random number. Its state
//! follows from what it was given and in which order, so two replicas that were given the same are
//! equal. It either takes entries whose positions and epochs were decided elsewhere
//! ([`Replica::apply`]), or decides by itself and adds the entries in the same step
//! ([`Replica::append`]).
//!
//! [`Memory`](crate::Memory) is a replica that decides by itself, behind a lock. The reader of a
//! log whose order is decided elsewhere gives its replica the entries in that order, and skips
//! positions that are never shown ([`Replica::pass`]).
//!
//! Trimming never influences a decision: whether an append is accepted depends on keys and
//! receipts, which retention does not touch.

mod ages;
mod copy;
mod order;
mod pages;
mod receipts;
mod retention;
mod topic;
mod topics;
mod trim;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use self::ages::Ages;
use self::order::Order;
use self::receipts::Receipts;
pub use self::retention::Retention;
use self::topic::Insertion;
use self::topics::Topics;
use crate::{
    Append, Appended, Entry, Epochs, EventId, LogClock, Pool, Position, Receipt, StoredReceipt,
    Timeline, TopicName, Vitals,
};

/// The log as one reader holds it.
pub struct Replica {
    retention: Retention,
    epochs: Arc<Epochs>,
    head: Position,
    /// The entries that are kept.
    entries: BTreeMap<Position, Arc<Entry>>,
    /// The topics that the entries stand in, and what was trimmed from each topic.
    topics: Topics,
    /// The entries without a key, in the order in which they are trimmed.
    order: Order,
    receipts: Receipts,
    /// The number of entries without a key that were trimmed.
    trimmed: u64,
    /// The number of topics that were trimmed whole because there were too many.
    topics_trimmed: u64,
    /// The clock by which receipts expire.
    clock: LogClock,
    /// The timeline by which entries age.
    timeline: Timeline,
    /// When the entries were appended, in log time, if that is told. They age by it then.
    ages: Option<Ages>,
    /// The log time that was reported last.
    now_ms: Option<i64>,
    /// The log time when old entries were last looked for.
    age_checked_ms: i64,
}

/// What an append would result in. Nothing was done yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The append is accepted.
    New,
    /// See [`Appended::Known`].
    Known(StoredReceipt),
    /// See [`Appended::Refused`].
    Refused,
    /// See [`Appended::Full`].
    Full(Pool),
}

/// The error of an entry or an append whose position is not above the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("position {given} is not above {head}, the newest position")]
pub struct Behind {
    /// The position that was given.
    pub given: Position,
    /// The newest position in the replica.
    pub head: Position,
}

impl Replica {
    /// Creates an empty log in `epochs`.
    pub fn new(retention: Retention, epochs: Arc<Epochs>) -> Self {
        Self {
            order: Order::new(&retention),
            topics: Topics::default(),
            retention,
            epochs,
            head: Position::START,
            entries: BTreeMap::new(),
            receipts: Receipts::default(),
            trimmed: 0,
            topics_trimmed: 0,
            clock: LogClock::default(),
            timeline: Timeline::new(0, 0),
            ages: None,
            now_ms: None,
            age_checked_ms: i64::MIN,
        }
    }

    /// Returns the newest position, including positions that are never shown.
    pub fn head(&self) -> Position {
        self.head
    }

    /// Returns the current epoch and the earlier ones.
    pub fn epochs(&self) -> &Arc<Epochs> {
        &self.epochs
    }

    /// Sets the epochs for everything that comes next.
    pub fn set_epochs(&mut self, epochs: Arc<Epochs>) {
        self.epochs = epochs;
    }

    /// Adds an entry that has its position already. Positions between it and the entry before may
    /// be empty.
    ///
    /// The decision was made elsewhere: whatever the bounds say, an entry with a live key replaces
    /// the earlier entry with that key, and an entry that ends its key removes that entry.
    pub fn apply(&mut self, entry: &Arc<Entry>) -> Result<(), Behind> {
        self.check(entry.id.position)?;
        self.add(entry);
        Ok(())
    }

    /// Advances to `until`. The positions up to there stay empty, and no reader misses anything.
    pub fn pass(&mut self, until: Position) {
        self.head = self.head.max(until);
    }

    /// Reports a time to the log's clock, in milliseconds since 1970. It comes with the next entry,
    /// or with none. Returns the log's time.
    pub fn tell_time(&mut self, now_ms: i64) -> i64 {
        self.clock.tell(now_ms)
    }

    /// Sets the log's clock to one to which every time up to here was reported.
    pub fn set_clock(&mut self, clock: LogClock) {
        self.clock = clock;
    }

    /// Returns the log's clock.
    pub fn clock(&self) -> &LogClock {
        &self.clock
    }

    /// Ages entries by `timeline` from now on.
    pub fn keep_time(&mut self, timeline: &Timeline) {
        self.timeline = timeline.clone();
    }

    /// Returns what `append` would result in, at the log's time that was reported last.
    pub fn evaluate(&self, append: &Append) -> Verdict {
        if let Some(receipt) = &append.receipt
            && let Some(kept) = self.receipt(&receipt.key)
        {
            return Verdict::Known(kept.clone());
        }
        if append
            .condition
            .as_ref()
            .is_some_and(|condition| !condition.holds(|topic, key| self.live(topic, key)))
        {
            return Verdict::Refused;
        }
        let is_live = |topic: &TopicName, key: &str| self.live(topic, key).is_some();
        let full = self.topics.pools().exceeded_pool(
            &self.retention.bounds,
            append.records.iter(),
            is_live,
        );
        full.map_or(Verdict::New, Verdict::Full)
    }

    /// Decides about `append` and carries it out. Accepted records get the next positions. Returns
    /// the outcome and the new entries.
    pub fn append(&mut self, append: Append) -> (Appended, Vec<Arc<Entry>>) {
        self.decide(self.head.next(), append)
    }

    /// Decides about `append` like [`Replica::append`], with a position that was decided elsewhere:
    /// accepted records stand at `first` and the positions behind it. If the append is not
    /// accepted, these positions are empty, and the caller skips them with [`Replica::pass`].
    pub fn append_at(
        &mut self,
        first: Position,
        append: Append,
    ) -> Result<(Appended, Vec<Arc<Entry>>), Behind> {
        self.check(first)?;
        Ok(self.decide(first, append))
    }

    /// Returns the position of the live entry with this key whose first topic is `topic`.
    pub fn live(&self, topic: &TopicName, key: &str) -> Option<Position> {
        self.topics.live(topic, key)
    }

    /// Returns figures for monitoring.
    pub fn vitals(&self) -> Vitals {
        Vitals {
            kept: Some(self.order.kept() as u64),
            trimmed: Some(self.trimmed),
            topics: Some(self.topics.held() as u64),
            topics_trimmed: Some(self.topics_trimmed),
            keyed: self.topics.pools().vitals(&self.retention.bounds),
            oldest_ms: self
                .order
                .first(|position| self.entries.get(&position))
                .map(|entry| entry.record.at_ms),
            disk: None,
            broker: None,
        }
    }

    /// Returns all live entries with a key, in the order of the log.
    pub fn keyed(&self) -> Vec<Arc<Entry>> {
        self.topics
            .keyed()
            .iter()
            .filter_map(|position| self.entries.get(position).cloned())
            .collect()
    }

    /// Returns the number of live entries with a key in `pool`.
    pub fn held_in(&self, pool: Pool) -> usize {
        self.topics.pools().of(pool)
    }

    /// Returns the receipt with this key, unless it has expired by the log's clock.
    pub fn receipt(&self, key: &[u8]) -> Option<&StoredReceipt> {
        self.receipts.find(key, self.clock.now_ms())
    }

    /// Returns all receipts in no particular order, each with its key and the log time at which it
    /// ends.
    pub fn receipts(&self) -> impl Iterator<Item = (&Bytes, &StoredReceipt, i64)> {
        self.receipts.iter()
    }

    /// Stores a receipt until `end_ms`, in log time. It replaces an earlier receipt with the same
    /// key.
    pub fn keep_receipt(&mut self, key: Bytes, kept: StoredReceipt, end_ms: i64) {
        self.receipts.keep(key, kept, end_ms);
    }

    fn decide(&mut self, first: Position, append: Append) -> (Appended, Vec<Arc<Entry>>) {
        self.tell_time(append.now_ms);
        let (first, refused) = match self.evaluate(&append) {
            Verdict::Known(kept) => return (Appended::Known(kept), Vec::new()),
            Verdict::Full(pool) => return (Appended::Full(pool), Vec::new()),
            Verdict::Refused => (first, true),
            Verdict::New => (first, false),
        };
        let records = if refused { Vec::new() } else { append.records };
        let epoch = self.epochs.current();
        let mut next = first;
        let mut entries = Vec::with_capacity(records.len());
        for record in records {
            let entry = Arc::new(Entry {
                id: EventId {
                    epoch,
                    position: next,
                },
                record,
            });
            next = next.next();
            self.add(&entry);
            entries.push(entry);
        }
        if let Some(Receipt { key, value, lives }) = append.receipt {
            let events = u32::try_from(entries.len()).unwrap_or(u32::MAX);
            let end_ms = self.clock.now_ms().saturating_add(retention::ms(lives));
            self.receipts.keep(
                key,
                StoredReceipt {
                    value,
                    first,
                    events,
                    refused,
                },
                end_ms,
            );
        }
        (
            if refused {
                Appended::Refused(self.head)
            } else {
                Appended::New(first)
            },
            entries,
        )
    }

    fn check(&self, given: Position) -> Result<(), Behind> {
        if given > self.head {
            Ok(())
        } else {
            Err(Behind {
                given,
                head: self.head,
            })
        }
    }

    /// Adds an entry whose position was checked.
    fn add(&mut self, entry: &Arc<Entry>) {
        self.head = entry.id.position;
        if entry.record.topics.is_empty() {
            return; // no read can return it
        }
        let Insertion { replaced, queue } = self.topics.insert(entry, &self.retention);
        if let Some(old) = replaced.and_then(|position| self.entries.remove(&position)) {
            self.topics.supersede(&old);
        }
        if !entry.record.is_keyed() {
            self.order.push(queue, self.head, entry.record.weight());
        }
        self.entries.insert(self.head, entry.clone());
        self.trim(entry, queue);
    }
}
