//! Finds the publishes of this run in the bytes of a stream: the marker `"ts":` and the time after
//! it.
//!
//! Events are not decoded, because millions of deliveries per second have to be counted on one
//! core. If the framing of the body splits a time (because the server ends a chunk in the middle of
//! an event), it is not recognised, and the delivery is not counted.

use memchr::memmem;

const MARKER: &[u8] = b"\"ts\":";

/// The longest beginning of a marked time that is kept until the rest arrives, in bytes: the
/// marker, some spaces, and 20 digits.
pub(super) const MAX_REST: usize = 31;

/// The last bytes of a stream that may be the beginning of a marked time.
#[derive(Default)]
pub(super) struct Rest {
    bytes: [u8; MAX_REST],
    length: u8,
}

/// Searches for marked times.
pub(super) struct Finder(memmem::Finder<'static>);

impl Rest {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Keeps these bytes, unless they are too long to be the beginning of a marked time.
    fn keep(&mut self, rest: &[u8]) {
        self.length = 0;
        if let (Some(kept), Ok(length)) =
            (self.bytes.get_mut(..rest.len()), u8::try_from(rest.len()))
        {
            kept.copy_from_slice(rest);
            self.length = length;
        }
    }
}

impl Finder {
    pub(super) fn new() -> Self {
        Self(memmem::Finder::new(MARKER))
    }

    /// Passes each marked time to `found`. `bytes` must begin with the content of `rest`;
    /// afterwards `rest` contains the bytes at the end that may be the beginning of a marked time.
    pub(super) fn scan(&self, bytes: &[u8], rest: &mut Rest, mut found: impl FnMut(u64)) {
        let mut from = 0;
        while let Some(at) = self.0.find(&bytes[from..]) {
            let start = from + at;
            let mut end = start + MARKER.len();
            while bytes.get(end) == Some(&b' ') {
                end += 1;
            }
            let mut time = 0_u64;
            while let Some(digit) = bytes.get(end).filter(|byte| byte.is_ascii_digit()) {
                time = time
                    .saturating_mul(10)
                    .saturating_add(u64::from(digit - b'0'));
                end += 1;
            }
            if end == bytes.len() {
                return rest.keep(&bytes[start..]);
            }
            found(time);
            from = end;
        }
        let tail = bytes.len().saturating_sub(MARKER.len() - 1).max(from);
        rest.keep(&bytes[tail..]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the times that are found in consecutive pieces.
    fn found(pieces: &[&[u8]]) -> Vec<u64> {
        let (finder, mut rest, mut times) = (Finder::new(), Rest::default(), Vec::new());
        for piece in pieces {
            let bytes = [rest.bytes(), piece].concat();
            finder.scan(&bytes, &mut rest, |time| times.push(time));
        }
        times
    }

    #[test]
    fn only_marked_times_are_found() {
        assert_eq!(
            found(&[
                br#"data: {"ts":12,"a":{"ts": 34}}"#,
                b"\n\n",
                br#"{"ts":5}"#
            ]),
            [12, 34, 5]
        );
        assert_eq!(found(&[br#"{"ts":"x"},{"t":1,"sts":2}"#]), [0]);
        assert_eq!(
            found(&[br#"{"ts":99999999999999999999999999999999999999999}"#]),
            [u64::MAX]
        );
    }

    #[test]
    fn a_number_that_is_too_long_is_not_kept() {
        let digits = [b'9'; 4_096];
        assert_eq!(found(&[b"\"ts\":", &digits, &digits, b"}\"ts\":1}"]), [1]);
    }

    proptest! {
        #[test]
        fn the_same_times_are_found_however_the_bytes_are_split(
            times in prop::collection::vec((0..u64::MAX, "[ a\":{}st,\n]{0,12}"), 0..20),
            cuts in prop::collection::vec(0_usize..1_000, 0..20),
        ) {
            let events: Vec<_> = times.iter().map(|(time, between)| format!("{{\"ts\":{time}}}{between}|")).collect();
            let text = events.concat();
            let whole = found(&[text.as_bytes()]);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(&found(&pieces), &whole);
            let single: Vec<_> = text.as_bytes().chunks(1).collect();
            prop_assert_eq!(&found(&single), &whole);
            for (time, _) in times {
                prop_assert!(whole.contains(&time));
            }
        }
    }
}
