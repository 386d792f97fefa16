//! The log's clock: the time by which the log decides what has expired, with the same result for
//! every reader of the log.
//!
//! The clock is a fold over the times that are reported with what is appended (`Append::now_ms`, or
//! the broker's time if there is a broker), and depends on nothing else. Every reader that folds
//! the same entries in the same order gets the same time, whatever the clock of its machine says
//! and however the entries were batched. Receipts expire by this clock, and so does everything that
//! is kept under a key for a limited time.
//!
//! # The rule
//!
//! Two times are *near* each other if they are at most [`LogClock::MAX_STEP`], one minute, apart.
//!
//! 1. A reported time near the log's time is accepted: the clock advances to it. It never goes
//!    back.
//! 2. Any other time belongs to a *source*: the times that one wrong clock reports, each near the
//!    one before. A source keeps its distance from the log's clock, which advances by the time that
//!    passes on that source, whatever date the source reports. A clock that was set back by a day
//!    therefore stops nothing. If there are several sources, each wrong in its own way, the one
//!    that has advanced furthest counts: time that passes on two sources has passed once.
//! 3. A time that is ahead of the log's clock by more than a minute leaves a *gap*. The clock skips
//!    the gap once ten minutes ([`LogClock::CONFIRMATION_TIME`]) were reported after it with
//!    nothing from another source in between. Each step counts for at most one minute of the ten,
//!    so at least ten later times must agree. A time from another source starts the ten minutes
//!    over.
//!
//! # What follows from it
//!
//! - **A quiet log.** A running server reports the time every few seconds even if nothing is
//!   published (in memory and on disk with [`Journal::expire`](crate::Journal::expire), with a
//!   broker by the probe that it appends), and there is no gap. An hour in which no server ran is a
//!   gap: the first entry after it does not prove that an hour has passed. It counts ten minutes
//!   later; until then, what would have expired in that hour is still there. A log that gets one
//!   time per hour accepts each hour after ten more entries, so nothing is kept for ever.
//! - **A clock that is wrong for less than ten minutes**, or that is wrong beside clocks that are
//!   right, moves the log's clock only by the time that passed.
//! - **A clock that is wrong and alone for ten minutes** is believed, because it can't be told
//!   apart from a long quiet time. When the right time returns, the log's clock is ahead of it. The
//!   log's clock then advances as time passes, and each quiet time makes the distance smaller. It
//!   is never set back, because what has expired would come back.
//! - **A restart** continues from the stored state ([`LogClock::encode`]). A machine that starts
//!   with a wrong clock causes a gap, or is a source that is behind.
//! - **The first time** in a log is accepted as it is, because there is nothing to compare it with.
//!
//! Wrong clocks therefore make the log keep things longer, not shorter, except if a wrong clock is
//! the only one for ten minutes.
//!
//! # Why there is also a [`Timeline`](crate::Timeline)
//!
//! The timeline tells how *old* a record is, for trimming by age. It uses a monotonic clock, stores
//! what each process measured with it, and so knows more than the log contains. That is right where
//! each reader decides for itself: the copies of a log may have different floors, and each copy
//! reports its own truthfully. Whether a receipt is live or a key has expired, however, decides
//! what is *in* the log. The result must be the same for every reader, now and at every later read,
//! so it can't depend on what one process has measured.

use std::collections::VecDeque;
use std::time::Duration;

/// The most sources that are remembered, which is more than there are clocks that are wrong in
/// different ways at the same time. Above it, the source that has reported nothing for longest is
/// dropped.
const MAX_SOURCES: usize = 8;

/// The most gaps that an encoded clock may have, which is more than there can be.
const MAX_GAPS: usize = 16;

/// The first byte of an encoded clock.
const FORMAT: u8 = 1;

/// The log's clock: the time by which the log decides what has expired. It depends only on the
/// times that are reported with what is appended, so that every reader of the log has the same
/// time.
///
/// The clock advances by the time that passes, and never goes back. It makes a jump of more than a
/// minute only after ten minutes of later times have confirmed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogClock {
    /// The log's time, or `None` before the first time was reported.
    now_ms: Option<i64>,
    /// The sources, most recent first. There is at least one once a time was reported.
    sources: Vec<Source>,
    /// The milliseconds that passed on the first source since another source reported a time.
    steady_ms: i64,
    /// The gaps of the first source that are not confirmed yet, oldest first. Each gap counts as a
    /// minute towards the confirmation of those before it, so there are at most ten.
    gaps: VecDeque<Gap>,
}

/// The times that one clock reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source {
    /// The latest time that was reported.
    reported_ms: i64,
    /// How far the log's clock is ahead of `reported_ms`.
    ahead_ms: i64,
}

/// A stretch of time that a source has skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    ms: i64,
    /// The value of [`LogClock::steady_ms`] at the end of the gap.
    since_ms: i64,
}

impl LogClock {
    /// How far a time may be from the one before it to be accepted as it is.
    pub const MAX_STEP: Duration = Duration::from_millis(Self::MAX_STEP_MS.unsigned_abs());

    /// How much time must be reported after a gap before the gap counts.
    pub const CONFIRMATION_TIME: Duration =
        Duration::from_millis(Self::CONFIRMATION_MS.unsigned_abs());

    const MAX_STEP_MS: i64 = 60_000;
    const CONFIRMATION_MS: i64 = 10 * 60_000;

    /// Creates a clock that stands at `now_ms`, in milliseconds since 1970, for a log that was
    /// written before logs had a clock.
    pub fn at(now_ms: i64) -> Self {
        Self {
            now_ms: Some(now_ms),
            sources: vec![Source {
                reported_ms: now_ms,
                ahead_ms: 0,
            }],
            steady_ms: 0,
            gaps: VecDeque::new(),
        }
    }

    /// Returns the log's time in milliseconds since 1970, or zero before a time was reported.
    pub fn now_ms(&self) -> i64 {
        self.now_ms.unwrap_or(0)
    }

    /// Takes the time that was reported with the next entry, in milliseconds since 1970, and
    /// returns the log's time. A zero reports no time, and changes nothing.
    pub fn tell(&mut self, reported_ms: i64) -> i64 {
        let Some(now_ms) = self.now_ms else {
            if reported_ms != 0 {
                *self = Self::at(reported_ms);
            }
            return self.now_ms();
        };
        if reported_ms == 0 {
            return now_ms;
        }
        let known = self
            .sources
            .iter()
            .position(|source| is_near(reported_ms, source.reported_ms));
        if is_near(reported_ms, now_ms) {
            self.accept(known, reported_ms);
        } else if let Some(nth) = known {
            self.continue_source(nth, reported_ms);
        } else {
            self.take_distant(reported_ms, now_ms);
        }
        self.confirm_gaps();
        let Some(source) = self.sources.first() else {
            return now_ms;
        }; // unreachable: there is a source by now
        let now_ms = now_ms.max(source.reported_ms.saturating_add(source.ahead_ms));
        self.now_ms = Some(now_ms);
        now_ms
    }

    /// Takes a time near the log's time, after which no gap is left to confirm.
    fn accept(&mut self, known: Option<usize>, reported_ms: i64) {
        match known {
            Some(nth) => self.continue_source(nth, reported_ms),
            None => self.add_source(Source {
                reported_ms,
                ahead_ms: 0,
            }),
        }
        self.gaps.clear();
        if let Some(source) = self.sources.first_mut() {
            *source = Source {
                reported_ms,
                ahead_ms: 0,
            }; // the latest time of the source may be less near the log's time
        }
    }

    /// Takes the next time of a known source.
    fn continue_source(&mut self, nth: usize, reported_ms: i64) {
        let Some(source) = self.sources.get_mut(nth) else {
            return;
        };
        if nth == 0 {
            self.steady_ms = self
                .steady_ms
                .saturating_add(reported_ms.saturating_sub(source.reported_ms).max(0));
            source.reported_ms = source.reported_ms.max(reported_ms);
        } else {
            source.reported_ms = reported_ms;
            self.sources[..=nth].rotate_right(1);
            self.interrupt();
        }
    }

    /// Takes a time that is near no known one. Either the first source has skipped some time, or
    /// the time comes from an unknown clock.
    fn take_distant(&mut self, reported_ms: i64, now_ms: i64) {
        let goes_on = self
            .sources
            .first()
            .is_some_and(|source| reported_ms > source.reported_ms);
        let ahead_ms = now_ms.saturating_sub(reported_ms);
        if !goes_on || ahead_ms >= 0 {
            self.add_source(Source {
                reported_ms,
                ahead_ms,
            });
            return;
        }
        // This time may confirm the gaps before it, but not the one that it leaves itself.
        let skipped_before = self
            .gaps
            .iter()
            .fold(0_i64, |all, gap| all.saturating_add(gap.ms));
        let ms = ahead_ms
            .saturating_neg()
            .saturating_sub(skipped_before)
            .max(0);
        self.put_first(Source {
            reported_ms,
            ahead_ms,
        });
        self.steady_ms = self.steady_ms.saturating_add(Self::MAX_STEP_MS);
        self.gaps.push_back(Gap {
            ms,
            since_ms: self.steady_ms,
        });
    }

    /// Puts a new source first.
    fn add_source(&mut self, source: Source) {
        self.put_first(source);
        self.interrupt();
    }

    fn put_first(&mut self, source: Source) {
        self.sources.insert(0, source);
        self.sources.truncate(MAX_SOURCES);
    }

    /// Starts the ten minutes over for everything that the first source has skipped.
    fn interrupt(&mut self) {
        self.steady_ms = 0;
        self.gaps.clear();
        let skipped = self
            .sources
            .first()
            .map_or(0, |source| source.ahead_ms.saturating_neg());
        if skipped > 0 {
            self.gaps.push_back(Gap {
                ms: skipped,
                since_ms: 0,
            });
        }
    }

    /// Counts the gaps that are confirmed.
    fn confirm_gaps(&mut self) {
        while let Some(gap) = self.gaps.front().copied()
            && self.steady_ms.saturating_sub(gap.since_ms) >= Self::CONFIRMATION_MS
        {
            self.gaps.pop_front();
            if let Some(source) = self.sources.first_mut() {
                // The last gap takes the clock to the reported time, whatever was rounded off.
                let left_ms = source.ahead_ms.saturating_add(gap.ms);
                source.ahead_ms = if self.gaps.is_empty() {
                    left_ms.max(0)
                } else {
                    left_ms
                };
            }
        }
    }

    /// Returns whether this clock differs enough from `written`, an earlier state of it, to be
    /// written again: a second has passed, or another clock has reported a time that is not near.
    pub fn is_worth_writing(&self, written: &Self) -> bool {
        let shape = |clock: &Self| {
            let ahead_ms = clock.sources.first().map(|source| source.ahead_ms);
            (
                clock.now_ms.is_some(),
                clock.sources.len(),
                clock.gaps.len(),
                ahead_ms,
            )
        };
        let has_passed = |now_ms: i64, then_ms: i64| now_ms.abs_diff(then_ms) > 1_000;
        has_passed(self.now_ms(), written.now_ms())
            || has_passed(self.steady_ms, written.steady_ms)
            || shape(self) != shape(written)
    }

    /// Encodes everything that the rule depends on, for the next process or another reader. The
    /// result has at most 313 bytes, and 41 as long as no clock was ever wrong.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        let Some(now_ms) = self.now_ms else {
            return bytes;
        };
        let mut put = |number: i64| bytes.extend(number.to_le_bytes());
        put(now_ms);
        put(self.steady_ms);
        put(i64::try_from(self.sources.len()).unwrap_or(i64::MAX));
        for source in &self.sources {
            put(source.reported_ms);
            put(source.ahead_ms);
        }
        for gap in &self.gaps {
            put(gap.ms);
            put(gap.since_ms);
        }
        bytes
    }

    /// Decodes what [`LogClock::encode`] returned. `None` unless all of it is valid.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&format, rest) = bytes.split_first()?;
        let (numbers, rest) = rest.as_chunks::<8>();
        if format != FORMAT || !rest.is_empty() {
            return None;
        }
        let mut numbers = numbers.iter().map(|bytes| i64::from_le_bytes(*bytes));
        let Some(now_ms) = numbers.next() else {
            return Some(Self::default());
        };
        let steady_ms = numbers.next()?;
        let count = usize::try_from(numbers.next()?)
            .ok()
            .filter(|count| (1..=MAX_SOURCES).contains(count))?;
        let mut sources = Vec::with_capacity(count);
        for _ in 0..count {
            sources.push(Source {
                reported_ms: numbers.next()?,
                ahead_ms: numbers.next()?,
            });
        }
        let mut gaps = VecDeque::new();
        while let Some(ms) = numbers.next().filter(|_| gaps.len() < MAX_GAPS) {
            gaps.push_back(Gap {
                ms,
                since_ms: numbers.next()?,
            });
        }
        Some(Self {
            now_ms: Some(now_ms),
            sources,
            steady_ms,
            gaps,
        })
    }
}

/// Returns whether two times are at most a step apart.
fn is_near(a_ms: i64, b_ms: i64) -> bool {
    a_ms.abs_diff(b_ms) <= LogClock::MAX_STEP_MS.unsigned_abs()
}

#[cfg(test)]
mod tests;
