//! The proxy takes over a new configuration, the server is restarted, the server is upgraded:
//! nobody loses an event.

use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::follower::{Follower, Seen, assert_whole};
use crate::patience::in_time;
use crate::recipe::{Kind, Proxy, Recipe};
use crate::server::Server;
use crate::wire::Link;

/// Readers in each test.
const READERS: usize = 5;

mod of_the_proxy {
    of_each!(super::a_reload_of_the_proxy_loses_nothing: nginx Nginx);

    mod in_full {
        of_each!(super::super::a_reload_of_the_proxy_loses_nothing:
            apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
    }
}

mod of_the_server {
    of_each!(super::a_restart_of_the_server_loses_nothing: nginx Nginx);

    mod in_full {
        of_each!(super::super::a_restart_of_the_server_loses_nothing:
            apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
    }
}

mod upgrade {
    of_each!(super::no_call_is_refused_during_an_upgrade: nginx Nginx);

    mod in_full {
        of_each!(super::super::no_call_is_refused_during_an_upgrade:
            apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
    }
}

async fn readers(proxy: &Proxy) -> Vec<Follower> {
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(Follower::start(proxy.address(), "").await);
    }
    readers
}

async fn until_all_have(readers: &mut [Follower], number: u64) {
    for reader in readers {
        reader.until(number).await;
    }
}

async fn a_reload_of_the_proxy_loses_nothing(kind: Kind) {
    let server = Server::on_a_port().started().await;
    let mut proxy = Recipe::of(kind).before(&server).await;
    let mut readers = readers(&proxy).await;
    let publisher = Publisher::start(&proxy, Refusal::Fails);
    publisher.until(20).await;
    proxy.reload().await;
    let later = publisher.number() + 20;
    publisher.until(later).await;
    let last = publisher.stop().await;
    until_all_have(&mut readers, last).await;
    for reader in &readers {
        let seen = reader.seen();
        assert_whole(&seen, last, "a reader");
        // Open streams are left to the processes, or the configuration, from before.
        assert!(
            kind == Kind::Envoy || seen.opened == 1,
            "{kind:?} cut a stream"
        );
    }
}

/// The server opens its port itself, so for a moment there is none: publishers are refused and try
/// again, and streams are told in band to come back.
async fn a_restart_of_the_server_loses_nothing(kind: Kind) {
    let mut server = Server::on_a_port().started().await;
    let proxy = Recipe::of(kind).before(&server).await;
    let mut readers = readers(&proxy).await;
    let publisher = Publisher::start(&proxy, Refusal::IsTriedAgain);
    publisher.until(20).await;
    server.stop().await;
    server.start().await;
    let later = publisher.number() + 20;
    publisher.until(later).await;
    let last = publisher.stop().await;
    until_all_have(&mut readers, last).await;
    for reader in &readers {
        let seen = reader.seen();
        let in_band = seen.refused.iter().all(|why| why.starts_with("busy: "));
        assert!(
            in_band,
            "a status is final for browsers: {:?}",
            seen.refused
        );
        assert_whole(
            &Seen {
                refused: Vec::new(),
                ..seen
            },
            last,
            "a reader",
        );
    }
}

/// Another binary takes the place of the one that runs, on a socket that stays open: connections
/// wait, and are answered. The proxy is told to let go of those that it keeps, for which a drain of
/// no time has none.
async fn no_call_is_refused_during_an_upgrade(kind: Kind) {
    let mut server = Server::on_a_held_socket()
        .env("DRAIN_SECONDS", "1")
        .started()
        .await;
    let proxy = Recipe::of(kind).before(&server).await;
    let mut readers = readers(&proxy).await;
    let publisher = Publisher::start(&proxy, Refusal::Fails);
    publisher.until(20).await;
    server.upgrade();
    server.stop().await;
    let waiting = tokio::spawn({
        let link = proxy.link().await;
        async move { link.get("/health", &[]).await }
    });
    server.start().await;
    assert_eq!(in_time(waiting).await.unwrap().head.status, StatusCode::OK);
    let later = publisher.number() + 20;
    publisher.until(later).await;
    let last = publisher.stop().await;
    until_all_have(&mut readers, last).await;
    for reader in &readers {
        let seen = reader.seen();
        assert_whole(&seen, last, "a reader");
        assert_eq!(seen.opened, 2, "each comes back once");
    }
}

/// What a publisher does where it is answered with 502, 503 or 504.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Fails,
    IsTriedAgain,
}

/// Publishes numbers, one after the other, until it is told to stop. A publish that was not
/// answered is sent again, with the same `Idempotency-Key`.
pub(crate) struct Publisher {
    stop: watch::Sender<bool>,
    published: watch::Receiver<u64>,
    task: AbortOnDropHandle<Counts>,
}

/// What is published where.
#[derive(Clone, Copy)]
struct Where {
    address: SocketAddr,
    prefix: &'static str,
    base: u64,
}

/// What became of its requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The last number, which is how many were answered with 200.
    pub(crate) published: u64,
    /// Answered with 502, 503 or 504.
    pub(crate) refused: u64,
    /// Not answered, as the connection was let go.
    pub(crate) let_go: u64,
}

impl Publisher {
    pub(crate) fn start(proxy: &Proxy, refusal: Refusal) -> Self {
        Self::new(
            Where {
                address: proxy.address(),
                prefix: "",
                base: 0,
            },
            refusal,
        )
    }

    /// The same below a prefix.
    pub(crate) fn below(proxy: &Proxy, prefix: &'static str, refusal: Refusal) -> Self {
        Self::new(
            Where {
                address: proxy.address(),
                prefix,
                base: 0,
            },
            refusal,
        )
    }

    /// The same with numbers that are so much higher, so that several may publish at once.
    pub(crate) fn from(proxy: &Proxy, base: u64, refusal: Refusal) -> Self {
        Self::new(
            Where {
                address: proxy.address(),
                prefix: "",
                base,
            },
            refusal,
        )
    }

    fn new(place: Where, refusal: Refusal) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (sender, published) = watch::channel(0);
        let task =
            AbortOnDropHandle::new(tokio::spawn(publish_all(place, refusal, stopped, sender)));
        Self {
            stop,
            published,
            task,
        }
    }

    /// The last number that was published.
    pub(crate) fn number(&self) -> u64 {
        *self.published.borrow()
    }

    pub(crate) async fn until(&self, number: u64) {
        in_time(self.published.clone().wait_for(|last| *last >= number))
            .await
            .expect("it goes on publishing");
    }

    /// Stops. Returns the last number.
    pub(crate) async fn stop(self) -> u64 {
        self.counts().await.published
    }

    pub(crate) async fn counts(self) -> Counts {
        self.stop.send_replace(true);
        in_time(self.task).await.unwrap()
    }
}

async fn publish_all(
    place: Where,
    refusal: Refusal,
    stopped: watch::Receiver<bool>,
    published: watch::Sender<u64>,
) -> Counts {
    let mut counts = Counts::default();
    let mut link = None;
    while !*stopped.borrow() {
        let current = match &link {
            Some(link) => link,
            None => match Link::try_to(place.address).await {
                Ok(new) => link.insert(new.below(place.prefix)),
                Err(_) => continue,
            },
        };
        match current.publish(place.base + counts.published + 1).await {
            Ok(StatusCode::OK) => {
                counts.published += 1;
                published.send_replace(counts.published);
            }
            Ok(status) => {
                assert!(
                    refusal == Refusal::IsTriedAgain && status.is_server_error(),
                    "a publish was answered {status}"
                );
                counts.refused += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(_) => {
                counts.let_go += 1;
                link = None;
            }
        }
    }
    counts
}
