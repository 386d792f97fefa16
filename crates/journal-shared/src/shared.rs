//! The log on a broker, as one node has it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_journal::{
    Append, Appended, BrokerVitals, Earlier, Epochs, Error, EventId, Holding, Journal, Limit, Page,
    Position, Replica, Selector, StoredReceipt, Tail, TopicName, Vitals,
};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep};

use crate::broker::{Broker, Failure};
use crate::fold::Answer;
use crate::group::Unit;
use crate::node::Node;
use crate::options::Options;
use crate::queue::{closed, in_vain};
use crate::{committer, follow, truncate};

/// The most bytes of a unit.
const MAX_UNIT_BYTES: usize = 4 << 20;

/// For how long a caller waits for what it appends.
const APPEND_TIMEOUT: Duration = Duration::from_secs(10);

/// For how long a caller waits to be certain.
const CERTAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The most topics that are erased by one unit.
const TOPICS_PER_UNIT: usize = 1_000;

/// The log on a broker, as one node has it: a full copy that follows the broker's log.
pub struct Shared {
    node: Node,
}

impl Shared {
    /// Creates the log of a node. It holds nothing, and connects to nothing, before
    /// [`Shared::run`].
    pub fn new(broker: Arc<dyn Broker>, options: Options) -> Arc<Self> {
        Arc::new(Self {
            node: Node::new(broker, options),
        })
    }

    /// Opens the broker's log and follows it until [`Journal::close`]: reads what there is, appends
    /// what is published here, and starts over whenever the broker fails.
    pub async fn run(self: Arc<Self>) {
        let node = &self.node;
        let mut stop = node.stop.subscribe();
        tokio::select! {
            biased;
            () = follow::run(node) => {}
            () = committer::run(node) => {}
            () = truncate::run(node) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        node.session.update(|_| Some(None));
    }

    /// Returns once everything that the broker's log had at the start is here. Fails if that can't
    /// be before the operator changes something, which the error names.
    pub async fn ready(&self) -> Result<(), Error> {
        self.node.pulse.ready().await
    }

    /// Returns a reader of the messages that other nodes send, and this one too. One that is slow
    /// misses some.
    pub fn messages(&self) -> broadcast::Receiver<Bytes> {
        self.node.messages.subscribe()
    }

    /// Sends a message to all nodes. It may be lost.
    pub async fn send(&self, message: Bytes) -> Result<(), Failure> {
        self.node.broker.send(message).await
    }

    /// Returns a hash of everything that was decided up to a position, as far as other nodes have
    /// the same one.
    pub fn decisions(&self) -> Option<(Position, u64)> {
        self.node
            .copy
            .lock()
            .fold
            .as_ref()
            .and_then(|fold| fold.verdicts.newest())
    }

    /// Compares a hash that another node has returned from [`Shared::decisions`]. If this node
    /// decided otherwise, it is of no use any more, and its health says so. Returns whether it did.
    pub fn compare(&self, position: Position, hash: u64) -> bool {
        let copy = self.node.copy.lock();
        let differs = copy
            .fold
            .as_ref()
            .is_some_and(|fold| fold.verdicts.differ(position, hash));
        drop(copy);
        if differs {
            tracing::error!(%position, "another node has made something else of the same log");
            self.node.pulse.diverged();
        }
        differs
    }

    /// Has the nodes decide about a unit.
    async fn submit(&self, unit: Unit, weight: usize) -> Result<Answer, Error> {
        let encode = move || {
            let (bytes, records) = (unit.encode(), unit.records());
            if bytes.len() > MAX_UNIT_BYTES {
                Err(too_large(bytes.len()))
            } else {
                Ok((bytes, records))
            }
        };
        if self.node.queue.is_closed() {
            return Err(closed());
        }
        if weight > 2 * MAX_UNIT_BYTES {
            return Err(too_large(weight));
        }
        self.node
            .queue
            .submit(weight, encode, Instant::now() + APPEND_TIMEOUT)
            .await
    }

    /// Reads the copy. Fails while it is made anew.
    fn read_copy<T>(&self, read: impl FnOnce(&Replica) -> T) -> Result<T, Error> {
        let copy = self.node.copy.lock();
        let fold = copy
            .fold
            .as_ref()
            .ok_or_else(|| Error::Uncertain("it is read from the broker".to_owned()))?;
        Ok(read(&fold.replica))
    }
}

#[async_trait::async_trait]
impl Journal for Shared {
    fn epochs(&self) -> Arc<Epochs> {
        self.node.copy.lock().epochs.clone()
    }

    fn head(&self) -> Position {
        self.node.copy.lock().head
    }

    async fn append(&self, append: Append) -> Result<Appended, Error> {
        let receipt = append
            .receipt
            .as_ref()
            .map_or(0, |receipt| receipt.key.len() + receipt.value.len());
        let weight = append
            .records
            .iter()
            .map(|record| record.data.len() + 128 * (1 + record.topics.len()))
            .sum::<usize>();
        match self
            .submit(Unit::Append(append), weight + receipt + 128)
            .await?
        {
            Answer::Appended(appended) => Ok(appended),
            Answer::Erased(_) => Err(in_vain()),
        }
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, Error> {
        self.read_copy(|replica| replica.receipt(key).cloned())
    }

    async fn certain(&self) -> Result<(), Error> {
        self.node
            .certain
            .ask(Instant::now() + CERTAIN_TIMEOUT)
            .await
    }

    fn tail(&self) -> Box<dyn Tail> {
        self.node.tails.open()
    }

    async fn read(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        self.read_copy(|replica| replica.read(selector, after, until, limit))
    }

    async fn read_before(
        &self,
        selector: &Selector,
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error> {
        self.read_copy(|replica| replica.read_before(selector, before, limit))
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        self.read_copy(|replica| replica.oldest(selector))
    }

    fn floor(&self, selector: &Selector) -> Position {
        self.read_copy(|replica| replica.floor(selector))
            .unwrap_or_default()
    }

    fn knows(&self, topic: &TopicName) -> bool {
        self.read_copy(|replica| replica.knows(topic))
            .unwrap_or_default()
    }

    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        self.read_copy(|replica| replica.topics(prefix, after, most))
            .unwrap_or_default()
    }

    async fn erase(
        &self,
        topics: &[TopicName],
        until: EventId,
    ) -> Result<Vec<(TopicName, Position)>, Error> {
        let mut floors = Vec::new();
        for topics in topics.chunks(TOPICS_PER_UNIT) {
            let weight = topics.iter().map(|topic| topic.as_str().len() + 16).sum();
            match self
                .submit(Unit::Erase(topics.to_vec(), until), weight)
                .await?
            {
                Answer::Erased(erased) => floors.extend(erased?),
                Answer::Appended(_) => return Err(in_vain()),
            }
        }
        floors.sort_unstable();
        floors.dedup_by(|next, last| {
            let is_same = next.0 == last.0;
            if is_same {
                last.1 = last.1.max(next.1);
            }
            is_same
        });
        Ok(floors)
    }

    /// Trims by the log's time. What the clock of this machine says decides nothing.
    fn expire(&self, _now_ms: i64) {
        let mut copy = self.node.copy.lock();
        let passed = i64::try_from(copy.folded_at.elapsed().as_millis()).unwrap_or(i64::MAX);
        if let Some(fold) = &mut copy.fold {
            let now_ms = fold.log_ms().saturating_add(passed);
            fold.trim(now_ms);
        }
    }

    fn log_ms(&self) -> i64 {
        self.node.copy.lock().log_ms
    }

    fn health(&self) -> Result<(), Error> {
        if self.node.queue.is_closed() {
            Err(closed())
        } else {
            self.node.pulse.health()
        }
    }

    fn vitals(&self) -> Vitals {
        let (lag_positions, lag, diverged) = self.node.pulse.lag();
        let trimmed = self.node.known.lock().trimmed;
        let copy = self.node.copy.lock();
        let log_bytes = copy
            .fold
            .as_ref()
            .map_or(0, |fold| fold.places.bytes_after(trimmed));
        let vitals = copy
            .fold
            .as_ref()
            .map(|fold| fold.replica.vitals())
            .unwrap_or_default();
        drop(copy);
        let up = self.node.pulse.is_up();
        let broker = BrokerVitals {
            up,
            lag_positions,
            lag,
            diverged,
            log_bytes,
            ..self.node.tally.vitals()
        };
        Vitals {
            broker: Some(broker),
            ..vitals
        }
    }

    async fn close(&self) {
        let node = &self.node;
        node.queue.close();
        let deadline = Instant::now() + APPEND_TIMEOUT;
        while Instant::now() < deadline && !(node.queue.is_empty() && node.flights.count() == 0) {
            sleep(Duration::from_millis(5)).await;
        }
        node.stop.send_replace(true);
    }
}

fn too_large(bytes: usize) -> Error {
    Error::TooLarge(format!(
        "What is published at once has {bytes} bytes; the most is {MAX_UNIT_BYTES}"
    ))
}
