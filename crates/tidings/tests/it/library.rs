//! What an embedding application publishes: with the calls of the stream groups, which are those of
//! HTTP, and to topics of its own; and what it may read.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tidings_server::auth::{By, Identity, Visitor};
use tidings_server::handle::{CallError, Caller, Handle, PublishError, Sent, StreamRequest};
use tidings_server::server::Server;

use crate::support::{ADMIN, Answer, TestServer, config, demo, start_on};

/// A server, and the last identity that it made: only the server can make one from a token.
struct Host {
    server: TestServer,
    seen: Arc<Mutex<Option<Identity>>>,
}

fn start(settings: &[(&str, &str)]) -> Host {
    let seen = Arc::<Mutex<Option<Identity>>>::default();
    let kept = seen.clone();
    let me = get(async move |Caller(me): Caller| *kept.lock() = Some(me));
    let routes = move |tidings: Handle| {
        Router::new()
            .route("/me", me)
            .route("/follow/{*topic}", get(follow))
            .with_state(tidings)
    };
    Host {
        server: start_on(
            Server::builder()
                .config(config(settings).unwrap())
                .routes(routes),
        ),
        seen,
    }
}

/// Opens a stream of any topic for any caller. The application has no right to show topics that are
/// not its own.
async fn follow(stream: StreamRequest, Path(topic): Path<String>) -> Response {
    stream.open(&["own"], [topic]).await
}

impl Host {
    async fn identity(&self, token: &str) -> Identity {
        assert_eq!(
            self.server
                .call("GET", "/me", token, Value::Null)
                .await
                .status,
            200
        );
        self.seen.lock().take().unwrap()
    }

    /// Posts a form exactly as it is written, as an admin.
    async fn post(&self, path: &str, form: &str) -> Answer {
        let bearer = format!("Bearer {ADMIN}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        self.server
            .request("POST", path, &headers, form.as_bytes())
            .await
    }

    /// Sends a form with the library's call for the path.
    async fn send(
        &self,
        path: &str,
        author: &Identity,
        form: &impl Serialize,
    ) -> Result<Sent, CallError> {
        let handle = &self.server.handle;
        match path {
            "/notifications/send" => handle.notify(author, form).await,
            "/realtime/update" => handle.update(author, form).await,
            "/chat/message" => handle.chat(author, form).await,
            "/system/status/update" => handle.status(author, form).await,
            other => panic!("{other}"),
        }
    }
}

/// Calls, with forms that they accept.
const GOOD: [(&str, &str); 8] = [
    ("/notifications/send", r#"{"title":"T","message":"M"}"#),
    (
        "/notifications/send",
        r#"{"title":"T","message":"M","type":"error","metadata":{"a":[1]},"x":1.50}"#,
    ),
    (
        "/notifications/send",
        r#"{"title":"T","message":"M","targetUserId":"test123","userId":"bob"}"#,
    ),
    (
        "/realtime/update",
        r#"{"entity":"order","action":"created","data":{"id":7}}"#,
    ),
    (
        "/realtime/update",
        r#"{"entityType":"order","action":"update","data":null,"targetUserId":"test123"}"#,
    ),
    (
        "/realtime/update",
        r#"{"entity":"order","action":"delete","data":1,"userId":"bob"}"#,
    ),
    (
        "/chat/message",
        r#"{"roomId":"r","message":" hi ","type":"image","metadata":{"a":1}}"#,
    ),
    (
        "/system/status/update",
        r#"{"service":"db","status":"degraded","message":"slow","metrics":{"cpu":1},"x":2}"#,
    ),
];

/// Calls, with forms that they refuse.
const BAD: [(&str, &str); 18] = [
    ("/notifications/send", "{}"),
    ("/notifications/send", "[]"),
    ("/notifications/send", "7"),
    (
        "/notifications/send",
        r#"{"title":"","message":7,"type":"loud"}"#,
    ),
    (
        "/notifications/send",
        r#"{"title":"T","message":"M","targetUserId":""}"#,
    ),
    (
        "/notifications/send",
        r#"{"title":"T","message":"M","target_user_id":"bob"}"#,
    ),
    (
        "/notifications/send",
        r#"{"title":"T","message":"M","x":"\ud83d"}"#,
    ),
    (
        "/notifications/send",
        r#"{"title":"T","message":"M","x":1e999}"#,
    ),
    ("/realtime/update", "{}"),
    (
        "/realtime/update",
        r#"{"entity":"a/b","action":"exploded","data":1}"#,
    ),
    ("/realtime/update", r#"{"entity":"..","action":"create"}"#),
    ("/chat/message", "{}"),
    ("/chat/message", r#"{"roomId":"a b","message":"   "}"#),
    (
        "/chat/message",
        r#"{"roomId":"r","message":"m","type":"video"}"#,
    ),
    ("/system/status/update", "{}"),
    (
        "/system/status/update",
        r#"{"service":"db","status":"asleep"}"#,
    ),
    (
        "/system/status/update",
        r#"{"service":"","status":"online","message":""}"#,
    ),
    ("/system/status/update", r#""db""#),
];

/// Returns the status and the body of an answer.
async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// The data of an event without what differs from one event to the next.
fn lasting(mut data: Value) -> Value {
    for passing in ["id", "timestamp"] {
        assert!(data[passing].is_string(), "{data}");
        data[passing] = json!(null);
    }
    data
}

#[tokio::test]
async fn a_form_becomes_the_same_event_whether_it_is_posted_or_sent_by_the_application() {
    let host = start(&[]);
    let admin = host.identity(ADMIN).await;
    for (path, form) in GOOD {
        let posted = host.post(path, form).await;
        assert_eq!(posted.status, 200, "{path} {form}: {}", posted.text());
        let raw: Box<RawValue> = serde_json::from_str(form).unwrap();
        let sent = host
            .send(path, &admin, &raw)
            .await
            .unwrap_or_else(|error| panic!("{path} {form}: {error}"));
        let topic = match path {
            "/notifications/send" if form.contains("targetUserId") => "notifications/user/test123",
            "/notifications/send" => "notifications",
            "/realtime/update" if form.contains("targetUserId") => {
                "realtime/user/test123/entity/order"
            }
            "/realtime/update" => "realtime/entity/order",
            "/chat/message" => "chat/room/r",
            _ => "system/status",
        };
        let kept = host.server.kept(topic, ADMIN).await;
        let last = kept.last().unwrap();
        assert_eq!(
            (&last["id"], &last["data"]["id"]),
            (&json!(sent.event_id.to_string()), &json!(sent.id))
        );
        let answer = posted.json();
        let id = answer
            .get("id")
            .or(answer.get("messageId"))
            .unwrap()
            .as_str()
            .unwrap();
        assert_eq!(sent.id.split('_').next(), id.split('_').next(), "{path}");
        if path != "/system/status/update" {
            let before = &kept[kept.len() - 2];
            assert_eq!(before["id"], answer["eventId"]);
            assert_eq!(
                lasting(before["data"].clone()),
                lasting(last["data"].clone()),
                "{path} {form}"
            );
            assert_eq!(before["event"], last["event"]);
        }
    }
    let services = host.server.get("/system/status").await.json()["services"].clone();
    assert_eq!(
        services.as_array().unwrap().len(),
        1,
        "one for each service: {services}"
    );
}

#[tokio::test]
async fn a_bad_form_is_refused_in_the_same_words_whether_it_is_posted_or_sent_by_the_application() {
    let host = start(&[]);
    let admin = host.identity(ADMIN).await;
    for (path, form) in BAD {
        let posted = host.post(path, form).await;
        assert_eq!(posted.status, 400, "{path} {form}: {}", posted.text());
        let raw: Box<RawValue> = serde_json::from_str(form).unwrap();
        let refused = host.send(path, &admin, &raw).await.unwrap_err();
        let answer = posted.json();
        assert_eq!(
            (refused.code(), refused.to_string().as_str()),
            ("validation_failed", answer["message"].as_str().unwrap())
        );
        let problems: Vec<_> = refused
            .problems()
            .map(|(field, problem)| json!({ "field": field, "problem": problem }))
            .collect();
        assert_eq!(json!(problems), answer["details"], "{path} {form}");
        assert_eq!(
            read(refused.into_response()).await,
            (400, answer),
            "{path} {form}"
        );
    }
    assert_eq!(host.server.stored().await, 0);
}

#[tokio::test]
async fn a_caller_has_the_rights_of_the_call_and_the_application_has_all() {
    let host = start(&[]);
    let (server, ann) = (&host.server, host.identity(&demo("ann", "user")).await);
    let token = demo("ann", "user");
    for (path, form, status) in [
        (
            "/notifications/send",
            json!({"title": "T", "message": "M"}),
            403,
        ),
        ("/notifications/send", json!({}), 403),
        (
            "/notifications/send",
            json!({"title": "T", "message": "M", "targetUserId": "bob"}),
            200,
        ),
        (
            "/realtime/update",
            json!({"entity": "e", "action": "create", "data": 1}),
            403,
        ),
        (
            "/realtime/update",
            json!({"entity": "e", "action": "create", "data": 1, "targetUserId": "bob"}),
            200,
        ),
        ("/chat/message", json!({"roomId": "r", "message": "m"}), 200),
        (
            "/system/status/update",
            json!({"service": "db", "status": "online"}),
            403,
        ),
        ("/system/status/update", json!({}), 403),
    ] {
        let posted = server.call("POST", path, &token, form.clone()).await;
        assert_eq!(posted.status, status, "{path} {form}");
        match host.send(path, &ann, &form).await {
            Ok(_) => assert_eq!(status, 200, "{path} {form}"),
            Err(error) => assert_eq!(
                read(error.into_response()).await,
                (status, posted.json()),
                "{path} {form}"
            ),
        }
    }
    let handle = &server.handle;
    handle
        .notify(By::Application, &json!({"title": "T", "message": "M"}))
        .await
        .unwrap();
    handle
        .status(
            By::Application,
            &json!({"service": "db", "status": "online"}),
        )
        .await
        .unwrap();
    let update = json!({"entity": "e", "action": "create", "data": 1, "userId": "bob"});
    handle.update(By::Application, &update).await.unwrap();
    let kept = server.kept("realtime", "").await;
    assert_eq!(
        kept.last().unwrap()["data"]["userId"],
        "bob",
        "the application says who it was"
    );
    let refused = handle
        .notify(By::Application, &json!({"title": "T"}))
        .await
        .unwrap_err();
    assert_eq!(
        refused.problems().collect::<Vec<_>>(),
        [("message", "is required")]
    );
}

#[tokio::test]
async fn a_callers_rate_is_one_whichever_way_he_publishes_and_the_application_has_none() {
    let host = start(&[("PUBLISH_RATE", "1")]);
    let ann = host.identity(&demo("ann", "user")).await;
    let form = json!({"roomId": "r", "message": "m"});
    let mut refused = None;
    for _ in 0..1_000 {
        host.server
            .call("POST", "/chat/message", &demo("ann", "user"), form.clone())
            .await;
        refused = host.server.handle.chat(&ann, &form).await.err();
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.expect("a limit");
    assert_eq!(
        (refused.code(), refused.status().as_u16()),
        ("rate_limited", 429)
    );
    let response = refused.into_response();
    assert!(
        response.headers().contains_key("retry-after")
            && response.headers().contains_key("ratelimit")
    );
    for _ in 0..20 {
        host.server
            .handle
            .notify(By::Application, &json!({"title": "T", "message": "M"}))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_form_is_as_large_as_a_body_may_be() {
    let host = start(&[("MAX_BODY_BYTES", "1KiB")]);
    let admin = host.identity(ADMIN).await;
    let form = json!({"title": "T", "message": "x".repeat(1_024)});
    let posted = host
        .server
        .call("POST", "/notifications/send", ADMIN, form.clone())
        .await;
    let refused = host
        .send("/notifications/send", &admin, &form)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "payload_too_large");
    assert_eq!(read(refused.into_response()).await, (413, posted.json()));
    let no_json = std::collections::HashMap::from([(vec![1], 1)]);
    assert_eq!(
        host.server
            .handle
            .notify(&admin, &no_json)
            .await
            .unwrap_err()
            .code(),
        "validation_failed"
    );
}

#[tokio::test]
async fn no_name_of_a_topic_goes_past_the_calls_of_its_group_or_into_what_is_the_servers() {
    let host = start(&[]);
    let publish = async |topic: &str| host.server.handle.publish(topic, "e", &json!(1)).await;
    for (topic, named) in [
        ("notifications", "POST /notifications/send"),
        ("notifications/user/ann", "Handle::notify"),
        ("realtime", "POST /realtime/update"),
        ("realtime/entity/order", "Handle::update"),
        ("realtime/user/ann", "Handle::update"),
        ("realtime/user/ann/entity/order", "Handle::update"),
        ("chat", "POST /chat/message"),
        ("chat/room/r", "Handle::chat"),
        ("chat/room/r/below", "Handle::chat"), // erasing `chat` would erase it, too
        ("notifications/user/ann/below", "Handle::notify"),
        ("system/status", "Handle::status"),
        ("system/dashboard", "Only the server itself"),
        ("system/anything", "Only the server itself"),
        ("_members", "Only the server itself"),
        ("orders/_internal", "Only the server itself"),
    ] {
        let refused = publish(topic).await.unwrap_err();
        assert!(
            matches!(refused, PublishError::Reserved { .. }),
            "{topic}: {refused}"
        );
        let (status, answer) = read(refused.into_response()).await;
        assert_eq!(
            (status, answer["code"].as_str()),
            (403, Some("forbidden")),
            "{topic}"
        );
        assert!(
            answer["message"].as_str().unwrap().contains(named),
            "{topic}: {answer}"
        );
    }
    assert_eq!(host.server.stored().await, 0);
    for own in [
        "orders/eu",
        "notifications/eu",
        "chat/rooms",
        "system",
        "a_b",
    ] {
        publish(own)
            .await
            .unwrap_or_else(|error| panic!("{own}: {error}"));
    }
}

#[tokio::test]
async fn the_library_shows_the_topics_of_the_groups_to_whom_their_streams_show_them() {
    let host = start(&[]);
    let (anybody, ann, admin) = (String::new(), demo("ann", "user"), ADMIN.to_owned());
    let mut visitors = vec![(anybody, Visitor::default())];
    for token in [ann, admin] {
        let identity = host.identity(&token).await;
        visitors.push((token, identity.into()));
    }
    for topic in [
        "notifications",
        "notifications/user/ann",
        "notifications/user/bob",
        "realtime/user/ann/entity/order",
        "chat",
        "chat/room/r",
        "system/status",
        "system/dashboard",
        "system/other",
        "_members",
        "orders/eu",
    ] {
        for (token, visitor) in &visitors {
            let listed = host
                .server
                .call("GET", &format!("/events?topic={topic}"), token, Value::Null)
                .await;
            match host.server.handle.may_read(visitor, topic) {
                Ok(()) if topic == "system/dashboard" => {
                    assert_eq!(listed.status, 403, "nothing is kept of it");
                }
                Ok(()) => assert_eq!(listed.status, 200, "{topic} {token}"),
                Err(refused) => {
                    assert_eq!(
                        read(refused.into_response()).await,
                        (listed.status, listed.json()),
                        "{topic} {token}"
                    );
                }
            }
            // A stream of the application may show its own topics to everybody, and the others only
            // as the server does.
            let is_open =
                topic == "orders/eu" || host.server.handle.may_read(visitor, topic).is_ok();
            let expected = if is_open { 200 } else { listed.status };
            let followed = host
                .server
                .call("HEAD", &format!("/follow/{topic}"), token, Value::Null)
                .await;
            assert_eq!(followed.status, expected, "{topic} {token}");
        }
    }
    assert_eq!(
        host.server
            .handle
            .may_read(&Visitor::default(), "a b")
            .unwrap_err()
            .code(),
        "validation_failed"
    );
}
