//! The messages of a room: from its members, and from the server when a user joins or leaves.

use jiff::Timestamp;
use tidings_hub::Publication;
use tidings_sse::EventName;

use super::Event;
use crate::auth::Identity;
use crate::auth::guard::Guard;
use crate::times::{mint_id, rfc3339};
use crate::topic_names;
use tidings_edge::error::Error;
use tidings_edge::fields::Fields;
use tidings_edge::json::{Compact, Object};

/// The name of the event of every message in a room, whether a user or the server wrote it.
const MESSAGE: EventName = EventName::from_static("chat-message");

/// A message of a user to a room, whose fields and rights were checked.
pub(crate) struct Message<'a> {
    author: &'a Identity,
    room: String,
    text: String,
    kind: &'static str,
    metadata: Option<Compact>,
}

impl<'a> Message<'a> {
    /// Reads and checks a form from `author`.
    pub(crate) fn read(
        mut fields: Fields<'_>,
        author: &'a Identity,
        guard: &Guard,
    ) -> Result<Self, Error> {
        let room = fields.name("roomId");
        let text = fields.trimmed("message", 1..=4_000);
        let kind = fields
            .maybe_choice("type", &["text", "image", "file"])
            .unwrap_or("text");
        let metadata = fields.maybe_raw("metadata");
        fields.finish()?;
        // Only now, because the room is one of the fields.
        guard.may_publish(author.into(), &topic_names::room(&room))?;
        Ok(Self {
            author,
            room,
            text,
            kind,
            metadata,
        })
    }

    /// Returns the event, with a new id and the time `now`.
    pub(crate) fn event(self, now: Timestamp) -> Event {
        let id = mint_id("msg", now);
        let data = Object::new()
            .text("id", &id)
            .text("roomId", &self.room)
            .text("userId", self.author.id.as_str())
            .text("username", &self.author.username)
            .text("message", &self.text)
            .text("type", self.kind)
            .text("timestamp", &rfc3339(now))
            .maybe_raw("metadata", self.metadata.as_ref())
            .finish();
        Event {
            id,
            publication: publication(&self.room, MESSAGE, data),
        }
    }
}

/// Returns the message of the server to a room that a user has joined or left. `action` is `joined`
/// or `left`.
pub(crate) fn announcement(
    room: &str,
    username: &str,
    action: &str,
    now: Timestamp,
) -> Publication {
    let data = Object::new()
        .text("id", &mint_id("sys", now))
        .text("roomId", room)
        .text("userId", "system")
        .text("username", "System")
        .text("message", &format!("{username} {action} the room"))
        .text("type", "system")
        .text("timestamp", &rfc3339(now))
        .finish();
    publication(room, MESSAGE, data)
}

/// Returns the event `typing`, which is never stored.
pub(crate) fn typing(room: &str, author: &Identity, now: Timestamp) -> Publication {
    let data = Object::new()
        .text("roomId", room)
        .text("userId", author.id.as_str())
        .text("username", &author.username)
        .text("timestamp", &rfc3339(now))
        .finish();
    publication(room, EventName::from_static("typing"), data)
}

fn publication(room: &str, event: EventName, data: String) -> Publication {
    Publication::new([topic_names::room(room), topic_names::chat()], event, data)
}
