//! Calls that publish: a handler reads what was sent, builds a [`Unit`] of it, and hands that to [`Publisher::publish`], which
//! answers.
//!
//! Owns the order of what stands before the log: a repetition is answered from what is known, then there is room for the call,
//! then its caller may publish so much, then it is appended, and the log says what became of it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use tidings_edge::error::{Code, Error};
use tidings_edge::query::Params;
use tidings_edge::rates::{Cost, RateLimit, RateSubject};
use tidings_edge::reply::{Draft, Reply};
use tidings_hub::{Publication, Published, UserId};
use tidings_journal::{Condition, EventId, TopicName};

use crate::app::App;
use crate::auth::{By, Identity};
use crate::http::admission::Share;
use crate::http::extract::Route;
use crate::http::idempotency::{Note, Scope};
use crate::http::in_flight::Flight;
use crate::topics;
use crate::traces;

/// What a POST that publishes needs beside its body: who calls, and whether the call is a repetition.
pub(crate) struct Publisher {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Identity,
    subject: RateSubject,
    key: Option<Scope>,
    /// Judged when it is asked for, at the latest before something is published: after the caller's rights.
    query: Result<Params, Error>,
}

/// What a call publishes in one step, and what it is answered.
pub(crate) struct Unit {
    batch: Vec<Publication>,
    condition: Option<Condition>,
    /// The room that a user becomes a member of by it.
    joins: Option<(TopicName, UserId)>,
    draft: Draft,
}

impl Unit {
    /// One event, and whatever the server writes for itself in the same step.
    pub(crate) fn new(publication: Publication, draft: Draft) -> Self {
        Self { batch: vec![publication], condition: None, joins: None, draft }
    }

    /// There is nothing to publish, and `draft` names no event.
    pub(crate) fn nothing(draft: Draft) -> Self {
        Self { batch: Vec::new(), condition: None, joins: None, draft }
    }

    /// With a record of the server's own, and only if `condition` is true; if it is not, the answer is the same, and so its
    /// draft must name no event.
    pub(crate) fn beside(mut self, (record, condition): (Publication, Condition)) -> Self {
        self.batch.push(record);
        Self { condition: Some(condition), ..self }
    }

    /// Makes `user` a member of `room`, if that is not one too many.
    pub(crate) fn joining(self, room: TopicName, user: UserId) -> Self {
        Self { joins: Some((room, user)), ..self }
    }
}

impl FromRequestParts<Route> for Publisher {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, route: &Route) -> Result<Self, Error> {
        let caller = route.identify(parts)?;
        let key = Scope::of(&parts.headers, &caller.id, &parts.method, parts.uri.path())?;
        let subject = RateSubject::of((&caller).into(), &route.app.guard);
        Ok(Self { app: route.app.clone(), caller, subject, key, query: route.params(parts) })
    }
}

impl Publisher {
    /// In whose name the call is made.
    pub(crate) fn by(&self) -> By<'_> {
        By::Caller(&self.caller)
    }

    /// What the query says.
    pub(crate) fn params(&self) -> Result<&Params, Error> {
        self.query.as_ref().map_err(Error::clone)
    }

    /// Publishes what was made of a call with this target and body, and answers; or answers as the same call with the same key
    /// was answered before.
    ///
    /// With a key, or on a condition, the work goes on even if the caller goes away meanwhile: whoever comes back finds it done.
    pub(crate) async fn publish(self, target: Option<&UserId>, body: &[u8], unit: Unit) -> Result<Response, Error> {
        let Self { app, subject, key, query, .. } = self;
        query?;
        let note = key.map(|scope| Note::new(scope, target, body));
        if let Some(note) = &note
            && let Some(answer) = note.look_up(&app).await?
        {
            return Ok(answer);
        }
        let share = app.admission.enter(body.len())?;
        let cost = Cost { subject, events: 1, bytes: body.len() };
        let goes_on = note.is_some() || unit.condition.is_some();
        let work = publish(app, share, cost, note, unit);
        if !goes_on {
            return work.await;
        }
        tokio::spawn(traces::carried(work)).await.unwrap_or_else(|gone| Err(Error::unfinished(&gone)))
    }
}

/// Charges and publishes a unit, and holds `share` meanwhile. A repetition of a call that is on its way may be refused where that
/// one was not; it still gets that one's answer.
async fn publish(app: Arc<App>, share: Share, cost: Cost, note: Option<Note>, unit: Unit) -> Result<Response, Error> {
    let Unit { batch, condition, joins, draft } = unit;
    let flight = note.as_ref().map(|note| app.in_flight.enter(note.key()));
    let charged = app.rates.publish(&cost);
    let is_charged = charged.is_ok();
    let taken = charged.and_then(|standing| {
        let pending = joins.map(|(room, user)| app.hub.presence().begin_join(&room, &user)).transpose();
        let pending = pending.map_err(Error::membership_limit)?;
        Ok((standing, pending, app.rates.name(&cost.subject, || is_new(&app, &batch))?))
    });
    let (standing, _pending, named) = match taken {
        Ok(taken) => taken,
        Err(refused) => {
            drop((share, batch, draft)); // a call that waits for another's answer takes no room
            let answer = first_answer(&app, note, flight).await?;
            if answer.is_some() && is_charged {
                app.rates.give_back(&cost, false);
            }
            return answer.ok_or(refused);
        }
    };
    let receipt = note.as_ref().map(|note| note.receipt(&draft));
    if batch.is_empty() && receipt.is_none() {
        return Ok(answer(draft.complete(app.hub.head()), standing));
    }
    match (app.publish(batch, receipt, condition).await?, &note) {
        (Published::New(id) | Published::Refused(id), _) => Ok(answer(draft.complete(id), standing)),
        (Published::Known(first, kept), Some(note)) => {
            app.rates.give_back(&cost, named); // it was in flight twice, and counts once
            note.replay(first, &kept)
        }
        (Published::Full(_), _) => Err(Error::too_many_keys()),
        (Published::Known(..), None) => Err(Error::new(Code::Internal, "The log knows a publish that has no key")),
    }
}

/// Returns the answer of the call that one with this note repeats, once that has ended; `None` if there is no such call, or if it
/// was not answered with a 200. For a call that was refused.
async fn first_answer(app: &App, note: Option<Note>, flight: Option<Flight>) -> Result<Option<Response>, Error> {
    let (Some(note), Some(flight)) = (note, flight) else { return Ok(None) };
    flight.until_first_ended().await;
    note.look_up(app).await
}

/// Publishes one event in somebody's name for the application that embeds the server, within the limits of a call whose body has
/// `bytes` bytes. Returns the event's id.
pub(crate) async fn publish_one(
    app: &App,
    by: By<'_>,
    bytes: usize,
    publication: Publication,
) -> Result<EventId, Error> {
    let _share = app.admission.enter(bytes)?;
    let (subject, batch) = (RateSubject::of(by, &app.guard), vec![publication]);
    let cost = Cost { subject, events: 1, bytes };
    app.rates.publish(&cost)?;
    app.rates.name(&cost.subject, || is_new(app, &batch))?;
    match app.publish(batch, None, None).await? {
        Published::New(id) | Published::Refused(id) => Ok(id),
        Published::Full(_) => Err(Error::too_many_keys()),
        Published::Known(..) => Err(Error::new(Code::Internal, "The log knows a publish that has no key")),
    }
}

/// Whether a batch names a topic that the log does not know yet, beside those of the server's own.
fn is_new(app: &App, batch: &[Publication]) -> bool {
    let mut topics = batch.iter().flat_map(|one| &*one.topics);
    topics.any(|topic| !topics::is_private(topic) && !app.hub.knows(topic))
}

/// The answer to a publish, with where its publisher stands.
pub(crate) fn answer(reply: Reply, standing: RateLimit) -> Response {
    let mut response = reply.into_response();
    standing.write(response.headers_mut());
    response
}
