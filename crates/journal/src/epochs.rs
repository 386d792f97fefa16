//! The epochs of a log, and the check whether a cursor belongs to it.
//!
//! An epoch is a stretch of history in which the log can't have lost anything. A log that one
//! process holds begins an epoch each time it is opened, because the process before may have shown
//! events that no disk has. A log that outlives its processes begins one when another server
//! becomes its writer. An unnecessary epoch does no harm, because a cursor stays valid up to the
//! end of its own epoch. If an epoch were missing, another event would get the position, and so the
//! id, of a lost one.

use crate::Error;
use crate::id::{Epoch, EventId, Position};

/// The current epoch of a log, and its earlier ones with the last position that was written in
/// each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epochs {
    current: Epoch,
    /// The earlier epochs, oldest first.
    earlier: Vec<(Epoch, Position)>,
}

/// Why a cursor can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorError {
    /// The cursor's epoch is not one of this log's.
    UnknownEpoch,
    /// The cursor's position is above the last one of its epoch: its client saw an event that is
    /// not, or no longer, in the log.
    Ahead,
}

impl Epochs {
    /// Creates a history whose current epoch is `current`. `earlier` is sorted oldest first, and no
    /// epoch ends before the one before it. An epoch whose end was lost ends at its last position
    /// that is left.
    pub fn new(current: Epoch, earlier: Vec<(Epoch, Position)>) -> Self {
        Self { current, earlier }
    }

    /// Returns the epoch in which new events are written.
    pub fn current(&self) -> Epoch {
        self.current
    }

    /// Returns the earlier epochs, oldest first, each with the last position that was written in
    /// it.
    pub fn earlier(&self) -> &[(Epoch, Position)] {
        &self.earlier
    }

    /// Returns the id of the event at `position`, with the epoch in which it was written.
    pub fn id_of(&self, position: Position) -> EventId {
        let passed = self.earlier.partition_point(|(_, end)| *end < position);
        let epoch = self
            .earlier
            .get(passed)
            .map_or(self.current, |(epoch, _)| *epoch);
        EventId { epoch, position }
    }

    /// Returns the position that `cursor` stands for, given the log's last position `head`.
    pub fn locate(&self, cursor: EventId, head: Position) -> Result<Position, CursorError> {
        let end = if cursor.epoch == self.current {
            head
        } else {
            let known = self
                .earlier
                .iter()
                .find(|(epoch, _)| *epoch == cursor.epoch);
            known.ok_or(CursorError::UnknownEpoch)?.1
        };
        if cursor.position > end {
            Err(CursorError::Ahead)
        } else {
            Ok(cursor.position)
        }
    }
}

impl From<CursorError> for Error {
    /// Converts the error of a cursor that belonged to the log when the caller looked it up. The
    /// log's history has changed since then.
    fn from(_: CursorError) -> Self {
        Self::Uncertain("the given id belongs to no event of the log's history".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(epoch: Epoch, position: u64) -> EventId {
        EventId {
            epoch,
            position: Position::new(position),
        }
    }

    #[test]
    fn a_cursor_is_valid_up_to_the_end_of_its_own_epoch() {
        let [old, new, other] = std::array::from_fn(|_| Epoch::random(&mut rand::rng()));
        let epochs = Epochs::new(new, vec![(old, Position::new(10))]);
        let head = Position::new(15);
        assert_eq!(epochs.locate(cursor(old, 10), head), Ok(Position::new(10)));
        assert_eq!(
            epochs.locate(cursor(old, 11), head),
            Err(CursorError::Ahead),
            "seen, but lost in a crash"
        );
        assert_eq!(epochs.locate(cursor(new, 15), head), Ok(head));
        assert_eq!(
            epochs.locate(cursor(new, 16), head),
            Err(CursorError::Ahead)
        );
        assert_eq!(
            epochs.locate(cursor(other, 1), head),
            Err(CursorError::UnknownEpoch)
        );
    }

    #[test]
    fn an_event_keeps_its_id_when_an_epoch_begins() {
        let [old, new] = std::array::from_fn(|_| Epoch::random(&mut rand::rng()));
        let epochs = Epochs::new(new, vec![(old, Position::new(10))]);
        assert_eq!(epochs.id_of(Position::new(10)).epoch, old);
        assert_eq!(epochs.id_of(Position::new(11)).epoch, new);
    }
}
