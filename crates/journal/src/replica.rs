//! The log as one reader has it: what is kept, by position and by topic, with its floors, keys and receipts.
//!
//! A plain data structure, without a lock, a clock or a random number. What it holds follows from what it was given and in which
//! order, so two replicas that were given the same are the same. It is given entries whose positions and epochs were decided
//! elsewhere ([`Replica::apply`]), or decides them itself ([`Replica::append`]), which ends in the same step.
//!
//! [`Memory`](crate::Memory) is a replica that decides for itself, behind a lock. A reader of a log that others order feeds one
//! with what they ordered: positions that nothing may be shown of are passed over ([`Replica::pass`]).
//!
//! What is trimmed here decides nothing: whether an append is taken depends on keys and receipts, which retention does not touch.

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

use self::order::Order;
use self::receipts::Receipts;
pub use self::retention::Retention;
use self::topic::Listed;
use self::topics::Topics;
use crate::{
    Append, Appended, Entry, Epochs, EventId, Kept, LogClock, Pool, Position, Receipt, Timeline, TopicName, Vitals,
};

/// The log as one reader has it.
pub struct Replica {
    retention: Retention,
    epochs: Arc<Epochs>,
    head: Position,
    /// Every entry that is kept.
    entries: BTreeMap<Position, Arc<Entry>>,
    /// Which of them stand in which topic, and what was trimmed from it.
    topics: Topics,
    /// Those without a key, in the order in which they go.
    order: Order,
    receipts: Receipts,
    /// How many of those without a key were let go of.
    trimmed: u64,
    /// How many topics were let go of because there were too many.
    topics_trimmed: u64,
    /// By what receipts expire.
    clock: LogClock,
    /// By what entries age.
    timeline: Timeline,
    /// The log's time when it was last told.
    now_ms: Option<i64>,
    /// The log's time when what is too old was last looked for.
    looked_ms: i64,
}

/// What is to become of an append, which nothing was done about yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken.
    New,
    /// See [`Appended::Known`].
    Known(Kept),
    /// See [`Appended::Refused`].
    Refused,
    /// See [`Appended::Full`].
    Full(Pool),
}

/// An entry or an append was given a position that is not above those of all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("position {given} comes at or before {head}, the newest there is")]
pub struct Behind {
    /// The position that was given.
    pub given: Position,
    /// The newest there is.
    pub head: Position,
}

impl Replica {
    /// An empty log in `epochs`.
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
            now_ms: None,
            looked_ms: i64::MIN,
        }
    }

    /// The newest position, that of what is not shown included.
    pub fn head(&self) -> Position {
        self.head
    }

    /// The current epoch and the earlier ones.
    pub fn epochs(&self) -> &Arc<Epochs> {
        &self.epochs
    }

    /// Has what comes next belong to other epochs.
    pub fn set_epochs(&mut self, epochs: Arc<Epochs>) {
        self.epochs = epochs;
    }

    /// Adds an entry that has its place already. Between it and the one before, there may be positions that nothing stands at.
    ///
    /// Whether it may be there, was decided before: an entry whose key is live takes the place of that key's last one, one that
    /// ends its key removes that, whatever the bounds say.
    pub fn apply(&mut self, entry: &Arc<Entry>) -> Result<(), Behind> {
        self.check(entry.id.position)?;
        self.add(entry);
        Ok(())
    }

    /// Moves on to `until`: nothing stands at the positions up to there, and nobody misses anything.
    pub fn pass(&mut self, until: Position) {
        self.head = self.head.max(until);
    }

    /// Tells the log's clock, by which receipts expire, a time in milliseconds since 1970: that of the entry that comes next, or
    /// of none.
    pub fn tell_time(&mut self, now_ms: i64) {
        self.clock.tell(now_ms);
    }

    /// Goes on with a clock that was told everything up to here.
    pub fn set_clock(&mut self, clock: LogClock) {
        self.clock = clock;
    }

    /// The log's clock.
    pub fn clock(&self) -> &LogClock {
        &self.clock
    }

    /// Has entries age by `timeline` from now on.
    pub fn keep_time(&mut self, timeline: &Timeline) {
        self.timeline = timeline.clone();
    }

    /// What is to become of `append`, at the log's time as it was last told.
    pub fn evaluate(&self, append: &Append) -> Verdict {
        if let Some(receipt) = &append.receipt
            && let Some(kept) = self.receipt(&receipt.key)
        {
            return Verdict::Known(kept.clone());
        }
        if append.condition.as_ref().is_some_and(|condition| !condition.holds(|topic, key| self.live(topic, key))) {
            return Verdict::Refused;
        }
        let is_live = |topic: &TopicName, key: &str| self.live(topic, key).is_some();
        let full = self.topics.pools().without_room(&self.retention.bounds, append.records.iter(), is_live);
        full.map_or(Verdict::New, Verdict::Full)
    }

    /// Decides about `append`, and does it: what is taken gets the next positions. With what became of it, the new entries.
    pub fn append(&mut self, append: Append) -> (Appended, Vec<Arc<Entry>>) {
        self.decide(self.head.next(), append)
    }

    /// Decides about `append` as [`Replica::append`] does, with a place that was decided before: its records stand at `first` and
    /// behind it if it is taken. If not, nothing stands there; the caller moves on with [`Replica::pass`].
    pub fn append_at(&mut self, first: Position, append: Append) -> Result<(Appended, Vec<Arc<Entry>>), Behind> {
        self.check(first)?;
        Ok(self.decide(first, append))
    }

    /// The position of the live entry with this key, of those whose first topic is `topic`.
    pub fn live(&self, topic: &TopicName, key: &str) -> Option<Position> {
        self.topics.live(topic, key)
    }

    /// What there is to tell of it.
    pub fn vitals(&self) -> Vitals {
        Vitals {
            kept: Some(self.order.kept() as u64),
            trimmed: Some(self.trimmed),
            topics: Some(self.topics.held() as u64),
            topics_trimmed: Some(self.topics_trimmed),
            keyed: self.topics.pools().vitals(&self.retention.bounds),
            oldest_ms: self.order.first(|place| self.entries.get(&place)).map(|entry| entry.record.at_ms),
            disk: None,
        }
    }

    /// All live entries with a key, in order.
    pub fn keyed(&self) -> Vec<Arc<Entry>> {
        self.topics.keyed().iter().filter_map(|position| self.entries.get(position).cloned()).collect()
    }

    /// How many entries with a key `pool` holds.
    pub fn held_in(&self, pool: Pool) -> usize {
        self.topics.pools().of(pool)
    }

    /// The receipt with this key, unless it has expired at the log's time as of now.
    pub fn receipt(&self, key: &[u8]) -> Option<&Kept> {
        self.receipts.find(key, self.clock.now_ms())
    }

    /// All receipts, each with its key and its end in log time, in no order.
    pub fn receipts(&self) -> impl Iterator<Item = (&Bytes, &Kept, i64)> {
        self.receipts.iter()
    }

    /// Keeps a receipt until `end_ms`, in log time. It takes the place of an earlier one with its key.
    pub fn keep_receipt(&mut self, key: Bytes, kept: Kept, end_ms: i64) {
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
            let entry = Arc::new(Entry { id: EventId { epoch, position: next }, record });
            next = next.next();
            self.add(&entry);
            entries.push(entry);
        }
        if let Some(Receipt { key, value, lives }) = append.receipt {
            let events = u32::try_from(entries.len()).unwrap_or(u32::MAX);
            let end_ms = self.clock.now_ms().saturating_add(retention::ms(lives));
            self.receipts.keep(key, Kept { value, first, events, refused }, end_ms);
        }
        (if refused { Appended::Refused(self.head) } else { Appended::New(first) }, entries)
    }

    fn check(&self, given: Position) -> Result<(), Behind> {
        if given > self.head { Ok(()) } else { Err(Behind { given, head: self.head }) }
    }

    /// Adds an entry whose place was checked.
    fn add(&mut self, entry: &Arc<Entry>) {
        self.head = entry.id.position;
        if entry.record.topics.is_empty() {
            return; // nobody can ask for it
        }
        let Listed { gone, line } = self.topics.insert(entry, &self.retention);
        if let Some(old) = gone.and_then(|position| self.entries.remove(&position)) {
            self.topics.supersede(&old);
        }
        if !entry.record.is_keyed() {
            self.order.push(line, self.head, entry.record.weight());
        }
        self.entries.insert(self.head, entry.clone());
        self.trim(entry, line);
    }
}
