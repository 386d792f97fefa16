//! Memberships, streams and deadlines: a plain data structure, which waits for nothing.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tidings_journal::{Position, TopicName};
use tokio::time::Instant;

use super::member::{MAX_MEMBERSHIPS, MAX_MEMBERSHIPS_PER_USER, Member, MembershipLimit};
use crate::user::UserId;

/// The members of all topics, and the users that are members or have a stream open.
#[derive(Default)]
pub(super) struct State {
    pub(super) members: HashMap<TopicName, HashMap<UserId, Membership>>,
    pub(super) users: HashMap<UserId, User>,
    /// When the first membership of each user ends, for users with memberships that no open stream
    /// keeps alive.
    pub(super) deadlines: BTreeSet<(Instant, UserId)>,
    pub(super) memberships: usize,
    /// The memberships that pending joins will add.
    pub(super) pending: usize,
}

/// The streams, memberships and pending joins of one user.
#[derive(Default)]
pub(super) struct User {
    /// The number of open streams on the aggregate. Each of them keeps every membership of the user
    /// alive.
    aggregate_streams: usize,
    /// When the last stream on the aggregate closed. No grace period began before that.
    aggregate_closed_at: Option<Instant>,
    /// The number of open streams on each topic itself.
    streams: HashMap<TopicName, usize>,
    /// The topics that the user is a member of, and since when no stream on the topic itself is
    /// open.
    memberships: HashMap<TopicName, Option<Instant>>,
    /// The memberships without a stream on the topic itself, in the order in which their grace
    /// periods end.
    idle: BTreeSet<(Instant, TopicName)>,
    /// The user's place in [`State::deadlines`].
    deadline: Option<Instant>,
    /// The topics that the user is about to join, with the number of calls that are in progress.
    joins: HashMap<TopicName, usize>,
    /// How many of `joins` are for topics that the user is not a member of.
    pending: usize,
}

/// What is stored about a membership.
pub(super) struct Membership {
    pub(super) username: Arc<str>,
    pub(super) joined_at_ms: i64,
    pub(super) position: Position,
}

impl State {
    pub(super) fn user(&mut self, user: &UserId) -> &mut User {
        self.users.entry(user.clone()).or_default()
    }

    pub(super) fn begin_join(
        &mut self,
        topic: &TopicName,
        user: &UserId,
    ) -> Result<(), MembershipLimit> {
        let known = self.users.get(user);
        let is_new = known.is_none_or(|known| {
            !known.memberships.contains_key(topic) && !known.joins.contains_key(topic)
        });
        if is_new
            && known.is_some_and(|known| {
                known.memberships.len() + known.pending >= MAX_MEMBERSHIPS_PER_USER
            })
        {
            return Err(MembershipLimit::User);
        }
        if is_new && self.memberships + self.pending >= MAX_MEMBERSHIPS {
            return Err(MembershipLimit::Total);
        }
        self.pending += usize::from(is_new);
        let known = self.user(user);
        known.pending += usize::from(is_new);
        *known.joins.entry(topic.clone()).or_default() += 1;
        Ok(())
    }

    pub(super) fn end_join(&mut self, topic: &TopicName, user: &UserId) {
        let Some(known) = self.users.get_mut(user) else {
            return;
        };
        if let Entry::Occupied(mut calls) = known.joins.entry(topic.clone()) {
            *calls.get_mut() -= 1; // an entry with a count of 0 is removed, so this is at least 1
            if *calls.get() == 0 {
                calls.remove();
                if !known.memberships.contains_key(topic) {
                    known.pending -= 1;
                    self.pending -= 1;
                }
            }
        }
    }

    /// Adds or updates a membership. Returns whether it is new.
    pub(super) fn add(&mut self, topic: &TopicName, user: &UserId, membership: Membership) -> bool {
        if self
            .members
            .entry(topic.clone())
            .or_default()
            .insert(user.clone(), membership)
            .is_some()
        {
            return false;
        }
        self.memberships += 1;
        let known = self.users.entry(user.clone()).or_default();
        known.memberships.insert(topic.clone(), None);
        if !known.streams.contains_key(topic) {
            known.set_idle(topic);
        }
        if known.joins.contains_key(topic) {
            known.pending -= 1;
            self.pending -= 1;
        }
        true
    }

    /// Removes a membership. Returns whether there was one.
    pub(super) fn remove(&mut self, topic: &TopicName, user: &UserId) -> bool {
        let Some(members) = self.members.get_mut(topic) else {
            return false;
        };
        if members.remove(user).is_none() {
            return false;
        }
        if members.is_empty() {
            self.members.remove(topic);
        }
        self.memberships -= 1;
        if let Some(known) = self.users.get_mut(user) {
            known.set_busy(topic);
            known.memberships.remove(topic);
            if known.joins.contains_key(topic) {
                known.pending += 1;
                self.pending += 1;
            }
        }
        true
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&TopicName, &UserId)> {
        self.members
            .iter()
            .flat_map(|(topic, members)| members.keys().map(move |user| (topic, user)))
    }

    pub(super) fn member(&self, topic: &TopicName, user: &UserId) -> Option<Member> {
        let membership = self.members.get(topic)?.get(user)?;
        Some(self.to_member(topic, user, membership))
    }

    pub(super) fn members_of(&self, topic: &TopicName) -> Vec<Member> {
        let members = self.members.get(topic).into_iter().flatten();
        members
            .map(|(user, membership)| self.to_member(topic, user, membership))
            .collect()
    }

    pub(super) fn topics_of(&self, user: &UserId) -> Vec<TopicName> {
        self.users
            .get(user)
            .map(|known| known.memberships.keys().cloned().collect())
            .unwrap_or_default()
    }

    pub(super) fn first_deadline(&self) -> Option<(Instant, TopicName, UserId)> {
        let (deadline, user) = self.deadlines.first()?;
        let (_, topic) = self.users.get(user)?.idle.first()?;
        Some((*deadline, topic.clone(), user.clone()))
    }

    /// Sets the deadline that follows from the user's streams and memberships, and drops a user who
    /// has none of either and no pending join. Returns whether there is a new deadline.
    pub(super) fn arm(&mut self, user: &UserId, grace: Duration) -> bool {
        let Some(known) = self.users.get_mut(user) else {
            return false;
        };
        let first = known
            .idle
            .first()
            .and_then(|(since, _)| known.end_since(*since, grace));
        let before = std::mem::replace(&mut known.deadline, first);
        if known.is_unknown() {
            self.users.remove(user);
        }
        if before == first {
            return false;
        }
        if let Some(before) = before {
            self.deadlines.remove(&(before, user.clone()));
        }
        first.is_some_and(|first| self.deadlines.insert((first, user.clone())))
    }

    fn to_member(&self, topic: &TopicName, user: &UserId, membership: &Membership) -> Member {
        let streams =
            |known: &User| known.aggregate_streams + known.streams.get(topic).copied().unwrap_or(0);
        let Membership {
            username,
            joined_at_ms,
            position,
        } = membership;
        Member {
            user: user.clone(),
            username: username.clone(),
            joined_at_ms: *joined_at_ms,
            position: *position,
            connections: self.users.get(user).map_or(0, streams),
        }
    }
}

impl User {
    pub(super) fn stream_opened(&mut self, topic: &TopicName, is_aggregate: bool) {
        if is_aggregate {
            self.aggregate_streams += 1;
        } else {
            *self.streams.entry(topic.clone()).or_default() += 1;
            self.set_busy(topic);
        }
    }

    pub(super) fn stream_closed(&mut self, topic: &TopicName, is_aggregate: bool) {
        if is_aggregate {
            self.aggregate_streams = self.aggregate_streams.saturating_sub(1);
            self.aggregate_closed_at = Some(Instant::now());
        } else if let Entry::Occupied(mut count) = self.streams.entry(topic.clone()) {
            *count.get_mut() -= 1; // an entry with a count of 0 is removed, so this is at least 1
            if *count.get() == 0 {
                count.remove();
                self.set_idle(topic);
            }
        }
    }

    /// Returns when the membership in `topic` ends; `None` while an open stream keeps it alive.
    pub(super) fn end_of(&self, topic: &TopicName, grace: Duration) -> Option<Instant> {
        self.end_since((*self.memberships.get(topic)?)?, grace)
    }

    /// Begins another grace period for a membership without a stream on its topic. Returns whether
    /// there is such a membership.
    pub(super) fn renew(&mut self, topic: &TopicName) -> bool {
        let is_idle = self.memberships.get(topic).is_some_and(Option::is_some);
        if is_idle {
            self.set_busy(topic);
            self.set_idle(topic);
        }
        is_idle
    }

    /// Returns whether the user has no streams, memberships or pending joins.
    fn is_unknown(&self) -> bool {
        let Self {
            aggregate_streams,
            streams,
            memberships,
            joins,
            ..
        } = self;
        *aggregate_streams == 0 && streams.is_empty() && memberships.is_empty() && joins.is_empty()
    }

    /// Notes that no stream on `topic` itself is open from now on.
    fn set_idle(&mut self, topic: &TopicName) {
        if let Some(since) = self
            .memberships
            .get_mut(topic)
            .filter(|since| since.is_none())
        {
            let now = Instant::now();
            *since = Some(now);
            self.idle.insert((now, topic.clone()));
        }
    }

    /// Notes that a stream on `topic` itself is open.
    fn set_busy(&mut self, topic: &TopicName) {
        if let Some(since) = self.memberships.get_mut(topic).and_then(Option::take) {
            self.idle.remove(&(since, topic.clone()));
        }
    }

    /// Returns when a membership ends that has had no stream on its topic since `idle_since`;
    /// `None` while a stream on the aggregate keeps it alive.
    fn end_since(&self, idle_since: Instant, grace: Duration) -> Option<Instant> {
        let since = self
            .aggregate_closed_at
            .map_or(idle_since, |closed| closed.max(idle_since));
        (self.aggregate_streams == 0).then(|| since + grace)
    }
}
