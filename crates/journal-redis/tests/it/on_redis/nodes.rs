//! Several nodes over one log on a real server.

use std::sync::Arc;
use std::time::Duration;

use tidings_broker_contract::nodes::{Node, acknowledged, publish};
use tidings_faulty_proxy::{Fault, Proxy};
use tidings_journal::Journal as _;

use super::failover::{in_sync, length};
use crate::support::{Server, eventually, redis};

/// How many events each of the three nodes publishes.
const EVENTS: usize = 100;

async fn start(url: &str) -> Vec<Arc<Node>> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Arc::new(Node::start(Arc::new(redis(url))).await));
    }
    nodes
}

#[tokio::test]
async fn nodes_have_the_same_events_each_once_while_their_server_is_killed() {
    let mut server = Server::durable();
    let mut nodes = start(&server.url()).await;
    let publishers = publish(&nodes, EVENTS);
    for kill in 1..=3 {
        while nodes[0].journal.head().get() < 60 * kill {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill();
        server = tokio::task::spawn_blocking(move || {
            server.start_again();
            server
        })
        .await
        .unwrap();
    }
    let acknowledged = acknowledged(publishers).await;
    assert_eq!(
        acknowledged.len(),
        3 * EVENTS,
        "each event has a position of its own"
    );
    // This one was not there when they were published.
    nodes.push(Arc::new(Node::start(Arc::new(redis(&server.url()))).await));
    for node in &nodes {
        assert_eq!(node.events().await, acknowledged);
    }
}

#[tokio::test]
async fn what_a_failover_has_lost_is_published_again_and_nodes_agree() {
    let mut primary = Server::start();
    let between = Proxy::start(primary.address()).await.unwrap();
    let port = between.address().port();
    let replica = tokio::task::spawn_blocking(move || Server::replica_of(port))
        .await
        .unwrap();
    in_sync(&replica).await;
    let front = Proxy::start(primary.address()).await.unwrap();
    let nodes = start(&format!("redis://{}", front.address())).await;
    acknowledged(publish(&nodes, 10)).await;
    let both_have = length(&primary).await;
    eventually(async || (length(&replica).await >= both_have).then_some(())).await;

    between.set(Fault::Stall);
    for (nth, node) in nodes.iter().enumerate() {
        node.publish(&format!("lost-{nth}")).await;
    }
    primary.kill();
    replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    front.redirect(replica.address());
    front.cut();

    for node in &nodes {
        node.has(33).await;
    }
    let events = nodes[0].events().await;
    let mut texts: Vec<_> = events.values().cloned().collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 33, "each once: {events:?}");
    assert_eq!(
        texts
            .iter()
            .filter(|text| text.starts_with("lost-"))
            .count(),
        3
    );
    for node in &nodes[1..] {
        assert_eq!(node.events().await, events);
    }
}
