//! Many clients at once.

use serde_json::json;

use crate::support::descriptors::have_room_for;
use crate::support::{demo, start};

const CROWD: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_reaches_all_of_a_thousand_subscribers_in_order() {
    have_room_for(CROWD as u64);
    let server = start().await;
    let mut readers = Vec::new();
    for _ in 0..CROWD {
        let mut stream = server.connected("/notifications/stream", "").await;
        readers.push(tokio::spawn(async move {
            let events = stream.take("notification", 20).await;
            events
                .into_iter()
                .map(|event| event.last_id)
                .collect::<Vec<_>>()
        }));
    }
    assert_eq!(
        server.get("/system/stats").await.json()["totalConnections"],
        CROWD
    );
    let mut published = Vec::new();
    for nth in 0..20 {
        published.push(server.notify(&nth.to_string()).await);
    }
    for reader in readers {
        assert_eq!(reader.await.unwrap(), published);
    }
    server.until_nobody_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_five_hundred_users_gets_what_is_meant_for_them_and_nothing_else() {
    const USERS: usize = 500;
    have_room_for(USERS as u64);
    let server = start().await;
    let mut readers = Vec::new();
    for user in 0..USERS {
        let mut stream = server
            .connected("/notifications/stream", &demo(&format!("u{user}"), "user"))
            .await;
        readers.push(tokio::spawn(async move {
            let own = stream.expect("notification").await;
            let last = stream.expect("notification").await;
            (own.data["title"].clone(), last.data["title"].clone())
        }));
    }
    for user in 0..USERS {
        let form =
            json!({"title": user.to_string(), "message": "m", "targetUserId": format!("u{user}")});
        server.say(&form).await;
    }
    server.notify("to all").await;
    for (user, reader) in readers.into_iter().enumerate() {
        assert_eq!(
            reader.await.unwrap(),
            (json!(user.to_string()), json!("to all"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_get_heartbeats_and_are_drained() {
    have_room_for(CROWD as u64);
    let mut server =
        crate::support::start_with(&[("HEARTBEAT_INTERVAL", "1s"), ("DRAIN_SECONDS", "1s")]).await;
    let mut streams = Vec::new();
    for _ in 0..CROWD {
        streams.push(server.connected("/realtime/stream", "").await);
    }
    for stream in &mut streams {
        stream.expect("heartbeat").await;
    }
    server.begin_stop();
    let readers: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            tokio::spawn(async move {
                while stream.next().await.event != "draining" {}
                stream.end().await
            })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), crate::support::stream::End::Cut);
    }
    server.stopped().await.unwrap();
}
