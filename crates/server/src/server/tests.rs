//! Two servers share one log: each publish, join and leave happens once, whichever server gets the
//! call.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{Append, Appended, Bounds, Limit, Position, Record, Selector, TopicName};
use tidings_journal_disk::{self as disk, Disk};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;

use super::*;

/// A generous limit, which is reached only when something hangs.
const PATIENCE: Duration = Duration::from_mins(2);

const BROADCAST: &str = "/notifications/broadcast";

/// A server.
struct Node {
    router: Router,
    running: Option<JoinHandle<()>>,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    is_replayed: bool,
    body: Value,
}

impl Node {
    /// Creates a server that does not deliver yet, and the engine that makes it deliver.
    fn new(journal: &Arc<dyn Journal>, config: Config) -> (Self, Engine) {
        let (router, engine) = Server::builder()
            .config(config)
            .assemble_over(journal.clone())
            .unwrap();
        (
            Self {
                router,
                running: None,
            },
            engine,
        )
    }

    fn running(journal: &Arc<dyn Journal>, config: Config) -> Self {
        let (mut node, engine) = Self::new(journal, config);
        node.run(engine);
        node
    }

    fn run(&mut self, engine: Engine) {
        self.running = Some(tokio::spawn(async move {
            engine.run(std::future::pending()).await.unwrap();
        }));
    }

    async fn send(&self, request: Request<Body>) -> Response {
        tokio::time::timeout(PATIENCE, self.router.clone().oneshot(request))
            .await
            .unwrap()
            .unwrap()
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        user: &str,
        key: Option<&str>,
        body: Value,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", bearer(user));
        let request = key.into_iter().fold(request, |request, key| {
            request.header("Idempotency-Key", key)
        });
        let request = request.header("Content-Type", "application/json");
        let response = self
            .send(request.body(Body::from(body.to_string())).unwrap())
            .await;
        let (status, is_replayed) = (
            response.status(),
            response.headers().contains_key("idempotency-replayed"),
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            is_replayed,
            body: serde_json::from_slice(&body).unwrap(),
        }
    }

    async fn post(&self, path: &str, user: &str, key: Option<&str>) -> Answer {
        self.call("POST", path, user, key, Value::Null).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, "admin", None, Value::Null).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        answer.body
    }

    /// The messages in the room, oldest first.
    async fn messages(&self, room: &str) -> Vec<String> {
        let page = self
            .get(&format!("/events?topic=chat/room/{room}&limit=1000"))
            .await;
        let text = |event: &Value| event["data"]["message"].as_str().unwrap().to_owned();
        page["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(text)
            .collect()
    }

    async fn members(&self, room: &str) -> Vec<String> {
        let answer = self.get(&format!("/chat/room/{room}/members")).await;
        let id = |member: &Value| member["userId"].as_str().unwrap().to_owned();
        answer["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(id)
            .collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

fn bearer(user: &str) -> String {
    let token = format!("{user}:{user}-name:{user}@example.com:user,admin");
    format!(
        "Bearer {}",
        base64::engine::general_purpose::STANDARD.encode(token)
    )
}

fn on_disk(dir: &TempDir) -> Arc<dyn Journal> {
    Arc::new(Disk::open(disk::Options::new(dir.path())).unwrap())
}

/// One log of each kind. `dir` is the directory of the log on disk.
fn logs(dir: &TempDir) -> [Arc<dyn Journal>; 2] {
    [Arc::new(Memory::new(Retention::default())), on_disk(dir)]
}

/// Two running servers.
fn two_servers(journal: &Arc<dyn Journal>) -> [Arc<Node>; 2] {
    [(); 2].map(|()| Arc::new(Node::running(journal, Config::default())))
}

/// Waits until `condition` is true, because one server shows a moment later what the other has
/// answered.
async fn until(condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

/// Makes `calls` calls at once, alternately at both servers. `call` gets the number of the call.
async fn at_once<C>(
    nodes: &[Arc<Node>; 2],
    calls: usize,
    call: impl Fn(Arc<Node>, usize) -> C,
) -> Vec<Answer>
where
    C: Future<Output = Answer> + Send + 'static,
{
    (0..calls)
        .map(|nth| call(nodes[nth % 2].clone(), nth))
        .collect::<JoinSet<_>>()
        .join_all()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_publishes_with_one_key_at_both_servers_one_is_published_and_all_get_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    for journal in logs(&dir) {
        let nodes = two_servers(&journal);
        for round in 0..20 {
            let key = format!("k{round}");
            let answers = at_once(&nodes, 8, |node, _| {
                let key = key.clone();
                async move {
                    let body = json!({ "title": "T", "message": "M" });
                    node.call("POST", BROADCAST, "ann", Some(&key), body).await
                }
            })
            .await;
            assert_eq!(
                answers.iter().filter(|answer| !answer.is_replayed).count(),
                1,
                "{answers:?}"
            );
            assert!(answers.iter().all(|answer| answer.status == StatusCode::OK && answer.body == answers[0].body));
        }
        for node in &nodes {
            let page = node.get("/events?topic=notifications").await;
            assert_eq!(page["events"].as_array().unwrap().len(), 20);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_publishes_with_one_key_and_different_bodies_one_is_published_and_the_others_conflict() {
    let dir = tempfile::tempdir().unwrap();
    for journal in logs(&dir) {
        let nodes = two_servers(&journal);
        let answers = at_once(&nodes, 8, |node, nth| async move {
            let body = json!({ "title": nth.to_string(), "message": "M" });
            node.call("POST", BROADCAST, "ann", Some("k"), body).await
        })
        .await;
        let (good, bad): (Vec<_>, Vec<_>) = answers
            .iter()
            .partition(|answer| answer.status == StatusCode::OK);
        assert_eq!(good.len(), 1, "{answers:?}");
        assert!(
            bad.iter()
                .all(|answer| answer.body["code"] == "idempotency_conflict"),
            "{bad:?}"
        );
        assert_eq!(
            nodes[0].get("/events?topic=notifications").await["events"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simultaneous_joins_and_leaves_of_a_user_at_both_servers_happen_once_and_both_know() {
    let dir = tempfile::tempdir().unwrap();
    for journal in logs(&dir) {
        let nodes = two_servers(&journal);
        for round in 0..10 {
            let user = format!("u{round}");
            let at_both = async |what: &str| {
                let path = format!("/chat/room/r/{what}");
                let answers = at_once(&nodes, 6, |node, _| {
                    let (path, user) = (path.clone(), user.clone());
                    async move { node.post(&path, &user, None).await }
                })
                .await;
                assert!(
                    answers.iter().all(|answer| answer.status == StatusCode::OK),
                    "{answers:?}"
                );
                nodes.clone()
            };
            for node in at_both("join").await {
                assert_eq!(node.members("r").await, std::slice::from_ref(&user));
            }
            for node in at_both("leave").await {
                assert_eq!(node.members("r").await, [""; 0]);
            }
        }
        let messages_of = |round| {
            [
                format!("u{round}-name joined the room"),
                format!("u{round}-name left the room"),
            ]
        };
        assert_eq!(
            nodes[1].messages("r").await,
            (0..10).flat_map(messages_of).collect::<Vec<_>>(),
            "the room was told of each once"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_can_leave_at_the_other_server_as_soon_as_the_join_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    for journal in logs(&dir) {
        let nodes = two_servers(&journal);
        for _ in 0..50 {
            nodes[0].post("/chat/room/r/join", "ann", None).await;
            nodes[1].post("/chat/room/r/leave", "ann", None).await;
        }
        assert_eq!(
            nodes[1].messages("r").await.len(),
            100,
            "no leave was taken for that of a user who is no member"
        );
        assert_eq!(nodes[1].members("r").await, [""; 0]);
    }
}

#[tokio::test]
async fn a_repeated_join_gets_the_first_answer_and_does_not_bring_back_a_user_who_has_left() {
    let dir = tempfile::tempdir().unwrap();
    for journal in logs(&dir) {
        let [one, other] = two_servers(&journal);
        one.post("/chat/room/r/join", "ann", None).await;
        let refused = one.post("/chat/room/r/join", "ann", Some("k")).await;
        assert_eq!(
            (refused.status, refused.is_replayed),
            (StatusCode::OK, false)
        );
        other.post("/chat/room/r/leave", "ann", None).await;
        for node in [&one, &other] {
            let repeat = node.post("/chat/room/r/join", "ann", Some("k")).await;
            assert_eq!(
                repeat,
                Answer {
                    is_replayed: true,
                    ..refused.clone()
                }
            );
        }
        until(async || one.members("r").await.is_empty()).await;
        assert_eq!(other.members("r").await, [""; 0]);
        assert_eq!(
            other.messages("r").await,
            ["ann-name joined the room", "ann-name left the room"]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_grace_is_over_at_both_servers_leaves_once() {
    let dir = tempfile::tempdir().unwrap();
    for journal in logs(&dir) {
        let mut config = Config::default();
        config.streams.presence_grace = Duration::from_millis(1);
        let nodes = [(); 2].map(|()| Node::running(&journal, config.clone()));
        for round in 0..10 {
            nodes[round % 2]
                .post("/chat/room/r/join", "ann", None)
                .await;
            for node in &nodes {
                until(async || node.messages("r").await.len() >= 2 * (round + 1)).await;
            }
        }
        let each = ["ann-name joined the room", "ann-name left the room"];
        assert_eq!(nodes[1].messages("r").await, each.repeat(10));
    }
}

#[tokio::test]
async fn a_user_who_is_erased_while_a_server_starts_is_a_member_of_no_room_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    for journal in logs(&dir) {
        let before = Node::running(&journal, Config::default());
        before.post("/chat/room/r/join", "ann", None).await;
        drop(before);
        // The same membership in the form of version 0.1, which is still to be converted.
        let slot = Record {
            topics: [crate::topic_names::members()].into(),
            event: "member".into(),
            key: Some("0".into()),
            data: r#"{"room":"s","userId":"ann","username":"Ann","joinedAt":7}"#.into(),
            at_ms: 0,
            ends_key: false,
        };
        journal.append(Append::from(vec![slot])).await.unwrap();
        let (mut node, engine) = Node::new(&journal, Config::default());
        let router = node.router.clone();
        let request = Request::delete("/users/ann").header("Authorization", bearer("admin"));
        let erasing = tokio::spawn(router.oneshot(request.body(Body::empty()).unwrap()));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        node.run(engine);
        let erased = tokio::time::timeout(PATIENCE, erasing)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(erased.status(), StatusCode::OK);
        let body = erased.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (
                &body["memberships"],
                node.members("r").await.len(),
                node.members("s").await.len()
            ),
            (&json!(2), 0, 0)
        );
    }
}

#[tokio::test]
async fn a_stream_resumes_after_an_id_that_its_server_has_not_shown_yet() {
    let dir = tempfile::tempdir().unwrap();
    for journal in logs(&dir) {
        let one = Node::running(&journal, Config::default());
        let (mut other, engine) = Node::new(&journal, Config::default());
        let notify = async || {
            let body = json!({ "title": "T", "message": "M" });
            let answer = one.call("POST", BROADCAST, "ann", None, body).await;
            answer.body["eventId"].as_str().unwrap().to_owned()
        };
        let seen = notify().await;
        let request = Request::get("/notifications/stream").header("Accept", "text/event-stream");
        let request = request
            .header("Last-Event-ID", &seen)
            .body(Body::empty())
            .unwrap();
        let router = other.router.clone();
        let opening = tokio::spawn(async move { router.oneshot(request).await.unwrap() });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(
            !opening.is_finished(),
            "the id is not judged before the server delivers"
        );
        other.run(engine);
        let mut stream = tokio::time::timeout(PATIENCE, opening)
            .await
            .unwrap()
            .unwrap()
            .into_body();
        let next = notify().await;
        let mut read = String::new();
        while !read.contains(&format!("id: {next}\n")) && !read.contains(&format!("id:{next}\n")) {
            let frame = tokio::time::timeout(PATIENCE, stream.frame())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            read.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
        assert!(
            read.contains(r#""resumed":true"#) && !read.contains("reset"),
            "{read}"
        );
        assert_eq!(
            read.matches("event: notification").count()
                + read.matches("event:notification").count(),
            1,
            "{read}"
        );
    }
}

#[tokio::test]
async fn a_membership_beyond_the_limit_of_keys_is_refused_and_the_room_is_not_told() {
    let bounds = Bounds::of_each(2);
    let journal: Arc<dyn Journal> = Arc::new(Memory::new(Retention {
        bounds,
        ..Retention::default()
    }));
    let [one, other] = two_servers(&journal);
    one.post("/chat/room/r/join", "ann", None).await;
    other.post("/chat/room/r/join", "bob", None).await;
    for (node, key) in [(&one, None), (&other, Some("k"))] {
        let refused = node.post("/chat/room/r/join", "cem", key).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("too_many_keys"))
        );
    }
    assert_eq!(
        one.post("/chat/room/r/join", "ann", None).await.status,
        StatusCode::OK,
        "a member has nothing to join"
    );
    one.post("/chat/room/r/leave", "bob", None).await;
    let joined = other.post("/chat/room/r/join", "cem", Some("k")).await;
    assert_eq!(
        (joined.status, joined.is_replayed),
        (StatusCode::OK, false),
        "the refused join left no receipt"
    );
    assert_eq!(other.members("r").await, ["ann", "cem"]);
    let update = async |service: &str| {
        let body = json!({ "service": service, "status": "online" });
        one.call("POST", "/system/status/update", "ann", None, body)
            .await
            .status
    };
    let statuses = [
        update("a").await,
        update("b").await,
        update("c").await,
        update("a").await,
    ];
    assert_eq!(statuses.map(|status| status.as_u16()), [200, 200, 503, 200]);
}

/// Writes records in the form of version 0.1: the key is a number, and a free slot is `null`. Every
/// third slot is free.
async fn fill_slots(journal: &Arc<dyn Journal>, slots: usize) {
    let topics: Arc<[TopicName]> = [TopicName::parse("_members").unwrap()].into();
    let slot = |nth: usize| Record {
        topics: topics.clone(),
        event: "member".into(),
        key: Some(nth.to_string().into()),
        data: match nth % 3 {
            0 => "null".into(),
            _ => json!({"room": "r", "userId": format!("u{nth}"), "username": "N", "joinedAt": 7})
                .to_string()
                .into(),
        },
        at_ms: 0,
        ends_key: false,
    };
    journal
        .append(Append::from((0..slots).map(slot).collect::<Vec<_>>()))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_version_0_1_are_kept_and_are_converted_once_whichever_server_does_it() {
    let dir = tempfile::tempdir().unwrap();
    for (nth, journal) in logs(&dir).into_iter().enumerate() {
        fill_slots(&journal, 900).await;
        let nodes = two_servers(&journal);
        tokio::join!(
            nodes[0].post("/chat/room/r/leave", "u1", None),
            nodes[1].post("/chat/room/r/leave", "u2", None)
        );
        nodes[1].post("/chat/room/r/join", "u2", None).await;
        nodes[1].post("/chat/room/r/join", "u4", None).await; // already a member
        assert_eq!(nodes[1].messages("r").await.len(), 3);
        let members = nodes[1].members("r").await;
        assert_eq!(members.len(), 599);
        until(async || nodes[0].members("r").await == members).await;
        assert!(!members.contains(&"u1".to_owned()));
        // Each member's record was replaced, which takes two records, and each free slot was ended,
        // which takes one. Then two users left and one joined.
        assert_eq!(journal.head().get(), 900 + 600 * 2 + 300 + 2 * 3);
        let of_members = Selector::topics([TopicName::parse("_members").unwrap()]);
        let page = journal
            .read(&of_members, Position::START, journal.head(), Limit::NONE)
            .await
            .unwrap();
        let live = page.entries.iter().filter(|entry| entry.record.is_keyed());
        let keys: Vec<_> = live
            .map(|entry| entry.record.key.clone().unwrap())
            .collect();
        assert!(
            keys.len() == 599 && keys.iter().all(|key| key.starts_with("r/u")),
            "{keys:?}"
        );
        if nth == 1 {
            let head = journal.head();
            drop(nodes);
            let journal = reopen(journal, &dir).await;
            let [node, _] = two_servers(&journal);
            node.post("/chat/room/r/join", "u2", None).await;
            assert_eq!(
                (node.members("r").await, journal.head()),
                (members, head),
                "there is nothing left to convert"
            );
        }
    }
}

/// Appends as many keyed records of users as the log accepts, and the same number again with the
/// same keys.
async fn fill(journal: &Arc<dyn Journal>) {
    const IN_A_BATCH: usize = 1_000;
    let topic: Arc<[TopicName]> = [TopicName::parse("orders").unwrap()].into();
    for batch in 0..200 {
        let record = |nth: usize| Record {
            topics: topic.clone(),
            event: "order".into(),
            key: Some(((batch * IN_A_BATCH + nth) % 100_000).to_string().into()),
            data: "1".into(),
            at_ms: 0,
            ends_key: false,
        };
        let records: Vec<_> = (0..IN_A_BATCH).map(record).collect();
        assert!(matches!(
            journal.append(Append::from(records)).await.unwrap(),
            Appended::New(_)
        ));
    }
    let one_more = Record {
        topics: topic.clone(),
        event: "order".into(),
        key: Some("one more".into()),
        data: "1".into(),
        at_ms: 0,
        ends_key: false,
    };
    assert!(matches!(
        journal.append(Append::from(vec![one_more])).await.unwrap(),
        Appended::Full(_)
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_and_statuses_survive_200_000_records_of_users_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let known = async |node: &Node| (node.members("r").await, node.get("/system/status").await);
    for (nth, journal) in logs(&dir).into_iter().enumerate() {
        let [node, _] = two_servers(&journal);
        for user in 0..50 {
            node.post("/chat/room/r/join", &format!("u{user}"), None)
                .await;
            let body = json!({ "service": format!("s{user}"), "status": "online" });
            node.call("POST", "/system/status/update", "ann", None, body)
                .await;
        }
        let before = known(&node).await;
        assert_eq!(
            (
                before.0.len(),
                before.1["services"].as_array().unwrap().len()
            ),
            (50, 50)
        );
        fill(&journal).await;
        assert_eq!(known(&node).await, before);
        if nth == 1 {
            drop(node);
            let journal = reopen(journal, &dir).await;
            let [node, _] = two_servers(&journal);
            assert_eq!(known(&node).await, before);
        }
    }
}

/// Opens the log of `dir` again after all handles to it are dropped.
async fn reopen(journal: Arc<dyn Journal>, dir: &TempDir) -> Arc<dyn Journal> {
    journal.close().await;
    drop(journal);
    tokio::time::timeout(PATIENCE, async {
        loop {
            match Disk::open(disk::Options::new(dir.path())) {
                Ok(journal) => return Arc::new(journal) as Arc<dyn Journal>,
                Err(disk::OpenError::InUse { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_server_is_not_ready_before_it_has_read_its_own_topics() {
    let journal: Arc<dyn Journal> = Arc::new(Memory::new(Retention::default()));
    let (mut node, engine) = Node::new(&journal, Config::default());
    let ready = async |node: &Node| {
        node.call("GET", "/health/ready", "admin", None, Value::Null)
            .await
    };
    let before = ready(&node).await;
    assert_eq!(
        (before.status, &before.body["code"]),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            &json!("journal_unavailable")
        )
    );
    node.run(engine);
    assert_eq!(ready(&node).await.status, StatusCode::OK);
}
