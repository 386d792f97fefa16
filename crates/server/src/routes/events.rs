//! `GET /events`: lists the stored events of a topic in pages, forwards or backwards. It requires
//! the same rights as the stream that shows the topic.
//!
//! `DELETE /events`: erases the events of a topic up to an event.

use std::sync::Arc;

use axum::extract::State;
use http::request::Parts;
use tidings_edge::error::Error;
use tidings_edge::json::Object;
use tidings_edge::query::{self, Name, Params};
use tidings_edge::reply::Reply;
use tidings_hub::{After, Before, EraseError, Erasure, ResetReason};
use tidings_journal::{Entry, EventId, TopicName};

use crate::app::App;
use crate::auth::Credential;
use crate::http::cursor;
use crate::http::extract::{self, Admin};
use crate::stream_groups;
use crate::topic_names;

/// The query parameters of `/events`, of both methods.
pub(crate) const QUERY: &[Name] = &[
    query::TOKEN,
    Name::single(&["topic"]),
    Name::single(&["after"]),
    Name::single(&["before"]),
    Name::single(&["limit"]),
    Name::single(&["until"]),
];

/// The maximum length in characters of a text that is read as an id. A longer text is cut, and
/// malformed in any case.
const MAX_ID_CHARS: usize = 256;

/// `GET /events`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    parts: Parts,
    params: Params,
) -> Result<Reply, Error> {
    let name = params
        .filled("topic")
        .ok_or_else(|| Error::field("topic", "is required"))?;
    let topic =
        topic_names::parse(name).map_err(|error| Error::field("topic", error.to_string()))?;
    let credential = Credential::find(&parts.headers, parts.uri.query(), None, false);
    let visitor = extract::optional(&app, credential.as_ref(), &parts)?;
    app.guard
        .may_list(&visitor, &topic)
        .map_err(|denied| extract::denied(&app, &parts, denied))?;
    let limit = params.number("limit", 1..=1_000, 100)?;
    refuse(
        &params,
        &["until"],
        "is only for erasing; use `before` or `limit` to bound a page",
    )?;
    match (params.filled("after"), params.filled("before")) {
        (Some(_), Some(_)) => Err(Error::field(
            "before",
            "can't be asked for together with `after`",
        )),
        (None, Some(before)) => list_before(&app, topic, before, limit).await,
        (after, None) => list_after(&app, topic, after, limit).await,
    }
}

async fn list_after(
    app: &App,
    topic: TopicName,
    after: Option<&str>,
    limit: usize,
) -> Result<Reply, Error> {
    let after = match cursor::parse(after.unwrap_or_default()) {
        After::Now => After::Earliest,
        after => after,
    };
    // may wait, so it comes before the permit, which other calls need
    let place = app.hub.place(&after).await?;
    let _turn = app.unread_output.begin_page().await?;
    let history = app.hub.history_from(vec![topic], place, limit).await?;
    if history.gap == Some(ResetReason::Malformed) {
        return Err(Error::field(
            "after",
            "must be the id of an event, or `earliest`",
        ));
    }
    let answer = page(&history.entries)
        .text("next", &history.next.to_string())
        .value("end", &history.end);
    Ok(Reply::written(
        with_gap(answer, history.gap, history.oldest).finish(),
    ))
}

async fn list_before(
    app: &App,
    topic: TopicName,
    before: &str,
    limit: usize,
) -> Result<Reply, Error> {
    let before = match before {
        "latest" => Before::Latest,
        id => Before::Id(id.chars().take(MAX_ID_CHARS).collect()),
    };
    let place = app.hub.place_before(&before).await?;
    let _turn = app.unread_output.begin_page().await?;
    let history = app
        .hub
        .history_before_place(vec![topic], place, limit)
        .await?;
    if history.gap == Some(ResetReason::Malformed) {
        return Err(Error::field(
            "before",
            "must be the id of an event, or `latest`",
        ));
    }
    let answer = page(&history.entries)
        .text("prev", &history.prev.to_string())
        .value("end", &history.end);
    Ok(Reply::written(
        with_gap(answer, history.gap, history.oldest).finish(),
    ))
}

/// Fails with `problem` if the query has one of `names`, which only the other method of this path
/// uses.
fn refuse(params: &Params, names: &[&'static str], problem: &str) -> Result<(), Error> {
    match names.iter().find(|name| params.get(name).is_some()) {
        Some(name) => Err(Error::field(name, problem)),
        None => Ok(()),
    }
}

/// `DELETE /events`
pub(crate) async fn erase(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    params: Params,
) -> Result<Reply, Error> {
    let name = params
        .filled("topic")
        .ok_or_else(|| Error::field("topic", "is required"))?;
    let topic = TopicName::parse(name).map_err(|error| Error::field("topic", error.to_string()))?;
    if topic_names::is_internal(&topic) {
        return Err(Error::field(
            "topic",
            "is an internal topic of the server, which can't be erased",
        ));
    }
    let until = params
        .filled("until")
        .ok_or_else(|| Error::field("until", "is required"))?;
    refuse(
        &params,
        &["after", "before", "limit"],
        "can't be used for erasing: everything up to `until` is erased",
    )?;
    let floor = erase_all(&app, vec![topic.clone()], until, "until").await?;
    tracing::info!(admin = %caller.id, %floor, "an administrator erased the events of a topic");
    let message = format!("Erased {topic} up to {until}");
    Ok(Reply::success(&message, |reply| {
        reply
            .text("topic", topic.as_str())
            .text("floor", &floor.to_string())
    }))
}

/// Erases the topics `named`, and all topics whose events they also show, up to the event with the
/// id `until`. An error about the id names `field`, in which the caller sent it. Returns the
/// highest floor of these topics.
pub(crate) async fn erase_all(
    app: &App,
    named: Vec<TopicName>,
    until: &str,
    field: &'static str,
) -> Result<EventId, Error> {
    let erasure = |topic| Erasure {
        below: stream_groups::prefix_shown_by(app.groups, &topic),
        topic,
    };
    let until = until.chars().take(MAX_ID_CHARS).collect::<String>();
    app.hub
        .erase(named.into_iter().map(erasure), &until)
        .await
        .map_err(|error| match error {
            EraseError::UnknownId(_) => {
                Error::field(field, "must be the id of an event in this log")
            }
            EraseError::Journal(error) => error.into(),
        })
}

fn page(entries: &[Arc<Entry>]) -> Object {
    let events: Vec<_> = entries.iter().map(|entry| event(entry)).collect();
    Object::new().written("events", &format!("[{}]", events.join(",")))
}

fn with_gap(answer: Object, gap: Option<ResetReason>, oldest: Option<EventId>) -> Object {
    let Some(gap) = gap else { return answer };
    let oldest = oldest.map(|oldest| oldest.to_string());
    answer.value(
        "gap",
        &serde_json::json!({ "reason": gap.as_str(), "oldest": oldest }),
    )
}

fn event(entry: &Entry) -> String {
    let record = &entry.record;
    let topic = record.topics.first().map_or("", TopicName::as_str);
    Object::new()
        .text("id", &entry.id.to_string())
        .text("topic", topic)
        .text("event", &record.event)
        .written("data", &String::from_utf8_lossy(&record.data))
        .finish()
}
