//! The id of a connection: 128 random bits.

use std::fmt;

/// The id of a connection: 128 random bits, written as `conn_` and 32 hexadecimal digits. Any
/// caller that knows it may act on the connection, so only its own client and admins are told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u128);

impl ConnectionId {
    /// Creates a new id.
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    /// Parses an id in the form that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("conn_")?;
        let canonical = digits.len() == 32
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(digits, 16)
            .ok()
            .filter(|_| canonical)
            .map(Self)
    }

    /// Returns a hash for tables: random bits need no hashing.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "half of the bits are random enough for a table"
    )]
    pub(crate) fn hash(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn_{:032x}", self.0)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself() {
        let id = ConnectionId::random();
        assert_eq!(ConnectionId::parse(&id.to_string()), Some(id));
        for text in [
            "",
            "conn_",
            "conn_+0000000000000000000000000000001",
            &id.to_string().to_uppercase(),
        ] {
            assert_eq!(ConnectionId::parse(text), None, "{text:?}");
        }
    }
}
