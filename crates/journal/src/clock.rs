//! The log's own clock: the time by which the log decides what has expired, the same for every reader of the log.
//!
//! It is a fold over the times that are told with what is appended (`Append::now_ms`, or the broker's time where there is one),
//! and uses nothing else. Whoever folds the same entries in the same order has the same time, whatever the
//! machine's own clock says and however the entries were batched. Receipts end by it, and so does what is kept under a key
//! for a while.
//!
//! # The rule
//!
//! A time that is told is *near* another one if they are at most [`LogClock::STEP`], a minute, apart.
//!
//! 1. A time near the clock's own is taken: the clock goes on to it, and never goes back.
//! 2. Any other time belongs to a *line*: the times that one wrong clock tells, each near the one before. A line keeps its
//!    distance from the log's clock, which goes on by what passes on that line, whatever it says. So a clock that was set back
//!    by a day stops nothing, and of several lines, each from a clock that is wrong in its own way, the one that is furthest
//!    ahead counts: time that passes on two of them has passed once.
//! 3. What is skipped where a time is ahead of the clock by more than a minute is a *gap*. It counts, and the clock makes the
//!    jump, once ten minutes ([`LogClock::SETTLES`]) were told behind it with nothing from another line in between. Of each step
//!    at most a minute counts towards the ten, so at least ten later times must agree. Anything from another line starts the
//!    ten minutes over.
//!
//! # What follows from it
//!
//! - **A quiet log.** While a server is there, it tells the time every few seconds even if nothing is published (on memory and
//!   disk by [`Journal::expire`](crate::Journal::expire), with a broker by the probe that it appends), and there is no gap. An
//!   hour in which no server ran is a gap: the first entry after it does not prove that an hour has passed. It counts ten
//!   minutes later; until then, what would have expired in that hour is still there. A log that is told the time once an hour
//!   believes each hour after ten more entries, so that nothing is kept for ever.
//! - **A clock that is wrong for less than ten minutes**, or beside clocks that are right, moves the log's clock by nothing
//!   but the time that passed.
//! - **A clock that is wrong and alone for ten minutes** is believed: nobody could tell it from a long quiet time. When the
//!   right time comes back, the log's clock is ahead of it. It goes on as time passes, and the distance shrinks with each
//!   quiet time. It is never set back, as what has expired would come back.
//! - **A restart** goes on from what was kept ([`LogClock::encode`]); a machine that starts with a wrong clock is a gap, or a
//!   line that is behind.
//! - **The first time** in a log is taken as it is: there is none to hold it against.
//!
//! An error of the clocks so makes the log keep things for longer, not shorter, except where a wrong clock is the only one for
//! ten minutes.
//!
//! # Beside [`Timeline`](crate::Timeline)
//!
//! The timeline says how *old* a record is, to whoever trims the log by age. It has a monotonic clock, keeps what each process
//! measured by it, and so knows more than the log says. That is right where each reader decides for itself: floors may differ
//! between the copies of a log, and each tells the truth about its own. Whether a receipt still holds or a key has expired
//! decides what is *in* the log, and must come out the same at every reader, now and when it is read again. So it can't use what
//! one process has measured.

use std::collections::VecDeque;
use std::time::Duration;

/// More lines than clocks can be wrong in different ways at the same time. The one that told nothing for longest goes.
const MOST_LINES: usize = 8;

/// More gaps than there can be.
const MOST_GAPS: usize = 16;

/// One byte in front of what is encoded.
const FORMAT: u8 = 1;

/// The log's own clock: the time by which the log decides what has expired. It goes by the times that are told with what is
/// appended, and by nothing else, so that every reader of the log has the same.
///
/// It goes on by the time that passes, and never goes back. A jump of more than a minute counts only when ten minutes of later
/// times have confirmed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogClock {
    /// `None` before the first time was told.
    now_ms: Option<i64>,
    /// The one that was told last first; never empty once something was told.
    lines: Vec<Line>,
    /// What was told on the first line, and behind its gaps, since another line was, in milliseconds.
    steady_ms: i64,
    /// What the first line has skipped and is not believed yet, oldest first. Each is worth a minute towards those before it,
    /// so there are at most ten.
    gaps: VecDeque<Gap>,
}

/// The times that one clock tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    /// The highest of them.
    told_ms: i64,
    /// By how much the log's clock is ahead of that.
    ahead_ms: i64,
}

/// Time that was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    ms: i64,
    /// What [`LogClock::steady_ms`] was at its end.
    since_ms: i64,
}

impl LogClock {
    /// How far a time may be from the one before and is taken as it is.
    pub const STEP: Duration = Duration::from_millis(Self::STEP_MS.unsigned_abs());

    /// How much must be told behind a gap until it counts.
    pub const SETTLES: Duration = Duration::from_millis(Self::SETTLES_MS.unsigned_abs());

    const STEP_MS: i64 = 60_000;
    const SETTLES_MS: i64 = 10 * 60_000;

    /// A clock that stands at `now_ms`, in milliseconds since 1970: for a log that was written before it had one.
    pub fn at(now_ms: i64) -> Self {
        Self {
            now_ms: Some(now_ms),
            lines: vec![Line { told_ms: now_ms, ahead_ms: 0 }],
            steady_ms: 0,
            gaps: VecDeque::new(),
        }
    }

    /// The log's time, in milliseconds since 1970; zero before any was told.
    pub fn now_ms(&self) -> i64 {
        self.now_ms.unwrap_or(0)
    }

    /// Takes in the time that was told with the next entry, in milliseconds since 1970, and returns the log's. Zero tells no
    /// time, and changes nothing.
    pub fn tell(&mut self, told_ms: i64) -> i64 {
        let Some(now_ms) = self.now_ms else {
            if told_ms != 0 {
                *self = Self::at(told_ms);
            }
            return self.now_ms();
        };
        if told_ms == 0 {
            return now_ms;
        }
        let known = self.lines.iter().position(|line| is_near(told_ms, line.told_ms));
        if is_near(told_ms, now_ms) {
            self.agree(known, told_ms);
        } else if let Some(nth) = known {
            self.go_on(nth, told_ms);
        } else {
            self.begin(told_ms, now_ms);
        }
        self.believe();
        let Some(line) = self.lines.first() else { return now_ms }; // never
        let now_ms = now_ms.max(line.told_ms.saturating_add(line.ahead_ms));
        self.now_ms = Some(now_ms);
        now_ms
    }

    /// A time near the log's: nothing is left to be believed.
    fn agree(&mut self, known: Option<usize>, told_ms: i64) {
        match known {
            Some(nth) => self.go_on(nth, told_ms),
            None => self.start(Line { told_ms, ahead_ms: 0 }),
        }
        self.gaps.clear();
        if let Some(line) = self.lines.first_mut() {
            *line = Line { told_ms, ahead_ms: 0 }; // what the line told before may be further from the log's
        }
    }

    /// The next time of a line that is known.
    fn go_on(&mut self, nth: usize, told_ms: i64) {
        let Some(line) = self.lines.get_mut(nth) else { return };
        if nth == 0 {
            self.steady_ms = self.steady_ms.saturating_add(told_ms.saturating_sub(line.told_ms).max(0));
            line.told_ms = line.told_ms.max(told_ms);
        } else {
            line.told_ms = told_ms;
            self.lines[..=nth].rotate_right(1);
            self.interrupt();
        }
    }

    /// A time that is near nothing: the first line has skipped some, or this is a clock of which nothing is known.
    fn begin(&mut self, told_ms: i64, now_ms: i64) {
        let goes_on = self.lines.first().is_some_and(|line| told_ms > line.told_ms);
        let ahead_ms = now_ms.saturating_sub(told_ms);
        if !goes_on || ahead_ms >= 0 {
            self.start(Line { told_ms, ahead_ms });
            return;
        }
        // What it skipped before may be believed by this, as it is later; what it skips now can't be by the same.
        let skipped_before = self.gaps.iter().fold(0_i64, |all, gap| all.saturating_add(gap.ms));
        let ms = ahead_ms.saturating_neg().saturating_sub(skipped_before).max(0);
        self.put_first(Line { told_ms, ahead_ms });
        self.steady_ms = self.steady_ms.saturating_add(Self::STEP_MS);
        self.gaps.push_back(Gap { ms, since_ms: self.steady_ms });
    }

    /// A line that was not known, or another one than before.
    fn start(&mut self, line: Line) {
        self.put_first(line);
        self.interrupt();
    }

    fn put_first(&mut self, line: Line) {
        self.lines.insert(0, line);
        self.lines.truncate(MOST_LINES);
    }

    /// The ten minutes start over, for all that the first line has skipped.
    fn interrupt(&mut self) {
        self.steady_ms = 0;
        self.gaps.clear();
        let skipped = self.lines.first().map_or(0, |line| line.ahead_ms.saturating_neg());
        if skipped > 0 {
            self.gaps.push_back(Gap { ms: skipped, since_ms: 0 });
        }
    }

    /// Counts the gaps behind which enough was told.
    fn believe(&mut self) {
        while let Some(gap) = self.gaps.front().copied()
            && self.steady_ms.saturating_sub(gap.since_ms) >= Self::SETTLES_MS
        {
            self.gaps.pop_front();
            if let Some(line) = self.lines.first_mut() {
                // The last one takes it to what is told, whatever was rounded off.
                let left_ms = line.ahead_ms.saturating_add(gap.ms);
                line.ahead_ms = if self.gaps.is_empty() { left_ms.max(0) } else { left_ms };
            }
        }
    }

    /// Whether this says enough beside `written`, an earlier state of this clock, to be written down again: another second has
    /// passed, or a clock was heard that disagrees with it.
    pub fn is_news(&self, written: &Self) -> bool {
        let shape = |clock: &Self| {
            let ahead_ms = clock.lines.first().map(|line| line.ahead_ms);
            (clock.now_ms.is_some(), clock.lines.len(), clock.gaps.len(), ahead_ms)
        };
        let has_passed = |now_ms: i64, then_ms: i64| now_ms.abs_diff(then_ms) > 1_000;
        has_passed(self.now_ms(), written.now_ms())
            || has_passed(self.steady_ms, written.steady_ms)
            || shape(self) != shape(written)
    }

    /// As bytes, for the next process or another reader: all that the rule depends on. At most 313 of them, and 41 while
    /// no clock was ever wrong.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        let Some(now_ms) = self.now_ms else { return bytes };
        let mut put = |number: i64| bytes.extend(number.to_le_bytes());
        put(now_ms);
        put(self.steady_ms);
        put(i64::try_from(self.lines.len()).unwrap_or(i64::MAX));
        for line in &self.lines {
            put(line.told_ms);
            put(line.ahead_ms);
        }
        for gap in &self.gaps {
            put(gap.ms);
            put(gap.since_ms);
        }
        bytes
    }

    /// Reads what [`LogClock::encode`] wrote, all of it or nothing.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&format, rest) = bytes.split_first()?;
        let (numbers, rest) = rest.as_chunks::<8>();
        if format != FORMAT || !rest.is_empty() {
            return None;
        }
        let mut numbers = numbers.iter().map(|bytes| i64::from_le_bytes(*bytes));
        let Some(now_ms) = numbers.next() else { return Some(Self::default()) };
        let steady_ms = numbers.next()?;
        let count = usize::try_from(numbers.next()?).ok().filter(|count| (1..=MOST_LINES).contains(count))?;
        let mut lines = Vec::with_capacity(count);
        for _ in 0..count {
            lines.push(Line { told_ms: numbers.next()?, ahead_ms: numbers.next()? });
        }
        let mut gaps = VecDeque::new();
        while let Some(ms) = numbers.next().filter(|_| gaps.len() < MOST_GAPS) {
            gaps.push_back(Gap { ms, since_ms: numbers.next()? });
        }
        Some(Self { now_ms: Some(now_ms), lines, steady_ms, gaps })
    }
}

/// Whether two times are at most a step apart.
fn is_near(a_ms: i64, b_ms: i64) -> bool {
    a_ms.abs_diff(b_ms) <= LogClock::STEP_MS.unsigned_abs()
}

#[cfg(test)]
mod tests;
