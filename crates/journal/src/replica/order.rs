//! The order in which records without a key are trimmed: oldest first.
//!
//! There is one queue for the records that no rule governs, and one for each rule. All records of a
//! queue have the same greatest age, so only its first record has to be examined. Records that a
//! rule keeps for long are in a queue of their own, so they do not delay the trimming of later
//! records.

use std::collections::VecDeque;

use super::retention::{Retention, ms};
use crate::Position;

/// The queue of a record: 0 if no rule governs it, otherwise one more than the index of its rule.
pub(super) type QueueId = u32;

/// All records without a key.
pub(super) struct Order {
    queues: Vec<Queue>,
    kept: usize,
    /// Their total weight.
    bytes: usize,
}

struct Queue {
    /// The positions, oldest first. Some of the records may be gone already.
    positions: VecDeque<Position>,
    /// The number of records that are not gone.
    kept: usize,
    /// The greatest age in milliseconds.
    max_age: Option<i64>,
}

impl Order {
    /// Creates the queues that `retention` needs.
    pub(super) fn new(retention: &Retention) -> Self {
        let ages = std::iter::once(Some(retention.max_age))
            .chain(retention.rules.iter().map(|rule| rule.max_age));
        let queue = |age: Option<_>| Queue {
            positions: VecDeque::new(),
            kept: 0,
            max_age: age.map(ms),
        };
        Self {
            queues: ages.map(queue).collect(),
            kept: 0,
            bytes: 0,
        }
    }

    /// Adds the newest record.
    pub(super) fn push(&mut self, queue: QueueId, position: Position, weight: usize) {
        if let Some(queue) = self.queues.get_mut(queue as usize) {
            queue.positions.push_back(position);
            queue.kept += 1;
            self.kept += 1;
            self.bytes += weight;
        }
    }

    /// Removes a record. Its position is skipped from now on, because `is_kept` returns false for
    /// it.
    pub(super) fn remove(
        &mut self,
        queue: QueueId,
        weight: usize,
        is_kept: impl Fn(Position) -> bool,
    ) {
        let Some(queue) = self.queues.get_mut(queue as usize) else {
            return;
        };
        queue.kept -= 1;
        self.kept -= 1;
        self.bytes -= weight;
        if queue.positions.len() > 2 * queue.kept + 1_024 {
            queue.positions.retain(|position| is_kept(*position));
        }
    }

    /// Returns the number of records.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// Returns their total weight.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns what `find` returns for the oldest record of all.
    pub(super) fn first<T>(&self, find: impl Fn(Position) -> Option<T>) -> Option<T> {
        let firsts = self.queues.iter().filter_map(|queue| {
            queue
                .positions
                .iter()
                .find_map(|position| Some((*position, find(*position)?)))
        });
        firsts
            .min_by_key(|(position, _)| *position)
            .map(|(_, found)| found)
    }

    /// Returns the oldest record of all.
    pub(super) fn oldest(&mut self, is_kept: impl Fn(Position) -> bool) -> Option<Position> {
        self.queues
            .iter_mut()
            .filter_map(|queue| queue.first(&is_kept))
            .min()
    }

    /// Returns the first record of a queue that is too old, if there is one. `age` returns the age
    /// of a record in milliseconds, or `None` if it is gone.
    pub(super) fn too_old(&mut self, age: impl Fn(Position) -> Option<i64>) -> Option<Position> {
        self.queues.iter_mut().find_map(|queue| {
            let max_age = queue.max_age?;
            let first = queue.first(|position| age(position).is_some())?;
            (age(first)? > max_age).then_some(first)
        })
    }
}

impl Queue {
    fn first(&mut self, is_kept: impl Fn(Position) -> bool) -> Option<Position> {
        while let Some(&first) = self.positions.front() {
            if is_kept(first) {
                return Some(first);
            }
            self.positions.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_removed_records_do_not_accumulate() {
        let mut order = Order::new(&Retention::default());
        order.push(0, Position::new(1), 7);
        for number in 2..=100_000 {
            order.push(0, Position::new(number), 7);
            order.remove(0, 7, |position| {
                position.get() == 1 || position.get() > number
            });
        }
        assert_eq!((order.kept(), order.bytes()), (1, 7));
        assert!(
            order.queues[0].positions.len() < 2_000,
            "{}",
            order.queues[0].positions.len()
        );
        assert_eq!(
            order.oldest(|position| position.get() == 1),
            Some(Position::new(1))
        );
    }
}
