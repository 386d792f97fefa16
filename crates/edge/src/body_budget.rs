//! The memory budget of request bodies: one limit for all bodies that are arriving, and a timeout
//! for those that stop arriving.
//!
//! Owns the budget, and the bytes of a body until it is complete. The share of a body grows as the
//! body arrives, and is taken before the bytes are stored. A `Content-Length` alone takes no share,
//! because otherwise a few peers that announce long bodies and send nothing could use up the
//! budget. The bytes are copied out of hyper's buffers, because even a small slice of such a buffer
//! keeps all of the buffer in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::error::{Code, Error};

/// The budget of all bodies together, in KiB. A body counts from its first byte until its request
/// is answered. Sizes are in KiB, because a semaphore counts in 32 bits.
const BUDGET_KIB: usize = 64 << 10;

/// The share of a request before the first byte of its body, in KiB. It pays for the task and the
/// head of the request.
const OVERHEAD_KIB: usize = 4;

/// The share that is taken for the first bytes of a body, in KiB. Most bodies need no more.
const FIRST_SHARE_KIB: usize = 4;

/// How long a body may take to arrive. The head has a timeout of its own.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a body may pause while the budget is scarce.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The budget is scarce when less than this is left, in KiB.
const SCARCE_KIB: usize = BUDGET_KIB / 4;

/// The `Retry-After` of a body that is refused because the budget is used up.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The budget of the bodies that are arriving.
pub struct BodyBudget {
    free: Arc<Semaphore>,
    refused: AtomicU64,
}

/// A body, with its share of the budget. It is complete once [`BodyBudget::read`] returns it.
pub struct CollectedBody {
    bytes: Vec<u8>,
    share: OwnedSemaphorePermit,
}

impl BodyBudget {
    /// Reads a body of at most `limit` bytes.
    pub async fn read(&self, mut body: Body, limit: usize) -> Result<CollectedBody, Error> {
        let too_large = || Error::body_too_large(limit);
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            // Refused before the body is sent, if the client asked first (`Expect: 100-continue`).
            return Err(too_large());
        }
        let mut arrived = CollectedBody {
            bytes: Vec::new(),
            share: self.take(OVERHEAD_KIB)?,
        };
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let frame = match tokio::time::timeout_at(
                deadline.min(Instant::now() + MAX_PAUSE),
                body.frame(),
            )
            .await
            {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return Ok(arrived),
                Ok(Some(Err(_))) => {
                    return Err(Error::new(
                        Code::InvalidJson,
                        "The connection failed before the body was complete",
                    ));
                }
                Err(_)
                    if Instant::now() < deadline && self.free.available_permits() > SCARCE_KIB =>
                {
                    continue;
                }
                Err(_) => {
                    return Err(Error::new(
                        Code::RequestTimeout,
                        "The body did not arrive in time",
                    ));
                }
            };
            let Some(data) = frame.data_ref() else {
                continue;
            };
            let length = arrived.bytes.len() + data.len();
            if length > limit {
                return Err(too_large());
            }
            self.grow(&mut arrived, length, announced.max(length))?;
            arrived.bytes.extend_from_slice(data);
        }
    }

    /// Makes space for `length` bytes. The capacity doubles, so that few bytes are copied twice,
    /// but does not exceed `expected`, the length of the whole body as far as it is known.
    fn grow(
        &self,
        arrived: &mut CollectedBody,
        length: usize,
        expected: usize,
    ) -> Result<(), Error> {
        let capacity = arrived.bytes.capacity();
        if length <= capacity {
            return Ok(());
        }
        let wanted = length
            .max(capacity * 2)
            .max(FIRST_SHARE_KIB << 10)
            .min(expected.max(length));
        let more = wanted.div_ceil(1 << 10) - capacity.div_ceil(1 << 10);
        arrived.share.merge(self.take(more)?);
        arrived.bytes.reserve_exact(wanted - arrived.bytes.len());
        Ok(())
    }

    fn take(&self, kib: usize) -> Result<OwnedSemaphorePermit, Error> {
        let share = u32::try_from(kib.min(BUDGET_KIB)).unwrap_or(u32::MAX);
        self.free
            .clone()
            .try_acquire_many_owned(share)
            .map_err(|_| {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let message =
                    "The server is receiving too many request bodies at once; try again later";
                Error::new(Code::Overloaded, message).retry_after(RETRY_AFTER)
            })
    }

    /// The bytes that the bodies hold now.
    pub fn held(&self) -> usize {
        BUDGET_KIB.saturating_sub(self.free.available_permits()) << 10
    }

    /// The most bytes that the bodies may hold.
    pub fn limit() -> usize {
        BUDGET_KIB << 10
    }

    /// The number of bodies that were refused because the budget was used up.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Default for BodyBudget {
    fn default() -> Self {
        Self {
            free: Arc::new(Semaphore::new(BUDGET_KIB)),
            refused: AtomicU64::new(0),
        }
    }
}

impl CollectedBody {
    /// The body.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use http_body::Frame;
    use tokio::sync::mpsc;

    use super::*;

    /// A body that is sent piece by piece.
    struct Pieces(mpsc::Receiver<Bytes>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0
                .poll_recv(cx)
                .map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
        }
    }

    fn body() -> (mpsc::Sender<Bytes>, Body) {
        let (pieces, coming) = mpsc::channel(16);
        (pieces, Body::new(Pieces(coming)))
    }

    async fn until(done: impl Fn() -> bool) {
        while !done() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_grows_with_its_body_and_is_released_with_it() {
        let budget = Arc::new(BodyBudget::default());
        let (pieces, body) = body();
        let reading = tokio::spawn({
            let budget = budget.clone();
            async move { budget.read(body, 1 << 20).await }
        });
        until(|| budget.held() == OVERHEAD_KIB << 10).await;
        pieces.send(Bytes::from_static(b"x")).await.unwrap();
        until(|| budget.held() > OVERHEAD_KIB << 10).await;
        assert!(budget.held() <= (OVERHEAD_KIB + FIRST_SHARE_KIB) << 10);
        for _ in 0..10 {
            pieces
                .send(Bytes::from(vec![b'x'; 30 << 10]))
                .await
                .unwrap();
        }
        drop(pieces);
        let arrived = reading.await.unwrap().unwrap();
        assert_eq!(arrived.bytes().len(), 1 + (300 << 10));
        assert!(
            ((304 << 10)..=(608 << 10)).contains(&budget.held()),
            "{}",
            budget.held()
        );
        drop(arrived);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_pauses_is_refused_only_while_the_budget_is_scarce() {
        let budget = Arc::new(BodyBudget::default());
        let (_stopped, body) = body();
        let reading = tokio::spawn({
            let budget = budget.clone();
            async move { budget.read(body, 1 << 20).await }
        });
        until(|| budget.held() > 0).await;
        tokio::time::sleep(TIMEOUT / 2).await;
        assert!(!reading.is_finished());
        let others = budget.take(BUDGET_KIB - SCARCE_KIB).unwrap();
        let refused = reading.await.unwrap().err().unwrap();
        assert_eq!(refused.code(), Code::RequestTimeout);
        drop(others);
        let _all = budget.take(BUDGET_KIB).unwrap();
        assert_eq!(
            budget
                .read(Body::from("{}"), 10)
                .await
                .err()
                .unwrap()
                .code(),
            Code::Overloaded
        );
        assert_eq!(budget.refused(), 1);
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_refused_when_it_is_announced_or_when_it_arrives() {
        let budget = BodyBudget::default();
        assert_eq!(
            budget
                .read(Body::from("123456"), 5)
                .await
                .err()
                .unwrap()
                .code(),
            Code::PayloadTooLarge
        );
        let (pieces, body) = body();
        pieces.send(Bytes::from_static(b"123456")).await.unwrap();
        assert_eq!(
            budget.read(body, 5).await.err().unwrap().code(),
            Code::PayloadTooLarge
        );
        assert_eq!(
            budget.read(Body::from("12345"), 5).await.unwrap().bytes(),
            b"12345"
        );
        assert_eq!(budget.held(), 0);
    }
}
