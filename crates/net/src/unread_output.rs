//! The memory budget of answers that peers have not read yet. It is one limit for all answers, so
//! that peers which request much and read nothing can't use up the memory.
//!
//! Owns the budget. A share is taken before an answer is used, and given back when its last byte
//! was written. That may be long after hyper dropped the body, because hyper and h2 buffer the
//! bytes that a peer reads slowly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidings_edge::error::{Code, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::cut::Cut;

/// The budget of all answers together, in KiB because a semaphore counts in 32 bits.
const BUDGET_KIB: usize = 64 << 10;

/// The share of an answer without its body, in KiB: its head, its task, and its state in hyper.
const OVERHEAD_KIB: usize = 4;

/// The largest answer that needs no share, in bytes. Each connection may have one such answer at a
/// time. A connection costs more memory than that anyway, and health checks are answered even when
/// the budget is used up.
const FREE_BYTES: usize = 4 << 10;

/// How many pages of the log are made into answers at a time. One page takes some milliseconds and
/// memory of a few times its own size, and waits for nothing but the log.
const MAX_PAGES_AT_ONCE: usize = 4;

/// The approximate size of the largest page, in KiB. Nothing is read from the log for an answer
/// that would not fit into the budget.
const PAGE_KIB: usize = 1 << 10;

/// When a refused client should try again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The budget for answers that peers have not read yet.
pub struct UnreadOutput {
    budget: Arc<Semaphore>,
    pages: Semaphore,
    refused: AtomicU64,
}

/// An answer's share of the budget. Dropping it gives the share back.
#[must_use = "the share is given back when this is dropped"]
pub(crate) enum Share {
    Counted { _permit: OwnedSemaphorePermit },
    Free(Cut),
}

impl UnreadOutput {
    /// Takes the share of an answer of `bytes` bytes on the connection of `cut`. Returns `None` if
    /// the budget has no space for it.
    pub(crate) fn reserve(&self, bytes: usize, cut: &Cut) -> Option<Share> {
        if bytes <= FREE_BYTES && cut.take_free_answer() {
            return Some(Share::Free(cut.clone()));
        }
        let wanted = (OVERHEAD_KIB + bytes.div_ceil(1 << 10)).min(BUDGET_KIB);
        let permit = self
            .budget
            .clone()
            .try_acquire_many_owned(u32::try_from(wanted).unwrap_or(u32::MAX));
        if permit.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        permit.ok().map(|permit| Share::Counted { _permit: permit })
    }

    /// Waits for the turn to make a page of the log into an answer. Fails if the budget has no
    /// space for the answer.
    pub async fn begin_page(&self) -> Result<SemaphorePermit<'_>, Error> {
        // The semaphore is never closed.
        let turn = self.pages.acquire().await.map_err(|_| refusal())?;
        if self.budget.available_permits() < PAGE_KIB + OVERHEAD_KIB {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(refusal());
        }
        Ok(turn)
    }

    /// Returns how many bytes of the budget are in use.
    pub fn held(&self) -> usize {
        BUDGET_KIB.saturating_sub(self.budget.available_permits()) << 10
    }

    /// Returns the size of the budget, in bytes.
    pub fn limit() -> usize {
        BUDGET_KIB << 10
    }

    /// Returns how many answers did not fit into the budget.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Returns the error that is sent in place of an answer that does not fit into the budget.
pub(crate) fn refusal() -> Error {
    let message = "Too many answers wait until their clients read them";
    Error::new(Code::Overloaded, message).retry_after(RETRY_AFTER)
}

impl Default for UnreadOutput {
    fn default() -> Self {
        Self {
            budget: Arc::new(Semaphore::new(BUDGET_KIB)),
            pages: Semaphore::new(MAX_PAGES_AT_ONCE),
            refused: AtomicU64::new(0),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Self::Free(cut) = self {
            cut.give_free_answer();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_answers_share_one_budget_and_each_connection_may_have_one_small_answer_beyond_it() {
        let (unread_output, one, other) = (UnreadOutput::default(), Cut::default(), Cut::default());
        let all = unread_output.reserve(usize::MAX >> 12, &one).unwrap();
        assert_eq!(unread_output.held(), UnreadOutput::limit());
        let small = unread_output.reserve(FREE_BYTES, &one).unwrap();
        assert!(
            unread_output.reserve(0, &one).is_none(),
            "it has one already"
        );
        assert!(
            unread_output.reserve(FREE_BYTES + 1, &other).is_none(),
            "it is not small"
        );
        let _others = unread_output.reserve(0, &other).unwrap();
        assert_eq!(unread_output.refused(), 2);
        drop(small);
        let _again = unread_output.reserve(0, &one).unwrap();
        drop(all);
        assert_eq!(unread_output.held(), 0);
        let _second = unread_output.reserve(1, &one).unwrap();
        assert_eq!(unread_output.held(), (OVERHEAD_KIB + 1) << 10);
    }

    #[tokio::test]
    async fn no_page_is_read_that_would_not_fit_into_the_budget() {
        let unread_output = UnreadOutput::default();
        drop(unread_output.begin_page().await.unwrap());
        let _all = unread_output
            .reserve((BUDGET_KIB - PAGE_KIB) << 10, &Cut::default())
            .unwrap();
        assert_eq!(
            unread_output.begin_page().await.unwrap_err().code(),
            Code::Overloaded
        );
    }
}
