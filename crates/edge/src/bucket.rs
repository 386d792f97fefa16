//! Two ways to limit a rate: buckets that fill evenly, and counts that start again at zero after a
//! window of time.

use std::time::Duration;

use tokio::time::Instant;

/// The capacity of a bucket, and how fast the bucket fills. Neither is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) capacity: u64,
    pub(crate) per_second: u64,
}

/// A bucket, stored as the time at which it will be full (the generic cell rate algorithm). A cost
/// that is larger than what is left puts the bucket in debt.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// `None` if nothing has ever been taken.
    full_at: Option<Instant>,
}

/// A count that starts again at zero after a window of time. The window begins when the first one
/// is counted.
#[derive(Debug, Default)]
pub(crate) struct Window {
    count: u32,
    since: Option<Instant>,
}

impl Quota {
    /// A quota of `per_second`, with a capacity of twice that.
    pub(crate) fn twice(per_second: u64) -> Self {
        let per_second = per_second.max(1);
        Self {
            capacity: per_second.saturating_mul(2),
            per_second,
        }
    }

    /// How long a bucket takes to fill by `cost`.
    fn time_for(self, cost: u64) -> Duration {
        let nanos = u128::from(cost) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How long an empty bucket takes to fill.
    pub(crate) fn window(self) -> Duration {
        self.time_for(self.capacity)
    }
}

impl Bucket {
    /// How long it takes until the bucket is full.
    pub(crate) fn full_in(&self, now: Instant) -> Duration {
        self.full_at
            .map_or(Duration::ZERO, |full| full.saturating_duration_since(now))
    }

    /// How much is left; 0 if the bucket is in debt.
    pub(crate) fn left(&self, quota: Quota, now: Instant) -> u64 {
        let used =
            (self.full_in(now).as_nanos() * u128::from(quota.per_second)).div_ceil(1_000_000_000);
        quota
            .capacity
            .saturating_sub(u64::try_from(used).unwrap_or(u64::MAX))
    }

    /// How long it takes until something is left; `None` if something is left now.
    pub(crate) fn wait(&self, quota: Quota, now: Instant) -> Option<Duration> {
        let wait = self
            .full_in(now)
            .saturating_sub(quota.time_for(quota.capacity - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// How long it takes until more is left than now; zero if the bucket is full. If the bucket is
    /// empty or in debt, this is the time that [`Self::wait`] returns.
    pub(crate) fn more_in(&self, quota: Quota, now: Instant) -> Duration {
        let next = self.left(quota, now).saturating_add(1);
        self.full_in(now)
            .saturating_sub(quota.time_for(quota.capacity.saturating_sub(next)))
    }

    /// Takes `cost`, even if less is left.
    pub(crate) fn take(&mut self, cost: u64, quota: Quota, now: Instant) {
        // The debt is bounded, so that its end is within the range of the clock.
        let full_in = self
            .full_in(now)
            .saturating_add(quota.time_for(cost))
            .min(MAX_DEBT);
        self.full_at = Some(now + full_in);
    }

    /// Refunds a cost that was taken a moment ago.
    pub(crate) fn refund(&mut self, cost: u64, quota: Quota) {
        self.full_at = self
            .full_at
            .and_then(|full| full.checked_sub(quota.time_for(cost)));
    }
}

/// The largest debt, as the time that it takes to pay off. The rest of a cost is not charged.
const MAX_DEBT: Duration = Duration::from_hours(24);

impl Window {
    /// Counts one. If `limit` is reached, returns how long it takes until one more can be counted.
    pub(crate) fn take(
        &mut self,
        limit: u32,
        length: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        if self.is_over(length, now) {
            *self = Self {
                count: 0,
                since: Some(now),
            };
        }
        if self.count >= limit {
            return Err(self.since.map_or(length, |since| {
                (since + length).saturating_duration_since(now)
            }));
        }
        self.count += 1;
        Ok(())
    }

    /// Subtracts one that was counted a moment ago.
    pub(crate) fn refund(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    /// Whether the window has passed.
    pub(crate) fn is_over(&self, length: Duration, now: Instant) -> bool {
        self.since
            .is_none_or(|since| now.saturating_duration_since(since) >= length)
    }
}

/// The seconds of `span`, rounded up, so that a client that waits this long has waited long enough.
pub(crate) fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        capacity: 20,
        per_second: 10,
    };

    #[tokio::test(start_paused = true)]
    async fn a_bucket_holds_its_capacity_and_then_fills_at_its_rate() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        for left in (0..20).rev() {
            assert_eq!(bucket.wait(QUOTA, start), None);
            bucket.take(1, QUOTA, start);
            assert_eq!(bucket.left(QUOTA, start), left);
        }
        assert_eq!(bucket.wait(QUOTA, start), Some(Duration::from_millis(100)));
        let later = start + Duration::from_millis(99);
        assert_eq!(
            (bucket.wait(QUOTA, later), bucket.left(QUOTA, later)),
            (Some(Duration::from_millis(1)), 0)
        );
        let later = start + Duration::from_millis(100);
        assert_eq!(
            (bucket.wait(QUOTA, later), bucket.left(QUOTA, later)),
            (None, 1)
        );
        let later = start + QUOTA.window();
        assert_eq!(
            (bucket.full_in(later), bucket.left(QUOTA, later)),
            (Duration::ZERO, 20)
        );
        assert_eq!(
            bucket.left(QUOTA, later + Duration::from_hours(1)),
            20,
            "it does not overflow"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_cost_above_what_is_left_is_a_debt_that_is_paid_off() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        bucket.take(19, QUOTA, start);
        bucket.take(31, QUOTA, start); // one was left, and thirty are owed
        assert_eq!(bucket.left(QUOTA, start), 0);
        assert_eq!(
            bucket.wait(QUOTA, start),
            Some(Duration::from_millis(3_100))
        );
        assert_eq!(bucket.more_in(QUOTA, start), Duration::from_millis(3_100));
        let mut absurd = Bucket::default();
        absurd.take(u64::MAX, Quota::twice(1), start);
        assert_eq!(absurd.full_in(start), MAX_DEBT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refund_is_left_again() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        bucket.take(5, QUOTA, start);
        bucket.take(31, QUOTA, start);
        bucket.refund(31, QUOTA);
        assert_eq!(bucket.left(QUOTA, start), 15);
        bucket.refund(5, QUOTA);
        bucket.refund(5, QUOTA);
        assert_eq!(
            (bucket.left(QUOTA, start), bucket.full_in(start)),
            (20, Duration::ZERO),
            "not more than the capacity"
        );
        let mut window = Window::default();
        let length = Duration::from_secs(1);
        window.take(1, length, start).unwrap();
        window.refund();
        window.take(1, length, start).unwrap();
        assert!(window.take(1, length, start).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn more_is_left_when_the_next_token_arrives() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        assert_eq!(bucket.more_in(QUOTA, start), Duration::ZERO, "it is full");
        for _ in 0..20 {
            bucket.take(1, QUOTA, start);
            assert_eq!(bucket.more_in(QUOTA, start), Duration::from_millis(100));
        }
        assert_eq!(
            bucket.wait(QUOTA, start),
            Some(Duration::from_millis(100)),
            "then it is empty"
        );
        let later = start + Duration::from_millis(130);
        assert_eq!(
            (bucket.left(QUOTA, later), bucket.more_in(QUOTA, later)),
            (1, Duration::from_millis(70))
        );
        assert_eq!(
            bucket.more_in(QUOTA, start + QUOTA.window()),
            Duration::ZERO
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_exact_for_large_quotas() {
        let (quota, start) = (Quota::twice(1 << 20), Instant::now());
        for cost in [1, 7, 1_000, 250 << 10, 2 << 20] {
            let mut bucket = Bucket::default();
            bucket.take(cost, quota, start);
            assert_eq!(bucket.left(quota, start), (2 << 20) - cost);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_counts_up_to_its_limit_and_then_starts_again() {
        let (mut window, start) = (Window::default(), Instant::now());
        let minute = Duration::from_mins(1);
        for second in 0..3 {
            assert_eq!(
                window.take(3, minute, start + Duration::from_secs(second)),
                Ok(())
            );
        }
        assert_eq!(
            window.take(3, minute, start + Duration::from_secs(3)),
            Err(Duration::from_secs(57))
        );
        assert_eq!(window.take(3, minute, start + minute), Ok(()));
        assert!(!window.is_over(minute, start + minute));
        assert!(window.is_over(minute, start + 2 * minute));
    }

    #[test]
    fn seconds_are_rounded_up() {
        let seconds = [0, 1, 999, 1_000, 1_001].map(|ms| whole_seconds(Duration::from_millis(ms)));
        assert_eq!(seconds, [0, 1, 1, 1, 2]);
    }
}
