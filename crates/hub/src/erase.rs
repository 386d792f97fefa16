//! Erasing at an operator's word: what stands in some topics up to a place is shown to nobody any more, by no path.
//!
//! The log comes first, as only that outlives the process. Then whatever holds what was read of it or handed out: the rings, the
//! pages that are kept for clients who come back, and reads that are under way. What a stream took before that is on its way
//! to its socket, and can't be called back.

use std::sync::Arc;

use tidings_journal::{EventId, Position, Selector, TopicName};

use crate::generation::{self, Generation};
use crate::hub::{Hub, Inner};
use crate::subscribe::{After, Asked};
use crate::wording::Reason;

/// Why nothing was erased, or perhaps not all.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The place is none of this log's. Nothing was erased.
    #[error("no event of this log has that id")]
    Stray(Reason),
    /// The log failed. Some of it may be erased.
    #[error(transparent)]
    Journal(#[from] tidings_journal::Error),
}

impl Hub {
    /// Erases every event that stands in one of `topics` at or below `until`, from all topics that it stands in. Returns the
    /// highest floor of `topics` after that.
    ///
    /// Once it returns, no read and no replay shows any of it, after any crash, and a client that comes back from below it gets
    /// a reset. It goes on if the future is dropped: a log that was erased and rings that were not would show it.
    pub async fn erase(&self, topics: Vec<TopicName>, until: &str) -> Result<EventId, Error> {
        let inner = self.inner.clone();
        let generation = inner.generation();
        let until = match inner.locate(&generation, &After::Id(until.to_owned())).await? {
            Asked::Place(position) => position,
            Asked::Stray(reason) => return Err(Error::Stray(reason)),
            Asked::Nothing | Asked::Everything => return Err(Error::Stray(Reason::Malformed)),
        };
        let erasing = tokio::spawn(async move { inner.erase(&generation, topics, until).await });
        let stopped = |_| tidings_journal::Error::Closed("the server is stopping; some of it may be erased".to_owned());
        let floor = erasing.await.map_err(stopped)??;
        Ok(self.inner.journal.epochs().id_of(floor))
    }
}

impl Inner {
    async fn erase(
        &self,
        generation: &Arc<Generation>,
        topics: Vec<TopicName>,
        until: Position,
    ) -> Result<Position, tidings_journal::Error> {
        if !self.is_current(generation) {
            return Err(generation::broken()); // other events may stand there
        }
        let erased = self.journal.erase(&topics, until).await;
        // Whatever came of it: what the log shows no more, nothing else may show.
        loop {
            let current = self.generation();
            current.replays.forget();
            if let Ok(floors) = &erased {
                current.fanout.forget(floors);
            }
            if self.is_current(&current) {
                break;
            }
        }
        erased?;
        if !self.is_current(generation) {
            return Err(generation::broken());
        }
        Ok(self.journal.floor(&Selector::topics(topics)))
    }
}
