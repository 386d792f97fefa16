//! Each stream is counted once when it opens and once when it ends, by the reason, even if several
//! reasons coincide.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_server::handle::{Ended, EndingCause, RefusalReason};
use tokio::task::JoinSet;

use crate::support::checks::SetClock;
use crate::support::descriptors::have_room_for;
use crate::support::{ADMIN, TestServer, demo, jwt, start_at, start_with, until};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn every_ending_is_counted_by_its_reason_and_shown() {
    let time = SetClock::at("2026-11-23T22:30:15.138Z");
    let settings = [
        ("JWT_SECRET", SECRET),
        ("AUTH_DEMO", "true"),
        ("HEARTBEAT_INTERVAL", "1s"),
    ];
    let server = start_at(&settings, time.clock()).await;
    let leaves = server.connected("/notifications/stream", "").await;
    let mut kicked = server.connected("/chat/stream", ADMIN).await;
    let mut expired = server
        .connected("/realtime/stream", &jwt(SECRET, time.now(), 600))
        .await;
    drop(leaves);
    server
        .call(
            "DELETE",
            "/system/users/test123/connections",
            ADMIN,
            Value::Null,
        )
        .await;
    kicked.end().await;
    time.advance(Duration::from_hours(1)); // noticed at the next heartbeat
    expired.end().await;
    server.until_nobody_is_left().await;
    let stats = server.get("/system/stats").await.json();
    assert_eq!(stats["totalOpened"], 3);
    assert_eq!(
        stats["opened"],
        json!({"chat": 1, "heartbeat": 3, "notifications": 1, "realtime-updates": 1})
    );
    let expected = json!({
        "client_left": 1, "token_expired": 1, "disconnected": 1, "too_far_behind": 0, "shutdown": 0, "max_age": 0,
        "journal_unavailable": 0, "write_timeout": 0, "killed": 0,
    });
    assert_eq!(stats["ended"], expected);
}

#[tokio::test]
async fn every_refusal_is_counted_by_its_reason_and_shown() {
    let settings = [
        ("MAX_CONNECTIONS", "3"),
        ("MAX_CONNECTIONS_PER_USER", "1"),
        ("MAX_CONNECTIONS_PER_IP", "1"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("DRAIN_SECONDS", "10m"),
        ("SHUTDOWN_TIMEOUT", "1h"),
    ];
    let mut server = start_with(&settings).await;
    let far = [("X-Forwarded-For", "192.0.2.7")];
    let mut open = vec![server.connected("/notifications/stream", ADMIN).await];
    server
        .stream("/chat/stream", ADMIN)
        .await
        .expect("busy")
        .await;
    open.push(server.stream_with("/notifications/stream", "", &far).await);
    server
        .stream_with("/notifications/stream", "", &far)
        .await
        .expect("busy")
        .await;
    assert_eq!(
        server
            .request("GET", "/notifications/stream", &far, b"")
            .await
            .status,
        429
    );
    open.push(
        server
            .connected("/notifications/stream", &demo("bob", "user"))
            .await,
    );
    server
        .stream("/notifications/stream", "")
        .await
        .expect("busy")
        .await;
    // A permanent refusal is not about a limit, so it is not counted; and a `HEAD` opens no stream.
    assert_eq!(server.get("/chat/stream").await.status, 401);
    server.begin_stop();
    until(async || server.get("/health/ready").await.status == 503).await;
    server
        .stream("/notifications/stream", "")
        .await
        .expect("busy")
        .await;
    assert_eq!(server.get("/notifications/stream").await.status, 503);
    assert_eq!(
        server
            .request("HEAD", "/notifications/stream", &[], b"")
            .await
            .status,
        503
    );
    let stats = server.get("/system/stats").await.json();
    let expected = json!({
        "too_many": 1, "too_many_of_user": 1, "too_many_of_address": 2, "draining": 2, "journal_unavailable": 0,
    });
    assert_eq!(stats["refused"], expected);
    assert_eq!(stats["totalOpened"], 3);
}

#[tokio::test]
async fn streams_of_a_server_that_ends_without_a_drain_count_as_killed() {
    let server = start_with(&[]).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(server.connected("/notifications/stream", "").await);
    }
    let handle = server.handle.clone();
    drop(server);
    until(async || handle.totals().all_ended() == 3).await;
    assert_eq!(handle.totals().ended(Ended::Killed), 3);
}

/// Opens streams and ends each in another way, or in several ways at once. Returns how many were
/// opened and how many were refused.
async fn come_and_go(
    address: std::net::SocketAddr,
    server: std::sync::Arc<TestServer>,
    nth: usize,
) -> (u64, u64) {
    let (mut opened, mut refused) = (0, 0);
    let user = demo(&format!("u{nth}"), "user");
    for round in 0..30 {
        let mut headers = vec![("Accept", "text/event-stream")];
        let bearer = format!("Bearer {user}");
        if round % 2 == 0 {
            headers.push(("Authorization", bearer.as_str()));
        }
        let mut stream =
            crate::support::Stream::open(address, "/notifications/stream", &headers).await;
        match stream.next().await.event.as_str() {
            "connected" => opened += 1,
            "busy" => {
                refused += 1;
                continue;
            }
            other => panic!("{other}"),
        }
        let kick = server.call("DELETE", "/system/users/u0/connections", ADMIN, Value::Null);
        match (round + nth) % 5 {
            0 => drop(stream),
            1 => {
                let socket = stream.into_socket();
                socket.set_zero_linger().unwrap();
            }
            2 => {
                // The operator and the client end it at the same time.
                tokio::join!(kick, async { drop(stream) });
            }
            3 => {
                kick.await;
                drop(stream);
            }
            _ => drop(stream.end().await), // by its age, or by the operator
        }
    }
    (opened, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_stream_is_counted_once_when_it_opens_and_once_when_it_ends_under_load() {
    const TASKS: usize = 8;
    have_room_for(TASKS as u64 * 4);
    let settings = [
        ("MAX_CONNECTION_AGE", "1s"),
        ("MAX_CONNECTIONS", "6"),
        ("MAX_CONNECTIONS_PER_USER", "1000"),
    ];
    let server = std::sync::Arc::new(start_with(&settings).await);
    let tasks: JoinSet<_> = (0..TASKS)
        .map(|nth| come_and_go(server.address, server.clone(), nth % 3))
        .collect();
    let mut watching = tokio::spawn({
        let handle = server.handle.clone();
        async move {
            loop {
                let totals = handle.totals();
                assert!(
                    totals.opened >= totals.all_ended(),
                    "ended before it was open: {totals:?}"
                );
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let counts = tokio::select! {
        counts = tasks.join_all() => counts,
        failed = &mut watching => panic!("{failed:?}"),
    };
    watching.abort();
    server.until_nobody_is_left().await;
    let totals = server.handle.totals();
    let opened: u64 = counts.iter().map(|(opened, _)| opened).sum();
    let refused: u64 = counts.iter().map(|(_, refused)| refused).sum();
    assert_eq!(
        (totals.opened, totals.all_refused()),
        (opened, refused),
        "{totals:?}"
    );
    assert_eq!(totals.refused(RefusalReason::Total), refused);
    assert_eq!(totals.all_ended(), opened, "{totals:?}");
    let ways = [
        Ended::ClientLeft,
        Ended::EndingSent(EndingCause::Disconnected),
        Ended::EndingSent(EndingCause::Age),
    ];
    assert!(ways.iter().all(|how| totals.ended(*how) > 0), "{totals:?}");
    assert_eq!(
        ways.iter().map(|how| totals.ended(*how)).sum::<u64>(),
        opened,
        "{totals:?}"
    );
}
