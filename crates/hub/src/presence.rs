//! The members of topics.
//!
//! A user becomes a member of a topic by joining, and is one member even with several open streams.
//! The membership ends when the user leaves, or a grace period after the user's last stream on the
//! topic has closed. Without any stream, it ends a grace period after joining. The stream may be on
//! the topic itself or on the aggregate that shows all topics below it.
//!
//! The log decides who is a member: the fold of the log calls [`Presence::enter`] and
//! [`Presence::leave`] in the order of the log, and nothing else adds or removes a member. Only
//! this module knows which streams a member has open and when a grace period is over. It publishes
//! nothing to the topic; the application does that.
//!
//! All users share one lock here, so no operation may loop over everything that a user has. A
//! stream on the aggregate is therefore one count, and each user has one deadline: that of the
//! membership that ends first. The memberships of one user are limited to
//! [`MAX_MEMBERSHIPS_PER_USER`], those of all users to [`MAX_MEMBERSHIPS`]; a join that is not in
//! the log yet counts already ([`PendingJoin`]).

mod member;
mod state;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_journal::TopicName;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::member::{MAX_MEMBERSHIPS, MAX_MEMBERSHIPS_PER_USER, Member, MembershipLimit};
use self::state::{Membership, State};
use crate::user::{UserId, truncate_name};

/// The members of the topics below one aggregate.
pub struct Presence {
    /// The topic whose streams receive the events of all topics below it.
    aggregate: TopicName,
    grace: Duration,
    state: Mutex<State>,
    /// Notified when the first deadline is earlier than before.
    sooner: Notify,
}

/// A membership that is about to be written to the log. It counts against the limits until it is
/// dropped. Once the membership is in the log, it counts there and no longer here.
#[must_use = "the join no longer counts when this is dropped"]
pub struct PendingJoin {
    presence: Arc<Presence>,
    topic: TopicName,
    user: UserId,
}

impl Presence {
    /// Creates a presence without members. A stream on `aggregate` receives every topic that has
    /// members.
    pub fn new(aggregate: TopicName, grace: Duration) -> Self {
        Self {
            aggregate,
            grace,
            state: Mutex::default(),
            sooner: Notify::new(),
        }
    }

    /// Counts a membership of `user` in `topic` before it is written to the log. Fails at a limit,
    /// unless the user is a member already.
    pub fn begin_join(
        self: &Arc<Self>,
        topic: &TopicName,
        user: &UserId,
    ) -> Result<PendingJoin, MembershipLimit> {
        self.state.lock().begin_join(topic, user)?;
        Ok(PendingJoin {
            presence: self.clone(),
            topic: topic.clone(),
            user: user.clone(),
        })
    }

    /// Adds a member because the log says so, even above a limit. A user who is a member already
    /// keeps the deadline.
    pub fn enter(&self, topic: &TopicName, member: &Member) {
        let mut state = self.state.lock();
        let username = truncate_name(&member.username);
        let username = if username.len() == member.username.len() {
            member.username.clone()
        } else {
            username.into()
        };
        let membership = Membership {
            username,
            joined_at_ms: member.joined_at_ms,
            position: member.position,
        };
        if state.add(topic, &member.user, membership) {
            self.arm(&mut state, &member.user);
        }
    }

    /// Removes a member because the log says so.
    pub fn leave(&self, topic: &TopicName, user: &UserId) {
        let mut state = self.state.lock();
        if state.remove(topic, user) {
            self.arm(&mut state, user);
        }
    }

    /// Replaces all members by `members`, because the log says that there are no others. A user who
    /// was a member before keeps the deadline.
    pub fn replace(&self, members: &[(TopicName, Member)]) {
        let kept: HashSet<_> = members
            .iter()
            .map(|(topic, member)| (topic, &member.user))
            .collect();
        let gone: Vec<_> = {
            let state = self.state.lock();
            let gone = state.all().filter(|one| !kept.contains(one));
            gone.map(|(topic, user)| (topic.clone(), user.clone()))
                .collect()
        };
        for (topic, user) in gone {
            self.leave(&topic, &user);
        }
        for (topic, member) in members {
            self.enter(topic, member);
        }
    }

    /// Returns the membership of `user` in `topic`, if there is one.
    pub fn member(&self, topic: &TopicName, user: &UserId) -> Option<Member> {
        self.state.lock().member(topic, user)
    }

    /// Returns the members of `topic`, in the order of joining.
    pub fn members(&self, topic: &TopicName) -> Vec<Member> {
        let mut members = self.state.lock().members_of(topic);
        members.sort_unstable_by(|a, b| (a.joined_at_ms, &a.user).cmp(&(b.joined_at_ms, &b.user)));
        members
    }

    /// Returns the topics that have members, with the number of members of each.
    pub fn topics(&self) -> Vec<(TopicName, usize)> {
        self.state
            .lock()
            .members
            .iter()
            .map(|(topic, members)| (topic.clone(), members.len()))
            .collect()
    }

    /// Returns how many memberships there are: a member of three topics has three.
    pub fn memberships(&self) -> usize {
        self.state.lock().memberships
    }

    /// Returns the topics that `user` is a member of.
    pub fn topics_of(&self, user: &UserId) -> Vec<TopicName> {
        self.state.lock().topics_of(user)
    }

    /// Notes that a stream of `user` on `topics` has opened.
    pub(crate) fn stream_opened<'a>(
        &self,
        user: &UserId,
        topics: impl IntoIterator<Item = &'a TopicName>,
    ) {
        for topic in topics
            .into_iter()
            .filter(|topic| self.may_have_members(topic))
        {
            let mut state = self.state.lock();
            state
                .user(user)
                .stream_opened(topic, *topic == self.aggregate);
            self.arm(&mut state, user);
        }
    }

    /// Notes that a stream of `user` on `topics` has closed.
    pub(crate) fn stream_closed<'a>(
        &self,
        user: &UserId,
        topics: impl IntoIterator<Item = &'a TopicName>,
    ) {
        for topic in topics
            .into_iter()
            .filter(|topic| self.may_have_members(topic))
        {
            let mut state = self.state.lock();
            let Some(known) = state.users.get_mut(user) else {
                continue;
            };
            known.stream_closed(topic, *topic == self.aggregate);
            self.arm(&mut state, user);
        }
    }

    /// Waits until the grace period of a member is over, and returns the topic and the user. The
    /// membership lasts until the log ends it.
    pub async fn next_expired(&self) -> (TopicName, UserId) {
        loop {
            let first = self.state.lock().first_deadline();
            match first {
                Some((deadline, topic, user)) => tokio::select! {
                    () = tokio::time::sleep_until(deadline) => return (topic, user),
                    () = self.sooner.notified() => {}
                },
                None => self.sooner.notified().await,
            }
        }
    }

    /// Returns the membership of `user` in `topic` if its grace period is over now. It is checked
    /// again because the user may have come back since [`Presence::next_expired`] returned it.
    pub fn expired(&self, topic: &TopicName, user: &UserId) -> Option<Member> {
        let now = Instant::now();
        let state = self.state.lock();
        state
            .users
            .get(user)?
            .end_of(topic, self.grace)
            .filter(|end| *end <= now)?;
        state.member(topic, user)
    }

    /// Begins another grace period for a member whose grace period is over, because the end could
    /// not be written to the log.
    pub fn renew(&self, topic: &TopicName, user: &UserId) {
        let mut state = self.state.lock();
        if state
            .users
            .get_mut(user)
            .is_some_and(|known| known.renew(topic))
        {
            self.arm(&mut state, user);
        }
    }

    fn drop_pending(&self, PendingJoin { topic, user, .. }: &PendingJoin) {
        let mut state = self.state.lock();
        state.end_join(topic, user);
        self.arm(&mut state, user);
    }

    fn may_have_members(&self, topic: &TopicName) -> bool {
        let below = topic.as_str().strip_prefix(self.aggregate.as_str());
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Sets the deadline that follows from the user's streams and memberships.
    fn arm(&self, state: &mut State, user: &UserId) {
        if state.arm(user, self.grace) {
            self.sooner.notify_one();
        }
    }
}

impl Drop for PendingJoin {
    fn drop(&mut self) {
        self.presence.drop_pending(self);
    }
}

#[cfg(test)]
mod tests;
