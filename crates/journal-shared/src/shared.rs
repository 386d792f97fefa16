//! The log on a broker, as one node has it.

use std::sync::Arc;

use tidings_journal::{
    Append, Appended, Earlier, Epochs, Error, EventId, Holding, Journal, Limit, Memory, Page, Position, Selector,
    StoredReceipt, Tail, TopicName, Vitals,
};

use crate::broker::Broker;
use crate::options::Options;

/// The log on a broker, as one node has it: a full copy that follows the broker's log.
pub struct Shared {
    #[expect(dead_code, reason = "nothing is appended to the broker yet")]
    broker: Arc<dyn Broker>,
    copy: Memory,
}

impl Shared {
    /// Creates the log of a node. It holds nothing, and connects to nothing, before
    /// [`Shared::run`].
    pub fn new(broker: Arc<dyn Broker>, options: Options) -> Arc<Self> {
        Arc::new(Self { broker, copy: Memory::new(options.retention) })
    }

    /// Opens the broker's log and follows it until [`Journal::close`]: reads what there is, appends
    /// what is published here, and starts over whenever the broker fails.
    pub async fn run(self: Arc<Self>) {
        tokio::task::yield_now().await;
    }

    /// Returns once everything that the broker's log had at the start is here. Fails if that can't
    /// be, and names the reason.
    pub async fn ready(&self) -> Result<(), Error> {
        tokio::task::yield_now().await;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Journal for Shared {
    fn epochs(&self) -> Arc<Epochs> {
        self.copy.epochs()
    }

    fn head(&self) -> Position {
        self.copy.head()
    }

    async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.copy.append(append).await
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, Error> {
        self.copy.receipt(key).await
    }

    fn tail(&self) -> Box<dyn Tail> {
        self.copy.tail()
    }

    async fn read(&self, selector: &Selector, after: Position, until: Position, limit: Limit) -> Result<Page, Error> {
        self.copy.read(selector, after, until, limit).await
    }

    async fn read_before(&self, selector: &Selector, before: Position, limit: Limit) -> Result<Earlier, Error> {
        self.copy.read_before(selector, before, limit).await
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        self.copy.oldest(selector).await
    }

    fn floor(&self, selector: &Selector) -> Position {
        self.copy.floor(selector)
    }

    fn knows(&self, topic: &TopicName) -> bool {
        self.copy.knows(topic)
    }

    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        self.copy.topics(prefix, after, most)
    }

    async fn erase(&self, topics: &[TopicName], until: EventId) -> Result<Vec<(TopicName, Position)>, Error> {
        self.copy.erase(topics, until).await
    }

    fn expire(&self, now_ms: i64) {
        self.copy.expire(now_ms);
    }

    fn log_ms(&self) -> i64 {
        self.copy.log_ms()
    }

    fn health(&self) -> Result<(), Error> {
        self.copy.health()
    }

    fn vitals(&self) -> Vitals {
        self.copy.vitals()
    }

    async fn close(&self) {
        self.copy.close().await;
    }
}
