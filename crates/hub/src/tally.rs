//! What became of all streams since the start: how many were opened, refused and ended, and why. For those who watch a
//! server.
//!
//! The reasons are a closed set: a label of a metric never comes from outside. The registry counts, under the lock under
//! which streams come and go.

use std::collections::BTreeMap;

use crate::registry::Full;
use crate::wording::Cause;

/// What became of all streams since the start. Each was counted once when it was open, and once when it was over: in
/// between, and only then, it is among those that [`Stats`](crate::Stats) counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Streams that were opened.
    pub opened: u64,
    /// The same by kind; a stream may count under several.
    pub opened_by_kind: BTreeMap<&'static str, u64>,
    refused: [u64; Refused::ALL.len()],
    ended: [u64; Ended::ALL.len()],
}

/// Why a stream was not opened. Each of these passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The server holds as many as it may.
    Total,
    /// The user does.
    User,
    /// The address does.
    Address,
    /// The server is about to stop.
    Draining,
    /// The journal can't be read.
    Journal,
}

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its client left, or its connection broke.
    Left,
    /// The server ended it and said so, if the client took the news.
    Said(Cause),
    /// Its peer took no byte for the write timeout.
    Untaken,
    /// It was cut without a word when the server went away.
    Killed,
}

impl Tally {
    /// How many were refused for this reason.
    pub fn refused(&self, why: Refused) -> u64 {
        self.refused[why.index()]
    }

    /// How many ended like this.
    pub fn ended(&self, how: Ended) -> u64 {
        self.ended[how.index()]
    }

    /// How many were refused, in all.
    pub fn all_refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// How many ended, in all.
    pub fn all_ended(&self) -> u64 {
        self.ended.iter().sum()
    }

    pub(crate) fn count_opened(&mut self, kinds: &[&'static str]) {
        self.opened += 1;
        for kind in kinds {
            *self.opened_by_kind.entry(kind).or_default() += 1;
        }
    }

    pub(crate) fn count_refused(&mut self, why: Refused) {
        self.refused[why.index()] += 1;
    }

    pub(crate) fn count_ended(&mut self, how: Ended) {
        self.ended[how.index()] += 1;
    }
}

impl Refused {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Total, Self::User, Self::Address, Self::Draining, Self::Journal];

    /// A word for programs.
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
    /// Every way.
    pub const ALL: [Self; 9] = [
        Self::Left,
        Self::Said(Cause::Expired),
        Self::Said(Cause::Disconnected),
        Self::Said(Cause::Slow),
        Self::Said(Cause::Shutdown),
        Self::Said(Cause::Age),
        Self::Said(Cause::Journal),
        Self::Untaken,
        Self::Killed,
    ];

    /// A word for programs; where the stream was told, the word that it was told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "client_left",
            Self::Said(cause) => cause.as_str(),
            Self::Untaken => "write_timeout",
            Self::Killed => "killed",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Left => 0,
            Self::Said(Cause::Expired) => 1,
            Self::Said(Cause::Disconnected) => 2,
            Self::Said(Cause::Slow) => 3,
            Self::Said(Cause::Shutdown) => 4,
            Self::Said(Cause::Age) => 5,
            Self::Said(Cause::Journal) => 6,
            Self::Untaken => 7,
            Self::Killed => 8,
        }
    }
}

impl From<Full> for Refused {
    fn from(full: Full) -> Self {
        match full {
            Full::Total => Self::Total,
            Full::User => Self::User,
            Full::Address => Self::Address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_place_and_a_word_of_its_own() {
        for (nth, why) in Refused::ALL.into_iter().enumerate() {
            assert_eq!(why.index(), nth);
        }
        for (nth, how) in Ended::ALL.into_iter().enumerate() {
            assert_eq!(how.index(), nth);
        }
        let mut words: Vec<_> = Ended::ALL.iter().map(|how| how.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Ended::ALL.len());
    }
}
