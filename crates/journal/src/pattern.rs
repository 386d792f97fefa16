//! Patterns that match topic names.

use std::cmp::Ordering;
use std::fmt;

use crate::topic::{self, TopicName};

/// A pattern for topic names. It is a topic name in which a segment may be `*`, which matches any
/// one segment, and the last segment may be `**`, which matches one or more segments.
///
/// ```
/// use tidings_journal::{Pattern, TopicName};
/// let rooms = Pattern::parse("chat/room/*").unwrap();
/// assert!(rooms.matches(&TopicName::parse("chat/room/general").unwrap()));
/// assert!(!rooms.matches(&TopicName::parse("chat").unwrap()));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not a topic name with wildcards.
    #[error(transparent)]
    Topic(#[from] topic::Error),
    /// `**` stands before the last segment.
    #[error("`**` may only be the last segment of a pattern")]
    Rest,
}

impl Pattern {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.split('/').rev().skip(1).any(|segment| segment == "**") {
            return Err(Error::Rest);
        }
        let is_wildcard = |segment: &str| segment == "*" || segment == "**";
        let plain: Vec<_> = text
            .split('/')
            .map(|segment| if is_wildcard(segment) { "x" } else { segment })
            .collect();
        TopicName::parse(&plain.join("/"))?;
        Ok(Self(text.into()))
    }

    /// Returns whether the pattern matches `topic`.
    pub fn matches(&self, topic: &TopicName) -> bool {
        let mut segments = topic.as_str().split('/');
        for wanted in self.0.split('/') {
            let fits = match (wanted, segments.next()) {
                (_, None) => false,
                ("**", Some(_)) => return true,
                ("*", Some(_)) => true,
                (wanted, Some(segment)) => wanted == segment,
            };
            if !fits {
                return false;
            }
        }
        segments.next().is_none()
    }

    /// Compares two patterns that match the same topic; the more specific one is greater. The first
    /// segment in which they differ decides: a name is more specific than `*`, and `*` is more
    /// specific than `**`.
    pub fn cmp_specificity(&self, other: &Self) -> Ordering {
        let rank = |segment| match segment {
            "**" => 0,
            "*" => 1,
            _ => 2,
        };
        self.0
            .split('/')
            .map(rank)
            .cmp(other.0.split('/').map(rank))
    }

    /// Returns the pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn one_star_matches_one_segment_and_two_match_the_rest() {
        let matches =
            |text: &str, topic: &str| pattern(text).matches(&TopicName::parse(topic).unwrap());
        assert!(matches("a", "a") && !matches("a", "a/b") && !matches("a/b", "a"));
        assert!(matches("a/*", "a/b") && !matches("a/*", "a/b/c") && !matches("a/*", "a"));
        assert!(matches("a/*/c", "a/b/c") && !matches("a/*/c", "a/b/d"));
        assert!(matches("a/**", "a/b") && matches("a/**", "a/b/c") && !matches("a/**", "a"));
        assert!(matches("**", "a") && matches("**", "a/b/c"));
    }

    #[test]
    fn the_first_different_segment_decides_which_pattern_is_more_specific() {
        let sorted = ["**", "*/**", "*/b", "a/**", "a/*", "a/*/c", "a/b"];
        for pair in sorted.windows(2) {
            assert_eq!(
                pattern(pair[0]).cmp_specificity(&pattern(pair[1])),
                Ordering::Less,
                "{pair:?}"
            );
        }
    }

    #[test]
    fn an_invalid_pattern_is_refused_with_a_reason() {
        assert_eq!(Pattern::parse("a/**/b"), Err(Error::Rest));
        assert_eq!(Pattern::parse("**/**"), Err(Error::Rest));
        assert_eq!(
            Pattern::parse("a*"),
            Err(Error::Topic(topic::Error::Character('*')))
        );
        assert_eq!(
            Pattern::parse(""),
            Err(Error::Topic(topic::Error::Segments(0)))
        );
    }
}
