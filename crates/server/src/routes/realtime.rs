//! `/realtime`: what was created, updated or deleted, to who follows all of it, one entity, or is meant alone.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use tidings_edge::error::Error;
use tidings_edge::fields::{self, Fields};
use tidings_edge::json::{Compact, MAX_DEPTH, Object};
use tidings_edge::query;
use tidings_edge::reply::Draft;
use tidings_hub::{Publication, UserId};
use tidings_sse::EventName;

use super::{name, target};
use crate::app::App;
use crate::auth::Identity;
use crate::http::extract::{InPath, JsonBody};
use crate::http::publisher::{Publisher, Unit};
use crate::streams::open::{Spec, StreamCall};
use crate::times::{mint_id, rfc3339};
use crate::topics;

/// The most entities that one stream follows by name.
const MAX_ENTITIES: usize = 64;

/// What happened to an entity, in the event's word and in the two spellings that are taken.
const ACTIONS: [(&str, &str); 3] = [("create", "created"), ("update", "updated"), ("delete", "deleted")];

/// A checked update.
struct Update {
    entity: String,
    action: &'static str,
    data: Compact,
    /// Who did it, where the event names its author.
    author: Option<UserId>,
    /// The other names under which the body gave the entity and the action: they stay beside the normal ones.
    rest: Vec<(String, Compact)>,
}

/// `GET /realtime/stream`
pub(crate) async fn stream(call: StreamCall) -> Result<Response, Error> {
    let visitor = call.visitor()?;
    let all = topics::realtime();
    let own = visitor.identity.as_ref().map(|me| topics::of_user(&all, &me.id));
    let groups: Vec<_> = [all].into_iter().chain(own).collect();
    let entities = entities(call.params()?.all(query::ENTITIES.as_str()))?;
    let follows = if entities.is_empty() {
        groups
    } else {
        groups.iter().flat_map(|group| entities.iter().map(|entity| topics::entity(group, entity))).collect()
    };
    call.open(Spec::new(&["realtime-updates", "heartbeat"], follows), visitor).await
}

/// `POST /realtime/update`
pub(crate) async fn update(publisher: Publisher, body: JsonBody) -> Result<Response, Error> {
    let mut fields = body.fields()?;
    let target = target(publisher.params()?, &mut fields)?;
    if target.is_none() {
        publisher.app.may_publish_to_all(&publisher.caller)?;
    }
    let update = Update::read(fields, &publisher.caller)?;
    let whom = target.as_ref().map_or("all subscribers", UserId::as_str);
    let message = format!("Real-time update sent successfully to {whom}");
    let (id, publication) = update.publication(publisher.app.now(), target.as_ref());
    let draft = Draft::naming_event(&message, |reply| reply.text("id", &id));
    publisher.publish(target.as_ref(), body.bytes(), Unit::new(publication, draft)).await
}

/// `POST /realtime/entity/{entity}/create`
pub(crate) async fn created(
    app: State<Arc<App>>,
    publisher: Publisher,
    entity: InPath,
    body: JsonBody,
) -> Result<Response, Error> {
    happened(&app, &entity.0, publisher, body, "create", "creation").await
}

/// `POST /realtime/entity/{entity}/update`
pub(crate) async fn updated(
    app: State<Arc<App>>,
    publisher: Publisher,
    entity: InPath,
    body: JsonBody,
) -> Result<Response, Error> {
    happened(&app, &entity.0, publisher, body, "update", "update").await
}

/// `POST /realtime/entity/{entity}/delete`
pub(crate) async fn deleted(
    app: State<Arc<App>>,
    publisher: Publisher,
    entity: InPath,
    body: JsonBody,
) -> Result<Response, Error> {
    happened(&app, &entity.0, publisher, body, "delete", "deletion").await
}

async fn happened(
    app: &App,
    entity: &str,
    publisher: Publisher,
    body: JsonBody,
    action: &'static str,
    noun: &'static str,
) -> Result<Response, Error> {
    app.may_publish_to_all(&publisher.caller)?;
    let entity = name("entity", entity)?;
    let too_deep = |_| Error::field("body", format!("nests deeper than {MAX_DEPTH} levels"));
    let data = Compact::new(fields::parse(body.bytes())?).map_err(too_deep)?;
    let author = Some(publisher.caller.id.clone());
    let update = Update { entity, action, data, author, rest: Vec::new() };
    let message = format!("Entity {} {noun} broadcasted", update.entity);
    let (id, publication) = update.publication(app.now(), None);
    let draft = Draft::naming_event(&message, |reply| reply.text("id", &id));
    publisher.publish(None, body.bytes(), Unit::new(publication, draft)).await
}

/// The names in `?entities=a,b&entities=c`, each once. Empty ones are none: who joins an empty list filters nothing.
fn entities<'a>(lists: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Error> {
    let mut entities: Vec<String> = Vec::new();
    for text in lists.flat_map(|list| list.split(',')).map(str::trim).filter(|text| !text.is_empty()) {
        let entity = name("entities", text)?;
        if !entities.contains(&entity) {
            entities.push(entity);
        }
        if entities.len() > MAX_ENTITIES {
            return Err(Error::field("entities", format!("must be at most {MAX_ENTITIES}")));
        }
    }
    Ok(entities)
}

impl Update {
    fn read(mut fields: Fields<'_>, caller: &Identity) -> Result<Self, Error> {
        let mut rest = Vec::new();
        let entity = if fields.has("entity") || !fields.has("entityType") {
            fields.name("entity")
        } else {
            let entity = fields.name("entityType");
            rest.push(("entityType".to_owned(), Compact::string(&entity)));
            entity
        };
        let spellings: Vec<_> = ACTIONS.iter().flat_map(|(action, past)| [*action, *past]).collect();
        if !fields.has("action") {
            fields.problem("action", "is required");
        }
        let said = fields.maybe_choice("action", &spellings);
        let action = ACTIONS.iter().find(|(action, past)| said == Some(*action) || said == Some(*past));
        if !fields.has("data") {
            fields.problem("data", "is required");
        }
        let data = fields.maybe_raw("data");
        // Where an update names a user, it names its author; a publisher does not choose who that is.
        let author = fields.maybe_raw("userId").map(|_| caller.id.clone());
        rest.extend(fields.rest());
        fields.finish()?;
        let action = action.map_or("update", |(action, _)| *action);
        Ok(Self { entity, action, data: data.unwrap_or_default(), author, rest })
    }

    /// The update's id, and what to publish.
    fn publication(self, now: Timestamp, target: Option<&UserId>) -> (String, Publication) {
        let all = topics::realtime();
        let id = mint_id("update", now);
        let data = Object::new()
            .text("id", &id)
            .text("timestamp", &rfc3339(now))
            .text("entity", &self.entity)
            .text("action", self.action)
            .raw("data", &self.data)
            .maybe_text("userId", self.author.as_ref().map(UserId::as_str))
            .raws(&self.rest)
            .finish();
        let group = target.map_or_else(|| all.clone(), |user| topics::of_user(&all, user));
        let topics = [topics::entity(&group, &self.entity), group];
        (id, Publication::new(topics, EventName::from_static("realtime-update"), data))
    }
}
