//! What the parts of a node share: its copy of the log, who waits for what, and how it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tidings_journal::replica::Retention;
use tidings_journal::{Appended, Epoch, Epochs, Error, News, Position, Tails};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;

use crate::broker::{Broker, LogId, Mark, Raw, SnapshotId, State};
use crate::certain::Certain;
use crate::fold::{Answer, Applied, Broken, Fold, Order, Outcome, Void};
use crate::group::NodeId;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::pulse::{Pulse, Ready};
use crate::queue::{Flights, Queue};
use crate::tally::Tally;
use crate::watched::Watched;

/// The most messages of other nodes that wait for their reader.
const MAX_MESSAGES: usize = 4_096;

/// A node.
pub(crate) struct Node {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) rng: Mutex<StdRng>,
    pub(crate) copy: Mutex<Copy>,
    pub(crate) tails: Tails,
    pub(crate) queue: Queue,
    pub(crate) flights: Flights,
    pub(crate) outbox: Mutex<Outbox>,
    pub(crate) certain: Certain,
    /// The opening of the log that holds now. `None` while it has to be opened again.
    pub(crate) session: Watched<Option<Session>>,
    /// Notified whenever groups of this node were folded.
    pub(crate) landed: Notify,
    /// Whether the committer has to take another id.
    pub(crate) renew: AtomicBool,
    pub(crate) known: Mutex<Known>,
    pub(crate) pulse: Pulse,
    pub(crate) tally: Tally,
    pub(crate) messages: broadcast::Sender<Bytes>,
    /// Set once everything has to end.
    pub(crate) stop: watch::Sender<bool>,
    told_foreign: AtomicBool,
}

/// A log that was opened and is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) number: u64,
    pub(crate) log: LogId,
    pub(crate) epoch: Epoch,
}

/// This node's copy of the log.
pub(crate) struct Copy {
    /// How much is kept, with the bounds that the log has.
    pub(crate) retention: Retention,
    /// The log, unless it has to be read anew.
    pub(crate) fold: Option<Fold>,
    /// The broker's log that it is a copy of.
    pub(crate) log: Option<LogId>,
    /// What was told last: it holds until the log was read anew.
    pub(crate) epochs: Arc<Epochs>,
    pub(crate) head: Position,
    pub(crate) log_ms: i64,
    /// When the newest group was folded.
    pub(crate) folded_at: Instant,
    /// The number of times that the log was read anew.
    pub(crate) generation: u64,
    /// The number of groups with units since the last snapshot that is known.
    pub(crate) changes: u64,
}

/// What is known of the broker's log.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) trimmed: Mark,
    pub(crate) snapshot: Option<SnapshotId>,
    /// Since when the snapshot has been known.
    pub(crate) since: Instant,
}

/// What became of a group that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was folded, now or before.
    Yes,
    /// Groups before it are missing.
    Later,
    /// Another group was folded in its place.
    Other,
}

impl Node {
    pub(crate) fn new(broker: Arc<dyn Broker>, options: Options) -> Self {
        let Options { retention, seed } = options;
        let mut rng = StdRng::seed_from_u64(seed);
        let epochs = Arc::new(Epochs::new(Epoch::random(&mut rng), Vec::new()));
        let copy = Copy {
            retention,
            fold: None,
            log: None,
            epochs,
            head: Position::START,
            log_ms: 0,
            folded_at: Instant::now(),
            generation: 0,
            changes: 0,
        };
        let known = Known {
            trimmed: Mark::default(),
            snapshot: None,
            since: Instant::now(),
        };
        Self {
            broker,
            rng: Mutex::new(rng),
            copy: Mutex::new(copy),
            tails: Tails::default(),
            queue: Queue::new(),
            flights: Flights::default(),
            outbox: Mutex::default(),
            certain: Certain::new(),
            session: Watched::new(None),
            landed: Notify::new(),
            renew: AtomicBool::new(false),
            known: Mutex::new(known),
            pulse: Pulse::new(),
            tally: Tally::default(),
            messages: broadcast::Sender::new(MAX_MESSAGES),
            stop: watch::Sender::new(false),
            told_foreign: AtomicBool::new(false),
        }
    }

    pub(crate) fn draw_node(&self) -> NodeId {
        NodeId::random(&mut *self.rng.lock())
    }

    pub(crate) fn draw_epoch(&self) -> Epoch {
        Epoch::random(&mut *self.rng.lock())
    }

    /// Has the log opened again, if `number` is the session that holds.
    pub(crate) fn reopen(&self, number: u64) {
        self.session.update(|session| {
            session
                .as_ref()
                .is_some_and(|session| session.number == number)
                .then_some(None)
        });
    }

    /// Folds a group if it comes next, tells the tails, and answers those who wait for it.
    pub(crate) fn take(&self, raw: &Raw) -> Result<Taken, Broken> {
        let applied = {
            let mut copy = self.copy.lock();
            let Copy {
                fold: Some(fold), ..
            } = &mut *copy
            else {
                return Ok(Taken::Later);
            };
            match fold.order(raw) {
                Order::Known => return Ok(Taken::Yes),
                Order::Later => return Ok(Taken::Later),
                Order::Other => return Ok(Taken::Other),
                Order::Next => {}
            }
            let applied = fold.apply(raw)?;
            let (epochs, head, log_ms) =
                (fold.replica.epochs().clone(), fold.head(), fold.log_ms());
            copy.changes += u64::from(matches!(applied.outcome, Outcome::Units(_)));
            (copy.head, copy.log_ms, copy.folded_at) = (head, log_ms, Instant::now());
            match applied.outcome {
                Outcome::Epoch { relabelled: true } => {
                    copy.epochs = epochs.clone();
                    self.tails.tell(&News::Rebuilt(head, epochs));
                }
                Outcome::Epoch { relabelled: false } => {
                    copy.epochs = epochs.clone();
                    self.tails.tell(&News::Epochs(epochs));
                    self.tails.push(&applied.entries, || ());
                }
                _ => self.tails.push(&applied.entries, || ()),
            }
            applied
        };
        self.note(&applied);
        self.land(applied);
        Ok(Taken::Yes)
    }

    fn note(&self, applied: &Applied) {
        match &applied.outcome {
            Outcome::Barrier => {}
            Outcome::Epoch { relabelled } => self.tally.count(|counts| {
                counts.epochs += 1;
                if *relabelled {
                    *counts.generations.entry("relabelled").or_default() += 1;
                }
            }),
            Outcome::Void(why) => {
                let name = match why {
                    Void::Again => "again",
                    Void::OutOfTurn => "out_of_turn",
                    Void::Foreign => "foreign",
                };
                self.tally
                    .count(|counts| *counts.voids.entry(name).or_default() += 1);
                if *why == Void::Foreign && !self.told_foreign.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        "somebody else writes to the broker's log; what is not from a node of it \
                         is skipped"
                    );
                }
            }
            Outcome::Units(answers) => {
                let why = |answer: &Answer| match answer {
                    Answer::Appended(Appended::Known(_)) => Some("known"),
                    Answer::Appended(Appended::Refused(_)) => Some("refused"),
                    Answer::Appended(Appended::Full(_)) => Some("full"),
                    Answer::Appended(Appended::New(_)) | Answer::Erased(_) => None,
                };
                if answers.iter().any(|answer| why(answer).is_some()) {
                    let voids = answers.iter().filter_map(why);
                    self.tally.count(|counts| {
                        voids.for_each(|why| *counts.voids.entry(why).or_default() += 1);
                    });
                }
            }
        }
    }

    /// Answers those who wait for a group.
    fn land(&self, applied: Applied) {
        let Some((node, counter)) = applied.from else {
            return;
        };
        if let Outcome::Void(Void::OutOfTurn) = applied.outcome {
            self.give_up(node, counter);
            return;
        }
        let Some(flight) = self.flights.take(node, counter) else {
            return;
        };
        if matches!(applied.outcome, Outcome::Units(_) | Outcome::Barrier) {
            // The broker's own answer may be lost, and the callers are about to be told.
            let now = Instant::now();
            let group = flight.group.clone();
            self.outbox.lock().push(node, counter, group, now);
        }
        if let Some(question) = flight.ticket {
            self.certain.answer(question);
        }
        match applied.outcome {
            Outcome::Units(answers) => {
                for (caller, answer) in flight.callers.into_iter().zip(answers) {
                    caller.answer(Ok(answer));
                }
            }
            _ => flight.fail(&in_doubt()),
        }
        self.landed.notify_one();
    }

    /// Gives up the groups of a node of this process from `counter` on: they can't be accepted any
    /// more. Their callers are told, and none of them is sent again.
    pub(crate) fn give_up(&self, node: NodeId, counter: u64) {
        let given_up = self
            .flights
            .take_all(|known, number| known == node && number >= counter);
        if given_up.is_empty() {
            return;
        }
        self.outbox.lock().give_up(node, counter);
        self.renew.store(true, Ordering::Release);
        for flight in given_up {
            if flight.ticket.is_some() {
                self.certain.again();
            }
            flight.fail(&in_doubt());
        }
        self.landed.notify_one();
    }

    /// Makes `fold` the copy of the log, which was read anew.
    pub(crate) fn install(&self, fold: Fold, log: LogId) {
        {
            let mut copy = self.copy.lock();
            copy.epochs = fold.replica.epochs().clone();
            (copy.head, copy.log_ms, copy.folded_at) = (fold.head(), fold.log_ms(), Instant::now());
            copy.generation += 1;
            copy.changes = 0;
            copy.log = Some(log);
            self.tails
                .tell(&News::Rebuilt(copy.head, copy.epochs.clone()));
            copy.fold = Some(fold);
        }
        // What was appended and is in a snapshot was never decided here.
        let copy = self.copy.lock();
        let Some(fold) = &copy.fold else { return };
        for flight in self
            .flights
            .take_all(|node, counter| counter <= fold.last_of(node))
        {
            if let Some(question) = flight.ticket {
                self.certain.answer(question);
            }
            flight.fail(&in_doubt());
        }
        self.landed.notify_one();
    }

    /// Drops the copy of the log. It is freed before another one is made.
    pub(crate) fn drop_copy(&self, why: &'static str) {
        self.pulse.set_ready(Ready::NotYet);
        let fold = self.copy.lock().fold.take();
        drop(fold);
        self.tally
            .count(|counts| *counts.generations.entry(why).or_default() += 1);
    }

    /// Notes the state that the broker has told.
    pub(crate) fn learn(&self, state: &State) {
        let is_known = {
            let known = self.known.lock();
            known.trimmed == state.trimmed && known.snapshot == state.snapshot
        };
        if !is_known {
            self.set_known(state.trimmed, state.snapshot.clone());
        }
    }

    /// Notes that the log was truncated up to `trimmed`.
    pub(crate) fn truncated(&self, snapshot: SnapshotId, trimmed: Mark) {
        self.set_known(trimmed, Some(snapshot));
    }

    fn set_known(&self, trimmed: Mark, snapshot: Option<SnapshotId>) {
        *self.known.lock() = Known {
            trimmed,
            snapshot,
            since: Instant::now(),
        };
        let mut copy = self.copy.lock();
        copy.changes = 0;
        if let Some(fold) = &mut copy.fold {
            fold.places.forget(trimmed);
        }
    }

    /// Returns the mark of the newest group that was folded.
    pub(crate) fn mark(&self) -> Mark {
        self.copy
            .lock()
            .fold
            .as_ref()
            .map_or(Mark::default(), |fold| fold.places.newest().mark)
    }

    /// Returns whether what was folded can be what the log has: it has the epoch that was current
    /// at this state, if it has everything up to there.
    pub(crate) fn is_on_line(&self, state: &State) -> bool {
        let copy = self.copy.lock();
        let lacks_it =
            |fold: &Fold| fold.places.newest().mark >= state.head && !fold.knows(state.epoch);
        !copy.fold.as_ref().is_some_and(lacks_it)
    }

    /// Returns the newest group of a node that was folded.
    pub(crate) fn last_of(&self, node: NodeId) -> u64 {
        self.copy
            .lock()
            .fold
            .as_ref()
            .map_or(0, |fold| fold.last_of(node))
    }
}

/// The error of a unit of which nobody can say what came of it.
pub(crate) fn in_doubt() -> Error {
    Error::Uncertain("the broker's history changed while it was on its way".to_owned())
}
