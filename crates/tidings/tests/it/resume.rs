//! Resuming: a client that sends the last id that it saw gets everything after it, once and in
//! order, or is told that this is not possible.

mod reset;

use serde_json::{Value, json};

use crate::support::descriptors::have_room_for;
use crate::support::{ADMIN, Stream, TestServer, demo, in_time, start, start_with};

/// Publishes `count` notifications whose titles are the numbers from `first` on.
async fn publish(server: &TestServer, first: usize, count: usize) {
    for nth in first..first + count {
        server
            .say(&json!({"title": nth.to_string(), "message": "m"}))
            .await;
    }
}

/// Returns the numbers of the next `count` notifications.
async fn numbers(stream: &mut Stream, count: usize) -> Vec<usize> {
    let events = stream.take("notification", count).await;
    events
        .iter()
        .map(|event| event.data["title"].as_str().unwrap().parse().unwrap())
        .collect()
}

fn position(id: &str) -> u64 {
    id.rsplit_once('-').unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn a_client_that_resumes_receives_missed_events_and_then_new_ones() {
    let server = start().await;
    let mut stream = server.connected("/notifications/stream", "").await;
    let seen = server.notify("seen").await;
    assert_eq!(stream.expect("notification").await.last_id, seen);
    drop(stream);
    let missed = server.notify("missed").await;
    let mut stream = server.resumed("/notifications/stream", "", &seen).await;
    assert_eq!(stream.expect("connected").await.data["resumed"], true);
    assert_eq!(stream.block("notification").await.id, Some(missed));
    let new = server.notify("new").await;
    assert_eq!(stream.block("notification").await.id, Some(new));
}

#[tokio::test]
async fn the_id_of_connected_is_a_cursor_too() {
    let server = start().await;
    let cursor = server.connected("/notifications/stream", "").await.blocks()[0]
        .id
        .clone()
        .unwrap();
    publish(&server, 0, 3).await;
    let mut stream = server.resumed("/notifications/stream", "", &cursor).await;
    stream.expect("connected").await;
    assert_eq!(numbers(&mut stream, 3).await, [0, 1, 2]);
}

#[tokio::test]
async fn an_id_of_one_stream_is_a_cursor_for_every_other() {
    let server = start().await;
    let seen = server.notify("elsewhere").await;
    server
        .post("/chat/message", json!({"roomId": "r", "message": "hi"}))
        .await;
    for path in ["/chat/stream", "/chat/room/r/stream"] {
        let mut stream = server.resumed(path, ADMIN, &seen).await;
        assert_eq!(stream.expect("connected").await.data["resumed"], true);
        assert_eq!(stream.expect("chat-message").await.data["message"], "hi");
    }
}

#[tokio::test]
async fn the_header_overrides_the_query_which_has_three_spellings() {
    let server = start().await;
    let (first, second) = (server.notify("1").await, server.notify("2").await);
    let third = server.notify("3").await;
    for name in ["lastEventId", "last_event_id", "lastEventID"] {
        let path = format!("/notifications/stream?{name}={first}");
        let mut stream = server.connected(&path, "").await;
        assert_eq!(
            stream.block("notification").await.id.as_ref(),
            Some(&second),
            "{name}"
        );
        let mut stream = server.resumed(&path, "", &second).await;
        stream.expect("connected").await;
        assert_eq!(
            stream.block("notification").await.id.as_ref(),
            Some(&third),
            "{name}"
        );
        // An empty id means nothing.
        let mut stream = server.resumed(&path, "", "").await;
        stream.expect("connected").await;
        assert_eq!(
            stream.block("notification").await.id.as_ref(),
            Some(&second),
            "{name}"
        );
        let nothing = server
            .connected(&format!("/notifications/stream?{name}="), "")
            .await;
        assert_eq!(nothing.blocks()[0].id.as_ref(), Some(&third), "{name}");
    }
}

#[tokio::test]
async fn earliest_replays_all_stored_events() {
    let server = start().await;
    publish(&server, 0, 5).await;
    let query = server
        .stream("/notifications/stream?lastEventId=earliest", "")
        .await;
    let header = server
        .resumed("/notifications/stream", "", "earliest")
        .await;
    for mut stream in [query, header] {
        assert_eq!(stream.expect("connected").await.data["resumed"], true);
        assert_eq!(numbers(&mut stream, 5).await, [0, 1, 2, 3, 4]);
    }
}

#[tokio::test]
async fn earliest_of_a_trimmed_log_is_what_is_left_without_a_reset() {
    let server = start_with(&[("JOURNAL_MAX_EVENTS", "3")]).await;
    publish(&server, 0, 10).await;
    let mut stream = server
        .resumed("/notifications/stream", "", "earliest")
        .await;
    assert_eq!(stream.expect("connected").await.data["resumed"], true);
    assert_eq!(numbers(&mut stream, 3).await, [7, 8, 9]);
}

#[tokio::test]
async fn no_event_is_lost_or_repeated_across_disconnects_during_publishes() {
    const EVENTS: usize = 3_000;
    // The publisher is never further ahead than this, so that the reader is sometimes behind and
    // sometimes waits.
    let ahead = tokio::sync::Semaphore::new(50);
    let server = start().await;
    let mut cursor = server.head().await;
    let publishing = async {
        for nth in 0..EVENTS {
            ahead.acquire().await.unwrap().forget();
            publish(&server, nth, 1).await;
        }
    };
    let reading = async {
        let (mut seen, mut connections) = (Vec::new(), 0);
        while seen.len() < EVENTS {
            let mut stream = server.resumed("/notifications/stream", "", &cursor).await;
            assert_eq!(stream.expect("connected").await.data["resumed"], true);
            connections += 1;
            // The number of events differs each time. Later ones that were sent are not read, and
            // must come again.
            for _ in 0..(1 + connections * 7 % 60).min(EVENTS - seen.len()) {
                let event = stream.expect("notification").await;
                assert_eq!(
                    position(&event.last_id),
                    position(&cursor) + 1,
                    "{event:?} after {cursor}"
                );
                seen.push(
                    event.data["title"]
                        .as_str()
                        .unwrap()
                        .parse::<usize>()
                        .unwrap(),
                );
                cursor = event.last_id;
                ahead.add_permits(1);
            }
        }
        seen
    };
    let (seen, ()) = Box::pin(in_time(async { tokio::join!(reading, publishing) })).await;
    assert!(seen.into_iter().eq(0..EVENTS));
}

#[tokio::test]
async fn a_client_that_reads_slowly_loses_nothing() {
    const EVENTS: usize = 1_500;
    // The client may be silent for as long as it likes.
    let server = start_with(&[("MAX_LAG_BYTES", "2MiB"), ("WRITE_TIMEOUT", "1h")]).await;
    let ballast = "x".repeat(10_000);
    let mut stream = Stream::open_on(narrow(&server).await, "/notifications/stream", &[]).await;
    for nth in 0..EVENTS {
        server
            .say(&json!({"title": nth.to_string(), "message": "m", "ballast": ballast}))
            .await;
    }
    stream.expect("connected").await;
    assert!(numbers(&mut stream, EVENTS).await.into_iter().eq(0..EVENTS));
    server.notify("0").await;
    assert_eq!(numbers(&mut stream, 1).await, [0]);
}

/// A connection with small buffers for what its client does not read.
async fn narrow(server: &TestServer) -> tokio::net::TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    socket.connect(server.address).await.unwrap()
}

#[tokio::test]
async fn several_topics_come_merged_in_order_live_and_replayed() {
    let server = start().await;
    let ann = demo("ann", "user");
    let path = "/realtime/stream?entities=a,b";
    let cursor = server.head().await;
    let mut live = server.connected(path, &ann).await;
    let mut published = Vec::new();
    for nth in 0..60 {
        let target = if nth % 3 == 0 {
            "?targetUserId=ann"
        } else {
            ""
        };
        let entity = if nth % 2 == 0 { "a" } else { "b" };
        let body = json!({"entity": entity, "action": "update", "data": nth});
        let answer = server
            .post(&format!("/realtime/update{target}"), body)
            .await;
        published.push((
            answer.json()["eventId"].as_str().unwrap().to_owned(),
            json!(nth),
        ));
        server.notify("between").await; // this event is in no topic of the stream
    }
    let mut back = server.resumed(path, &ann, &cursor).await;
    back.expect("connected").await;
    for stream in [&mut live, &mut back] {
        let events = stream.take("realtime-update", 60).await;
        let seen: Vec<(String, Value)> = events
            .into_iter()
            .map(|event| (event.last_id, event.data["data"].clone()))
            .collect();
        assert_eq!(seen, published);
    }
}

#[tokio::test]
async fn a_replay_is_authorised_by_the_current_token() {
    let server = start().await;
    let cursor = server.head().await;
    let body = json!({"title": "secret", "message": "m", "targetUserId": "ann"});
    server.post("/notifications/send", body).await;
    server.notify("to all").await;
    for token in ["", &demo("bob", "user")] {
        let mut stream = server
            .resumed("/notifications/stream", token, &cursor)
            .await;
        stream.expect("connected").await;
        assert_eq!(stream.expect("notification").await.data["title"], "to all");
    }
    assert_eq!(
        server
            .call(
                "GET",
                &format!("/chat/stream?lastEventId={cursor}"),
                "garbage",
                json!(null)
            )
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn five_hundred_clients_that_come_back_at_once_each_get_everything() {
    have_room_for(500);
    let server = std::sync::Arc::new(start().await);
    let cursor = server.head().await;
    publish(&server, 0, 300).await; // more than a page
    let clients = (0..500).map(|_| {
        let (server, cursor) = (server.clone(), cursor.clone());
        tokio::spawn(async move {
            let mut stream = server.resumed("/notifications/stream", "", &cursor).await;
            stream.expect("connected").await;
            assert!(numbers(&mut stream, 300).await.into_iter().eq(0..300));
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    server.until_nobody_is_left().await;
}

#[tokio::test]
async fn an_id_is_the_same_on_every_stream_and_in_the_answer() {
    let server = start().await;
    let mut live = server.connected("/notifications/stream", "").await;
    let before = server.head().await;
    let published = server.notify("one").await;
    let mut replayed = server.resumed("/notifications/stream", "", &before).await;
    replayed.expect("connected").await;
    for stream in [&mut live, &mut replayed] {
        assert_eq!(
            stream.block("notification").await.id.as_ref(),
            Some(&published)
        );
    }
    let list = server.get("/events?topic=notifications").await.json();
    assert_eq!(list["events"][0]["id"], json!(published));
    assert_eq!(position(&published), position(&before) + 1);
    let (epoch, _) = published.rsplit_once('-').unwrap();
    assert!(before.starts_with(epoch) && epoch.len() == 8, "{published}");
}

#[tokio::test]
async fn each_start_of_a_log_has_an_epoch_of_its_own() {
    let (one, other) = (start().await.head().await, start().await.head().await);
    assert_ne!(one, other);
}
