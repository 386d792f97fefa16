//! The end of the log as it grows: what a reader is told, and one queue for each.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{Entry, Epochs, Error, Position, Tail};

/// What is new at the end of the log.
#[derive(Clone, Debug)]
pub enum News {
    /// Entries in the order of the log. Never none, and none is left out between these and those before.
    Entries(Vec<Arc<Entry>>),
    /// An epoch has begun, and nothing was lost: each position that was returned keeps its id. Comes before every entry above
    /// the end of the epoch before.
    Epochs(Arc<Epochs>),
    /// The history that this tail has told is not, or may not be, the log's any more: the log has lost its end, or its reader
    /// fell behind what the log keeps. The journal has been read anew. It holds everything up to this position, which may be
    /// lower than one that was returned before, under these epochs; entries after it follow.
    ///
    /// If something that was returned was lost, its epoch ends below it: its id is ahead of the log for ever.
    Rebuilt(Position, Arc<Epochs>),
}

impl News {
    /// The entries among it.
    pub fn entries(&self) -> &[Arc<Entry>] {
        match self {
            Self::Entries(entries) => entries,
            Self::Epochs(_) | Self::Rebuilt(..) => &[],
        }
    }
}

/// The open tails of a log that one process appends to: what each has yet to read. A tail that was dropped is forgotten at the next
/// append.
#[derive(Default)]
pub struct Tails(Mutex<Vec<Weak<Queue>>>);

/// What a tail has yet to read. It holds on to entries that retention may already have let go, so that no burst can
/// outrun the reader; the one reader in the process takes all there is at each turn.
#[derive(Default)]
struct Queue {
    entries: Mutex<Vec<Arc<Entry>>>,
    filled: Notify,
}

struct Reader(Arc<Queue>);

impl Tails {
    /// A tail of everything that is pushed from now on.
    pub fn open(&self) -> Box<dyn Tail> {
        let queue = Arc::new(Queue::default());
        self.0.lock().push(Arc::downgrade(&queue));
        Box::new(Reader(queue))
    }

    /// Puts `entries` before every reader, after `appended` made them part of the log: no reader opens in between, so that
    /// what the log held when a tail was opened and what the tail returns have neither hole nor overlap.
    pub fn push(&self, entries: &[Arc<Entry>], appended: impl FnOnce()) {
        let mut tails = self.0.lock();
        appended();
        tails.retain(|tail| {
            let Some(queue) = tail.upgrade() else {
                return false;
            };
            queue.entries.lock().extend(entries.iter().cloned());
            queue.filled.notify_one();
            true
        });
    }
}

#[async_trait::async_trait]
impl Tail for Reader {
    async fn next(&mut self) -> Result<News, Error> {
        loop {
            let entries = std::mem::take(&mut *self.0.entries.lock());
            if !entries.is_empty() {
                return Ok(News::Entries(entries));
            }
            self.0.filled.notified().await;
        }
    }
}
