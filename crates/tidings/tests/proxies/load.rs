//! Under load: nginx takes over a new configuration, and the server is restarted on a socket that stays open. No request is
//! refused, nothing is lost, and each reader comes back once.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::follower::Follower;
use crate::patience::in_time;
use crate::recipe::{Kind, Recipe};
use crate::reloads::{Publisher, Refusal};
use crate::server::Server;
use crate::wire::{Link, NOTIFICATIONS};

/// Numbers of different publishers are so far apart.
const APART: u64 = 1_000_000;

/// Publishers at the same time, each with a connection of its own.
const PUBLISHERS: u64 = 4;

/// Events of each publisher between two things that happen.
const BETWEEN: u64 = 25;

/// How much is asked.
struct Load {
    readers: usize,
    drain: &'static str,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn nginx_and_a_restart_refuse_nobody() {
    run(Load { readers: 100, drain: "1" }).await;
}

mod in_full {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs nginx: `cargo xtask proxies` runs it"]
    async fn nginx_and_a_restart_refuse_nobody_of_a_thousand() {
        super::run(super::Load { readers: 1_000, drain: "8" }).await;
    }
}

async fn run(load: Load) {
    let mut server = Server::on_a_held_socket().env("DRAIN_SECONDS", load.drain).started().await;
    let mut proxy = Recipe::of(Kind::Nginx).before(&server).await;
    let mut readers = Vec::new();
    for _ in 0..load.readers {
        readers.push(Follower::start(proxy.address(), "").await);
    }
    let publishers: Vec<_> = (0..PUBLISHERS).map(|nth| Publisher::from(&proxy, nth * APART, Refusal::Fails)).collect();
    let visitors = Visitors::start(proxy.address());
    further(&publishers).await;
    proxy.reload().await;
    further(&publishers).await;
    server.stop().await;
    server.start().await;
    further(&publishers).await;

    let visits = visitors.stop().await;
    let (mut published, mut let_go) = (0, 0);
    let mut lasts = Vec::new();
    for (publisher, nth) in publishers.into_iter().zip(0..) {
        let counts = publisher.counts().await;
        published += counts.published;
        let_go += counts.let_go;
        lasts.push(nth * APART + counts.published);
    }
    for (reader, nth) in readers.iter_mut().zip(0..) {
        for last in &lasts {
            reader.until(*last).await;
        }
        let seen = reader.seen();
        assert!(seen.refused.is_empty() && seen.resets == 0, "reader {nth}: {:?}", seen.refused);
        // Opened once before, and once after the restart; the reload ends no stream.
        assert_eq!(seen.opened, 2, "reader {nth} came back more than once, or not at all");
        for (publisher, last) in (0..PUBLISHERS).zip(&lasts) {
            let numbers = publisher * APART;
            let of_it: Vec<_> = seen.numbers.iter().filter(|number| *number / APART == publisher).copied().collect();
            let all: Vec<_> = (numbers + 1..=*last).collect();
            assert_eq!(of_it, all, "reader {nth}: lost, repeated or out of order");
        }
    }
    assert_eq!(visits.refused, Vec::<String>::new(), "of {} visits", visits.count);
    let delivered = published * load.readers as u64;
    record(&json!({
        "readers": load.readers, "published": published, "delivered": delivered, "publishes refused": 0,
        "publishes sent again on another connection": let_go, "visits": visits.count, "visits refused": 0, "lost": 0, "times each reader came back": 1,
    }));
}

/// Waits until each has published some more.
async fn further(publishers: &[Publisher]) {
    for publisher in publishers {
        publisher.until(publisher.number() + BETWEEN).await;
    }
}

/// For `cargo xtask proxies`, which writes it down.
fn record(counts: &serde_json::Value) {
    if let Some(path) = std::env::var_os("TIDINGS_PROXIES_RECORD") {
        std::fs::write(path, counts.to_string()).unwrap();
    }
}

/// Clients that come for the first time, one after the other, each with a connection of its own: they ask for something small,
/// and open a stream for a moment.
struct Visitors {
    stop: watch::Sender<bool>,
    task: AbortOnDropHandle<Visits>,
}

#[derive(Default)]
struct Visits {
    count: u64,
    refused: Vec<String>,
}

impl Visitors {
    fn start(address: std::net::SocketAddr) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut visits = Visits::default();
            while !*stopped.borrow() {
                visit(address, &mut visits).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            visits
        }));
        Self { stop, task }
    }

    async fn stop(self) -> Visits {
        self.stop.send_replace(true);
        in_time(self.task).await.unwrap()
    }
}

async fn visit(address: std::net::SocketAddr, visits: &mut Visits) {
    visits.count += 1;
    // A connection that the proxy lets go while it is new is no refusal yet: a client connects again.
    let Ok(link) = Link::try_to(address).await else { return };
    match link.send(http::Method::GET, "/health", &[], "").await {
        Ok(answer) if answer.status() != http::StatusCode::OK => {
            visits.refused.push(format!("health: {}", answer.status()));
        }
        _ => {}
    }
    match link.stream(NOTIFICATIONS, "").await {
        Ok(mut stream) => match stream.next().await {
            // While the server ends its streams, it asks new ones in band to come after that. This is no refusal.
            Ok(message) if message.event == "busy" && message.data.contains("\"draining\"") => {}
            Ok(message) if message.event == "connected" => {}
            other => visits.refused.push(format!("stream: {other:?}")),
        },
        Err(why) if why.starts_with("no answer") => {}
        Err(why) => visits.refused.push(format!("stream: {why}")),
    }
}
