//! The crash test: a server that is killed and restarted under load, publishers that record what
//! was acknowledged, and clients that reconnect with their last id. At the end, every client has
//! every acknowledged event of its topics, once and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tidings_sse::{Decoded, Decoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::binary::{Place, Process};
use crate::support::{ADMIN, Answer, http, in_time};

/// How many times the server is killed, unless `TIDINGS_KILLS` says otherwise, as `cargo xtask
/// crash` does.
const KILLS: usize = 200;

/// How long a client or publisher that found no server waits before it tries again.
const AWAY: Duration = Duration::from_millis(5);

/// The event that tells each client that it has everything.
const LAST: &str = "the last one";

/// The calls that publish, each with its body and the streams that show it.
const CALLS: [(&str, &str, &[&str]); 3] = [
    (
        "/notifications/broadcast",
        r#"{"title":"@","message":"m"}"#,
        &["/notifications/stream"],
    ),
    (
        "/realtime/update",
        r#"{"entity":"order","action":"update","data":"@"}"#,
        &["/realtime/stream", "/realtime/stream?entities=order,user"],
    ),
    (
        "/chat/message",
        r#"{"roomId":"r","message":"@"}"#,
        &["/chat/stream", "/chat/room/r/stream"],
    ),
];

fn start(directory: &std::path::Path) -> Process {
    Place::new()
        .env("JOURNAL", "disk")
        .env("DATA_DIR", directory.to_str().unwrap())
        .env("LOG_LEVEL", "warn")
        .start(&[])
}

/// Publishes an event. Returns its id if it was acknowledged, and `None` if the server was not
/// there to answer.
async fn publish(address: SocketAddr, path: &str, body: &str) -> Option<String> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {ADMIN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(address).await.ok()?;
    socket.write_all(head.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await.ok()?;
    let (status, headers, length) = http::parse_head(&bytes)?;
    let announced = headers
        .iter()
        .find(|(name, _)| name == "content-length")?
        .1
        .parse()
        .ok()?;
    if bytes.len() - length < announced {
        return None;
    }
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    Some(Answer::parse(&bytes).json()["eventId"].as_str()?.to_owned())
}

/// Publishes with one call until the test is over. Returns the ids that were acknowledged.
async fn publisher(
    nth: usize,
    mut servers: watch::Receiver<Option<SocketAddr>>,
    over: Arc<AtomicBool>,
) -> Vec<String> {
    let (path, body, _) = CALLS[nth % CALLS.len()];
    let mut acknowledged = Vec::new();
    for number in 0_u64.. {
        let address = servers.wait_for(Option::is_some).await.unwrap().unwrap();
        if over.load(Ordering::Relaxed) {
            break;
        }
        match publish(address, path, &body.replace('@', &number.to_string())).await {
            Some(id) => acknowledged.push(id),
            None => tokio::time::sleep(AWAY).await,
        }
    }
    acknowledged
}

/// Follows a stream across all servers until the last event, and returns every id that it saw.
async fn follower(
    path: &'static str,
    mut servers: watch::Receiver<Option<SocketAddr>>,
) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), "earliest".to_owned());
    loop {
        let address = servers.wait_for(Option::is_some).await.unwrap().unwrap();
        if follow(address, path, &mut cursor, &mut ids).await == Some(true) {
            return ids;
        }
        tokio::time::sleep(AWAY).await;
    }
}

/// Follows one stream to its end, over HTTP/1.0, whose bodies have no framing. Returns whether the
/// last event came.
async fn follow(
    address: SocketAddr,
    path: &str,
    cursor: &mut String,
    ids: &mut Vec<String>,
) -> Option<bool> {
    let mut socket = TcpStream::connect(address).await.ok()?;
    let head = format!(
        "GET {path} HTTP/1.0\r\nAuthorization: Bearer {ADMIN}\r\nLast-Event-ID: {cursor}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    let length = loop {
        if let Some((status, _, length)) = http::parse_head(&bytes) {
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
            break length;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut decoder = Decoder::new();
    decoder.push(&bytes[length..]);
    loop {
        for item in decoder.by_ref() {
            let Decoded::Event(message) = item.unwrap() else {
                continue;
            };
            match message.event.as_str() {
                "connected" | "heartbeat" => {}
                "reset" | "busy" => panic!("{path} was told {}: {}", message.event, message.data),
                _ => {
                    ids.push(message.id.clone());
                    if message.data.contains(LAST) {
                        return Some(true);
                    }
                }
            }
            if !message.id.is_empty() {
                cursor.clone_from(&message.id);
            }
        }
        bytes.clear();
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        decoder.push(&bytes);
    }
}

fn position(id: &str) -> u64 {
    id.rsplit_once('-').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_arrive_once_and_in_order_however_often_the_server_is_killed() {
    let kills = std::env::var("TIDINGS_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let launch = async || {
        let path = directory.path().to_owned();
        tokio::task::spawn_blocking(move || start(&path))
            .await
            .unwrap()
    };
    let mut rng = StdRng::seed_from_u64(u64::try_from(kills).unwrap());
    let (servers, listening) = watch::channel(None);
    let over = Arc::new(AtomicBool::new(false));
    let (mut publishers, mut followers) = (JoinSet::new(), JoinSet::new());
    for nth in 0..2 * CALLS.len() {
        let publishing = publisher(nth, listening.clone(), over.clone());
        publishers.spawn(async move { (nth % CALLS.len(), publishing.await) });
    }
    for (call, (_, _, streams)) in CALLS.iter().enumerate() {
        for stream in *streams {
            let following = follower(stream, listening.clone());
            followers.spawn(async move { (call, *stream, following.await) });
        }
    }
    for _ in 0..kills {
        let server = launch().await;
        servers.send_replace(Some(server.addresses[0]));
        // This sleep waits for nothing: the moment at which the server dies is random.
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..100))).await;
        servers.send_replace(None);
        drop(server); // SIGKILL
    }
    over.store(true, Ordering::Relaxed);
    let server = launch().await;
    servers.send_replace(Some(server.addresses[0]));
    let mut acknowledged: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    while let Some(done) = publishers.join_next().await {
        let (call, ids) = done.unwrap();
        acknowledged.entry(call).or_default().extend(ids);
    }
    for (path, body, _) in CALLS {
        publish(server.addresses[0], path, &body.replace('@', LAST))
            .await
            .unwrap();
    }
    while let Some(done) = in_time(followers.join_next()).await {
        let (call, stream, ids) = done.unwrap();
        assert!(
            ids.is_sorted_by_key(|id| position(id)),
            "{stream}: out of order"
        );
        let seen: BTreeSet<_> = ids.iter().map(|id| position(id)).collect();
        assert_eq!(seen.len(), ids.len(), "{stream}: something came twice");
        let ids: BTreeSet<_> = ids.into_iter().collect();
        let lost: Vec<_> = acknowledged[&call]
            .iter()
            .filter(|id| !ids.contains(*id))
            .collect();
        assert!(
            lost.is_empty(),
            "{stream}: {lost:?} were acknowledged and never came"
        );
    }
    let total: usize = acknowledged.values().map(Vec::len).sum();
    assert!(
        total > kills,
        "the server was killed before it could do anything: {total}"
    );
}
