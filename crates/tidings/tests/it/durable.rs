//! The log on disk, from outside: every acknowledged event is there under its id, however the
//! process ended.

mod backups;
mod clocks;
mod damage;
mod erasures;
mod kills;
mod rooms;
mod troubles;
mod upgrades;

use serde_json::json;
use tempfile::TempDir;
use tidings_journal_disk::OpenError;
use tidings_server::Server;
use tidings_server::server::Error;

use crate::support::binary::Place;
use crate::support::{ADMIN, TestServer, config, demo, start_built, start_on, until};

/// A directory, and the servers that keep their log in it, one after the other.
pub(crate) struct House(TempDir);

impl House {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    /// Starts a server. This may take several attempts, because a process that another test starts
    /// has a copy of every lock between `fork` and `exec`.
    pub(crate) async fn start(&self) -> TestServer {
        self.start_with(&[]).await
    }

    pub(crate) async fn start_with(&self, more: &[(&str, &str)]) -> TestServer {
        let mut built = None;
        let settings = [&[("JOURNAL", "disk"), ("DATA_DIR", self.path())], more].concat();
        until(async || {
            let config = config(&settings).unwrap();
            match Server::builder().config(config).build() {
                Err(Error::Open(OpenError::InUse { .. })) => false,
                other => {
                    built = Some(other.unwrap());
                    true
                }
            }
        })
        .await;
        start_built(built.unwrap())
    }

    /// Stops `server` gracefully and starts the next one.
    async fn restart(&self, mut server: TestServer) -> TestServer {
        server.stopped().await.unwrap();
        drop(server);
        self.start().await
    }
}

#[tokio::test]
async fn a_client_resumes_after_a_restart_and_misses_nothing() {
    let house = House::new();
    let server = house.start().await;
    let seen = server.notify("seen").await;
    let missed = server.notify("missed").await;
    let server = house.restart(server).await;
    let mut stream = server.resumed("/notifications/stream", "", &seen).await;
    assert_eq!(stream.expect("connected").await.data["resumed"], true);
    assert_eq!(stream.expect("notification").await.last_id, missed);
    let new = server.notify("new").await;
    assert_eq!(stream.expect("notification").await.last_id, new);
    assert_ne!(
        new.split('-').next(),
        seen.split('-').next(),
        "each opening is an epoch of its own"
    );
    let mut all = server
        .resumed("/notifications/stream", "", "earliest")
        .await;
    all.expect("connected").await;
    for id in [&seen, &missed, &new] {
        assert_eq!(all.expect("notification").await.last_id, *id);
    }
    let page = server.get("/events?topic=notifications").await.json();
    assert_eq!(
        page["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| &event["id"])
            .collect::<Vec<_>>(),
        [&seen, &missed, &new]
    );
}

#[tokio::test]
async fn an_id_above_the_end_of_its_epoch_is_ahead_and_one_of_another_log_is_unknown() {
    let house = House::new();
    let server = house.start().await;
    let id = server.notify("one").await;
    let server = house.restart(server).await;
    server.notify("two").await;
    let (epoch, _) = id.split_once('-').unwrap();
    for (cursor, reason) in [
        (format!("{epoch}-2"), "ahead"),
        ("00000000-1".to_owned(), "epoch"),
    ] {
        let mut stream = server.resumed("/notifications/stream", "", &cursor).await;
        assert_eq!(stream.expect("connected").await.data["resumed"], false);
        assert_eq!(
            stream.expect("reset").await.data["reason"],
            reason,
            "{cursor}"
        );
    }
}

#[tokio::test]
async fn an_idempotency_key_holds_across_a_restart() {
    let house = House::new();
    let server = house.start().await;
    let body = json!({"title": "T", "message": "M"}).to_string();
    let post = async |server: &TestServer, body: &str| {
        let bearer = format!("Bearer {ADMIN}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "k"),
        ];
        server
            .request("POST", "/notifications/send", &headers, body.as_bytes())
            .await
    };
    let first = post(&server, &body).await;
    assert_eq!(first.status, 200);
    let server = house.restart(server).await;
    let repeat = post(&server, &body).await;
    assert_eq!(
        (repeat.status, repeat.header("idempotency-replayed")),
        (200, Some("true"))
    );
    assert_eq!(repeat.body, first.body);
    let other = json!({"title": "other", "message": "M"}).to_string();
    assert_eq!(post(&server, &other).await.status, 422);
    let events = server.get("/events?topic=notifications").await.json();
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_latest_status_of_each_service_survives() {
    let house = House::new();
    let server = house.start().await;
    for status in ["offline", "online"] {
        server
            .post(
                "/system/status/update",
                json!({"service": "db", "status": status}),
            )
            .await;
    }
    let server = house.restart(server).await;
    let mut stream = server.stream("/system/status/stream", "").await;
    stream.expect("connected").await;
    assert_eq!(
        stream.expect("system-status").await.data["status"],
        "online"
    );
    assert_eq!(stream.expect("synced").await.data["count"], 1);
}

#[test]
fn by_default_the_log_is_in_the_directory_data_and_the_banner_says_so() {
    let place = Place::bare();
    let data = place.path().join("data");
    let mut server = place.start(&[]);
    assert!(
        server
            .said()
            .contains("journal    ./data, on disk, sync always"),
        "{}",
        server.said()
    );
    assert!(data.join("FORMAT").exists());
    server.signal("TERM");
    assert!(server.ended().success());
}

#[tokio::test]
async fn journal_keep_limits_single_topics() {
    let house = House::new();
    let keep = (
        "JOURNAL_KEEP",
        "notifications/user/*=1events,chat/room/*=2events",
    );
    let on_disk = house.start_with(&[keep]).await;
    let in_memory = crate::support::start_with(&[("JOURNAL", "memory"), keep]).await;
    for server in [on_disk, in_memory] {
        for nth in 0..3 {
            server
                .post(
                    "/chat/message",
                    json!({"roomId": "r", "message": nth.to_string()}),
                )
                .await;
            server
                .post(
                    "/notifications/send?targetUserId=ann",
                    json!({"title": nth.to_string(), "message": "m"}),
                )
                .await;
            server.notify("to all").await;
        }
        let count = async |topic: &str, token: &str| server.kept(topic, token).await.len();
        until(async || count("chat/room/r", ADMIN).await == 2).await;
        until(async || count("notifications/user/ann", &demo("ann", "user")).await == 1).await;
        assert_eq!(count("notifications", ADMIN).await, 3, "no rule matches it");
        let mut stream = server
            .resumed("/chat/room/r/stream", ADMIN, "earliest")
            .await;
        stream.expect("connected").await;
        assert_eq!(
            stream.expect("chat-message").await.data["message"],
            "1",
            "the two newest"
        );
    }
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_refused() {
    let house = House::new();
    let _server = house.start().await;
    let second = config(&[("JOURNAL", "disk"), ("DATA_DIR", house.path())]).unwrap();
    let error = Server::builder()
        .config(second)
        .build()
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains(house.path()) && error.contains("in use"),
        "{error}"
    );
    let refusal = Place::new()
        .env("JOURNAL", "disk")
        .env("DATA_DIR", house.path())
        .env("PORT", "0")
        .refusal(&[]);
    assert!(refusal.contains(house.path()), "{refusal}");
    // The first server is not affected.
    assert_eq!(
        start_on(Server::builder().config(config(&[]).unwrap()))
            .get("/health/ready")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_directory_that_can_not_be_one_is_refused_with_a_clear_line() {
    let place = Place::new().file("data", "a file");
    let refusal = place.env("JOURNAL", "disk").env("PORT", "0").refusal(&[]);
    assert!(refusal.contains("data"), "{refusal}");
}
