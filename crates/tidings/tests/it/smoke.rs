use serde_json::json;

use crate::support::{ADMIN, start, stream::End};

#[tokio::test]
async fn an_event_goes_from_publish_to_socket_and_the_server_says_goodbye() {
    let mut server = start().await;
    let mut stream = server.stream("/notifications/stream", ADMIN).await;
    assert_eq!(stream.expect("connected").await.retry, Some(3000));
    server.post("/notifications/send", json!({"title": "T", "message": "M"})).await;
    assert_eq!(stream.expect("notification").await.data["title"], "T");
    server.begin_stop();
    let draining = stream.expect("draining").await;
    assert_eq!(draining.data["reconnect"], true);
    assert_eq!(stream.end().await, End::Cut);
    server.stopped().await.unwrap();
}

#[tokio::test]
async fn a_head_request_answers_the_head_of_a_stream_and_opens_nothing() {
    let server = start().await;
    let head = server.request("HEAD", "/notifications/stream", &[], b"").await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("content-length"), None, "a stream has no length");
    assert!(head.body.is_empty());
    assert_eq!(server.get("/system/stats").await.json()["totalConnections"], 0);
}
