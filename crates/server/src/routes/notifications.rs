//! `/notifications`: sends notifications to all users, or to all connections of one user.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use tidings_edge::error::Error;
use tidings_edge::reply::Draft;
use tidings_hub::UserId;

use super::{current_stats, target};
use crate::app::App;
use crate::calls::Event;
use crate::calls::notification::Notification;
use crate::http::extract::JsonBody;
use crate::http::publisher::{Publisher, Unit};
use crate::topic_names;

/// `POST /notifications/send`
pub(crate) async fn send(publisher: Publisher, body: JsonBody) -> Result<Response, Error> {
    let mut fields = body.fields()?;
    let target = target(publisher.params()?, &mut fields)?;
    let notification = Notification::read(
        fields,
        target.as_ref(),
        publisher.by(),
        &publisher.app.guard,
    )?;
    let Event { id, publication } = notification.event(publisher.app.now());
    let whom = target.as_ref().map_or("all subscribers", UserId::as_str);
    let message = format!("Notification sent successfully to {whom}");
    let draft = Draft::naming_event(&message, |reply| reply.text("id", &id));
    publisher
        .publish(target.as_ref(), body.bytes(), Unit::new(publication, draft))
        .await
}

/// `POST /notifications/broadcast`
pub(crate) async fn broadcast(
    State(app): State<Arc<App>>,
    publisher: Publisher,
    body: JsonBody,
) -> Result<Response, Error> {
    app.guard
        .may_publish(publisher.by(), &topic_names::notifications())?;
    let mut fields = body.fields()?;
    if target(publisher.params()?, &mut fields)?.is_some() {
        return Err(Error::field(
            "targetUserId",
            "is not for a broadcast; use /notifications/send",
        ));
    }
    let notification = Notification::read(fields, None, publisher.by(), &app.guard)?;
    let Event { id, publication } = notification.event(app.now());
    let stats = current_stats(&app);
    let message = "Notification broadcast successfully";
    let draft = Draft::naming_event(message, |reply| {
        reply.value("stats", &stats).text("id", &id)
    });
    publisher
        .publish(None, body.bytes(), Unit::new(publication, draft))
        .await
}
