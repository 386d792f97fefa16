//! `/realtime`: publishes the creation, update or deletion of an entity, to the streams of all
//! entities, of one entity, or of one user.

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
    let update = Update::read(fields, target.as_ref(), publisher.by(), &publisher.app.guard)?;
    let Event { id, publication } = update.event(publisher.app.now());
    let whom = target.as_ref().map_or("all subscribers", UserId::as_str);
    let message = format!("Real-time update sent successfully to {whom}");
    let draft = Draft::naming_event(&message, |reply| reply.text("id", &id));
    publisher.publish(target.as_ref(), body.bytes(), Unit::new(publication, draft)).await
}

/// `POST /realtime/entity/{entity}/create`
pub(crate) async fn created(publisher: Publisher, entity: InPath, body: JsonBody) -> Result<Response, Error> {
    happened(&entity.0, publisher, body, "create", "creation").await
}

/// `POST /realtime/entity/{entity}/update`
pub(crate) async fn updated(publisher: Publisher, entity: InPath, body: JsonBody) -> Result<Response, Error> {
    happened(&entity.0, publisher, body, "update", "update").await
}

/// `POST /realtime/entity/{entity}/delete`
pub(crate) async fn deleted(publisher: Publisher, entity: InPath, body: JsonBody) -> Result<Response, Error> {
    happened(&entity.0, publisher, body, "delete", "deletion").await
}

async fn happened(
    entity: &str,
    publisher: Publisher,
    body: JsonBody,
    action: &'static str,
    noun: &'static str,
) -> Result<Response, Error> {
    let update = Update::of_entity(entity, action, body.bytes(), &publisher.caller, &publisher.app.guard)?;
    let message = format!("Entity {} {noun} broadcasted", update.entity);
    let Event { id, publication } = update.event(publisher.app.now());
    let draft = Draft::naming_event(&message, |reply| reply.text("id", &id));
    publisher.publish(None, body.bytes(), Unit::new(publication, draft)).await
}
