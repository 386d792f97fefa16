//! A notification, to all users or to one.

use jiff::Timestamp;
use tidings_hub::{Publication, UserId};
use tidings_journal::TopicName;
use tidings_sse::EventName;

use super::Event;
use crate::auth::By;
use crate::auth::guard::Guard;
use crate::times::{mint_id, rfc3339};
use crate::topic_names;
use tidings_edge::error::Error;
use tidings_edge::fields::Fields;
use tidings_edge::json::{Compact, Object};

/// A notification whose fields and rights were checked.
pub(crate) struct Notification {
    topic: TopicName,
    title: String,
    message: String,
    kind: &'static str,
    metadata: Option<Compact>,
    /// All other fields of the form.
    rest: Vec<(String, Compact)>,
}

impl Notification {
    /// Reads and checks a form from `by`, addressed to `target` or to all users.
    pub(crate) fn read(
        mut fields: Fields<'_>,
        target: Option<&UserId>,
        by: By<'_>,
        guard: &Guard,
    ) -> Result<Self, Error> {
        let topic = topic_names::for_target(&topic_names::notifications(), target);
        guard.may_publish(by, &topic)?;
        let notification = Self {
            topic,
            title: fields.text("title", 1..=200),
            message: fields.text("message", 1..=10_000),
            kind: fields
                .maybe_choice("type", &["info", "success", "warning", "error"])
                .unwrap_or("info"),
            metadata: fields.maybe_raw("metadata"),
            rest: fields.rest(),
        };
        fields.finish()?;
        Ok(notification)
    }

    /// Returns the event, with a new id and the time `now`.
    pub(crate) fn event(self, now: Timestamp) -> Event {
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
        Event {
            id,
            publication: Publication::new(
                [self.topic],
                EventName::from_static("notification"),
                data,
            ),
        }
    }
}
