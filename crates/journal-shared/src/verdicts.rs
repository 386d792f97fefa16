//! The hash of all that the fold has decided, by which nodes notice that they differ.

use std::collections::VecDeque;

use tidings_journal::{Appended, Position};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The positions between two places at which hashes are compared.
const STEP: u64 = 1_024;

/// The number of hashes that are kept.
const MAX_KEPT: usize = 64;

/// A running hash over (position, verdict).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    hash: u64,
    /// The hash after the first group that reached a multiple of [`STEP`], with its last position.
    kept: VecDeque<(Position, u64)>,
}

/// What is hashed of an outcome.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Verdict {
    New,
    Known,
    Refused,
    Full,
    Erased,
    NothingErased,
    Epoch,
    Barrier,
    Void,
}

impl Verdicts {
    /// Goes on where another node's hash was.
    pub(crate) fn from_hash(hash: u64) -> Self {
        Self {
            hash,
            kept: VecDeque::new(),
        }
    }

    /// Returns the hash up to here.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Adds a verdict about what stands at `position`.
    pub(crate) fn add(&mut self, position: Position, verdict: Verdict) {
        let mut bytes = [verdict as u8; 9];
        bytes[..8].copy_from_slice(&position.get().to_le_bytes());
        self.hash = xxh3_64_with_seed(&bytes, self.hash);
    }

    /// Ends a group that took the positions from `first` to `last`.
    pub(crate) fn end(&mut self, first: Position, last: Position) {
        if last.get() / STEP > first.get().saturating_sub(1) / STEP {
            self.kept.push_back((last, self.hash));
            if self.kept.len() > MAX_KEPT {
                self.kept.pop_front();
            }
        }
    }

    /// Returns the newest hash that other nodes have too, with its position.
    pub(crate) fn newest(&self) -> Option<(Position, u64)> {
        self.kept.back().copied()
    }

    /// Returns whether a node that had this hash at this position has decided otherwise.
    pub(crate) fn differ(&self, position: Position, hash: u64) -> bool {
        self.kept
            .iter()
            .any(|(known, own)| *known == position && *own != hash)
    }
}

impl From<&Appended> for Verdict {
    fn from(appended: &Appended) -> Self {
        match appended {
            Appended::New(_) => Self::New,
            Appended::Known(_) => Self::Known,
            Appended::Refused(_) => Self::Refused,
            Appended::Full(_) => Self::Full,
        }
    }
}
