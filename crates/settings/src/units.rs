//! Values with units: durations (`25s`) and sizes (`256KiB`).
//!
//! Only whole numbers are accepted, so that a value means exactly what was written. Sizes have only
//! binary units, because `KB` means 1,000 bytes to some people and 1,024 to others.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::rule::{Raw, Rule};

/// A duration in a range.
pub struct Span(pub RangeInclusive<Duration>);

/// A number of bytes in a range.
pub struct Size(pub RangeInclusive<usize>);

/// 1 ms.
pub const MILLISECOND: Duration = Duration::from_millis(1);
/// 1 s.
pub const SECOND: Duration = Duration::from_secs(1);
/// 60 s.
pub const MINUTE: Duration = Duration::from_mins(1);
/// 60 min.
pub const HOUR: Duration = Duration::from_hours(1);
/// 24 h.
pub const DAY: Duration = Duration::from_hours(24);

/// 1,024 bytes.
pub const KIB: usize = 1 << 10;
/// 1,024 KiB.
pub const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
/// 1,024 GiB.
pub const TIB: usize = 1 << 40;

/// The units of durations, largest first. One day is formatted as `24h`; `d` is used from two days
/// on.
const SPANS: [(&str, Duration); 5] = [
    ("d", DAY),
    ("h", HOUR),
    ("m", MINUTE),
    ("s", SECOND),
    ("ms", MILLISECOND),
];
/// The units of sizes, largest first.
const SIZES: [(&str, usize); 5] = [
    ("TiB", TIB),
    ("GiB", GIB),
    ("MiB", MIB),
    ("KiB", KIB),
    ("B", 1),
];

/// Parses a duration such as `500ms`, `25s`, `2m`, `24h` or `7d`. A number without a unit is in
/// seconds.
pub fn read_span(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let unit = match unit {
        "" => SECOND,
        unit => SPANS.iter().find(|(name, _)| *name == unit)?.1,
    };
    let milliseconds = number.checked_mul(u64::try_from(unit.as_millis()).ok()?)?;
    Some(Duration::from_millis(milliseconds))
}

/// Formats a duration in the largest unit of which it is a multiple.
pub fn show_span(span: Duration) -> String {
    let milliseconds = span.as_millis();
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    let (name, unit) = SPANS
        .into_iter()
        .find(|&(_, unit)| {
            milliseconds.is_multiple_of(unit.as_millis()) && (unit < DAY || span >= 2 * DAY)
        })
        .unwrap_or(("ms", MILLISECOND));
    format!("{}{name}", milliseconds / unit.as_millis())
}

/// Parses a size such as `256KiB`, `1MiB`, `2GiB` or `100B`. The unit may be in any case; a number
/// without a unit is in bytes.
pub fn read_size(text: &str) -> Option<usize> {
    let (number, unit) = split(text)?;
    let unit = match unit {
        "" => 1,
        unit => {
            SIZES
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))?
                .1
        }
    };
    usize::try_from(number).ok()?.checked_mul(unit)
}

/// Formats a size in the largest unit of which it is a multiple.
pub fn show_size(bytes: usize) -> String {
    let (name, unit) = SIZES
        .into_iter()
        .find(|&(_, unit)| bytes >= unit && bytes.is_multiple_of(unit))
        .unwrap_or(("B", 1));
    format!("{}{name}", bytes / unit)
}

/// Splits a text into the number at its beginning and the unit behind it.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit.trim_start()))
}

impl Rule for Span {
    type Value = Duration;

    fn read(&self, raw: &Raw) -> Option<Duration> {
        read_span(raw.single()?).filter(|span| self.0.contains(span))
    }

    fn allowed(&self) -> String {
        format!(
            "a duration from {} to {}",
            show_span(*self.0.start()),
            show_span(*self.0.end())
        )
    }

    fn show(&self, value: &Duration) -> String {
        show_span(*value)
    }

    fn placeholder(&self) -> &'static str {
        "DURATION"
    }
}

impl Rule for Size {
    type Value = usize;

    fn read(&self, raw: &Raw) -> Option<usize> {
        read_size(raw.single()?).filter(|bytes| self.0.contains(bytes))
    }

    fn allowed(&self) -> String {
        format!(
            "a size from {} to {}",
            show_size(*self.0.start()),
            show_size(*self.0.end())
        )
    }

    fn show(&self, value: &usize) -> String {
        show_size(*value)
    }

    fn placeholder(&self) -> &'static str {
        "SIZE"
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("25s", 25_000),
            ("25", 25_000),
            ("0", 0),
            ("2m", 120_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
            ("3 s", 3_000),
        ] {
            assert_eq!(
                read_span(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for (text, bytes) in [
            ("256KiB", 262_144),
            ("256kib", 262_144),
            ("1MiB", 1_048_576),
            ("2GiB", 2_147_483_648),
            ("100B", 100),
            ("100", 100),
        ] {
            assert_eq!(read_size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn ambiguous_and_malformed_values_are_refused() {
        for text in [
            "",
            "s",
            "-1s",
            "1.5s",
            "1h30m",
            "5 minutes",
            "99999999999999999999",
        ] {
            assert_eq!(read_span(text), None, "{text}");
        }
        for text in [
            "",
            "KiB",
            "-1",
            "256KB",
            "256k",
            "1.5MiB",
            "99999999999999999999",
            "18446744073709551615KiB",
        ] {
            assert_eq!(read_size(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_is_shown_as_24h_and_a_week_as_7d() {
        assert_eq!(show_span(DAY), "24h");
        assert_eq!(show_span(7 * DAY), "7d");
        assert_eq!(show_span(Duration::ZERO), "0s");
    }

    proptest! {
        #[test]
        fn a_shown_span_is_read_back_as_itself(milliseconds in 0..10_000_000_000_u64) {
            let span = Duration::from_millis(milliseconds);
            prop_assert_eq!(read_span(&show_span(span)), Some(span));
        }

        #[test]
        fn a_shown_size_is_read_back_as_itself(bytes in 0..usize::MAX) {
            prop_assert_eq!(read_size(&show_size(bytes)), Some(bytes));
        }

        #[test]
        fn no_text_causes_a_panic(text in "\\PC*") {
            let _ = (read_span(&text), read_size(&text));
        }
    }
}
