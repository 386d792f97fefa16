//! The server stops while events flow.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::descriptors::have_room_for;
use crate::support::stream::{End, Received};
use crate::support::{ADMIN, Answer, Stream, http, in_time, start_with};

/// What a client of a draining server saw.
struct Seen {
    /// The ids of its events, in order.
    ids: Vec<String>,
    draining: Received,
    /// When it was told.
    at: Instant,
    end: End,
}

async fn until_drained(mut stream: Stream) -> Seen {
    let mut ids = Vec::new();
    loop {
        let event = stream.next().await;
        if event.event == "draining" {
            let at = Instant::now();
            return Seen { ids, draining: event, at, end: stream.end().await };
        }
        ids.push(event.last_id);
    }
}

/// The event id of what was acknowledged; `None` when the server takes no more, or is gone.
async fn publish_or_gone(address: SocketAddr, title: usize) -> Option<String> {
    let body = json!({"title": title.to_string(), "message": "m"}).to_string();
    let request = format!(
        "POST /notifications/broadcast HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {ADMIN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(address).await.ok()?;
    socket.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await.ok()?;
    http::parse_head(&bytes)?;
    let answer = Answer::parse(&bytes);
    (answer.status == 200).then(|| answer.json()["eventId"].as_str().unwrap().to_owned())
}

/// Publishes until that fails, and returns what was acknowledged and when.
async fn publish_on(address: SocketAddr, nth: usize) -> Vec<(String, Instant)> {
    let mut acknowledged = Vec::new();
    while let Some(id) = publish_or_gone(address, nth).await {
        acknowledged.push((id, Instant::now()));
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_under_load_loses_nothing_that_was_acknowledged_and_spreads_who_comes_back() {
    const STREAMS: usize = 200;
    const DRAIN: Duration = Duration::from_secs(3);
    have_room_for(STREAMS as u64);
    let mut server = start_with(&[("DRAIN_SECONDS", "3s")]).await;
    let mut readers = Vec::new();
    for _ in 0..STREAMS {
        let stream = server.connected("/notifications/stream", "").await;
        readers.push(tokio::spawn(until_drained(stream)));
    }
    let publishers: JoinSet<_> = (0..4).map(|nth| publish_on(server.address, nth)).collect();
    server.begin_stop();
    let stopping = Instant::now();
    let mut seen = Vec::new();
    for reader in readers {
        seen.push(in_time(reader).await.unwrap());
    }
    server.stopped().await.unwrap();
    let acknowledged: Vec<_> = in_time(publishers.join_all()).await.into_iter().flatten().collect();
    assert!(acknowledged.len() > 20, "no load: {}", acknowledged.len());
    for one in &seen {
        assert_eq!(one.end, End::Cut);
        // All streams were open before anything was published, so each has the log from its beginning.
        let positions: Vec<u64> = one.ids.iter().map(|id| id.rsplit_once('-').unwrap().1.parse().unwrap()).collect();
        assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>(), "a hole, or a repeat");
        // Whatever was acknowledged well before the stream was told to go, it was given; the rest it comes back for.
        let due = acknowledged.iter().filter(|(_, at)| *at + Duration::from_millis(500) < one.at);
        for (id, _) in due {
            assert!(one.ids.contains(id), "{id} was acknowledged and never came");
        }
    }
    spread(&seen, stopping, DRAIN);
}

/// Endings at an even rate, each with a `retry:` of its own: nobody comes back with everybody else.
#[track_caller]
fn spread(seen: &[Seen], stopping: Instant, drain: Duration) {
    let count = seen.len();
    let mut ends: Vec<_> = seen.iter().map(|one| one.at.duration_since(stopping)).collect();
    ends.sort_unstable();
    let half = drain / 2;
    assert!(ends[count / 2] > half.mul_f64(0.6) && ends[count / 2] < half.mul_f64(1.7), "{ends:?}");
    let retries: Vec<_> = seen.iter().map(|one| one.draining.retry.unwrap()).collect();
    assert!(retries.iter().all(|retry| (500..=2_000).contains(retry)), "{retries:?}");
    // Of 200 draws a quarter in each half is far below what chance would do.
    let late = retries.iter().filter(|retry| **retry > 1_250).count();
    assert!((count / 4..=count * 3 / 4).contains(&late), "not spread: {retries:?}");
    // When they come back: no more than a third of them within any half second of the four to five that it takes.
    let mut returns: Vec<_> =
        seen.iter().map(|one| one.at.duration_since(stopping).as_millis() + one.draining.retry.unwrap()).collect();
    returns.sort_unstable();
    let crowded = returns.windows(count / 3).any(|window| window[window.len() - 1] - window[0] < 500);
    assert!(!crowded, "together: {returns:?}");
}
