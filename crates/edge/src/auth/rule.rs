//! A rule: who may read the topics that a pattern matches, and who may publish to them.
//!
//! Owns what patterns match and which audiences there are. The rules themselves are in the table of
//! stream groups. [`super::guard`] decides whether a caller belongs to an audience, and what the
//! caller may do then.

use tidings_hub::UserId;
use tidings_journal::{Segment, TopicName};

/// The segment of a pattern that stands for a user's id.
pub const ME: &str = "{me}";

/// The segment of a pattern that stands for any one name.
pub const ANY: &str = "*";

/// Who may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Everybody, even without a token.
    Public,
    /// Every caller with a valid token.
    Authenticated,
    /// The user whose id is in the topic.
    Me,
    /// A caller with the role of administrators.
    Admin,
    /// Only the server itself.
    Server,
}

/// Who may read and who may publish to the topics of one pattern.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The segments of a topic, where `*` stands for any segment, and [`ME`] for the id of a user.
    pub pattern: &'static str,
    /// Who may open a stream that shows the topic, and list its stored events. Events that the
    /// server itself publishes are not stored.
    pub read: Audience,
    /// Who may publish to the topic, by the calls of its group.
    pub publish: Audience,
}

impl Rule {
    /// Whether the rule governs `topic`.
    pub fn governs(&self, topic: &TopicName) -> bool {
        self.levels_below(topic) == Some(0)
    }

    /// Whether `topic` is below a topic of one room, entity or user that the rule governs, as
    /// `chat/room/a/b` is below `chat/room/a`.
    pub(super) fn is_above(&self, topic: &TopicName) -> bool {
        (self.pattern.ends_with(ANY) || self.pattern.ends_with(ME))
            && self.levels_below(topic) > Some(0)
    }

    /// Returns how many more segments `topic` has than the pattern, which matches those before
    /// them.
    fn levels_below(&self, topic: &TopicName) -> Option<usize> {
        let mut segments = topic.as_str().split('/');
        let mut pattern = self.pattern.split('/');
        let matches = pattern.all(|expected| {
            segments
                .next()
                .is_some_and(|found| expected == found || expected == ANY || expected == ME)
        });
        matches.then(|| segments.count())
    }

    /// Whether the user id in `topic` is that of `user`. The rule must govern the topic.
    pub(super) fn is_of(&self, topic: &TopicName, user: &UserId) -> bool {
        let mut segments = self.pattern.split('/').zip(topic.as_str().split('/'));
        // In a topic, an id has only one spelling, so texts can be compared.
        segments.any(|(expected, found)| {
            expected == ME && found == Segment::new(user.as_str()).to_string()
        })
    }
}

/// Fills in a pattern: `me` replaces [`ME`], and `name` replaces [`ANY`]. The name must have been
/// checked. Returns `None` if the pattern contains a placeholder whose value is `None`.
pub fn fill(pattern: &str, me: Option<&UserId>, name: Option<&str>) -> Option<TopicName> {
    let mut topic = String::with_capacity(pattern.len() + 32);
    for segment in pattern.split('/') {
        if !topic.is_empty() {
            topic.push('/');
        }
        match segment {
            ME => topic.push_str(&Segment::new(me?.as_str()).to_string()),
            ANY => topic.push_str(name?),
            fixed => topic.push_str(fixed),
        }
    }
    TopicName::parse(&topic).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> TopicName {
        TopicName::parse(text).unwrap()
    }

    const OWN: Rule = Rule {
        pattern: "realtime/user/{me}/entity/*",
        read: Audience::Me,
        publish: Audience::Authenticated,
    };

    #[test]
    fn a_rule_governs_the_topics_that_its_pattern_matches_segment_by_segment() {
        for good in [
            "realtime/user/ann/entity/order",
            "realtime/user/a%2Fb/entity/order",
            "realtime/user/../entity/x",
        ] {
            assert!(OWN.governs(&topic(good)), "{good}");
        }
        for bad in [
            "realtime",
            "realtime/user/ann",
            "realtime/user/ann/entity",
            "realtime/user/ann/entity/order/1",
            "realtime/user/ann/other/order",
            "Realtime/user/ann/entity/order",
        ] {
            assert!(!OWN.governs(&topic(bad)), "{bad}");
        }
    }

    #[test]
    fn only_a_pattern_that_ends_with_a_name_or_a_user_is_above_topics() {
        let rule = |pattern| Rule { pattern, ..OWN };
        let is_above = |pattern, text: &str| rule(pattern).is_above(&topic(text));
        assert!(
            is_above("chat/room/*", "chat/room/a/b") && is_above("chat/room/*", "chat/room/a/b/c")
        );
        assert!(is_above("news/user/{me}", "news/user/ann/later"));
        assert!(
            !is_above("chat/room/*", "chat/room/a") && !is_above("chat/room/*", "chat/rooms/a/b")
        );
        assert!(!is_above("chat", "chat/rooms"), "a fixed name");
    }

    #[test]
    fn a_topic_belongs_to_the_user_whose_id_is_in_it() {
        let is_of = |text: &str, user: &str| OWN.is_of(&topic(text), &UserId::parse(user).unwrap());
        assert!(is_of("realtime/user/ann/entity/order", "ann"));
        assert!(is_of("realtime/user/a%2Fb%2A/entity/order", "a/b*"));
        for (text, user) in [
            ("realtime/user/ann/entity/an", "an"),
            ("realtime/user/ann/entity/order", "order"),
            ("realtime/user/a%252Fb/entity/order", "a/b"),
            ("realtime/user/{me}", "ann"),
        ] {
            if let Ok(topic) = TopicName::parse(text) {
                assert!(
                    !OWN.is_of(&topic, &UserId::parse(user).unwrap()),
                    "{text} {user}"
                );
            }
        }
    }

    #[test]
    fn a_pattern_is_filled_with_an_escaped_id_and_a_name_or_not_at_all() {
        let odd = UserId::parse("a/*").unwrap();
        let filled = fill(OWN.pattern, Some(&odd), Some("order")).unwrap();
        assert_eq!(filled.as_str(), "realtime/user/a%2F%2A/entity/order");
        assert!(OWN.governs(&filled) && OWN.is_of(&filled, &odd));
        assert_eq!(fill(OWN.pattern, None, Some("order")), None);
        assert_eq!(fill(OWN.pattern, Some(&odd), None), None);
        let longest = UserId::parse(&"/".repeat(128)).unwrap();
        assert!(fill(OWN.pattern, Some(&longest), Some(&"x".repeat(128))).is_some());
    }
}
