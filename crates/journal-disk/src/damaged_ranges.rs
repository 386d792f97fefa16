//! The ranges of the log that are known to be damaged.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::keys::{Kind, TopicId};
use tidings_journal::Position;

/// A damaged range: the position before it, and its last position.
type DamagedRange = (Position, Position);

/// The known damaged ranges, by topic and kind.
#[derive(Default)]
pub(super) struct DamagedRanges(Mutex<HashMap<(TopicId, Kind), Vec<DamagedRange>>>);

/// The most ranges that are remembered. Further ones are searched for again whenever a reader meets
/// them.
const MAX_DAMAGED_RANGES: usize = 4_096;

impl DamagedRanges {
    /// Returns the number of known ranges.
    pub(super) fn count(&self) -> usize {
        self.0.lock().values().map(Vec::len).sum()
    }

    /// Returns the end of the known range that `after` is in.
    pub(super) fn end(&self, of: (TopicId, Kind), after: Position) -> Option<Position> {
        let ranges = self.0.lock();
        let around = ranges
            .get(&of)?
            .iter()
            .filter(|(from, until)| *from <= after && after < *until);
        around.map(|(_, until)| *until).max()
    }

    /// Adds a range. Returns whether it is new.
    pub(super) fn note(&self, of: (TopicId, Kind), after: Position, until: Position) -> bool {
        let mut all = self.0.lock();
        let count: usize = all.values().map(Vec::len).sum();
        let ranges = all.entry(of).or_default();
        // A range with the same end is the same one, seen from further back.
        if let Some((from, _)) = ranges.iter_mut().find(|(_, end)| *end == until) {
            *from = after.min(*from);
            return false;
        }
        if count < MAX_DAMAGED_RANGES {
            ranges.push((after, until));
        }
        true
    }

    /// Forgets the ranges of a topic that were trimmed.
    pub(super) fn forget(&self, topic: TopicId, floor: Position) {
        let mut all = self.0.lock();
        if let Some(ranges) = all.get_mut(&(topic, Kind::Plain)) {
            ranges.retain(|(_, until)| *until > floor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_counted_once_from_wherever_it_is_found() {
        let ranges = DamagedRanges::default();
        let of = (7, Kind::Plain);
        let at = Position::new;
        assert!(ranges.note(of, at(10), at(20)));
        assert!(!ranges.note(of, at(5), at(20)));
        assert!(ranges.note(of, at(30), at(31)));
        assert_eq!(
            [4, 5, 19, 20, 30].map(|after| ranges.end(of, at(after))),
            [None, Some(at(20)), Some(at(20)), None, Some(at(31))]
        );
        ranges.forget(7, at(25));
        assert_eq!((ranges.count(), ranges.end(of, at(5))), (1, None));
    }
}
