//! Several nodes over one log on a real server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_journal::replica::Retention;
use tidings_journal::{
    Append, Appended, Error, Journal, Limit, Position, Receipt, Record, Selector, TopicName,
};
use tidings_journal_shared::{Options, Shared};
use tokio::task::{AbortHandle, JoinSet};

use crate::server::Server;

/// How long something that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// How many events each of the three nodes publishes.
const EVENTS: usize = 100;

struct Node {
    journal: Arc<Shared>,
    running: AbortHandle,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Node {
    async fn start(server: &Server) -> Self {
        let journal = Shared::new(Arc::new(server.node()), Options::new(Retention::default()));
        let running = tokio::spawn(journal.clone().run()).abort_handle();
        tokio::time::timeout(PATIENCE, journal.ready())
            .await
            .unwrap()
            .unwrap();
        Self { journal, running }
    }

    /// Publishes until the log has answered; the receipt makes that safe.
    async fn publish(&self, text: &str) -> Position {
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
                Err(Error::Uncertain(_) | Error::Closed(_)) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The position and the text of each event.
    async fn events(&self) -> BTreeMap<Position, String> {
        self.journal.certain().await.unwrap();
        let selector = Selector::topics([topic()]);
        let page = self
            .journal
            .read(&selector, Position::START, self.journal.head(), Limit::NONE)
            .await
            .unwrap();
        let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
        page.entries
            .iter()
            .map(|entry| (entry.id.position, text(&entry.record.data)))
            .collect()
    }
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

#[tokio::test]
async fn nodes_have_the_same_events_each_once_while_their_server_is_killed() {
    let server = Arc::new(Server::start("").await);
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Arc::new(Node::start(&server).await));
    }
    let mut publishers = JoinSet::new();
    for (nth, node) in nodes.iter().cloned().enumerate() {
        publishers.spawn(async move {
            let mut acknowledged = BTreeMap::new();
            for number in 0..EVENTS {
                let text = format!("{nth}-{number}");
                acknowledged.insert(node.publish(&text).await, text);
            }
            acknowledged
        });
    }
    for kill in 1..=3 {
        while nodes[0].journal.head().get() < 60 * kill {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill().await;
        server.run().await;
    }
    let acknowledged = tokio::time::timeout(PATIENCE, publishers.join_all())
        .await
        .unwrap();
    let acknowledged: BTreeMap<_, _> = acknowledged.into_iter().flatten().collect();
    assert_eq!(
        acknowledged.len(),
        3 * EVENTS,
        "each event has a position of its own"
    );
    nodes.push(Arc::new(Node::start(&server).await)); // it was not there when they were published
    for node in &nodes {
        assert_eq!(node.events().await, acknowledged);
    }
}
