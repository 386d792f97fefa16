//! A server over a copy of a log, as a node has a copy of a broker's log. The tests check what the
//! server tells its clients when the log loses its end, and when the log does not answer.

#[path = "../../../../hub/tests/support/log_copy.rs"]
mod log_copy;

use axum::Router;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tidings_journal::memory::Retention;
use tidings_journal::{EventId, Position};
use tidings_sse::{Decoded, Decoder, Message};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::*;
use crate::auth::demo;
use crate::server::Server;
use log_copy::{LogAnswer, LogCopy};

struct Node {
    log: Arc<LogCopy>,
    router: Router,
    running: JoinHandle<()>,
}

/// A stream as its client sees it.
struct Stream {
    body: Body,
    decoder: Decoder,
}

impl Node {
    fn start() -> Self {
        let log = LogCopy::new(Retention::default());
        let (router, engine) = Server::builder().assemble_over(log.clone()).unwrap();
        let running =
            tokio::spawn(async move { engine.run(std::future::pending()).await.unwrap() });
        Self {
            log,
            router,
            running,
        }
    }

    async fn call(&self, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", format!("Bearer {}", demo::TOKEN))
            .header("Content-Type", "application/json");
        let answer = self
            .router
            .clone()
            .oneshot(request.body(Body::from(body.to_owned())).unwrap())
            .await
            .unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// Publishes to all users. Returns the event's id.
    async fn publish(&self) -> String {
        let (status, answer) = self
            .call(
                Method::POST,
                "/notifications/broadcast",
                r#"{"title":"T","message":"M"}"#,
            )
            .await;
        assert_eq!(status, StatusCode::OK);
        answer["eventId"].as_str().unwrap().to_owned()
    }

    async fn stream(&self, last_id: Option<&str>) -> Stream {
        let mut request =
            Request::get("/notifications/stream").header("Accept", "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let answer = self
            .router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        Stream {
            body: answer.into_body(),
            decoder: Decoder::new(),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Stream {
    /// Returns the next event; `None` when the stream was cut.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(item) = self.decoder.next() {
                if let Decoded::Event(message) = item.unwrap() {
                    return Some(message);
                }
                continue;
            }
            let frame = self
                .body
                .frame()
                .await
                .expect("a stream whose client should come back is cut, not finished")
                .ok()?;
            self.decoder.push(&frame.into_data().unwrap());
        }
    }

    async fn expect(&mut self, event: &str) -> (String, Value) {
        let message = self.next().await.unwrap();
        assert_eq!(message.event, event, "{}", message.data);
        (message.id, serde_json::from_str(&message.data).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_log_loses_its_end_streams_end_with_busy_and_only_clients_that_saw_a_lost_event_are_reset()
 {
    let node = Node::start();
    let kept = node.publish().await;
    let mut saw_all = node.stream(None).await;
    assert_eq!(saw_all.expect("connected").await.0, kept);
    let lost = node.publish().await;
    assert_eq!(saw_all.expect("notification").await.0, lost);

    node.log.break_after(Position::new(1), Vec::new());
    let (id, busy) = saw_all.expect("busy").await;
    assert_eq!(
        id, lost,
        "the client comes back by the event that it saw last"
    );
    assert_eq!(
        (&busy["reason"], &busy["reconnect"]),
        (&"journal_unavailable".into(), &true.into())
    );
    assert!(
        (500..=5_000).contains(&busy["retry"].as_u64().unwrap()),
        "{busy}"
    );
    assert!(saw_all.next().await.is_none());

    let new = node.publish().await;
    let [lost_id, new_id] = [&lost, &new].map(|id| EventId::parse(id).unwrap());
    assert_eq!(
        lost_id.position, new_id.position,
        "another event has the position of the lost one"
    );
    let mut saw_lost = node.stream(Some(&lost)).await;
    assert_eq!(saw_lost.expect("connected").await.1["resumed"], false);
    let (id, reset) = saw_lost.expect("reset").await;
    assert_eq!((&reset["reason"], id), (&"ahead".into(), new.clone()));
    let mut saw_none_lost = node.stream(Some(&kept)).await;
    assert_eq!(saw_none_lost.expect("connected").await.1["resumed"], true);
    assert_eq!(saw_none_lost.expect("notification").await.0, new);

    let (_, stats) = node.call(Method::GET, "/system/stats", "").await;
    assert_eq!(stats["ended"]["journal_unavailable"], 1, "{stats}");
}

#[tokio::test(start_paused = true)]
async fn while_the_log_does_not_answer_a_stream_with_an_id_ahead_is_busy_and_a_call_with_it_is_a_503()
 {
    let node = Node::start();
    let known = node.publish().await;
    let seen = node.log.append_elsewhere(true, vec![]);
    let ahead = EventId {
        position: Position::new(9),
        ..seen
    }
    .to_string();
    for says in [LogAnswer::Error, LogAnswer::Never] {
        node.log.set_answer(says);
        let (_, busy) = node.stream(Some(&ahead)).await.expect("busy").await;
        assert_eq!(busy["reason"], "journal_unavailable");
        for (method, asked) in [
            (Method::GET, "after"),
            (Method::GET, "before"),
            (Method::DELETE, "until"),
        ] {
            let path = format!("/events?topic=notifications&{asked}={ahead}");
            let (status, answer) = node.call(method, &path, "").await;
            assert_eq!(
                (status, &answer["code"]),
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    &"journal_unavailable".into()
                )
            );
        }
        assert_eq!(
            node.stream(Some(&known)).await.expect("connected").await.1["resumed"],
            true
        );
    }
    node.log.set_answer(LogAnswer::Complete);
    assert_eq!(
        node.stream(Some(&ahead)).await.expect("connected").await.1["resumed"],
        false
    );
}
