//! The server stops while events flow.

use std::net::SocketAddr;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::durable::House;
use crate::support::checks::position;
use crate::support::descriptors::have_room_for;
use crate::support::stream::End;
use crate::support::{ADMIN, Stream, http, in_time};

/// Reads a stream until it is drained. Returns the ids of its events, in order, and how it ended.
async fn until_drained(mut stream: Stream) -> (Vec<String>, End) {
    let mut ids = Vec::new();
    loop {
        let event = stream.next().await;
        if event.event == "draining" {
            return (ids, stream.end().await);
        }
        ids.push(event.last_id);
    }
}

/// Publishes an event. Returns its id if it was acknowledged, and `None` if the server accepts no
/// more or is gone.
async fn publish_or_gone(address: SocketAddr, title: usize) -> Option<String> {
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", bearer.as_str()),
    ];
    let body = json!({"title": title.to_string(), "message": "m"}).to_string();
    let answer = http::attempt(
        address,
        "POST",
        "/notifications/broadcast",
        &headers,
        body.as_bytes(),
    )
    .await?;
    (answer.status == 200).then(|| answer.json()["eventId"].as_str().unwrap().to_owned())
}

/// Publishes until that fails, sends a message to `told` for each event that was acknowledged, and
/// returns their ids.
async fn publish_on(address: SocketAddr, nth: usize, told: mpsc::Sender<()>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while let Some(id) = publish_or_gone(address, nth).await {
        let _ = told.try_send(());
        acknowledged.push(id);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_under_load_loses_nothing_that_was_acknowledged() {
    const STREAMS: usize = 200;
    const LOAD: usize = 40;
    have_room_for(STREAMS as u64);
    let house = House::new();
    let mut server = house.start_with(&[("DRAIN_SECONDS", "3s")]).await;
    let mut readers = Vec::new();
    for _ in 0..STREAMS {
        let stream = server.connected("/notifications/stream", "").await;
        readers.push(tokio::spawn(until_drained(stream)));
    }
    let (told, mut first) = mpsc::channel(LOAD);
    let publishers: JoinSet<_> = (0..4)
        .map(|nth| publish_on(server.address, nth, told.clone()))
        .collect();
    for _ in 0..LOAD {
        in_time(first.recv()).await.unwrap();
    }
    server.begin_stop();
    let mut seen = Vec::new();
    for reader in readers {
        seen.push(in_time(reader).await.unwrap());
    }
    server.stopped().await.unwrap();
    let mut acknowledged: Vec<_> = in_time(publishers.join_all())
        .await
        .into_iter()
        .flatten()
        .collect();
    acknowledged.sort_by_key(|id| position(id));
    drop(server);
    let successor = house.start().await;
    for (ids, end) in &seen {
        assert_eq!(*end, End::Cut);
        // Each stream was open before anything was published, so it has the log from its beginning.
        // The client resumes to get the rest.
        assert_eq!(
            positions(ids),
            (1..=ids.len() as u64).collect::<Vec<_>>(),
            "a hole, or a repeat"
        );
        let mut back = successor
            .resumed(
                "/notifications/stream",
                "",
                ids.last().map_or("earliest", String::as_str),
            )
            .await;
        assert_eq!(back.expect("connected").await.data["resumed"], true);
        let missed = acknowledged
            .iter()
            .filter(|id| position(id) > ids.len() as u64)
            .count();
        let mut all = ids.clone();
        all.extend(
            back.take("notification", missed)
                .await
                .into_iter()
                .map(|event| event.last_id),
        );
        assert_eq!(
            positions(&all),
            (1..=acknowledged.len() as u64).collect::<Vec<_>>(),
            "a hole, or a repeat"
        );
    }
}

fn positions(ids: &[String]) -> Vec<u64> {
    ids.iter().map(|id| position(id)).collect()
}
