//! Who is in which room.
//!
//! A user becomes a member by joining, once however many connections there are. Membership ends by leaving, or a grace
//! period after the member's last stream on the room closed – or after joining, if there was none. The stream may be on
//! the room's own topic or on the topic of all rooms.
//!
//! All users share one lock here, so nothing that one user does walks what that user has: a stream on all rooms is one
//! count, and each user has one deadline, that of the membership which ends first. What one user can add is bounded by
//! [`MAX_ROOMS`] and [`MAX_NAME_BYTES`], and what all can add by [`MAX_MEMBERSHIPS`].
//!
//! This module keeps the state; what is said to a room about it is its owner's affair.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_journal::TopicName;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::user::UserId;

/// The most rooms that one user can be in by joining. Memberships that come back from the log are not counted out: they
/// were acknowledged.
pub const MAX_ROOMS: usize = 256;

/// The most memberships of all users together.
pub const MAX_MEMBERSHIPS: usize = 50_000;

/// The longest user name that is kept, in bytes of UTF-8. A longer one is cut between two characters.
pub const MAX_NAME_BYTES: usize = 256;

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
    /// For each user with a membership that no stream holds: when the first of them ends.
    deadlines: BTreeSet<(Instant, UserId)>,
    memberships: usize,
}

#[derive(Default)]
struct User {
    /// The open streams on the topic of all rooms, each of which holds every membership of the user.
    everywhere: usize,
    /// When the last of those closed: no membership's grace began before.
    everywhere_until: Option<Instant>,
    /// The open streams on the topic of one room.
    streams: HashMap<TopicName, usize>,
    /// The rooms that the user is a member of, and since when no stream on the room's own topic is open.
    rooms: HashMap<TopicName, Option<Instant>>,
    /// Those of `rooms` without such a stream, in the order in which their graces end.
    idle: BTreeSet<(Instant, TopicName)>,
    /// The user's place in [`State::deadlines`].
    deadline: Option<Instant>,
}

struct Membership {
    username: Arc<str>,
    joined_at_ms: i64,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// The name at the time of joining, of at most [`MAX_NAME_BYTES`].
    pub username: Arc<str>,
    /// In milliseconds since 1970.
    pub joined_at_ms: i64,
    /// Open streams on which the member hears the room.
    pub connections: usize,
}

/// Why a user does not become a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// The user is in [`MAX_ROOMS`] rooms.
    #[error("a user can be in at most {MAX_ROOMS} rooms")]
    Rooms,
    /// All users together have [`MAX_MEMBERSHIPS`].
    #[error("there are at most {MAX_MEMBERSHIPS} memberships of rooms")]
    Memberships,
}

impl Presence {
    /// No members yet. `everywhere` is the topic on which all rooms are heard.
    pub fn new(everywhere: TopicName, grace: Duration) -> Self {
        Self { everywhere, grace, state: Mutex::default(), sooner: Notify::new() }
    }

    /// Makes `user` a member of `room`. Returns whether that is new.
    pub fn join(&self, room: &TopicName, user: &UserId, username: &str, now_ms: i64) -> Result<bool, TooMany> {
        let mut state = self.state.lock();
        if state.is_member(room, user) {
            return Ok(false);
        }
        if state.users.get(user).is_some_and(|known| known.rooms.len() >= MAX_ROOMS) {
            return Err(TooMany::Rooms);
        }
        if state.memberships >= MAX_MEMBERSHIPS {
            return Err(TooMany::Memberships);
        }
        let membership = Membership { username: shortened(username).into(), joined_at_ms: now_ms };
        self.add(&mut state, room, user, membership);
        Ok(true)
    }

    /// Ends a membership. Returns what it was.
    pub fn leave(&self, room: &TopicName, user: &UserId) -> Option<Member> {
        self.end(&mut self.state.lock(), room, user)
    }

    /// Puts back a membership that was acknowledged, whatever the limits are: one that was taken by [`Presence::leave`] but
    /// whose end could not be told, or one that was read from the log.
    pub fn restore(&self, room: &TopicName, member: &Member) {
        let mut state = self.state.lock();
        if !state.is_member(room, &member.user) {
            let username = shortened(&member.username);
            let username =
                if username.len() == member.username.len() { member.username.clone() } else { username.into() };
            self.add(&mut state, room, &member.user, Membership { username, joined_at_ms: member.joined_at_ms });
        }
    }

    /// The members of `room`, in the order of joining.
    pub fn members(&self, room: &TopicName) -> Vec<Member> {
        let mut members: Vec<_> = {
            let state = self.state.lock();
            let members = state.rooms.get(room).into_iter().flatten();
            members.map(|(user, membership)| membership.to_member(user, state.hearing(room, user))).collect()
        };
        members.sort_unstable_by(|a, b| (a.joined_at_ms, &a.user).cmp(&(b.joined_at_ms, &b.user)));
        members
    }

    /// The rooms that have members, and how many.
    pub fn rooms(&self) -> Vec<(TopicName, usize)> {
        self.state.lock().rooms.iter().map(|(room, members)| (room.clone(), members.len())).collect()
    }

    /// How many memberships there are: a member of three rooms has three.
    pub fn memberships(&self) -> usize {
        self.state.lock().memberships
    }

    /// The rooms that `user` is a member of.
    pub fn rooms_of(&self, user: &UserId) -> Vec<TopicName> {
        self.state.lock().users.get(user).map(|known| known.rooms.keys().cloned().collect()).unwrap_or_default()
    }

    /// A stream of `user` on `topics` opened.
    pub(crate) fn opened<'a>(&self, user: &UserId, topics: impl IntoIterator<Item = &'a TopicName>) {
        for topic in topics.into_iter().filter(|topic| self.is_of_rooms(topic)) {
            let mut state = self.state.lock();
            let known = state.users.entry(user.clone()).or_default();
            if *topic == self.everywhere {
                known.everywhere += 1;
            } else {
                *known.streams.entry(topic.clone()).or_default() += 1;
                known.busy(topic);
            }
            self.arm(&mut state, user);
        }
    }

    /// A stream of `user` on `topics` closed.
    pub(crate) fn closed<'a>(&self, user: &UserId, topics: impl IntoIterator<Item = &'a TopicName>) {
        for topic in topics.into_iter().filter(|topic| self.is_of_rooms(topic)) {
            let mut state = self.state.lock();
            let Some(known) = state.users.get_mut(user) else { continue };
            if *topic == self.everywhere {
                known.everywhere = known.everywhere.saturating_sub(1);
                known.everywhere_until = Some(Instant::now());
            } else if let Entry::Occupied(mut count) = known.streams.entry(topic.clone()) {
                *count.get_mut() -= 1; // a count of none is taken out
                if *count.get() == 0 {
                    count.remove();
                    known.quiet(topic);
                }
            }
            self.arm(&mut state, user);
        }
    }

    /// Waits for a member whose grace is over. The membership stands until [`Presence::leave_if_over`].
    pub async fn grace_over(&self) -> (TopicName, UserId) {
        loop {
            let first = self.state.lock().first_deadline();
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
        let known = state.users.get(user)?;
        let idle_since = (*known.rooms.get(room)?)?;
        let is_over = known.end_of(idle_since, self.grace).is_some_and(|end| end <= now);
        if is_over { self.end(&mut state, room, user) } else { None }
    }

    fn add(&self, state: &mut State, room: &TopicName, user: &UserId, membership: Membership) {
        state.rooms.entry(room.clone()).or_default().insert(user.clone(), membership);
        state.memberships += 1;
        let known = state.users.entry(user.clone()).or_default();
        known.rooms.insert(room.clone(), None);
        if !known.streams.contains_key(room) {
            known.quiet(room);
        }
        self.arm(state, user);
    }

    fn end(&self, state: &mut State, room: &TopicName, user: &UserId) -> Option<Member> {
        let connections = state.hearing(room, user);
        let members = state.rooms.get_mut(room)?;
        let membership = members.remove(user)?;
        if members.is_empty() {
            state.rooms.remove(room);
        }
        state.memberships -= 1;
        if let Some(known) = state.users.get_mut(user) {
            known.busy(room);
            known.rooms.remove(room);
        }
        self.arm(state, user);
        Some(membership.to_member(user, connections))
    }

    fn is_of_rooms(&self, topic: &TopicName) -> bool {
        let below = topic.as_str().strip_prefix(self.everywhere.as_str());
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Gives the user the deadline that is right for the streams and memberships there are, and forgets a user who has
    /// neither.
    fn arm(&self, state: &mut State, user: &UserId) {
        let Some(known) = state.users.get_mut(user) else { return };
        let first = known.idle.first().and_then(|(since, _)| known.end_of(*since, self.grace));
        let before = std::mem::replace(&mut known.deadline, first);
        if known.everywhere == 0 && known.streams.is_empty() && known.rooms.is_empty() {
            state.users.remove(user);
        }
        if before == first {
            return;
        }
        if let Some(before) = before {
            state.deadlines.remove(&(before, user.clone()));
        }
        if let Some(first) = first {
            state.deadlines.insert((first, user.clone()));
            self.sooner.notify_one();
        }
    }
}

impl State {
    fn is_member(&self, room: &TopicName, user: &UserId) -> bool {
        self.users.get(user).is_some_and(|known| known.rooms.contains_key(room))
    }

    fn hearing(&self, room: &TopicName, user: &UserId) -> usize {
        let known = self.users.get(user);
        known.map_or(0, |known| known.everywhere + known.streams.get(room).copied().unwrap_or(0))
    }

    fn first_deadline(&self) -> Option<(Instant, TopicName, UserId)> {
        let (deadline, user) = self.deadlines.first()?;
        let (_, room) = self.users.get(user)?.idle.first()?;
        Some((*deadline, room.clone(), user.clone()))
    }
}

impl User {
    /// No stream on the topic of `room` is open from now on.
    fn quiet(&mut self, room: &TopicName) {
        if let Some(since) = self.rooms.get_mut(room).filter(|since| since.is_none()) {
            let now = Instant::now();
            *since = Some(now);
            self.idle.insert((now, room.clone()));
        }
    }

    /// One is.
    fn busy(&mut self, room: &TopicName) {
        if let Some(since) = self.rooms.get_mut(room).and_then(Option::take) {
            self.idle.remove(&(since, room.clone()));
        }
    }

    /// When a membership ends that has been without a stream of its own since `idle_since`; `None` while another holds it.
    fn end_of(&self, idle_since: Instant, grace: Duration) -> Option<Instant> {
        let since = self.everywhere_until.map_or(idle_since, |until| until.max(idle_since));
        (self.everywhere == 0).then(|| since + grace)
    }
}

impl Membership {
    fn to_member(&self, user: &UserId, connections: usize) -> Member {
        let Self { username, joined_at_ms } = self;
        Member { user: user.clone(), username: username.clone(), joined_at_ms: *joined_at_ms, connections }
    }
}

/// As much of a user name as is kept.
pub fn shortened(username: &str) -> &str {
    &username[..username.floor_char_boundary(MAX_NAME_BYTES)]
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
        assert_eq!(presence.join(&room, &ann, "Ann", 7), Ok(true));
        assert_eq!(presence.join(&room, &ann, "Ann again", 8), Ok(false));
        let ann = Member { user: ann, username: "Ann".into(), joined_at_ms: 7, connections: 2 };
        assert_eq!(presence.members(&room), [ann]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_is_gone_a_grace_period_after_the_last_stream_closed() {
        let (presence, room, ann) = presence();
        presence.opened(&ann, [&room]);
        presence.opened(&ann, [&topic("chat")]);
        presence.join(&room, &ann, "Ann", 0).unwrap();
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
        presence.join(&room, &ann, "Ann", 0).unwrap();
        tokio::time::sleep(GRACE / 2).await;
        assert_eq!(presence.leave_if_over(&room, &ann), None);
        assert_eq!(presence.grace_over().await, (room, ann));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_within_the_grace_stays() {
        let (presence, room, ann) = presence();
        presence.join(&room, &ann, "Ann", 0).unwrap();
        tokio::time::sleep(GRACE / 2).await;
        presence.opened(&ann, [&topic("chat")]);
        assert!(tokio::time::timeout(GRACE * 3, presence.grace_over()).await.is_err());
        assert_eq!(presence.members(&room).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn leaving_ends_the_grace_too() {
        let (presence, room, ann) = presence();
        presence.join(&room, &ann, "Ann", 0).unwrap();
        assert!(presence.leave(&room, &ann).is_some());
        assert!(presence.leave(&room, &ann).is_none());
        assert!(presence.state.lock().deadlines.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn each_of_many_memberships_ends_at_its_own_time_or_with_the_stream_of_all_rooms() {
        let (presence, _, ann) = presence();
        let everywhere = topic("chat");
        let rooms: Vec<_> = (0..4).map(|nth| topic(&format!("chat/room/{nth}"))).collect();
        presence.join(&rooms[0], &ann, "Ann", 0).unwrap();
        tokio::time::sleep(GRACE / 4).await;
        presence.opened(&ann, [&everywhere]);
        presence.join(&rooms[1], &ann, "Ann", 0).unwrap();
        tokio::time::sleep(GRACE * 3).await;
        presence.closed(&ann, [&everywhere]);
        let closed = Instant::now();
        presence.opened(&ann, [&rooms[2]]);
        for room in &rooms[2..] {
            presence.join(room, &ann, "Ann", 0).unwrap();
            tokio::time::sleep(GRACE / 4).await;
        }
        presence.closed(&ann, [&rooms[2]]);
        let mut ends = Vec::new();
        while !presence.state.lock().users.is_empty() {
            let (room, user) = presence.grace_over().await;
            presence.leave_if_over(&room, &user).expect("its grace is over");
            ends.push((room, closed.elapsed()));
        }
        ends.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        let after = [GRACE, GRACE, GRACE + GRACE / 4, GRACE + GRACE / 2];
        let in_order = [0, 1, 3, 2].map(|nth: usize| rooms[nth].clone());
        assert_eq!(ends, in_order.into_iter().zip(after).collect::<Vec<_>>());
        assert_eq!((presence.memberships(), presence.state.lock().deadlines.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_is_in_so_many_rooms_and_no_more_until_one_is_left() {
        let (presence, room, ann) = presence();
        for nth in 0..MAX_ROOMS {
            presence.join(&topic(&format!("chat/room/{nth}")), &ann, "Ann", 0).unwrap();
        }
        assert_eq!(presence.join(&room, &ann, "Ann", 0), Err(TooMany::Rooms));
        assert_eq!(presence.join(&topic("chat/room/0"), &ann, "Ann", 0), Ok(false), "who is in has nothing to join");
        assert_eq!(presence.join(&room, &UserId::parse("bob").unwrap(), "Bob", 0), Ok(true));
        assert!(presence.leave(&topic("chat/room/7"), &ann).is_some());
        assert_eq!(presence.join(&room, &ann, "Ann", 0), Ok(true));
        // What was acknowledged comes back all the same.
        let member = Member { user: ann.clone(), username: "Ann".into(), joined_at_ms: 0, connections: 0 };
        presence.restore(&topic("chat/room/7"), &member);
        assert_eq!(presence.members(&topic("chat/room/7")), [member]);
        assert_eq!(presence.memberships(), MAX_ROOMS + 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_of_all_rooms_moves_one_deadline_however_many_rooms_there_are() {
        let (presence, _, ann) = presence();
        let everywhere = topic("chat");
        for nth in 0..MAX_ROOMS {
            presence.join(&topic(&format!("chat/room/{nth}")), &ann, "Ann", 0).unwrap();
        }
        assert_eq!(presence.state.lock().deadlines.len(), 1);
        presence.opened(&ann, [&everywhere]);
        assert_eq!(presence.state.lock().deadlines.len(), 0);
        presence.closed(&ann, [&everywhere]);
        assert_eq!(presence.state.lock().deadlines.len(), 1);
    }

    #[test]
    fn a_name_is_cut_between_two_characters() {
        let (presence, room, ann) = presence();
        let name = "x".repeat(MAX_NAME_BYTES - 1) + "é and more";
        presence.join(&room, &ann, &name, 0).unwrap();
        let member = presence.leave(&room, &ann).unwrap();
        assert_eq!(*member.username, name[..MAX_NAME_BYTES - 1]);
        presence.restore(&room, &Member { username: name.as_str().into(), ..member.clone() });
        assert_eq!(presence.leave(&room, &ann).unwrap().username, member.username);
    }
}
