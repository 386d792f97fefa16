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

/// The name of the event for all messages in a room.
const MESSAGE: EventName = EventName::from_static("chat-message");

/// A checked message.
pub(crate) struct Message<'a> {
    author: &'a Identity,
    room: String,
    text: String,
    kind: &'static str,
    metadata: Option<Compact>,
}

impl<'a> Message<'a> {
    /// Reads a form that `author` sends.
    pub(crate) fn read(mut fields: Fields<'_>, author: &'a Identity, guard: &Guard) -> Result<Self, Error> {
        let room = fields.name("roomId");
        let text = fields.trimmed("message", 1..=4_000);
        let kind = fields.maybe_choice("type", &["text", "image", "file"]).unwrap_or("text");
        let metadata = fields.maybe_raw("metadata");
        fields.finish()?;
        // The rights are checked only now, because the form contains the room.
        guard.may_publish(author.into(), &topic_names::room(&room))?;
        Ok(Self { author, room, text, kind, metadata })
    }

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
        Event { id, publication: publication(&self.room, MESSAGE, data) }
    }
}

/// The announcement in a room that a user has joined or left.
pub(crate) fn announcement(room: &str, username: &str, did: &str, now: Timestamp) -> Publication {
    let data = Object::new()
        .text("id", &mint_id("sys", now))
        .text("roomId", room)
        .text("userId", "system")
        .text("username", "System")
        .text("message", &format!("{username} {did} the room"))
        .text("type", "system")
        .text("timestamp", &rfc3339(now))
        .finish();
    publication(room, MESSAGE, data)
}

/// The event while a user types. It is never stored.
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
