//! A generation: the fan-out and the replays on one line of the log's history.
//!
//! A journal that is a copy of a log may find that its history is not the log's: a failover lost
//! the end of the log, or the copy fell behind what the log retains. Then the copy is rebuilt, but
//! what was shown before can't be taken back. So a generation never goes backwards. The rings, the
//! pages of replays and the ids of positions belong to one generation. When the line breaks, the
//! next generation replaces it, and everything that was begun on the old one ends: streams are told
//! to reconnect with their last id, which the log then checks, and callers that wait for a position
//! get an error, because the position may belong to another event on the new line. A log of one
//! process has one generation for as long as the process lives.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidings_journal::{Epochs, Error, Position};
use tokio::sync::Notify;

use crate::fanout::Fanout;
use crate::line::Line;
use crate::replay::Replays;
use crate::ring::Limits;

/// How long a caller waits for events to become visible, or for the folds or the journal to be
/// ready. A log of one process shows its events within milliseconds; HTTP clients give up before
/// they have waited for much longer than this.
pub(crate) const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(10);

/// The fan-out and the replays on one line.
pub(crate) struct Generation {
    /// The number of the generation: 1 for the first one of a process.
    pub(crate) number: u64,
    pub(crate) fanout: Fanout,
    pub(crate) replays: Replays,
    /// The line, which knows the ids of the positions.
    pub(crate) line: Line,
    /// Notified after each delivery, and at the end.
    delivered: Notify,
    /// Why nothing is delivered any more.
    ended: OnceLock<Error>,
}

impl Generation {
    /// Creates the first generation, in which everything up to `position` counts as delivered.
    pub(crate) fn first(
        position: Position,
        epochs: Arc<Epochs>,
        limits: Limits,
        now_ms: i64,
    ) -> Self {
        Self::new(1, position, epochs, limits, Replays::new(), now_ms)
    }

    /// Creates the generation that replaces this one, with everything up to `position` delivered.
    pub(crate) fn next(
        &self,
        position: Position,
        epochs: Arc<Epochs>,
        limits: Limits,
        now_ms: i64,
    ) -> Self {
        Self::new(
            self.number + 1,
            position,
            epochs,
            limits,
            self.replays.next(),
            now_ms,
        )
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
        let (line, delivered, ended) = (Line::new(epochs), Notify::new(), OnceLock::new());
        Self {
            number,
            fanout,
            replays,
            line,
            delivered,
            ended,
        }
    }

    /// Wakes the callers that wait for events to become visible.
    pub(crate) fn notify_delivered(&self) {
        self.delivered.notify_waiters();
    }

    /// Drops everything that may hold events at or below `until`, because events up to there were
    /// erased.
    pub(crate) fn forget(&self, until: Position) {
        self.replays.forget();
        self.fanout.forget_all(until);
    }

    /// Ends the generation: nothing is delivered from now on, and callers that wait get `why`.
    pub(crate) fn end(&self, why: Error) {
        let _ = self.ended.set(why); // the first reason stays
        self.replays.end();
        self.delivered.notify_waiters();
    }

    /// Fails once the generation has ended or the hub has stopped.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.ended.get().map_or(Ok(()), |why| Err(why.clone()))
    }

    /// Waits until readers can see the event at `position`. Fails if this generation ends before
    /// that, and after [`VISIBILITY_TIMEOUT`].
    pub(crate) async fn until_visible(&self, position: Position) -> Result<(), Error> {
        self.check()?;
        if self.fanout.visible_position() >= position {
            return Ok(()); // the usual case needs no timer
        }
        let timed_out = |_| timed_out("its newest events are not visible");
        tokio::time::timeout(VISIBILITY_TIMEOUT, self.wait_for(position))
            .await
            .map_err(timed_out)?
    }

    async fn wait_for(&self, position: Position) -> Result<(), Error> {
        loop {
            // registered before the check, so no delivery is missed
            let delivered = self.delivered.notified();
            self.check()?;
            if self.fanout.visible_position() >= position {
                return Ok(());
            }
            delivered.await;
        }
    }
}

/// Returns the error of a wait that took longer than [`VISIBILITY_TIMEOUT`].
pub(crate) fn timed_out(what: &str) -> Error {
    Error::Uncertain(format!("{what} after {} s", VISIBILITY_TIMEOUT.as_secs()))
}
