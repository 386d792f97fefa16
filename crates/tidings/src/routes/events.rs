//! `GET /events`: what is kept of one topic, page by page, with the rights of that topic's stream.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;
use tidings_hub::{After, Reason};
use tidings_journal::TopicName;

use crate::app::App;
use crate::auth::{Credential, Identity, Visitor};
use crate::http::error::{Code, Error};
use crate::http::extract;
use crate::http::json::Object;
use crate::http::query::{self, Name, Params};
use crate::http::reply::Reply;
use crate::topics;

/// What a query of `/events` may say.
pub(crate) const QUERY: &[Name] =
    &[query::TOKEN, Name::single(&["topic"]), Name::single(&["after"]), Name::single(&["limit"])];

/// `GET /events`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: http::HeaderMap,
    params: Params,
) -> Result<Reply, Error> {
    let name = params.filled("topic").ok_or_else(|| Error::field("topic", "is required"))?;
    let topic = TopicName::parse(name).map_err(|error| Error::field("topic", error.to_string()))?;
    let credential = Credential::find(&headers, uri.query(), None, false);
    authorise(&app, &topic, credential.as_ref())?;
    let after = match extract::after(params.get("after").unwrap_or_default()) {
        After::Now => After::Earliest,
        after => after,
    };
    let limit = params.number("limit", 1..=1_000, 100)?;
    let history = app.hub.history(vec![topic], &after, limit).await?;
    if history.gap == Some(Reason::Malformed) {
        return Err(Error::field("after", "must be the id of an event, or `earliest`"));
    }
    let events: Vec<_> = history.entries.iter().map(|entry| event(entry)).collect();
    let mut answer = Object::new()
        .written("events", &format!("[{}]", events.join(",")))
        .text("next", &history.next.to_string())
        .value("end", &history.end);
    if let Some(gap) = history.gap {
        let oldest = history.oldest.map(|oldest| oldest.to_string());
        answer = answer.value("gap", &serde_json::json!({ "reason": gap.as_str(), "oldest": oldest }));
    }
    Ok(Reply::written(answer.finish()))
}

fn event(entry: &tidings_journal::Entry) -> String {
    let record = &entry.record;
    let topic = record.topics.first().map_or("", TopicName::as_str);
    Object::new()
        .text("id", &entry.id.to_string())
        .text("topic", topic)
        .text("event", &record.event)
        .written("data", &String::from_utf8_lossy(&record.data))
        .finish()
}

/// Fails unless the stream of `topic` would be opened for the caller.
fn authorise(app: &App, topic: &TopicName, credential: Option<&Credential>) -> Result<(), Error> {
    let now = app.now();
    let optional = || app.auth.optional(credential, now);
    let (notifications, realtime) = (topics::notifications(), topics::realtime());
    let segments: Vec<_> = topic.as_str().split('/').collect();
    match segments.as_slice() {
        ["notifications" | "realtime"] | ["realtime", "entity", _] | ["system", "status"] => {
            optional()?;
            Ok(())
        }
        ["notifications" | "realtime", "user", _] | ["realtime", "user", _, "entity", _] => {
            let Visitor { identity, .. } = optional()?;
            let identity = identity.ok_or(crate::auth::Refusal::Missing)?;
            let own = |me: &Identity| {
                let of_me = [topics::of_user(&notifications, &me.id), topics::of_user(&realtime, &me.id)];
                of_me.iter().any(|own| topic == own || topic.as_str().starts_with(&format!("{own}/")))
            };
            if own(&identity) { Ok(()) } else { Err(Error::new(Code::Forbidden, "This topic is another user's")) }
        }
        ["chat"] | ["chat", "room", _] => {
            app.auth.required(credential, now)?;
            Ok(())
        }
        _ => {
            app.auth.required(credential, now)?;
            Err(Error::new(Code::Forbidden, "No stream shows this topic"))
        }
    }
}
