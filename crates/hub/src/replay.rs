//! Replays: missed events, read from the journal for streams that are behind their rings.
//!
//! This module limits how many reads run at the same time. A thousand clients that reconnect at
//! once must not cost a thousand copies, so encoded pages are cached by topic for as long as
//! streams ask for them: a stream whose cursor is anywhere inside of a page takes the rest of it. A
//! stream merges the pages of its topics as it merges rings, and holds only the few frames that it
//! is about to write. Replays must never delay live events: a stream that has caught up uses
//! nothing of this module.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tidings_journal::{Error, Journal, Limit, Position, Selector, TopicName};
use tidings_sse::Frame;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::fanout::Fanout;
use crate::line::{self, Line};
use crate::publication;

/// The most reads of the journal that run at the same time. More of them would take more memory and
/// not be faster.
const MAX_CONCURRENT_READS: usize = 32;

/// The most that is read of a topic and encoded at a time.
const MAX_PAGE: Limit = Limit {
    events: 256,
    bytes: 256 << 10,
};

/// The most bytes of pages that are cached for other streams that missed the same events.
const MAX_CACHED_BYTES: usize = 16 << 20;

/// The most that a stream takes of its pages at a time, except that it takes at least one frame.
/// The stream holds these frames in memory while its socket is slow.
const MAX_BATCH: Limit = Limit {
    events: 64,
    bytes: 64 << 10,
};

/// The replays of one generation.
pub(crate) struct Replays {
    /// Shared by all generations, because the limit is one for the whole process.
    permits: Arc<Semaphore>,
    cache: Mutex<PageCache>,
    /// How often events were erased. Pages that were read before an erasure have to be read again.
    erased: AtomicU64,
}

#[derive(Default)]
struct PageCache {
    topics: HashMap<TopicName, CachedTopic>,
    /// All pages, in the order in which they are dropped.
    order: VecDeque<Arc<Page>>,
    bytes: usize,
    /// Whether the generation has ended, so that nothing is cached any more.
    closed: bool,
}

#[derive(Default)]
struct CachedTopic {
    pages: Vec<Arc<Page>>,
    /// Locked while a page of the topic is read, so that other streams wait for that page.
    reading: Arc<tokio::sync::Mutex<()>>,
}

/// The events of one topic after `after`, up to and including `next`.
struct Page {
    topic: TopicName,
    after: Position,
    next: Position,
    frames: Vec<(Position, Frame)>,
    bytes: usize,
    /// Whether a stream has asked for the page since the last [`Replays::tick`].
    used: AtomicBool,
}

/// What comes next for a stream.
pub(crate) enum Batch {
    /// Frames in the order of the log, perhaps none, and the position up to which they are
    /// complete.
    Frames(Vec<Frame>, Position),
    /// Retention has removed some of the events. Holds the position of the oldest event that is
    /// left.
    Trimmed(Option<Position>),
}

impl Replays {
    pub(crate) fn new() -> Self {
        Self::with(Arc::new(Semaphore::new(MAX_CONCURRENT_READS)))
    }

    /// Creates the replays of the next generation, under the same limit.
    pub(crate) fn next(&self) -> Self {
        Self::with(self.permits.clone())
    }

    fn with(permits: Arc<Semaphore>) -> Self {
        Self {
            permits,
            cache: Mutex::default(),
            erased: AtomicU64::new(0),
        }
    }

    /// Waits for a permit to read pages of the journal.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok() // never closed
    }

    /// Reads the next events that `selector` matches after `after` on `line`, up to what a stream
    /// takes at a time.
    pub(crate) async fn batch(
        &self,
        journal: &dyn Journal,
        line: &Line,
        fanout: &Fanout,
        selector: &Selector,
        after: Position,
    ) -> Result<Batch, Error> {
        let topics = selector.as_slice();
        let mut pages = Vec::with_capacity(topics.len());
        loop {
            let erased = self.erasures();
            pages.clear();
            for topic in topics {
                match self.page(journal, line, fanout, topic, after).await? {
                    Some(page) => pages.push(page),
                    None => return Ok(Batch::Trimmed(journal.oldest(selector).await?)),
                }
            }
            let (frames, next) = merge(&pages, after);
            if self.erasures() == erased {
                return Ok(Batch::Frames(frames, next));
            }
        }
    }

    /// Drops all pages, and has reads in progress start again, because events were erased.
    pub(crate) fn forget(&self) {
        let mut cache = self.cache.lock();
        self.erased.fetch_add(1, Ordering::AcqRel);
        cache.order.clear();
        cache.bytes = 0;
        for topic in cache.topics.values_mut() {
            topic.pages.clear();
        }
    }

    /// Returns how often events were erased. What was read before this number changed may hold
    /// erased events, and has to be read again.
    pub(crate) fn erasures(&self) -> u64 {
        self.erased.load(Ordering::Acquire)
    }

    /// Drops all pages for good, because the generation has ended.
    pub(crate) fn end(&self) {
        self.cache.lock().closed = true;
        self.forget();
    }

    /// Returns the page of `topic` with the events after `after`; `None` if retention has removed
    /// some of them.
    async fn page(
        &self,
        journal: &dyn Journal,
        line: &Line,
        fanout: &Fanout,
        topic: &TopicName,
        after: Position,
    ) -> Result<Option<Arc<Page>>, Error> {
        let reading = {
            let mut cache = self.cache.lock();
            if let Some(page) = cache.find(topic, after) {
                return Ok(Some(page));
            }
            cache
                .topics
                .entry(topic.clone())
                .or_default()
                .reading
                .clone()
        };
        let _reading = reading.lock().await;
        if let Some(page) = self.cache.lock().find(topic, after) {
            return Ok(Some(page));
        }
        let _permit = self.permit().await;
        let erased = self.erasures();
        let selector = Selector::topics([topic.clone()]);
        let visible = fanout.visible_position();
        let read = journal.read(&selector, after, visible, MAX_PAGE).await?;
        line.check(&read.entries)?;
        if journal.head() < visible {
            // nothing can be read up to there, so the stream would ask for ever
            return Err(line::broken());
        }
        if read.floor > after {
            return Ok(None);
        }
        let encoded = |entry: &Arc<_>| {
            publication::encode(entry, Some(entry.id)).map(|frame| (entry.id.position, frame))
        };
        let frames: Vec<_> = read.entries.iter().filter_map(encoded).collect();
        // An empty page is cached too: many clients that reconnect to a quiet topic ask for it
        // again and again.
        let bytes = size_of::<Page>()
            + frames
                .iter()
                .map(|(_, frame)| size_of_val(frame) + frame.len())
                .sum::<usize>();
        let (topic, next, used) = (topic.clone(), read.next, true.into());
        let page = Arc::new(Page {
            topic,
            after,
            next,
            frames,
            bytes,
            used,
        });
        let mut cache = self.cache.lock();
        if page.next > after && !cache.closed && self.erasures() == erased {
            cache.insert(page.clone());
        }
        Ok(Some(page))
    }

    /// Drops the pages that no stream has asked for since the last call.
    pub(crate) fn tick(&self) {
        let mut cache = self.cache.lock();
        let all = std::mem::take(&mut cache.order);
        for page in all {
            if page.used.swap(false, Ordering::Relaxed) {
                cache.order.push_back(page);
            } else {
                cache.remove(&page);
            }
        }
        cache
            .topics
            .retain(|_, topic| !topic.pages.is_empty() || Arc::strong_count(&topic.reading) > 1);
    }
}

impl PageCache {
    /// Returns the cached page of `topic` that holds the events after `after`.
    fn find(&self, topic: &TopicName, after: Position) -> Option<Arc<Page>> {
        let pages = &self.topics.get(topic)?.pages;
        let page = pages
            .iter()
            .find(|page| page.after <= after && after < page.next)?;
        page.used.store(true, Ordering::Relaxed);
        Some(page.clone())
    }

    /// Adds a page, and drops the pages that it covers. If streams ask for a topic from further and
    /// further back, one page is enough.
    fn insert(&mut self, page: Arc<Page>) {
        let is_covered = |other: &Arc<Page>| page.after <= other.after && other.next <= page.next;
        let pages = self
            .topics
            .get(&page.topic)
            .map_or(&[][..], |topic| &topic.pages);
        if pages.iter().any(is_covered) {
            let covered: Vec<_> = pages
                .iter()
                .filter(|other| is_covered(other))
                .cloned()
                .collect();
            for other in &covered {
                self.remove(other);
            }
            self.order
                .retain(|other| !covered.iter().any(|gone| Arc::ptr_eq(gone, other)));
        }
        self.bytes += page.bytes;
        self.topics
            .entry(page.topic.clone())
            .or_default()
            .pages
            .push(page.clone());
        self.order.push_back(page);
        while self.bytes > MAX_CACHED_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            self.remove(&oldest);
        }
    }

    /// Removes a page that is no longer in `order`.
    fn remove(&mut self, page: &Arc<Page>) {
        self.bytes -= page.bytes;
        if let Some(topic) = self.topics.get_mut(&page.topic) {
            topic.pages.retain(|other| !Arc::ptr_eq(other, page));
        }
    }
}

/// Merges the first frames after `after` of all pages, each position once. Returns them and the
/// position up to which they are complete.
fn merge(pages: &[Arc<Page>], after: Position) -> (Vec<Frame>, Position) {
    let next = pages.iter().map(|page| page.next).min().unwrap_or(after);
    let range = |page: &'_ Arc<Page>| {
        let from = page
            .frames
            .partition_point(|(position, _)| *position <= after);
        let to = page
            .frames
            .partition_point(|(position, _)| *position <= next);
        from..to.min(from + MAX_BATCH.events) // a batch has no more than that in total
    };
    let mut found: Vec<_> = pages
        .iter()
        .flat_map(|page| &page.frames[range(page)])
        .collect();
    if pages.len() > 1 {
        found.sort_unstable_by_key(|(position, _)| *position);
        found.dedup_by_key(|(position, _)| *position); // an event may stand in several topics
    }
    let mut bytes = 0;
    let fits = found
        .iter()
        .take(MAX_BATCH.events)
        .take_while(|(_, frame)| {
            let first = bytes == 0;
            bytes += frame.len();
            first || bytes <= MAX_BATCH.bytes
        });
    let count = fits.count();
    let is_cut = found.len() > count || found.len() >= MAX_BATCH.events;
    found.truncate(count);
    let next = found
        .last()
        .filter(|_| is_cut)
        .map_or(next, |(position, _)| *position);
    (
        found.into_iter().map(|(_, frame)| frame.clone()).collect(),
        next,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_sse::{Event, EventName};

    fn page(after: u64, next: u64, positions: impl IntoIterator<Item = u64>) -> Arc<Page> {
        let frame = |n: u64| Event::new(EventName::from_static("e"), n.to_string()).encode();
        let frames: Vec<_> = positions
            .into_iter()
            .map(|n| (Position::new(n), frame(n)))
            .collect();
        let topic = TopicName::parse("a").unwrap();
        let (after, next) = (Position::new(after), Position::new(next));
        Arc::new(Page {
            topic,
            after,
            next,
            bytes: 1,
            frames,
            used: true.into(),
        })
    }

    fn merged(pages: &[Arc<Page>], after: u64) -> (usize, u64) {
        let (frames, next) = merge(pages, Position::new(after));
        (frames.len(), next.get())
    }

    #[test]
    fn a_cursor_inside_of_a_page_takes_the_rest_of_it() {
        assert_eq!(merged(&[page(0, 10, 1..=10)], 4), (6, 10));
        assert_eq!(merged(&[page(0, 10, [])], 4), (0, 10));
    }

    #[test]
    fn pages_are_merged_up_to_the_end_of_the_shortest_and_each_event_comes_once() {
        assert_eq!(
            merged(&[page(0, 5, [1, 5]), page(0, 9, [1, 3, 7])], 0),
            (3, 5)
        );
    }

    #[test]
    fn a_batch_that_is_cut_returns_where_it_was_cut() {
        assert_eq!(merged(&[page(0, 256, 1..=256)], 0), (64, 64));
        assert_eq!(merged(&[page(0, 256, 1..=256)], 200), (56, 256));
        assert_eq!(
            merged(
                &[
                    page(0, 300, (2..=256).step_by(2)),
                    page(0, 300, (1..=255).step_by(2))
                ],
                0
            ),
            (64, 64)
        );
    }

    #[test]
    fn a_page_that_covers_another_replaces_it() {
        let replays = Replays::new();
        for (after, next) in [(5, 10), (3, 12), (10, 12), (20, 30), (1, 12)] {
            replays.cache.lock().insert(page(after, next, []));
        }
        let cache = replays.cache.lock();
        let pages = |pages: &mut dyn Iterator<Item = &Arc<Page>>| {
            pages
                .map(|page| (page.after.get(), page.next.get()))
                .collect::<Vec<_>>()
        };
        assert_eq!(pages(&mut cache.order.iter()), [(20, 30), (1, 12)]);
        assert_eq!(
            pages(&mut cache.topics.values().flat_map(|topic| &topic.pages)),
            [(20, 30), (1, 12)]
        );
        assert_eq!(cache.bytes, 2);
    }

    #[test]
    fn nothing_stays_cached_after_an_erasure() {
        let replays = Replays::new();
        replays.cache.lock().insert(page(0, 10, 1..=10));
        replays.forget();
        let cache = replays.cache.lock();
        assert!(
            cache
                .find(&TopicName::parse("a").unwrap(), Position::new(5))
                .is_none()
        );
        assert_eq!((cache.order.len(), cache.bytes), (0, 0));
    }

    #[test]
    fn a_page_that_no_stream_asks_for_is_dropped() {
        let replays = Replays::new();
        replays.cache.lock().insert(page(0, 10, 1..=10));
        let topic = TopicName::parse("a").unwrap();
        let is_cached = |after| {
            replays
                .cache
                .lock()
                .find(&topic, Position::new(after))
                .is_some()
        };
        replays.tick();
        assert!(is_cached(9) && !is_cached(10));
        replays.tick(); // a stream asked for it since the last one
        replays.tick();
        assert!(!is_cached(9));
        assert_eq!(replays.cache.lock().bytes, 0);
        assert!(replays.cache.lock().topics.is_empty());
    }
}
