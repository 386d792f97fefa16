//! `GET /system/topics`: lists the topics of the log and the number of their followers.
//! `DELETE /users/{id}`: erases all topics of a user.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};
use tidings_edge::error::{Code, Error};
use tidings_edge::query::{self, Name, Params};
use tidings_edge::reply::Reply;
use tidings_journal::{Holding, TopicName};

use super::{chat, events};
use crate::app::App;
use crate::groups;
use crate::http::extract::{Admin, InPath, user};

/// The maximum number of topics in one answer, and the default of `limit`.
const PAGE: usize = 1_000;

/// The query parameters of `/system/topics`.
pub(crate) const QUERY: &[Name] = &[query::TOKEN, Name::single(&["limit"]), Name::single(&["cursor"])];

/// `GET /system/topics`
pub(crate) async fn list(State(app): State<Arc<App>>, _: Admin, params: Params) -> Result<Reply, Error> {
    let name = |text: &str| {
        TopicName::parse(text).map_err(|_| Error::field("cursor", "must be the `next` of an earlier answer"))
    };
    let after = params.filled("cursor").map(name).transpose()?;
    let limit = params.number("limit", 1..=PAGE, PAGE)?;
    // Until then, events that an earlier process has left to be erased are counted.
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

fn describe((Holding { topic, events, bytes }, followers): &(Holding, usize)) -> Value {
    json!({ "name": topic.as_str(), "events": events, "bytes": bytes, "followers": followers })
}

/// `DELETE /users/{id}`: erases the user's own topics, and ends the user's memberships.
///
/// Open streams stay open, and tokens stay valid. Other calls end these.
pub(crate) async fn erase_user(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    InPath(id): InPath,
) -> Result<Reply, Error> {
    let user = user("id", &id)?;
    let until = app.hub.head().to_string();
    // This runs in a task, because the work must not stop in the middle if the client disconnects.
    let work = tokio::spawn(async move {
        let rooms = chat::end_memberships_of(&app, &user).await?;
        let erased = events::erase_all(&app, groups::of_user(app.groups, &user), &until, "id").await;
        erased.map(|_| (user, rooms))
    });
    let (user, rooms) =
        work.await.map_err(|_| Error::new(Code::JournalUnavailable, "The erasure did not come to an end"))??;
    tracing::info!(admin = %caller.id, rooms, "an admin erased the topics of a user");
    let message = format!("Erased the topics of {user}");
    Ok(Reply::success(&message, |reply| reply.value("memberships", &rooms)))
}
