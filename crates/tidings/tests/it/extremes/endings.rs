//! An ending is on time even if its peer reads nothing and can't be told.

use std::time::Duration;

use serde_json::{Value, json};
use tidings::handle::{Cause, Ended};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::stalled::{publish_big, stalled};
use crate::support::{ADMIN, TestServer, start_with, token_that_runs_out, until};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Long before the write timeout of 30 s: a look within a second, a second for last words, and patience for a machine
/// that has other things to do.
const ON_TIME: Duration = Duration::from_secs(8);

/// A server and a stream of it whose peer has taken all that it will.
async fn stuck(settings: &[(&str, &str)], token: &str) -> (TestServer, TcpStream) {
    let server = start_with(&[&[("MAX_LAG_BYTES", "2MiB")], settings].concat()).await;
    let socket = stalled(&server, "/notifications/stream", token).await;
    until(async || server.stats().await["totalConnections"] == 1).await;
    publish_big(&server, 40).await;
    assert_eq!(server.stats().await["totalConnections"], 1, "it is the ending that ends it");
    (server, socket)
}

async fn ends(server: &TestServer, cause: Cause, since: Instant) {
    server.until_nobody_is_left().await;
    assert!(since.elapsed() < ON_TIME, "{:?}", since.elapsed());
    let tally = server.handle.tally();
    assert_eq!((tally.ended(Ended::Said(cause)), tally.all_ended()), (1, 1), "{tally:?}");
}

#[tokio::test]
async fn an_operators_ending_is_on_time() {
    let (server, _socket) = stuck(&[], ADMIN).await;
    let answer = server.call("DELETE", "/system/users/test123/connections", ADMIN, Value::Null).await;
    assert_eq!(answer.json()["ended"], 1);
    ends(&server, Cause::Disconnected, Instant::now()).await;
}

#[tokio::test]
async fn the_end_of_a_token_is_on_time() {
    let token = token_that_runs_out(SECRET);
    let runs_out = Instant::now() + Duration::from_secs(3);
    let (server, _socket) = stuck(&[("JWT_SECRET", SECRET)], &token).await;
    ends(&server, Cause::Expired, runs_out).await;
}

#[tokio::test]
async fn the_end_of_old_age_is_on_time() {
    let (server, _socket) = stuck(&[("MAX_CONNECTION_AGE", "5s")], "").await;
    ends(&server, Cause::Age, Instant::now() + Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_end_of_a_slow_reader_is_on_time() {
    let server = start_with(&[("MAX_LAG_BYTES", "64KiB")]).await;
    let _socket = stalled(&server, "/notifications/stream", "").await;
    until(async || server.stats().await["totalConnections"] == 1).await;
    publish_big(&server, 40).await;
    ends(&server, Cause::Slow, Instant::now()).await;
}

#[tokio::test]
async fn a_drain_is_on_time() {
    let (mut server, _socket) = stuck(&[], "").await;
    let since = Instant::now();
    server.stopped().await.unwrap();
    assert!(since.elapsed() < ON_TIME, "{:?}", since.elapsed());
    let tally = server.handle.tally();
    assert_eq!((tally.ended(Ended::Said(Cause::Shutdown)), tally.all_ended()), (1, 1), "{tally:?}");
}

#[tokio::test]
async fn the_write_timeout_is_on_time() {
    let (server, _socket) = stuck(&[("WRITE_TIMEOUT", "2s")], "").await;
    let since = Instant::now();
    server.until_nobody_is_left().await;
    assert!(since.elapsed() < ON_TIME, "{:?}", since.elapsed());
    let tally = server.handle.tally();
    assert_eq!((tally.ended(Ended::Untaken), tally.all_ended()), (1, 1), "{tally:?}");
    // And whoever was cut goes on where it was.
    let mut back = server.resumed("/notifications/stream", "", "earliest").await;
    assert_eq!(back.expect("connected").await.data["resumed"], json!(true));
    assert_eq!(back.take("notification", 40).await.len(), 40);
}
