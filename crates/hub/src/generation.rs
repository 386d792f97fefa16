//! A generation: one life of the fan-out, on one line of the log's history.
//!
//! A journal that is a copy of a log may find that its history is not the log's: a failover lost the end of it, or the copy
//! fell behind what the log keeps. Then it is made anew, and what was shown before can't be taken back. So nothing here ever
//! goes backwards. The rings, the pages of replays and the names of positions belong to one generation; when the line breaks,
//! another takes its place, and everything that stands on the old one ends: streams are told to come back by their last id,
//! which the log then judges, and whoever waits for a position gets an error, because the same number may be another event on
//! the new line. A log of one process has one generation for as long as the process lives.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidings_journal::{Entry, Epochs, Error, EventId, Position};
use tokio::sync::Notify;

use crate::fanout::Fanout;
use crate::replay::Replays;
use crate::ring::Limits;
use crate::sync::ArcSwap;

/// How long a caller waits until streams can see what the log has. What a log of one process has is shown within milliseconds;
/// longer than this nobody waits who calls over HTTP.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// One life of the fan-out.
pub(crate) struct Generation {
    /// 1 for the first of a process.
    pub(crate) number: u64,
    pub(crate) fanout: Fanout,
    pub(crate) replays: Replays,
    /// Under which ids its positions are known. What was shown never changes its id.
    epochs: ArcSwap<Epochs>,
    /// Told after each delivery, and at the end.
    delivered: Notify,
    /// Why nothing is delivered any more.
    over: OnceLock<Error>,
}

impl Generation {
    /// The first one, which has shown everything up to `position`.
    pub(crate) fn first(position: Position, epochs: Arc<Epochs>, limits: Limits, now_ms: i64) -> Self {
        Self::new(1, position, epochs, limits, Replays::new(), now_ms)
    }

    /// The one that takes its place.
    pub(crate) fn next(&self, position: Position, epochs: Arc<Epochs>, limits: Limits, now_ms: i64) -> Self {
        Self::new(self.number + 1, position, epochs, limits, self.replays.next(), now_ms)
    }

    fn new(
        number: u64,
        position: Position,
        epochs: Arc<Epochs>,
        limits: Limits,
        replays: Replays,
        now_ms: i64,
    ) -> Self {
        let fanout = Fanout::new(position, limits);
        fanout.tick(now_ms);
        let (epochs, delivered, over) = (ArcSwap::new(epochs), Notify::new(), OnceLock::new());
        Self { number, fanout, replays, epochs, delivered, over }
    }

    /// The epochs of its line, as far as it was told of them.
    pub(crate) fn epochs(&self) -> Arc<Epochs> {
        self.epochs.load_full()
    }

    /// The id of what stands at `position`.
    pub(crate) fn id_of(&self, position: Position) -> EventId {
        self.epochs.load().id_of(position)
    }

    /// Whether these are its epochs: what the journal appends under them comes next here, if the positions say so.
    pub(crate) fn is_of(&self, epochs: &Arc<Epochs>) -> bool {
        Arc::ptr_eq(&self.epochs.load(), epochs)
    }

    /// An epoch has begun at the end of what was shown, or later.
    pub(crate) fn begin_epoch(&self, epochs: Arc<Epochs>) {
        self.epochs.store(epochs);
    }

    /// Wakes whoever waits for what was delivered.
    pub(crate) fn delivered(&self) {
        self.delivered.notify_waiters();
    }

    /// Ends it: nothing is delivered from now on, and whoever waits is told why.
    pub(crate) fn end(&self, why: Error) {
        let _first = self.over.set(why);
        self.replays.end();
        self.delivered.notify_waiters();
    }

    /// Fails once it has ended, or the hub has stopped.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.over.get().map_or(Ok(()), |why| Err(why.clone()))
    }

    /// Fails if `entries`, which were read up to what is visible, are of another line: the journal was made anew, and the news
    /// of it is still on its way.
    pub(crate) fn check_line(&self, entries: &[Arc<Entry>]) -> Result<(), Error> {
        // The last is enough: a line that breaks has a new epoch from there on.
        let is_of_it = entries.last().is_none_or(|entry| self.id_of(entry.id.position) == entry.id);
        if is_of_it { Ok(()) } else { Err(broken()) }
    }

    /// Waits until readers can see what stands at `position`. Fails when this generation ends before, and after [`PATIENCE`].
    pub(crate) async fn until_visible(&self, position: Position) -> Result<(), Error> {
        self.check()?;
        if self.fanout.visible_position() >= position {
            return Ok(()); // as for nearly everybody: no timer
        }
        let late = |_| late("what it has is not to be seen");
        tokio::time::timeout(PATIENCE, self.seen(position)).await.map_err(late)?
    }

    async fn seen(&self, position: Position) -> Result<(), Error> {
        loop {
            let delivered = self.delivered.notified(); // counts from here on, before the look
            self.check()?;
            if self.fanout.visible_position() >= position {
                return Ok(());
            }
            delivered.await;
        }
    }
}

/// What took longer than [`PATIENCE`].
pub(crate) fn late(what: &str) -> Error {
    Error::Uncertain(format!("{what} after {} s", PATIENCE.as_secs()))
}

/// Why everything that stands on a line ends with it.
pub(crate) fn broken() -> Error {
    Error::Uncertain("its history is not the one that was shown here".to_owned())
}
