//! `/notifications`: to everybody, or to one user on all of their connections.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use tidings_edge::error::Error;
use tidings_edge::fields::Fields;
use tidings_edge::json::{Compact, Object};
use tidings_edge::reply::Draft;
use tidings_hub::{Publication, UserId};
use tidings_sse::EventName;

use super::{current_stats, target};
use crate::app::App;
use crate::http::extract::JsonBody;
use crate::http::publisher::{Publisher, Unit};
use crate::streams::open::{Spec, StreamCall};
use crate::times::{mint_id, rfc3339};
use crate::topics;

/// A checked notification.
struct Notification {
    title: String,
    message: String,
    kind: &'static str,
    metadata: Option<Compact>,
    rest: Vec<(String, Compact)>,
}

/// `GET /notifications/stream`
pub(crate) async fn stream(call: StreamCall) -> Result<Response, Error> {
    let visitor = call.visitor()?;
    let all = topics::notifications();
    let own = visitor.identity.as_ref().map(|me| topics::of_user(&all, &me.id));
    let spec = Spec::new(&["notifications", "heartbeat"], [all].into_iter().chain(own).collect());
    call.open(spec, visitor).await
}

/// `POST /notifications/send`
pub(crate) async fn send(publisher: Publisher, body: JsonBody) -> Result<Response, Error> {
    let mut fields = body.fields()?;
    let target = target(publisher.params()?, &mut fields)?;
    if target.is_none() {
        publisher.app.may_publish_to_all(&publisher.caller)?;
    }
    let notification = Notification::read(fields)?;
    let whom = target.as_ref().map_or("all subscribers", UserId::as_str);
    let message = format!("Notification sent successfully to {whom}");
    let (id, publication) = notification.publication(publisher.app.now(), target.as_ref());
    let draft = Draft::naming_event(&message, |reply| reply.text("id", &id));
    publisher.publish(target.as_ref(), body.bytes(), Unit::new(publication, draft)).await
}

/// `POST /notifications/broadcast`
pub(crate) async fn broadcast(
    State(app): State<Arc<App>>,
    publisher: Publisher,
    body: JsonBody,
) -> Result<Response, Error> {
    app.may_publish_to_all(&publisher.caller)?;
    let mut fields = body.fields()?;
    if target(publisher.params()?, &mut fields)?.is_some() {
        return Err(Error::field("targetUserId", "is not for a broadcast; use /notifications/send"));
    }
    let notification = Notification::read(fields)?;
    let (id, publication) = notification.publication(app.now(), None);
    let stats = current_stats(&app);
    let message = "Notification broadcast successfully";
    let draft = Draft::naming_event(message, |reply| reply.value("stats", &stats).text("id", &id));
    publisher.publish(None, body.bytes(), Unit::new(publication, draft)).await
}

impl Notification {
    fn read(mut fields: Fields<'_>) -> Result<Self, Error> {
        let notification = Self {
            title: fields.text("title", 1..=200),
            message: fields.text("message", 1..=10_000),
            kind: fields.maybe_choice("type", &["info", "success", "warning", "error"]).unwrap_or("info"),
            metadata: fields.maybe_raw("metadata"),
            rest: fields.rest(),
        };
        fields.finish()?;
        Ok(notification)
    }

    /// The notification's id, and what to publish.
    fn publication(self, now: Timestamp, target: Option<&UserId>) -> (String, Publication) {
        let all = topics::notifications();
        let id = mint_id("notif", now);
        let data = Object::new()
            .text("id", &id)
            .text("timestamp", &rfc3339(now))
            .text("title", &self.title)
            .text("message", &self.message)
            .text("type", self.kind)
            .maybe_raw("metadata", self.metadata.as_ref())
            .raws(&self.rest)
            .finish();
        let topic = target.map_or_else(|| all.clone(), |user| topics::of_user(&all, user));
        let event = EventName::from_static("notification");
        (id, Publication::new([topic], event, data))
    }
}
