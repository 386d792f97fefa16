//! A line: one history of the log, and the ids that its positions have.
//!
//! Two copies of a log are on the same line if everything that both have is the same. A line breaks
//! where the log loses something; from there on the same position may belong to another event.

use std::sync::Arc;

use tidings_journal::{Entry, Epochs, Error, EventId, Position};

use crate::sync::ArcSwap;

/// The epochs of one line that are known from the journal's tail. An event that was shown never
/// changes its id.
pub(crate) struct Line {
    epochs: ArcSwap<Epochs>,
}

impl Line {
    pub(crate) fn new(epochs: Arc<Epochs>) -> Self {
        Self {
            epochs: ArcSwap::new(epochs),
        }
    }

    /// Returns the epochs of the line that are known from the tail.
    pub(crate) fn epochs(&self) -> Arc<Epochs> {
        self.epochs.load_full()
    }

    /// Returns the id of the event at `position`.
    pub(crate) fn id_of(&self, position: Position) -> EventId {
        self.epochs.load().id_of(position)
    }

    /// Returns whether `epochs` are those of this line. If they are and the positions agree, what
    /// the journal appends under them comes next here.
    pub(crate) fn is_of(&self, epochs: &Arc<Epochs>) -> bool {
        Arc::ptr_eq(&self.epochs.load(), epochs)
    }

    /// Notes that an epoch has begun at the end of what was shown, or later.
    pub(crate) fn begin_epoch(&self, epochs: Arc<Epochs>) {
        self.epochs.store(epochs);
    }

    /// Fails if `entries`, which were read up to the visible position, are of another line. Then
    /// the journal was rebuilt, and the news of that has not come through its tail yet.
    pub(crate) fn check(&self, entries: &[Arc<Entry>]) -> Result<(), Error> {
        // The last entry is enough, because after a break every id has a new epoch.
        let is_of_it = entries
            .last()
            .is_none_or(|entry| self.id_of(entry.id.position) == entry.id);
        if is_of_it { Ok(()) } else { Err(broken()) }
    }
}

/// Returns the error of an operation that was begun on a line that has broken since.
pub(crate) fn broken() -> Error {
    Error::Uncertain("its history is not the one that was shown here".to_owned())
}
