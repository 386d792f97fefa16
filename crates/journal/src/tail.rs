//! The end of the log as it grows: what a tail returns, and the queue behind each tail.

use std::collections::VecDeque;
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

/// What a tail returns: new entries, or a change of the log's history.
#[derive(Clone, Debug)]
pub enum News {
    /// Entries in the order of the log. There is at least one, and none is missing between these
    /// and those before.
    Entries(Vec<Arc<Entry>>),
    /// An epoch has begun, and nothing was lost: every position that was returned keeps its id.
    /// This news comes before every entry of the new epoch.
    Epochs(Arc<Epochs>),
    /// The history that this tail has returned is, or may be, no longer the log's: the log has lost
    /// its end, or its reader fell behind what the log keeps. The journal has been rebuilt. It
    /// holds everything up to this position, under these epochs. The position may be lower than one
    /// that was returned before. The entries after it follow.
    ///
    /// An entry that was returned and then lost lies above the end of its epoch, so its id counts
    /// as ahead of the log for ever.
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

/// The open tails of a log. A tail that was dropped is forgotten at the next append.
#[derive(Default)]
pub struct Tails(Mutex<Vec<Weak<Queue>>>);

/// The entries that one tail has yet to return. The queue keeps entries that
/// retention may have removed already, so that no burst can outrun its reader. A process has one
/// reader, and each of its calls takes the whole queue.
#[derive(Default)]
struct Queue {
    pending: Mutex<Pending>,
    filled: Notify,
}

#[derive(Default)]
struct Pending {
    /// What comes before `entries`. Empty unless something happened to the log's history.
    earlier: VecDeque<News>,
    entries: Vec<Arc<Entry>>,
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
            queue.pending.lock().entries.extend(entries.iter().cloned());
            queue.filled.notify_one();
            true
        });
    }

    /// Queues news for every tail. A tail that is told that the journal was rebuilt is told nothing
    /// of what came before and was not returned yet.
    pub fn tell(&self, news: &News) {
        self.0.lock().retain(|tail| {
            let Some(queue) = tail.upgrade() else {
                return false;
            };
            queue.pending.lock().add(news.clone());
            queue.filled.notify_one();
            true
        });
    }
}

impl Pending {
    fn add(&mut self, news: News) {
        let entries = std::mem::take(&mut self.entries);
        if matches!(news, News::Rebuilt(..)) {
            self.earlier.clear();
        } else if !entries.is_empty() {
            self.earlier.push_back(News::Entries(entries));
        }
        self.earlier.push_back(news);
    }

    fn take(&mut self) -> Option<News> {
        let entries = || {
            let entries = std::mem::take(&mut self.entries);
            (!entries.is_empty()).then_some(News::Entries(entries))
        };
        self.earlier.pop_front().or_else(entries)
    }
}

#[async_trait::async_trait]
impl Tail for Reader {
    async fn next(&mut self) -> Result<News, Error> {
        loop {
            let news = self.0.pending.lock().take();
            if let Some(news) = news {
                return Ok(news);
            }
            self.0.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, EventId, Record};

    fn entry(position: u64) -> Arc<Entry> {
        let id = EventId {
            epoch: Epoch::random(&mut rand::rng()),
            position: Position::new(position),
        };
        let (topics, event, data) = ([].into(), "".into(), bytes::Bytes::new());
        Arc::new(Entry {
            id,
            record: Record {
                topics,
                event,
                key: None,
                data,
                at_ms: 0,
                ends_key: false,
            },
        })
    }

    #[tokio::test]
    async fn news_keep_their_order_and_a_rebuilt_log_begins_anew() {
        let tails = Tails::default();
        let mut tail = tails.open();
        let epochs = Arc::new(Epochs::new(Epoch::random(&mut rand::rng()), Vec::new()));
        tails.push(&[entry(1)], || ());
        tails.push(&[entry(2)], || ());
        tails.tell(&News::Epochs(epochs.clone()));
        tails.push(&[entry(3)], || ());
        assert_eq!(tail.next().await.unwrap().entries().len(), 2);
        assert!(matches!(tail.next().await.unwrap(), News::Epochs(_)));
        tails.tell(&News::Rebuilt(Position::new(1), epochs));
        tails.push(&[entry(2)], || ());
        assert!(
            matches!(tail.next().await.unwrap(), News::Rebuilt(..)),
            "the entry before it is of the old line"
        );
        assert_eq!(tail.next().await.unwrap().entries().len(), 1);
    }
}
