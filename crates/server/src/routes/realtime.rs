//! `/realtime`: publishes that an entity was created, updated or deleted, to all users or to one.

use axum::response::Response;
use tidings_edge::error::Error;
use tidings_edge::reply::Draft;
use tidings_hub::UserId;

use super::target;
use crate::calls::Event;
use crate::calls::update::Update;
use crate::http::extract::{InPath, JsonBody};
use crate::http::publisher::{Publisher, Unit};

/// `POST /realtime/update`
pub(crate) async fn update(publisher: Publisher, body: JsonBody) -> Result<Response, Error> {
    let mut fields = body.fields()?;
    let target = target(publisher.params()?, &mut fields)?;
    let update = Update::read(
        fields,
        target.as_ref(),
        publisher.by(),
        &publisher.app.guard,
    )?;
    let Event { id, publication } = update.event(publisher.app.now());
    let whom = target.as_ref().map_or("all subscribers", UserId::as_str);
    let message = format!("Real-time update sent successfully to {whom}");
    let draft = Draft::naming_event(&message, |reply| reply.text("id", &id));
    publisher
        .publish(target.as_ref(), body.bytes(), Unit::new(publication, draft))
        .await
}

/// `POST /realtime/entity/{entity}/create`
pub(crate) async fn created(
    publisher: Publisher,
    entity: InPath,
    body: JsonBody,
) -> Result<Response, Error> {
    publish_change(&entity.0, publisher, body, "create", "creation").await
}

/// `POST /realtime/entity/{entity}/update`
pub(crate) async fn updated(
    publisher: Publisher,
    entity: InPath,
    body: JsonBody,
) -> Result<Response, Error> {
    publish_change(&entity.0, publisher, body, "update", "update").await
}

/// `POST /realtime/entity/{entity}/delete`
pub(crate) async fn deleted(
    publisher: Publisher,
    entity: InPath,
    body: JsonBody,
) -> Result<Response, Error> {
    publish_change(&entity.0, publisher, body, "delete", "deletion").await
}

/// Publishes that `action` was done to an entity, which is the body. `noun` names it in the answer.
async fn publish_change(
    entity: &str,
    publisher: Publisher,
    body: JsonBody,
    action: &'static str,
    noun: &'static str,
) -> Result<Response, Error> {
    let update = Update::of_entity(
        entity,
        action,
        body.bytes(),
        &publisher.caller,
        &publisher.app.guard,
    )?;
    let message = format!("Entity {} {noun} broadcasted", update.entity);
    let Event { id, publication } = update.event(publisher.app.now());
    let draft = Draft::naming_event(&message, |reply| reply.text("id", &id));
    publisher
        .publish(None, body.bytes(), Unit::new(publication, draft))
        .await
}
