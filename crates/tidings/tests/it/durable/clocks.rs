//! Setting the wall clock loses no event, in any log.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use serde_json::json;
use tidings_hub::Clock;
use tidings_server::Server;

use super::House;
use crate::support::{ADMIN, TestServer, config, start_on, until};

/// Clocks that a test moves: the time that passes, and how far the wall clock was set, both in
/// milliseconds.
#[derive(Clone, Default)]
struct Hands {
    passed: Arc<AtomicI64>,
    set: Arc<AtomicI64>,
}

impl Hands {
    fn clock(&self) -> Clock {
        let (wall, steady) = (self.clone(), self.clone());
        let now = move || {
            1_800_000_000_000 + wall.passed.load(Ordering::SeqCst) + wall.set.load(Ordering::SeqCst)
        };
        Clock::from_fns(
            move || Timestamp::from_millisecond(now()).unwrap(),
            move || steady.passed.load(Ordering::SeqCst),
        )
    }

    fn pass(&self, ms: i64) {
        self.passed.fetch_add(ms, Ordering::SeqCst);
    }

    fn set(&self, ms: i64) {
        self.set.fetch_add(ms, Ordering::SeqCst);
    }
}

const DAY: i64 = 86_400_000;

/// Waits until the log has trimmed everything that is too old by now. The topic `probe` keeps its
/// messages for a minute.
async fn let_go(server: &TestServer, hands: &Hands) {
    server
        .post("/chat/message", json!({"roomId": "probe", "message": "m"}))
        .await;
    hands.pass(61_000);
    until(async || {
        let page = server
            .call("GET", "/events?topic=chat/room/probe", ADMIN, json!(null))
            .await
            .json();
        page["events"].as_array().unwrap().is_empty()
    })
    .await;
}

async fn kept(server: &TestServer) -> Vec<String> {
    let page = server.get("/events?topic=notifications").await.json();
    page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_and_set_back_costs_nothing() {
    let house = House::new();
    let settings = [
        ("JOURNAL", "disk"),
        ("DATA_DIR", house.path()),
        ("JOURNAL_MAX_AGE", "1h"),
        ("JOURNAL_KEEP", "chat/room/probe=1m"),
    ];
    let hands = Hands::default();
    let server = start_on(
        Server::builder()
            .config(config(&settings).unwrap())
            .clock(hands.clock()),
    );
    let mut ids = vec![server.notify("before").await];
    for set in [10 * DAY, -20 * DAY, 25 * 365 * DAY] {
        hands.set(set);
        let_go(&server, &hands).await;
        ids.push(server.notify("meanwhile").await);
        let_go(&server, &hands).await;
        assert_eq!(kept(&server).await, ids, "after {set} ms");
    }
    hands.pass(53 * 60_000);
    let_go(&server, &hands).await;
    let_go(&server, &hands).await;
    let left = kept(&server).await;
    assert!(
        !left.contains(&ids[0]) && left.ends_with(&ids[3..]),
        "by the time that passes, they go one by one"
    );
    hands.pass(3_600_000);
    let_go(&server, &hands).await;
    assert_eq!(kept(&server).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_wrong_clock_costs_nothing() {
    let house = House::new();
    let settings = [
        ("JOURNAL", "disk"),
        ("DATA_DIR", house.path()),
        ("JOURNAL_MAX_AGE", "1h"),
        ("JOURNAL_KEEP", "chat/room/probe=1m"),
    ];
    let mut ids = Vec::new();
    let hands = Hands::default();
    for wrong in [0, 10 * DAY, -25 * 365 * DAY, 0] {
        hands.set(wrong);
        let mut built = None;
        until(async || {
            built = Server::builder()
                .config(config(&settings).unwrap())
                .clock(hands.clock())
                .build()
                .ok();
            built.is_some()
        })
        .await;
        let mut server = crate::support::start_built(built.unwrap());
        ids.push(server.notify("published").await);
        let_go(&server, &hands).await;
        hands.set(-wrong);
        let_go(&server, &hands).await;
        assert_eq!(kept(&server).await, ids, "after {wrong} ms");
        server.stopped().await.unwrap();
    }
}
