//! What many tests check about an answer, about what is stored, and about the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tidings_hub::Clock;

use super::{ADMIN, Answer, TestServer};

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct SetClock(Arc<AtomicI64>);

impl SetClock {
    /// A clock that stands at `time` (RFC 3339).
    pub(crate) fn at(time: &str) -> Self {
        let time: Timestamp = time.parse().unwrap();
        Self(Arc::new(AtomicI64::new(time.as_millisecond())))
    }

    /// The clock as a server takes it.
    pub(crate) fn clock(&self) -> Clock {
        let now = self.clone();
        Clock::from_fn(move || now.now())
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0
            .fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// The names of the fields of a JSON object, in the order of the text.
pub(crate) fn names(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

/// Fails unless the id has the form that existing front ends know: `prefix_<milliseconds>_<nine
/// random characters>`.
#[track_caller]
pub(crate) fn assert_minted(id: &Value, prefix: &str) {
    let parts: Vec<_> = id.as_str().expect("an id is text").split('_').collect();
    let [head, time, random] = parts.as_slice() else {
        panic!("{id} is no minted id")
    };
    assert_eq!(*head, prefix);
    assert!(
        time.len() == 13 && time.bytes().all(|b| b.is_ascii_digit()),
        "{id}"
    );
    assert!(
        random.len() == 9 && random.bytes().all(|b| b.is_ascii_alphanumeric()),
        "{id}"
    );
}

/// The number after the hyphen of an event's id.
#[track_caller]
pub(crate) fn position(id: &str) -> u64 {
    let (_, position) = id
        .split_once('-')
        .unwrap_or_else(|| panic!("{id:?} is no id of an event"));
    position.parse().unwrap()
}

impl Answer {
    /// Fails unless this is an error of the documented form, with this status and code.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(
            self.header("content-type"),
            Some("application/json; charset=utf-8"),
            "{}",
            self.text()
        );
        let json = self.json();
        let mut expected = vec!["statusCode", "error", "message", "code"];
        if code == "validation_failed" {
            expected.push("details");
        }
        assert_eq!(names(&json), expected);
        assert_eq!(json["statusCode"], status);
        let reason = http::StatusCode::from_u16(status)
            .unwrap()
            .canonical_reason()
            .unwrap();
        assert_eq!(json["error"], reason);
        assert!(
            json["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
        assert_eq!(json["code"], code, "{}", self.text());
        if code == "validation_failed" {
            assert!(!self.bad_fields().is_empty(), "{}", self.text());
        }
    }

    /// Fails unless this is a `400 validation_failed` that names exactly these fields.
    #[track_caller]
    pub(crate) fn assert_invalid(&self, fields: &[&str]) {
        self.assert_refused(400, "validation_failed");
        assert_eq!(self.bad_fields(), fields, "{}", self.text());
    }

    /// The fields that `details` names, each of which has a problem.
    #[track_caller]
    fn bad_fields(&self) -> Vec<String> {
        let json = self.json();
        let details = json["details"].as_array().expect("details").iter();
        let named = details.map(|one| {
            assert_eq!(names(one), ["field", "problem"]);
            assert!(
                one["problem"]
                    .as_str()
                    .is_some_and(|problem| !problem.is_empty())
            );
            one["field"].as_str().unwrap().to_owned()
        });
        named.collect()
    }
}

impl TestServer {
    /// The number of events that were ever stored, in any topic: each takes the next position.
    pub(crate) async fn stored(&self) -> u64 {
        // The page of a topic without events reaches to the head of the log.
        let page = self.get("/events?topic=realtime/entity/none").await.json();
        assert_eq!(
            (&page["end"], page["events"].as_array().map(Vec::len)),
            (&Value::Bool(true), Some(0))
        );
        position(page["next"].as_str().unwrap())
    }

    /// The stored events of a topic, as the owner of `token` reads them: an admin, or another user
    /// that may.
    pub(crate) async fn kept(&self, topic: &str, token: &str) -> Vec<Value> {
        let path = format!("/events?topic={}&limit=1000", topic.replace('%', "%25"));
        let answer = self.call("GET", &path, token, Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["events"].as_array().unwrap().clone()
    }

    /// The only stored event of a topic, as [`ADMIN`] reads it.
    pub(crate) async fn only(&self, topic: &str) -> Value {
        let mut kept = self.kept(topic, ADMIN).await;
        assert_eq!(kept.len(), 1, "{kept:?}");
        kept.remove(0)
    }
}
