//! How much single topics keep: limits for those that a pattern matches, in memory as on disk.

use std::time::Duration;

use crate::{Pattern, TopicName};

/// How much some topics keep, each for itself.
///
/// A topic is governed by the most specific rule whose pattern matches it, and by no other. What that rule leaves open is not
/// limited for the topic: a rule without an age has its topics keep records of any age. The limits of all topics together hold
/// beside it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which topics.
    pub pattern: Pattern,
    /// The age of their records.
    pub max_age: Option<Duration>,
    /// How many records each keeps.
    pub max_events: Option<u64>,
    /// How many bytes each keeps: on disk as they are written, in memory their [`Record::weight`](crate::Record::weight).
    pub max_bytes: Option<u64>,
}

impl Rule {
    /// The index of the rule that governs `topic`: the most specific of those whose pattern matches it.
    pub fn governing(rules: &[Self], topic: &TopicName) -> Option<usize> {
        let matching = rules.iter().enumerate().filter(|(_, rule)| rule.pattern.matches(topic));
        matching.max_by(|(_, a), (_, b)| a.pattern.cmp_specificity(&b.pattern)).map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_rule_governs() {
        let rule = |pattern| Rule {
            pattern: Pattern::parse(pattern).unwrap(),
            max_age: None,
            max_events: None,
            max_bytes: None,
        };
        let rules = ["**", "chat/**", "chat/room/*", "chat/room/lobby"].map(rule);
        let of = |topic| Rule::governing(&rules, &TopicName::parse(topic).unwrap());
        assert_eq!(of("chat/room/lobby"), Some(3));
        assert_eq!(of("chat/room/x"), Some(2));
        assert_eq!(of("chat/x"), Some(1));
        assert_eq!(of("chat"), Some(0));
    }
}
