//! `/chat`: rooms, who is in them, and what is said there.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::json;
use tidings_edge::error::Error;
use tidings_edge::json::Object;
use tidings_edge::query;
use tidings_edge::rates::Cost;
use tidings_edge::reply::{Draft, Reply};
use tidings_hub::{Member, Publication, Published, UserId, truncate_name};
use tidings_journal::TopicName;
use tidings_sse::EventName;

use super::name;
use crate::app::App;
use crate::auth::{Identity, Visitor};
use crate::http::extract::{Caller, InPath, JsonBody};
use crate::http::publisher::{Publisher, Unit, answer};
use crate::members;
use crate::streams::open::{Spec, StreamCall};
use crate::times::{mint_id, rfc3339, rfc3339_ms};
use crate::topics;

/// How long the end of a grace waits at least that could not be written, should the grace be shorter.
const TRIES_AGAIN: Duration = Duration::from_secs(1);

/// The event of everything that is said in a room.
const MESSAGE: EventName = EventName::from_static("chat-message");

/// `GET /chat/stream`: all rooms, or the one that `?roomId=` names. An empty name is a bad one: a page that lost it must not
/// follow all.
pub(crate) async fn stream(call: StreamCall) -> Result<Response, Error> {
    let caller = call.caller()?;
    let topic = match call.params()?.get(query::ROOM.as_str()) {
        Some(room) => topics::room(&name("roomId", room)?),
        None => topics::chat(),
    };
    open(call, topic, caller).await
}

/// `GET /chat/room/{roomId}/stream`
pub(crate) async fn room_stream(call: StreamCall, room: Result<InPath, Error>) -> Result<Response, Error> {
    let caller = call.caller()?;
    let InPath(room) = room?;
    let topic = topics::room(&name("roomId", &room)?);
    open(call, topic, caller).await
}

async fn open(call: StreamCall, topic: TopicName, caller: Identity) -> Result<Response, Error> {
    let visitor = Visitor { identity: Some(caller), auth_error: None };
    call.open(Spec::new(&["chat", "heartbeat"], vec![topic]), visitor).await
}

/// `POST /chat/message`
pub(crate) async fn message(publisher: Publisher, body: JsonBody) -> Result<Response, Error> {
    let mut fields = body.fields()?;
    let room = fields.name("roomId");
    let text = fields.trimmed("message", 1..=4_000);
    let kind = fields.maybe_choice("type", &["text", "image", "file"]).unwrap_or("text");
    let metadata = fields.maybe_raw("metadata");
    fields.finish()?;
    let (now, caller) = (publisher.app.now(), &publisher.caller);
    let id = mint_id("msg", now);
    let data = Object::new()
        .text("id", &id)
        .text("roomId", &room)
        .text("userId", caller.id.as_str())
        .text("username", &caller.username)
        .text("message", &text)
        .text("type", kind)
        .text("timestamp", &rfc3339(now))
        .maybe_raw("metadata", metadata.as_ref())
        .finish();
    let draft = Draft::naming_event("Message sent successfully", |reply| reply.text("messageId", &id));
    publisher.publish(None, body.bytes(), Unit::new(publication(&room, MESSAGE, data), draft)).await
}

/// `POST /chat/room/{roomId}/join`
pub(crate) async fn join(publisher: Publisher, InPath(room): InPath) -> Result<Response, Error> {
    let room = name("roomId", &room)?;
    let (app, user) = (&publisher.app, publisher.caller.id.clone());
    app.members.settled(&app.hub).await?;
    let (username, now) = (truncate_name(&publisher.caller.username), app.now());
    let draft = Draft::success(&format!("Successfully joined room {room}"), |reply| reply);
    let unit = Unit::new(announcement(&room, username, "joined", now), draft)
        .beside(members::joined(&room, &user, username, now.as_millisecond()))
        .joining(topics::room(&room), user);
    publisher.publish(None, &[], unit).await
}

/// `POST /chat/room/{roomId}/leave`
pub(crate) async fn leave(publisher: Publisher, InPath(room): InPath) -> Result<Response, Error> {
    let room = name("roomId", &room)?;
    let app = &publisher.app;
    let draft = Draft::success(&format!("Successfully left room {room}"), |reply| reply);
    let unit = match app.members.find(&app.hub, &topics::room(&room), &publisher.caller.id).await? {
        Some(member) => {
            let announcement = announcement(&room, &member.username, "left", app.now());
            Unit::new(announcement, draft).beside(members::left(&room, &member))
        }
        None => Unit::nothing(draft),
    };
    publisher.publish(None, &[], unit).await
}

/// `GET /chat/room/{roomId}/members`
pub(crate) async fn members(
    State(app): State<Arc<App>>,
    Caller(_): Caller,
    InPath(room): InPath,
) -> Result<Reply, Error> {
    let topic = topics::room(&name("roomId", &room)?);
    app.hub.begun().await?;
    let member = |member: &Member| {
        json!({
            "userId": member.user.as_str(),
            "username": &*member.username,
            "joinedAt": rfc3339_ms(member.joined_at_ms),
            "connections": member.connections,
        })
    };
    let members: Vec<_> = app.hub.presence().members(&topic).iter().map(member).collect();
    Ok(Reply::json(&json!({ "members": members })))
}

/// `POST /chat/room/{roomId}/typing`
pub(crate) async fn typing(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    InPath(room): InPath,
) -> Result<Response, Error> {
    let room = name("roomId", &room)?;
    let standing = app.rates.publish(&Cost { payer: app.rates.payer(&caller), events: 1, bytes: 0 })?;
    let data = Object::new()
        .text("roomId", &room)
        .text("userId", caller.id.as_str())
        .text("username", &caller.username)
        .text("timestamp", &rfc3339(app.now()))
        .finish();
    app.hub.publish_ephemeral(&publication(&room, EventName::from_static("typing"), data))?;
    Ok(answer(Reply::success("Typing indicator sent", |reply| reply), standing))
}

/// Ends the memberships of those who went away without leaving, for ever. Those who were members when the server ended have
/// one grace period from now on.
pub(crate) async fn end_memberships(app: Arc<App>) {
    let presence = app.hub.presence();
    if let Err(error) = app.members.settled(&app.hub).await {
        tracing::error!(%error, "who is in which room can't be written anew; the next join or leave tries again");
    }
    loop {
        let (topic, user) = presence.next_expired().await;
        let Some(member) = presence.expired(&topic, &user) else { continue };
        let room = room_of(&topic);
        if let Err(error) = end(&app, room, &member).await {
            tracing::warn!(room, %error, "a member whose grace is over stays for another one: it could not be written");
            tokio::time::sleep(TRIES_AGAIN).await;
        }
        presence.renew(&topic, &user); // if it is still one
    }
}

/// Ends all memberships of a user; each room is told. Returns how many there were.
pub(crate) async fn end_memberships_of(app: &App, user: &UserId) -> Result<usize, Error> {
    app.members.settled(&app.hub).await?; // before that nobody is a member here, or not by the record that is to be ended
    app.hub.certain().await?;
    let mut ended = 0;
    for topic in app.hub.presence().topics_of(user) {
        if let Some(member) = app.hub.presence().member(&topic, user) {
            ended += usize::from(end(app, room_of(&topic), &member).await?);
        }
    }
    Ok(ended)
}

/// Ends a membership if it is still that one, and tells the room. Returns whether it did.
async fn end(app: &App, room: &str, member: &Member) -> Result<bool, Error> {
    app.members.settled(&app.hub).await?;
    let announcement = announcement(room, &member.username, "left", app.now());
    let (record, condition) = members::left(room, member);
    let published = app.publish(vec![announcement, record], None, Some(condition)).await?;
    Ok(matches!(published, Published::New(_)))
}

fn room_of(topic: &TopicName) -> &str {
    topic.as_str().rsplit('/').next().unwrap_or_default() // names of rooms need no escapes
}

/// What a room is told when somebody joined or left.
fn announcement(room: &str, username: &str, did: &str, now: Timestamp) -> Publication {
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

fn publication(room: &str, event: EventName, data: String) -> Publication {
    Publication::new([topics::room(room), topics::chat()], event, data)
}
