//! Below a prefix, as each configuration says in a comment: the path is forwarded unchanged, and
//! `BASE_PATH` removes it.

use http::StatusCode;

use crate::recipe::{Edit, Kind, Recipe};
use crate::server::Server;
use crate::wire::{EVENT_STREAM, NOTIFICATIONS, field, publish};

mod base_path {
    of_each!(super::everything_works_below_a_prefix: nginx Nginx);

    mod in_full {
        of_each!(super::super::everything_works_below_a_prefix:
            apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
    }
}

/// What the comment asks for.
pub(crate) fn below_api(kind: Kind) -> Recipe {
    let recipe = Recipe::of(kind);
    match kind {
        Kind::Nginx => recipe.with(Edit::replace("location / {", "location /api/ {")),
        Kind::Apache => recipe.with(Edit::replace(
            r#"ProxyPass "/" "balancer://tidings/""#,
            r#"ProxyPass "/api/" "balancer://tidings/api/""#,
        )),
        Kind::Caddy => recipe.with(Edit::replace(
            "\treverse_proxy 127.0.0.1:3000 {",
            "\treverse_proxy /api/* 127.0.0.1:3000 {",
        )),
        Kind::Haproxy => recipe,
        Kind::Traefik => recipe.with(Edit::replace(
            "Host(`events.example.com`)",
            "Host(`events.example.com`) && PathPrefix(`/api/`)",
        )),
        Kind::Envoy => recipe.with(Edit::replace(
            r#"match: { prefix: "/" }"#,
            r#"match: { prefix: "/api/" }"#,
        )),
    }
}

async fn everything_works_below_a_prefix(kind: Kind) {
    let mut server = Server::on_a_port().env("BASE_PATH", "/api").started().await;
    let proxy = below_api(kind).before(&server).await;
    let link = proxy.link().await.below("/api");
    assert_eq!(link.get("/health", &[]).await.head.status, StatusCode::OK);
    let mut stream = link.connected(NOTIFICATIONS).await;
    for number in 1..=3 {
        publish(&link, number).await;
        assert_eq!(stream.number().await, number);
    }
    server.kill().await;
    let answer = link.get(NOTIFICATIONS, &[EVENT_STREAM]).await;
    assert_eq!(
        (answer.head.status, field(&answer.head, "content-type")),
        (StatusCode::OK, Some("text/event-stream"))
    );
    assert!(answer.body.starts_with("event: busy\n"), "{}", answer.body);
}
