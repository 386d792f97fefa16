//! The `X-Request-Id` that ties an answer to a line in the logs.
//!
//! Owns which ids are valid. Must never accept one that could forge a log line or fill a disk.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header's name, in requests and in answers.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is accepted, in bytes.
const MAX_BYTES: usize = 128;

/// A request's id: 1–128 visible ASCII characters. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's id if it is valid, otherwise a new one of 128 random bits. If there are several
    /// header lines, the first valid one counts.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let sane = |value: &&HeaderValue| {
            (1..=MAX_BYTES).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        let taken = headers.get_all(HEADER).iter().find(sane);
        taken.map_or_else(Self::random, |value| Self(value.clone()))
    }

    /// The id as the value of a header.
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The id as text.
    #[expect(clippy::missing_panics_doc, reason = "an id that exists is ASCII")]
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("visible ASCII by construction")
    }

    fn random() -> Self {
        let hex = format!("{:032x}", rand::random::<u128>());
        Self(HeaderValue::try_from(hex).expect("hexadecimal digits are visible ASCII"))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn id(lines: &[&[u8]]) -> RequestId {
        let lines = lines.iter().map(|line| (HEADER, HeaderValue::from_bytes(line).unwrap()));
        RequestId::from_headers(&lines.collect())
    }

    fn is_made(id: &RequestId) -> bool {
        id.as_str().len() == 32 && id.as_str().bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    }

    #[test]
    fn a_sane_id_is_taken_over() {
        let longest = "x".repeat(128);
        for sane in ["a", "7d3c-{42}/\"~", &longest] {
            assert_eq!(id(&[sane.as_bytes()]).as_str(), sane);
            assert_eq!(id(&[sane.as_bytes()]).header_value(), sane);
        }
    }

    #[test]
    fn an_id_that_is_empty_long_or_not_visible_ascii_is_replaced() {
        for bad in [&b""[..], &[b'x'; 129], b"a b", b"a\tb", b"\xc3\xa9"] {
            assert!(is_made(&id(&[bad])), "{bad:?}");
        }
        assert!(is_made(&id(&[])));
    }

    #[test]
    fn the_first_sane_line_counts() {
        assert_eq!(id(&[b"", b"a", b"b"]).as_str(), "a");
    }

    #[test]
    fn made_ids_do_not_repeat() {
        let made: HashSet<String> = (0..1_000).map(|_| id(&[]).to_string()).collect();
        assert_eq!(made.len(), 1_000);
    }

    proptest! {
        #[test]
        fn every_id_is_sane(line in prop::collection::vec(any::<u8>(), 0..200)) {
            if HeaderValue::from_bytes(&line).is_ok() {
                let id = id(&[&line]);
                prop_assert!((1..=128).contains(&id.as_str().len()));
                prop_assert!(id.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
