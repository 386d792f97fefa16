//! What the proxy tells the server, and what it writes down: addresses of clients arrive, and no
//! token is in any log.

use std::net::{IpAddr, UdpSocket};

use http::Method;
use serde_json::Value;

use crate::recipe::{Kind, Recipe};
use crate::server::Server;
use crate::wire::{EVENT_STREAM, Link, NOTIFICATIONS, Stream};

/// Where the client comes from: loopback, but no address that anything else has.
const CLIENT: &str = "127.0.77.9";

/// What must be in no file: in a query, in `Authorization`, in a cookie.
const SECRETS: [&str; 4] = [
    "secret-of-query",
    "secret-of-ticket",
    "secret-of-bearer",
    "secret-of-cookie",
];

mod addresses {
    of_each!(super::the_server_learns_the_address_of_the_client: nginx Nginx);

    mod in_full {
        of_each!(super::super::the_server_learns_the_address_of_the_client:
            apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
    }
}

mod tokens {
    of_each!(super::no_token_is_logged_by_the_proxy: nginx Nginx);

    mod in_full {
        of_each!(super::super::no_token_is_logged_by_the_proxy:
            apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
    }
}

/// The one that connected to the proxy, not the one that it claims to be.
async fn the_server_learns_the_address_of_the_client(kind: Kind) {
    let server = Server::on_a_port().started().await;
    let proxy = Recipe::of(kind).before(&server).await;
    let link = Link::from(CLIENT.parse::<IpAddr>().unwrap(), proxy.address())
        .await
        .unwrap();
    let claims = [
        EVENT_STREAM,
        ("x-forwarded-for", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9"),
        ("x-real-ip", "203.0.113.9"),
    ];
    let answer = link
        .send(Method::GET, NOTIFICATIONS, &claims, "")
        .await
        .unwrap();
    let mut stream = Stream::of(answer);
    stream.next().await.unwrap();
    let open: Value = Link::in_the_clear(server.address())
        .await
        .get_as_admin("/system/connections")
        .await;
    let addresses: Vec<_> = open["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["address"])
        .collect();
    if kind == Kind::Envoy {
        // It names a client on its own machine by that machine's address in the network.
        let address: IpAddr = addresses[0].as_str().unwrap().parse().unwrap();
        assert!(
            addresses.len() == 1 && UdpSocket::bind((address, 0)).is_ok(),
            "{open}"
        );
        return;
    }
    assert_eq!(addresses, [CLIENT], "{open}");
}

/// Neither of requests that are answered, nor of those that fail in any way, nor of streams that
/// break off.
async fn no_token_is_logged_by_the_proxy(kind: Kind) {
    let mut server = Server::on_a_port()
        .env("AUTH_COOKIE", "session")
        .started()
        .await;
    let mut proxy = Recipe::of(kind).before(&server).await;
    let link = proxy.link().await;
    let mut stream = Stream::of(ask(&link, NOTIFICATIONS).await);
    stream.next().await.unwrap();
    calls(&link).await;
    server.kill().await;
    assert!(stream.next().await.is_err(), "the stream breaks off");
    ask(&link, NOTIFICATIONS).await;
    calls(&link).await;
    let listener = tokio::net::TcpListener::bind(server.address())
        .await
        .unwrap();
    let closing = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        while listener.accept().await.is_ok() {}
    }));
    failing_calls(&link).await;
    drop((closing, link));
    proxy.stop().await;

    let records = proxy.records();
    for (name, text) in &records {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in {name}:\n{text}");
        }
    }
    // A log that is empty has no token either.
    if kind != Kind::Traefik {
        assert!(
            records.iter().any(|(_, text)| text.contains(NOTIFICATIONS)),
            "{}",
            proxy.said()
        );
    }
}

const PATHS: [&str; 3] = ["/health", "/no/such/path", "/events"];

async fn calls(link: &Link) {
    for path in PATHS {
        ask(link, path).await;
    }
}

/// Some proxies give no answer to these.
async fn failing_calls(link: &Link) {
    for path in PATHS {
        let _ = try_to_ask(link, path).await;
    }
}

async fn ask(link: &Link, path: &str) -> http::Response<hyper::body::Incoming> {
    try_to_ask(link, path).await.unwrap()
}

async fn try_to_ask(
    link: &Link,
    path: &str,
) -> hyper::Result<http::Response<hyper::body::Incoming>> {
    let path = format!("{path}?token=secret-of-query&ticket=secret-of-ticket");
    // A demo token that is malformed makes its bearer anonymous.
    let headers = [
        EVENT_STREAM,
        ("authorization", "Bearer secret-of-bearer"),
        ("cookie", "session=secret-of-cookie; a=b"),
    ];
    link.send(Method::GET, &path, &headers, "").await
}
