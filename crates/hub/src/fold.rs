//! Folds: what the server keeps of its own topics, made of their entries in the order of the log.
//!
//! Who is in which room, which tickets are good: such things are keyed records in the log, and a copy of them in memory, the
//! fold, is what calls look at. An entry is applied before it becomes visible and under the same lock, so whoever can see a
//! position finds in every fold what was decided up to there, and a reply that waited for its own entry to be visible
//! (`Inner::shown`) is true of the folds too. Each generation of the hub begins with what the log keeps, so a start
//! and a log that was made anew are no special cases. Must never decide anything: what is in the log was decided there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidings_journal::{Entry, Error, Journal, Limit, Position, Selector, TopicName};
use tokio::sync::Notify;

/// How much of the log is read at a time where a generation begins.
const PIECE: Limit = Limit { events: 4_096, bytes: 1 << 20 };

/// Something that is made of the entries of some topics of the server's own, and of nothing else.
///
/// Both methods are called one at a time, in the order of the log, while nothing is delivered: they must be quick, and must
/// not call the hub.
pub trait Fold: Send + Sync + 'static {
    /// The topics. An entry belongs to the one that it was published to.
    fn topics(&self) -> &[TopicName];

    /// Begins a generation of the hub: forgets everything, and takes in `keyed`, the live keyed entries of its topics in
    /// the order of the log. What comes after them is applied.
    ///
    /// An entry whose key was superseded or ended while they were read may be missing; what took its place is applied before
    /// anybody is told that the generation has begun.
    fn begin(&self, generation: u64, keyed: &[Arc<Entry>]);

    /// Takes in the next entry of its topics, with or without a key, exactly once in each generation.
    fn apply(&self, entry: &Arc<Entry>);

    /// Keys that have ended by `now_ms`, the log's time, and are still in the log; those that ended first, at most `most`. The
    /// hub ends them.
    fn expired(&self, now_ms: i64, most: usize) -> Vec<Expired> {
        let _ = (now_ms, most);
        Vec::new()
    }
}

/// A key that has ended by the clock and still has a value in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Its topic.
    pub topic: TopicName,
    /// The key.
    pub key: Arc<str>,
    /// Where its value stands.
    pub position: Position,
}

/// All folds of a hub.
pub(crate) struct Folds {
    all: Vec<Arc<dyn Fold>>,
    /// Up to where everything must be visible for each of them to be exact; `NOT_BEGUN` before the present generation has begun.
    settled: AtomicU64,
    begun: Notify,
}

/// No position is so high.
const NOT_BEGUN: u64 = u64::MAX;
const STOPPED: u64 = u64::MAX - 1;

impl Folds {
    pub(crate) fn new(all: Vec<Arc<dyn Fold>>) -> Self {
        Self { all, settled: AtomicU64::new(NOT_BEGUN), begun: Notify::new() }
    }

    /// Whether entries may be handed out: the present generation has begun.
    pub(crate) fn have_begun(&self) -> bool {
        self.settled_already().is_some()
    }

    /// The next generation is about to begin. To be called under the lock that entries are handed out under.
    pub(crate) fn halt(&self) {
        self.settled.store(NOT_BEGUN, Ordering::Release);
    }

    /// Applies what is about to be delivered. Returns whether any of it was a fold's.
    pub(crate) fn apply<'a>(&self, entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> bool {
        let mut any = false;
        for entry in entries {
            let Some(topic) = entry.record.topics.first() else { continue };
            for fold in self.all.iter().filter(|fold| fold.topics().contains(topic)) {
                fold.apply(entry);
                any = true;
            }
        }
        any
    }

    /// Has every fold begin with what `journal` keeps up to `until`, up to where everything was delivered, while nothing is. Returns
    /// up to where everything has to be visible for them to be exact: what was superseded while it was read is applied by then.
    pub(crate) async fn begin(
        &self,
        journal: &dyn Journal,
        generation: u64,
        until: Position,
    ) -> Result<Position, Error> {
        for fold in &self.all {
            let keyed = read(journal, &Selector::topics(fold.topics()), until).await?;
            fold.begin(generation, &keyed);
        }
        Ok(until.max(journal.head()))
    }

    /// From now on entries are handed out, and applied.
    pub(crate) fn go_on(&self, settled: Position) {
        self.settled.store(settled.get(), Ordering::Release);
        self.begun.notify_waiters();
    }

    /// Nothing moves the hub any more. Whoever waits goes on, and finds that out.
    pub(crate) fn stop(&self) {
        let _ = self.settled.compare_exchange(NOT_BEGUN, STOPPED, Ordering::AcqRel, Ordering::Acquire);
        self.begun.notify_waiters();
    }

    /// Waits until the present generation has begun. Returns up to where everything must be visible for the folds to be exact.
    pub(crate) async fn settled(&self) -> Position {
        loop {
            let begun = self.begun.notified(); // counts from here on, before the look
            match self.settled_already() {
                None => begun.await,
                Some(settled) => return settled,
            }
        }
    }

    /// The same, if it has begun.
    pub(crate) fn settled_already(&self) -> Option<Position> {
        match self.settled.load(Ordering::Acquire) {
            NOT_BEGUN => None,
            settled => Some(Position::new(settled)),
        }
    }

    /// What has expired by `now_ms` and is to be ended, at most `most` of each fold.
    pub(crate) fn expired(&self, now_ms: i64, most: usize) -> Vec<Expired> {
        self.all.iter().flat_map(|fold| fold.expired(now_ms, most)).collect()
    }
}

/// The live keyed entries of `selector` up to `until`.
async fn read(journal: &dyn Journal, selector: &Selector, until: Position) -> Result<Vec<Arc<Entry>>, Error> {
    let mut keyed = Vec::new();
    let mut after = Position::START;
    while after < until {
        let page = journal.read_keyed(selector, after, until, PIECE).await?;
        if page.damaged {
            tracing::error!(
                "some of what the server keeps of its own ({}) can't be read, and counts as never written",
                names(selector)
            );
        }
        keyed.extend(page.entries);
        if page.next <= after {
            // The log ends before what was shown, so it was made anew. The news of it is still in the tail, and has to be taken from
            // there: with it all of this begins again.
            break;
        }
        after = page.next;
    }
    Ok(keyed)
}

fn names(selector: &Selector) -> String {
    selector.as_slice().iter().map(TopicName::as_str).collect::<Vec<_>>().join(", ")
}
