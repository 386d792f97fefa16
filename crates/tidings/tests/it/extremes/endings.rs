//! A stream ends even if its peer reads nothing and can't be told.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_server::handle::{Ended, EndingCause};
use tokio::net::TcpStream;

use crate::support::checks::SetClock;
use crate::support::stalled::{publish_big, stalled};
use crate::support::{ADMIN, TestServer, jwt, start_at, start_with, until};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Longer than a test waits, so that no stream ends because of the write timeout.
const FOR_EVER: (&str, &str) = ("WRITE_TIMEOUT", "1h");

/// A stream whose peer reads nothing more, and whose buffers are full.
async fn stuck(server: &TestServer, token: &str) -> TcpStream {
    let socket = stalled(server, "/notifications/stream", token).await;
    until(async || server.stats().await["totalConnections"] == 1).await;
    publish_big(server, 40).await;
    socket
}

/// A server that ends no stream by itself while a test runs, except by these settings. Its clock
/// stands still until it is moved.
async fn patient(settings: &[(&str, &str)], time: &SetClock) -> TestServer {
    // The server notices at a heartbeat that its clock was moved.
    let settings = [
        &[
            ("MAX_LAG_BYTES", "2MiB"),
            ("HEARTBEAT_INTERVAL", "1s"),
            FOR_EVER,
        ],
        settings,
    ]
    .concat();
    start_at(&settings, time.clock()).await
}

async fn ends(server: &TestServer, cause: EndingCause) {
    server.until_nobody_is_left().await;
    let totals = server.handle.totals();
    assert_eq!(
        (totals.ended(Ended::EndingSent(cause)), totals.all_ended()),
        (1, 1),
        "{totals:?}"
    );
}

fn now() -> SetClock {
    SetClock::at("2026-11-23T22:30:15.138Z")
}

#[tokio::test]
async fn an_operators_ending_does_not_wait_for_the_peer() {
    let server = patient(&[], &now()).await;
    let _socket = stuck(&server, ADMIN).await;
    let answer = server
        .call(
            "DELETE",
            "/system/users/test123/connections",
            ADMIN,
            Value::Null,
        )
        .await;
    assert_eq!(answer.json()["ended"], 1);
    ends(&server, EndingCause::Disconnected).await;
}

#[tokio::test]
async fn the_end_of_a_token_does_not_wait_for_the_peer() {
    let time = now();
    let server = patient(&[("JWT_SECRET", SECRET)], &time).await;
    let _socket = stuck(&server, &jwt(SECRET, time.now(), 600)).await;
    assert_eq!(
        server.stats().await["totalConnections"],
        1,
        "it is the ending that ends it"
    );
    time.advance(Duration::from_hours(1));
    ends(&server, EndingCause::Expired).await;
}

#[tokio::test]
async fn the_end_by_maximum_age_does_not_wait_for_the_peer() {
    let settings = [
        ("MAX_LAG_BYTES", "2MiB"),
        FOR_EVER,
        ("MAX_CONNECTION_AGE", "3s"),
    ];
    let server = start_with(&settings).await;
    let _socket = stuck(&server, "").await;
    ends(&server, EndingCause::Age).await;
}

#[tokio::test]
async fn the_end_of_a_slow_reader_does_not_wait_for_the_peer() {
    let server = start_with(&[("MAX_LAG_BYTES", "64KiB"), FOR_EVER]).await;
    let _socket = stuck(&server, "").await;
    ends(&server, EndingCause::Slow).await;
}

#[tokio::test]
async fn a_drain_does_not_wait_for_the_peer() {
    let mut server = patient(&[("SHUTDOWN_TIMEOUT", "1h")], &now()).await;
    let _socket = stuck(&server, "").await;
    server.stopped().await.unwrap();
    let totals = server.handle.totals();
    assert_eq!(
        (
            totals.ended(Ended::EndingSent(EndingCause::Shutdown)),
            totals.all_ended()
        ),
        (1, 1),
        "{totals:?}"
    );
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_cut_by_the_write_timeout() {
    let server = start_with(&[("MAX_LAG_BYTES", "2MiB"), ("WRITE_TIMEOUT", "2s")]).await;
    let _socket = stuck(&server, "").await;
    server.until_nobody_is_left().await;
    let totals = server.handle.totals();
    assert_eq!(
        (totals.ended(Ended::WriteTimeout), totals.all_ended()),
        (1, 1),
        "{totals:?}"
    );
    // The client of a stream that was cut resumes where it was.
    let mut back = server
        .resumed("/notifications/stream", "", "earliest")
        .await;
    assert_eq!(back.expect("connected").await.data["resumed"], json!(true));
    assert_eq!(back.take("notification", 40).await.len(), 40);
}
