//! The totals of all streams since the start: how many were opened, refused and ended, and why.
//!
//! The reasons are a closed set, because a label of a metric must never come from outside. The
//! registry counts under the lock under which it registers and removes streams.

use std::collections::BTreeMap;

use crate::wording::EndingCause;

/// The totals of all streams since the start. Each stream is counted once when it has
/// opened, and once when it has ended. Between the two, [`Stats`](crate::Stats) counts it as open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamTotals {
    /// Streams that were opened.
    pub opened: u64,
    /// Streams that were opened, by kind. A stream may count under several kinds.
    pub opened_by_kind: BTreeMap<&'static str, u64>,
    refused: [u64; RefusalReason::ALL.len()],
    ended: [u64; Ended::ALL.len()],
}

/// Why a stream was not opened. Each of these reasons may be temporary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// The limit of all streams is reached.
    Total,
    /// The limit of the user's streams is reached.
    User,
    /// The limit of the address's streams is reached.
    Address,
    /// The server is about to stop.
    Draining,
    /// The journal can't be read.
    Journal,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client left, or its connection broke.
    ClientLeft,
    /// The server sent an ending, which the client has received if it was still reading.
    EndingSent(EndingCause),
    /// The peer took no bytes for the write timeout.
    WriteTimeout,
    /// The server stopped and closed the stream without an ending.
    Killed,
}

impl StreamTotals {
    /// Returns how many streams were refused for this reason.
    pub fn refused(&self, why: RefusalReason) -> u64 {
        self.refused[why.index()]
    }

    /// Returns how many streams ended in this way.
    pub fn ended(&self, how: Ended) -> u64 {
        self.ended[how.index()]
    }

    /// Returns how many streams were refused in total.
    pub fn all_refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// Returns how many streams ended in total.
    pub fn all_ended(&self) -> u64 {
        self.ended.iter().sum()
    }

    pub(crate) fn count_opened(&mut self, kinds: &[&'static str]) {
        self.opened += 1;
        for kind in kinds {
            *self.opened_by_kind.entry(kind).or_default() += 1;
        }
    }

    pub(crate) fn count_refused(&mut self, why: RefusalReason) {
        self.refused[why.index()] += 1;
    }

    pub(crate) fn count_ended(&mut self, how: Ended) {
        self.ended[how.index()] += 1;
    }
}

impl RefusalReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Total,
        Self::User,
        Self::Address,
        Self::Draining,
        Self::Journal,
    ];

    /// Returns the label for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Total => "too_many",
            Self::User => "too_many_of_user",
            Self::Address => "too_many_of_address",
            Self::Draining => "draining",
            Self::Journal => "journal_unavailable",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Total => 0,
            Self::User => 1,
            Self::Address => 2,
            Self::Draining => 3,
            Self::Journal => 4,
        }
    }
}

impl Ended {
    /// Every way in which a stream ends.
    pub const ALL: [Self; 9] = [
        Self::ClientLeft,
        Self::EndingSent(EndingCause::Expired),
        Self::EndingSent(EndingCause::Disconnected),
        Self::EndingSent(EndingCause::Slow),
        Self::EndingSent(EndingCause::Shutdown),
        Self::EndingSent(EndingCause::Age),
        Self::EndingSent(EndingCause::Journal),
        Self::WriteTimeout,
        Self::Killed,
    ];

    /// Returns the label for programs. For a stream that was sent an ending, this is the reason
    /// that the ending gave.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientLeft => "client_left",
            Self::EndingSent(cause) => cause.as_str(),
            Self::WriteTimeout => "write_timeout",
            Self::Killed => "killed",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::ClientLeft => 0,
            Self::EndingSent(EndingCause::Expired) => 1,
            Self::EndingSent(EndingCause::Disconnected) => 2,
            Self::EndingSent(EndingCause::Slow) => 3,
            Self::EndingSent(EndingCause::Shutdown) => 4,
            Self::EndingSent(EndingCause::Age) => 5,
            Self::EndingSent(EndingCause::Journal) => 6,
            Self::WriteTimeout => 7,
            Self::Killed => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_an_index_and_a_label_of_its_own() {
        for (nth, why) in RefusalReason::ALL.into_iter().enumerate() {
            assert_eq!(why.index(), nth);
        }
        for (nth, how) in Ended::ALL.into_iter().enumerate() {
            assert_eq!(how.index(), nth);
        }
        let mut labels: Vec<_> = Ended::ALL.iter().map(|how| how.as_str()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Ended::ALL.len());
    }
}
