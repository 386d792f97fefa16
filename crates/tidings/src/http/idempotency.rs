//! `Idempotency-Key`: a publish that is repeated because its answer was lost happens once.
//!
//! A key belongs to a caller, a method and a path. Its answer is kept for five minutes if it was a 200; errors are not
//! kept, so that the same key may try again. A second request in flight waits for the first.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parking_lot::Mutex;
use tidings_hub::UserId;
use tokio::time::Instant;

use super::error::{Code, Error};
use super::reply::Reply;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_mins(5);

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answers that are kept.
#[derive(Default)]
pub(crate) struct Idempotency {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_key: HashMap<Scope, Arc<Slot>>,
    /// In the order of their end.
    ends: VecDeque<(Instant, Scope)>,
}

/// Whose key it is and for what.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    caller: UserId,
    method: Method,
    path: String,
    key: String,
}

/// One key.
struct Slot {
    /// The request that first succeeded with it, and the answer. Locked while a request runs.
    answered: tokio::sync::Mutex<Option<(u128, Reply)>>,
    /// Until when it is kept, at least.
    until: Mutex<Instant>,
}

impl Scope {
    /// Reads the key of a request, if it has one.
    pub(crate) fn of(headers: &HeaderMap, caller: &UserId, method: &Method, path: &str) -> Result<Option<Self>, Error> {
        let Some(key) = headers.get(HEADER) else {
            return Ok(None);
        };
        let sane = (1..=MAX_KEY_BYTES).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
        match key.to_str() {
            Ok(key) if sane => {
                Ok(Some(Self { caller: caller.clone(), method: method.clone(), path: path.into(), key: key.into() }))
            }
            _ => Err(Error::field("Idempotency-Key", "must be 1 to 255 visible ASCII characters")),
        }
    }
}

/// A number by which two requests with the same key are told apart: over the target and the body.
pub(crate) fn fingerprint(target: Option<&UserId>, body: &[u8]) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, target, body).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

impl Idempotency {
    /// Does `work` unless its answer is known. The work goes on even if the caller goes away meanwhile: otherwise the
    /// event could be in the log and its key not be kept.
    pub(crate) async fn once(
        &self,
        scope: Scope,
        fingerprint: u128,
        work: impl Future<Output = Result<Reply, Error>> + Send + 'static,
    ) -> Result<Response, Error> {
        let slot = self.slot(scope);
        let task = tokio::spawn(async move {
            let mut answered = slot.answered.lock().await;
            match &*answered {
                Some((first, reply)) if *first == fingerprint => return Ok((reply.clone(), true)),
                Some(_) => {
                    let message = "This Idempotency-Key was used for another request; take a new key";
                    return Err(Error::new(Code::IdempotencyConflict, message));
                }
                None => {}
            }
            let reply = work.await?;
            *answered = Some((fingerprint, reply.clone()));
            *slot.until.lock() = Instant::now() + KEPT;
            Ok((reply, false))
        });
        let Ok(result) = task.await else {
            return Err(Error::new(Code::JournalUnavailable, "The publish did not come to an end"));
        };
        let (reply, replayed) = result?;
        let mut response = reply.into_response();
        if replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(response)
    }

    fn slot(&self, scope: Scope) -> Arc<Slot> {
        let now = Instant::now();
        let mut kept = self.kept.lock();
        while let Some((_, over)) = kept.ends.pop_front_if(|(end, _)| *end <= now) {
            let Some(slot) = kept.by_key.get(&over) else { continue };
            let until = *slot.until.lock();
            if until > now || Arc::strong_count(slot) > 1 {
                // Answered since, or a request is at it.
                kept.ends.push_back((until.max(now + KEPT), over));
            } else {
                kept.by_key.remove(&over);
            }
        }
        if let Some(slot) = kept.by_key.get(&scope) {
            return slot.clone();
        }
        let until = now + KEPT;
        let slot = Arc::new(Slot { answered: tokio::sync::Mutex::default(), until: Mutex::new(until) });
        kept.ends.push_back((until, scope.clone()));
        kept.by_key.insert(scope, slot.clone());
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn scope() -> Scope {
        let headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_static("k"))]);
        let caller = UserId::parse("ann").unwrap();
        Scope::of(&headers, &caller, &Method::POST, "/p").ok().flatten().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_five_minutes_and_an_error_not_at_all() {
        let idempotency = Idempotency::default();
        let done = Arc::new(AtomicUsize::new(0));
        let attempt = async |fingerprint, good| {
            let done = done.clone();
            let work = async move {
                done.fetch_add(1, Ordering::Relaxed);
                if good { Ok(Reply::success("done", |object| object)) } else { Err(Error::draining()) }
            };
            idempotency.once(scope(), fingerprint, work).await.map_err(|error| error.code())
        };
        assert!(attempt(1, false).await.is_err());
        assert!(attempt(2, true).await.unwrap().headers().get(REPLAYED).is_none());
        assert!(attempt(2, true).await.unwrap().headers().get(REPLAYED).is_some());
        assert_eq!(attempt(1, true).await.err(), Some(Code::IdempotencyConflict));
        assert_eq!(done.load(Ordering::Relaxed), 2);
        tokio::time::advance(KEPT * 2).await;
        assert!(attempt(1, true).await.unwrap().headers().get(REPLAYED).is_none());
        assert_eq!(idempotency.kept.lock().ends.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_five_minutes_begin_with_the_answer_and_not_with_the_first_attempt() {
        let idempotency = Idempotency::default();
        let attempt = async |good| {
            let work =
                async move { if good { Ok(Reply::success("done", |object| object)) } else { Err(Error::draining()) } };
            idempotency.once(scope(), 1, work).await.map_err(|error| error.code())
        };
        assert!(attempt(false).await.is_err());
        tokio::time::advance(Duration::from_secs(299)).await;
        assert!(attempt(true).await.unwrap().headers().get(REPLAYED).is_none());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(attempt(true).await.unwrap().headers().get(REPLAYED).is_some());
    }
}
