//! `/chat`: rooms, who is in them, and what is said there.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use tidings_hub::{Member, Publication, UserId, shortened};
use tidings_journal::TopicName;
use tidings_sse::EventName;

use super::name;
use crate::app::{App, mint_id, rfc3339, rfc3339_ms};
use crate::auth::{Identity, Visitor};
use crate::http::error::Error;
use crate::http::extract::{Caller, InPath, JsonBody, Publisher};
use crate::http::idempotency::{Once, answer};
use crate::http::json::Object;
use crate::http::query;
use crate::http::rates::Cost;
use crate::http::reply::{Draft, Reply};
use crate::http::stream::{Spec, StreamCall};
use crate::topics;

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
    let work = async move |once: Once, caller: Identity| {
        let now = once.app.now();
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
        once.publish(publication(&room, MESSAGE, data), draft).await
    };
    publisher.once(None, body.bytes(), work).await
}

/// `POST /chat/room/{roomId}/join`
pub(crate) async fn join(publisher: Publisher, InPath(room): InPath) -> Result<Response, Error> {
    let room = name("roomId", &room)?;
    let work = async move |once: Once, caller: Identity| {
        let (app, topic) = (&once.app, topics::room(&room));
        app.members.restore(&app.hub).await;
        let _turn = app.rooms.lock(&topic, &caller.id).await;
        let draft = Draft::success(&format!("Successfully joined room {room}"), |reply| reply);
        let joined_at_ms = app.now().as_millisecond();
        let username = shortened(&caller.username);
        if !app.hub.presence().join(&topic, &caller.id, username, joined_at_ms).map_err(Error::too_many)? {
            return once.nothing(draft).await;
        }
        let announcement = announcement(app, &room, username, "joined");
        let member = Member { user: caller.id.clone(), username: username.into(), joined_at_ms, connections: 0 };
        let told = match app.members.joined(&topic, &member) {
            Ok(written) => once.publish_beside(announcement, written, draft).await,
            Err(full) => Err(Error::too_many(full)),
        };
        if told.is_err() {
            app.hub.presence().leave(&topic, &member.user); // nobody was told, so nobody joined
            app.members.forget(&topic, &member.user);
        }
        told
    };
    publisher.once_to_the_end(work).await
}

/// `POST /chat/room/{roomId}/leave`
pub(crate) async fn leave(publisher: Publisher, InPath(room): InPath) -> Result<Response, Error> {
    let room = name("roomId", &room)?;
    let work = async move |once: Once, caller: Identity| {
        let (app, topic) = (&once.app, topics::room(&room));
        app.members.restore(&app.hub).await;
        let _turn = app.rooms.lock(&topic, &caller.id).await;
        let draft = Draft::success(&format!("Successfully left room {room}"), |reply| reply);
        let Some(member) = app.hub.presence().leave(&topic, &caller.id) else {
            return once.nothing(draft).await;
        };
        let announcement = announcement(app, &room, &member.username, "left");
        let told = once.publish_beside(announcement, app.members.leaving(&topic, &caller.id), draft).await;
        match told {
            Ok(_) => app.members.forget(&topic, &caller.id),
            Err(_) => app.hub.presence().restore(&topic, &member),
        }
        told
    };
    publisher.once_to_the_end(work).await
}

/// `GET /chat/room/{roomId}/members`
pub(crate) async fn members(
    State(app): State<Arc<App>>,
    Caller(_): Caller,
    InPath(room): InPath,
) -> Result<Reply, Error> {
    let topic = topics::room(&name("roomId", &room)?);
    app.members.restore(&app.hub).await;
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
    app.members.restore(&app.hub).await;
    loop {
        let (topic, user) = app.hub.presence().grace_over().await;
        let _turn = app.rooms.lock(&topic, &user).await;
        let room = topic.as_str().rsplit('/').next().unwrap_or_default().to_owned(); // names of rooms need no escapes
        let Some(member) = app.hub.presence().leave_if_over(&topic, &user) else { continue };
        let announcement = announcement(&app, &room, &member.username, "left");
        let told = [Some(announcement), app.members.leaving(&topic, &user)].into_iter().flatten().collect();
        match app.publish_with(told, None).await {
            Ok(_) => app.members.forget(&topic, &user),
            Err(_) => {
                app.hub.presence().restore(&topic, &member);
                tracing::warn!(room, "a member whose grace is over stays for another one: the room could not be told");
            }
        }
    }
}

/// Ends all memberships of a user; each room is told. Returns how many there were.
pub(crate) async fn end_memberships_of(app: &App, user: &UserId) -> Result<usize, Error> {
    app.members.restore(&app.hub).await;
    let mut ended = 0;
    for topic in app.hub.presence().rooms_of(user) {
        let _turn = app.rooms.lock(&topic, user).await;
        let room = topic.as_str().rsplit('/').next().unwrap_or_default().to_owned(); // names of rooms need no escapes
        let Some(member) = app.hub.presence().leave(&topic, user) else { continue };
        let announcement = announcement(app, &room, &member.username, "left");
        let told = [Some(announcement), app.members.leaving(&topic, user)].into_iter().flatten().collect();
        if let Err(error) = app.publish_with(told, None).await {
            app.hub.presence().restore(&topic, &member);
            return Err(error.into());
        }
        app.members.forget(&topic, user);
        ended += 1;
    }
    Ok(ended)
}

/// What a room is told when somebody joined or left.
fn announcement(app: &App, room: &str, username: &str, did: &str) -> Publication {
    let now = app.now();
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
    Publication { topics: [topics::room(room), topics::chat()].into(), event, key: None, ends_key: false, data }
}
