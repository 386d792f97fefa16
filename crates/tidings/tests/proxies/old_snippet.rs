//! The lines for nginx that an earlier documentation gave out, which teams have deployed: they must
//! go on to work, with `BASE_PATH=/api`, as the prefix is passed on.

use http::StatusCode;

use crate::follower::{Follower, assert_whole};
use crate::recipe::{Kind, Recipe};
use crate::reloads::{Publisher, Refusal};
use crate::server::Server;
use crate::wire::{EVENT_STREAM, Link, NOTIFICATIONS, field, publish};

/// Those lines, in a server with TLS.
const SNIPPET: &str = r#"
server {
    listen 443 ssl http2;
    listen [::]:443 ssl http2;
    listen 80;
    listen [::]:80;
    ssl_certificate     /etc/ssl/certs/tidings.pem;
    ssl_certificate_key /etc/ssl/private/tidings.key;
    access_log /var/log/nginx/access.log;
    gzip_types application/json;

    location /api/ {
        proxy_pass http://127.0.0.1:3000;
        proxy_http_version 1.1;
        proxy_set_header Connection "upgrade";
        chunked_transfer_encoding off;
        proxy_buffering off;
        proxy_cache off;
    }
}
"#;

pub(crate) fn recipe() -> Recipe {
    Recipe::of(Kind::Nginx).in_place_of_the_file(SNIPPET)
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn nginx_with_the_old_configuration_forwards_events_at_once() {
    let server = Server::on_a_port().env("BASE_PATH", "/api").started().await;
    let proxy = recipe().before(&server).await;
    let publisher = proxy.link().await.below("/api");
    let mut numbers = 1..;
    for link in [proxy.link().await, Link::http1(proxy.address()).await] {
        let mut stream = link.below("/api").connected(NOTIFICATIONS).await;
        for number in numbers.by_ref().take(10) {
            publish(&publisher, number).await;
            assert_eq!(stream.number().await, number);
        }
    }
}

/// `chunked_transfer_encoding off` leaves an answer over HTTP/1.1 without an end of its own, so a
/// reader there can't tell that it was cut. It comes back by its last id all the same.
#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn nginx_with_the_old_configuration_lets_readers_resume() {
    let mut server = Server::on_a_held_socket()
        .env("BASE_PATH", "/api")
        .env("DRAIN_SECONDS", "1")
        .started()
        .await;
    let proxy = recipe().before(&server).await;
    let mut reader = Follower::start(proxy.address(), "/api").await;
    let publisher = Publisher::below(&proxy, "/api", Refusal::Fails);
    publisher.until(10).await;
    server.stop().await;
    server.start().await;
    let later = publisher.number() + 10;
    publisher.until(later).await;
    let last = publisher.stop().await;
    reader.until(last).await;
    assert_whole(&reader.seen(), last, "the reader");
    assert_eq!(reader.seen().opened, 2);
}

/// This is what the lines lack: while no server is there, they have nothing to say that a browser
/// would come back after. A server on a socket that systemd holds leaves no such moment when it is
/// restarted.
#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn nginx_with_the_old_configuration_answers_502_without_a_server() {
    let server = Server::on_a_port();
    let proxy = recipe().before(&server).await;
    let answer = proxy
        .link()
        .await
        .below("/api")
        .get(NOTIFICATIONS, &[EVENT_STREAM])
        .await;
    assert_eq!(answer.head.status, StatusCode::BAD_GATEWAY);
    assert_eq!(field(&answer.head, "content-type"), Some("text/html"));
}
