//! How a stream ends, and whether its client should reconnect.

mod draining;

use std::time::Duration;

use serde_json::{Value, json};
use tidings_hub::Clock;
use tokio::time::Instant;

use crate::support::block::Block;
use crate::support::checks::SetClock;
use crate::support::stream::{End, Received};
use crate::support::{ADMIN, Stream, TestServer, demo, jwt, start, start_at, start_with, until};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

async fn delete(server: &TestServer, path: &str) -> Value {
    let answer = server.call("DELETE", path, ADMIN, json!(null)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Checks that the stream is sent `revoked`, with which its client should reconnect, and is cut.
async fn expect_kick(stream: &mut Stream) -> Received {
    let revoked = stream.expect("revoked").await;
    assert_eq!(
        revoked.data,
        json!({"reason": "disconnected", "reconnect": true, "retry": revoked.retry})
    );
    assert!(revoked.retry.is_some());
    assert_eq!(stream.end().await, End::Cut);
    revoked
}

#[tokio::test]
async fn a_stream_that_an_admin_ended_may_reconnect_with_its_token() {
    let server = start().await;
    let ann = demo("ann", "user");
    let mut kicked = server.stream("/notifications/stream", &ann).await;
    let id = kicked.expect("connected").await.data["connectionId"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut other = server.connected("/notifications/stream", &ann).await;
    let seen = server.notify("seen").await;
    kicked.expect("notification").await;
    delete(&server, &format!("/system/connections/{id}")).await;
    assert_eq!(
        expect_kick(&mut kicked).await.last_id,
        seen,
        "the last event keeps the client's place"
    );
    let block = kicked.blocks().pop().unwrap();
    assert_eq!((block.event.as_str(), block.id), ("revoked", None));

    let missed = server.notify("missed").await;
    other.expect("notification").await;
    assert_eq!(
        other.block("notification").await.id.as_ref(),
        Some(&missed),
        "the user's other stream goes on"
    );
    let mut back = server.resumed("/notifications/stream", &ann, &seen).await;
    back.expect("connected").await;
    assert_eq!(back.block("notification").await.id, Some(missed));

    let again = server
        .call(
            "DELETE",
            &format!("/system/connections/{id}"),
            ADMIN,
            json!(null),
        )
        .await;
    assert_eq!((again.status, again.code().as_str()), (404, "not_found"));
}

#[tokio::test]
async fn all_streams_of_a_user_can_be_ended_and_no_others() {
    let server = start().await;
    let ann = demo("a/nn", "user");
    let mut anns = [
        server.connected("/notifications/stream", &ann).await,
        server.connected("/realtime/stream", &ann).await,
        server.connected("/chat/stream", &ann).await,
        server.connected("/system/heartbeat", &ann).await,
    ];
    anns[3].expect("heartbeat").await;
    let mut others = [
        server
            .connected("/notifications/stream", &demo("a", "user"))
            .await,
        server.connected("/notifications/stream", "").await,
    ];
    assert_eq!(
        delete(&server, "/system/users/a%2Fnn/connections").await["ended"],
        4
    );
    for stream in &mut anns {
        expect_kick(stream).await;
    }
    assert_eq!(
        delete(&server, "/system/users/a%2Fnn/connections").await["ended"],
        0
    );
    server.notify("still here").await;
    for stream in &mut others {
        stream.expect("notification").await;
    }
    server
        .stream("/notifications/stream", &ann)
        .await
        .expect("connected")
        .await;
}

#[tokio::test]
async fn a_client_has_a_moment_to_read_the_ending_before_its_stream_is_cut() {
    let mut server = start_with(&[("MAX_CONNECTIONS_PER_USER", "1")]).await;
    let ann = demo("ann", "user");
    let moment = Duration::from_millis(100);

    let mut stream = server.connected("/notifications/stream", &ann).await;
    let asked = Instant::now();
    let mut busy = server.stream("/notifications/stream", &ann).await;
    busy.expect("busy").await;
    assert_eq!(busy.end().await, End::Cut);
    assert!(asked.elapsed() >= moment, "busy: {:?}", asked.elapsed());

    let kicked = Instant::now();
    delete(&server, "/system/users/ann/connections").await;
    expect_kick(&mut stream).await;
    assert!(
        kicked.elapsed() >= moment,
        "revoked: {:?}",
        kicked.elapsed()
    );

    let mut stream = server.connected("/notifications/stream", &ann).await;
    let stopping = Instant::now();
    server.stopped().await.unwrap();
    assert!(
        stopping.elapsed() >= moment,
        "the process may end after {:?}",
        stopping.elapsed()
    );
    stream.expect("draining").await;
    assert_eq!(stream.end().await, End::Cut);
}

#[tokio::test]
async fn only_admins_kick() {
    let server = start().await;
    let mut stream = server.stream("/notifications/stream", ADMIN).await;
    let id = stream.expect("connected").await.data["connectionId"]
        .as_str()
        .unwrap()
        .to_owned();
    for path in [
        format!("/system/connections/{id}"),
        "/system/users/test123/connections".to_owned(),
    ] {
        assert_eq!(
            server.call("DELETE", &path, "", json!(null)).await.status,
            401
        );
        assert_eq!(
            server
                .call("DELETE", &path, &demo("test123", "user"), json!(null))
                .await
                .code(),
            "forbidden"
        );
    }
    server.notify("still here").await;
    stream.expect("notification").await;
}

#[tokio::test]
async fn a_stream_ends_with_expired_at_the_instant_from_which_its_token_is_refused() {
    let time = SetClock::at("2026-11-23T22:30:15.000Z");
    let settings = [("JWT_SECRET", SECRET), ("HEARTBEAT_INTERVAL", "200ms")];
    let server = start_at(&settings, time.clock()).await;
    let token = jwt(SECRET, time.now(), 30); // and for another 30 seconds by the leeway
    let paths = ["/notifications/stream", "/chat/stream", "/system/heartbeat"];
    let mut streams = Vec::new();
    for path in paths {
        streams.push(server.connected(path, &token).await);
    }
    time.advance(Duration::from_millis(59_999));
    for (path, stream) in paths.iter().zip(&mut streams) {
        // Some heartbeats were in flight. The others came since, and with each of them the server
        // checked the stream.
        for _ in 0..3 {
            stream.expect("heartbeat").await;
        }
        drop(server.connected(path, &token).await);
    }
    time.advance(Duration::from_millis(1));
    for (path, mut stream) in paths.into_iter().zip(streams) {
        let expired = loop {
            match stream.next().await.event.as_str() {
                "heartbeat" => {}
                name => {
                    assert_eq!(name, "expired");
                    break stream.blocks().pop().unwrap();
                }
            }
        };
        assert_eq!((expired.id, expired.retry), (None, None));
        assert_eq!(
            expired.data,
            r#"{"reason":"token_expired","reconnect":false}"#
        );
        assert_eq!(stream.end().await, End::Finished);
        let refused = server.call("GET", path, &token, json!(null)).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (401, "token_expired")
        );
    }
}

#[tokio::test]
async fn a_token_counts_by_the_servers_clock() {
    let ahead = Duration::from_hours(1);
    let system = Clock::system();
    let clock = Clock::from_fn(move || system.now() + ahead);
    let server = start_at(&[("JWT_SECRET", SECRET)], clock.clone()).await;
    let stale = jwt(SECRET, Clock::system().now(), 600);
    assert_eq!(
        server
            .call("GET", "/notifications/stream", &stale, json!(null))
            .await
            .code(),
        "token_expired"
    );
    // A token that stays valid for one to two seconds. If that was too short, the next attempt
    // takes a new one.
    let mut stream = None;
    until(async || {
        let good = jwt(SECRET, clock.now() - Duration::from_secs(58), 30);
        let answer = server
            .call("GET", "/notifications/stream", &good, json!(null))
            .await;
        stream = Some(answer.text());
        answer.status == 200
    })
    .await;
    let blocks = Block::all(&stream.unwrap());
    assert_eq!(
        blocks.last().unwrap().data,
        r#"{"reason":"token_expired","reconnect":false}"#
    );
}
