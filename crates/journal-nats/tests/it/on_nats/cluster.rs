//! A cluster of three servers that agree by Raft.

use std::time::Duration;

use tidings_broker_contract::backend::{all, group, opening, texts};
use tidings_journal_nats::{Nats, Options};
use tidings_journal_shared::broker::{Broker as _, Failure, Mark, Opened};

use crate::server::{Server, free_port};

/// How long something that must come may take: an election takes some seconds.
const PATIENCE: Duration = Duration::from_mins(2);

struct Cluster(Vec<Server>);

impl Cluster {
    async fn start() -> Self {
        let ports: Vec<_> = (0..3).map(|_| free_port()).collect();
        let routes: Vec<_> = ports
            .iter()
            .map(|port| format!("nats-route://127.0.0.1:{port}"))
            .collect();
        let config = |nth: usize| {
            format!(
                "server_name: s{nth}\ncluster {{ name: c, listen: \"127.0.0.1:{}\", routes: [{}] \
                 }}",
                ports[nth],
                routes.join(", ")
            )
        };
        let mut servers = Vec::new();
        for nth in 0..3 {
            servers.push(Server::start(&config(nth)).await);
        }
        Self(servers)
    }

    fn node(&self) -> Nats {
        let servers = self
            .0
            .iter()
            .map(|server| format!("nats://127.0.0.1:{}", server.port))
            .collect();
        Nats::new(Options {
            servers,
            ..Options::default()
        })
    }

    /// The server that leads the log.
    async fn leader(&self) -> &Server {
        for server in &self.0 {
            let url = format!("nats://127.0.0.1:{}", server.port);
            let Ok(client) = async_nats::connect(url).await else {
                continue;
            };
            let info = client
                .request("$JS.API.STREAM.INFO.TIDINGS_LOG", "".into())
                .await
                .unwrap();
            let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
            let leader = info["cluster"]["leader"].as_str().unwrap();
            let nth: usize = leader.trim_start_matches('s').parse().unwrap();
            return &self.0[nth];
        }
        panic!("no server answers")
    }
}

/// Opens the log as soon as there is a leader.
async fn opened(node: &Nats) -> Opened {
    let opened = async {
        loop {
            match node.open(&opening("meta")).await {
                Ok(opened) => return opened,
                Err(Failure::Unsure(_) | Failure::Reopen(_) | Failure::Full(_)) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(failure) => panic!("{failure}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, opened).await.unwrap()
}

#[tokio::test]
async fn a_leader_that_is_killed_loses_nothing_that_was_answered_and_the_epoch_goes_on() {
    let cluster = Cluster::start().await;
    let node = cluster.node();
    let before = opened(&node).await;
    assert!(before.promise.contains("3 servers"), "{}", before.promise);
    let epoch = before.state.epoch;
    let (mut answered, mut nth) = (Vec::new(), 0);
    let mut killed = None;
    while answered.len() < 60 {
        if answered.len() == 20 && killed.is_none() {
            let leader = cluster.leader().await;
            leader.kill().await;
            killed = Some(leader);
        }
        nth += 1;
        let text = format!("{nth}");
        match node.append(epoch, &group(&text, 1)).await {
            Ok(_) => answered.push(text),
            Err(Failure::Unsure(_) | Failure::Reopen(_)) => {
                assert_eq!(
                    opened(&node).await.state.epoch,
                    epoch,
                    "Raft has lost nothing"
                );
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    let groups = texts(&all(&node, Mark(0), 1 << 20).await);
    let stored: Vec<_> = groups
        .iter()
        .filter(|text| answered.contains(text))
        .collect();
    assert_eq!(stored.len(), answered.len(), "each once, and none is lost");
    assert!(
        stored
            .iter()
            .zip(&answered)
            .all(|(stored, answered)| *stored == answered),
        "in their order"
    );
    killed.unwrap().run().await;
}

#[tokio::test]
async fn a_single_copy_in_a_cluster_is_refused() {
    let cluster = Cluster::start().await;
    let node = Nats::new(Options {
        replicas: Some(1),
        ..cluster.0[0].options()
    });
    let refused = async {
        loop {
            match node.open(&opening("meta")).await.unwrap_err() {
                Failure::Unsure(_) | Failure::Full(_) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                failure => return failure,
            }
        }
    };
    let failure = tokio::time::timeout(PATIENCE, refused).await.unwrap();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("NATS_REPLICAS")),
        "{failure}"
    );
}
