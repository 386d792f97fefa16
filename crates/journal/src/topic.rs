//! Topic names, the addresses that events are published to and that subscribers follow.
//!
//! Only this module turns text into a [`TopicName`], so code that has one may rely on its form.
//! Text from outside (a user id, a room) enters a name only through [`Segment`], which escapes it,
//! so that an identity is never read as structure or as a pattern.

use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The most segments in a topic name.
pub const MAX_SEGMENTS: usize = 8;
/// The most characters in one segment. An escape `%XX` counts as one character.
pub const MAX_SEGMENT_CHARS: usize = 128;

/// Every character that has to be escaped: all but `[A-Za-z0-9._@:-]`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'_')
    .remove(b'@')
    .remove(b':')
    .remove(b'-');

/// A valid topic name: 1 to 8 segments of 1 to 128 characters of `[A-Za-z0-9._@:-]` or `%XX`
/// (upper-case hex), joined by `/`.
///
/// A name is cheap to clone, because clones share the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(Arc<str>);

/// One segment of a topic name, made from any text. It escapes every byte outside
/// `[A-Za-z0-9._@:-]` as `%XX`.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a>(&'a str);

/// Why a text is not a topic name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name has no segment, or more than [`MAX_SEGMENTS`].
    #[error("a topic has 1 to {MAX_SEGMENTS} segments joined by '/', this one has {0}")]
    Segments(usize),
    /// A segment is empty, or longer than [`MAX_SEGMENT_CHARS`].
    #[error("each segment of a topic has 1 to {MAX_SEGMENT_CHARS} characters, this one has {0}")]
    Length(usize),
    /// The name has a character that must be escaped, or an escape that is not `%XX` in upper-case
    /// hex.
    #[error("a topic is made of letters, digits and ._@:- (anything else as %XX), not {0:?}")]
    Character(char),
    /// A segment is `.` or `..`. [`TopicName::parse`] accepts such a segment, because a user id may
    /// be one. Callers that take whole names from outside may refuse it, because browsers resolve
    /// such a segment in a URL's path.
    #[error("no segment of a topic is . or .., but for a user's id behind `user`")]
    Dots,
}

impl TopicName {
    /// Checks `text`.
    ///
    /// ```
    /// use tidings_journal::TopicName;
    /// assert_eq!(TopicName::parse("chat/room/general").unwrap().as_str(), "chat/room/general");
    /// assert!(TopicName::parse("chat//x").is_err());
    /// assert!(TopicName::parse("chat/*").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, Error> {
        let segments = if text.is_empty() {
            0
        } else {
            text.split('/').count()
        };
        if !(1..=MAX_SEGMENTS).contains(&segments) {
            return Err(Error::Segments(segments));
        }
        for segment in text.split('/') {
            let length = checked_length(segment)?;
            if !(1..=MAX_SEGMENT_CHARS).contains(&length) {
                return Err(Error::Length(length));
            }
        }
        Ok(Self(text.into()))
    }

    /// Returns the name below this one whose last segment is `text`, escaped.
    pub fn child(&self, text: &str) -> Result<Self, Error> {
        Self::parse(&format!("{self}/{}", Segment(text)))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the topic is the server's own: its name begins with `_` or `system/`. Its
    /// entries are never trimmed to make space for entries of other topics.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with('_') || self.0.starts_with("system/")
    }
}

impl<'a> Segment<'a> {
    /// Creates a segment that stands for `text`.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }
}

/// Returns the number of characters in `segment`. An escape counts as one.
fn checked_length(segment: &str) -> Result<usize, Error> {
    let mut chars = segment.chars();
    let mut length = 0;
    while let Some(char) = chars.next() {
        match char {
            '%' => {
                let upper_hex = |digit: Option<char>| matches!(digit, Some('0'..='9' | 'A'..='F'));
                if !(upper_hex(chars.next()) && upper_hex(chars.next())) {
                    return Err(Error::Character('%'));
                }
            }
            char if char.is_ascii_alphanumeric() || "._@:-".contains(char) => {}
            char => return Err(Error::Character(char)),
        }
        length += 1;
    }
    Ok(length)
}

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf8_percent_encode(self.0, ESCAPED).fmt(f)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl std::str::FromStr for TopicName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl std::borrow::Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_becomes_one_segment_whatever_it_holds() {
        let users = TopicName::parse("notifications/user").unwrap();
        let name = users.child("a/b *é").unwrap();
        assert_eq!(name.as_str(), "notifications/user/a%2Fb%20%2A%C3%A9");
        assert_eq!(TopicName::parse(name.as_str()), Ok(name));
    }

    #[test]
    fn an_escape_counts_as_one_character() {
        let longest = "%2F".repeat(MAX_SEGMENT_CHARS);
        assert!(TopicName::parse(&longest).is_ok());
        assert_eq!(
            TopicName::parse(&format!("{longest}a")),
            Err(Error::Length(129))
        );
    }

    #[test]
    fn what_is_not_a_name_says_why() {
        assert_eq!(TopicName::parse(""), Err(Error::Segments(0)));
        assert_eq!(
            TopicName::parse("1/2/3/4/5/6/7/8/9"),
            Err(Error::Segments(9))
        );
        assert_eq!(TopicName::parse("a//b"), Err(Error::Length(0)));
        assert_eq!(TopicName::parse("chat/*"), Err(Error::Character('*')));
        assert_eq!(TopicName::parse("a%2f"), Err(Error::Character('%')));
        assert_eq!(TopicName::parse("a%2"), Err(Error::Character('%')));
        assert_eq!(TopicName::parse("a\nb"), Err(Error::Character('\n')));
    }
}
