//! The committer: appends what is published on this node, one group at a time. A group has all that
//! was queued while the one before was on its way, so the groups grow with the load, and nothing
//! waits for a timer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_journal::{Epoch, Error};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::broker::{Encoded, Failure, LogId, Placed};
use crate::group::{Group, Kind, NodeId, encode_units, readdress};
use crate::node::{Node, Session, in_doubt};
use crate::outbox::Plan;
use crate::queue::{Flight, Waiting, late};

/// For how long a group is tried, if nobody waits for it.
const MAX_TRY: Duration = Duration::from_secs(10);

/// After how long without an append a node appends a barrier, which proves that it can, and tells
/// the log the time.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// The least time between two barriers.
const BARRIER_INTERVAL: Duration = Duration::from_secs(1);

/// The most groups that are acknowledged and not folded yet.
const MAX_UNFOLDED: usize = 16;

/// The committer of a node.
struct Committer<'a> {
    node: &'a Node,
    id: NodeId,
    /// The number of groups that `id` has sent.
    counter: u64,
    /// The session that was prepared: everything lost before it was sent again.
    served: u64,
    log: Option<LogId>,
    /// When the last group was appended, and when the last barrier was sent.
    appended_at: Instant,
    barrier_at: Option<Instant>,
}

/// Appends what is published on this node, for ever.
pub(crate) async fn run(node: &Node) {
    let id = node.draw_node();
    let appended_at = Instant::now();
    let mut committer = Committer {
        node,
        id,
        counter: 0,
        served: 0,
        log: None,
        appended_at,
        barrier_at: None,
    };
    loop {
        let session = committer.session(None).await;
        if let Some(session) = session
            && let Some(units) = committer.next(&session).await
        {
            committer.commit(units, &session).await;
        }
    }
}

impl Committer<'_> {
    /// Waits for a log that is open. Before anything else is appended to it, what was lost is sent
    /// again. `None` if that takes until `deadline`.
    async fn session(&mut self, deadline: Option<Instant>) -> Option<Session> {
        loop {
            match self.node.session.get() {
                Some(session) if session.number == self.served => return Some(session),
                Some(session) => {
                    if self.serve(&session).await {
                        return Some(session);
                    }
                }
                None => {
                    self.node.queue.purge(Instant::now());
                    let _ = timeout(
                        Duration::from_secs(1),
                        self.node.session.wait_for(Option::is_some),
                    )
                    .await;
                }
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return None;
            }
        }
    }

    /// Prepares a session. Returns false if that has to be tried again.
    async fn serve(&mut self, session: &Session) -> bool {
        let node = self.node;
        if self.log.as_ref().is_some_and(|log| *log != session.log) {
            // The log is another one, and what was in the old one does not belong there.
            node.outbox.lock().clear();
            for flight in node.flights.take_all(|_, _| true) {
                self.fail(flight, &in_doubt());
            }
            self.renew();
        }
        self.log = Some(session.log.clone());
        let plan = self.plan(session.epoch);
        for sent in plan.send {
            match node.broker.append(session.epoch, &sent.group).await {
                Ok(placed) => {
                    node.tally.count(|counts| counts.resent += 1);
                    self.echo(placed, session);
                }
                Err(failure) => {
                    node.pulse.appended(Err(failure.to_string()));
                    if let Failure::Full(_) = failure {
                        sleep(Duration::from_secs(1)).await;
                    } else {
                        node.reopen(session.number);
                    }
                    return false;
                }
            }
        }
        self.served = session.number;
        true
    }

    /// Says what was lost and has to be sent again.
    fn plan(&mut self, epoch: Epoch) -> Plan {
        let node = self.node;
        let now = Instant::now();
        let fresh_id = node.draw_node();
        let mut fresh = 0;
        let plan = node.outbox.lock().plan(
            epoch,
            |id| node.last_of(id),
            |id, counter| node.flights.is_wanted(id, counter, now) == Some(false),
            || {
                fresh += 1;
                (fresh_id, fresh)
            },
        );
        for (from, to) in &plan.moved {
            node.flights.readdress(*from, *to);
        }
        for (id, counter) in &plan.given_up {
            if let Some(flight) = node.flights.take(*id, *counter) {
                self.fail(flight, &late());
            }
        }
        if !plan.moved.is_empty() || !plan.given_up.is_empty() {
            // Whatever was sent under the old id and was not acknowledged stands behind the gap.
            let old = self.id;
            let is_moved =
                |id: NodeId, counter: u64| plan.moved.iter().any(|(_, to)| *to == (id, counter));
            for flight in node
                .flights
                .take_all(|id, counter| id == old && !is_moved(id, counter))
            {
                self.fail(flight, &in_doubt());
            }
            (self.id, self.counter) = (fresh_id, fresh);
        }
        plan
    }

    /// Waits for something to append: the units of the next group, none for a barrier. `None` if
    /// the session has ended.
    async fn next(&mut self, session: &Session) -> Option<Vec<Waiting>> {
        let node = self.node;
        loop {
            if node.session.get().as_ref() != Some(session) {
                return None;
            }
            let now = Instant::now();
            let units = node.queue.take(now);
            if !units.is_empty() {
                return Some(units);
            }
            let may_ask = self.barrier_at.map_or(now, |at| at + BARRIER_INTERVAL);
            let probe = self.appended_at + PROBE_INTERVAL;
            let due = if node.certain.is_asked() {
                may_ask.min(probe)
            } else {
                probe
            };
            if due <= now {
                return Some(Vec::new());
            }
            tokio::select! {
            biased;
                () = node.queue.arrived() => {}
                () = node.certain.asked() => {}
                _ = self.node.session.wait_for(|now| now.as_ref() != Some(session)) => {}
                () = sleep_until(due) => {}
            }
        }
    }

    /// Appends a group, and tries again for as long as somebody waits for it.
    async fn commit(&mut self, units: Vec<Waiting>, session: &Session) {
        let node = self.node;
        if node.renew.swap(false, Ordering::AcqRel) {
            self.renew();
        }
        self.counter += 1;
        let (id, counter) = (self.id, self.counter);
        let count = units.len();
        let group = if units.is_empty() {
            self.barrier_at = Some(Instant::now());
            Group {
                node: id,
                counter,
                epoch: session.epoch,
                kind: Kind::Barrier,
            }
            .encode()
        } else {
            encode_units(
                id,
                counter,
                session.epoch,
                units
                    .iter()
                    .map(|waiting| (&*waiting.unit, waiting.records)),
            )
        };
        let callers = units.into_iter().map(|waiting| waiting.caller).collect();
        let flight = Flight {
            node: id,
            counter,
            callers,
            ticket: node.certain.take(),
            group: group.clone(),
        };
        let deadline = flight
            .deadline()
            .unwrap_or_else(|| Instant::now() + MAX_TRY);
        node.flights.push(flight);
        let error = self
            .send((group, session.epoch), count, (id, counter), deadline)
            .await
            .err();
        self.appended_at = Instant::now();
        if let Some(error) = error
            && let Some(flight) = node.flights.take(id, counter)
        {
            self.fail(flight, &error);
            self.renew();
        }
    }

    /// Sends a group until it is acknowledged. Returns an error if it is given up.
    async fn send(
        &mut self,
        (mut group, mut epoch): (Encoded, Epoch),
        units: usize,
        (id, counter): (NodeId, u64),
        deadline: Instant,
    ) -> Result<(), Error> {
        let node = self.node;
        loop {
            let Some(session) = self.session(Some(deadline)).await else {
                return Err(late());
            };
            if !node.flights.has(id, counter) {
                self.keep(&group, (id, counter));
                return Ok(());
            }
            if session.epoch != epoch {
                group = readdress(&group, id, counter, session.epoch).unwrap_or(group);
                epoch = session.epoch;
            }
            let began = Instant::now();
            let failure = match node.broker.append(epoch, &group).await {
                Ok(placed) => {
                    node.pulse.appended(Ok(()));
                    node.tally.appended(units, began.elapsed());
                    self.keep(&group, (id, counter));
                    self.echo(placed, &session);
                    self.wait_for_folds(&session).await;
                    return Ok(());
                }
                Err(failure) => failure,
            };
            node.pulse.appended(Err(failure.to_string()));
            match failure {
                Failure::Full(why) => {
                    return Err(Error::Closed(format!(
                        "the broker takes nothing: {why}; it recovers by itself"
                    )));
                }
                Failure::TooLarge(why) => return Err(Error::TooLarge(why)),
                Failure::Unusable(why) => return Err(Error::Closed(why)),
                Failure::Unsure(_) | Failure::Reopen(_) | Failure::Gone(_) => {
                    node.reopen(session.number);
                }
            }
            if deadline <= Instant::now() {
                return Err(late());
            }
        }
    }

    /// Keeps a group that was appended, unless it was given up in the meantime.
    fn keep(&self, group: &Encoded, (id, counter): (NodeId, u64)) {
        if self.node.flights.has(id, counter) || self.node.last_of(id) >= counter {
            self.node
                .outbox
                .lock()
                .push(id, counter, group.clone(), Instant::now());
        }
    }

    /// Folds what this node has appended, if it comes next.
    fn echo(&self, placed: Placed, session: &Session) {
        if let Placed::Whole(raw) = placed
            && let Err(broken) = self.node.take(&raw)
        {
            tracing::warn!(%broken, "a group of this node does not fit into the log");
            self.node.reopen(session.number);
        }
    }

    /// Waits while many groups are acknowledged and not folded.
    async fn wait_for_folds(&self, session: &Session) {
        while self.node.flights.count() >= MAX_UNFOLDED
            && self.node.session.get().as_ref() == Some(session)
        {
            tokio::select! {
            biased;
                () = self.node.landed.notified() => {}
                _ = self.node.session.wait_for(|now| now.as_ref() != Some(session)) => {}
            }
        }
    }

    /// Tells the callers of a group that it is given up.
    fn fail(&self, flight: Flight, error: &Error) {
        if flight.ticket.is_some() {
            self.node.certain.again();
        }
        flight.fail(error);
    }

    /// Takes another id, because a group of the one before was given up and may yet arrive.
    fn renew(&mut self) {
        (self.id, self.counter) = (self.node.draw_node(), 0);
    }
}
