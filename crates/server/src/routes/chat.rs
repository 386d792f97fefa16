//! `/chat`: rooms, their members, and the messages in them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use tidings_edge::error::Error;
use tidings_edge::fields::checked_name;
use tidings_edge::rates::{Cost, RateSubject};
use tidings_edge::reply::{Draft, Reply};
use tidings_hub::{Member, Published, UserId, truncate_name};
use tidings_journal::TopicName;

use crate::app::App;
use crate::auth::Identity;
use crate::calls::Event;
use crate::calls::message::{self, Message, announcement};
use crate::http::extract::{Caller, InPath, JsonBody};
use crate::http::publisher::{Publisher, Unit, answer};
use crate::members;
use crate::times::rfc3339_ms;
use crate::topic_names;

/// The minimum delay after a failed attempt to end a membership. It matters if the grace period is
/// shorter.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// `POST /chat/message`
pub(crate) async fn message(publisher: Publisher, body: JsonBody) -> Result<Response, Error> {
    let message = Message::read(body.fields()?, &publisher.caller, &publisher.app.guard)?;
    let Event { id, publication } = message.event(publisher.app.now());
    let draft = Draft::naming_event("Message sent successfully", |reply| {
        reply.text("messageId", &id)
    });
    publisher
        .publish(None, body.bytes(), Unit::new(publication, draft))
        .await
}

/// `POST /chat/room/{roomId}/join`
pub(crate) async fn join(publisher: Publisher, InPath(room): InPath) -> Result<Response, Error> {
    let room = room_to_publish_to(&publisher.app, &publisher.caller, &room)?;
    let (app, user) = (&publisher.app, publisher.caller.id.clone());
    app.members.loaded(&app.hub).await?;
    let (username, now) = (truncate_name(&publisher.caller.username), app.now());
    let draft = Draft::success(&format!("Successfully joined room {room}"), |reply| reply);
    let unit = Unit::new(announcement(room, username, "joined", now), draft)
        .beside(members::record_of_join(
            room,
            &user,
            username,
            now.as_millisecond(),
        ))
        .joining(topic_names::room(room), user);
    publisher.publish(None, &[], unit).await
}

/// `POST /chat/room/{roomId}/leave`
pub(crate) async fn leave(publisher: Publisher, InPath(room): InPath) -> Result<Response, Error> {
    let app = &publisher.app;
    let room = room_to_publish_to(app, &publisher.caller, &room)?;
    let draft = Draft::success(&format!("Successfully left room {room}"), |reply| reply);
    let unit = match app
        .members
        .find(&app.hub, &topic_names::room(room), &publisher.caller.id)
        .await?
    {
        Some(member) => {
            let announcement = announcement(room, &member.username, "left", app.now());
            Unit::new(announcement, draft).beside(members::record_of_leave(room, &member))
        }
        None => Unit::nothing(draft),
    };
    publisher.publish(None, &[], unit).await
}

/// `GET /chat/room/{roomId}/members`
pub(crate) async fn members(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    InPath(room): InPath,
) -> Result<Reply, Error> {
    let topic = topic_names::room(checked_name("roomId", &room)?);
    app.guard.may_read(&caller.into(), &topic)?;
    app.hub.folds_ready().await?;
    let member = |member: &Member| {
        json!({
            "userId": member.user.as_str(),
            "username": &*member.username,
            "joinedAt": rfc3339_ms(member.joined_at_ms),
            "connections": member.connections,
        })
    };
    let members: Vec<_> = app
        .hub
        .presence()
        .members(&topic)
        .iter()
        .map(member)
        .collect();
    Ok(Reply::json(&json!({ "members": members })))
}

/// `POST /chat/room/{roomId}/typing`
pub(crate) async fn typing(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    InPath(room): InPath,
) -> Result<Response, Error> {
    let room = room_to_publish_to(&app, &caller, &room)?;
    let subject = RateSubject::of((&caller).into(), &app.guard);
    let standing = app.rates.publish(&Cost {
        subject,
        events: 1,
        bytes: 0,
    })?;
    app.hub
        .publish_ephemeral(&message::typing(room, &caller, app.now()))?;
    Ok(answer(
        Reply::success("Typing indicator sent", |reply| reply),
        standing,
    ))
}

/// Returns the name of a room if `caller` may publish to it.
fn room_to_publish_to<'a>(app: &App, caller: &Identity, room: &'a str) -> Result<&'a str, Error> {
    let room = checked_name("roomId", room)?;
    app.guard
        .may_publish(caller.into(), &topic_names::room(room))?;
    Ok(room)
}

/// Ends the memberships of users who have had no connection for a grace period. Runs for ever. For
/// members from before the start of the server, the grace period begins with the start.
pub(crate) async fn end_memberships(app: Arc<App>) {
    let presence = app.hub.presence();
    if let Err(error) = app.members.loaded(&app.hub).await {
        tracing::error!(%error, "the memberships in the form of version 0.1 can't be converted; \
                                 the next join or leave tries again");
    }
    loop {
        let (topic, user) = presence.next_expired().await;
        let Some(member) = presence.expired(&topic, &user) else {
            continue;
        };
        let room = room_of(&topic);
        if let Err(error) = end(&app, room, &member).await {
            tracing::warn!(room, %error, "the end of a membership could not be written; the next \
                                          attempt follows after another grace period");
            tokio::time::sleep(RETRY_DELAY).await;
        }
        presence.renew(&topic, &user); // does nothing if the membership was ended
    }
}

/// Ends all memberships of a user, each with an announcement in the room. Returns how many it
/// ended.
pub(crate) async fn end_memberships_of(app: &App, user: &UserId) -> Result<usize, Error> {
    // Before that, a membership may be unknown here, or its record may still be converted.
    app.members.loaded(&app.hub).await?;
    app.hub.certain().await?;
    let mut ended = 0;
    for topic in app.hub.presence().topics_of(user) {
        if let Some(member) = app.hub.presence().member(&topic, user) {
            ended += usize::from(end(app, room_of(&topic), &member).await?);
        }
    }
    Ok(ended)
}

/// Ends a membership, with an announcement in the room. Returns `false` if the membership had ended
/// already; the user may have joined again since then.
async fn end(app: &App, room: &str, member: &Member) -> Result<bool, Error> {
    app.members.loaded(&app.hub).await?;
    let announcement = announcement(room, &member.username, "left", app.now());
    let (record, condition) = members::record_of_leave(room, member);
    let published = app
        .publish(vec![announcement, record], None, Some(condition))
        .await?;
    Ok(matches!(published, Published::New(_)))
}

fn room_of(topic: &TopicName) -> &str {
    // the name of a room contains no escape sequences
    topic.as_str().rsplit('/').next().unwrap_or_default()
}
