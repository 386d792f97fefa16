//! The outbox: the groups that this node has appended a short while ago. What a broker loses of
//! them when it fails over is sent again.

use std::collections::VecDeque;
use std::time::Duration;

use tidings_journal::Epoch;
use tokio::time::Instant;

use crate::broker::Encoded;
use crate::group::{self, NodeId};

/// For how long groups are kept. It is measured when another group is added, so that nothing is
/// dropped while the broker is away.
const MAX_AGE: Duration = Duration::from_secs(30);

/// The most bytes of groups that are kept.
const MAX_BYTES: usize = 64 << 20;

/// More than the number of groups that can be acknowledged and not folded yet.
const MAX_UNFOLDED: usize = 64;

/// A group that the broker has acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) node: NodeId,
    pub(crate) counter: u64,
    pub(crate) group: Encoded,
    at: Instant,
}

/// The groups that were acknowledged, in the order in which they were sent.
#[derive(Default)]
pub(crate) struct Outbox {
    sent: VecDeque<Sent>,
    bytes: usize,
}

/// What becomes of the groups that the log does not have any more.
#[derive(Default)]
pub(crate) struct Plan {
    /// The groups to be sent, in this order.
    pub(crate) send: Vec<Sent>,
    /// The groups that belong to another node now: what they were, and what they are.
    pub(crate) moved: Vec<((NodeId, u64), (NodeId, u64))>,
    /// The groups that are given up.
    pub(crate) given_up: Vec<(NodeId, u64)>,
}

impl Outbox {
    /// Adds a group that was acknowledged, by the broker or by the fold, unless it is here.
    pub(crate) fn push(&mut self, node: NodeId, counter: u64, group: Encoded, now: Instant) {
        let is_it = |sent: &Sent| sent.node == node && sent.counter == counter;
        if self.sent.iter().rev().take(MAX_UNFOLDED).any(is_it) {
            return;
        }
        self.bytes += group.bytes.len();
        self.sent.push_back(Sent {
            node,
            counter,
            group,
            at: now,
        });
        while let Some(oldest) = self.sent.front()
            && (self.bytes > MAX_BYTES || now.saturating_duration_since(oldest.at) > MAX_AGE)
        {
            self.bytes -= oldest.group.bytes.len();
            self.sent.pop_front();
        }
    }

    /// Forgets everything, because the log is another one.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets the groups of a node from `counter` on, because their callers were told that they
    /// may not be in the log.
    pub(crate) fn give_up(&mut self, node: NodeId, counter: u64) {
        let is_kept = |sent: &Sent| sent.node != node || sent.counter < counter;
        self.sent.retain(is_kept);
        self.bytes = self.sent.iter().map(|sent| sent.group.bytes.len()).sum();
    }

    /// Says what has to be sent again, in `epoch`. `last` returns the newest group of a node that
    /// the log has, and `is_given_up` whether the callers of a group were told that it may not be
    /// in the log.
    ///
    /// A node's groups have to follow each other without a gap. Behind a gap, which is what was
    /// given up or is no longer here, they get the ids that `fresh` returns. That doubles nothing,
    /// because behind a gap no copy that may still be on its way is accepted.
    pub(crate) fn plan(
        &mut self,
        epoch: Epoch,
        last: impl Fn(NodeId) -> u64,
        is_given_up: impl Fn(NodeId, u64) -> bool,
        mut fresh: impl FnMut() -> (NodeId, u64),
    ) -> Plan {
        let mut plan = Plan::default();
        let mut is_moving = false;
        let mut before: Option<(NodeId, u64)> = None;
        let mut kept = VecDeque::with_capacity(self.sent.len());
        for mut sent in std::mem::take(&mut self.sent) {
            if sent.counter <= last(sent.node) {
                before = Some((sent.node, last(sent.node)));
                kept.push_back(sent);
                continue;
            }
            let at = (sent.node, sent.counter);
            if is_given_up(sent.node, sent.counter) {
                plan.given_up.push(at);
                is_moving = true;
                continue;
            }
            let follows = match before {
                Some((node, counter)) if node == sent.node => {
                    counter.max(last(node)) + 1 == sent.counter
                }
                _ => last(sent.node) + 1 == sent.counter,
            };
            if is_moving || !follows {
                is_moving = true;
                (sent.node, sent.counter) = fresh();
                plan.moved.push((at, (sent.node, sent.counter)));
            }
            let Some(group) = group::readdress(&sent.group, sent.node, sent.counter, epoch) else {
                continue;
            };
            sent.group = group;
            before = Some((sent.node, sent.counter));
            plan.send.push(sent.clone());
            kept.push_back(sent);
        }
        self.sent = kept;
        self.bytes = self.sent.iter().map(|sent| sent.group.bytes.len()).sum();
        plan
    }
}
