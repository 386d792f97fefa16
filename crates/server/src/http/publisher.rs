//! Calls that publish. A handler reads the request, makes a [`Unit`] of it, and passes that to
//! [`Publisher::publish`], which answers.
//!
//! Owns the order of the steps before the log. First, a repetition is answered from its receipt.
//! Then the call takes its share of the budget, and its caller is charged by the rate limits. Last,
//! the unit is appended, and the log says what became of it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use tidings_edge::error::{Code, Error};
use tidings_edge::query::Params;
use tidings_edge::rates::{Cost, RateLimitHeaders, RateSubject};
use tidings_edge::reply::{Draft, Reply};
use tidings_hub::{Publication, Published, UserId};
use tidings_journal::{Condition, EventId, TopicName};

use crate::app::App;
use crate::auth::{By, Identity};
use crate::http::extract::Route;
use crate::http::idempotency::{KeyedPublish, ScopedKey};
use crate::http::in_flight::PublishInFlight;
use crate::http::publish_budget::Share;
use crate::topic_names;
use crate::traces;

/// The parts of a POST that publishes, except for its body: the caller, and the key that makes a
/// repetition recognizable.
pub(crate) struct Publisher {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Identity,
    subject: RateSubject,
    key: Option<ScopedKey>,
    /// The query, or its error. The error is reported when the query is needed, at the latest
    /// before anything is published, and thus after the check of the caller's rights.
    query: Result<Params, Error>,
}

/// What a call publishes in one step, and its answer.
pub(crate) struct Unit {
    batch: Vec<Publication>,
    condition: Option<Condition>,
    /// The room that the call makes a user join, and that user.
    joins: Option<(TopicName, UserId)>,
    draft: Draft,
}

impl Unit {
    /// Creates a unit of one event.
    pub(crate) fn new(publication: Publication, draft: Draft) -> Self {
        Self {
            batch: vec![publication],
            condition: None,
            joins: None,
            draft,
        }
    }

    /// Creates a unit that publishes nothing. `draft` must name no event.
    pub(crate) fn nothing(draft: Draft) -> Self {
        Self {
            batch: Vec::new(),
            condition: None,
            joins: None,
            draft,
        }
    }

    /// Adds a record of the server's own, and publishes the unit only if `condition` is true. The
    /// answer is the same if it is false, so the draft must name no event.
    pub(crate) fn beside(mut self, (record, condition): (Publication, Condition)) -> Self {
        self.batch.push(record);
        Self {
            condition: Some(condition),
            ..self
        }
    }

    /// Makes `user` a member of `room`, unless that exceeds a limit of memberships.
    pub(crate) fn joining(self, room: TopicName, user: UserId) -> Self {
        Self {
            joins: Some((room, user)),
            ..self
        }
    }
}

impl FromRequestParts<Route> for Publisher {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, route: &Route) -> Result<Self, Error> {
        let caller = route.identify(parts)?;
        let key = ScopedKey::of(&parts.headers, &caller.id, &parts.method, parts.uri.path())?;
        let subject = RateSubject::of((&caller).into(), &route.app.guard);
        Ok(Self {
            app: route.app.clone(),
            caller,
            subject,
            key,
            query: route.params(parts),
        })
    }
}

impl Publisher {
    /// Returns the caller, in whose name the call publishes.
    pub(crate) fn by(&self) -> By<'_> {
        By::Caller(&self.caller)
    }

    /// Returns the parameters of the query.
    pub(crate) fn params(&self) -> Result<&Params, Error> {
        self.query.as_ref().map_err(Error::clone)
    }

    /// Publishes `unit`, which was made of a call with this target and body, and returns the
    /// answer. If the call repeats an earlier one with the same key, returns the earlier answer
    /// instead.
    ///
    /// With a key or a condition, the publish completes even if the caller disconnects meanwhile. A
    /// caller that comes back then finds that it was done.
    pub(crate) async fn publish(
        self,
        target: Option<&UserId>,
        body: &[u8],
        unit: Unit,
    ) -> Result<Response, Error> {
        let Self {
            app,
            subject,
            key,
            query,
            ..
        } = self;
        query?;
        let keyed = key.map(|key| KeyedPublish::new(key, target, body));
        if let Some(keyed) = &keyed
            && let Some(answer) = keyed.look_up(&app).await?
        {
            return Ok(answer);
        }
        let share = app.publish_budget.reserve(body.len())?;
        let cost = Cost {
            subject,
            events: 1,
            bytes: body.len(),
        };
        let outlives_caller = keyed.is_some() || unit.condition.is_some();
        let work = publish(app, share, cost, keyed, unit);
        if !outlives_caller {
            return work.await;
        }
        tokio::spawn(traces::with_current_span(work))
            .await
            .unwrap_or_else(|error| Err(Error::unfinished_task(&error)))
    }
}

/// Charges and publishes a unit, and holds `share` meanwhile. If a limit refuses a call that
/// repeats one in flight, it still gets the answer to the call in flight.
async fn publish(
    app: Arc<App>,
    share: Share,
    cost: Cost,
    keyed: Option<KeyedPublish>,
    unit: Unit,
) -> Result<Response, Error> {
    let Unit {
        batch,
        condition,
        joins,
        draft,
    } = unit;
    let in_flight = keyed.as_ref().map(|keyed| app.in_flight.add(keyed.key()));
    let charged = app.rates.publish(&cost);
    let is_charged = charged.is_ok();
    let admitted = charged.and_then(|standing| {
        let pending = joins
            .map(|(room, user)| app.hub.presence().begin_join(&room, &user))
            .transpose();
        let pending = pending.map_err(Error::membership_limit)?;
        Ok((
            standing,
            pending,
            app.rates.name(&cost.subject, || is_new(&app, &batch))?,
        ))
    });
    let (standing, _pending, is_name_charged) = match admitted {
        Ok(admitted) => admitted,
        Err(refused) => {
            // nothing is held while the call waits for another one's answer
            drop((share, batch, draft));
            let answer = answer_in_flight(&app, keyed, in_flight).await?;
            if answer.is_some() && is_charged {
                app.rates.refund(&cost, false);
            }
            return answer.ok_or(refused);
        }
    };
    let receipt = keyed.as_ref().map(|keyed| keyed.receipt(&draft));
    if batch.is_empty() && receipt.is_none() {
        return Ok(answer(draft.complete(app.hub.head()), standing));
    }
    match (app.publish(batch, receipt, condition).await?, &keyed) {
        (Published::New(id) | Published::Refused(id), _) => {
            Ok(answer(draft.complete(id), standing))
        }
        (Published::Known(first, stored), Some(keyed)) => {
            // the call was in flight twice, and is charged once
            app.rates.refund(&cost, is_name_charged);
            keyed.replay(first, &stored)
        }
        (Published::Full(_), _) => Err(Error::too_many_keys()),
        (Published::Known(..), None) => Err(Error::new(
            Code::Internal,
            "The log knows a publish that has no key",
        )),
    }
}

/// Waits for the call in flight that the refused call `keyed` repeats, and returns its answer.
/// Returns `None` if there is no such call, or if it was not answered with a 200.
async fn answer_in_flight(
    app: &App,
    keyed: Option<KeyedPublish>,
    in_flight: Option<PublishInFlight>,
) -> Result<Option<Response>, Error> {
    let (Some(keyed), Some(in_flight)) = (keyed, in_flight) else {
        return Ok(None);
    };
    in_flight.until_first_has_ended().await;
    keyed.look_up(app).await
}

/// Publishes one event for the application that embeds the server, in the name of `by`, within the
/// limits of a call with a body of `bytes` bytes. Returns the event's id.
pub(crate) async fn publish_one(
    app: &App,
    by: By<'_>,
    bytes: usize,
    publication: Publication,
) -> Result<EventId, Error> {
    let _share = app.publish_budget.reserve(bytes)?;
    let (subject, batch) = (RateSubject::of(by, &app.guard), vec![publication]);
    let cost = Cost {
        subject,
        events: 1,
        bytes,
    };
    app.rates.publish(&cost)?;
    app.rates.name(&cost.subject, || is_new(app, &batch))?;
    match app.publish(batch, None, None).await? {
        Published::New(id) | Published::Refused(id) => Ok(id),
        Published::Full(_) => Err(Error::too_many_keys()),
        Published::Known(..) => Err(Error::new(
            Code::Internal,
            "The log knows a publish that has no key",
        )),
    }
}

/// Whether a batch names a topic that the log does not know yet, not counting the server's own
/// topics.
fn is_new(app: &App, batch: &[Publication]) -> bool {
    let mut topics = batch.iter().flat_map(|one| &*one.topics);
    topics.any(|topic| !topic_names::is_internal(topic) && !app.hub.knows(topic))
}

/// Returns the answer to a publish, with the state of its caller's rate limits.
pub(crate) fn answer(reply: Reply, standing: RateLimitHeaders) -> Response {
    let mut response = reply.into_response();
    standing.write(response.headers_mut());
    response
}
