//! Several nodes over one log on a real server.

use std::sync::Arc;
use std::time::Duration;

use tidings_broker_contract::nodes::{Node, acknowledged, publish};
use tidings_journal::Journal as _;

use crate::server::Server;

/// How many events each of the three nodes publishes.
const EVENTS: usize = 100;

#[tokio::test]
async fn nodes_have_the_same_events_each_once_while_their_server_is_killed() {
    let server = Server::start("").await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Arc::new(Node::start(Arc::new(server.node())).await));
    }
    let publishers = publish(&nodes, EVENTS);
    for kill in 1..=3 {
        while nodes[0].journal.head().get() < 60 * kill {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill().await;
        server.run().await;
    }
    let acknowledged = acknowledged(publishers).await;
    assert_eq!(
        acknowledged.len(),
        3 * EVENTS,
        "each event has a position of its own"
    );
    // This one was not there when they were published.
    nodes.push(Arc::new(Node::start(Arc::new(server.node())).await));
    for node in &nodes {
        assert_eq!(node.events().await, acknowledged);
    }
}
