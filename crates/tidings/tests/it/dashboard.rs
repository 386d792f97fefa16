//! `GET /system/dashboard/stream`: what an operator sees.

use serde_json::{Value, json};

use crate::support::{ADMIN, demo, start};

#[tokio::test]
async fn the_dashboard_stream_sends_statistics_each_second() {
    let server = start().await;
    let _beside = server.connected("/notifications/stream", "").await;
    server.notify("one").await;
    let mut stream = server.connected("/system/dashboard/stream", ADMIN).await;
    let first = stream.block("stats").await;
    assert_eq!(first.id, None, "it is never stored");
    let told: Value = serde_json::from_str(&first.data).unwrap();
    assert_eq!(told["totalConnections"], 2);
    assert_eq!(
        told["connectionsByType"],
        json!({"dashboard": 1, "heartbeat": 2, "notifications": 1})
    );
    assert_eq!(
        (&told["published"], &told["opened"]["notifications"]),
        (&json!(1), &json!(1))
    );
    let deliveries = told["deliveries"].as_u64().unwrap();
    assert_eq!(told["lag"], json!({"streams": 0, "mostBytes": 0}));
    assert_eq!(told["ended"]["client_left"], 0);
    server.notify("two").await;
    let second = loop {
        let told: Value = serde_json::from_str(&stream.block("stats").await.data).unwrap();
        // One delivery is that of the notification. Another is that of an event of a second ago or
        // more. They are counted when the streams take them.
        if told["published"] == 2 && told["deliveries"].as_u64().unwrap() >= deliveries + 2 {
            break told;
        }
    };
    assert!(second["uptime"].as_f64() > told["uptime"].as_f64());
    assert_eq!(
        (&second["rooms"], &second["roomsInUse"]),
        (&json!([]), &json!(0))
    );
}

#[tokio::test]
async fn the_dashboard_shows_rooms_and_members_with_and_without_streams() {
    let server = start().await;
    let ann = demo("ann", "user");
    let _hears = server.connected("/chat/room/general/stream", &ann).await;
    server
        .call("POST", "/chat/room/general/join", &ann, Value::Null)
        .await;
    server
        .call("POST", "/chat/room/quiet/join", &ann, Value::Null)
        .await;
    let mut stream = server.connected("/system/dashboard/stream", ADMIN).await;
    let told: Value = serde_json::from_str(&stream.block("stats").await.data).unwrap();
    let room = |name, streams| json!({"room": name, "streams": streams, "members": 1, "first": ["ann-name"]});
    assert_eq!(told["rooms"], json!([room("general", 1), room("quiet", 0)]));
    assert_eq!(told["roomsInUse"], 2);
}

#[tokio::test]
async fn only_an_admin_may_open_the_dashboard_stream() {
    let server = start().await;
    let path = "/system/dashboard/stream";
    server.get(path).await.assert_refused(401, "token_missing");
    server
        .call("GET", path, &demo("ann", "user"), Value::Null)
        .await
        .assert_refused(403, "forbidden");
    let events = format!("/events?topic=system/dashboard&token={ADMIN}");
    server.get(&events).await.assert_refused(403, "forbidden");
}
