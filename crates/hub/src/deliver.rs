//! Delivery: applies entries to the folds and puts them into the rings, in the order of the log.
//!
//! The publisher that has appended an entry delivers it if it comes next; otherwise the reader of
//! the tail does. One lock is held while something is delivered and while a generation is replaced,
//! so there is never a doubt about which entry comes next.

use std::sync::Arc;
use std::time::Duration;

use tidings_journal::{Entry, Epochs, News, Position};

use crate::generation::Generation;
use crate::hub::Inner;
use crate::line;
use crate::publication::Stored;
use crate::wording::Ending;

/// The time between two attempts to begin the folds of a generation.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

impl Inner {
    /// Delivers `entries`, which this server has just appended, in one step if they come next.
    /// Otherwise the reader of the tail delivers them, as it does what other servers append.
    ///
    /// Delivering here saves waking another task and waiting for it. The requests of a publisher
    /// that has many in flight are then delivered together.
    pub(crate) fn deliver_own(&self, generation: &Generation, entries: &[Arc<Entry>]) {
        let Some(first) = entries.first() else { return };
        let _order = self.delivery_order.lock();
        // If the journal has begun an epoch or is on another line, the news of that comes from the
        // tail first. If this happened after the entries were given their ids, the ids are those of
        // the old line.
        let is_current = self.folds.have_begun()
            && generation.check().is_ok()
            && generation.line.is_of(&self.journal.epochs());
        let is_next = generation.fanout.visible_position().next() == first.id.position;
        if is_current && is_next && generation.line.check(entries).is_ok() {
            self.show(generation, entries.iter());
        }
    }

    /// Handles the next news of the journal's tail.
    pub(crate) async fn handle(&self, news: News) {
        match news {
            News::Entries(entries) => self.deliver(&entries),
            News::Epochs(epochs) => self.begin_epoch(epochs).await,
            News::Rebuilt(position, epochs) => self.begin_generation(position, epochs).await,
        }
    }

    /// Begins the folds of the current generation. Nothing is delivered until they have begun.
    /// Retries for as long as the log can't be read, because a server that does not know the
    /// members of a room must not say that the room is empty.
    pub(crate) async fn begin_folds(&self) {
        let generation = {
            let _order = self.delivery_order.lock();
            self.folds.pause();
            self.generation()
        };
        // Log time is reported first, because values that are created from now on expire by it.
        self.journal
            .expire(self.time.compare_clocks(&*self.journal));
        let settled = loop {
            match self
                .folds
                .begin(
                    &*self.journal,
                    generation.number,
                    generation.fanout.visible_position(),
                )
                .await
            {
                Ok(settled) => break settled,
                Err(error) => {
                    tracing::error!(%error, "the server's own records can't be read; nothing is \
                                             delivered until they can");
                }
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        };
        self.destroy_interrupted().await;
        self.folds.resume(settled);
    }

    /// Delivers what the tail brings, except what a publisher has delivered already.
    fn deliver(&self, entries: &[Arc<Entry>]) {
        let _order = self.delivery_order.lock();
        let generation = self.generation();
        let visible = generation.fanout.visible_position();
        let next = entries.iter().filter(|entry| entry.id.position > visible);
        self.show(&generation, next);
    }

    /// Applies the next entries to the folds, then makes those visible that were not erased. Must
    /// be called under the lock.
    fn show<'a>(
        &self,
        generation: &Generation,
        entries: impl Iterator<Item = &'a Arc<Entry>> + Clone,
    ) {
        let raised = if self.folds.apply(entries.clone()) {
            self.floors.take_raised(&generation.line.epochs())
        } else {
            Vec::new()
        };
        if let Some(until) = raised.iter().map(|floor| floor.until).max() {
            generation.forget(until);
        }
        let is_hidden = |entry: &Entry| {
            raised
                .iter()
                .any(|floor| floor.hides(entry.id.position, &entry.record.topics))
        };
        let stored = |entry: &'a Arc<Entry>| Stored {
            entry,
            hidden: is_hidden(entry),
        };
        generation
            .fanout
            .deliver(entries.map(stored), self.clock.now_ms());
        generation.notify_delivered();
    }

    /// Takes over the epochs of the journal after the journal has begun one.
    async fn begin_epoch(&self, epochs: Arc<Epochs>) {
        let visible = {
            let _order = self.delivery_order.lock();
            let generation = self.generation();
            let visible = generation.fanout.visible_position();
            if epochs.id_of(visible) == generation.line.id_of(visible) {
                generation.line.begin_epoch(epochs);
                return;
            }
            visible
        };
        // The newest event that was shown has another id now. It can't be taken back, so no stream
        // may go on from there.
        self.begin_generation(visible, epochs).await;
    }

    /// Replaces the current generation by one in which everything up to `position` counts as
    /// delivered. All streams of the old one are told to reconnect with their last ids; only those
    /// that saw events which the log does not have get a `reset` then.
    async fn begin_generation(&self, position: Position, epochs: Arc<Epochs>) {
        let last = self.generation();
        let ended = {
            let _order = self.delivery_order.lock();
            self.folds.pause();
            let next = last.next(position, epochs, self.ring, self.clock.now_ms());
            // A stream that is registered later finds this out by itself, before it is opened.
            last.end(line::broken());
            self.connections
                .all_before(|| self.generation.store(Arc::new(next)))
        };
        if last.fanout.visible_position() > Position::START {
            tracing::warn!(
                streams = ended.len(),
                "the journal's history is not the one that was shown here; all streams are told \
                 to reconnect with their last ids"
            );
        }
        for connection in ended {
            connection.end(Ending::broken());
        }
        self.begin_folds().await;
    }
}
