use tidings_journal::Position;

use super::*;

const GRACE: Duration = Duration::from_mins(1);

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn presence() -> (Arc<Presence>, TopicName, UserId) {
    (
        Arc::new(Presence::new(topic("chat"), GRACE)),
        topic("chat/room/r"),
        UserId::parse("ann").unwrap(),
    )
}

fn member(user: &UserId, username: &str, position: u64) -> Member {
    let position = Position::new(position);
    Member {
        user: user.clone(),
        username: username.into(),
        joined_at_ms: 7,
        position,
        connections: 0,
    }
}

/// Joins, as if the log had accepted it.
fn join(presence: &Arc<Presence>, room: &TopicName, user: &UserId) -> Result<(), MembershipLimit> {
    let _pending = presence.begin_join(room, user)?;
    presence.enter(room, &member(user, "Ann", 1));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_user_with_several_connections_is_one_member() {
    let (presence, room, ann) = presence();
    presence.stream_opened(&ann, [&room]);
    presence.stream_opened(&ann, [&topic("chat")]);
    presence.stream_opened(&ann, [&topic("chat/room/other")]);
    presence.enter(&room, &member(&ann, "Ann", 7));
    let ann = Member {
        connections: 2,
        ..member(&ann, "Ann", 7)
    };
    assert_eq!(presence.member(&room, &ann.user).as_ref(), Some(&ann));
    assert_eq!(presence.members(&room), [ann]);
}

#[tokio::test(start_paused = true)]
async fn a_membership_ends_a_grace_period_after_the_last_stream_has_closed() {
    let (presence, room, ann) = presence();
    presence.stream_opened(&ann, [&room]);
    presence.stream_opened(&ann, [&topic("chat")]);
    join(&presence, &room, &ann).unwrap();
    presence.stream_closed(&ann, [&room]);
    tokio::time::sleep(GRACE * 2).await;
    assert_eq!(presence.expired(&room, &ann), None, "one stream is left");
    let closed = Instant::now();
    presence.stream_closed(&ann, [&topic("chat")]);
    assert_eq!(presence.next_expired().await, (room.clone(), ann.clone()));
    assert_eq!(closed.elapsed().as_secs(), GRACE.as_secs());
    assert!(presence.expired(&room, &ann).is_some());
    presence.leave(&room, &ann);
    assert_eq!(presence.members(&room), []);
    assert!(presence.state.lock().users.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_membership_without_a_stream_ends_a_grace_period_after_joining() {
    let (presence, room, ann) = presence();
    join(&presence, &room, &ann).unwrap();
    tokio::time::sleep(GRACE / 2).await;
    assert_eq!(presence.expired(&room, &ann), None);
    assert_eq!(presence.next_expired().await, (room, ann));
}

#[tokio::test(start_paused = true)]
async fn a_member_who_reconnects_within_the_grace_period_stays() {
    let (presence, room, ann) = presence();
    join(&presence, &room, &ann).unwrap();
    tokio::time::sleep(GRACE / 2).await;
    presence.stream_opened(&ann, [&topic("chat")]);
    assert!(
        tokio::time::timeout(GRACE * 3, presence.next_expired())
            .await
            .is_err()
    );
    assert_eq!(presence.members(&room).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn leaving_ends_the_grace_period() {
    let (presence, room, ann) = presence();
    join(&presence, &room, &ann).unwrap();
    presence.leave(&room, &ann);
    presence.leave(&room, &ann);
    let state = presence.state.lock();
    assert!(state.deadlines.is_empty() && state.users.is_empty() && state.members.is_empty());
    assert_eq!(state.memberships, 0);
}

#[tokio::test(start_paused = true)]
async fn each_of_many_memberships_ends_at_its_own_time_or_with_the_stream_on_the_aggregate() {
    let (presence, _, ann) = presence();
    let aggregate = topic("chat");
    let rooms: Vec<_> = (0..4)
        .map(|nth| topic(&format!("chat/room/{nth}")))
        .collect();
    join(&presence, &rooms[0], &ann).unwrap();
    tokio::time::sleep(GRACE / 4).await;
    presence.stream_opened(&ann, [&aggregate]);
    join(&presence, &rooms[1], &ann).unwrap();
    tokio::time::sleep(GRACE * 3).await;
    presence.stream_closed(&ann, [&aggregate]);
    let closed = Instant::now();
    presence.stream_opened(&ann, [&rooms[2]]);
    for room in &rooms[2..] {
        join(&presence, room, &ann).unwrap();
        tokio::time::sleep(GRACE / 4).await;
    }
    presence.stream_closed(&ann, [&rooms[2]]);
    let mut ends = Vec::new();
    while !presence.state.lock().users.is_empty() {
        let (room, user) = presence.next_expired().await;
        presence.expired(&room, &user).expect("its grace is over");
        presence.leave(&room, &user);
        ends.push((room, closed.elapsed()));
    }
    ends.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    let after = [GRACE, GRACE, GRACE + GRACE / 4, GRACE + GRACE / 2];
    let in_order = [0, 1, 3, 2].map(|nth: usize| rooms[nth].clone());
    assert_eq!(ends, in_order.into_iter().zip(after).collect::<Vec<_>>());
    assert_eq!(
        (
            presence.memberships(),
            presence.state.lock().deadlines.len()
        ),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_joins_up_to_the_limit_and_again_after_leaving() {
    let (presence, room, ann) = presence();
    for nth in 0..MAX_MEMBERSHIPS_PER_USER {
        join(&presence, &topic(&format!("chat/room/{nth}")), &ann).unwrap();
    }
    assert_eq!(join(&presence, &room, &ann), Err(MembershipLimit::User));
    assert_eq!(
        join(&presence, &topic("chat/room/0"), &ann),
        Ok(()),
        "a member can join again"
    );
    assert_eq!(
        join(&presence, &room, &UserId::parse("bob").unwrap()),
        Ok(())
    );
    presence.leave(&topic("chat/room/7"), &ann);
    assert_eq!(join(&presence, &room, &ann), Ok(()));
    // A membership that was acknowledged comes back even above the limit.
    presence.enter(&topic("chat/room/7"), &member(&ann, "Ann", 9));
    assert_eq!(
        presence.members(&topic("chat/room/7")),
        [member(&ann, "Ann", 9)]
    );
    assert_eq!(presence.memberships(), MAX_MEMBERSHIPS_PER_USER + 2);
}

#[tokio::test(start_paused = true)]
async fn a_pending_join_counts_once_for_each_topic_until_it_is_in_the_log_or_dropped() {
    let (presence, room, ann) = presence();
    let begin = |nth: usize| presence.begin_join(&topic(&format!("chat/room/{nth}")), &ann);
    let mut pending: Vec<_> = (0..MAX_MEMBERSHIPS_PER_USER)
        .map(|nth| begin(nth).unwrap())
        .collect();
    assert_eq!(
        presence.begin_join(&room, &ann).err(),
        Some(MembershipLimit::User)
    );
    pending.push(begin(0).unwrap());
    // One of them is in the log now, and then both calls for it end: the topic still counts once.
    presence.enter(&topic("chat/room/0"), &member(&ann, "Ann", 1));
    assert_eq!(
        presence.begin_join(&room, &ann).err(),
        Some(MembershipLimit::User)
    );
    drop(pending.remove(0));
    drop(pending.pop());
    assert_eq!(
        presence.begin_join(&room, &ann).err(),
        Some(MembershipLimit::User)
    );
    // A membership ends while another call joins the topic again.
    let again = begin(0).unwrap();
    presence.leave(&topic("chat/room/0"), &ann);
    assert_eq!(
        presence.begin_join(&room, &ann).err(),
        Some(MembershipLimit::User)
    );
    drop(again);
    assert!(presence.begin_join(&room, &ann).is_ok());
    drop(pending);
    let state = presence.state.lock();
    assert_eq!(
        (state.pending, state.memberships, state.users.len()),
        (0, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn replacing_all_members_keeps_the_deadlines_of_those_who_stay() {
    let (presence, room, ann) = presence();
    let bob = UserId::parse("bob").unwrap();
    for user in [&ann, &bob] {
        join(&presence, &room, user).unwrap();
    }
    tokio::time::sleep(GRACE / 2).await;
    let other = topic("chat/room/s");
    presence.replace(&[
        (room.clone(), member(&ann, "Ann", 1)),
        (other.clone(), member(&bob, "Bob", 2)),
    ]);
    assert_eq!(presence.members(&room), [member(&ann, "Ann", 1)]);
    assert_eq!(presence.members(&other), [member(&bob, "Bob", 2)]);
    let begun = Instant::now();
    assert_eq!(presence.next_expired().await, (room, ann));
    assert_eq!(begun.elapsed().as_secs(), GRACE.as_secs() / 2);
}

#[tokio::test(start_paused = true)]
async fn a_membership_whose_end_could_not_be_written_gets_another_grace_period() {
    let (presence, room, ann) = presence();
    join(&presence, &room, &ann).unwrap();
    assert_eq!(presence.next_expired().await, (room.clone(), ann.clone()));
    let renewed = Instant::now();
    presence.renew(&room, &ann);
    assert_eq!(presence.expired(&room, &ann), None);
    assert_eq!(presence.next_expired().await, (room.clone(), ann.clone()));
    assert_eq!(renewed.elapsed().as_secs(), GRACE.as_secs());
    presence.leave(&room, &ann);
    presence.renew(&room, &ann);
    assert!(presence.state.lock().users.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_user_with_many_memberships_has_one_deadline() {
    let (presence, _, ann) = presence();
    let aggregate = topic("chat");
    for nth in 0..MAX_MEMBERSHIPS_PER_USER {
        join(&presence, &topic(&format!("chat/room/{nth}")), &ann).unwrap();
    }
    assert_eq!(presence.state.lock().deadlines.len(), 1);
    presence.stream_opened(&ann, [&aggregate]);
    assert_eq!(presence.state.lock().deadlines.len(), 0);
    presence.stream_closed(&ann, [&aggregate]);
    assert_eq!(presence.state.lock().deadlines.len(), 1);
}

#[test]
fn a_name_is_cut_between_two_characters() {
    let (presence, room, ann) = presence();
    let name = "x".repeat(crate::user::MAX_NAME_BYTES - 1) + "é and more";
    presence.enter(&room, &member(&ann, &name, 1));
    assert_eq!(
        *presence.member(&room, &ann).unwrap().username,
        name[..crate::user::MAX_NAME_BYTES - 1]
    );
}
