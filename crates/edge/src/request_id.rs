//! The `X-Request-Id`, by which an answer can be found in the log.
//!
//! Owns which ids are valid. Must never accept an id that could forge a log line or fill a disk.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header's name, in requests and in answers.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is accepted, in bytes.
const MAX_BYTES: usize = 128;

/// The id of a request: 1–128 visible ASCII characters. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id that the caller sent, or a new one of 128 random bits if the caller sent no valid id.
    /// If there are several header lines, the first valid one counts.
    #[inline]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let is_valid = |value: &&HeaderValue| {
            (1..=MAX_BYTES).contains(&value.len())
                && value.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        let valid = headers.get_all(HEADER).iter().find(is_valid);
        valid.map_or_else(Self::random, |value| Self(value.clone()))
    }

    /// The id as the value of a header.
    #[inline]
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The id as text.
    #[expect(clippy::missing_panics_doc, reason = "every id is visible ASCII")]
    #[inline]
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
        let lines = lines
            .iter()
            .map(|line| (HEADER, HeaderValue::from_bytes(line).unwrap()));
        RequestId::from_headers(&lines.collect())
    }

    fn is_new(id: &RequestId) -> bool {
        id.as_str().len() == 32
            && id
                .as_str()
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    }

    #[test]
    fn a_valid_id_is_accepted() {
        let longest = "x".repeat(128);
        for valid in ["a", "7d3c-{42}/\"~", &longest] {
            assert_eq!(id(&[valid.as_bytes()]).as_str(), valid);
            assert_eq!(id(&[valid.as_bytes()]).header_value(), valid);
        }
    }

    #[test]
    fn an_id_that_is_empty_long_or_not_visible_ascii_is_replaced() {
        for bad in [&b""[..], &[b'x'; 129], b"a b", b"a\tb", b"\xc3\xa9"] {
            assert!(is_new(&id(&[bad])), "{bad:?}");
        }
        assert!(is_new(&id(&[])));
    }

    #[test]
    fn the_first_valid_line_counts() {
        assert_eq!(id(&[b"", b"a", b"b"]).as_str(), "a");
    }

    #[test]
    fn new_ids_do_not_repeat() {
        let ids: HashSet<String> = (0..1_000).map(|_| id(&[]).to_string()).collect();
        assert_eq!(ids.len(), 1_000);
    }

    proptest! {
        #[test]
        fn every_id_is_valid(line in prop::collection::vec(any::<u8>(), 0..200)) {
            if HeaderValue::from_bytes(&line).is_ok() {
                let id = id(&[&line]);
                prop_assert!((1..=128).contains(&id.as_str().len()));
                prop_assert!(id.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
