//! The interface of the server to the application's own routes: opening streams, publishing, and
//! identifying the caller.
//!
//! Everything here uses the implementation of the server's own routes, so credentials, cursors,
//! heartbeats and the drain behave alike, and refused requests get the same answers.

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
pub use tidings_hub::{Ended, EndingCause, RefusalReason, Stats, StreamTotals};
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
use crate::topic_names;

/// The interface to a server, for the application's own routes and tasks. It is cheap to clone. An
/// application can make it the state of its router, so that its handlers get a `State<Handle>`.
#[derive(Clone)]
pub struct Handle {
    app: Arc<App>,
}

/// An extractor for a route that opens a stream. It verifies the token of the caller, if there is
/// one. A caller without a token is anonymous.
pub struct StreamRequest {
    call: StreamCall,
    visitor: Visitor,
}

/// An extractor for a route that needs to know its caller. Without a valid token it answers 401.
///
/// It accepts neither tickets nor cookies, which are for streams only: a browser sends a cookie
/// without being asked.
pub struct Caller(pub Identity);

/// The ids of an event that was published by one of the calls of the stream groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The `id` within the event's data, by which front ends refer to it.
    pub id: String,
    /// The event's id in the log, which it has on every stream.
    pub event_id: EventId,
}

/// The error with which the same call over HTTP would have been answered. Converted into a
/// response, it is that answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct CallError(#[from] Error);

/// Why an event was not published. Converted into a response, it is the answer that the server's
/// own calls give in this case.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The topic is not a valid name.
    #[error("invalid topic: {0}")]
    Topic(#[from] tidings_journal::topic::Error),
    /// The topic belongs to the server, or to a stream group with its own call: [`Handle::notify`],
    /// [`Handle::update`], [`Handle::chat`] or [`Handle::status`]. Nothing was published.
    #[error("the topic {topic} is reserved: {problem}")]
    Reserved {
        /// The topic.
        topic: String,
        /// The reason, which names the call that publishes to it.
        problem: String,
    },
    /// The event's name is not valid.
    #[error("invalid name of an event: {0}")]
    Event(#[from] tidings_sse::name::Error),
    /// The data is not JSON, or is JSON that some readers can't parse.
    #[error("invalid data: {0}")]
    Data(#[from] serde_json::Error),
    /// The server is about to stop. The event is not in the log and never will be.
    #[error("the server is about to stop")]
    Draining,
    /// The log has reached the limit of its keys. The event is not in the log.
    #[error("the log has reached the limit of its keys")]
    TooManyKeys,
    /// The log returned an error. If the error is [`TooLarge`](tidings_journal::Error::TooLarge),
    /// the event is not in the log. After any other error, that is unknown.
    #[error(transparent)]
    Journal(tidings_journal::Error),
}

impl Handle {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Waits until an administrator has requested the shutdown (`POST /system/drain`).
    pub async fn drain_requested(&self) {
        self.app.stop.cancelled().await;
    }

    /// Publishes a notification. `form` has the fields of the body of `POST /notifications/send`:
    /// `title` and `message`, `targetUserId` if it is meant for one user, and any other fields that
    /// subscribers should get.
    ///
    /// Like [`Handle::update`], [`Handle::chat`] and [`Handle::status`], this method refuses what
    /// the call refuses: it checks the rights of the caller, the fields of the form, `PUBLISH_RATE`
    /// and `MAX_BODY_BYTES`. It returns once the event is as durable as `JOURNAL_SYNC` demands, and
    /// every stream can see it. There is no `Idempotency-Key`.
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
    pub async fn notify(
        &self,
        by: impl Into<By<'_>>,
        form: &impl Serialize,
    ) -> Result<Sent, CallError> {
        let (by, body) = (by.into(), self.body(form)?);
        let mut fields = Fields::parse(&body)?;
        let target = calls::target(None, &mut fields)?;
        let notification = Notification::read(fields, target.as_ref(), by, &self.app.guard)?;
        self.send(by, &body, notification.event(self.app.now()))
            .await
    }

    /// Publishes an update of an entity. `form` has the fields of the body of
    /// `POST /realtime/update`: `entity`, `action`, `data`, `targetUserId` if it is meant for one
    /// user, and any other fields that subscribers should get. A `userId` in the form is replaced
    /// by the caller's id; if the application itself is the caller, it stays.
    pub async fn update(
        &self,
        by: impl Into<By<'_>>,
        form: &impl Serialize,
    ) -> Result<Sent, CallError> {
        let (by, body) = (by.into(), self.body(form)?);
        let mut fields = Fields::parse(&body)?;
        let target = calls::target(None, &mut fields)?;
        let update = Update::read(fields, target.as_ref(), by, &self.app.guard)?;
        self.send(by, &body, update.event(self.app.now())).await
    }

    /// Publishes a message from `author` to a room. `form` has the fields of the body of
    /// `POST /chat/message`: `roomId`, `message`, and `metadata` for anything else that subscribers
    /// should get.
    pub async fn chat(&self, author: &Identity, form: &impl Serialize) -> Result<Sent, CallError> {
        let body = self.body(form)?;
        let message = Message::read(Fields::parse(&body)?, author, &self.app.guard)?;
        self.send(author.into(), &body, message.event(self.app.now()))
            .await
    }

    /// Publishes the status of a service. `form` has the fields of the body of
    /// `POST /system/status/update`: `service`, `status`, and any other fields that subscribers
    /// should get.
    pub async fn status(
        &self,
        by: impl Into<By<'_>>,
        form: &impl Serialize,
    ) -> Result<Sent, CallError> {
        let (by, body) = (by.into(), self.body(form)?);
        let status = Status::read(&body, by, &self.app.guard)?;
        self.send(by, &body, status.event(self.app.now())).await
    }

    /// Returns an error if none of the server's streams may show `topic` to `visitor`.
    ///
    /// The server decides only about the topics of its stream groups. For any other topic this is
    /// always an error: nobody may read the server's internal topics, and for the application's own
    /// topics, the application decides.
    pub fn may_read(&self, visitor: &Visitor, topic: &str) -> Result<(), CallError> {
        let topic =
            topic_names::parse(topic).map_err(|error| Error::field("topic", error.to_string()))?;
        Ok(self
            .app
            .guard
            .may_read(visitor, &topic)
            .map_err(Error::from)?)
    }

    /// Serializes a form as the body of a call. Fails if it is larger than `MAX_BODY_BYTES`.
    fn body(&self, form: &impl Serialize) -> Result<Vec<u8>, CallError> {
        let body =
            serde_json::to_vec(form).map_err(|error| Error::field("body", error.to_string()))?;
        let max_bytes = self.app.config.http.max_body_bytes;
        if body.len() > max_bytes {
            Err(Error::body_too_large(max_bytes).into())
        } else {
            Ok(body)
        }
    }

    async fn send(
        &self,
        by: By<'_>,
        body: &[u8],
        Event { id, publication }: Event,
    ) -> Result<Sent, CallError> {
        let event_id = publish_one(&self.app, by, body.len(), publication).await?;
        Ok(Sent { id, event_id })
    }

    /// Publishes an event to one of the application's own topics: stores it and delivers it to the
    /// streams that follow the topic. Returns the event's id once the event is as durable as
    /// `JOURNAL_SYNC` demands.
    ///
    /// The topics of the stream groups, and topics below their rooms, entities and users, are
    /// refused: the groups have their own calls, such as [`Handle::notify`]. The server's own
    /// topics (`system/…`, and names with a segment that begins with `_`) are refused, too.
    ///
    /// `topic` is 1–8 segments of 1–128 characters of `[A-Za-z0-9._@:-]` joined by `/`. No segment
    /// may be `.` or `..`, because browsers would resolve it as a relative path. The exception is
    /// the id of a user after the segment `user`. `event` is the event's name, 1–64 characters of
    /// `[A-Za-z0-9._:-]`. `data` becomes one line of compact JSON, at most
    /// [`MAX_DATA_BYTES`](tidings_hub::MAX_DATA_BYTES) long and 120 levels deep, without unpaired
    /// surrogates and without numbers that overflow a double (RFC 7493). Surrogates and numbers of
    /// that kind can come only from a [`RawValue`](serde_json::value::RawValue).
    pub async fn publish(
        &self,
        topic: &str,
        event: &str,
        data: &impl Serialize,
    ) -> Result<EventId, PublishError> {
        let topic = topic_names::parse(topic)?;
        self.app
            .guard
            .is_application_topic(&topic)
            .map_err(|denied| PublishError::reserved(&topic, &denied))?;
        let publication = Publication::new([topic], EventName::parse(event)?, compact(data)?);
        match self.app.publish(vec![publication], None, None).await {
            Ok(Published::New(id) | Published::Refused(id) | Published::Known(id, _)) => Ok(id),
            Ok(Published::Full(_)) => Err(PublishError::TooManyKeys),
            Err(Unpublished::Closing) => Err(PublishError::Draining),
            Err(Unpublished::Journal(error)) => Err(PublishError::Journal(error)),
        }
    }

    /// Reads the settings again and applies the changes that need no restart, as SIGHUP does for
    /// `tidings serve`. It requires [`Builder::reloadable`](crate::server::Builder::reloadable).
    /// Either all changes are applied or none; the result is logged. This method blocks while it
    /// reads files, so do not call it in an asynchronous task.
    ///
    /// A changed `LOG_LEVEL` is applied only by `tidings serve`: an application has its own log.
    pub fn reload(&self) -> Result<Reloaded, reload::Error> {
        self.app.reload()
    }

    /// Returns the number of open streams.
    pub fn stats(&self) -> Stats {
        self.app.hub.connections().stats()
    }

    /// Returns the totals of all streams since the start: how many were opened, and why they were
    /// refused or ended. `GET /system/stats` shows the same numbers; here they serve the
    /// application's own metrics.
    pub fn totals(&self) -> StreamTotals {
        self.app.hub.connections().totals()
    }
}

/// Writes `data` as one line of JSON that every reader can parse. A `RawValue` in it may contain
/// white space, which is removed, or deep nesting, unpaired surrogates or numbers that overflow,
/// which are errors, as they are in the body of a call.
fn compact(data: &impl Serialize) -> Result<String, serde_json::Error> {
    use serde::ser::Error as _;
    let written = serde_json::value::to_raw_value(data)?;
    i_json::check(written.get().as_bytes()).map_err(serde_json::Error::custom)?;
    match Compact::new(&written) {
        Ok(compact) => Ok(compact.into_string()),
        Err(TooDeep) => Err(serde_json::Error::custom(format!(
            "nests deeper than {MAX_DEPTH} levels"
        ))),
    }
}

impl PublishError {
    fn reserved(topic: &TopicName, denied: &Denied) -> Self {
        Self::Reserved {
            topic: topic.to_string(),
            problem: denied.to_string(),
        }
    }
}

impl CallError {
    /// Returns the code of the error, which is one of the table in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        self.0.code().as_str()
    }

    /// Returns the HTTP status of the error.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// Returns each invalid field, and what is wrong with it.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .problems()
            .iter()
            .map(|problem| (&*problem.field, problem.problem.as_str()))
    }
}

impl StreamRequest {
    /// Returns the visitor: a caller, or an anonymous one.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// Returns the caller, or `None` without a token.
    pub fn caller(&self) -> Option<&Identity> {
        self.visitor.identity.as_ref()
    }

    /// Returns the caller, or an error without a valid token: for a stream that requires one.
    pub fn known_caller(&self) -> Result<&Identity, auth::Refusal> {
        guard::authenticated(&self.visitor)
    }

    /// Opens a stream of `topics`, with all features of the server's own streams: it resumes at the
    /// client's cursor, sends heartbeats, ends when its token expires, and is drained at the
    /// shutdown. It is counted under each name in `counted_as`; each of the server's own streams is
    /// also counted as `heartbeat`.
    ///
    /// The application's route decides who may read the application's topics. If `topics` contains
    /// a topic of a stream group that the visitor may not read ([`Handle::may_read`]), or an
    /// internal topic of the server, the request is refused.
    pub async fn open<T: AsRef<str>>(
        self,
        counted_as: &'static [&'static str],
        topics: impl IntoIterator<Item = T>,
    ) -> Response {
        let names: Result<Vec<_>, _> = topics
            .into_iter()
            .map(|topic| topic_names::parse(topic.as_ref()))
            .collect();
        let names = match names {
            Ok(names) => names,
            Err(error) => return Error::field("topic", error.to_string()).into_response(),
        };
        let guard = self.call.guard();
        let governed = names.iter().filter(|topic| guard.is_governed(topic));
        if let Some(denied) = governed
            .map(|topic| guard.may_read(&self.visitor, topic))
            .find_map(Result::err)
        {
            return self.call.denied(denied).into_response();
        }
        self.call
            .open(Spec::new(counted_as, names), self.visitor)
            .await
            .into_response()
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
