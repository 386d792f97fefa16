//! Event names: the text of an `event:` line, by which a client chooses its listener.
//!
//! Only this module creates an [`EventName`] from text. Its alphabet has no line break, no NUL and
//! no space, so a name can never end its line, add a field or lose a character.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The longest event name, in characters.
pub const MAX_CHARS: usize = 64;

/// A valid event name: 1–64 characters of `[A-Za-z0-9._:-]`.
///
/// Cheap to clone: a static name is a pointer to its text, and the text of any other name is
/// shared.
#[derive(Clone)]
pub struct EventName(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

/// Why a text is not an event name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is empty or longer than [`MAX_CHARS`].
    #[error("an event name must have 1 to {MAX_CHARS} characters, and this one has {0}")]
    Length(usize),
    /// A character is outside of the alphabet.
    #[error("an event name consists of letters, digits and ._:-, and {0:?} is not one of them")]
    Character(char),
}

impl EventName {
    /// Checks `text`.
    ///
    /// ```
    /// use tidings_sse::{EventName, name};
    /// assert_eq!(EventName::parse("order.created").unwrap().as_str(), "order.created");
    /// assert_eq!(EventName::parse("a\nb"), Err(name::Error::Character('\n')));
    /// ```
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some(character) = first_invalid(text).and_then(|at| text[at..].chars().next()) {
            return Err(Error::Character(character));
        }
        // All characters are ASCII here, so the length in bytes is the number of characters.
        if !has_valid_length(text) {
            return Err(Error::Length(text.len()));
        }
        Ok(Self(Text::Shared(text.into())))
    }

    /// A name that is known at compile time.
    ///
    /// ```
    /// use tidings_sse::EventName;
    /// const HEARTBEAT: EventName = EventName::from_static("heartbeat");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `text` is not a valid name. In a `const`, that is an error of the compiler:
    ///
    /// ```compile_fail
    /// use tidings_sse::EventName;
    /// const BAD: EventName = EventName::from_static("two words");
    /// ```
    pub const fn from_static(text: &'static str) -> Self {
        assert!(
            has_valid_length(text) && first_invalid(text).is_none(),
            "an event name must have 1 to 64 characters: letters, digits and ._:-"
        );
        Self(Text::Static(text))
    }

    /// The name as text.
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

const fn has_valid_length(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_CHARS
}

/// The index of the first character that is outside of the alphabet. Everything before it is ASCII,
/// so the index is a character boundary.
const fn first_invalid(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !matches!(bytes[at], b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b':' | b'-')
        {
            return Some(at);
        }
        at += 1;
    }
    None
}

// Names are equal if their texts are, whether they are static or shared.
impl PartialEq for EventName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for EventName {}

impl Hash for EventName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_64_characters() {
        assert_eq!(EventName::parse(""), Err(Error::Length(0)));
        assert!(EventName::parse(&"x".repeat(64)).is_ok());
        assert_eq!(EventName::parse(&"x".repeat(65)), Err(Error::Length(65)));
    }

    #[test]
    fn every_byte_outside_the_alphabet_is_refused() {
        for byte in 0..=0x7f_u8 {
            let character = char::from(byte);
            let allowed = character.is_ascii_alphanumeric() || "._:-".contains(character);
            let text = format!("a{character}b");
            let name = EventName::parse(&text);
            if allowed {
                assert_eq!(name.unwrap().as_str(), text);
            } else {
                assert_eq!(name, Err(Error::Character(character)));
            }
        }
        assert_eq!(EventName::parse("aéb"), Err(Error::Character('é')));
    }

    #[test]
    fn a_static_name_and_a_parsed_one_are_the_same_name() {
        use std::collections::HashSet;
        let names = HashSet::from([
            EventName::from_static("typing"),
            EventName::parse("typing").unwrap(),
        ]);
        assert_eq!(names.len(), 1);
    }

    #[test]
    #[should_panic(expected = "1 to 64 characters")]
    fn a_bad_static_name_panics() {
        let _ = EventName::from_static("a b");
    }
}
