//! Under load: nginx takes over a new configuration, and the server is restarted on a socket that
//! stays open. No request is refused, nothing is lost, and each reader comes back once.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::follower::{Follower, Seen};
use crate::patience::in_time;
use crate::recipe::{Kind, Recipe};
use crate::reloads::{Counts, Publisher, Refusal};
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
async fn during_a_restart_behind_nginx_no_call_is_refused() {
    run(Load {
        readers: 100,
        drain: "1",
    })
    .await;
}

mod in_full {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs nginx: `cargo xtask proxies` runs it"]
    async fn during_a_restart_behind_nginx_none_of_a_thousand_clients_is_refused() {
        let counts = super::run(super::Load {
            readers: 1_000,
            drain: "8",
        })
        .await;
        // For `cargo xtask proxies`, which writes it down.
        if let Some(path) = std::env::var_os("TIDINGS_PROXIES_RECORD") {
            std::fs::write(path, counts.to_string()).unwrap();
        }
    }
}

/// Returns what was counted.
async fn run(load: Load) -> Value {
    let mut server = Server::on_a_held_socket()
        .env("DRAIN_SECONDS", load.drain)
        .started()
        .await;
    let mut proxy = Recipe::of(Kind::Nginx).before(&server).await;
    let mut readers = Vec::new();
    for _ in 0..load.readers {
        readers.push(Follower::start(proxy.address(), "").await);
    }
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|nth| Publisher::from(&proxy, nth * APART, Refusal::Fails))
        .collect();
    let visitors = Visitors::start(proxy.address());
    further(&publishers).await;
    proxy.reload().await;
    further(&publishers).await;
    server.stop().await;
    server.start().await;
    further(&publishers).await;

    let visits = visitors.stop().await;
    let mut published = Vec::new();
    for publisher in publishers {
        published.push(publisher.counts().await);
    }
    let (mut lost, mut most_opened) = (0, 0);
    for (reader, nth) in readers.iter_mut().zip(0..) {
        let seen = all_of(reader, &published).await;
        assert!(
            seen.refused.is_empty() && seen.resets == 0,
            "reader {nth}: {:?}",
            seen.refused
        );
        // Opened once before, and once after the restart; the reload ends no stream.
        assert_eq!(
            seen.opened, 2,
            "reader {nth} came back more than once, or not at all"
        );
        lost += missing(&seen, &published);
        most_opened = most_opened.max(seen.opened);
    }
    assert_eq!(
        lost, 0,
        "events that a reader did not see, or saw twice or out of order"
    );
    assert_eq!(
        visits.refused,
        Vec::<String>::new(),
        "of {} visits",
        visits.count
    );
    let sum = |of: fn(&Counts) -> u64| published.iter().map(of).sum::<u64>();
    json!({
        "readers": load.readers,
        "seconds over which the server sends them away": load.drain,
        "publishes": sum(|counts| counts.published),
        "of them refused": sum(|counts| counts.refused),
        "of them sent again, as nginx closed the connection": sum(|counts| counts.let_go),
        "events that readers saw": sum(|counts| counts.published) * load.readers as u64,
        "lost, or seen twice": lost,
        "times that each reader came back": most_opened - 1,
        "new clients meanwhile": visits.count,
        "of these refused": visits.refused.len(),
        "of these told in band to come when the old server is gone": visits.told_to_wait,
    })
}

/// What a reader saw by when the last event of each publisher had come.
async fn all_of(reader: &mut Follower, published: &[Counts]) -> Seen {
    for (counts, nth) in published.iter().zip(0..) {
        reader.until(nth * APART + counts.published).await;
    }
    reader.seen()
}

/// How many events of all publishers are not where they should be: each publisher's came once, and
/// in their order.
fn missing(seen: &Seen, published: &[Counts]) -> usize {
    let wrong = published.iter().zip(0_u64..).map(|(counts, nth)| {
        let came: Vec<_> = seen
            .numbers
            .iter()
            .filter(|number| *number / APART == nth)
            .copied()
            .collect();
        let all: Vec<_> = (nth * APART + 1..=nth * APART + counts.published).collect();
        if came == all {
            0
        } else {
            came.len().abs_diff(all.len()).max(1)
        }
    });
    wrong.sum()
}

/// Waits until each has published some more.
async fn further(publishers: &[Publisher]) {
    for publisher in publishers {
        publisher.until(publisher.number() + BETWEEN).await;
    }
}

/// Clients that come for the first time, one after the other, each with a connection of its own:
/// they ask for something small, and open a stream for a moment.
struct Visitors {
    stop: watch::Sender<bool>,
    task: AbortOnDropHandle<Visits>,
}

#[derive(Default)]
struct Visits {
    count: u64,
    refused: Vec<String>,
    /// How many were told in band to come when the old server is gone: no refusal to whoever asks
    /// for an event stream.
    told_to_wait: u64,
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
    // A connection that the proxy lets go while it is new is no refusal yet: a client connects
    // again.
    let Ok(link) = Link::try_to(address).await else {
        return;
    };
    match link.send(http::Method::GET, "/health", &[], "").await {
        Ok(answer) if answer.status() != http::StatusCode::OK => {
            visits.refused.push(format!("health: {}", answer.status()));
        }
        _ => {}
    }
    match link.stream(NOTIFICATIONS, "").await {
        Ok(mut stream) => match stream.next().await {
            Ok(message) if message.event == "busy" && message.data.contains("\"draining\"") => {
                visits.told_to_wait += 1;
            }
            Ok(message) if message.event == "connected" => {}
            other => visits.refused.push(format!("stream: {other:?}")),
        },
        Err(why) if why.starts_with("no answer") => {}
        Err(why) => visits.refused.push(format!("stream: {why}")),
    }
}
