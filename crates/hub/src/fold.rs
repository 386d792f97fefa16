//! Folds: state in memory that is computed from the entries of the server's own topics, in the
//! order of the log.
//!
//! The members of a room or the valid tickets, for example, are keyed records in the log. The fold
//! is the copy of them in memory from which calls are answered. An entry is applied before it
//! becomes visible, under the same lock. So a caller that can see a position finds in every fold
//! what was decided up to there, and a reply that waited until its own entry was visible
//! (`Inner::visible_id`) is true of the folds too. Each generation of the hub begins with what the
//! log holds, so neither a start nor a rebuilt journal is a special case. A fold must never decide
//! anything, because the log has decided already.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidings_journal::{Entry, Error, Journal, Limit, Position, Selector, TopicName};
use tokio::sync::Notify;

/// How much of the log is read at a time when a generation begins.
const PAGE: Limit = Limit {
    events: 4_096,
    bytes: 1 << 20,
};

/// State that is computed from the entries of some of the server's own topics, and from nothing
/// else.
///
/// `begin` and `apply` are called one at a time, in the order of the log, while nothing is
/// delivered. They must be quick, and must not call the hub.
pub trait Fold: Send + Sync + 'static {
    /// Returns the topics of the fold. An entry belongs to the topic that it was published to, not
    /// to its aggregates.
    fn topics(&self) -> &[TopicName];

    /// Begins a generation of the hub: replaces all state by `keyed`, the live keyed entries of its
    /// topics in the order of the log. The entries after them are applied.
    ///
    /// An entry may be missing if another one replaced it, or ended its key, while the entries were
    /// read. That other entry is applied before the generation counts as begun.
    fn begin(&self, generation: u64, keyed: &[Arc<Entry>]);

    /// Applies the next entry of its topics, with or without a key. Called exactly once for each
    /// entry in each generation.
    fn apply(&self, entry: &Arc<Entry>);

    /// Returns up to `most` keys that have expired by `now_ms`, in log time, and are still in the
    /// log, in the order of expiry. The hub ends them.
    fn expired(&self, now_ms: i64, most: usize) -> Vec<Expired> {
        let _ = (now_ms, most);
        Vec::new()
    }
}

/// A key whose value has expired and is still in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The topic of the key.
    pub topic: TopicName,
    /// The key.
    pub key: Arc<str>,
    /// The position of its value.
    pub position: Position,
}

/// All folds of a hub.
pub(crate) struct Folds {
    all: Vec<Arc<dyn Fold>>,
    /// The position up to which everything must be visible for each fold to be exact; [`NOT_BEGUN`]
    /// before the current generation has begun, [`STOPPED`] if the hub stopped before that.
    settled: AtomicU64,
    begun: Notify,
}

/// Values of `Folds::settled` that can't be positions, because no log is that long.
const NOT_BEGUN: u64 = u64::MAX;
const STOPPED: u64 = u64::MAX - 1;

impl Folds {
    pub(crate) fn new(all: Vec<Arc<dyn Fold>>) -> Self {
        Self {
            all,
            settled: AtomicU64::new(NOT_BEGUN),
            begun: Notify::new(),
        }
    }

    /// Returns whether the current generation has begun, so that entries may be delivered.
    pub(crate) fn have_begun(&self) -> bool {
        self.settled_already().is_some()
    }

    /// Stops delivery until the next generation has begun. Must be called under the lock under
    /// which entries are delivered.
    pub(crate) fn pause(&self) {
        self.settled.store(NOT_BEGUN, Ordering::Release);
    }

    /// Applies entries that are about to be delivered. Returns whether any of them belongs to a
    /// fold.
    pub(crate) fn apply<'a>(&self, entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> bool {
        let mut any = false;
        for entry in entries {
            let Some(topic) = entry.record.topics.first() else {
                continue;
            };
            for fold in self.all.iter().filter(|fold| fold.topics().contains(topic)) {
                fold.apply(entry);
                any = true;
            }
        }
        any
    }

    /// Begins every fold with what `journal` holds up to `until`, the position up to which
    /// everything was delivered. Nothing is delivered meanwhile. Returns the position from which on
    /// the folds are exact: if an entry was superseded while it was read, the new one stands at or
    /// below that position.
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

    /// Lets entries be delivered and applied from now on.
    pub(crate) fn resume(&self, settled: Position) {
        self.settled.store(settled.get(), Ordering::Release);
        self.begun.notify_waiters();
    }

    /// Ends all waits, because the hub has stopped. The callers learn that from the generation.
    pub(crate) fn stop(&self) {
        let _ =
            self.settled
                .compare_exchange(NOT_BEGUN, STOPPED, Ordering::AcqRel, Ordering::Acquire);
        self.begun.notify_waiters();
    }

    /// Waits until the current generation has begun. Returns the position up to which everything
    /// must be visible for the folds to be exact.
    pub(crate) async fn settled(&self) -> Position {
        loop {
            // registered before the check, so no notification is missed
            let begun = self.begun.notified();
            match self.settled_already() {
                None => begun.await,
                Some(settled) => return settled,
            }
        }
    }

    /// Returns what [`Folds::settled`] returns, without waiting; `None` if the current generation
    /// has not begun yet.
    pub(crate) fn settled_already(&self) -> Option<Position> {
        match self.settled.load(Ordering::Acquire) {
            NOT_BEGUN => None,
            settled => Some(Position::new(settled)),
        }
    }

    /// Returns the keys that have expired by `now_ms`, at most `most` of each fold.
    pub(crate) fn expired(&self, now_ms: i64, most: usize) -> Vec<Expired> {
        self.all
            .iter()
            .flat_map(|fold| fold.expired(now_ms, most))
            .collect()
    }
}

/// Reads the live keyed entries of `selector` up to `until`.
async fn read(
    journal: &dyn Journal,
    selector: &Selector,
    until: Position,
) -> Result<Vec<Arc<Entry>>, Error> {
    let mut keyed = Vec::new();
    let mut after = Position::START;
    while after < until {
        let page = journal.read_keyed(selector, after, until, PAGE).await?;
        if page.damaged {
            tracing::error!(
                "some of the server's own records ({}) can't be read, and count as never written",
                names(selector)
            );
        }
        keyed.extend(page.entries);
        if page.next <= after {
            // The log ends below what was shown, so the journal was rebuilt. The news of that is
            // still in the tail. The folds begin again when it is taken from there.
            break;
        }
        after = page.next;
    }
    Ok(keyed)
}

fn names(selector: &Selector) -> String {
    selector
        .as_slice()
        .iter()
        .map(TopicName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
