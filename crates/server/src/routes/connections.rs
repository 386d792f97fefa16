//! `/system/connections` and related calls: lists, counts and ends streams, which the API calls
//! connections. Also begins the shutdown of the server.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Map, Value, json};
use tidings_edge::error::{Code, Error};
use tidings_edge::query::{self, Name, Params};
use tidings_edge::reply::Reply;
use tidings_hub::{
    Connection, ConnectionId, Ended, Ending, EndingCause, Filter, RefusalReason, UserId,
};
use tidings_journal::TopicName;

use super::{StreamCounts, current_stats};
use crate::app::{App, Phase};
use crate::http::extract::{Admin, InPath, user};
use crate::times::{random_delay, rfc3339_ms};
use crate::topic_names;

/// The maximum number of connections in one answer, and the default of `limit`.
const MAX_PAGE: usize = 1_000;

/// The query parameters of `/system/connections`.
pub(crate) const QUERY: &[Name] = &[
    query::TOKEN,
    Name::single(&["userId"]),
    Name::single(&["topic"]),
    Name::single(&["limit"]),
    Name::single(&["cursor"]),
];

/// The query parameters of `/system/users/connections`.
pub(crate) const QUERY_OF_USER: &[Name] = &[query::TOKEN, Name::single(&["userId"])];

/// `GET /system/stats`: counts the open streams, in the fields that existing front ends know, and
/// the streams that were opened, refused and ended since the start.
pub(crate) async fn counts(State(app): State<Arc<App>>) -> Reply {
    Reply::json(&counts_and_totals(&app))
}

/// Returns the answer of `GET /system/stats`.
pub(crate) fn counts_and_totals(app: &App) -> Value {
    let totals = app.hub.connections().totals();
    let mut answer = json!(current_stats(app));
    answer["totalOpened"] = totals.opened.into();
    answer["opened"] = json!(totals.opened_by_kind);
    answer["refused"] =
        by_reason(RefusalReason::ALL.map(|why| (why.as_str(), totals.refused(why))));
    answer["ended"] = by_reason(Ended::ALL.map(|how| (how.as_str(), totals.ended(how))));
    answer["closed"] = by_reason(app.connection_table.closed.all());
    answer
}

/// Returns an object with every reason, even if its count is zero, so that a monitoring system sees
/// each number from the beginning.
fn by_reason<const N: usize>(counts: [(&'static str, u64); N]) -> Value {
    counts
        .into_iter()
        .map(|(reason, count)| (reason.to_owned(), json!(count)))
        .collect::<Map<_, _>>()
        .into()
}

/// `GET /system/connections`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _: Admin,
    params: Params,
) -> Result<Reply, Error> {
    let topic =
        |text| topic_names::parse(text).map_err(|error| Error::field("topic", error.to_string()));
    let serial = |text: &str| {
        text.parse()
            .map_err(|_| Error::field("cursor", "must be the `next` of an earlier answer"))
    };
    let filter = Filter {
        user: params
            .get("userId")
            .map(|text| user("userId", text))
            .transpose()?,
        topic: params.get("topic").map(topic).transpose()?,
        after: params
            .filled("cursor")
            .map(serial)
            .transpose()?
            .unwrap_or(0),
    };
    let limit = params.number("limit", 1..=MAX_PAGE, MAX_PAGE)?;
    let registry = app.hub.connections();
    let (page, more) = registry.list(&filter, limit);
    let connections: Vec<_> = page
        .iter()
        .map(|connection| describe(&app, connection))
        .collect();
    let mut answer =
        json!({ "connections": connections, "stats": StreamCounts::from(registry.stats()) });
    if let Some(last) = page.last().filter(|_| more) {
        answer["next"] = last.serial.to_string().into();
    }
    Ok(Reply::json(&answer))
}

fn describe(app: &App, connection: &Connection) -> Value {
    let topics: Vec<_> = connection.topics().map(TopicName::as_str).collect();
    let mut description = json!({
        "id": connection.id.to_string(),
        "connectedAt": rfc3339_ms(connection.connected_at_ms),
        "lastActivity": rfc3339_ms(connection.last_activity_ms()),
        "subscriptions": connection.counted_as,
        "topics": topics,
        "lastEventId": app.hub.id_of(connection.position()).to_string(),
        "lagBytes": connection.lag_bytes(),
    });
    if let Some(user) = &connection.user {
        description["userId"] = user.as_str().into();
    }
    if let Some(address) = connection.address {
        description["address"] = address.to_string().into();
    }
    description
}

/// `DELETE /system/connections/{id}`
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    _: Admin,
    InPath(id): InPath,
) -> Result<Reply, Error> {
    let connection = ConnectionId::parse(&id).and_then(|id| app.hub.connections().get(id));
    let Some(connection) = connection else {
        return Err(Error::new(
            Code::NotFound,
            "No such connection; it may have ended already",
        ));
    };
    connection.end(disconnected());
    Ok(Reply::success(
        &format!("Disconnected {}", connection.id),
        |reply| reply.value("ended", &1),
    ))
}

/// `DELETE /system/users/{userId}/connections`
pub(crate) async fn end_user(
    State(app): State<Arc<App>>,
    _: Admin,
    InPath(id): InPath,
) -> Result<Reply, Error> {
    Ok(end_streams_of(&app, &user("userId", &id)?))
}

/// `DELETE /system/users/connections?userId=`: ends the connections of a user, even if the id can't
/// be part of a path. Browsers and proxies remove the segments `.` and `..` from a path, escaped or
/// not (URL standard, section 4.1), and some proxies decode `%2F`.
pub(crate) async fn end_named_user(
    State(app): State<Arc<App>>,
    _: Admin,
    params: Params,
) -> Result<Reply, Error> {
    let id = params
        .get("userId")
        .ok_or_else(|| Error::field("userId", "is required"))?;
    Ok(end_streams_of(&app, &user("userId", id)?))
}

fn end_streams_of(app: &App, user: &UserId) -> Reply {
    let ended = app.hub.connections().end_user(user, disconnected());
    let message = format!("Disconnected {ended} connections of {user}");
    Reply::success(&message, |reply| reply.value("ended", &ended))
}

/// Returns the ending of a stream that an administrator disconnects. Its token stays valid, so the
/// client is told to reconnect, but only after a few seconds: otherwise the administrator would see
/// no effect.
fn disconnected() -> Ending {
    let retry = Some(random_delay(Duration::from_secs(1), Duration::from_secs(5)));
    Ending {
        cause: EndingCause::Disconnected,
        retry,
    }
}

/// `POST /system/drain`: begins the shutdown, as a signal does. A repeated call changes nothing.
pub(crate) async fn drain(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
) -> (StatusCode, Reply) {
    let streams = app.hub.connections().stats().total;
    if app.phase() == Phase::Serving && !app.stop.is_cancelled() {
        tracing::info!(user = %caller.id, streams, "an administrator requested the shutdown");
    }
    app.stop.cancel();
    let seconds = app.config.lifecycle.drain.as_secs_f64();
    let message =
        format!("Draining: {streams} streams are ended over {seconds} s, then the server stops");
    let reply = Reply::success(&message, |reply| {
        reply.value("streams", &streams).value("seconds", &seconds)
    });
    (StatusCode::ACCEPTED, reply)
}

/// `POST /system/cleanup`: exists for compatibility. Streams end without it, so there is never
/// anything to clean up.
pub(crate) async fn cleanup(State(app): State<Arc<App>>, _: Admin) -> Reply {
    let stats = current_stats(&app);
    Reply::success("Cleaned up 0 inactive connections", |reply| {
        reply
            .value("statsBefore", &stats)
            .value("statsAfter", &stats)
    })
}
