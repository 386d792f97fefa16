//! Opens a stream: makes a response that carries a subscription from a request that was checked.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use tidings_edge::accept_header;
use tidings_edge::error::{Code, Error};
use tidings_edge::query::{self, Params};
use tidings_hub::{
    After, HeartbeatStyle, RefusalReason, Start, Subscribe, SubscribeError, Wording as _,
};
use tidings_journal::TopicName;

use crate::app::{App, Phase};
use crate::auth::guard::{Denied, Guard};
use crate::auth::{Credential, Refusal, Visitor};
use crate::config;
use crate::http::cursor;
use crate::http::extract::{self, Route};
use crate::streams::control_events::{self, Connected, ControlEvents};
use crate::times::random_delay;
use crate::traces;
use tidings_net::body::StreamBody;
use tidings_net::cut::Cut;
use tidings_net::slot::{StreamOutput, StreamSlot};

/// The properties of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// The names under which the stream is counted.
    pub(crate) counted_as: &'static [&'static str],
    /// The topics that the stream follows.
    pub(crate) topics: Vec<TopicName>,
    /// How long a client waits before it reconnects.
    pub(crate) retry: Duration,
    /// Whether a stream without a cursor starts with the newest event of each key.
    pub(crate) snapshot: bool,
    /// Whether the stream exists only to show that the server is alive. Such a stream gets a
    /// heartbeat at once, and each heartbeat is an event and not a comment.
    pub(crate) pulse: bool,
}

/// A request for a stream.
pub(crate) struct StreamCall {
    app: Arc<App>,
    parts: Parts,
    /// The query, or its error. The error is reported when the query is needed, at the latest
    /// before the stream opens, and thus after the check of the caller's rights.
    query: Result<Params, Error>,
}

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

impl FromRequestParts<Route> for StreamCall {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, route: &Route) -> Result<Self, Self::Rejection> {
        let query = Params::read(parts.uri.query(), route.query);
        Ok(Self {
            app: route.app.clone(),
            parts: parts.clone(),
            query,
        })
    }
}

impl Spec {
    pub(crate) fn new(counted_as: &'static [&'static str], topics: Vec<TopicName>) -> Self {
        Self {
            counted_as,
            topics,
            retry: Duration::from_secs(3),
            snapshot: false,
            pulse: false,
        }
    }
}

impl StreamCall {
    /// Creates the call for a path of an embedding application. Its query may contain parameters
    /// that are unknown here.
    pub(crate) fn of_embedder(app: Arc<App>, parts: Parts) -> Self {
        const KNOWN: &[query::Name] = &[query::TOKEN, query::TICKET, query::CURSOR];
        let query = Params::read_among_others(parts.uri.query(), KNOWN);
        Self { app, parts, query }
    }

    /// Returns the parameters of the query.
    pub(crate) fn params(&self) -> Result<&Params, Error> {
        self.query.as_ref().map_err(Error::clone)
    }

    /// Checks the credential and returns the visitor that calls. The guard decides about the
    /// visitor's rights.
    pub(crate) fn visitor(&self) -> Result<Visitor, Refusal> {
        extract::optional(&self.app, self.credential()?.as_ref(), &self.parts)
    }

    /// Returns the guard, which decides about rights.
    pub(crate) fn guard(&self) -> &Guard {
        &self.app.guard
    }

    /// Returns the error for a visitor that was denied something.
    pub(crate) fn denied(&self, denied: Denied) -> Error {
        extract::denied(&self.app, &self.parts, denied)
    }

    fn credential(&self) -> Result<Option<Credential>, Refusal> {
        let (app, headers) = (&self.app, &self.parts.headers);
        let credential = Credential::find(
            headers,
            self.parts.uri.query(),
            app.config.auth.cookie.as_deref(),
            true,
        );
        let is_usable = |credential: &Credential| {
            credential.is_usable(headers, |origin| {
                app.origins.read().may_send_credentials(origin)
            })
        };
        if credential.as_ref().is_none_or(is_usable) {
            Ok(credential)
        } else {
            Err(Refusal::ForeignOrigin)
        }
    }

    /// Opens the stream for a visitor that may read all of its topics.
    pub(crate) async fn open(self, spec: Spec, visitor: Visitor) -> Result<Response, Error> {
        let Self { app, parts, query } = self;
        let params = query?;
        traces::set_attribute(traces::STREAM, spec.counted_as[0]);
        if !accept_header::accepts_event_stream(&parts.headers) {
            let message = "This is an event stream: accept text/event-stream";
            return Err(Error::new(Code::NotAcceptable, message));
        }
        let after = cursor::of_request(&parts.headers, &params);
        if app.phase() != Phase::Serving {
            if !extract::is_head(&parts) {
                app.hub.connections().refused(RefusalReason::Draining);
            }
            return refuse(
                &app,
                &parts,
                &after,
                "draining",
                Error::draining(app.remaining_drain()),
            );
        }
        if extract::is_head(&parts) {
            return Ok(with_stream_head(Body::new(StreamBody::empty())));
        }
        let identity = visitor.identity.as_ref();
        let style = match app.config.streams.heartbeat_style {
            config::HeartbeatStyle::Comment if !spec.pulse => HeartbeatStyle::Comment,
            _ => HeartbeatStyle::Event,
        };
        let address = extract::address(&app, &parts);
        let request = Subscribe {
            topics: spec.topics,
            after: after.clone(),
            snapshot: spec.snapshot,
            user: identity.map(|identity| identity.id.clone()),
            counted_as: spec.counted_as,
            address,
            limit_address: address
                .is_some_and(|address| !address.is_loopback() && !app.proxies.contains(address)),
            heartbeat: style,
            expires_at_ms: identity
                .and_then(|identity| identity.expires)
                .map(|expiry| expiry.refused_from().as_millisecond()),
        };
        if let Err(error) = app.hub.health() {
            app.hub.connections().refused(RefusalReason::Journal);
            return refuse(&app, &parts, &after, "journal_unavailable", error.into());
        }
        let (mut subscription, start) =
            match traces::in_span("subscribe", app.hub.subscribe(request)).await {
                Ok(opened) => opened,
                Err(SubscribeError::LimitReached(limit)) => {
                    return refuse(
                        &app,
                        &parts,
                        &after,
                        "too_many_connections",
                        Error::stream_limit(limit),
                    );
                }
                Err(SubscribeError::Journal(error)) => {
                    return refuse(&app, &parts, &after, "journal_unavailable", error.into());
                }
            };
        note_start(&start, spec.snapshot);
        let now = app.now();
        let connected = Connected {
            now,
            connection: &subscription.connection().id.to_string(),
            visitor: &visitor,
            counted_as: spec.counted_as,
            heartbeat_interval: app.config.streams.heartbeat_interval,
            resumed: start.resumed,
            cursor: start.cursor.as_deref(),
            retry: spec.retry,
        };
        let heartbeat = spec
            .pulse
            .then(|| ControlEvents.heartbeat(now.as_millisecond()));
        subscription.send_first([connected.frame()].into_iter().chain(heartbeat));
        tracing::debug!(connection = %subscription.connection().id, kind = spec.counted_as[0], "a \
            stream opened");
        Ok(stream_response(
            StreamOutput::Everything(Box::new(subscription)),
            &parts,
        ))
    }
}

/// Notes in the request's span from where the stream starts.
fn note_start(start: &Start, snapshot: bool) {
    let start_kind = match start {
        Start { reset: Some(_), .. } => "reset",
        Start {
            resumed: Some(_), ..
        } => "resumed",
        Start { .. } if snapshot => "snapshot",
        Start { .. } => "now",
    };
    traces::set_attribute(traces::START, start_kind);
    if let Some(reason) = start.reset {
        traces::set_attribute(traces::RESET, reason.as_str());
    }
}

/// Creates a response that sends `output` in either lane.
fn stream_response(output: StreamOutput, parts: &Parts) -> Response {
    let slot = StreamSlot::new(output);
    let cut = parts.extensions.get::<Cut>().cloned();
    let mut response = with_stream_head(Body::new(StreamBody::new(slot.clone(), cut)));
    response.extensions_mut().insert(slot);
    response
}

/// Creates a response with the headers that every stream has.
fn with_stream_head(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static(
            "private, no-cache, no-store, must-revalidate, max-age=0, no-transform",
        ),
    );
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Refuses a stream for a temporary reason. A browser's `EventSource` never reconnects after a
/// status other than 200. Therefore a client that accepts `text/event-stream` by name gets a stream
/// with a single event, which says when to come back.
fn refuse(
    app: &App,
    parts: &Parts,
    after: &After,
    reason: &'static str,
    error: Error,
) -> Result<Response, Error> {
    if app.config.streams.refusal != config::Refusal::Busy {
        return Err(error);
    }
    if !accept_header::names_event_stream(&parts.headers) {
        return Err(error.adding(
            "; a client that sends `Accept: text/event-stream` gets a 200 and the event `busy`, \
             which says when to come back",
        ));
    }
    if extract::is_head(parts) {
        return Ok(with_stream_head(Body::new(StreamBody::empty())));
    }
    traces::set_attribute(traces::ERROR, reason);
    let retry =
        random_delay(Duration::from_secs(1), Duration::from_secs(10)) + app.remaining_drain();
    Ok(stream_response(
        StreamOutput::Once(control_events::busy(reason, retry, after)),
        parts,
    ))
}

#[cfg(test)]
mod tests;
