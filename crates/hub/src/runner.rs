//! The runner: drives delivery, the timer wheel, expiry and retention for as long as the hub lives.

use std::time::Duration;

use tidings_journal::Condition;
use tidings_sse::EventName;
use tokio::task::JoinSet;

use crate::fold::Expired;
use crate::hub::{Hub, Runner};
use crate::publication::Publication;

/// The time between two searches for what is too old: frames in rings, cached pages, expired keys,
/// and records that retention removes.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(5);

/// The most expired keys that are ended at the same time.
const MAX_CONCURRENT_ENDS: usize = 64;

/// The most expired keys of a fold that are ended in one interval.
const MAX_ENDS_PER_INTERVAL: usize = 10_000;

/// The name of the event that ends an expired key.
const EXPIRED: EventName = EventName::from_static("expired");

impl Runner {
    /// Begins the folds, as [`Runner::run`] does first. For model checkers.
    #[doc(hidden)]
    pub async fn begin(&mut self) {
        self.inner.begin_folds().await;
    }

    /// Handles the next news of the journal's tail and nothing else. For model checkers, which have
    /// no timers.
    #[doc(hidden)]
    pub async fn step(&mut self) -> Result<(), tidings_journal::Error> {
        let news = self.tail.next().await?;
        self.inner.handle(news).await;
        Ok(())
    }

    /// Drives the hub until the journal's tail fails.
    pub async fn run(mut self) -> tidings_journal::Error {
        let Self { inner, tail } = &mut self;
        let hub = Hub {
            inner: inner.clone(),
        };
        let deliver = async {
            inner.begin_folds().await;
            loop {
                match tail.next().await {
                    Ok(news) => inner.handle(news).await,
                    Err(error) => break error,
                }
            }
        };
        let tick = async {
            let mut ticks = tokio::time::interval(MAINTENANCE_INTERVAL);
            loop {
                ticks.tick().await;
                let generation = inner.generation();
                generation.fanout.tick(inner.clock.now_ms());
                generation.replays.tick();
                inner
                    .journal
                    .expire(inner.time.compare_clocks(&*inner.journal));
            }
        };
        let expire = async {
            inner.folds.settled().await;
            let mut ticks = tokio::time::interval(MAINTENANCE_INTERVAL);
            loop {
                ticks.tick().await;
                if !inner.floors.unfinished().is_empty()
                    && let Err(error) = hub.complete_erasures().await
                {
                    tracing::debug!(%error, "an interrupted erasure can't be completed; it will \
                                             be tried again");
                }
                hub.end_expired().await;
            }
        };
        tokio::select! {
            error = deliver => error,
            never = expire => never,
            never = inner.wheel.run(&inner.clock, &*inner.wording) => match never {},
            never = tick => never,
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.inner.generation().end(tidings_journal::Error::Closed(
            "the hub has stopped".to_owned(),
        ));
        self.inner.folds.stop();
    }
}

impl Hub {
    /// Ends expired keys, each on the condition that no other server has ended it or replaced its
    /// value.
    async fn end_expired(&self) {
        let expired = self
            .inner
            .folds
            .expired(self.log_ms(), MAX_ENDS_PER_INTERVAL);
        for some in expired.chunks(MAX_CONCURRENT_ENDS) {
            let mut ending = JoinSet::new();
            for Expired {
                topic,
                key,
                position,
            } in some.iter().cloned()
            {
                let end = Publication::new([topic.clone()], EXPIRED, "null").ending(key.clone());
                let condition = Condition::Current(topic, key, position);
                let hub = self.clone();
                ending.spawn(async move { hub.publish(vec![end], None, Some(condition)).await });
            }
            for ended in ending.join_all().await {
                if let Err(error) = ended {
                    tracing::debug!(%error, "an expired key can't be ended; it will be tried \
                                             again");
                    return;
                }
            }
        }
    }
}
