//! An update of an entity: what was created, updated or deleted.

use jiff::Timestamp;
use tidings_hub::{Publication, UserId};
use tidings_journal::TopicName;
use tidings_sse::EventName;

use super::Event;
use crate::auth::guard::Guard;
use crate::auth::{By, Identity};
use crate::times::{mint_id, rfc3339};
use crate::topic_names;
use tidings_edge::error::Error;
use tidings_edge::fields::{self, Fields};
use tidings_edge::json::{Compact, MAX_DEPTH, Object};

/// The actions, each with the name in the event and the past tense that a form may use instead.
const ACTIONS: [(&str, &str); 3] = [
    ("create", "created"),
    ("update", "updated"),
    ("delete", "deleted"),
];

/// An update of an entity, whose fields and rights were checked.
pub(crate) struct Update {
    /// The topic of the updates of all entities: for all users, or for the one target.
    all_entities: TopicName,
    pub(crate) entity: String,
    action: &'static str,
    data: Compact,
    /// The JSON of the author's id, if the event names its author.
    author: Option<Compact>,
    /// All other fields of the form. `entityType`, if the form has it in place of `entity`, is one
    /// of them.
    rest: Vec<(String, Compact)>,
}

impl Update {
    /// Reads and checks a form from `by`, addressed to `target` or to all users.
    pub(crate) fn read(
        mut fields: Fields<'_>,
        target: Option<&UserId>,
        by: By<'_>,
        guard: &Guard,
    ) -> Result<Self, Error> {
        let all_entities = topic_names::for_target(&topic_names::realtime(), target);
        guard.may_publish(by, &all_entities)?;
        let mut rest = Vec::new();
        let entity = if fields.has("entity") || !fields.has("entityType") {
            fields.name("entity")
        } else {
            let entity = fields.name("entityType");
            rest.push(("entityType".to_owned(), Compact::string(&entity)));
            entity
        };
        let spellings: Vec<_> = ACTIONS
            .iter()
            .flat_map(|(action, past)| [*action, *past])
            .collect();
        if !fields.has("action") {
            fields.problem("action", "is required");
        }
        let named_action = fields.maybe_choice("action", &spellings);
        let action = ACTIONS
            .iter()
            .find(|(action, past)| named_action == Some(*action) || named_action == Some(*past));
        if !fields.has("data") {
            fields.problem("data", "is required");
        }
        let data = fields.maybe_raw("data");
        // The `userId` of an update is its author. The application may choose it, but a caller may
        // not.
        let author = fields.maybe_raw("userId").map(|user_id| match by {
            By::Caller(caller) => Compact::string(caller.id.as_str()),
            By::Application => user_id,
        });
        rest.extend(fields.rest());
        fields.finish()?;
        let action = action.map_or("update", |(action, _)| *action);
        Ok(Self {
            all_entities,
            entity,
            action,
            data: data.unwrap_or_default(),
            author,
            rest,
        })
    }

    /// Makes an update from `body`, which is the entity itself: `caller` did `action` to it.
    pub(crate) fn of_entity(
        entity: &str,
        action: &'static str,
        body: &[u8],
        caller: &Identity,
        guard: &Guard,
    ) -> Result<Self, Error> {
        let all_entities = topic_names::realtime();
        guard.may_publish(caller.into(), &all_entities)?;
        let entity = fields::checked_name("entity", entity)?.to_owned();
        let too_deep = |_| Error::field("body", format!("nests deeper than {MAX_DEPTH} levels"));
        let data = Compact::new(fields::parse(body)?).map_err(too_deep)?;
        Ok(Self {
            all_entities,
            entity,
            action,
            data,
            author: Some(Compact::string(caller.id.as_str())),
            rest: Vec::new(),
        })
    }

    /// Returns the event, with a new id and the time `now`.
    pub(crate) fn event(self, now: Timestamp) -> Event {
        let id = mint_id("update", now);
        let data = Object::new()
            .text("id", &id)
            .text("timestamp", &rfc3339(now))
            .text("entity", &self.entity)
            .text("action", self.action)
            .raw("data", &self.data)
            .maybe_raw("userId", self.author.as_ref())
            .raws(&self.rest)
            .finish();
        let topics = [
            topic_names::entity(&self.all_entities, &self.entity),
            self.all_entities,
        ];
        Event {
            id,
            publication: Publication::new(topics, EventName::from_static("realtime-update"), data),
        }
    }
}
