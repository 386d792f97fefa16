//! Who is in which room.
//!
//! A user becomes a member by joining, once however many connections there are. Membership ends by leaving, or a grace
//! period after the member's last stream on the room closed – or after joining, if there was none. The stream may be on
//! the room's own topic or on the topic of all rooms.
//!
//! Who is a member is what the log says: whoever folds it calls [`Presence::enter`] and [`Presence::leave`], in the order of the
//! log, and nothing else makes or ends a member. Which streams hear a room, and when a grace is over, is known here alone.
//!
//! All users share one lock here, so nothing that one user does walks what that user has: a stream on all rooms is one
//! count, and each user has one deadline, that of the membership which ends first. What one user can add is bounded by
//! [`MAX_ROOMS`] and [`MAX_NAME_BYTES`], and what all can add by [`MAX_MEMBERSHIPS`]; a join that is on its way into the log counts
//! already ([`Claim`]).
//!
//! This module keeps the state; what is said to a room about it is its owner's affair.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_journal::{Position, TopicName};
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
    /// Those that are claimed, and not there yet.
    claimed: usize,
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
    /// The rooms that the user is about to join, and how many calls are at it.
    claims: HashMap<TopicName, usize>,
    /// Those of them that the user is not a member of.
    claimed: usize,
}

struct Membership {
    username: Arc<str>,
    joined_at_ms: i64,
    position: Position,
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
    /// Where in the log the membership began: the one that is left has to be this one.
    pub position: Position,
    /// Open streams on which the member hears the room.
    pub connections: usize,
}

/// A membership that is about to be written to the log. It counts from now on, and no longer as a claim once the member is
/// there or this is dropped.
#[must_use = "the claim is given up when this is dropped"]
pub struct Claim {
    presence: Arc<Presence>,
    room: TopicName,
    user: UserId,
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

    /// Counts a membership of `user` in `room` before it is written, or fails if there are too many. A member can join again.
    pub fn claim(self: &Arc<Self>, room: &TopicName, user: &UserId) -> Result<Claim, TooMany> {
        let mut state = self.state.lock();
        let known = state.users.get(user);
        let counts = known.is_none_or(|known| !known.rooms.contains_key(room) && !known.claims.contains_key(room));
        if counts && known.is_some_and(|known| known.rooms.len() + known.claimed >= MAX_ROOMS) {
            return Err(TooMany::Rooms);
        }
        if counts && state.memberships + state.claimed >= MAX_MEMBERSHIPS {
            return Err(TooMany::Memberships);
        }
        state.claimed += usize::from(counts);
        let known = state.users.entry(user.clone()).or_default();
        known.claimed += usize::from(counts);
        *known.claims.entry(room.clone()).or_default() += 1;
        Ok(Claim { presence: self.clone(), room: room.clone(), user: user.clone() })
    }

    /// The log says that `member` is in `room`, whatever the limits are: it was acknowledged. Who is a member already keeps the
    /// deadline.
    pub fn enter(&self, room: &TopicName, member: &Member) {
        let mut state = self.state.lock();
        let username = shortened(&member.username);
        let username = if username.len() == member.username.len() { member.username.clone() } else { username.into() };
        let membership = Membership { username, joined_at_ms: member.joined_at_ms, position: member.position };
        self.add(&mut state, room, &member.user, membership);
    }

    /// The log says that `user` is no longer in `room`.
    pub fn leave(&self, room: &TopicName, user: &UserId) {
        self.end(&mut self.state.lock(), room, user);
    }

    /// The log says that these are all members, and that there are no others. Whoever was one before keeps the deadline.
    pub fn replace(&self, members: &[(TopicName, Member)]) {
        let there: HashSet<_> = members.iter().map(|(room, member)| (room, &member.user)).collect();
        let gone: Vec<_> = {
            let state = self.state.lock();
            let all = state.rooms.iter().flat_map(|(room, members)| members.keys().map(move |user| (room, user)));
            let gone = all.filter(|(room, user)| !there.contains(&(*room, *user)));
            gone.map(|(room, user)| (room.clone(), user.clone())).collect()
        };
        for (room, user) in gone {
            self.leave(&room, &user);
        }
        for (room, member) in members {
            self.enter(room, member);
        }
    }

    /// The membership of `user` in `room`, if there is one.
    pub fn member(&self, room: &TopicName, user: &UserId) -> Option<Member> {
        let state = self.state.lock();
        let membership = state.rooms.get(room)?.get(user)?;
        Some(membership.to_member(user, state.hearing(room, user)))
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

    /// Waits for a member whose grace is over. The membership stands until it was ended in the log.
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

    /// A membership, if its grace is still over: its user may have come back meanwhile.
    pub fn over(&self, room: &TopicName, user: &UserId) -> Option<Member> {
        let now = Instant::now();
        let state = self.state.lock();
        let known = state.users.get(user)?;
        let idle_since = (*known.rooms.get(room)?)?;
        known.end_of(idle_since, self.grace).filter(|end| *end <= now)?;
        Some(state.rooms.get(room)?.get(user)?.to_member(user, state.hearing(room, user)))
    }

    /// Gives a member whose grace is over another one, as the end could not be written.
    pub fn renew(&self, room: &TopicName, user: &UserId) {
        let mut state = self.state.lock();
        let Some(known) = state.users.get_mut(user) else { return };
        if known.rooms.get(room).is_some_and(Option::is_some) {
            known.busy(room);
            known.quiet(room);
            self.arm(&mut state, user);
        }
    }

    fn add(&self, state: &mut State, room: &TopicName, user: &UserId, membership: Membership) {
        if state.rooms.entry(room.clone()).or_default().insert(user.clone(), membership).is_some() {
            return; // the room is among the user's already
        }
        state.memberships += 1;
        let known = state.users.entry(user.clone()).or_default();
        known.rooms.insert(room.clone(), None);
        if !known.streams.contains_key(room) {
            known.quiet(room);
        }
        if known.claims.contains_key(room) {
            known.claimed -= 1;
            state.claimed -= 1;
        }
        self.arm(state, user);
    }

    fn end(&self, state: &mut State, room: &TopicName, user: &UserId) {
        let Some(members) = state.rooms.get_mut(room) else { return };
        if members.remove(user).is_none() {
            return;
        }
        if members.is_empty() {
            state.rooms.remove(room);
        }
        state.memberships -= 1;
        if let Some(known) = state.users.get_mut(user) {
            known.busy(room);
            known.rooms.remove(room);
            if known.claims.contains_key(room) {
                known.claimed += 1;
                state.claimed += 1;
            }
        }
        self.arm(state, user);
    }

    fn give_up(&self, Claim { room, user, .. }: &Claim) {
        let mut state = self.state.lock();
        let Some(known) = state.users.get_mut(user) else { return };
        if let Entry::Occupied(mut calls) = known.claims.entry(room.clone()) {
            *calls.get_mut() -= 1; // a count of none is taken out
            if *calls.get() == 0 {
                calls.remove();
                if !known.rooms.contains_key(room) {
                    known.claimed -= 1;
                    state.claimed -= 1;
                }
            }
        }
        self.arm(&mut state, user);
    }

    fn is_of_rooms(&self, topic: &TopicName) -> bool {
        let below = topic.as_str().strip_prefix(self.everywhere.as_str());
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Gives the user the deadline that is right for the streams and memberships there are, and forgets a user who has
    /// neither, and is about to have none.
    fn arm(&self, state: &mut State, user: &UserId) {
        let Some(known) = state.users.get_mut(user) else { return };
        let first = known.idle.first().and_then(|(since, _)| known.end_of(*since, self.grace));
        let before = std::mem::replace(&mut known.deadline, first);
        if known.is_nobody() {
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

impl Drop for Claim {
    fn drop(&mut self) {
        self.presence.give_up(self);
    }
}

impl State {
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
    fn is_nobody(&self) -> bool {
        self.everywhere == 0 && self.streams.is_empty() && self.rooms.is_empty() && self.claims.is_empty()
    }

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
        let Self { username, joined_at_ms, position } = self;
        Member {
            user: user.clone(),
            username: username.clone(),
            joined_at_ms: *joined_at_ms,
            position: *position,
            connections,
        }
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

    fn presence() -> (Arc<Presence>, TopicName, UserId) {
        (Arc::new(Presence::new(topic("chat"), GRACE)), topic("chat/room/r"), UserId::parse("ann").unwrap())
    }

    fn member(user: &UserId, username: &str, position: u64) -> Member {
        let position = Position::new(position);
        Member { user: user.clone(), username: username.into(), joined_at_ms: 7, position, connections: 0 }
    }

    /// What a join comes to, as soon as the log has it.
    fn join(presence: &Arc<Presence>, room: &TopicName, user: &UserId) -> Result<(), TooMany> {
        let _claim = presence.claim(room, user)?;
        presence.enter(room, &member(user, "Ann", 1));
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_with_several_connections_is_one_member() {
        let (presence, room, ann) = presence();
        presence.opened(&ann, [&room]);
        presence.opened(&ann, [&topic("chat")]);
        presence.opened(&ann, [&topic("chat/room/other")]);
        presence.enter(&room, &member(&ann, "Ann", 7));
        let ann = Member { connections: 2, ..member(&ann, "Ann", 7) };
        assert_eq!(presence.member(&room, &ann.user).as_ref(), Some(&ann));
        assert_eq!(presence.members(&room), [ann]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_is_gone_a_grace_period_after_the_last_stream_closed() {
        let (presence, room, ann) = presence();
        presence.opened(&ann, [&room]);
        presence.opened(&ann, [&topic("chat")]);
        join(&presence, &room, &ann).unwrap();
        presence.closed(&ann, [&room]);
        tokio::time::sleep(GRACE * 2).await;
        assert_eq!(presence.over(&room, &ann), None, "one stream is left");
        let closed = Instant::now();
        presence.closed(&ann, [&topic("chat")]);
        assert_eq!(presence.grace_over().await, (room.clone(), ann.clone()));
        assert_eq!(closed.elapsed().as_secs(), GRACE.as_secs());
        assert!(presence.over(&room, &ann).is_some());
        presence.leave(&room, &ann);
        assert_eq!(presence.members(&room), []);
        assert!(presence.state.lock().users.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_who_never_listens_is_gone_a_grace_period_after_joining() {
        let (presence, room, ann) = presence();
        join(&presence, &room, &ann).unwrap();
        tokio::time::sleep(GRACE / 2).await;
        assert_eq!(presence.over(&room, &ann), None);
        assert_eq!(presence.grace_over().await, (room, ann));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_within_the_grace_stays() {
        let (presence, room, ann) = presence();
        join(&presence, &room, &ann).unwrap();
        tokio::time::sleep(GRACE / 2).await;
        presence.opened(&ann, [&topic("chat")]);
        assert!(tokio::time::timeout(GRACE * 3, presence.grace_over()).await.is_err());
        assert_eq!(presence.members(&room).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn leaving_ends_the_grace_too() {
        let (presence, room, ann) = presence();
        join(&presence, &room, &ann).unwrap();
        presence.leave(&room, &ann);
        presence.leave(&room, &ann);
        let state = presence.state.lock();
        assert!(state.deadlines.is_empty() && state.users.is_empty() && state.rooms.is_empty());
        assert_eq!(state.memberships, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn each_of_many_memberships_ends_at_its_own_time_or_with_the_stream_of_all_rooms() {
        let (presence, _, ann) = presence();
        let everywhere = topic("chat");
        let rooms: Vec<_> = (0..4).map(|nth| topic(&format!("chat/room/{nth}"))).collect();
        join(&presence, &rooms[0], &ann).unwrap();
        tokio::time::sleep(GRACE / 4).await;
        presence.opened(&ann, [&everywhere]);
        join(&presence, &rooms[1], &ann).unwrap();
        tokio::time::sleep(GRACE * 3).await;
        presence.closed(&ann, [&everywhere]);
        let closed = Instant::now();
        presence.opened(&ann, [&rooms[2]]);
        for room in &rooms[2..] {
            join(&presence, room, &ann).unwrap();
            tokio::time::sleep(GRACE / 4).await;
        }
        presence.closed(&ann, [&rooms[2]]);
        let mut ends = Vec::new();
        while !presence.state.lock().users.is_empty() {
            let (room, user) = presence.grace_over().await;
            presence.over(&room, &user).expect("its grace is over");
            presence.leave(&room, &user);
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
            join(&presence, &topic(&format!("chat/room/{nth}")), &ann).unwrap();
        }
        assert_eq!(join(&presence, &room, &ann), Err(TooMany::Rooms));
        assert_eq!(join(&presence, &topic("chat/room/0"), &ann), Ok(()), "who is in has nothing to join");
        assert_eq!(join(&presence, &room, &UserId::parse("bob").unwrap()), Ok(()));
        presence.leave(&topic("chat/room/7"), &ann);
        assert_eq!(join(&presence, &room, &ann), Ok(()));
        // What was acknowledged comes back all the same.
        presence.enter(&topic("chat/room/7"), &member(&ann, "Ann", 9));
        assert_eq!(presence.members(&topic("chat/room/7")), [member(&ann, "Ann", 9)]);
        assert_eq!(presence.memberships(), MAX_ROOMS + 2);
    }

    #[tokio::test(start_paused = true)]
    async fn joins_that_are_on_their_way_count_each_room_once_until_they_are_there_or_given_up() {
        let (presence, room, ann) = presence();
        let claim = |nth: usize| presence.claim(&topic(&format!("chat/room/{nth}")), &ann);
        let mut claims: Vec<_> = (0..MAX_ROOMS).map(|nth| claim(nth).unwrap()).collect();
        assert_eq!(presence.claim(&room, &ann).err(), Some(TooMany::Rooms));
        claims.push(claim(0).unwrap());
        // One comes true, and then both calls at it end: it counts as it did.
        presence.enter(&topic("chat/room/0"), &member(&ann, "Ann", 1));
        assert_eq!(presence.claim(&room, &ann).err(), Some(TooMany::Rooms));
        drop(claims.remove(0));
        drop(claims.pop());
        assert_eq!(presence.claim(&room, &ann).err(), Some(TooMany::Rooms));
        // One ends while it is joined again.
        let again = claim(0).unwrap();
        presence.leave(&topic("chat/room/0"), &ann);
        assert_eq!(presence.claim(&room, &ann).err(), Some(TooMany::Rooms));
        drop(again);
        assert!(presence.claim(&room, &ann).is_ok());
        drop(claims);
        let state = presence.state.lock();
        assert_eq!((state.claimed, state.memberships, state.users.len()), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn all_members_are_replaced_and_those_who_stay_keep_their_deadline() {
        let (presence, room, ann) = presence();
        let bob = UserId::parse("bob").unwrap();
        for user in [&ann, &bob] {
            join(&presence, &room, user).unwrap();
        }
        tokio::time::sleep(GRACE / 2).await;
        let other = topic("chat/room/s");
        presence.replace(&[(room.clone(), member(&ann, "Ann", 1)), (other.clone(), member(&bob, "Bob", 2))]);
        assert_eq!(presence.members(&room), [member(&ann, "Ann", 1)]);
        assert_eq!(presence.members(&other), [member(&bob, "Bob", 2)]);
        let begun = Instant::now();
        assert_eq!(presence.grace_over().await, (room, ann));
        assert_eq!(begun.elapsed().as_secs(), GRACE.as_secs() / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_whose_end_could_not_be_written_has_another_grace() {
        let (presence, room, ann) = presence();
        join(&presence, &room, &ann).unwrap();
        assert_eq!(presence.grace_over().await, (room.clone(), ann.clone()));
        let renewed = Instant::now();
        presence.renew(&room, &ann);
        assert_eq!(presence.over(&room, &ann), None);
        assert_eq!(presence.grace_over().await, (room.clone(), ann.clone()));
        assert_eq!(renewed.elapsed().as_secs(), GRACE.as_secs());
        presence.leave(&room, &ann);
        presence.renew(&room, &ann);
        assert!(presence.state.lock().users.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_of_all_rooms_moves_one_deadline_however_many_rooms_there_are() {
        let (presence, _, ann) = presence();
        let everywhere = topic("chat");
        for nth in 0..MAX_ROOMS {
            join(&presence, &topic(&format!("chat/room/{nth}")), &ann).unwrap();
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
        presence.enter(&room, &member(&ann, &name, 1));
        assert_eq!(*presence.member(&room, &ann).unwrap().username, name[..MAX_NAME_BYTES - 1]);
    }
}
