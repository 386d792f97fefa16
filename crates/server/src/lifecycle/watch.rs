//! Tasks that are there as long as the server is: none of them may end without a word.

use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

/// How long a task that panicked rests before it is begun anew: one that panics at once must not fill the log.
const REST: Duration = Duration::from_secs(1);

/// Runs a task to its end. If it panics, it is begun anew: only for tasks that keep nothing from one round to the next.
pub async fn keep<F>(task: &'static str, begin: impl Fn() -> F)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    loop {
        match AbortOnDropHandle::new(tokio::spawn(begin())).await {
            Err(ended) if ended.is_panic() => tracing::error!(task, "a task of the server panicked and is begun anew"),
            _ => return, // it has done what it was for, or the runtime is going
        }
        tokio::time::sleep(REST).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_begun_anew_until_it_ends() {
        let begun = Arc::new(AtomicU32::new(0));
        let counted = begun.clone();
        keep("test", move || {
            let nth = counted.fetch_add(1, Ordering::Relaxed);
            async move { assert!(nth == 3, "a fault") }
        })
        .await;
        assert_eq!(begun.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_no_longer_wanted_takes_its_task_along() {
        let alive = Arc::new(());
        let held = alive.clone();
        let keeping = tokio::spawn(keep("test", move || {
            let held = held.clone();
            async move {
                std::future::pending::<()>().await;
                drop(held);
            }
        }));
        tokio::task::yield_now().await;
        keeping.abort();
        let _ = keeping.await;
        while Arc::strong_count(&alive) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
