//! `Idempotency-Key`: a publish that is repeated because its answer was lost happens only once.
//!
//! A key belongs to a caller, a method and a path. The answer is written to the journal in the same
//! step as the event, as a receipt. The receipt is kept for five minutes, also across a restart.
//! Only a 200 leaves a receipt: after an error, the same key may be used to try again.
//!
//! The journal decides whether a publish is a repetition, in the step that would append it. If
//! several publishes with one key are in flight, on this server or on several, one is published and
//! all get its answer. The look-up of a receipt before that step decides nothing. It only
//! spares a repetition the limits. The publishes that are in flight on this
//! server are in [`in_flight`](super::in_flight).

use std::time::Duration;

use aws_lc_rs::digest;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tidings_edge::error::{Code, Error};
use tidings_edge::reply::Draft;
use tidings_hub::UserId;
use tidings_journal::{EventId, Receipt, StoredReceipt};

use crate::app::App;
use crate::traces;

/// How long the log keeps the receipt of an answer.
const RECEIPT_LIFETIME: Duration = Duration::from_mins(5);

/// The maximum length of a key.
const MAX_KEY_BYTES: usize = 255;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The caller, the method, the path and the key of a request, in one text.
#[derive(Clone)]
pub(crate) struct ScopedKey(Bytes);

/// A digest of the target and the body. It shows whether two requests with the same key are the
/// same request.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Fingerprint([u8; 32]);

/// A publish with an `Idempotency-Key`, by which its repetitions are recognized.
pub(crate) struct KeyedPublish {
    key: ScopedKey,
    fingerprint: Fingerprint,
}

impl ScopedKey {
    /// Reads the key of a request, if the request has one.
    pub(crate) fn of(
        headers: &HeaderMap,
        caller: &UserId,
        method: &Method,
        path: &str,
    ) -> Result<Option<Self>, Error> {
        let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next() else {
            return Ok(None);
        };
        if keys.any(|other| other != key) {
            return Err(Error::field(
                "Idempotency-Key",
                "is given twice, with different values",
            ));
        }
        let is_valid = (1..=MAX_KEY_BYTES).contains(&key.len())
            && key.as_bytes().iter().all(u8::is_ascii_graphic);
        match key.to_str() {
            // A NUL joins the parts, because none of them contains one.
            Ok(key) if is_valid => Ok(Some(Self(
                [caller.as_str(), method.as_str(), path, key]
                    .join("\0")
                    .into(),
            ))),
            _ => Err(Error::field(
                "Idempotency-Key",
                "must be 1 to 255 visible ASCII characters",
            )),
        }
    }
}

impl Fingerprint {
    fn of(target: Option<&UserId>, body: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(target.map_or("", UserId::as_str).as_bytes());
        context.update(b"\0");
        context.update(body);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }
}

impl KeyedPublish {
    pub(crate) fn new(key: ScopedKey, target: Option<&UserId>, body: &[u8]) -> Self {
        Self {
            key,
            fingerprint: Fingerprint::of(target, body),
        }
    }

    /// Returns the key of the publish's receipt in the log.
    pub(crate) fn key(&self) -> &Bytes {
        &self.key.0
    }

    /// Returns the receipt of this publish, which is answered with `draft`.
    pub(crate) fn receipt(&self, draft: &Draft) -> Receipt {
        let value = [&self.fingerprint.0[..], &draft.encode()].concat().into();
        Receipt {
            key: self.key.0.clone(),
            value,
            lives: RECEIPT_LIFETIME,
        }
    }

    /// Returns the answer to the first publish with this key, if the log has its receipt.
    pub(crate) async fn look_up(&self, app: &App) -> Result<Option<Response>, Error> {
        let receipt = app.hub.receipt(&self.key.0).await?;
        receipt
            .map(|(first, receipt)| self.replay(first, &receipt))
            .transpose()
    }

    /// Returns the answer to the first publish with this key, whose event has the id `first`. Fails
    /// if that was a different request.
    pub(crate) fn replay(
        &self,
        first: EventId,
        receipt: &StoredReceipt,
    ) -> Result<Response, Error> {
        let draft = receipt
            .value
            .split_first_chunk()
            .filter(|(first, _)| **first == self.fingerprint.0);
        let Some((_, draft)) = draft else {
            let message = "This Idempotency-Key was used for another request; use a new key";
            return Err(Error::new(Code::IdempotencyConflict, message));
        };
        let unreadable = || {
            Error::new(
                Code::JournalUnavailable,
                "The first answer to this Idempotency-Key can't be read",
            )
        };
        let draft = Draft::decode(draft).ok_or_else(unreadable)?;
        traces::set_attribute(traces::PUBLISH, "repeated");
        let mut response = draft.complete(first).into_response();
        response
            .headers_mut()
            .insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }
}
