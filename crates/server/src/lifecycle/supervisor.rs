//! Keeps tasks running that the server needs as long as it runs: a panic of one is logged, and the
//! task is restarted.

use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

/// How long `keep_running` waits before it restarts a task that panicked, because a task that
/// panics at once must not fill the log.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// Runs a task to its end, and restarts it if it panics. Only for tasks that keep no state from one
/// round to the next.
pub async fn keep_running<F>(task: &'static str, start: impl Fn() -> F)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    loop {
        match AbortOnDropHandle::new(tokio::spawn(start())).await {
            Err(ended) if ended.is_panic() => {
                tracing::error!(task, "a task of the server panicked and is restarted");
            }
            _ => return, // the task is done, or the runtime is shutting down
        }
        tokio::time::sleep(RESTART_DELAY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_restarted_until_it_ends() {
        let starts = Arc::new(AtomicU32::new(0));
        let count = starts.clone();
        keep_running("test", move || {
            let nth = count.fetch_add(1, Ordering::Relaxed);
            async move { assert!(nth == 3, "a fault") }
        })
        .await;
        assert_eq!(starts.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_supervisor_that_is_dropped_aborts_its_task() {
        let alive = Arc::new(());
        let held = alive.clone();
        let supervisor = tokio::spawn(keep_running("test", move || {
            let held = held.clone();
            async move {
                std::future::pending::<()>().await;
                drop(held);
            }
        }));
        tokio::task::yield_now().await;
        supervisor.abort();
        let _ = supervisor.await;
        while Arc::strong_count(&alive) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
