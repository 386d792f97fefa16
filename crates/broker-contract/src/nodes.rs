//! Nodes over one log, for tests of what several of them have while the broker fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_journal::replica::Retention;
use tidings_journal::{
    Append, Appended, Error, Journal as _, Limit, Position, Receipt, Record, Selector, TopicName,
};
use tidings_journal_shared::broker::Broker;
use tidings_journal_shared::{Options, Shared};
use tokio::task::{AbortHandle, JoinSet};

/// How long something that has to come may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The time between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// A node, which runs until it is dropped.
pub struct Node {
    /// Its log.
    pub journal: Arc<Shared>,
    running: AbortHandle,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Node {
    /// Starts a node, and returns once it has read the log.
    pub async fn start(broker: Arc<dyn Broker>) -> Self {
        let journal = Shared::new(broker, Options::new(Retention::default()));
        let running = tokio::spawn(journal.clone().run()).abort_handle();
        let ready = tokio::time::timeout(PATIENCE, journal.ready());
        ready.await.unwrap().unwrap();
        Self { journal, running }
    }

    /// Publishes an event. Tries again until the log has answered, which the receipt makes safe.
    pub async fn publish(&self, text: &str) -> Position {
        let receipt = || Receipt {
            key: Bytes::copy_from_slice(text.as_bytes()),
            value: Bytes::new(),
            lives: Duration::from_hours(1),
        };
        loop {
            let append = Append::from(vec![record(text)]).receipt(Some(receipt()));
            match self.journal.append(append).await {
                Ok(Appended::New(first)) => return first,
                Ok(Appended::Known(kept)) => return kept.first,
                Ok(other) => panic!("{other:?}"),
                Err(Error::Uncertain(_) | Error::Closed(_)) => tokio::time::sleep(PAUSE).await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Returns the position and the text of each event in the log.
    pub async fn events(&self) -> BTreeMap<Position, String> {
        while self.journal.certain().await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
        let (selector, head) = (Selector::topics([topic()]), self.journal.head());
        let page = self
            .journal
            .read(&selector, Position::START, head, Limit::NONE)
            .await
            .unwrap();
        let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
        page.entries
            .iter()
            .map(|entry| (entry.id.position, text(&entry.record.data)))
            .collect()
    }

    /// Returns once the node has as many events.
    pub async fn has(&self, count: usize) {
        let all = async {
            while self.events().await.len() < count {
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.unwrap();
    }
}

/// Has each node publish as many events, one after another, all nodes at the same time. Returns
/// what they were told.
pub fn publish(nodes: &[Arc<Node>], events: usize) -> JoinSet<BTreeMap<Position, String>> {
    let mut publishers = JoinSet::new();
    for (nth, node) in nodes.iter().cloned().enumerate() {
        publishers.spawn(async move {
            let mut acknowledged = BTreeMap::new();
            for number in 0..events {
                let text = format!("{nth}-{number}");
                acknowledged.insert(node.publish(&text).await, text);
            }
            acknowledged
        });
    }
    publishers
}

/// Waits for the publishers, and returns everything that was acknowledged.
pub async fn acknowledged(
    publishers: JoinSet<BTreeMap<Position, String>>,
) -> BTreeMap<Position, String> {
    let all = tokio::time::timeout(PATIENCE, publishers.join_all()).await;
    all.unwrap().into_iter().flatten().collect()
}

fn topic() -> TopicName {
    TopicName::parse("a/topic").unwrap()
}

fn record(text: &str) -> Record {
    Record {
        topics: [topic()].into(),
        event: "event".into(),
        key: None,
        data: Bytes::copy_from_slice(text.as_bytes()),
        at_ms: 1,
        ends_key: false,
    }
}
