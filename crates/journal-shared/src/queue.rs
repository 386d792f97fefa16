//! The units that wait to be appended, and those of them that are on their way.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tidings_journal::Error;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::broker::Encoded;
use crate::fold::Answer;
use crate::group::{MAX_UNITS, NodeId};

/// The most bytes of units that wait or are on their way.
const MAX_BYTES: usize = 64 << 20;

/// The bytes of units that are enough for a group.
const GROUP_BYTES: usize = 512 << 10;

/// Who waits for what comes of a unit.
pub(crate) struct Caller {
    answer: oneshot::Sender<Result<Answer, Error>>,
    /// When it is told that nothing is certain.
    deadline: Instant,
    _room: OwnedSemaphorePermit,
}

/// A unit that waits to be appended.
pub(crate) struct Waiting {
    pub(crate) unit: Vec<u8>,
    pub(crate) records: u64,
    pub(crate) caller: Caller,
}

/// The units that wait to be appended.
pub(crate) struct Queue {
    line: Mutex<Line>,
    room: Arc<Semaphore>,
    arrived: Notify,
}

#[derive(Default)]
struct Line {
    units: VecDeque<Waiting>,
    closed: bool,
}

impl Caller {
    pub(crate) fn answer(self, answer: Result<Answer, Error>) {
        let _ = self.answer.send(answer); // it may have gone
    }
}

impl Queue {
    pub(crate) fn new() -> Self {
        let (line, arrived) = (Mutex::default(), Notify::new());
        Self {
            line,
            room: Arc::new(Semaphore::new(MAX_BYTES)),
            arrived,
        }
    }

    /// Queues a unit of about `weight` bytes, and returns what came of it. The space for it is
    /// taken before it is encoded.
    pub(crate) async fn submit(
        &self,
        weight: usize,
        encode: impl FnOnce() -> Result<(Vec<u8>, u64), Error> + Send,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let permits = u32::try_from(weight.clamp(1, MAX_BYTES / 2)).unwrap_or(u32::MAX);
        let room = timeout_at(deadline, self.room.clone().acquire_many_owned(permits));
        let room = room.await.ok().and_then(Result::ok).ok_or_else(late)?;
        let (unit, records) = encode()?;
        let (answer, answered) = oneshot::channel();
        {
            let mut line = self.line.lock();
            if line.closed {
                return Err(closed());
            }
            line.units.push_back(Waiting {
                unit,
                records,
                caller: Caller {
                    answer,
                    deadline,
                    _room: room,
                },
            });
        }
        self.arrived.notify_one();
        timeout_at(deadline, answered)
            .await
            .ok()
            .and_then(Result::ok)
            .unwrap_or_else(|| Err(late()))
    }

    /// Waits until units may have arrived.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes the units of the next group. Those whose callers were told that nothing is certain are
    /// never sent.
    pub(crate) fn take(&self, now: Instant) -> Vec<Waiting> {
        let mut line = self.line.lock();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(next) = line.units.pop_front() {
            if next.caller.deadline <= now {
                continue;
            }
            if !taken.is_empty() && bytes + next.unit.len() > GROUP_BYTES {
                line.units.push_front(next);
                break;
            }
            bytes += next.unit.len();
            taken.push(next);
            if taken.len() == MAX_UNITS {
                break;
            }
        }
        taken
    }

    /// Drops the units whose callers were told that nothing is certain.
    pub(crate) fn purge(&self, now: Instant) {
        self.line
            .lock()
            .units
            .retain(|waiting| waiting.caller.deadline > now);
    }

    /// Takes no units any more.
    pub(crate) fn close(&self) {
        self.line.lock().closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.line.lock().closed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.line.lock().units.is_empty()
    }
}

/// A group that was sent, or is about to be, and was not folded yet.
pub(crate) struct Flight {
    pub(crate) node: NodeId,
    pub(crate) counter: u64,
    pub(crate) callers: Vec<Caller>,
    /// The question that the group answers, see [`Certain`](crate::certain::Certain).
    pub(crate) ticket: Option<u64>,
    /// The group, in the epoch in which it was sent first.
    pub(crate) group: Encoded,
}

/// All groups that are on their way, in the order in which they were sent.
#[derive(Default)]
pub(crate) struct Flights(Mutex<VecDeque<Flight>>);

impl Flight {
    /// When the last of the callers is told that nothing is certain.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.callers.iter().map(|caller| caller.deadline).max()
    }

    /// Tells all callers that the group failed.
    pub(crate) fn fail(self, error: &Error) {
        for caller in self.callers {
            caller.answer(Err(error.clone()));
        }
    }
}

impl Flights {
    pub(crate) fn push(&self, flight: Flight) {
        self.0.lock().push_back(flight);
    }

    /// Takes a group out.
    pub(crate) fn take(&self, node: NodeId, counter: u64) -> Option<Flight> {
        let mut flights = self.0.lock();
        let nth = flights
            .iter()
            .position(|flight| flight.node == node && flight.counter == counter)?;
        flights.remove(nth)
    }

    pub(crate) fn has(&self, node: NodeId, counter: u64) -> bool {
        self.0
            .lock()
            .iter()
            .any(|flight| flight.node == node && flight.counter == counter)
    }

    /// Returns whether a group is still to be appended, because not all of its callers have been
    /// told that nothing is certain. `None` if it is not on its way.
    pub(crate) fn is_wanted(&self, node: NodeId, counter: u64, now: Instant) -> Option<bool> {
        let flights = self.0.lock();
        let flight = flights
            .iter()
            .find(|flight| flight.node == node && flight.counter == counter)?;
        Some(flight.deadline().is_none_or(|deadline| deadline > now))
    }

    /// Notes that a group belongs to another node now.
    pub(crate) fn readdress(&self, from: (NodeId, u64), to: (NodeId, u64)) {
        let mut flights = self.0.lock();
        if let Some(flight) = flights
            .iter_mut()
            .find(|flight| (flight.node, flight.counter) == from)
        {
            (flight.node, flight.counter) = to;
        }
    }

    /// Takes the groups out that `choose` chooses.
    pub(crate) fn take_all(&self, choose: impl Fn(NodeId, u64) -> bool) -> Vec<Flight> {
        let mut flights = self.0.lock();
        let (taken, rest) = flights
            .drain(..)
            .partition(|flight| choose(flight.node, flight.counter));
        *flights = rest;
        taken.into()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().len()
    }
}

/// The error of a call that took too long.
pub(crate) fn late() -> Error {
    Error::Uncertain("the broker did not confirm it in time".to_owned())
}

/// The error of a call to a log that was closed.
pub(crate) fn closed() -> Error {
    Error::Closed("the server is stopping".to_owned())
}

/// The error of a call that was answered with something else. It never happens, because the answers
/// of a group are in the order of its units.
pub(crate) fn in_vain() -> Error {
    Error::Uncertain("the answer belongs to another call".to_owned())
}
