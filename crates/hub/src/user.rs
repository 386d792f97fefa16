//! The user that a stream belongs to. Delivery knows only an id and a name.

use std::fmt;
use std::sync::Arc;

use tidings_journal::TopicName;

/// The longest user id, in bytes of UTF-8.
pub const MAX_USER_ID_BYTES: usize = 128;

/// The longest user name that is kept, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 256;

/// A valid user id: 1–128 bytes of UTF-8 without control characters.
///
/// Cheap to clone: the text is shared.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

/// Why a text is not a user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is empty, or longer than [`MAX_USER_ID_BYTES`].
    #[error("a user id has 1 to {MAX_USER_ID_BYTES} bytes, this one has {0}")]
    Length(usize),
    /// The text holds a control character.
    #[error("a user id holds no control characters")]
    Control,
}

impl UserId {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if !(1..=MAX_USER_ID_BYTES).contains(&text.len()) {
            return Err(Error::Length(text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err(Error::Control);
        }
        Ok(Self(text.into()))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This user's topic below `group`: for `notifications` it is `notifications/user/{id}`, with
    /// the id escaped.
    #[expect(
        clippy::missing_panics_doc,
        reason = "it can't: 128 bytes are at most 128 characters of a segment"
    )]
    pub fn topic(&self, group: &TopicName) -> TopicName {
        group
            .child("user")
            .and_then(|users| users.child(&self.0))
            .expect("a group of the server has room for two more segments")
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Cuts a user name to [`MAX_NAME_BYTES`], between two characters.
pub fn truncate_name(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_escaped_in_a_topic_name() {
        let group = TopicName::parse("notifications").unwrap();
        let user = UserId::parse("a/*").unwrap();
        assert_eq!(user.topic(&group).as_str(), "notifications/user/a%2F%2A");
    }

    #[test]
    fn ids_have_1_to_128_bytes_and_no_control_characters() {
        assert!(UserId::parse(&"x".repeat(128)).is_ok());
        assert_eq!(UserId::parse(""), Err(Error::Length(0)));
        assert_eq!(UserId::parse(&"é".repeat(65)), Err(Error::Length(130)));
        assert_eq!(UserId::parse("a\u{85}b"), Err(Error::Control));
    }
}
