//! What routes of one's own need of the server: opening streams, publishing, and knowing who calls.
//!
//! Everything here goes the way of the server's own routes: the same credentials, the same cursors, heartbeats and drain,
//! the same answers to what is refused.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::Serialize;
use tidings_edge::error::Error;
use tidings_edge::i_json;
use tidings_edge::json::{Compact, MAX_DEPTH, TooDeep};
pub use tidings_hub::{Cause, Ended, Refused, Stats, Tally};
use tidings_hub::{Publication, Published};
use tidings_journal::EventId;
use tidings_sse::EventName;

use crate::app::{App, Unpublished};
use crate::auth::{Credential, Identity, Refusal, Visitor};
use crate::http::extract;
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

/// Why something was not published. As a response it is what the server's own calls would answer.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Not a name of a topic.
    #[error("the topic: {0}")]
    Topic(#[from] tidings_journal::topic::Error),
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

    /// Stores an event of any topic and delivers it. Returns its id once the log's promise holds.
    ///
    /// `topic` is 1–8 segments of 1–128 characters of `[A-Za-z0-9._@:-]` joined by `/`, of which none is `.` or `..` but a
    /// user's id, behind `user`: browsers would take such a segment for a direction. `event` is the event's name, 1–64
    /// characters of `[A-Za-z0-9._:-]`; `data` becomes one line of compact JSON, at most
    /// [`MAX_DATA_BYTES`](tidings_hub::MAX_DATA_BYTES) long and 120 levels deep, without unpaired surrogates and numbers that
    /// overflow a double (RFC 7493), which only a [`RawValue`](serde_json::value::RawValue) can hold.
    pub async fn publish(&self, topic: &str, event: &str, data: &impl Serialize) -> Result<EventId, PublishError> {
        let publication = Publication::new([topics::asked(topic)?], EventName::parse(event)?, compact(data)?);
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

impl StreamRequest {
    /// The caller; `None` without a token.
    pub fn caller(&self) -> Option<&Identity> {
        self.visitor.identity.as_ref()
    }

    /// The caller, for a stream that is not for everybody.
    pub fn known_caller(&self) -> Result<&Identity, Refusal> {
        match &self.visitor {
            Visitor { identity: Some(caller), .. } => Ok(caller),
            Visitor { auth_error: Some(_), .. } => Err(Refusal::Invalid),
            Visitor { .. } => Err(Refusal::Missing),
        }
    }

    /// Opens a stream over `topics`, with everything that the server's own streams have: a cursor is resumed, heartbeats
    /// come, an expired token ends it, and it is drained at the end. It is counted under each name in `counted_as`; the
    /// server's own all count as `heartbeat` too.
    ///
    /// Who may read the topics is for the route to decide.
    pub async fn open<T: AsRef<str>>(
        self,
        counted_as: &'static [&'static str],
        topics: impl IntoIterator<Item = T>,
    ) -> Response {
        let names: Result<Vec<_>, _> = topics.into_iter().map(|topic| topics::asked(topic.as_ref())).collect();
        match names {
            Ok(names) => self.call.open(Spec::new(counted_as, names), self.visitor).await.into_response(),
            Err(error) => Error::field("topic", error.to_string()).into_response(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for StreamRequest
where
    Handle: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let call = StreamCall::of_embedder(Handle::from_ref(state).app, parts.clone());
        let visitor = call.visitor()?;
        Ok(Self { call, visitor })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Handle: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let app = Handle::from_ref(state).app;
        let credential = Credential::find(&parts.headers, parts.uri.query(), None, false);
        extract::required(&app, credential.as_ref(), parts).map(Self)
    }
}

impl IntoResponse for PublishError {
    fn into_response(self) -> Response {
        let problem = self.to_string();
        let error = match self {
            Self::Topic(_) => Error::field("topic", problem),
            Self::Event(_) => Error::field("event", problem),
            Self::Data(_) => Error::field("data", problem),
            Self::Draining => Error::draining(Duration::ZERO),
            Self::TooManyKeys => Error::too_many_keys(),
            Self::Journal(error) => error.into(),
        };
        error.into_response()
    }
}
