//! The end of the log as it grows: one queue for each reader.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{Entry, Error, Tail};

/// Who reads the end. A tail that was dropped is forgotten at the next append.
#[derive(Default)]
pub(crate) struct Tails(Mutex<Vec<Weak<Queue>>>);

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
    pub(crate) fn open(&self) -> Box<dyn Tail> {
        let queue = Arc::new(Queue::default());
        self.0.lock().push(Arc::downgrade(&queue));
        Box::new(Reader(queue))
    }

    /// Puts `entries` before every reader, after `appended` made them part of the log: no reader opens in between, so that
    /// what the log held when a tail was opened and what the tail returns have neither hole nor overlap.
    pub(crate) fn push(&self, entries: &[Arc<Entry>], appended: impl FnOnce()) {
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
    async fn next(&mut self) -> Result<Vec<Arc<Entry>>, Error> {
        loop {
            let entries = std::mem::take(&mut *self.0.entries.lock());
            if !entries.is_empty() {
                return Ok(entries);
            }
            self.0.filled.notified().await;
        }
    }
}
