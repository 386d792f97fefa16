//! A queue for the work of connecting clients, so that a reconnecting crowd does not delay the
//! streams that are open.
//!
//! Owns how much of that work runs between two polls of the runtime's I/O driver, however much of
//! it waits. A stream that has caught up must never use it. Work must not use the queue within its
//! own turn, because it would wait for itself.
//!
//! The runtime has no priorities. If a task is woken while the runtime's short local queue is full
//! (one event wakes a thousand streams), it goes to a global queue. While the local queue is not
//! empty, the runtime takes only an occasional task from the global one, and a crowd of clients
//! keeps the local queue from ever being empty. Therefore work in this queue is woken only once
//! every task that was ready has run. Where that never happens, it is woken each time the runtime
//! polls its I/O driver, a few at a time and in the order of arrival.

use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread::available_parallelism;

use tokio::sync::Semaphore;

/// How many steps of work run between two polls of the I/O driver, for each core. A step is a
/// request for a stream, or a page of missed events, and takes some 50 µs.
const STEPS_PER_CORE: usize = 2;

/// The queue of all connecting clients. Clones share it.
#[derive(Clone)]
pub struct FairQueue(Arc<Semaphore>);

impl Default for FairQueue {
    fn default() -> Self {
        Self::of(available_parallelism().map_or(1, NonZero::get))
    }
}

impl FairQueue {
    fn of(cores: usize) -> Self {
        Self(Arc::new(Semaphore::new(STEPS_PER_CORE * cores)))
    }

    /// Runs `work`, with a turn of the queue for each poll of it. `work` holds no turn while it is
    /// pending.
    pub(crate) async fn run<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        let mut turn = pin!(self.0.acquire());
        let mut held = None;
        std::future::poll_fn(|cx| {
            if held.is_none() {
                held = Some(ready!(turn.as_mut().poll(cx))); // the semaphore is never closed
                wake_after_ready_tasks(cx);
                return Poll::Pending;
            }
            let step = work.as_mut().poll(cx);
            turn.set(self.0.acquire());
            held = None;
            step
        })
        .await
    }
}

/// Wakes the task once every task that is ready has run. Where that never happens, wakes it after
/// the next poll of the I/O driver.
pub(crate) fn wake_after_ready_tasks(cx: &mut Context<'_>) {
    // The first poll of `yield_now` registers the waker with the runtime.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;
    use tokio::task::JoinSet;

    use super::*;

    const STEPS: usize = 3;
    /// How many tasks tokio runs at most before it polls the sockets.
    const INTERVAL: usize = 61;

    /// Counts its steps, and is ready to continue at once after each.
    async fn takes_three_steps(steps: Arc<AtomicUsize>) {
        for _ in 0..STEPS {
            steps.fetch_add(1, Ordering::Relaxed);
            let mut first = true;
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::take(&mut first) {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
            .await;
        }
    }

    fn crowd(queue: &FairQueue, size: usize, steps: &Arc<AtomicUsize>) -> JoinSet<()> {
        let mut crowd = JoinSet::new();
        for _ in 0..size {
            let (queue, steps) = (queue.clone(), steps.clone());
            crowd.spawn(async move { queue.run(takes_three_steps(steps)).await });
        }
        crowd
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_crowd_does_not_delay_a_thousand_streams_that_are_woken_at_once() {
        const STREAMS: usize = 1_000;
        const CROWD: usize = 2_000;
        let (event, asleep) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let (steps, queue) = (Arc::new(AtomicUsize::new(0)), FairQueue::of(1));
        let mut streams = JoinSet::new();
        for _ in 0..STREAMS {
            let (event, asleep, steps) = (event.clone(), asleep.clone(), steps.clone());
            streams.spawn(async move {
                let woken = event.notified();
                asleep.fetch_add(1, Ordering::Relaxed);
                woken.await;
                steps.load(Ordering::Relaxed)
            });
        }
        while asleep.load(Ordering::Relaxed) < STREAMS {
            tokio::task::yield_now().await;
        }
        let publisher = tokio::spawn({
            let (queue, steps) = (queue.clone(), steps.clone());
            async move {
                let crowd = crowd(&queue, CROWD, &steps);
                while steps.load(Ordering::Relaxed) < CROWD / 10 {
                    tokio::task::yield_now().await;
                }
                event.notify_waiters();
                (steps.load(Ordering::Relaxed), crowd)
            }
        });
        let (before, crowd) = publisher.await.unwrap();
        let last = streams.join_all().await.into_iter().max().unwrap();
        // The runtime polls the sockets about `STREAMS / INTERVAL` times while it runs the streams,
        // and some more times while it runs tasks of the crowd that enter the queue.
        let most = 2 * STEPS_PER_CORE * (STREAMS / INTERVAL + 1);
        assert!(
            last - before <= most,
            "{} steps of the crowd ran before the last stream",
            last - before
        );
        crowd.join_all().await;
        assert_eq!(steps.load(Ordering::Relaxed), CROWD * STEPS);
    }

    #[tokio::test]
    async fn a_crowd_gets_its_turns_however_busy_the_streams_are() {
        let (steps, queue) = (Arc::new(AtomicUsize::new(0)), FairQueue::of(1));
        let busy = tokio::spawn(std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        crowd(&queue, 100, &steps).join_all().await;
        assert_eq!(steps.load(Ordering::Relaxed), 100 * STEPS);
        busy.abort();
    }

    #[tokio::test]
    async fn work_that_is_pending_or_was_aborted_holds_no_turn() {
        let (steps, queue) = (Arc::new(AtomicUsize::new(0)), FairQueue::of(1));
        let mut stuck = JoinSet::new();
        for _ in 0..10 * STEPS_PER_CORE {
            let queue = queue.clone();
            stuck.spawn(async move { queue.run(std::future::pending::<()>()).await });
        }
        crowd(&queue, 10, &steps).join_all().await;
        drop(crowd(&queue, 10, &steps)); // aborted before their first turn
        stuck.shutdown().await;
        crowd(&queue, 10, &steps).join_all().await;
        assert_eq!(queue.0.available_permits(), STEPS_PER_CORE);
    }
}
