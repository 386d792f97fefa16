//! What compaction leaves out: everything that was trimmed.
//!
//! Trimming raises a topic's floor and writes nothing else. The records below it are hidden from that moment, and their
//! bytes go when the storage engine rewrites the table that they are in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use fjall::compaction::filter::{CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict};
use parking_lot::RwLock;

use super::keys::{self, Kind, TopicId};
use super::{codec, tables};
use tidings_journal::{Position, Timeline};

/// What may go. Only what is safely written down may be in here: what compaction destroys must be known to be trimmed after
/// the loss of power, or a reader would miss it without being told.
#[derive(Default)]
pub(super) struct Floors {
    /// Nothing goes before the floors were read.
    known: AtomicBool,
    /// The floor of each topic that is known. Records of a topic that is not in here go: it was forgotten.
    by_topic: RwLock<HashMap<TopicId, Position>>,
    /// The last position that is safe: the batch that holds it stays, as it is how the log's end is found.
    head: AtomicU64,
    /// The time now by which records age.
    now_ms: AtomicI64,
    /// The log's clock, by which receipts end.
    log_ms: AtomicI64,
    /// By what records age, if that is not what they say.
    timeline: RwLock<Option<Arc<Timeline>>>,
    /// How many bytes were left out, of each table.
    left_out: [AtomicU64; keys::SHARDS],
}

impl Floors {
    /// Says that all floors are known.
    pub(super) fn begin(&self) {
        self.known.store(true, Ordering::Release);
    }

    /// The floor of `topic` is at least `floor`. A topic has to be told before its first record is written.
    pub(super) fn raise(&self, topic: TopicId, floor: Position) {
        let mut floors = self.by_topic.write();
        let known = floors.entry(topic).or_default();
        *known = floor.max(*known);
    }

    /// Nothing of `topic` is kept any more.
    pub(super) fn forget(&self, topic: TopicId) {
        let mut floors = self.by_topic.write();
        floors.remove(&topic);
        if floors.capacity() > 4 * floors.len() + 1_024 {
            floors.shrink_to_fit();
        }
    }

    pub(super) fn set_head(&self, head: Position) {
        self.head.store(head.get(), Ordering::Release);
    }

    pub(super) fn set_now(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Sets what the log's clock says, by which receipts expire.
    pub(super) fn set_log_ms(&self, log_ms: i64) {
        self.log_ms.store(log_ms, Ordering::Release);
    }

    pub(super) fn log_ms(&self) -> i64 {
        self.log_ms.load(Ordering::Acquire)
    }

    /// See [`Journal::keep_time`](tidings_journal::Journal::keep_time). Returns whether records are older or younger than before.
    pub(super) fn set_timeline(&self, timeline: &Timeline) -> bool {
        let mut known = self.timeline.write();
        let was_plain = known.as_ref().is_none_or(|known| known.is_plain());
        let changed = !was_plain || !timeline.is_plain();
        *known = Some(Arc::new(timeline.clone()));
        changed
    }

    /// By what records age, once that is known.
    pub(super) fn timeline(&self) -> Option<Arc<Timeline>> {
        self.timeline.read().clone()
    }

    /// By how many milliseconds the log's time was ahead of what the record at `position` bears.
    pub(super) fn skew_at(&self, position: Position) -> i64 {
        self.timeline.read().as_ref().map_or(0, |timeline| timeline.skew_at(position))
    }

    /// How many bytes compaction has left out of an event table since this was last asked.
    pub(super) fn take_left_out(&self, shard: usize) -> u64 {
        self.left_out.get(shard).map_or(0, |bytes| bytes.swap(0, Ordering::Relaxed))
    }

    /// `None` for a topic that was forgotten.
    fn of(&self, topic: TopicId) -> Option<Position> {
        self.by_topic.read().get(&topic).copied()
    }
}

/// Makes the filter of one table.
pub(super) struct Trimmed {
    name: String,
    floors: Arc<Floors>,
}

impl Trimmed {
    pub(super) fn new(table: &str, floors: Arc<Floors>) -> Self {
        Self { name: table.to_owned(), floors }
    }
}

// `Factory` asks for it: a panic in the middle of `parking_lot`'s lock leaves the map as it was, or longer by one entry.
impl std::panic::RefUnwindSafe for Floors {}

impl Factory for Trimmed {
    fn name(&self) -> &str {
        &self.name
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        let floors = self.floors.clone();
        if let Some(shard) = tables::shard_of_name(&self.name) {
            return Box::new(OfEvents { floors, shard, last: None, bytes: 0 });
        }
        match &*self.name {
            tables::ORDER => Box::new(OfBatches(floors)),
            _ => Box::new(OfReceipts(floors)),
        }
    }
}

struct OfEvents {
    floors: Arc<Floors>,
    shard: usize,
    /// The topic looked at last and its floor: keys come sorted.
    last: Option<(TopicId, Option<Position>)>,
    bytes: u64,
}

impl CompactionFilter for OfEvents {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        if !self.floors.known.load(Ordering::Acquire) {
            return Ok(Verdict::Keep);
        }
        let Some((topic, kind, position)) = keys::parse_event(item.key()) else {
            return Ok(Verdict::Keep);
        };
        let floor = match self.last {
            Some((last, floor)) if last == topic => floor,
            _ => self.last.insert((topic, self.floors.of(topic))).1,
        };
        let kept = floor.is_some_and(|floor| kind == Kind::Keyed || position > floor);
        if kept {
            return Ok(Verdict::Keep);
        }
        self.bytes += (item.key().len() + item.value()?.len()) as u64;
        Ok(Verdict::Destroy) // a record's key is written once, ever
    }

    fn finish(self: Box<Self>) {
        self.floors.left_out[self.shard].fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// A batch of which nothing is kept is no longer of use, but for the last one.
struct OfBatches(Arc<Floors>);

impl CompactionFilter for OfBatches {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        let floors = &self.0;
        if !floors.known.load(Ordering::Acquire) {
            return Ok(Verdict::Keep);
        }
        let value = item.value()?;
        let (Some(first), Some(batch)) = (keys::parse_position(item.key()), codec::decode_batch(&value)) else {
            return Ok(Verdict::Keep);
        };
        let mut end = first.get();
        let mut kept = false;
        for listed in batch {
            kept |= !listed.keyed && floors.of(listed.topic).is_some_and(|floor| Position::new(end) > floor);
            end += 1;
        }
        let last = end > floors.head.load(Ordering::Acquire);
        Ok(if kept || last { Verdict::Keep } else { Verdict::Destroy })
    }
}

/// Receipts go when they have expired. An earlier one with the same key, which then comes to light, has expired too.
struct OfReceipts(Arc<Floors>);

impl CompactionFilter for OfReceipts {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        if !self.0.known.load(Ordering::Acquire) {
            return Ok(Verdict::Keep); // nor is the log's clock
        }
        let receipt = codec::decode_receipt(&item.value()?);
        let end = receipt.map(|(end, kept)| end.in_log_time(|| self.0.skew_at(kept.first)));
        Ok(if end.is_some_and(|end| end <= self.0.log_ms()) { Verdict::Destroy } else { Verdict::Keep })
    }
}
