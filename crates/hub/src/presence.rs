//! Who is in which room.
//!
//! A user becomes a member by joining, once however many connections there are. Membership ends by leaving, or a grace
//! period after the member's last stream on the room closed – or after joining, if there was none. The stream may be on
//! the room's own topic or on the aggregate of all rooms.
//!
//! This module keeps the state; what is said to a room about it is its owner's affair.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use tidings_journal::TopicName;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::user::UserId;

/// Who is in which room.
pub struct Presence {
    /// The topic that shows all rooms.
    everywhere: TopicName,
    grace: Duration,
    state: Mutex<State>,
    /// Told when the first deadline moved forward.
    sooner: Notify,
}

#[derive(Default)]
struct State {
    rooms: HashMap<TopicName, HashMap<UserId, Membership>>,
    /// Those who are a member of a room or hear one.
    users: HashMap<UserId, User>,
    /// Memberships without a stream, by the end of their grace.
    deadlines: BTreeSet<(Instant, TopicName, UserId)>,
}

#[derive(Default)]
struct User {
    /// The open streams, by topic.
    streams: HashMap<TopicName, usize>,
    /// The rooms that this is a member of: a stream on all of them concerns no others.
    rooms: HashSet<TopicName>,
}

struct Membership {
    username: String,
    joined_at_ms: i64,
    deadline: Option<Instant>,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// The name at the time of joining.
    pub username: String,
    /// In milliseconds since 1970.
    pub joined_at_ms: i64,
    /// Open streams on which the member hears the room.
    pub connections: usize,
}

impl Presence {
    /// No members yet. `everywhere` is the topic on which all rooms are heard.
    pub fn new(everywhere: TopicName, grace: Duration) -> Self {
        Self { everywhere, grace, state: Mutex::default(), sooner: Notify::new() }
    }

    /// Makes `user` a member of `room`. Returns whether that is new.
    pub fn join(&self, room: &TopicName, user: &UserId, username: &str, now_ms: i64) -> bool {
        let mut state = self.state.lock();
        if state.membership(room, user).is_some() {
            return false;
        }
        let membership = Membership { username: username.to_owned(), joined_at_ms: now_ms, deadline: None };
        state.rooms.entry(room.clone()).or_default().insert(user.clone(), membership);
        state.users.entry(user.clone()).or_default().rooms.insert(room.clone());
        self.settle(&mut state, room, user);
        true
    }

    /// Ends a membership. Returns what it was.
    pub fn leave(&self, room: &TopicName, user: &UserId) -> Option<Member> {
        self.state.lock().end(&self.everywhere, room, user)
    }

    /// Puts back a membership that was taken by [`Presence::leave`] but whose end could not be told.
    pub fn restore(&self, room: &TopicName, member: &Member) {
        self.join(room, &member.user, &member.username, member.joined_at_ms);
    }

    /// The members of `room`, in the order of joining.
    pub fn members(&self, room: &TopicName) -> Vec<Member> {
        let state = self.state.lock();
        let members = state.rooms.get(room).into_iter().flatten();
        let mut members: Vec<_> = members
            .map(|(user, membership)| membership.to_member(user, state.hearing(&self.everywhere, room, user)))
            .collect();
        members.sort_by(|a, b| (a.joined_at_ms, &a.user).cmp(&(b.joined_at_ms, &b.user)));
        members
    }

    /// The rooms that have members, and how many.
    pub fn rooms(&self) -> Vec<(TopicName, usize)> {
        self.state.lock().rooms.iter().map(|(room, members)| (room.clone(), members.len())).collect()
    }

    /// A stream of `user` on `topics` opened.
    pub(crate) fn opened<'a>(&self, user: &UserId, topics: impl IntoIterator<Item = &'a TopicName>) {
        self.count(user, topics, |count| *count += 1);
    }

    /// A stream of `user` on `topics` closed.
    pub(crate) fn closed<'a>(&self, user: &UserId, topics: impl IntoIterator<Item = &'a TopicName>) {
        self.count(user, topics, |count| *count = count.saturating_sub(1));
    }

    /// Waits for a member whose grace is over. The membership stands until [`Presence::leave_if_over`].
    pub async fn grace_over(&self) -> (TopicName, UserId) {
        loop {
            let first = self.state.lock().deadlines.first().cloned();
            match first {
                Some((deadline, room, user)) => tokio::select! {
                    () = tokio::time::sleep_until(deadline) => return (room, user),
                    () = self.sooner.notified() => {}
                },
                None => self.sooner.notified().await,
            }
        }
    }

    /// Ends a membership if its grace is still over: its user may have come back meanwhile.
    pub fn leave_if_over(&self, room: &TopicName, user: &UserId) -> Option<Member> {
        let now = Instant::now();
        let mut state = self.state.lock();
        let deadline = state.membership(room, user)?.deadline;
        if deadline.is_some_and(|deadline| deadline <= now) { state.end(&self.everywhere, room, user) } else { None }
    }

    fn count<'a>(&self, user: &UserId, topics: impl IntoIterator<Item = &'a TopicName>, change: impl Fn(&mut usize)) {
        // Only what rooms are heard on: a user's other streams have nothing to do with membership.
        let heard_on: Vec<_> = topics.into_iter().filter(|topic| self.is_of_rooms(topic)).collect();
        if heard_on.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        let known = state.users.entry(user.clone()).or_default();
        for topic in &heard_on {
            change(known.streams.entry((*topic).clone()).or_default());
        }
        known.streams.retain(|_, count| *count > 0);
        let rooms: Vec<_> = if heard_on.contains(&&self.everywhere) {
            known.rooms.iter().cloned().collect()
        } else {
            heard_on.into_iter().cloned().collect()
        };
        state.forget_if_idle(user);
        for room in rooms {
            self.settle(&mut state, &room, user);
        }
    }

    fn is_of_rooms(&self, topic: &TopicName) -> bool {
        let below = topic.as_str().strip_prefix(self.everywhere.as_str());
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Starts or stops a membership's grace, according to the streams there are.
    fn settle(&self, state: &mut State, room: &TopicName, user: &UserId) {
        let heard = state.hearing(&self.everywhere, room, user) > 0;
        let Some(membership) = state.membership(room, user) else {
            return;
        };
        let before = membership.deadline;
        let after = if heard { None } else { before.or_else(|| Some(Instant::now() + self.grace)) };
        membership.deadline = after;
        if before == after {
            return;
        }
        if let Some(deadline) = before {
            state.deadlines.remove(&(deadline, room.clone(), user.clone()));
        }
        if let Some(deadline) = after {
            state.deadlines.insert((deadline, room.clone(), user.clone()));
            self.sooner.notify_one();
        }
    }
}

impl State {
    fn membership(&mut self, room: &TopicName, user: &UserId) -> Option<&mut Membership> {
        self.rooms.get_mut(room)?.get_mut(user)
    }

    fn end(&mut self, everywhere: &TopicName, room: &TopicName, user: &UserId) -> Option<Member> {
        let connections = self.hearing(everywhere, room, user);
        let members = self.rooms.get_mut(room)?;
        let membership = members.remove(user)?;
        if members.is_empty() {
            self.rooms.remove(room);
        }
        if let Some(known) = self.users.get_mut(user) {
            known.rooms.remove(room);
        }
        self.forget_if_idle(user);
        if let Some(deadline) = membership.deadline {
            self.deadlines.remove(&(deadline, room.clone(), user.clone()));
        }
        Some(membership.to_member(user, connections))
    }

    fn hearing(&self, everywhere: &TopicName, room: &TopicName, user: &UserId) -> usize {
        let known = self.users.get(user);
        let on = |topic| known.and_then(|known| known.streams.get(topic)).copied().unwrap_or(0);
        on(room) + on(everywhere)
    }

    fn forget_if_idle(&mut self, user: &UserId) {
        if self.users.get(user).is_some_and(|known| known.streams.is_empty() && known.rooms.is_empty()) {
            self.users.remove(user);
        }
    }
}

impl Membership {
    fn to_member(&self, user: &UserId, connections: usize) -> Member {
        let Self { username, joined_at_ms, .. } = self;
        Member { user: user.clone(), username: username.clone(), joined_at_ms: *joined_at_ms, connections }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_mins(1);

    fn topic(name: &str) -> TopicName {
        TopicName::parse(name).unwrap()
    }

    fn presence() -> (Presence, TopicName, UserId) {
        (Presence::new(topic("chat"), GRACE), topic("chat/room/r"), UserId::parse("ann").unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_with_several_connections_is_one_member() {
        let (presence, room, ann) = presence();
        presence.opened(&ann, [&room]);
        presence.opened(&ann, [&topic("chat")]);
        presence.opened(&ann, [&topic("chat/room/other")]);
        assert!(presence.join(&room, &ann, "Ann", 7));
        assert!(!presence.join(&room, &ann, "Ann again", 8));
        let ann = Member { user: ann, username: "Ann".into(), joined_at_ms: 7, connections: 2 };
        assert_eq!(presence.members(&room), [ann]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_is_gone_a_grace_period_after_the_last_stream_closed() {
        let (presence, room, ann) = presence();
        presence.opened(&ann, [&room]);
        presence.opened(&ann, [&topic("chat")]);
        presence.join(&room, &ann, "Ann", 0);
        presence.closed(&ann, [&room]);
        tokio::time::sleep(GRACE * 2).await;
        assert_eq!(presence.leave_if_over(&room, &ann), None, "one stream is left");
        let closed = Instant::now();
        presence.closed(&ann, [&topic("chat")]);
        assert_eq!(presence.grace_over().await, (room.clone(), ann.clone()));
        assert_eq!(closed.elapsed().as_secs(), GRACE.as_secs());
        assert!(presence.leave_if_over(&room, &ann).is_some());
        assert_eq!(presence.members(&room), []);
        assert!(presence.state.lock().users.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_who_never_listens_is_gone_a_grace_period_after_joining() {
        let (presence, room, ann) = presence();
        presence.join(&room, &ann, "Ann", 0);
        tokio::time::sleep(GRACE / 2).await;
        assert_eq!(presence.leave_if_over(&room, &ann), None);
        assert_eq!(presence.grace_over().await, (room, ann));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_within_the_grace_stays() {
        let (presence, room, ann) = presence();
        presence.join(&room, &ann, "Ann", 0);
        tokio::time::sleep(GRACE / 2).await;
        presence.opened(&ann, [&topic("chat")]);
        assert!(tokio::time::timeout(GRACE * 3, presence.grace_over()).await.is_err());
        assert_eq!(presence.members(&room).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn leaving_ends_the_grace_too() {
        let (presence, room, ann) = presence();
        presence.join(&room, &ann, "Ann", 0);
        assert!(presence.leave(&room, &ann).is_some());
        assert!(presence.leave(&room, &ann).is_none());
        assert!(presence.state.lock().deadlines.is_empty());
    }
}
