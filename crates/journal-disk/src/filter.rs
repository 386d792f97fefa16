//! Filters by which compaction leaves out everything that was trimmed.
//!
//! Trimming raises a topic's floor and writes nothing else. The records below the floor are hidden
//! from that moment on, and their bytes are removed when the storage engine rewrites the table that
//! they are in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict,
};
use parking_lot::RwLock;

use super::codec;
use super::keys::{self, Kind, TopicId};
use tidings_journal::{Position, Timeline};

/// What compaction may remove. Only durable floors may be in here: what compaction removes must
/// count as trimmed after a loss of power too, or a reader would miss it silently.
#[derive(Default)]
pub(super) struct Floors {
    /// Whether the floors were read. Before that, nothing is removed.
    known: AtomicBool,
    /// The floor of each known topic. A topic that is not in here was forgotten, and its records
    /// are removed.
    by_topic: RwLock<HashMap<TopicId, Position>>,
    /// The last durable position. The batch that contains it stays, because it tells where the log
    /// ends.
    head: AtomicU64,
    /// The log time by which records age.
    now_ms: AtomicI64,
    /// The time of the log's clock, by which receipts end.
    log_ms: AtomicI64,
    /// The timeline by which records age. Without one, they are as old as their timestamps say.
    timeline: RwLock<Option<Arc<Timeline>>>,
    /// How many bytes were left out of each table.
    left_out: [AtomicU64; keys::SHARDS],
}

impl Floors {
    /// Notes that the floors of all topics are known.
    pub(super) fn begin(&self) {
        self.known.store(true, Ordering::Release);
    }

    /// Raises the floor of `topic` to at least `floor`. A topic must be added before its first
    /// record is written.
    pub(super) fn raise(&self, topic: TopicId, floor: Position) {
        let mut floors = self.by_topic.write();
        let known = floors.entry(topic).or_default();
        *known = floor.max(*known);
    }

    /// Forgets `topic`, of which nothing is kept any more.
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

    /// Sets the time of the log's clock, by which receipts end.
    pub(super) fn set_log_ms(&self, log_ms: i64) {
        self.log_ms.store(log_ms, Ordering::Release);
    }

    pub(super) fn log_ms(&self) -> i64 {
        self.log_ms.load(Ordering::Acquire)
    }

    /// Sets the timeline, see [`Journal::keep_time`](tidings_journal::Journal::keep_time). Returns
    /// whether the age of records has changed.
    pub(super) fn set_timeline(&self, timeline: &Timeline) -> bool {
        let mut known = self.timeline.write();
        let was_plain = known.as_ref().is_none_or(|known| known.is_plain());
        let changed = !was_plain || !timeline.is_plain();
        *known = Some(Arc::new(timeline.clone()));
        changed
    }

    /// Returns the timeline by which records age, once it is known.
    pub(super) fn timeline(&self) -> Option<Arc<Timeline>> {
        self.timeline.read().clone()
    }

    /// Returns by how many milliseconds log time was ahead of the timestamp of the record at
    /// `position`.
    pub(super) fn skew_at(&self, position: Position) -> i64 {
        self.timeline
            .read()
            .as_ref()
            .map_or(0, |timeline| timeline.skew_at(position))
    }

    /// Returns how many bytes compaction has left out of an event table since the last call.
    pub(super) fn take_left_out(&self, shard: usize) -> u64 {
        self.left_out
            .get(shard)
            .map_or(0, |bytes| bytes.swap(0, Ordering::Relaxed))
    }

    /// Returns the floor of a topic, or `None` if the topic was forgotten.
    fn of(&self, topic: TopicId) -> Option<Position> {
        self.by_topic.read().get(&topic).copied()
    }
}

/// Creates the filters of one table.
pub(super) struct FilterFactory {
    name: String,
    floors: Arc<Floors>,
}

impl FilterFactory {
    pub(super) fn new(table: &str, floors: Arc<Floors>) -> Self {
        Self {
            name: table.to_owned(),
            floors,
        }
    }
}

// `Factory` requires it. A panic while `parking_lot`'s lock is held leaves the map as it was, or
// with one entry more.
impl std::panic::RefUnwindSafe for Floors {}

impl Factory for FilterFactory {
    fn name(&self) -> &str {
        &self.name
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        let floors = self.floors.clone();
        if let Some(shard) = keys::shard_of_name(&self.name) {
            return Box::new(EventFilter {
                floors,
                shard,
                last: None,
                bytes: 0,
            });
        }
        match &*self.name {
            keys::ORDER => Box::new(BatchFilter(floors)),
            _ => Box::new(ReceiptFilter(floors)),
        }
    }
}

struct EventFilter {
    floors: Arc<Floors>,
    shard: usize,
    /// The topic of the last key and its floor. Keys come in order.
    last: Option<(TopicId, Option<Position>)>,
    bytes: u64,
}

impl CompactionFilter for EventFilter {
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
        Ok(Verdict::Destroy) // the key of a record is written only once
    }

    fn finish(self: Box<Self>) {
        self.floors.left_out[self.shard].fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// Removes batches of which nothing is kept, except for the last one.
struct BatchFilter(Arc<Floors>);

impl CompactionFilter for BatchFilter {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        let floors = &self.0;
        if !floors.known.load(Ordering::Acquire) {
            return Ok(Verdict::Keep);
        }
        let value = item.value()?;
        let (Some(first), Some(batch)) = (
            keys::parse_position(item.key()),
            codec::decode_batch(&value),
        ) else {
            return Ok(Verdict::Keep);
        };
        let mut end = first.get();
        let mut kept = false;
        for listed in batch {
            kept |= !listed.keyed
                && floors
                    .of(listed.topic)
                    .is_some_and(|floor| Position::new(end) > floor);
            end += 1;
        }
        let last = end > floors.head.load(Ordering::Acquire);
        Ok(if kept || last {
            Verdict::Keep
        } else {
            Verdict::Destroy
        })
    }
}

/// Removes receipts that have expired. This may make an earlier receipt with the same key visible,
/// which has expired too.
struct ReceiptFilter(Arc<Floors>);

impl CompactionFilter for ReceiptFilter {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        if !self.0.known.load(Ordering::Acquire) {
            return Ok(Verdict::Keep); // the log's clock is not known either
        }
        let receipt = codec::decode_receipt(&item.value()?);
        let end = receipt.map(|(end, kept)| end.in_log_time(|| self.0.skew_at(kept.first)));
        Ok(if end.is_some_and(|end| end <= self.0.log_ms()) {
            Verdict::Destroy
        } else {
            Verdict::Keep
        })
    }
}
