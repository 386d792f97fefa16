//! The names of the server's topics.

use std::sync::LazyLock;

use tidings_hub::UserId;
use tidings_journal::{TopicName, topic};

/// A topic name that is a constant, and is parsed at its first use. A test uses each of them.
macro_rules! fixed {
    ($name:literal) => {{
        static NAME: LazyLock<TopicName> = LazyLock::new(|| TopicName::parse($name).expect("a valid constant"));
        NAME.clone()
    }};
}

/// Notifications to all users.
pub(crate) fn notifications() -> TopicName {
    fixed!("notifications")
}

/// All entity updates.
pub(crate) fn realtime() -> TopicName {
    fixed!("realtime")
}

/// The updates of one entity, within `group`: all of them, or one user's.
pub(crate) fn entity(group: &TopicName, entity: &str) -> TopicName {
    below(group, &["entity", entity])
}

/// The messages of all rooms.
pub(crate) fn chat() -> TopicName {
    fixed!("chat")
}

/// The messages of one room.
pub(crate) fn room(room: &str) -> TopicName {
    below(&chat(), &["room", room])
}

/// The status of services.
pub(crate) fn status() -> TopicName {
    fixed!("system/status")
}

/// The memberships of rooms. This is one of the server's own topics, which nobody can follow.
pub(crate) fn members() -> TopicName {
    fixed!("_members")
}

/// The server's activity, for its operators.
pub(crate) fn dashboard() -> TopicName {
    fixed!("system/dashboard")
}

/// The part of `group` that is meant for `user` alone.
pub(crate) fn of_user(group: &TopicName, user: &UserId) -> TopicName {
    user.topic(group)
}

/// The topic of `group` for events that are meant for `target`, or for all users without one.
pub(crate) fn addressed(group: &TopicName, target: Option<&UserId>) -> TopicName {
    target.map_or_else(|| group.clone(), |user| of_user(group, user))
}

/// Whether only the server itself reads a topic.
pub(crate) fn is_private(topic: &TopicName) -> bool {
    topic.as_str().starts_with('_')
}

/// Parses the name of a topic that a caller asks for. In addition to the form of a name, no segment
/// may be `.` or `..`, which are not valid names of rooms and entities. The id of a user may be one
/// of them, because it comes from a token.
pub(crate) fn asked(text: &str) -> Result<TopicName, topic::Error> {
    let topic = TopicName::parse(text)?;
    let mut before = "";
    for segment in topic.as_str().split('/') {
        if matches!(segment, "." | "..") && before != "user" {
            return Err(topic::Error::Dots);
        }
        before = segment;
    }
    Ok(topic)
}

#[expect(clippy::expect_used, reason = "names of entities and rooms were checked to fit a segment")]
fn below(topic: &TopicName, segments: &[&str]) -> TopicName {
    let child = |topic: TopicName, segment: &&str| topic.child(segment).expect("a checked name, and room for it");
    segments.iter().fold(topic.clone(), child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_segment_that_is_asked_for_is_a_dot_or_two_but_a_users_id() {
        for good in ["chat/room/a.b", "chat/room/...", "notifications/user/..", "realtime/user/./entity/order"] {
            assert!(asked(good).is_ok(), "{good}");
        }
        for bad in ["chat/room/..", "..", "realtime/entity/.", "realtime/user/a/entity/..", "chat//room", "a b"] {
            assert!(asked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_names_fit() {
        let longest = "x".repeat(128);
        let user = UserId::parse(&"/".repeat(128)).unwrap();
        for group in [notifications(), realtime(), chat(), status(), members(), dashboard()] {
            entity(&of_user(&group, &user), &longest);
        }
        assert_eq!(room("a:b@c").as_str(), "chat/room/a:b@c");
    }
}
