//! What was missed, read from the journal for streams that are behind their rings.
//!
//! Owns how much of that goes on at a time. A thousand clients that come back at once must not cost a thousand copies, so
//! pages are kept by topic, encoded, for as long as somebody asks for them: whoever stands anywhere inside a page takes
//! the rest of it. A stream merges the pages of its topics, as it merges rings, and holds only the few frames that it is
//! about to write. Must never hold back what is live: nothing here is touched by a stream that has caught up.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tidings_journal::{Error, Journal, Limit, Position, Selector, TopicName};
use tidings_sse::Frame;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::generation::{self, Generation};
use crate::publication;

/// How many reads of the journal go on for returning clients at the same time; who comes later waits in line. More at once
/// would not be faster, only bigger.
const CONCURRENT_READS: usize = 32;

/// How much of a topic is read and encoded at a time.
const PAGE: Limit = Limit { events: 256, bytes: 256 << 10 };

/// How many bytes of pages are kept for others who missed the same.
const KEPT_BYTES: usize = 16 << 20;

/// How much a stream takes of its pages at a time: it holds on to that while its socket is slow. At least one frame.
const BATCH: Limit = Limit { events: 64, bytes: 64 << 10 };

/// The pages of the journal that the streams of one generation are being given.
pub(crate) struct Replays {
    /// The same in all generations: the bound is on what is read at a time, for whomever.
    permits: Arc<Semaphore>,
    kept: Mutex<Kept>,
    /// How often something was erased: what was read before is read again.
    erased: AtomicU64,
}

#[derive(Default)]
struct Kept {
    topics: HashMap<TopicName, Topic>,
    /// Every page, in the order in which they go.
    order: VecDeque<Arc<Page>>,
    bytes: usize,
    /// Whether nobody will ask any more.
    ended: bool,
}

#[derive(Default)]
struct Topic {
    pages: Vec<Arc<Page>>,
    /// Locked while a page is read, so that others wait for that one.
    reading: Arc<tokio::sync::Mutex<()>>,
}

/// Everything that stands in one topic after `after`, up to and including `next`.
struct Page {
    topic: TopicName,
    after: Position,
    next: Position,
    frames: Vec<(Position, Frame)>,
    bytes: usize,
    /// Whether it was asked for since the last look.
    used: AtomicBool,
}

/// What comes next for a stream.
pub(crate) enum Batch {
    /// Frames in the order of the log, perhaps none, and up to where that is everything.
    Frames(Vec<Frame>, Position),
    /// Something of it is no longer kept. The oldest that is.
    Trimmed(Option<Position>),
}

/// A page, or the news that its beginning is gone.
enum Found {
    Page(Arc<Page>),
    Trimmed,
}

impl Replays {
    pub(crate) fn new() -> Self {
        Self::with(Arc::new(Semaphore::new(CONCURRENT_READS)))
    }

    /// Those of the next generation.
    pub(crate) fn next(&self) -> Self {
        Self::with(self.permits.clone())
    }

    fn with(permits: Arc<Semaphore>) -> Self {
        Self { permits, kept: Mutex::default(), erased: AtomicU64::new(0) }
    }

    /// Waits for its turn to read something big.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok() // never closed
    }

    /// What `selector` matches after `after` on the line of `generation`, as much as a stream takes at a time.
    pub(crate) async fn batch(
        &self,
        journal: &dyn Journal,
        generation: &Generation,
        selector: &Selector,
        after: Position,
    ) -> Result<Batch, Error> {
        let topics = selector.as_slice();
        let mut pages = Vec::with_capacity(topics.len());
        loop {
            let erased = self.erased.load(Ordering::Acquire);
            pages.clear();
            for topic in topics {
                match self.page(journal, generation, topic, after).await? {
                    Found::Page(page) => pages.push(page),
                    Found::Trimmed => return Ok(Batch::Trimmed(journal.oldest(selector).await?)),
                }
            }
            let (frames, next) = merge(&pages, after);
            if self.erased.load(Ordering::Acquire) == erased {
                return Ok(Batch::Frames(frames, next));
            }
        }
    }

    /// Lets go of every page, and has what is being read read again: something of it was erased.
    pub(crate) fn forget(&self) {
        let mut kept = self.kept.lock();
        self.erased.fetch_add(1, Ordering::AcqRel);
        kept.order.clear();
        kept.bytes = 0;
        for topic in kept.topics.values_mut() {
            topic.pages.clear();
        }
    }

    /// Lets go of every page for good: the generation has ended.
    pub(crate) fn end(&self) {
        self.kept.lock().ended = true;
        self.forget();
    }

    async fn page(
        &self,
        journal: &dyn Journal,
        generation: &Generation,
        topic: &TopicName,
        after: Position,
    ) -> Result<Found, Error> {
        let reading = {
            let mut kept = self.kept.lock();
            if let Some(page) = kept.around(topic, after) {
                return Ok(Found::Page(page));
            }
            kept.topics.entry(topic.clone()).or_default().reading.clone()
        };
        let _turn = reading.lock().await;
        if let Some(page) = self.kept.lock().around(topic, after) {
            return Ok(Found::Page(page));
        }
        let _permit = self.permit().await;
        let erased = self.erased.load(Ordering::Acquire);
        let selector = Selector::topics([topic.clone()]);
        let visible = generation.fanout.visible_position();
        let read = journal.read(&selector, after, visible, PAGE).await?;
        generation.check_line(&read.entries)?;
        if journal.head() < visible {
            return Err(generation::broken()); // it has nothing more up to there, and the stream would ask again and again
        }
        if read.floor > after {
            return Ok(Found::Trimmed);
        }
        let encoded =
            |entry: &Arc<_>| publication::encode(entry, Some(entry.id)).map(|frame| (entry.id.position, frame));
        let frames: Vec<_> = read.entries.iter().filter_map(encoded).collect();
        // That nothing was missed is worth keeping too: a crowd that comes back to a quiet topic asks for it again and again.
        let bytes = size_of::<Page>() + frames.iter().map(|(_, frame)| size_of_val(frame) + frame.len()).sum::<usize>();
        let (topic, next, used) = (topic.clone(), read.next, true.into());
        let page = Arc::new(Page { topic, after, next, frames, bytes, used });
        let mut kept = self.kept.lock();
        if page.next > after && !kept.ended && self.erased.load(Ordering::Acquire) == erased {
            kept.keep(page.clone());
        }
        Ok(Found::Page(page))
    }

    /// Lets go of what nobody has asked for since the last call.
    pub(crate) fn tick(&self) {
        let mut kept = self.kept.lock();
        let all = std::mem::take(&mut kept.order);
        for page in all {
            if page.used.swap(false, Ordering::Relaxed) {
                kept.order.push_back(page);
            } else {
                kept.forget(&page);
            }
        }
        kept.topics.retain(|_, topic| !topic.pages.is_empty() || Arc::strong_count(&topic.reading) > 1);
    }
}

impl Kept {
    /// The page of `topic` that has what comes after `after`.
    fn around(&self, topic: &TopicName, after: Position) -> Option<Arc<Page>> {
        let pages = &self.topics.get(topic)?.pages;
        let page = pages.iter().find(|page| page.after <= after && after < page.next)?;
        page.used.store(true, Ordering::Relaxed);
        Some(page.clone())
    }

    /// Keeps a page, and lets go of those within it: of a topic about which many ask from further and further back, one is
    /// enough.
    fn keep(&mut self, page: Arc<Page>) {
        let within = |kept: &Arc<Page>| page.after <= kept.after && kept.next <= page.next;
        let pages = self.topics.get(&page.topic).map_or(&[][..], |topic| &topic.pages);
        if pages.iter().any(within) {
            let within: Vec<_> = pages.iter().filter(|kept| within(kept)).cloned().collect();
            for kept in &within {
                self.forget(kept);
            }
            self.order.retain(|kept| !within.iter().any(|gone| Arc::ptr_eq(gone, kept)));
        }
        self.bytes += page.bytes;
        self.topics.entry(page.topic.clone()).or_default().pages.push(page.clone());
        self.order.push_back(page);
        while self.bytes > KEPT_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, page: &Arc<Page>) {
        self.bytes -= page.bytes;
        if let Some(topic) = self.topics.get_mut(&page.topic) {
            topic.pages.retain(|kept| !Arc::ptr_eq(kept, page));
        }
    }
}

/// The first frames of all pages after `after`, each position once, and up to where that is everything.
fn merge(pages: &[Arc<Page>], after: Position) -> (Vec<Frame>, Position) {
    let next = pages.iter().map(|page| page.next).min().unwrap_or(after);
    let within = |page: &'_ Arc<Page>| {
        let from = page.frames.partition_point(|(position, _)| *position <= after);
        let to = page.frames.partition_point(|(position, _)| *position <= next);
        from..to.min(from + BATCH.events) // no page gives more than the whole batch
    };
    let mut found: Vec<_> = pages.iter().flat_map(|page| &page.frames[within(page)]).collect();
    if pages.len() > 1 {
        found.sort_unstable_by_key(|(position, _)| *position);
        found.dedup_by_key(|(position, _)| *position); // an event may stand in several topics
    }
    let mut bytes = 0;
    let fits = found.iter().take(BATCH.events).take_while(|(_, frame)| {
        let first = bytes == 0;
        bytes += frame.len();
        first || bytes <= BATCH.bytes
    });
    let count = fits.count();
    let cut = found.len() > count || found.len() >= BATCH.events;
    found.truncate(count);
    let next = found.last().filter(|_| cut).map_or(next, |(position, _)| *position);
    (found.into_iter().map(|(_, frame)| frame.clone()).collect(), next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_sse::{Event, EventName};

    fn page(after: u64, next: u64, positions: impl IntoIterator<Item = u64>) -> Arc<Page> {
        let frame = |n: u64| Event::new(EventName::from_static("e"), n.to_string()).encode();
        let frames: Vec<_> = positions.into_iter().map(|n| (Position::new(n), frame(n))).collect();
        let topic = TopicName::parse("a").unwrap();
        let (after, next) = (Position::new(after), Position::new(next));
        Arc::new(Page { topic, after, next, bytes: 1, frames, used: true.into() })
    }

    fn merged(pages: &[Arc<Page>], after: u64) -> (usize, u64) {
        let (frames, next) = merge(pages, Position::new(after));
        (frames.len(), next.get())
    }

    #[test]
    fn who_stands_inside_a_page_takes_the_rest_of_it() {
        assert_eq!(merged(&[page(0, 10, 1..=10)], 4), (6, 10));
        assert_eq!(merged(&[page(0, 10, [])], 4), (0, 10));
    }

    #[test]
    fn pages_are_merged_up_to_where_the_shortest_ends_and_each_event_comes_once() {
        assert_eq!(merged(&[page(0, 5, [1, 5]), page(0, 9, [1, 3, 7])], 0), (3, 5));
    }

    #[test]
    fn a_batch_that_is_cut_says_where() {
        assert_eq!(merged(&[page(0, 256, 1..=256)], 0), (64, 64));
        assert_eq!(merged(&[page(0, 256, 1..=256)], 200), (56, 256));
        assert_eq!(merged(&[page(0, 300, (2..=256).step_by(2)), page(0, 300, (1..=255).step_by(2))], 0), (64, 64));
    }

    #[test]
    fn a_page_that_holds_another_takes_its_place() {
        let replays = Replays::new();
        for (after, next) in [(5, 10), (3, 12), (10, 12), (20, 30), (1, 12)] {
            replays.kept.lock().keep(page(after, next, []));
        }
        let kept = replays.kept.lock();
        let pages = |pages: &mut dyn Iterator<Item = &Arc<Page>>| {
            pages.map(|page| (page.after.get(), page.next.get())).collect::<Vec<_>>()
        };
        assert_eq!(pages(&mut kept.order.iter()), [(20, 30), (1, 12)]);
        assert_eq!(pages(&mut kept.topics.values().flat_map(|topic| &topic.pages)), [(20, 30), (1, 12)]);
        assert_eq!(kept.bytes, 2);
    }

    #[test]
    fn nothing_is_kept_once_something_was_erased() {
        let replays = Replays::new();
        replays.kept.lock().keep(page(0, 10, 1..=10));
        replays.forget();
        let kept = replays.kept.lock();
        assert!(kept.around(&TopicName::parse("a").unwrap(), Position::new(5)).is_none());
        assert_eq!((kept.order.len(), kept.bytes), (0, 0));
    }

    #[test]
    fn a_page_that_nobody_asks_for_is_let_go() {
        let replays = Replays::new();
        replays.kept.lock().keep(page(0, 10, 1..=10));
        let topic = TopicName::parse("a").unwrap();
        let is_kept = |after| replays.kept.lock().around(&topic, Position::new(after)).is_some();
        replays.tick();
        assert!(is_kept(9) && !is_kept(10));
        replays.tick(); // it was asked for since the last
        replays.tick();
        assert!(!is_kept(9));
        assert_eq!(replays.kept.lock().bytes, 0);
        assert!(replays.kept.lock().topics.is_empty());
    }
}
