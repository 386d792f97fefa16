//! The stretches of a log's history, and the judgement whether a cursor belongs to it.
//!
//! An epoch is a stretch in which the log can't have lost anything. A log of one process begins one at each opening: the process
//! before may have shown what no disk has. A log that outlives its processes begins one when the server that holds it is
//! another than the one that wrote last. One too many harms nobody, as cursors stay good up to the end of their own epoch;
//! one too few would give the number of a lost event, under the same id, to another.

use crate::id::{Epoch, EventId, Position};

/// The current epoch of a log and its earlier ones, each with the last position that was written in it.
#[derive(Clone, Debug)]
pub struct Epochs {
    current: Epoch,
    /// Oldest first.
    earlier: Vec<(Epoch, Position)>,
}

/// Why a cursor can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// Its epoch is none of this log's.
    Epoch,
    /// Its position is above the last one of its epoch: it saw what is not, or no longer, in the log.
    Ahead,
}

impl Epochs {
    /// A history of `earlier` epochs, oldest first and each ending no earlier than the one before it, that goes on in
    /// `current`. Where the end of an epoch was lost, it ends before that.
    pub fn new(current: Epoch, earlier: Vec<(Epoch, Position)>) -> Self {
        Self { current, earlier }
    }

    /// The epoch that new events are written in.
    pub fn current(&self) -> Epoch {
        self.current
    }

    /// The id of `position`, in the epoch in which it was written.
    pub fn id_of(&self, position: Position) -> EventId {
        let passed = self.earlier.partition_point(|(_, end)| *end < position);
        let epoch = self.earlier.get(passed).map_or(self.current, |(epoch, _)| *epoch);
        EventId { epoch, position }
    }

    /// The position that `cursor` stands for, given the log's last position `head`.
    pub fn locate(&self, cursor: EventId, head: Position) -> Result<Position, Stray> {
        let end = if cursor.epoch == self.current {
            head
        } else {
            let known = self.earlier.iter().find(|(epoch, _)| *epoch == cursor.epoch);
            known.ok_or(Stray::Epoch)?.1
        };
        if cursor.position > end { Err(Stray::Ahead) } else { Ok(cursor.position) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(epoch: Epoch, position: u64) -> EventId {
        EventId { epoch, position: Position::new(position) }
    }

    #[test]
    fn a_cursor_is_good_up_to_the_end_of_its_own_epoch() {
        let [old, new, other] = std::array::from_fn(|_| Epoch::random(&mut rand::rng()));
        let epochs = Epochs::new(new, vec![(old, Position::new(10))]);
        let head = Position::new(15);
        assert_eq!(epochs.locate(cursor(old, 10), head), Ok(Position::new(10)));
        assert_eq!(epochs.locate(cursor(old, 11), head), Err(Stray::Ahead), "seen, but lost in a crash");
        assert_eq!(epochs.locate(cursor(new, 15), head), Ok(head));
        assert_eq!(epochs.locate(cursor(new, 16), head), Err(Stray::Ahead));
        assert_eq!(epochs.locate(cursor(other, 1), head), Err(Stray::Epoch));
    }

    #[test]
    fn an_event_keeps_the_id_it_was_born_with() {
        let [old, new] = std::array::from_fn(|_| Epoch::random(&mut rand::rng()));
        let epochs = Epochs::new(new, vec![(old, Position::new(10))]);
        assert_eq!(epochs.id_of(Position::new(10)).epoch, old);
        assert_eq!(epochs.id_of(Position::new(11)).epoch, new);
    }
}
