//! `Idempotency-Key`: a publish that is repeated because its answer was lost happens once.
//!
//! A key belongs to a caller, a method and a path. What was answered is written to the journal in the same step as the
//! event, as a receipt, so that it is known for as long as the event is, restarts included. Only a 200 leaves one: after
//! an error the same key may try again. A second request in flight waits for the first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parking_lot::Mutex;
use tidings_hub::{Publication, UserId};
use tidings_journal::{Kept, Receipt};

use super::admission::Share;
use super::error::{Code, Error};
use super::rates::{Cost, Payer, RateLimit};
use super::reply::{Draft, Reply};
use crate::app::App;
use crate::traces;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_mins(5);

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The keys that requests are at.
#[derive(Default)]
pub(crate) struct Idempotency {
    in_flight: Mutex<HashMap<Bytes, Arc<tokio::sync::Mutex<()>>>>,
}

/// Whose key it is and for what, in one text.
#[derive(Clone)]
pub(crate) struct Scope(Bytes);

/// By what two requests with the same key are told apart: a digest of the target and the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

/// The right to publish once.
pub(crate) struct Once {
    pub(crate) app: Arc<App>,
    payer: Payer,
    note: Option<(Scope, Fingerprint)>,
}

/// The turn of one request at its key.
struct Turn<'a> {
    idempotency: &'a Idempotency,
    key: Bytes,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Scope {
    /// Reads the key of a request, if it has one.
    pub(crate) fn of(headers: &HeaderMap, caller: &UserId, method: &Method, path: &str) -> Result<Option<Self>, Error> {
        let mut keys = headers.get_all(HEADER).iter();
        let Some(key) = keys.next() else {
            return Ok(None);
        };
        if keys.any(|other| other != key) {
            return Err(Error::field("Idempotency-Key", "is given twice, with different values"));
        }
        let sane = (1..=MAX_KEY_BYTES).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
        match key.to_str() {
            // None of them holds a NUL.
            Ok(key) if sane => Ok(Some(Self([caller.as_str(), method.as_str(), path, key].join("\0").into()))),
            _ => Err(Error::field("Idempotency-Key", "must be 1 to 255 visible ASCII characters")),
        }
    }
}

impl Fingerprint {
    pub(crate) fn of(target: Option<&UserId>, body: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(target.map_or("", UserId::as_str).as_bytes());
        context.update(b"\0");
        context.update(body);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }
}

impl Once {
    /// Publishes, and answers with what `draft` becomes.
    pub(crate) async fn publish(&self, publication: Publication, draft: Draft) -> Result<Reply, Error> {
        self.publish_beside(publication, None, draft).await
    }

    /// The same, with something of the server's own in the same step.
    pub(crate) async fn publish_beside(
        &self,
        publication: Publication,
        beside: Option<Publication>,
        draft: Draft,
    ) -> Result<Reply, Error> {
        let is_new = || publication.topics.iter().any(|topic| !self.app.hub.knows(topic));
        self.app.rates.name(&self.payer, is_new)?;
        let receipt = self.receipt(&draft);
        let publications = std::iter::once(publication).chain(beside).collect();
        let id = self.app.publish_with(publications, receipt).await?;
        Ok(draft.complete(id))
    }

    /// There is nothing to publish: answers with `draft`, which names no event.
    pub(crate) async fn nothing(&self, draft: Draft) -> Result<Reply, Error> {
        let id = match self.receipt(&draft) {
            Some(receipt) => self.app.publish_with(Vec::new(), Some(receipt)).await?,
            None => self.app.hub.head(),
        };
        Ok(draft.complete(id))
    }

    fn receipt(&self, draft: &Draft) -> Option<Receipt> {
        let (scope, fingerprint) = self.note.as_ref()?;
        let value = [&fingerprint.0[..], &draft.encode()].concat().into();
        Some(Receipt { key: scope.0.clone(), value, lives: KEPT })
    }
}

/// Does `work` unless its answer is known. With a key the work goes on even if the caller goes away meanwhile: what waits
/// for the key then finds it done, or free. `share` is held as long as the work goes on. `cost` is charged for the work, not
/// for an answer that is known.
pub(crate) async fn once<W>(
    app: Arc<App>,
    share: Share,
    note: Option<(Scope, Fingerprint)>,
    cost: Cost,
    work: impl FnOnce(Once) -> W + Send + 'static,
) -> Result<Response, Error>
where
    W: Future<Output = Result<Reply, Error>> + Send + 'static,
{
    let Some((scope, fingerprint)) = note else {
        let _share = share;
        let standing = app.rates.publish(&cost)?;
        let reply = work(Once { app, payer: cost.payer, note: None }).await?;
        return Ok(answer(reply, standing));
    };
    let task = tokio::spawn(traces::carried(async move {
        let _share = share;
        let turn = app.idempotency.turn(&scope);
        let _first = turn.lock.lock().await;
        if let Some(kept) = app.hub.receipt(&scope.0).await? {
            return replay(&app, &kept, fingerprint).map(|reply| (reply, None));
        }
        let standing = app.rates.publish(&cost)?;
        let once = Once { app: app.clone(), payer: cost.payer, note: Some((scope, fingerprint)) };
        work(once).await.map(|reply| (reply, Some(standing)))
    }));
    match task.await.map_err(|gone| Error::unfinished(&gone))?? {
        (reply, Some(standing)) => Ok(answer(reply, standing)),
        (reply, None) => {
            traces::note(traces::PUBLISH, "repeated");
            let mut response = reply.into_response();
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
    }
}

/// The answer to a publish, with where its publisher stands.
pub(crate) fn answer(reply: Reply, standing: RateLimit) -> Response {
    let mut response = reply.into_response();
    standing.write(response.headers_mut());
    response
}

/// What was answered the first time.
fn replay(app: &App, kept: &Kept, fingerprint: Fingerprint) -> Result<Reply, Error> {
    match kept.value.split_first_chunk() {
        Some((first, draft)) if *first == fingerprint.0 => match Draft::decode(draft) {
            Some(draft) => Ok(draft.complete(app.hub.id_of(kept.first))),
            None => Err(Error::new(Code::JournalUnavailable, "The first answer to this Idempotency-Key can't be read")),
        },
        _ => {
            let message = "This Idempotency-Key was used for another request; take a new key";
            Err(Error::new(Code::IdempotencyConflict, message))
        }
    }
}

impl Idempotency {
    fn turn(&self, scope: &Scope) -> Turn<'_> {
        let lock = self.in_flight.lock().entry(scope.0.clone()).or_default().clone();
        Turn { idempotency: self, key: scope.0.clone(), lock }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.idempotency.in_flight.lock();
        // The table's and this one: nobody else waits.
        if Arc::strong_count(&self.lock) == 2 {
            in_flight.remove(&self.key);
        }
    }
}
