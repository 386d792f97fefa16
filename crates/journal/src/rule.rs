//! Retention rules: limits for the topics that a pattern matches, in memory and on disk.

use std::time::Duration;

use crate::{Pattern, TopicName};

/// How much each of the topics that match a pattern keeps.
///
/// A topic is governed by the most specific rule whose pattern matches it, and by no other rule. A
/// limit that this rule leaves out does not apply to the topic: under a rule without an age, a
/// topic keeps records of any age. The limits for all topics together apply in addition.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The topics that the rule is for.
    pub pattern: Pattern,
    /// The greatest age of a record.
    pub max_age: Option<Duration>,
    /// The most records that each topic keeps.
    pub max_events: Option<u64>,
    /// The most bytes that each topic keeps. On disk they are counted as they are written, in
    /// memory by [`Record::weight`](crate::Record::weight).
    pub max_bytes: Option<u64>,
}

impl Rule {
    /// Returns the index of the rule that governs `topic`: the most specific one that matches it.
    pub fn governing(rules: &[Self], topic: &TopicName) -> Option<usize> {
        let matching = rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.pattern.matches(topic));
        matching
            .max_by(|(_, a), (_, b)| a.pattern.cmp_specificity(&b.pattern))
            .map(|(index, _)| index)
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
