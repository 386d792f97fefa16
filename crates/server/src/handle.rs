//! What routes of one's own need of the server: opening streams, publishing, and knowing who calls.
//!
//! Everything here goes the way of the server's own routes: the same credentials, the same cursors, heartbeats and drain,
//! the same answers to what is refused.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use tidings_edge::error::{Code, Error};
use tidings_edge::fields::Fields;
use tidings_edge::i_json;
use tidings_edge::json::{Compact, MAX_DEPTH, TooDeep};
pub use tidings_hub::{Cause, Ended, Refused, Stats, Tally};
use tidings_hub::{Publication, Published};
use tidings_journal::{EventId, TopicName};
use tidings_sse::EventName;

use crate::app::{App, Unpublished};
use crate::auth::guard::{self, Denied};
use crate::auth::{self, By, Credential, Identity, Visitor};
use crate::calls::message::Message;
use crate::calls::notification::Notification;
use crate::calls::status::Status;
use crate::calls::update::Update;
use crate::calls::{self, Event};
use crate::http::extract;
use crate::http::publisher::publish_one;
use crate::reload::{self, Reloaded};
use crate::streams::open::{Spec, StreamCall};
use crate::topics;

/// The way into a server, for routes and tasks of one's own. Cheap to clone; axum's `State<Handle>` where it is the state.
#[derive(Clone)]
pub struct Handle {
    app: Arc<App>,
}

/// An extractor for a route that is a stream: its caller, whose token was judged, is known or anonymous.
pub struct StreamRequest {
    call: StreamCall,
    visitor: Visitor,
}

/// An extractor for a route that needs to know who calls: without a good token it answers 401.
///
/// Tickets and cookies, which browsers send by themselves, are for streams and not taken.
pub struct Caller(pub Identity);

/// What was published by one of the calls of the stream groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The `id` within the event's data, by which front ends know it.
    pub id: String,
    /// The event's id in the log, on every stream.
    pub event_id: EventId,
}

/// What one of the server's calls would have answered instead of a 200. As a response it is that answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct CallError(#[from] Error);

/// Why something was not published. As a response it is what the server's own calls would answer.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Not a name of a topic.
    #[error("the topic: {0}")]
    Topic(#[from] tidings_journal::topic::Error),
    /// The topic is the server's own, or has calls of its own: [`Handle::notify`], [`Handle::update`], [`Handle::chat`] and
    /// [`Handle::status`]. Nothing was published.
    #[error("the topic {topic}: {problem}")]
    Reserved {
        /// The topic.
        topic: String,
        /// Who publishes to it.
        problem: String,
    },
    /// Not a name of an event.
    #[error("the event's name: {0}")]
    Event(#[from] tidings_sse::name::Error),
    /// Not JSON, or JSON that not every reader can take.
    #[error("the data: {0}")]
    Data(#[from] serde_json::Error),
    /// The server is about to stop. The event is not in the log and never will be.
    #[error("the server is about to stop")]
    Draining,
    /// The log keeps as many keys as it may. The event is not in the log.
    #[error("the log has no room for another key")]
    TooManyKeys,
    /// The log refused. Whether the event is in it is unknown, unless it is [too large](tidings_journal::Error::TooLarge): then
    /// it is not.
    #[error(transparent)]
    Journal(tidings_journal::Error),
}

impl Handle {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Resolves when an admin has asked for the end (`POST /system/drain`).
    pub async fn drained_by_call(&self) {
        self.app.stop.cancelled().await;
    }

    /// Sends a notification. `form` is what the body of `POST /notifications/send` would be: `title` and `message`,
    /// `targetUserId` where it is meant for one user, and whatever else subscribers are to get.
    ///
    /// Like [`Handle::update`], [`Handle::chat`] and [`Handle::status`] it does what the call does, and refuses what the call
    /// refuses: who may publish, what a form must hold, `PUBLISH_RATE`, `MAX_BODY_BYTES`. It returns once the log's promise
    /// holds, and every stream can see the event. There is no `Idempotency-Key`.
    ///
    /// ```no_run
    /// # async fn example(tidings: tidings_server::Handle) -> Result<(), tidings_server::handle::CallError> {
    /// use tidings_server::auth::By;
    ///
    /// let form = serde_json::json!({ "title": "Shipped", "message": "It is on its way", "targetUserId": "ann" });
    /// let sent = tidings.notify(By::Application, &form).await?;
    /// println!("{} is event {}", sent.id, sent.event_id);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn notify(&self, by: impl Into<By<'_>>, form: &impl Serialize) -> Result<Sent, CallError> {
        let (by, body) = (by.into(), self.body(form)?);
        let mut fields = Fields::parse(&body)?;
        let target = calls::target(None, &mut fields)?;
        let notification = Notification::read(fields, target.as_ref(), by, &self.app.guard)?;
        self.send(by, &body, notification.event(self.app.now())).await
    }

    /// Tells what became of an entity. `form` is what the body of `POST /realtime/update` would be: `entity`, `action`, `data`,
    /// `targetUserId` where it is meant for one user, and whatever else subscribers are to get. Where it has a `userId`, that is
    /// the caller's, or what the application says.
    pub async fn update(&self, by: impl Into<By<'_>>, form: &impl Serialize) -> Result<Sent, CallError> {
        let (by, body) = (by.into(), self.body(form)?);
        let mut fields = Fields::parse(&body)?;
        let target = calls::target(None, &mut fields)?;
        let update = Update::read(fields, target.as_ref(), by, &self.app.guard)?;
        self.send(by, &body, update.event(self.app.now())).await
    }

    /// Says something in a room, as `author`. `form` is what the body of `POST /chat/message` would be: `roomId`, `message`, and
    /// `metadata` for whatever else subscribers are to get.
    pub async fn chat(&self, author: &Identity, form: &impl Serialize) -> Result<Sent, CallError> {
        let body = self.body(form)?;
        let message = Message::read(Fields::parse(&body)?, author, &self.app.guard)?;
        self.send(author.into(), &body, message.event(self.app.now())).await
    }

    /// Tells how a service is. `form` is what the body of `POST /system/status/update` would be: `service`, `status`, and
    /// whatever else subscribers are to get.
    pub async fn status(&self, by: impl Into<By<'_>>, form: &impl Serialize) -> Result<Sent, CallError> {
        let (by, body) = (by.into(), self.body(form)?);
        let status = Status::read(&body, by, &self.app.guard)?;
        self.send(by, &body, status.event(self.app.now())).await
    }

    /// Whether a stream of the server's would show `topic` to `visitor`. It is the server that decides
    /// this for the topics of its stream groups and its own; nobody may read another topic that way. Of topics of one's own, it
    /// is for the application to say who may read them.
    pub fn may_read(&self, visitor: &Visitor, topic: &str) -> Result<(), CallError> {
        let topic = topics::asked(topic).map_err(|error| Error::field("topic", error.to_string()))?;
        Ok(self.app.guard.may_read(visitor, &topic).map_err(Error::from)?)
    }

    /// A form as the body of a call, within the bound of one.
    fn body(&self, form: &impl Serialize) -> Result<Vec<u8>, CallError> {
        let body = serde_json::to_vec(form).map_err(|error| Error::field("body", error.to_string()))?;
        let most = self.app.config.http.max_body_bytes;
        if body.len() > most { Err(Error::body_too_large(most).into()) } else { Ok(body) }
    }

    async fn send(&self, by: By<'_>, body: &[u8], Event { id, publication }: Event) -> Result<Sent, CallError> {
        let event_id = publish_one(&self.app, by, body.len(), publication).await?;
        Ok(Sent { id, event_id })
    }

    /// Stores an event of a topic of one's own and delivers it. Returns its id once the log's promise holds.
    ///
    /// The topics of the stream groups have calls of their own, such as [`Handle::notify`]; those and the server's own
    /// (`system/…`, and names with a segment that begins with `_`) are refused.
    ///
    /// `topic` is 1–8 segments of 1–128 characters of `[A-Za-z0-9._@:-]` joined by `/`, of which none is `.` or `..` but a
    /// user's id, behind `user`: browsers would take such a segment for a direction. `event` is the event's name, 1–64
    /// characters of `[A-Za-z0-9._:-]`; `data` becomes one line of compact JSON, at most
    /// [`MAX_DATA_BYTES`](tidings_hub::MAX_DATA_BYTES) long and 120 levels deep, without unpaired surrogates and numbers that
    /// overflow a double (RFC 7493), which only a [`RawValue`](serde_json::value::RawValue) can hold.
    pub async fn publish(&self, topic: &str, event: &str, data: &impl Serialize) -> Result<EventId, PublishError> {
        let topic = topics::asked(topic)?;
        self.app.guard.is_open(&topic).map_err(|denied| PublishError::reserved(&topic, &denied))?;
        let publication = Publication::new([topic], EventName::parse(event)?, compact(data)?);
        match self.app.publish(vec![publication], None, None).await {
            Ok(Published::New(id) | Published::Refused(id) | Published::Known(id, _)) => Ok(id),
            Ok(Published::Full(_)) => Err(PublishError::TooManyKeys),
            Err(Unpublished::Closing) => Err(PublishError::Draining),
            Err(Unpublished::Journal(error)) => Err(PublishError::Journal(error)),
        }
    }

    /// Reads the settings again and takes over what can be changed without a restart: what SIGHUP does to `tidings serve`.
    /// Needs [`Builder::reloadable`](crate::server::Builder::reloadable). All of it is taken over or nothing; either is told in
    /// the log. Waits for files: not for a task of a runtime.
    ///
    /// `LOG_LEVEL` is taken over by `tidings serve` alone, as the log of an application is its own.
    pub fn reload(&self) -> Result<Reloaded, reload::Error> {
        self.app.reload()
    }

    /// How many streams are open now.
    pub fn stats(&self) -> Stats {
        self.app.hub.connections().stats()
    }

    /// What became of all streams since the start: how many were opened, and why they were refused or ended. What
    /// `GET /system/stats` shows, for metrics of one's own.
    pub fn tally(&self) -> Tally {
        self.app.hub.connections().tally()
    }
}

/// One line of JSON that every reader can take, whatever a `RawValue` in `data` brings along: white space, depth, halves of
/// characters, numbers that overflow. What a call's body is held to holds here too.
fn compact(data: &impl Serialize) -> Result<String, serde_json::Error> {
    use serde::ser::Error as _;
    let written = serde_json::value::to_raw_value(data)?;
    i_json::check(written.get().as_bytes()).map_err(serde_json::Error::custom)?;
    match Compact::new(&written) {
        Ok(compact) => Ok(compact.into_string()),
        Err(TooDeep) => Err(serde_json::Error::custom(format!("nests deeper than {MAX_DEPTH} levels"))),
    }
}

impl PublishError {
    fn reserved(topic: &TopicName, denied: &Denied) -> Self {
        Self::Reserved { topic: topic.to_string(), problem: denied.to_string() }
    }
}

impl CallError {
    /// The identifier of what was wrong: one of the table in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        self.0.code().as_str()
    }

    /// The status that comes with it.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// Each field that is at fault, and what is wrong with it.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.problems().iter().map(|problem| (&*problem.field, problem.problem.as_str()))
    }
}

impl StreamRequest {
    /// Who asks: a caller, or somebody anonymous.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// The caller; `None` without a token.
    pub fn caller(&self) -> Option<&Identity> {
        self.visitor.identity.as_ref()
    }

    /// The caller, for a stream that is not for everybody.
    pub fn known_caller(&self) -> Result<&Identity, auth::Refusal> {
        guard::authenticated(&self.visitor)
    }

    /// Opens a stream over `topics`, with everything that the server's own streams have: a cursor is resumed, heartbeats
    /// come, an expired token ends it, and it is drained at the end. It is counted under each name in `counted_as`; the
    /// server's own all count as `heartbeat` too.
    ///
    /// Who may read topics of one's own is for the route to decide. Topics of the server's stream groups are shown to whom those
    /// groups' own streams show them ([`Handle::may_read`]), and the server's own topics to nobody.
    pub async fn open<T: AsRef<str>>(
        self,
        counted_as: &'static [&'static str],
        topics: impl IntoIterator<Item = T>,
    ) -> Response {
        let names: Result<Vec<_>, _> = topics.into_iter().map(|topic| topics::asked(topic.as_ref())).collect();
        let names = match names {
            Ok(names) => names,
            Err(error) => return Error::field("topic", error.to_string()).into_response(),
        };
        let guard = self.call.guard();
        let governed = names.iter().filter(|topic| guard.is_governed(topic));
        if let Some(denied) = governed.map(|topic| guard.may_read(&self.visitor, topic)).find_map(Result::err) {
            return self.call.denied(denied).into_response();
        }
        self.call.open(Spec::new(counted_as, names), self.visitor).await.into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for StreamRequest
where
    Handle: FromRef<S>,
{
    type Rejection = auth::Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, auth::Refusal> {
        let call = StreamCall::of_embedder(Handle::from_ref(state).app, parts.clone());
        let visitor = call.visitor()?;
        Ok(Self { call, visitor })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Handle: FromRef<S>,
{
    type Rejection = auth::Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, auth::Refusal> {
        let app = Handle::from_ref(state).app;
        let credential = Credential::find(&parts.headers, parts.uri.query(), None, false);
        extract::required(&app, credential.as_ref(), parts).map(Self)
    }
}

impl IntoResponse for CallError {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl IntoResponse for PublishError {
    fn into_response(self) -> Response {
        let problem = self.to_string();
        let error = match self {
            Self::Topic(_) => Error::field("topic", problem),
            Self::Reserved { .. } => Error::new(Code::Forbidden, problem),
            Self::Event(_) => Error::field("event", problem),
            Self::Data(_) => Error::field("data", problem),
            Self::Draining => Error::draining(Duration::ZERO),
            Self::TooManyKeys => Error::too_many_keys(),
            Self::Journal(error) => error.into(),
        };
        error.into_response()
    }
}
