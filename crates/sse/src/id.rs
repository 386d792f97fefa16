//! Event ids: the text of an `id:` line, which a client sends back as `Last-Event-ID`.
//!
//! Only this module creates an [`Id`] from text. What an id means (such as an epoch and a position)
//! is decided by the code that creates it.

use std::fmt;
use std::sync::Arc;

/// The longest id, in bytes.
pub const MAX_BYTES: usize = 64;

/// A valid event id: 1–64 bytes of `[A-Za-z0-9._-]`.
///
/// The standard allows almost any text, but only these ids work with all clients. Browsers will
/// soon send `Last-Event-ID` to other origins without a preflight only if its value is CORS-safe,
/// that is, if it has at most 128 bytes and none of `" ( ) : < > ? @ [ \ ] { }` (whatwg/fetch 829
/// and 1788). Some clients fail on an id that is not visible ASCII.
///
/// Cheap to clone: the text is shared.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Id(Arc<str>);

/// Why a text is not an event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is empty or longer than [`MAX_BYTES`]. An empty `id:` line would make the client
    /// forget its position.
    #[error("an event id must have 1 to {MAX_BYTES} bytes, and this one has {0}")]
    Length(usize),
    /// A character is outside of the alphabet.
    #[error("an event id consists of letters, digits and ._-, and {0:?} is not one of them")]
    Character(char),
}

impl Id {
    /// Checks `text`.
    ///
    /// ```
    /// use tidings_sse::{Id, id};
    /// assert_eq!(Id::parse("k3-41").unwrap().as_str(), "k3-41");
    /// assert_eq!(Id::parse("k3:41"), Err(id::Error::Character(':')));
    /// ```
    pub fn parse(text: &str) -> Result<Self, Error> {
        if !(1..=MAX_BYTES).contains(&text.len()) {
            return Err(Error::Length(text.len()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(character) = text.chars().find(|&c| !allowed(c)) {
            return Err(Error::Character(character));
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_1_to_64_bytes() {
        assert_eq!(Id::parse(""), Err(Error::Length(0)));
        assert!(Id::parse(&"x".repeat(64)).is_ok());
        assert_eq!(Id::parse(&"x".repeat(65)), Err(Error::Length(65)));
    }

    /// express-sse and @fastify/sse drop the id `0`, because it is falsy.
    #[test]
    fn zero_is_a_valid_id() {
        assert_eq!(Id::parse("0").unwrap().as_str(), "0");
    }

    #[test]
    fn every_byte_outside_the_alphabet_is_refused() {
        for byte in 0..=0x7f_u8 {
            let character = char::from(byte);
            let allowed = character.is_ascii_alphanumeric() || "._-".contains(character);
            let text = format!("a{character}b");
            let id = Id::parse(&text);
            if allowed {
                assert_eq!(id.unwrap().as_str(), text);
            } else {
                assert_eq!(id, Err(Error::Character(character)));
            }
        }
        assert_eq!(Id::parse("aéb"), Err(Error::Character('é')));
    }
}
