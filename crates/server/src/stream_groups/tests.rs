//! Tests that the table is complete and consistent, and that a group needs nothing but a row.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tidings_hub::UserId;
use tidings_journal::TopicName;
use tidings_journal::memory::{Memory, Retention};
use tower::ServiceExt as _;

use super::*;
use crate::auth::Visitor;
use crate::auth::rule::fill;
use crate::openapi;
use crate::server::Server;
use tidings_fresh as fresh;
use tidings_net::matcher::StreamMatcher;

/// The group that `CONTRIBUTING.md` adds as an example.
const EXAMPLE: Group = include!("example_group.row");

fn topic(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

fn ann() -> UserId {
    UserId::parse("ann").unwrap()
}

#[test]
fn no_topic_is_governed_by_two_rules() {
    for (rule, _) in rules(GROUPS) {
        let sample = fill(rule.pattern, Some(&ann()), Some("name")).unwrap();
        let governing: Vec<_> = rules(GROUPS)
            .map(|(rule, _)| rule)
            .filter(|rule| rule.governs(&sample))
            .map(|rule| rule.pattern)
            .collect();
        assert_eq!(governing, [rule.pattern]);
    }
}

#[test]
fn every_pattern_that_a_stream_shows_has_a_rule_and_every_parameter_is_in_the_path_or_the_query() {
    let mut paths = HashSet::new();
    for (group, stream) in streams(GROUPS) {
        let narrowed = stream
            .narrowing
            .iter()
            .flat_map(|narrowing| narrowing.shows);
        for shown in stream.shows.iter().chain(narrowed) {
            assert!(
                group.rules.iter().any(|rule| rule.pattern == *shown),
                "{}: {shown}",
                stream.path
            );
        }
        if let Some(Narrowing { parameter, .. }) = stream.narrowing {
            let in_query = stream.query.iter().any(|name| name.as_str() == parameter);
            let in_path = stream.path.contains(&format!("{{{parameter}}}"));
            assert!(in_query != in_path, "{}: {parameter}", stream.path);
        }
        assert_eq!(
            stream.counted_as.last(),
            Some(&"heartbeat"),
            "{}",
            stream.path
        );
        assert!(paths.insert(stream.path), "{} is there twice", stream.path);
    }
}

/// The configurations of proxies in the documentation distinguish streams from calls by the ends of
/// their paths.
#[test]
fn the_path_of_every_stream_ends_as_the_configurations_of_proxies_expect() {
    for path in paths(GROUPS) {
        assert!(
            path.ends_with("/stream") || path == "/system/heartbeat",
            "{path}"
        );
    }
}

#[test]
fn a_stream_may_be_opened_by_everybody_who_may_read_one_of_its_topics() {
    let audiences: Vec<_> = streams(GROUPS)
        .map(|(group, stream)| (stream.path, group.audience(stream)))
        .collect();
    assert_eq!(
        audiences,
        [
            ("/notifications/stream", Audience::Public),
            ("/realtime/stream", Audience::Public),
            ("/chat/stream", Audience::Authenticated),
            ("/chat/room/{roomId}/stream", Audience::Authenticated),
            ("/system/status/stream", Audience::Public),
            ("/system/heartbeat", Audience::Public),
            ("/system/dashboard/stream", Audience::Admin),
        ]
    );
    let offered: Vec<_> = offered(GROUPS).map(|(_, stream)| stream.path).collect();
    assert_eq!(
        offered,
        [
            "/notifications/stream",
            "/realtime/stream",
            "/chat/stream",
            "/system/status/stream",
            "/system/heartbeat"
        ]
    );
}

#[test]
fn a_rule_governs_every_topic_of_a_group() {
    use crate::topic_names::{
        chat, dashboard, entity, members, notifications, of_user, realtime, room, status,
    };
    let governed = |topic: &TopicName| rules(GROUPS).any(|(rule, _)| rule.governs(topic));
    let (notifications, realtime) = (notifications(), realtime());
    let own = of_user(&realtime, &ann());
    for topic in [
        of_user(&notifications, &ann()),
        entity(&realtime, "order"),
        entity(&own, "order"),
        own,
        notifications,
        realtime,
        chat(),
        room("general"),
        status(),
        dashboard(),
    ] {
        assert!(governed(&topic), "{topic}");
    }
    assert!(!governed(&members()));
}

#[test]
fn the_topics_that_an_aggregate_also_shows_are_below_it() {
    let below = |name: &str| prefix_shown_by(GROUPS, &topic(name));
    assert_eq!(below("chat").unwrap(), "chat/room/");
    assert_eq!(below("realtime").unwrap(), "realtime/entity/");
    assert_eq!(
        below("realtime/user/a%2Fb").unwrap(),
        "realtime/user/a%2Fb/entity/"
    );
    for name in [
        "notifications",
        "notifications/user/ann",
        "chat/room/r",
        "realtime/entity/order",
        "system/status",
    ] {
        assert_eq!(below(name), None, "{name}");
    }
}

#[test]
fn the_topics_of_a_user_are_those_that_only_the_user_may_read() {
    let names: Vec<_> = topics_of_user(GROUPS, &UserId::parse("a/b").unwrap())
        .iter()
        .map(TopicName::to_string)
        .collect();
    assert_eq!(names, ["notifications/user/a%2Fb", "realtime/user/a%2Fb"]);
}

#[test]
fn the_diff_in_contributing_adds_the_example_group_to_the_table() {
    let guide = fresh::committed("CONTRIBUTING.md");
    let (_, rest) = guide.split_once("```diff\n").expect("a diff");
    let (diff, _) = rest.split_once("```\n").expect("its end");
    let lines: Vec<_> = diff
        .lines()
        .filter(|line| !line.starts_with("@@"))
        .collect();
    let added: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix('+'))
        .collect();
    let kept: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix(' '))
        .collect();
    assert_eq!(
        added.join("\n"),
        format!("{},", include_str!("example_group.row").trim_end())
    );
    let table = include_str!("../stream_groups.rs");
    assert!(
        table.contains(&format!("{}\n", kept.join("\n"))),
        "the lines around the new ones are not in the table any more"
    );
}

/// Starts a server whose table has the example as an additional row.
fn server() -> (Router, crate::Handle) {
    let groups: &'static [Group] = Vec::leak([GROUPS, &[EXAMPLE]].concat());
    let log = Arc::new(Memory::new(Retention::default()));
    let (router, engine) = Server::builder().assemble_with(log, groups).unwrap();
    let handle = engine.handle();
    tokio::spawn(async move { engine.run(std::future::pending()).await.unwrap() });
    (router, handle)
}

fn bearer(user: &str, roles: &str) -> String {
    let token = format!("{user}:{user}:{user}@example.com:{roles}");
    format!(
        "Bearer {}",
        base64::engine::general_purpose::STANDARD.encode(token)
    )
}

async fn get(router: &Router, path: &str, bearer: &str) -> axum::response::Response {
    let mut request = Request::get(path).header("Accept", "*/*");
    if !bearer.is_empty() {
        request = request.header("Authorization", bearer);
    }
    router
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

async fn json_of(response: axum::response::Response) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn a_group_with_nothing_but_a_row_works_over_http_and_in_the_library() {
    const PATIENCE: Duration = Duration::from_mins(2);
    let (router, handle) = server();
    let (ann, bob, admin) = (
        bearer("ann", "user"),
        bearer("bob", "user"),
        bearer("eve", "admin"),
    );
    for (path, token, status) in [
        ("/parcels/stream", "", 401),
        ("/events?topic=parcels/user/ann", "", 401),
        ("/events?topic=parcels/user/ann", &bob, 403),
        ("/events?topic=parcels/user/ann", &ann, 200),
        ("/events?topic=parcels", &ann, 403),
        ("/events?topic=parcels", &admin, 200),
        ("/parcels/stream?lasteventid=x", &ann, 400),
    ] {
        assert_eq!(
            get(&router, path, token).await.status().as_u16(),
            status,
            "{path} {token}"
        );
    }
    assert_eq!(
        json_of(get(&router, "/api", "").await).await["endpoints"]["parcels"]["stream"],
        "GET /parcels/stream"
    );

    // The stream is counted. The application publishes its events, because the group has no calls.
    let stream = get(&router, "/parcels/stream", &ann).await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(
        json_of(get(&router, "/system/stats", "").await).await["connectionsByType"]["parcels"],
        1
    );
    handle
        .publish("parcels/user/bob", "parcel", &json!("not for ann"))
        .await
        .unwrap();
    handle
        .publish("parcels/user/ann", "parcel", &json!("at the door"))
        .await
        .unwrap();
    let (mut body, mut text) = (stream.into_body(), String::new());
    while !text.contains("at the door") {
        let frame = tokio::time::timeout(PATIENCE, body.frame())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert!(
        text.starts_with("event: connected\n") && !text.contains("not for ann"),
        "{text}"
    );
    assert!(
        handle
            .may_read(&Visitor::default(), "parcels/user/ann")
            .is_err()
    );
}

#[test]
fn every_list_of_streams_contains_an_added_group() {
    let groups: &'static [Group] = Vec::leak([GROUPS, &[EXAMPLE]].concat());
    let request = Request::get("/base/parcels/stream").body(()).unwrap();
    assert!(
        StreamMatcher::new(paths(groups), Some("/base")).matches(&request),
        "the lane of parked streams"
    );
    assert!(!StreamMatcher::new(paths(GROUPS), Some("/base")).matches(&request));
    assert!(
        offered(groups).any(|(_, stream)| stream.path == "/parcels/stream"),
        "the banner"
    );
    let row = "| `GET /parcels/stream` | required | `parcel`, where your parcels are | 3 s |";
    assert!(documents::table(groups).contains(row), "the README");
    let list = documents::list(groups);
    let listed = list
        .as_array()
        .unwrap()
        .iter()
        .find(|stream| stream["key"] == "parcels")
        .expect("the page");
    assert_eq!(
        (&listed["needsToken"], &listed["shows"]),
        (&json!(true), &json!(["parcels/user/{me}"]))
    );
    let document = serde_json::to_value(openapi::document(groups)).unwrap();
    let described = &document["paths"]["/parcels/stream"]["get"];
    assert_eq!(
        described["security"],
        json!([{ "bearer": [] }, { "token": [] }]),
        "the OpenAPI document"
    );
    assert!(
        described["responses"]["401"]["description"]
            .as_str()
            .unwrap()
            .contains("token_missing")
    );
}
