//! The order in which records without a key go: the oldest first.
//!
//! There is one line for the records that no rule governs and one for each rule. Within a line all have the same greatest age,
//! so only its first need be looked at, and what one rule keeps for long holds up nothing behind it.

use std::collections::VecDeque;

use super::retention::{Retention, ms};
use crate::Position;

/// Which line a record stands in: 0 where no rule governs it, else one more than the index of its rule.
pub(super) type LineId = u32;

/// All records without a key.
pub(super) struct Order {
    lines: Vec<Line>,
    kept: usize,
    /// Their weight.
    bytes: usize,
}

struct Line {
    /// Oldest first. Some may have gone before their turn.
    places: VecDeque<Position>,
    /// How many have not.
    kept: usize,
    /// In milliseconds.
    max_age: Option<i64>,
}

impl Order {
    /// No records yet, with the lines that `retention` asks for.
    pub(super) fn new(retention: &Retention) -> Self {
        let ages = std::iter::once(Some(retention.max_age)).chain(retention.rules.iter().map(|rule| rule.max_age));
        let line = |age: Option<_>| Line { places: VecDeque::new(), kept: 0, max_age: age.map(ms) };
        Self { lines: ages.map(line).collect(), kept: 0, bytes: 0 }
    }

    /// Adds the newest record.
    pub(super) fn push(&mut self, line: LineId, position: Position, weight: usize) {
        if let Some(line) = self.lines.get_mut(line as usize) {
            line.places.push_back(position);
            line.kept += 1;
            self.kept += 1;
            self.bytes += weight;
        }
    }

    /// Says that a record has gone. Its place is passed over from now on, as `is_kept` knows.
    pub(super) fn gone(&mut self, line: LineId, weight: usize, is_kept: impl Fn(Position) -> bool) {
        let Some(line) = self.lines.get_mut(line as usize) else { return };
        line.kept -= 1;
        self.kept -= 1;
        self.bytes -= weight;
        if line.places.len() > 2 * line.kept + 1_024 {
            line.places.retain(|place| is_kept(*place));
        }
    }

    /// How many records there are.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// What they weigh together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What `find` finds of the oldest record of all.
    pub(super) fn first<T>(&self, find: impl Fn(Position) -> Option<T>) -> Option<T> {
        let firsts =
            self.lines.iter().filter_map(|line| line.places.iter().find_map(|place| Some((*place, find(*place)?))));
        firsts.min_by_key(|(place, _)| *place).map(|(_, found)| found)
    }

    /// The oldest record of all, to be let go of.
    pub(super) fn oldest(&mut self, is_kept: impl Fn(Position) -> bool) -> Option<Position> {
        self.lines.iter_mut().filter_map(|line| line.first(&is_kept)).min()
    }

    /// The oldest record of the first line where that is too old, given what finds out how old one is, in milliseconds, if it is
    /// still there.
    pub(super) fn too_old(&mut self, age: impl Fn(Position) -> Option<i64>) -> Option<Position> {
        self.lines.iter_mut().find_map(|line| {
            let max_age = line.max_age?;
            let first = line.first(|place| age(place).is_some())?;
            (age(first)? > max_age).then_some(first)
        })
    }
}

impl Line {
    fn first(&mut self, is_kept: impl Fn(Position) -> bool) -> Option<Position> {
        while let Some(&first) = self.places.front() {
            if is_kept(first) {
                return Some(first);
            }
            self.places.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_what_has_gone_do_not_pile_up_behind_what_stays() {
        let mut order = Order::new(&Retention::default());
        order.push(0, Position::new(1), 7);
        for number in 2..=100_000 {
            order.push(0, Position::new(number), 7);
            order.gone(0, 7, |position| position.get() == 1 || position.get() > number);
        }
        assert_eq!((order.kept(), order.bytes()), (1, 7));
        assert!(order.lines[0].places.len() < 2_000, "{}", order.lines[0].places.len());
        assert_eq!(order.oldest(|position| position.get() == 1), Some(Position::new(1)));
    }
}
