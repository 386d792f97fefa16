//! The end of the log as it grows: what a tail returns, and the queue behind each tail.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{Entry, Epochs, Error, Position};

/// A reader of the end of the log as it grows.
#[async_trait::async_trait]
pub trait Tail: Send {
    /// Waits for news. The call is cancel-safe: news that was not returned is returned by the next
    /// call.
    async fn next(&mut self) -> Result<News, Error>;
}

/// What a tail returns.
#[derive(Clone, Debug)]
pub enum News {
    /// Entries in the order of the log. There is at least one, and none is missing between these
    /// and those before.
    Entries(Vec<Arc<Entry>>),
    /// An epoch has begun, and nothing was lost: every position that was returned keeps its id. It
    /// comes before every entry above the end of the epoch before.
    Epochs(Arc<Epochs>),
    /// The history that this tail has returned is, or may be, no longer the log's: the log has lost
    /// its end, or its reader fell behind what the log keeps. The journal has been rebuilt. It
    /// holds everything up to this position, which may be lower than one that was returned before,
    /// under these epochs; the entries after it follow.
    ///
    /// If an entry that was returned is lost, its epoch ends below it, so its id is ahead of the
    /// log for ever.
    Rebuilt(Position, Arc<Epochs>),
}

impl News {
    /// Returns the entries, if there are any.
    pub fn entries(&self) -> &[Arc<Entry>] {
        match self {
            Self::Entries(entries) => entries,
            Self::Epochs(_) | Self::Rebuilt(..) => &[],
        }
    }
}

/// The open tails of a log that only one process appends to. A tail that was dropped is forgotten
/// at the next append.
#[derive(Default)]
pub struct Tails(Mutex<Vec<Weak<Queue>>>);

/// The entries that one tail has yet to return. The queue keeps entries that retention may have
/// removed already, so that no burst can outrun its reader. Each call of the reader, of which a
/// process has one, takes the whole queue.
#[derive(Default)]
struct Queue {
    entries: Mutex<Vec<Arc<Entry>>>,
    filled: Notify,
}

struct Reader(Arc<Queue>);

impl Tails {
    /// Opens a tail that returns everything that is pushed from now on.
    pub fn open(&self) -> Box<dyn Tail> {
        let queue = Arc::new(Queue::default());
        self.0.lock().push(Arc::downgrade(&queue));
        Box::new(Reader(queue))
    }

    /// Queues `entries` for every tail, after `appended` has made them part of the log. No tail can
    /// be opened in between, so what the log held when a tail was opened and what that tail returns
    /// have neither a gap nor an overlap.
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
