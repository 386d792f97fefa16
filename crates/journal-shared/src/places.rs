//! Where the groups of the log stand, as far as a node needs to know: the newest ones with their
//! tags, the ends of some of them to which the log can be truncated, and the positions that show
//! nothing.

use std::collections::VecDeque;

use tidings_journal::Position;

use crate::broker::{Mark, Tag};

/// Of how many groups the tags are kept.
const MAX_RECENT: usize = 65_536;

/// The bytes of groups between two places to which the log can be truncated.
const STEP_BYTES: u64 = 64 << 10;

/// Where a group stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its mark.
    pub(crate) mark: Mark,
    /// Its tag.
    pub(crate) tag: Tag,
    /// Its last position.
    pub(crate) position: Position,
}

/// Positions without a gap, the first and the last of them.
pub(crate) type Range = (Position, Position);

/// Where the groups stand.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    newest: Place,
    /// The newest groups, oldest first.
    recent: VecDeque<Place>,
    /// Ends of groups, each with the bytes of all groups up to there. The first one is the place up
    /// to which the log was not read.
    ends: VecDeque<(Place, u64)>,
    /// The bytes of all groups that were read.
    bytes: u64,
    /// The positions of units that show nothing, in order.
    voids: VecDeque<Range>,
}

impl Places {
    /// Creates the places of a log of which nothing is read up to `base`.
    pub(crate) fn new(base: Place) -> Self {
        Self {
            newest: base,
            recent: [base].into(),
            ends: [(base, 0)].into(),
            bytes: 0,
            voids: VecDeque::new(),
        }
    }

    /// Returns where the newest group stands.
    pub(crate) fn newest(&self) -> Place {
        self.newest
    }

    /// Adds the next group.
    pub(crate) fn push(&mut self, place: Place, bytes: usize) {
        self.newest = place;
        self.bytes += bytes as u64;
        if self.recent.len() == MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(place);
        if self
            .ends
            .back()
            .is_none_or(|(_, end)| self.bytes - end >= STEP_BYTES)
        {
            self.ends.push_back((place, self.bytes));
        }
    }

    /// Notes that `count` positions from `first` on show nothing.
    pub(crate) fn add_void(&mut self, first: Position, count: u64) {
        let Some(last) = count
            .checked_sub(1)
            .map(|more| Position::new(first.get() + more))
        else {
            return;
        };
        match self.voids.back_mut() {
            Some(range) if range.1.next() == first => range.1 = last,
            _ => self.voids.push_back((first, last)),
        }
    }

    /// Takes over the positions that show nothing.
    pub(crate) fn restore_voids(&mut self, voids: Vec<Range>) {
        self.voids = voids.into();
    }

    /// Returns whether a position shows nothing.
    pub(crate) fn is_void(&self, position: Position) -> bool {
        let nth = self.voids.partition_point(|(_, last)| *last < position);
        self.voids
            .get(nth)
            .is_some_and(|(first, _)| *first <= position)
    }

    /// Returns the positions behind `position` that show nothing.
    pub(crate) fn voids_after(&self, position: Position) -> impl Iterator<Item = Range> {
        self.voids
            .iter()
            .copied()
            .filter(move |(_, last)| *last > position)
    }

    /// Returns the tag of the group at `mark`, or `None` if it is not known.
    pub(crate) fn tag_at(&self, mark: Mark) -> Option<Tag> {
        let nth = self
            .recent
            .binary_search_by_key(&mark, |place| place.mark)
            .ok()?;
        self.recent.get(nth).map(|place| place.tag)
    }

    /// Returns the newest group that stands at least `back` groups before the newest one, and the
    /// groups from there on.
    pub(crate) fn back(&self, back: usize) -> impl Iterator<Item = Place> {
        self.recent
            .iter()
            .copied()
            .skip((self.recent.len().saturating_sub(1)).saturating_sub(back))
    }

    /// Returns how many groups [`Places::back`] can go back.
    pub(crate) fn depth(&self) -> usize {
        self.recent.len().saturating_sub(1)
    }

    /// Returns the bytes of the groups after `mark`, as far as they were read.
    pub(crate) fn bytes_after(&self, mark: Mark) -> u64 {
        let after = self.ends.partition_point(|(place, _)| place.mark <= mark);
        let before = after.checked_sub(1).and_then(|nth| self.ends.get(nth));
        self.bytes - before.map_or(0, |(_, bytes)| *bytes)
    }

    /// Returns the place to which the log can be truncated: the last one at or before `limit`,
    /// except that it is not before `least`, and that not many more than `most` bytes stand after
    /// it.
    pub(crate) fn base(&self, limit: Position, least: Mark, most: u64) -> Place {
        if limit >= self.newest.position || least >= self.newest.mark {
            return self.newest;
        }
        let is_good = |(place, bytes): &&(Place, u64)| {
            place.mark >= least && self.bytes - bytes <= most + STEP_BYTES
        };
        let wanted = self
            .ends
            .iter()
            .rev()
            .find(|(place, _)| place.position <= limit)
            .filter(is_good);
        wanted
            .or_else(|| self.ends.iter().find(is_good))
            .map_or(self.newest, |(place, _)| *place)
    }

    /// Forgets what stands at or before `mark`, because the log is truncated to there.
    pub(crate) fn forget(&mut self, mark: Mark) {
        while let Some((next, _)) = self.ends.get(1)
            && next.mark <= mark
        {
            self.ends.pop_front();
        }
        let base = self
            .ends
            .front()
            .map_or(Position::START, |(place, _)| place.position);
        while self.voids.front().is_some_and(|(_, last)| *last <= base) {
            self.voids.pop_front();
        }
    }
}
