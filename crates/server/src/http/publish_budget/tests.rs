//! A slow log, and more publishes than the budget has space for.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use http::header::RETRY_AFTER;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{
    Append, Appended, Earlier, Epochs, Error as JournalError, EventId, Holding, Journal, Limit,
    Page, Position, Selector, StoredReceipt, Tail, TopicName,
};
use tokio::sync::watch;
use tokio::task::{JoinHandle, yield_now};
use tower::ServiceExt as _;

use super::*;
use crate::auth::demo;
use crate::server::Server;

/// A log whose appends and calls of `certain` wait until it is told that its disk is fast again.
struct SlowLog {
    journal: Memory,
    is_fast: watch::Receiver<bool>,
}

#[async_trait::async_trait]
impl Journal for SlowLog {
    fn epochs(&self) -> Arc<Epochs> {
        self.journal.epochs()
    }

    fn head(&self) -> Position {
        self.journal.head()
    }

    async fn append(&self, append: Append) -> Result<Appended, JournalError> {
        let _ = self.is_fast.clone().wait_for(|is_fast| *is_fast).await;
        self.journal.append(append).await
    }

    async fn certain(&self) -> Result<(), JournalError> {
        let _ = self.is_fast.clone().wait_for(|is_fast| *is_fast).await;
        self.journal.certain().await
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, JournalError> {
        self.journal.receipt(key).await
    }

    fn tail(&self) -> Box<dyn Tail> {
        self.journal.tail()
    }

    async fn read(
        &self,
        of: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, JournalError> {
        self.journal.read(of, after, until, limit).await
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, JournalError> {
        self.journal.oldest(selector).await
    }

    fn floor(&self, selector: &Selector) -> Position {
        self.journal.floor(selector)
    }

    async fn read_before(
        &self,
        of: &Selector,
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, JournalError> {
        self.journal.read_before(of, before, limit).await
    }

    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        self.journal.topics(prefix, after, most)
    }

    async fn erase(
        &self,
        topics: &[TopicName],
        until: EventId,
    ) -> Result<Vec<(TopicName, Position)>, JournalError> {
        self.journal.erase(topics, until).await
    }

    fn knows(&self, topic: &TopicName) -> bool {
        self.journal.knows(topic)
    }

    fn expire(&self, now_ms: i64) {
        self.journal.expire(now_ms);
    }

    fn log_ms(&self) -> i64 {
        self.journal.log_ms()
    }

    fn health(&self) -> Result<(), JournalError> {
        self.journal.health()
    }

    async fn close(&self) {
        self.journal.close().await;
    }
}

/// A server over a slow log.
struct TestServer {
    router: Router,
    log: Arc<SlowLog>,
    speed_up: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl TestServer {
    async fn new() -> Self {
        let (speed_up, is_fast) = watch::channel(false);
        let log = Arc::new(SlowLog {
            journal: Memory::new(Retention::default()),
            is_fast,
        });
        let (router, engine) = Server::builder().assemble_over(log.clone()).unwrap();
        let running =
            tokio::spawn(async move { engine.run(std::future::pending()).await.unwrap() });
        let server = Self {
            router,
            log,
            speed_up,
            running,
        };
        server.settle().await;
        server
    }

    /// Lets every task go on as far as it can. There is only one thread.
    async fn settle(&self) {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    /// Publishes some 200 KiB, and returns once the publish waits for the log or is answered.
    async fn publish(&self, key: Option<usize>) -> JoinHandle<Response> {
        let body = format!(
            r#"{{"title":"T","message":"M","metadata":"{}"}}"#,
            "m".repeat(200 << 10)
        );
        let mut request = Request::post("/notifications/broadcast")
            .header("Authorization", format!("Bearer {}", demo::TOKEN))
            .header("Content-Type", "application/json");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key.to_string());
        }
        self.call(request.body(Body::from(body)).unwrap()).await
    }

    async fn call(&self, request: Request<Body>) -> JoinHandle<Response> {
        let answer = self.router.clone().oneshot(request);
        let publishing = tokio::spawn(async move { answer.await.unwrap() });
        self.settle().await;
        publishing
    }

    /// Publishes until a publish is refused. Returns the publishes that wait, and the refusal.
    async fn fill(&self, is_keyed: bool) -> (Vec<JoinHandle<Response>>, Response) {
        let mut waiting = Vec::new();
        loop {
            let publishing = self.publish(is_keyed.then_some(waiting.len())).await;
            if publishing.is_finished() {
                return (waiting, publishing.await.unwrap());
            }
            waiting.push(publishing);
        }
    }

    /// Lets the log write the publishes that wait, and returns how many events it then has.
    async fn write_all(self, wanted: usize) -> usize {
        self.speed_up.send_replace(true);
        while self.log.head().get() < u64::try_from(wanted).unwrap() {
            yield_now().await;
        }
        self.settle().await;
        self.running.abort();
        usize::try_from(self.log.head().get()).unwrap()
    }
}

#[tokio::test]
async fn publishes_that_wait_for_the_log_hold_no_more_than_the_budget_and_none_is_lost() {
    for is_keyed in [false, true] {
        let server = TestServer::new().await;
        let (waiting, refused) = server.fill(is_keyed).await;
        assert!(
            (100..BUDGET_KIB / 600).contains(&waiting.len()),
            "{}",
            waiting.len()
        );
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()[RETRY_AFTER], "2");
        let body = refused.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], "journal_unavailable");
        assert_eq!(
            server.write_all(waiting.len()).await,
            waiting.len(),
            "the refused one is not in the log"
        );
        for publish in waiting {
            assert_eq!(publish.await.unwrap().status(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn a_publish_with_a_key_holds_its_share_until_it_is_written_even_if_its_caller_left() {
    let server = TestServer::new().await;
    let (waiting, _) = server.fill(true).await;
    for caller in &waiting {
        caller.abort();
    }
    let refused = server.publish(Some(usize::MAX)).await;
    assert_eq!(
        refused.await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(server.write_all(waiting.len()).await, waiting.len());
}

#[tokio::test]
async fn a_publish_without_a_key_gives_its_share_back_when_its_caller_leaves() {
    let server = TestServer::new().await;
    let (waiting, _) = server.fill(false).await;
    for caller in &waiting {
        caller.abort();
    }
    assert!(
        !server.publish(None).await.is_finished(),
        "it fits into the budget again, and waits for the log"
    );
}

#[tokio::test(start_paused = true)]
async fn repetitions_that_only_the_log_recognizes_are_answered_and_not_charged() {
    let server = TestServer::new().await;
    let token = base64::engine::general_purpose::STANDARD.encode("ann:ann:ann@example.com:user");
    let request = |key: &str| {
        let request = Request::post("/notifications/send?targetUserId=bob")
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", key);
        request
            .body(Body::from(r#"{"title":"T","message":"M"}"#))
            .unwrap()
    };
    let mut waiting = Vec::new();
    for _ in 0..50 {
        // A look-up finds no receipt yet.
        waiting.push(server.call(request("k")).await);
    }
    server.speed_up.send_replace(true);
    let mut repeated = 0;
    for call in waiting {
        let answer = call.await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        repeated += usize::from(answer.headers().contains_key("idempotency-replayed"));
    }
    assert_eq!((repeated, server.log.head().get()), (49, 1));
    let next = server.call(request("other")).await.await.unwrap();
    let state = next.headers()["ratelimit"].to_str().unwrap();
    assert!(state.starts_with(r#""events";r=198;"#), "{state}");
}

#[tokio::test(start_paused = true)]
async fn a_repetition_of_a_publish_in_flight_gets_its_answer_even_if_its_caller_is_over_the_rate_limit()
 {
    let server = TestServer::new().await;
    let token = base64::engine::general_purpose::STANDARD.encode("ann:ann:ann@example.com:user");
    let request = |key: Option<&str>, title: &str| {
        let mut request = Request::post("/notifications/send?targetUserId=bob")
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        request
            .body(Body::from(format!(
                r#"{{"title":"{title}","message":"M"}}"#
            )))
            .unwrap()
    };
    let first = server.call(request(Some("k"), "T")).await;
    let mut others = Vec::new();
    let refused = loop {
        let other = server.call(request(None, "T")).await;
        if other.is_finished() {
            break other.await.unwrap();
        }
        others.push(other);
    };
    assert_eq!(
        (refused.status(), others.len()),
        (StatusCode::TOO_MANY_REQUESTS, 199)
    );
    let new = server.call(request(Some("new"), "T")).await.await.unwrap();
    assert_eq!(
        new.status(),
        StatusCode::TOO_MANY_REQUESTS,
        "it repeats nothing"
    );
    let repeated = server.call(request(Some("k"), "T")).await;
    let conflict = server.call(request(Some("k"), "U")).await;
    assert!(
        !repeated.is_finished() && !conflict.is_finished(),
        "the first has no answer yet"
    );
    server.speed_up.send_replace(true);
    let mut bodies = Vec::new();
    for call in [first, repeated] {
        let answer = call.await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        bodies.push(answer.into_body().collect().await.unwrap().to_bytes());
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(
        conflict.await.unwrap().status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    for other in others {
        assert_eq!(other.await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(server.log.head().get(), 200);
}

#[tokio::test]
async fn a_caller_that_leaves_while_joining_a_room_has_joined_and_the_room_is_told() {
    let server = TestServer::new().await;
    let join = Request::post("/chat/room/r/join")
        .header("Authorization", format!("Bearer {}", demo::TOKEN));
    server.call(join.body(Body::empty()).unwrap()).await.abort();
    assert_eq!(
        server.write_all(2).await,
        2,
        "the message to the room, and the membership"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_the_log_to_be_certain_does_not_delay_pages_for_others() {
    let server = TestServer::new().await;
    let page = |query: &str| {
        let request = Request::get(format!("/events?topic=notifications{query}"));
        request
            .header("Authorization", format!("Bearer {}", demo::TOKEN))
            .body(Body::empty())
            .unwrap()
    };
    let ahead = server.log.epochs().id_of(Position::new(100));
    for way in ["after", "before"] {
        for _ in 0..10 {
            assert!(
                !server
                    .call(page(&format!("&{way}={ahead}")))
                    .await
                    .is_finished()
            );
        }
    }
    let other = server.call(page("")).await;
    assert!(other.is_finished());
    assert_eq!(other.await.unwrap().status(), StatusCode::OK);
}

#[test]
fn the_largest_body_takes_the_whole_budget_and_fits_into_it() {
    let publish_budget = PublishBudget::default();
    let share = publish_budget.reserve(usize::MAX >> 12).unwrap();
    assert!(publish_budget.reserve(0).is_err());
    drop(share);
    assert!(publish_budget.reserve(0).is_ok());
}
