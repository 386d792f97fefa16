//! The fold: makes the log out of the groups, in the order in which the broker returns them.
//!
//! It depends on the groups, the times at which the broker appended them, and the bounds on live
//! keys that stand in the log, and on nothing else: no clock of a machine, no random number, and
//! nothing that a node has trimmed. So all nodes decide the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tidings_journal::replica::Retention;
use tidings_journal::{
    Append, Appended, CursorError, Entry, Epoch, Epochs, EventId, Position, Record, Replica,
    TopicName,
};

use crate::broker::{Mark, Raw, Tag};
use crate::group::{self, Decoded, Group, Kind, NodeId, Unit};
use crate::places::{Place, Places};
use crate::verdicts::{Verdict, Verdicts};

/// For how long the number of a node's last group is remembered, in log time.
const MEMORY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The most earlier epochs that are remembered.
const MAX_EPOCHS: usize = 10_000;

/// The log, made out of the groups up to a place.
pub(crate) struct Fold {
    pub(crate) replica: Replica,
    pub(crate) places: Places,
    /// The newest group of each node.
    pub(crate) senders: BTreeMap<NodeId, Sender>,
    pub(crate) verdicts: Verdicts,
    /// Whether an epoch has begun.
    pub(crate) has_epoch: bool,
    /// Whether each group says what it follows.
    pub(crate) chained: bool,
}

/// The newest group of a node that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    /// Its counter.
    pub(crate) counter: u64,
    /// The log's time then.
    pub(crate) at_ms: i64,
}

/// How a group stands to the newest one that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It comes next.
    Next,
    /// It was applied already.
    Known,
    /// It comes later, and those in between are missing.
    Later,
    /// Another group was applied in its place.
    Other,
}

/// What a group has changed.
#[derive(Debug)]
pub(crate) struct Applied {
    /// The node that has sent it, and the group's number.
    pub(crate) from: Option<(NodeId, u64)>,
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// The new entries. If the last position of the group shows nothing, an entry without topics
    /// stands there.
    pub(crate) entries: Vec<Arc<Entry>>,
}

/// What came of a group.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its units were decided.
    Units(Vec<Answer>),
    /// An epoch has begun. Events that were there have another id now if the epoch before ends
    /// before them.
    Epoch {
        /// Whether that is so.
        relabelled: bool,
    },
    /// It was a barrier.
    Barrier,
    /// It shows nothing.
    Void(Void),
}

/// Why a group shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Void {
    /// It was applied before: its node was not sure, and has sent it again.
    Again,
    /// An earlier group of its node is missing.
    OutOfTurn,
    /// No node has written it.
    Foreign,
}

/// What came of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was one that appends.
    Appended(Appended),
    /// It was one that erases. Holds the topics that were touched, with their floors.
    Erased(Result<Vec<(TopicName, Position)>, CursorError>),
}

/// Why a group was not applied. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// The group does not come next.
    #[error("the group at {0} does not follow the one before")]
    Line(Mark),
    /// A newer version has written it.
    #[error(
        "the group at {mark} has format {format}, which a newer version of Tidings has written"
    )]
    Newer {
        /// Its mark.
        mark: Mark,
        /// Its format.
        format: u8,
    },
}

impl Fold {
    /// Creates an empty log.
    pub(crate) fn new(retention: Retention, unknown: Epoch) -> Self {
        let mut replica = Replica::new(retention, Arc::new(Epochs::new(unknown, Vec::new())));
        replica.age_by_log_time([]);
        let places = Places::new(Place::default());
        let (senders, verdicts) = (BTreeMap::new(), Verdicts::default());
        Self {
            replica,
            places,
            senders,
            verdicts,
            has_epoch: false,
            chained: false,
        }
    }

    /// Returns how a group stands to the newest one.
    pub(crate) fn order(&self, raw: &Raw) -> Order {
        let newest = self.places.newest();
        if raw.mark <= newest.mark {
            let known = self.places.tag_at(raw.mark);
            let is_same = known.is_none_or(|tag| tag == Tag::of(&raw.bytes));
            return if is_same { Order::Known } else { Order::Other };
        }
        let is_next = match raw.previous {
            Some(previous) => newest.mark == Mark::default() || previous == newest.tag,
            None => raw.mark.0 == newest.mark.0 + 1,
        };
        if is_next { Order::Next } else { Order::Later }
    }

    /// Applies a group, which has to come next.
    pub(crate) fn apply(&mut self, raw: &Raw) -> Result<Applied, Broken> {
        let decoded = group::decode(&raw.bytes);
        let first = self.head().next();
        let last = self.last_position(raw, &decoded)?;
        if let Decoded::Group(Group {
            epoch,
            kind: Kind::Units(_) | Kind::Barrier,
            ..
        }) = &decoded
            && !self.is_current(*epoch)
        {
            // The broker appends in the current epoch alone, so this is the group of another line.
            return Err(Broken::Line(raw.mark));
        }
        let log_ms = self.replica.tell_time(raw.ms);
        self.replica.appended_at(first, log_ms);
        let (from, outcome, mut entries) = match decoded {
            Decoded::Newer(format) => {
                return Err(Broken::Newer {
                    mark: raw.mark,
                    format,
                });
            }
            Decoded::Foreign => (None, Outcome::Void(Void::Foreign), Vec::new()),
            Decoded::Group(Group {
                epoch,
                kind: Kind::Epoch { ends },
                ..
            }) => (None, self.begin_epoch(epoch, ends, first), Vec::new()),
            Decoded::Group(Group {
                node,
                counter,
                kind,
                ..
            }) => {
                let (outcome, entries) = self.take(node, counter, kind, first);
                (Some((node, counter)), outcome, entries)
            }
        };
        match outcome {
            Outcome::Units(_) => {} // each has a verdict of its own
            Outcome::Epoch { .. } => self.verdicts.add(first, Verdict::Epoch),
            Outcome::Barrier => self.verdicts.add(first, Verdict::Barrier),
            Outcome::Void(_) => {
                self.places.add_void(first, last.get() - first.get() + 1);
                self.verdicts.add(first, Verdict::Void);
            }
        }
        self.chained = raw.previous.is_some();
        self.replica.pass(last);
        self.verdicts.end(first, last);
        self.places.push(
            Place {
                mark: raw.mark,
                tag: Tag::of(&raw.bytes),
                position: last,
            },
            raw.bytes.len(),
        );
        if entries.last().is_none_or(|entry| entry.id.position < last) {
            entries.push(Arc::new(nothing_at(self.replica.epochs().id_of(last))));
        }
        Ok(Applied {
            from,
            outcome,
            entries,
        })
    }

    /// Returns whether an epoch has begun here.
    pub(crate) fn knows(&self, epoch: Epoch) -> bool {
        let earlier = self.replica.epochs().earlier();
        self.is_current(epoch)
            || (self.has_epoch && earlier.iter().any(|(known, _)| *known == epoch))
    }

    fn is_current(&self, epoch: Epoch) -> bool {
        self.has_epoch && self.replica.epochs().current() == epoch
    }

    /// Returns whether nothing is missing between the newest group and this one.
    pub(crate) fn follows(&self, raw: &Raw, decoded: &Decoded) -> bool {
        self.last_position(raw, decoded).is_ok()
    }

    /// Returns the last position of a group, which has to come next.
    fn last_position(&self, raw: &Raw, decoded: &Decoded) -> Result<Position, Broken> {
        let head = self.head().get();
        let positions = match decoded {
            Decoded::Newer(format) => {
                return Err(Broken::Newer {
                    mark: raw.mark,
                    format: *format,
                });
            }
            Decoded::Group(group) => group.kind.positions(),
            // Of what a stranger has appended, only the broker knows how much space it takes.
            Decoded::Foreign if raw.previous.is_some() => raw.mark.0.saturating_sub(head),
            Decoded::Foreign => 1,
        };
        let last = head.saturating_add(positions);
        let is_there = raw.previous.is_none() || raw.mark.0 == last;
        if is_there && self.order(raw) == Order::Next {
            Ok(Position::new(last))
        } else {
            Err(Broken::Line(raw.mark))
        }
    }

    /// Takes a group of a node, unless it is there already or not its turn.
    fn take(
        &mut self,
        node: NodeId,
        counter: u64,
        kind: Kind,
        first: Position,
    ) -> (Outcome, Vec<Arc<Entry>>) {
        let last_counter = self.last_of(node);
        if counter != last_counter + 1 {
            let why = if counter <= last_counter {
                Void::Again
            } else {
                Void::OutOfTurn
            };
            return (Outcome::Void(why), Vec::new());
        }
        self.senders.insert(
            node,
            Sender {
                counter,
                at_ms: self.log_ms(),
            },
        );
        let Kind::Units(units) = kind else {
            return (Outcome::Barrier, Vec::new());
        };
        let mut next = first;
        let mut entries = Vec::new();
        let answers = units.into_iter().map(|unit| {
            let count = unit.records();
            let (answer, verdict, new) = self.decide(unit, next);
            if new.is_empty() {
                self.places.add_void(next, count);
            }
            self.verdicts.add(next, verdict);
            entries.extend(new);
            next = Position::new(next.get() + count);
            answer
        });
        let answers = answers.collect();
        (Outcome::Units(answers), entries)
    }

    /// Decides about a unit whose first record would stand at `first`.
    fn decide(&mut self, unit: Unit, first: Position) -> (Answer, Verdict, Vec<Arc<Entry>>) {
        match unit {
            Unit::Append(append) => {
                // The time of the group was told. What the node's clock said decides nothing.
                let append = Append {
                    now_ms: 0,
                    ..append
                };
                // All positions before `first` were given away, so the head can't be above it.
                let (appended, entries) = self
                    .replica
                    .append_at(first, append)
                    .unwrap_or((Appended::Refused(first), Vec::new()));
                let verdict = Verdict::from(&appended);
                (Answer::Appended(appended), verdict, entries)
            }
            Unit::Erase(topics, until) => {
                let head = Position::new(first.get() - 1);
                let until = self.replica.epochs().locate(until, head);
                let verdict = if until.is_ok() {
                    Verdict::Erased
                } else {
                    Verdict::NothingErased
                };
                (
                    Answer::Erased(until.map(|until| self.replica.erase(&topics, until))),
                    verdict,
                    Vec::new(),
                )
            }
        }
    }

    /// Begins an epoch with the group at `at`.
    pub(crate) fn begin_epoch(
        &mut self,
        name: Epoch,
        ends: Option<Position>,
        at: Position,
    ) -> Outcome {
        let known = self.replica.epochs().clone();
        let before = Position::new(at.get() - 1);
        let end = ends.unwrap_or(before).min(before);
        let mut earlier = Vec::new();
        if self.has_epoch {
            if known.current() == name || known.earlier().iter().any(|(epoch, _)| *epoch == name) {
                return Outcome::Void(Void::Again);
            }
            let all = known
                .earlier()
                .iter()
                .copied()
                .chain([(known.current(), end)]);
            earlier = all.map(|(epoch, last)| (epoch, last.min(end))).collect();
            earlier.drain(..earlier.len().saturating_sub(MAX_EPOCHS));
        }
        let relabelled = self.has_epoch && end < before;
        self.has_epoch = true;
        self.replica
            .set_epochs(Arc::new(Epochs::new(name, earlier)));
        if relabelled {
            self.replica.relabel(end);
        }
        Outcome::Epoch { relabelled }
    }

    /// Returns the number of the newest group of a node that was accepted, or 0 if there is none or
    /// it was long ago.
    pub(crate) fn last_of(&self, node: NodeId) -> u64 {
        let now_ms = self.log_ms();
        let sender = self
            .senders
            .get(&node)
            .filter(|sender| now_ms.saturating_sub(sender.at_ms) < MEMORY_MS);
        sender.map_or(0, |sender| sender.counter)
    }

    /// Returns the newest position.
    pub(crate) fn head(&self) -> Position {
        self.places.newest().position
    }

    /// Returns the time of the log's clock.
    pub(crate) fn log_ms(&self) -> i64 {
        self.replica.clock().now_ms()
    }

    /// Removes what is too old if the log's time is `now_ms` by now. Decides nothing.
    pub(crate) fn trim(&mut self, now_ms: i64) {
        self.replica.trim_old(now_ms);
        let log_ms = self.log_ms();
        self.senders
            .retain(|_, sender| log_ms.saturating_sub(sender.at_ms) < MEMORY_MS);
    }
}

/// Returns an entry that stands in no topic. It tells readers that the position shows nothing.
fn nothing_at(id: EventId) -> Entry {
    let record = Record {
        topics: Arc::default(),
        event: Arc::default(),
        key: None,
        data: Bytes::new(),
        at_ms: 0,
        ends_key: false,
    };
    Entry { id, record }
}
