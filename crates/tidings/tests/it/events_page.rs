//! `GET /events`: the stored events of a topic, page by page, with the rights of the topic's
//! stream.

use serde_json::{Value, json};

use crate::support::checks::{names, position};
use crate::support::{ADMIN, Answer, TestServer, demo, start, start_with};

async fn page(server: &TestServer, query: &str) -> Value {
    let answer = server.get(&format!("/events?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Publishes notifications with the titles `0`, `1`, …
async fn notify(server: &TestServer, count: usize) {
    for nth in 0..count {
        server
            .post(
                "/notifications/send",
                json!({"title": nth.to_string(), "message": "M"}),
            )
            .await;
    }
}

fn titles(page: &Value) -> Vec<&str> {
    let events = page["events"].as_array().unwrap().iter();
    events
        .map(|event| event["data"]["title"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn events_are_listed_oldest_first_as_they_were_on_the_stream() {
    let server = start().await;
    let mut stream = server.stream("/notifications/stream", "").await;
    stream.expect("connected").await;
    notify(&server, 3).await;
    let page = page(&server, "topic=notifications").await;
    assert_eq!(names(&page), ["events", "next", "end"]);
    assert_eq!(titles(&page), ["0", "1", "2"]);
    assert_eq!(page["end"], true);
    for event in page["events"].as_array().unwrap() {
        let live = stream.expect("notification").await;
        assert_eq!(names(event), ["id", "topic", "event", "data"]);
        assert_eq!(event["id"], live.last_id);
        assert_eq!(event["topic"], "notifications");
        assert_eq!(event["event"], "notification");
        assert_eq!(event["data"], live.data);
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_a_hole_or_a_repeat() {
    let server = start().await;
    notify(&server, 7).await;
    let (mut seen, mut query) = (Vec::new(), "topic=notifications&limit=3".to_owned());
    for (length, end) in [(3, false), (3, false), (1, true)] {
        let page = page(&server, &query).await;
        assert_eq!(page["events"].as_array().unwrap().len(), length);
        assert_eq!(page["end"], end);
        seen.extend(titles(&page).into_iter().map(str::to_owned));
        query = format!(
            "topic=notifications&limit=3&after={}",
            page["next"].as_str().unwrap()
        );
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
    let rest = page(&server, &query).await;
    assert_eq!(
        (rest["events"].as_array().unwrap().len(), &rest["end"]),
        (0, &json!(true))
    );
    notify(&server, 1).await;
    assert_eq!(
        titles(&page(&server, &query).await),
        ["0"],
        "the last `next` goes on where it was"
    );
}

#[tokio::test]
async fn after_is_exclusive_and_may_be_the_id_of_any_event() {
    let server = start().await;
    notify(&server, 2).await;
    server
        .post("/chat/message", json!({"roomId": "r", "message": "m"}))
        .await;
    notify(&server, 1).await;
    let all = page(&server, "topic=notifications").await;
    let second = all["events"][1]["id"].as_str().unwrap();
    let rest = page(&server, &format!("topic=notifications&after={second}")).await;
    assert_eq!(
        rest["events"].as_array().unwrap().as_slice(),
        &all["events"].as_array().unwrap()[2..]
    );
    let chat = server.only("chat").await;
    let rest = page(
        &server,
        &format!("topic=notifications&after={}", chat["id"].as_str().unwrap()),
    )
    .await;
    assert_eq!(
        rest["events"].as_array().unwrap().len(),
        1,
        "an id is a cursor for every topic"
    );
    assert_eq!(
        page(&server, "topic=notifications&after=earliest").await,
        all
    );
    assert_eq!(page(&server, "topic=notifications&after=").await, all);
}

#[tokio::test]
async fn next_is_a_cursor_for_the_stream_too() {
    let server = start().await;
    notify(&server, 3).await;
    let next = page(&server, "topic=notifications&limit=2").await["next"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut stream = server
        .stream_with("/notifications/stream", "", &[("Last-Event-ID", &next)])
        .await;
    assert_eq!(stream.expect("connected").await.data["resumed"], true);
    assert_eq!(stream.expect("notification").await.data["title"], "2");
}

#[tokio::test]
async fn pages_backwards_are_the_newest_before_an_id_oldest_first_down_to_the_end() {
    for settings in [&[][..], &[("JOURNAL_MAX_EVENTS", "7")]] {
        let server = start_with(settings).await;
        notify(&server, 9).await;
        let first = 9 - if settings.is_empty() { 9 } else { 7 };
        let (mut seen, mut before) = (Vec::new(), "latest".to_owned());
        loop {
            let page = page(
                &server,
                &format!("topic=notifications&limit=3&before={before}"),
            )
            .await;
            assert_eq!(names(&page), ["events", "prev", "end"]);
            seen.splice(0..0, titles(&page).into_iter().map(str::to_owned));
            if page["end"] == true {
                break;
            }
            page["prev"].as_str().unwrap().clone_into(&mut before);
        }
        assert_eq!(
            seen,
            (first..9).map(|nth| nth.to_string()).collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn before_is_exclusive_and_may_be_the_id_of_any_event() {
    let server = start().await;
    notify(&server, 2).await;
    server
        .post("/chat/message", json!({"roomId": "r", "message": "m"}))
        .await;
    notify(&server, 1).await;
    let all = page(&server, "topic=notifications").await;
    let id = |nth: usize| all["events"][nth]["id"].as_str().unwrap();
    let before = async |id: &str| page(&server, &format!("topic=notifications&before={id}")).await;
    assert_eq!(titles(&before(id(1)).await), ["0"]);
    assert_eq!(
        titles(&before(server.only("chat").await["id"].as_str().unwrap()).await),
        ["0", "1"]
    );
    let newest = before("latest").await;
    assert_eq!(newest["events"], all["events"]);
    let none = before(id(0)).await;
    assert_eq!(
        (&none["events"], &none["end"], none.get("gap")),
        (&json!([]), &json!(true), None)
    );
    // The position where one direction ended is a cursor for the other direction, and for the
    // stream.
    assert_eq!(
        titles(&page(&server, &format!("topic=notifications&after={}", id(0))).await),
        ["1", "0"]
    );
    let both = format!(
        "/events?topic=notifications&before={}&after={}",
        id(1),
        id(0)
    );
    server.get(&both).await.assert_invalid(&["before"]);
}

#[tokio::test]
async fn before_with_an_id_of_another_log_is_reported() {
    let server = start_with(&[("JOURNAL_MAX_EVENTS", "3")]).await;
    notify(&server, 1).await;
    let first = page(&server, "topic=notifications").await["events"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    notify(&server, 5).await;
    let other = start().await.notify("of another log").await;
    for (before, reason) in [(other, "epoch"), (first.replace("-1", "-99"), "ahead")] {
        let page = page(&server, &format!("topic=notifications&before={before}")).await;
        assert_eq!(
            page["gap"],
            json!({"reason": reason, "oldest": page["events"][0]["id"]})
        );
        assert_eq!(titles(&page), ["2", "3", "4"], "it ends with the newest");
    }
    let gone = page(&server, &format!("topic=notifications&before={first}")).await;
    assert_eq!(
        (&gone["events"], &gone["end"], &gone["gap"]["reason"]),
        (&json!([]), &json!(true), &json!("trimmed"))
    );
    for bad in ["17", "earliest", "-1", "null"] {
        server
            .get(&format!("/events?topic=notifications&before={bad}"))
            .await
            .assert_invalid(&["before"]);
    }
    let empty = page(&server, "topic=realtime/entity/none&before=latest").await;
    assert_eq!(
        (&empty["events"], &empty["end"], empty.get("gap")),
        (&json!([]), &json!(true), None)
    );
    let again = page(
        &server,
        &format!(
            "topic=realtime/entity/none&before={}",
            empty["prev"].as_str().unwrap()
        ),
    )
    .await;
    assert_eq!(
        again.get("gap"),
        None,
        "`prev` is always a place of this log"
    );
}

#[tokio::test]
async fn a_page_has_100_events_unless_it_is_asked_for_1_to_1_000() {
    let server = start().await;
    notify(&server, 101).await;
    assert_eq!(
        page(&server, "topic=notifications").await["events"]
            .as_array()
            .unwrap()
            .len(),
        100
    );
    assert_eq!(
        page(&server, "topic=notifications&limit=1").await["events"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        page(&server, "topic=notifications&limit=1000").await["events"]
            .as_array()
            .unwrap()
            .len(),
        101
    );
    for bad in ["0", "1001", "-1", "1.5", "x", "99999999999999999999999"] {
        server
            .get(&format!("/events?topic=notifications&limit={bad}"))
            .await
            .assert_invalid(&["limit"]);
    }
}

#[tokio::test]
async fn one_topic_must_be_named() {
    let server = start().await;
    for bad in [
        "",
        "?topic=",
        "?topics=notifications",
        "?topic=a//b",
        "?topic=*",
        "?topic=chat/**",
        "?topic=a%20b",
        "?topic=%FF",
    ] {
        server
            .call("GET", &format!("/events{bad}"), ADMIN, Value::Null)
            .await
            .assert_invalid(&["topic"]);
    }
}

#[tokio::test]
async fn a_topic_without_events_is_an_empty_page() {
    let server = start().await;
    let empty = page(&server, "topic=realtime/entity/order").await;
    assert_eq!(empty["events"], json!([]));
    assert_eq!(empty["end"], true);
    assert_eq!(position(empty["next"].as_str().unwrap()), 0);
}

#[tokio::test]
async fn a_page_after_a_trimmed_id_reports_it_and_starts_at_the_oldest_event() {
    let server = start_with(&[("JOURNAL_MAX_EVENTS", "3")]).await;
    notify(&server, 1).await;
    let first = page(&server, "topic=notifications").await["events"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    notify(&server, 5).await;
    let answer = page(&server, &format!("topic=notifications&after={first}")).await;
    assert_eq!(names(&answer), ["events", "next", "end", "gap"]);
    assert_eq!(titles(&answer), ["2", "3", "4"]);
    assert_eq!(names(&answer["gap"]), ["reason", "oldest"]);
    assert_eq!(answer["gap"]["reason"], "trimmed");
    assert_eq!(answer["gap"]["oldest"], answer["events"][0]["id"]);
    let earliest = page(&server, "topic=notifications").await;
    assert_eq!(titles(&earliest), ["2", "3", "4"]);
    assert_eq!(
        earliest.get("gap"),
        None,
        "nothing was asked that is not there"
    );
}

#[tokio::test]
async fn a_cursor_of_another_log_or_ahead_of_it_is_reported_as_a_gap() {
    let server = start().await;
    notify(&server, 2).await;
    let head = page(&server, "topic=notifications").await["next"]
        .as_str()
        .unwrap()
        .to_owned();
    let (epoch, _) = head.split_once('-').unwrap();
    for (after, reason) in [
        ("abcdefgh-1".to_owned(), "epoch"),
        (format!("{epoch}-3"), "ahead"),
    ] {
        let answer = page(&server, &format!("topic=notifications&after={after}")).await;
        assert_eq!(answer["gap"]["reason"], reason);
        assert_eq!(answer["gap"]["oldest"], answer["events"][0]["id"]);
        assert_eq!(titles(&answer), ["0", "1"]);
    }
    for malformed in ["17", "-", "x-y", "%00", "a-1-2", &"9".repeat(500)] {
        let answer = server
            .get(&format!("/events?topic=notifications&after={malformed}"))
            .await;
        answer.assert_invalid(&["after"]);
    }
}

#[tokio::test]
async fn of_a_status_only_the_newest_is_kept() {
    let server = start().await;
    for (service, status) in [("db", "online"), ("mail", "online"), ("db", "offline")] {
        server
            .post(
                "/system/status/update",
                json!({"service": service, "status": status}),
            )
            .await;
    }
    let kept = page(&server, "topic=system/status").await;
    let events: Vec<_> = kept["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["data"])
        .collect();
    assert_eq!(events.len(), 2);
    assert_eq!(
        (&events[0]["service"], &events[1]["service"]),
        (&json!("mail"), &json!("db"))
    );
    assert_eq!(events[1]["status"], "offline");
}

/// Every topic that a stream shows, with the status of reading it without a token, as `ann` and as
/// an admin.
const RIGHTS: [(&str, u16, u16, u16); 16] = [
    ("notifications", 200, 200, 200),
    ("notifications/user/ann", 401, 200, 403),
    ("notifications/user/bob", 401, 403, 403),
    ("realtime", 200, 200, 200),
    ("realtime/entity/order", 200, 200, 200),
    ("realtime/user/ann", 401, 200, 403),
    ("realtime/user/bob", 401, 403, 403),
    ("realtime/user/ann/entity/order", 401, 200, 403),
    ("realtime/user/bob/entity/order", 401, 403, 403),
    ("chat", 401, 200, 200),
    ("chat/room/general", 401, 200, 200),
    ("system/status", 200, 200, 200),
    ("system", 401, 403, 403),
    ("system/other", 401, 403, 403),
    ("notifications/user", 401, 403, 403),
    ("no/such/topic", 401, 403, 403),
];

#[tokio::test]
async fn a_topic_is_read_with_the_rights_of_its_stream() {
    let server = start().await;
    let ann = demo("ann", "user");
    for (topic, nobody, known, admin) in RIGHTS {
        for (token, expected) in [("", nobody), (ann.as_str(), known), (ADMIN, admin)] {
            let answer = server
                .call("GET", &format!("/events?topic={topic}"), token, Value::Null)
                .await;
            match expected {
                200 => assert_eq!(answer.status, 200, "{topic}: {}", answer.text()),
                401 => answer.assert_refused(401, "token_missing"),
                status => answer.assert_refused(status, "forbidden"),
            }
        }
    }
}

#[tokio::test]
async fn a_refused_topic_does_not_reveal_whether_it_has_events() {
    let server = start().await;
    server
        .post(
            "/notifications/send?targetUserId=bob",
            json!({"title": "T", "message": "M"}),
        )
        .await;
    let ann = demo("ann", "user");
    let of = async |user: &str| {
        let path = format!("/events?topic=notifications/user/{user}");
        let strip = |answer: Answer| (answer.status, answer.text());
        strip(server.call("GET", &path, &ann, Value::Null).await)
    };
    assert_eq!(of("bob").await, of("nobody").await);
}

#[tokio::test]
async fn a_user_reads_only_their_own_topic_whatever_characters_the_id_has() {
    let server = start().await;
    let odd = demo("a/b*", "user");
    server
        .post(
            "/notifications/send",
            json!({"title": "T", "message": "M", "targetUserId": "a/b*"}),
        )
        .await;
    assert_eq!(
        server.kept("notifications/user/a%2Fb%2A", &odd).await.len(),
        1
    );
    for (topic, token) in [
        ("notifications/user/a%252Fb%252A", demo("a", "user")),
        ("notifications/user/ann", demo("an", "user")),
        ("notifications/user/an", demo("ann", "user")),
        ("realtime/user/ann/entity/order", demo("an", "user")),
        ("notifications/user/ann/entity/order", demo("ann", "user")),
    ] {
        let answer = server
            .call(
                "GET",
                &format!("/events?topic={topic}"),
                &token,
                Value::Null,
            )
            .await;
        answer.assert_refused(403, "forbidden");
    }
}

#[tokio::test]
async fn a_malformed_demo_token_reads_as_an_anonymous_visitor() {
    let server = start().await;
    for (topic, status) in [
        ("notifications", 200),
        ("system/status", 200),
        ("chat", 401),
        ("notifications/user/a", 401),
    ] {
        let answer = server
            .call("GET", &format!("/events?topic={topic}"), "bad", Value::Null)
            .await;
        match status {
            401 => answer.assert_refused(401, "token_invalid"),
            status => assert_eq!(answer.status, status, "{topic}: {}", answer.text()),
        }
    }
    let shaped = server
        .call("GET", "/events?topic=notifications", "a.b.c", Value::Null)
        .await;
    shaped.assert_refused(401, "token_invalid");
}
