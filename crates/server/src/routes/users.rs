//! `DELETE /users/{id}`: erases the topics of a user, and ends the user's memberships of rooms.

use std::sync::Arc;

use axum::extract::State;
use tidings_edge::error::{Code, Error};
use tidings_edge::reply::Reply;

use super::{chat, events};
use crate::app::App;
use crate::http::extract::{Admin, InPath, user};
use crate::stream_groups;

/// `DELETE /users/{id}`. Open streams of the user stay open, and tokens stay valid: other calls end
/// these.
pub(crate) async fn erase(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    InPath(id): InPath,
) -> Result<Reply, Error> {
    let user = user("id", &id)?;
    let until = app.hub.head().to_string();
    // This runs in a task of its own: the work must not stop in the middle if the client
    // disconnects.
    let work = tokio::spawn(async move {
        let rooms = chat::end_memberships_of(&app, &user).await?;
        let erased = events::erase_all(
            &app,
            stream_groups::topics_of_user(app.groups, &user),
            &until,
            "id",
        )
        .await;
        erased.map(|_| (user, rooms))
    });
    let (user, rooms) = work
        .await
        .map_err(|_| Error::new(Code::JournalUnavailable, "The erasure was not completed"))??;
    tracing::info!(admin = %caller.id, rooms, "an administrator erased the topics of a user");
    let message = format!("Erased the topics of {user}");
    Ok(Reply::success(&message, |reply| {
        reply.value("memberships", &rooms)
    }))
}
