//! `GET /system/topics`: lists the topics of the log, with the number of open streams that follow
//! each.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};
use tidings_edge::error::Error;
use tidings_edge::query::{self, Name, Params};
use tidings_edge::reply::Reply;
use tidings_journal::{Holding, TopicName};

use crate::app::App;
use crate::http::extract::Admin;

/// The maximum number of topics in one answer, and the default of `limit`.
const MAX_PAGE: usize = 1_000;

/// The query parameters of `/system/topics`.
pub(crate) const QUERY: &[Name] = &[
    query::TOKEN,
    Name::single(&["limit"]),
    Name::single(&["cursor"]),
];

/// `GET /system/topics`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _: Admin,
    params: Params,
) -> Result<Reply, Error> {
    let name = |text: &str| {
        TopicName::parse(text)
            .map_err(|_| Error::field("cursor", "must be the `next` of an earlier answer"))
    };
    let after = params.filled("cursor").map(name).transpose()?;
    let limit = params.number("limit", 1..=MAX_PAGE, MAX_PAGE)?;
    // Before that, events would be counted that an earlier process had begun to erase.
    app.hub.folds_ready().await?;
    let mut page = app.hub.topics("", after.as_ref(), limit + 1);
    let more = page.len() > limit;
    page.truncate(limit);
    let mut answer = json!({ "topics": page.iter().map(describe).collect::<Vec<_>>() });
    if let Some((last, _)) = page.last().filter(|_| more) {
        answer["next"] = last.topic.as_str().into();
    }
    Ok(Reply::json(&answer))
}

fn describe(
    (
        Holding {
            topic,
            events,
            bytes,
        },
        followers,
    ): &(Holding, usize),
) -> Value {
    json!({ "name": topic.as_str(), "events": events, "bytes": bytes, "followers": followers })
}
