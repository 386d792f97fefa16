//! When entries were appended, in log time, for a log whose records carry the times of clocks that
//! are not the log's.

use std::collections::VecDeque;

use crate::Position;

/// The least time between two notes.
const RESOLUTION_MS: i64 = 1_000;

/// The most notes. Above it every second one is dropped, and what it was for counts as younger.
const MAX_NOTES: usize = 65_536;

/// When entries were appended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ages {
    /// Everything from a position on, up to the next one, was appended at this time, or at most a
    /// second earlier.
    notes: VecDeque<(Position, i64)>,
}

impl Ages {
    pub(super) fn new(notes: impl IntoIterator<Item = (Position, i64)>) -> Self {
        Self {
            notes: notes.into_iter().collect(),
        }
    }

    /// Notes that the entries from `first` on were appended at `ms`.
    pub(super) fn note(&mut self, first: Position, ms: i64) {
        let rounded = ms
            .saturating_add(RESOLUTION_MS - 1)
            .div_euclid(RESOLUTION_MS)
            .saturating_mul(RESOLUTION_MS);
        if self
            .notes
            .back()
            .is_none_or(|(_, last_ms)| rounded > *last_ms)
        {
            self.notes.push_back((first, rounded));
        }
        if self.notes.len() > MAX_NOTES {
            self.halve();
        }
    }

    /// Returns when the entry at `position` was appended. An entry before the first note counts as
    /// appended then.
    pub(super) fn at(&self, position: Position) -> i64 {
        let after = self.notes.partition_point(|(first, _)| *first <= position);
        self.notes
            .get(after.saturating_sub(1))
            .map_or(0, |(_, ms)| *ms)
    }

    /// Forgets the notes that only concern entries before `oldest`.
    pub(super) fn forget(&mut self, oldest: Position) {
        let needed = self.notes.partition_point(|(first, _)| *first <= oldest);
        self.notes.drain(..needed.saturating_sub(1));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Position, i64)> {
        self.notes.iter().copied()
    }

    fn halve(&mut self) {
        let pairs: Vec<_> = self.notes.iter().copied().collect();
        let merged = pairs
            .chunks(2)
            .filter_map(|pair| Some((pair.first()?.0, pair.last()?.1)));
        self.notes = merged.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_counts_as_younger_by_less_than_a_second_and_never_as_older() {
        let mut ages = Ages::default();
        for number in 1..=10_000_u32 {
            ages.note(Position::new(number.into()), i64::from(number) * 137);
        }
        for number in 1..=10_000_u32 {
            let (real, noted) = (
                i64::from(number) * 137,
                ages.at(Position::new(number.into())),
            );
            assert!(
                (real..real + RESOLUTION_MS).contains(&noted),
                "{real} {noted}"
            );
        }
        ages.forget(Position::new(9_000));
        assert!(ages.notes.len() < 200 && ages.at(Position::new(9_000)) >= 9_000 * 137);
    }

    #[test]
    fn notes_are_bounded_and_what_they_lose_counts_as_younger() {
        let mut ages = Ages::default();
        for number in 1..=200_000_u32 {
            ages.note(Position::new(number.into()), i64::from(number) * 1_000);
        }
        assert!(ages.notes.len() <= MAX_NOTES);
        for number in [1, 77_777, 200_000_u32] {
            let (real, noted) = (
                i64::from(number) * 1_000,
                ages.at(Position::new(number.into())),
            );
            assert!(noted >= real, "{real} {noted}");
        }
    }
}
