//! The log in memory: lost with the process, bounded by count, bytes and age.
//!
//! One lock guards all of it; an append or a page is a few microseconds under it. An entry is shared between the
//! structures here and whoever reads it, never copied.

mod index;
mod receipts;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::bounds::Held;
use crate::tail::Tails;
use crate::{
    Append, Appended, Bounds, Earlier, Entry, Epoch, Epochs, Error, EventId, Holding, Journal, Kept, Limit, Page,
    Position, Record, Selector, Tail, Timeline, TopicName, Vitals,
};
use index::Topics;
use receipts::Receipts;

/// How much is kept. What is over it goes, oldest first.
///
/// The live entry of each key is exempt: a service that last reported a month ago still has a status. [`Retention::bounds`] says
/// how many of those there may be.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Entries without a key.
    pub max_events: usize,
    /// Their [`Record::weight`], in bytes.
    pub max_bytes: usize,
    /// Their age.
    pub max_age: Duration,
    /// Live entries with a key.
    pub bounds: Bounds,
    /// Topics that hold something: each takes memory. Over it, those whose newest entry is oldest go whole. Topics whose name
    /// begins with `_` or `system/` count, and stay.
    pub max_topics: usize,
}

/// The log in memory.
pub struct Memory {
    epochs: Epochs,
    retention: Retention,
    log: Mutex<Log>,
    /// Pushed to while the log is locked, so that every reader sees the log's order.
    tails: Tails,
}

struct Log {
    head: Position,
    /// Every entry that is kept.
    entries: BTreeMap<Position, Arc<Entry>>,
    /// Which of them stand in which topic, and what was trimmed from it.
    topics: Topics,
    /// Those without a key, oldest first: the order in which they go. Some may have gone before their turn.
    unkeyed: VecDeque<Position>,
    /// How many of those are kept.
    kept: usize,
    /// The weight of those without a key.
    bytes: usize,
    /// Those with a key, oldest first.
    keyed: BTreeSet<Position>,
    /// How many of them each pool has.
    held: Held,
    receipts: Receipts,
    /// The latest log time that was told.
    told_ms: i64,
    /// How many of those without a key were let go of.
    trimmed: u64,
    /// By what entries age.
    timeline: Timeline,
    /// The log's time when it was last told.
    now_ms: Option<i64>,
    /// How many topics were let go of because there were too many.
    topics_trimmed: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_events: 100_000,
            max_bytes: 256 << 20,
            max_age: Duration::from_hours(24),
            bounds: Bounds::default(),
            max_topics: 200_000,
        }
    }
}

impl Memory {
    /// An empty log with a new epoch.
    pub fn new(retention: Retention) -> Self {
        Self {
            epochs: Epochs::new(Epoch::random(&mut rand::rng()), Vec::new()),
            retention,
            log: Mutex::new(Log {
                head: Position::START,
                entries: BTreeMap::new(),
                topics: Topics::default(),
                unkeyed: VecDeque::new(),
                kept: 0,
                bytes: 0,
                keyed: BTreeSet::new(),
                held: Held::default(),
                receipts: Receipts::default(),
                told_ms: i64::MIN,
                trimmed: 0,
                timeline: Timeline::new(0, 0),
                now_ms: None,
                topics_trimmed: 0,
            }),
            tails: Tails::default(),
        }
    }
}

#[async_trait::async_trait]
impl Journal for Memory {
    fn epochs(&self) -> Epochs {
        self.epochs.clone()
    }

    fn head(&self) -> Position {
        self.log.lock().head
    }

    async fn append(&self, append: Append) -> Result<Appended, Error> {
        let mut log = self.log.lock();
        let (appended, entries) = log.append(append, self.epochs.current(), &self.retention);
        self.tails.push(&entries, || ());
        Ok(appended)
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<Kept>, Error> {
        let log = self.log.lock();
        Ok(log.receipts.find(key, log.told_ms))
    }

    fn tail(&self) -> Box<dyn Tail> {
        self.tails.open()
    }

    async fn read(&self, selector: &Selector, after: Position, until: Position, limit: Limit) -> Result<Page, Error> {
        let log = self.log.lock();
        let until = until.min(log.head);
        let mut page =
            Page { entries: Vec::new(), next: until.max(after), floor: log.topics.floor(selector), damaged: false };
        let mut bytes = 0;
        for position in log.topics.merged(selector, after, until, limit.events) {
            let full = page.entries.len() >= limit.events || bytes >= limit.bytes;
            if let Some(last) = page.entries.last().filter(|_| full) {
                page.next = last.id.position;
                break;
            }
            if let Some(entry) = log.entries.get(&position) {
                bytes += entry.record.data.len();
                page.entries.push(entry.clone());
            }
        }
        Ok(page)
    }

    async fn read_before(&self, selector: &Selector, before: Position, limit: Limit) -> Result<Earlier, Error> {
        let log = self.log.lock();
        let before = before.min(log.head.next());
        let floor = log.topics.floor(selector);
        let mut page = Earlier { entries: Vec::new(), prev: before, end: true, damaged: false, floor };
        let mut bytes = 0;
        for position in log.topics.merged_before(selector, floor, before, limit.events.max(1)) {
            if page.entries.len() >= limit.events.max(1) || bytes >= limit.bytes.max(1) {
                page.end = false;
                break;
            }
            if let Some(entry) = log.entries.get(&position) {
                bytes += entry.record.data.len();
                page.entries.push(entry.clone());
            }
            page.prev = position;
        }
        page.entries.reverse();
        Ok(page)
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        Ok(self.log.lock().topics.oldest(selector))
    }

    fn floor(&self, selector: &Selector) -> Position {
        self.log.lock().topics.floor(selector)
    }

    fn knows(&self, topic: &TopicName) -> bool {
        self.log.lock().topics.knows(topic)
    }

    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        self.log.lock().topics.list(prefix, after, most)
    }

    async fn erase(&self, topics: &[TopicName], until: Position) -> Result<Vec<(TopicName, Position)>, Error> {
        Ok(self.log.lock().erase(topics, until, &self.retention.bounds))
    }

    fn expire(&self, now_ms: i64) {
        let mut log = self.log.lock();
        log.now_ms = Some(now_ms);
        log.told_ms = log.told_ms.max(now_ms);
        log.trim(&self.retention, now_ms);
        let log = &mut *log;
        log.receipts.expire(log.told_ms);
    }

    fn keep_time(&self, timeline: &Timeline) {
        self.log.lock().timeline = timeline.clone();
    }

    fn health(&self) -> Result<(), Error> {
        Ok(())
    }

    fn vitals(&self) -> Vitals {
        let log = self.log.lock();
        let oldest = log.unkeyed.iter().find_map(|position| log.entries.get(position));
        Vitals {
            kept: Some(log.kept as u64),
            trimmed: Some(log.trimmed),
            topics: Some(log.topics.held() as u64),
            topics_trimmed: Some(log.topics_trimmed),
            oldest_ms: oldest.map(|entry| entry.record.at_ms),
            disk: None,
        }
    }

    async fn close(&self) {}
}

impl Log {
    /// Appends a unit, or says why not.
    fn append(&mut self, append: Append, epoch: Epoch, retention: &Retention) -> (Appended, Vec<Arc<Entry>>) {
        let Append { records, receipt, condition, now_ms } = append;
        self.told_ms = self.told_ms.max(now_ms);
        if let Some(kept) = receipt.as_ref().and_then(|receipt| self.receipts.find(&receipt.key, self.told_ms)) {
            return (Appended::Known(kept), Vec::new());
        }
        let live = |topic: &TopicName, key: &str| self.topics.live(topic, key);
        let first = self.head.next();
        if condition.is_some_and(|condition| !condition.holds(live)) {
            if let Some(receipt) = receipt {
                let kept = Kept { value: receipt.value, first, events: 0, refused: true };
                self.receipts.keep(receipt.key, kept, receipt.lives, self.told_ms);
            }
            return (Appended::Refused(self.head), Vec::new());
        }
        let is_live = |topic: &TopicName, key: &str| live(topic, key).is_some();
        if let Some(pool) = self.held.without_room(&retention.bounds, records.iter(), is_live) {
            return (Appended::Full(pool), Vec::new());
        }
        let entries: Vec<_> = records.into_iter().map(|record| self.push(epoch, record, &retention.bounds)).collect();
        if let Some(at_ms) = entries.last().map(|entry| entry.record.at_ms) {
            // What it bears was read from the wall clock, which may have been set since.
            let now_ms = self.now_ms.unwrap_or(at_ms);
            self.trim(retention, now_ms);
        }
        if let Some(receipt) = receipt {
            let events = u32::try_from(entries.len()).unwrap_or(u32::MAX);
            let kept = Kept { value: receipt.value, first, events, refused: false };
            self.receipts.keep(receipt.key, kept, receipt.lives, self.told_ms);
        }
        (Appended::New(first), entries)
    }

    fn push(&mut self, epoch: Epoch, record: Record, bounds: &Bounds) -> Arc<Entry> {
        self.head = self.head.next();
        let entry = Arc::new(Entry { id: EventId { epoch, position: self.head }, record });
        if let Some(superseded) = self.topics.insert(&entry) {
            self.unlist_keyed(superseded, &entry.record, bounds);
            if let Some(old) = self.entries.remove(&superseded) {
                self.topics.supersede(&old);
            }
        }
        if entry.record.is_keyed() {
            self.keyed.insert(self.head);
            if let Some(topic) = entry.record.topics.first() {
                self.held.add(bounds.pool_of(topic));
            }
        } else {
            self.unkeyed.push_back(self.head);
            self.kept += 1;
            self.bytes += entry.record.weight();
        }
        self.entries.insert(self.head, entry.clone());
        entry
    }

    /// The record with a key at `position` is not live any more. `record` is one of the same topic.
    fn unlist_keyed(&mut self, position: Position, record: &Record, bounds: &Bounds) -> bool {
        let was_keyed = self.keyed.remove(&position);
        if let Some(topic) = record.topics.first().filter(|_| was_keyed) {
            self.held.remove(bounds.pool_of(topic));
        }
        was_keyed
    }

    fn trim(&mut self, retention: &Retention, now_ms: i64) {
        let max_age = i64::try_from(retention.max_age.as_millis()).unwrap_or(i64::MAX);
        while let Some(&oldest) = self.unkeyed.front() {
            if let Some(entry) = self.entries.get(&oldest) {
                let at_ms = entry.record.at_ms.saturating_add(self.timeline.skew_at(oldest));
                let expired = now_ms.saturating_sub(at_ms) > max_age;
                if self.kept <= retention.max_events && self.bytes <= retention.max_bytes && !expired {
                    break;
                }
                self.forget(oldest, &retention.bounds);
            }
            self.unkeyed.pop_front();
        }
        while self.topics.held() > retention.max_topics
            && let Some((name, positions)) = self.topics.take_oldest()
        {
            for position in positions {
                self.forget(position, &retention.bounds);
            }
            self.topics.forget(&name);
            self.topics_trimmed += 1;
        }
        self.settle();
    }

    /// Forgets the places of those that went before their turn, once they are most.
    fn settle(&mut self) {
        if self.unkeyed.len() > 2 * self.kept + 1_024 {
            self.unkeyed.retain(|position| self.entries.contains_key(position));
        }
    }

    /// See [`Journal::erase`].
    fn erase(&mut self, topics: &[TopicName], until: Position, bounds: &Bounds) -> Vec<(TopicName, Position)> {
        let mut touched = BTreeSet::new();
        for position in self.topics.merged(&Selector::topics(topics), Position::START, until, usize::MAX) {
            let Some(entry) = self.entries.get(&position).cloned() else {
                continue;
            };
            touched.extend(entry.record.topics.iter().cloned());
            self.forget(position, bounds);
        }
        self.settle();
        let floor = |name: TopicName| (self.topics.floor_of(&name), name);
        touched.into_iter().map(floor).map(|(floor, name)| (name, floor)).collect()
    }

    fn forget(&mut self, position: Position, bounds: &Bounds) {
        let Some(entry) = self.entries.remove(&position) else {
            return;
        };
        if !self.unlist_keyed(position, &entry.record, bounds) {
            self.bytes -= entry.record.weight();
            self.kept -= 1;
            self.trimmed += 1;
        }
        self.topics.trim(&entry);
    }
}

#[cfg(test)]
mod tests;
