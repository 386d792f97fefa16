//! Positions, epochs, and the event ids that are made of the two.

use std::fmt;

use rand::RngExt as _;

/// A position in the log. The first event has position 1, and each later one exactly one more, over
/// all topics.
///
/// As a cursor, a position means that the client has seen everything up to and including it.
/// [`Position::START`] means that it has seen nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

/// The name of one stretch of a log's history in which it can't have lost anything: eight random
/// characters of `[a-z0-9]`.
///
/// A new epoch is drawn whenever the log may have lost something, which includes each time that a
/// process opens a log of its own. An id that was shown and then lost (in a crash, or with a
/// restored backup) is therefore never mistaken for the event that gets its position later.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch([u8; Epoch::LENGTH]);

/// The id of a stored event: `<epoch>-<position>`, at most 29 bytes of `[a-z0-9-]`.
///
/// These are characters that a browser may send as `Last-Event-ID` across origins without a
/// preflight (WHATWG Fetch, CORS-unsafe request-header bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId {
    /// The epoch in which the event was written.
    pub epoch: Epoch,
    /// The event's position in the log.
    pub position: Position,
}

/// Why a text is not an event id of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not of the form `<epoch>-<position>`.
    #[error("an id has the form <epoch>-<position>")]
    Malformed,
    /// The text has the right form, but its epoch can't be one of this log.
    #[error("the id belongs to another log")]
    ForeignEpoch,
}

impl Position {
    /// The position before the first event.
    pub const START: Self = Self(0);

    /// Returns the position with this number. The number 0 is [`Position::START`].
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Epoch {
    /// The number of characters in an epoch. There are 36⁸ ≈ 2.8 × 10¹² epochs, so two openings of
    /// one log never share one in practice.
    pub const LENGTH: usize = 8;

    /// Draws a new epoch.
    pub fn random(rng: &mut impl rand::Rng) -> Self {
        const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        Self(std::array::from_fn(|_| {
            ALPHABET[rng.random_range(0..ALPHABET.len())]
        }))
    }

    /// Parses an epoch that [`Epoch::as_str`] returned. `None` if the text is not an epoch.
    pub fn parse(text: &str) -> Option<Self> {
        let own = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        <[u8; Self::LENGTH]>::try_from(text.as_bytes())
            .ok()
            .filter(|bytes| bytes.iter().all(own))
            .map(Self)
    }

    /// Returns the epoch as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default() // always ASCII, see `random` and `parse`
    }
}

impl EventId {
    /// Reads an id as a client sent it back.
    ///
    /// ```
    /// use tidings_journal::EventId;
    /// assert_eq!(EventId::parse("abcd1234-17").unwrap().position.get(), 17);
    /// assert!(EventId::parse("17").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, Error> {
        let well_formed = |epoch: &str| {
            (1..=40).contains(&epoch.len())
                && epoch
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_')
        };
        let (epoch, position) = text.split_once('-').ok_or(Error::Malformed)?;
        let canonical = position.bytes().all(|byte| byte.is_ascii_digit())
            && (position == "0" || !position.starts_with('0'));
        if !well_formed(epoch) || !canonical {
            return Err(Error::Malformed);
        }
        let position = Position(position.parse().map_err(|_| Error::Malformed)?);
        let epoch = Epoch::parse(epoch).ok_or(Error::ForeignEpoch)?;
        Ok(Self { epoch, position })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself() {
        let id = EventId {
            epoch: Epoch::random(&mut rand::rng()),
            position: Position::new(u64::MAX),
        };
        assert_eq!(EventId::parse(&id.to_string()), Ok(id));
        assert!(id.to_string().len() <= 64);
    }

    #[test]
    fn a_text_that_is_no_id_is_malformed() {
        for text in [
            "",
            "-",
            "17",
            "abcd1234-",
            "-17",
            "abcd1234-+1",
            "abcd1234-01",
            "abcd1234-1-2",
            "abcd1234- 1",
            "ab cd-1",
            "abcd1234-18446744073709551616",
            "évt-1",
            "evt_1795473015155_k6dox6t2v",
        ] {
            assert_eq!(EventId::parse(text), Err(Error::Malformed), "{text:?}");
        }
    }

    #[test]
    fn an_id_of_another_server_is_not_malformed() {
        assert_eq!(EventId::parse("A-17"), Err(Error::ForeignEpoch));
        assert_eq!(EventId::parse("ABCD1234-17"), Err(Error::ForeignEpoch));
    }
}
