//! The log in memory. It is lost when the process ends, and is bounded by count, bytes and age.
//!
//! The log is a [`Replica`] that decides by itself, behind one lock. An append, or a read of a
//! page, holds the lock for a few microseconds. Readers share the entries with the replica, so no
//! entry is copied.

use std::sync::Arc;

use parking_lot::Mutex;

pub use crate::replica::Retention;
use crate::tail::Tails;
use crate::{
    Append, Appended, Earlier, Epoch, Epochs, Error, EventId, Holding, Journal, Limit, Page,
    Position, Replica, Selector, StoredReceipt, Tail, Timeline, TopicName, Vitals,
};

/// The log in memory.
pub struct Memory {
    replica: Mutex<Replica>,
    /// The open tails. They are pushed to while the log is locked, so that every reader sees the
    /// log's order.
    tails: Tails,
}

impl Memory {
    /// Creates an empty log with a new epoch.
    pub fn new(retention: Retention) -> Self {
        let epochs = Epochs::new(Epoch::random(&mut rand::rng()), Vec::new());
        Self {
            replica: Mutex::new(Replica::new(retention, Arc::new(epochs))),
            tails: Tails::default(),
        }
    }
}

#[async_trait::async_trait]
impl Journal for Memory {
    fn epochs(&self) -> Arc<Epochs> {
        self.replica.lock().epochs().clone()
    }

    fn head(&self) -> Position {
        self.replica.lock().head()
    }

    async fn append(&self, append: Append) -> Result<Appended, Error> {
        let mut replica = self.replica.lock();
        let (appended, entries) = replica.append(append);
        self.tails.push(&entries, || ());
        Ok(appended)
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, Error> {
        Ok(self.replica.lock().receipt(key).cloned())
    }

    fn tail(&self) -> Box<dyn Tail> {
        self.tails.open()
    }

    async fn read(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        Ok(self.replica.lock().read(selector, after, until, limit))
    }

    async fn read_before(
        &self,
        selector: &Selector,
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error> {
        Ok(self.replica.lock().read_before(selector, before, limit))
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        Ok(self.replica.lock().oldest(selector))
    }

    fn floor(&self, selector: &Selector) -> Position {
        self.replica.lock().floor(selector)
    }

    fn knows(&self, topic: &TopicName) -> bool {
        self.replica.lock().knows(topic)
    }

    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        self.replica.lock().topics(prefix, after, most)
    }

    async fn erase(
        &self,
        topics: &[TopicName],
        until: EventId,
    ) -> Result<Vec<(TopicName, Position)>, Error> {
        let mut replica = self.replica.lock();
        let until = replica.epochs().locate(until, replica.head())?;
        Ok(replica.erase(topics, until))
    }

    fn expire(&self, now_ms: i64) {
        self.replica.lock().expire(now_ms);
    }

    fn log_ms(&self) -> i64 {
        self.replica.lock().clock().now_ms()
    }

    fn keep_time(&self, timeline: &Timeline) {
        self.replica.lock().keep_time(timeline);
    }

    fn health(&self) -> Result<(), Error> {
        Ok(())
    }

    fn vitals(&self) -> Vitals {
        self.replica.lock().vitals()
    }

    async fn close(&self) {}
}
