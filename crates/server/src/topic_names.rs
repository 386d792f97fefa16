//! The names of the topics of the stream groups, and of the server's internal topics.

use std::sync::LazyLock;

use tidings_hub::UserId;
use tidings_journal::{TopicName, topic};

/// A constant topic name. It is parsed at its first use; a test uses each of them.
macro_rules! constant {
    ($name:literal) => {{
        static NAME: LazyLock<TopicName> =
            LazyLock::new(|| TopicName::parse($name).expect("a valid constant"));
        NAME.clone()
    }};
}

/// The topic of notifications to all users.
pub(crate) fn notifications() -> TopicName {
    constant!("notifications")
}

/// The topic of entity updates for all users.
pub(crate) fn realtime() -> TopicName {
    constant!("realtime")
}

/// The topic of the updates of one entity. `updates` is the topic of all updates, or of those for
/// one user.
pub(crate) fn entity(updates: &TopicName, entity: &str) -> TopicName {
    descendant(updates, &["entity", entity])
}

/// The topic of the messages of all rooms.
pub(crate) fn chat() -> TopicName {
    constant!("chat")
}

/// The topic of the messages of one room.
pub(crate) fn room(room: &str) -> TopicName {
    descendant(&chat(), &["room", room])
}

/// The topic of the status of services.
pub(crate) fn status() -> TopicName {
    constant!("system/status")
}

/// The internal topic of the memberships of rooms, which nobody can follow.
pub(crate) fn members() -> TopicName {
    constant!("_members")
}

/// The topic of the server's statistics, for the dashboard of its operators.
pub(crate) fn dashboard() -> TopicName {
    constant!("system/dashboard")
}

/// The topic below `topic` for events that are meant for `user` alone.
pub(crate) fn of_user(topic: &TopicName, user: &UserId) -> TopicName {
    user.topic(topic)
}

/// Returns `topic`, or the topic of `target` below it if the event is meant for one user.
pub(crate) fn for_target(topic: &TopicName, target: Option<&UserId>) -> TopicName {
    target.map_or_else(|| topic.clone(), |user| of_user(topic, user))
}

/// Whether a topic is internal: only the server itself reads it.
pub(crate) fn is_internal(topic: &TopicName) -> bool {
    topic.as_str().starts_with('_')
}

/// Parses a topic name that a caller sent. Besides the syntax of a name, it checks that no segment
/// is `.` or `..`, because no room and no entity has such a name. A segment after `user` may be one
/// of them: it is the id of a user, which comes from a token.
pub(crate) fn parse(text: &str) -> Result<TopicName, topic::Error> {
    let topic = TopicName::parse(text)?;
    let mut previous = "";
    for segment in topic.as_str().split('/') {
        if matches!(segment, "." | "..") && previous != "user" {
            return Err(topic::Error::Dots);
        }
        previous = segment;
    }
    Ok(topic)
}

#[expect(
    clippy::expect_used,
    reason = "the names of entities and rooms were checked to fit into a segment"
)]
fn descendant(topic: &TopicName, segments: &[&str]) -> TopicName {
    let child = |topic: TopicName, segment: &&str| {
        topic
            .child(segment)
            .expect("a checked name, and few segments")
    };
    segments.iter().fold(topic.clone(), child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_id_of_a_user_may_be_a_dot_or_two_dots() {
        for good in [
            "chat/room/a.b",
            "chat/room/...",
            "notifications/user/..",
            "realtime/user/./entity/order",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "chat/room/..",
            "..",
            "realtime/entity/.",
            "realtime/user/a/entity/..",
            "chat//room",
            "a b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_names_of_users_and_entities_fit_into_a_topic_name() {
        let longest = "x".repeat(128);
        let user = UserId::parse(&"/".repeat(128)).unwrap();
        for topic in [
            notifications(),
            realtime(),
            chat(),
            status(),
            members(),
            dashboard(),
        ] {
            entity(&of_user(&topic, &user), &longest);
        }
        assert_eq!(room("a:b@c").as_str(), "chat/room/a:b@c");
    }
}
