//! Turns: how the work of a crowd that comes, which can wait, goes on beside that of the streams that are open, which can't.
//!
//! Owns how much of it is done between two looks at the sockets, whatever number waits. Must never be asked by a stream that is
//! live. Work may not take turns within its turn: it would wait for itself.
//!
//! The runtime has no priorities, and what is woken while its short queue is full – a thousand streams by one event – goes to a
//! second queue, of which it takes but one task now and then for as long as the first is not empty. A crowd never lets that get
//! empty. So what waits here is woken only once everything that was ready has run, or, where that never ends, each time
//! that the runtime looks at the sockets in between: a few at a time, in the order in which they came.

use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread::available_parallelism;

use tokio::sync::Semaphore;

/// How many have their turn between two looks at the sockets, for each core. A turn is a request for a stream, or a page of
/// what was missed: some 50 µs.
const AT_ONCE: usize = 2;

/// The turns of all who come. Clones are the same.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(crate) fn new() -> Self {
        Self::of(available_parallelism().map_or(1, NonZero::get))
    }

    fn of(cores: usize) -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE * cores)))
    }

    /// Does `work`, each step of it in a turn. What it waits for otherwise, it waits for without one.
    pub(crate) async fn run<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        let mut turn = pin!(self.0.acquire());
        let mut held = None;
        std::future::poll_fn(|cx| {
            if held.is_none() {
                held = Some(ready!(turn.as_mut().poll(cx))); // never closed
                let_others_go_first(cx);
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

/// Has the task woken when everything that is ready has run, or, where that never ends, after the next look at the sockets.
pub(crate) fn let_others_go_first(cx: &mut Context<'_>) {
    // Its first poll leaves the waker with the runtime.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;
    use tokio::task::JoinSet;

    use super::*;

    const STEPS: usize = 3;
    /// How many tasks tokio runs at most before it looks at the sockets.
    const INTERVAL: usize = 61;

    /// Counts its steps, and goes on at once after each.
    async fn comes(steps: Arc<AtomicUsize>) {
        for _ in 0..STEPS {
            steps.fetch_add(1, Ordering::Relaxed);
            let mut first = true;
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
        }
    }

    fn crowd(turns: &Turns, size: usize, steps: &Arc<AtomicUsize>) -> JoinSet<()> {
        let mut crowd = JoinSet::new();
        for _ in 0..size {
            let (turns, steps) = (turns.clone(), steps.clone());
            crowd.spawn(async move { turns.run(comes(steps)).await });
        }
        crowd
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_thousand_streams_that_are_woken_at_once_are_not_held_up_by_a_crowd_that_comes() {
        const STREAMS: usize = 1_000;
        const COME: usize = 2_000;
        let (event, asleep) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let (steps, turns) = (Arc::new(AtomicUsize::new(0)), Turns::of(1));
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
            let (turns, steps) = (turns.clone(), steps.clone());
            async move {
                let crowd = crowd(&turns, COME, &steps);
                while steps.load(Ordering::Relaxed) < COME / 10 {
                    tokio::task::yield_now().await;
                }
                event.notify_waiters();
                (steps.load(Ordering::Relaxed), crowd)
            }
        });
        let (before, crowd) = publisher.await.unwrap();
        let last = streams.join_all().await.into_iter().max().unwrap();
        // They are as many tasks as some looks at the sockets; a few more are of the crowd itself, that queues.
        let most = 2 * AT_ONCE * (STREAMS / INTERVAL + 1);
        assert!(last - before <= most, "{} steps of the crowd went before the last of them", last - before);
        crowd.join_all().await;
        assert_eq!(steps.load(Ordering::Relaxed), COME * STEPS);
    }

    #[tokio::test]
    async fn a_crowd_gets_its_turns_however_busy_the_streams_are() {
        let (steps, turns) = (Arc::new(AtomicUsize::new(0)), Turns::of(1));
        let busy = tokio::spawn(std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        crowd(&turns, 100, &steps).join_all().await;
        assert_eq!(steps.load(Ordering::Relaxed), 100 * STEPS);
        busy.abort();
    }

    #[tokio::test]
    async fn who_waits_for_something_else_or_has_left_takes_nobodys_turn() {
        let (steps, turns) = (Arc::new(AtomicUsize::new(0)), Turns::of(1));
        let mut stuck = JoinSet::new();
        for _ in 0..10 * AT_ONCE {
            let turns = turns.clone();
            stuck.spawn(async move { turns.run(std::future::pending::<()>()).await });
        }
        crowd(&turns, 10, &steps).join_all().await;
        drop(crowd(&turns, 10, &steps)); // aborted before their first turn
        stuck.shutdown().await;
        crowd(&turns, 10, &steps).join_all().await;
        assert_eq!(turns.0.available_permits(), AT_ONCE);
    }
}
