//! Refuses well-formed JSON that not every JSON parser can read (RFC 7493, "I-JSON").
//!
//! Bodies are passed on as they came, with every digit and escape, and some of the parsers that
//! read them are strict. An unpaired surrogate is only half of a character. A number that overflows
//! a double is infinite for one parser and an error for another. Both would be in every replay, so
//! both are refused here, and the error says where they are. This module never changes the text.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{Error, MAX_PROBLEMS, Problem};

/// The most levels of arrays and objects in a reported place. A problem at a deeper level is
/// reported at the last of these levels.
const MAX_LEVELS: usize = 128;

/// The most characters of a place in an error.
const MAX_PLACE: usize = 256;

/// The most characters of one name in a place.
const MAX_NAME: usize = 64;

/// The most characters of a number or an escape in an error.
const MAX_NUMBER: usize = 24;

/// The fewest digits of an integer that can overflow a double.
const MIN_OVERFLOW_DIGITS: usize = 309;

/// Refuses unpaired surrogates and numbers that overflow a double. The text must be well-formed
/// JSON.
pub fn check(text: &[u8]) -> Result<(), Error> {
    if !is_suspicious(text) {
        return Ok(());
    }
    let mut walk = Walk {
        text,
        at: 0,
        levels: Vec::new(),
        unreported_levels: 0,
        expects_name: false,
        problems: Vec::new(),
    };
    walk.run();
    if walk.problems.is_empty() {
        Ok(())
    } else {
        Err(Error::validation(walk.problems))
    }
}

/// Whether the text may contain something that has to be refused: `\u`, a digit before an `e`, or
/// many digits in a row. Almost no body does. The loop does not stop at the first match, so that
/// the compiler can process many bytes at once.
fn is_suspicious(text: &[u8]) -> bool {
    let pairs = text.iter().zip(text.get(1..).unwrap_or_default());
    let escape = |a: u8, b: u8| a == b'\\' && b == b'u';
    let exponent = |a: u8, b: u8| a.is_ascii_digit() && (b | 0x20) == b'e';
    let found = pairs.fold(false, |found, (&a, &b)| {
        found | escape(a, b) | exponent(a, b)
    });
    found
        || text
            .iter()
            .skip(MIN_OVERFLOW_DIGITS - 1)
            .step_by(MIN_OVERFLOW_DIGITS)
            .any(u8::is_ascii_digit)
}

/// The state of a walk through a text, from token to token.
struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    /// The arrays and objects around the current token, from the outside in.
    levels: Vec<Level>,
    /// How many more levels there are around the token than `levels` may have.
    unreported_levels: usize,
    /// Whether the next string is the name of a field.
    expects_name: bool,
    problems: Vec<Problem>,
}

enum Level {
    /// In an object, at the field whose name is in this range of the text, quotes included.
    Object(Range<usize>),
    /// In an array, at the element with this index.
    Array(usize),
}

impl Walk<'_> {
    fn run(&mut self) {
        while let Some(&byte) = self.text.get(self.at)
            && self.problems.len() < MAX_PROBLEMS
        {
            match byte {
                b'"' => self.string(),
                b'-' | b'0'..=b'9' => self.number(),
                _ => {
                    self.structure(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' if self.levels.len() == MAX_LEVELS => self.unreported_levels += 1,
            b'}' | b']' if self.unreported_levels > 0 => self.unreported_levels -= 1,
            _ if self.unreported_levels > 0 => {}
            b'{' => {
                self.levels.push(Level::Object(0..0));
                self.expects_name = true;
            }
            b'[' => {
                self.levels.push(Level::Array(0));
                self.expects_name = false;
            }
            b'}' | b']' => {
                self.levels.pop();
                self.expects_name = false;
            }
            b',' => match self.levels.last_mut() {
                Some(Level::Array(index)) => *index += 1,
                Some(Level::Object(name)) => {
                    *name = 0..0;
                    self.expects_name = true;
                }
                None => {}
            },
            _ => {}
        }
    }

    fn string(&mut self) {
        let start = self.at;
        self.at += 1;
        let mut unpaired = None;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(next) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.text.len();
                break;
            };
            self.at += next;
            if rest[next] == b'"' {
                self.at += 1;
                break;
            }
            let (length, is_paired) = escape(&rest[next..]);
            if !is_paired {
                unpaired.get_or_insert(self.at..self.at + length);
            }
            self.at += length;
        }
        let is_name = std::mem::take(&mut self.expects_name);
        if let Some(escape) = unpaired {
            let escape = self.shown(escape);
            let holder = if is_name { "has a name with" } else { "has" };
            let problem =
                format!("{holder} an unpaired surrogate, {escape}, which is half of a character");
            self.problem(problem);
        }
        if is_name && let Some(Level::Object(name)) = self.levels.last_mut() {
            *name = start..self.at;
        }
    }

    fn number(&mut self) {
        let rest = &self.text[self.at..];
        let length = rest
            .iter()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            .count();
        let number = self.at..self.at + length;
        self.at = number.end;
        let long =
            length >= MIN_OVERFLOW_DIGITS || memchr::memchr2(b'e', b'E', &rest[..length]).is_some();
        let value = std::str::from_utf8(&rest[..length])
            .ok()
            .filter(|_| long)
            .and_then(|text| text.parse::<f64>().ok());
        if value.is_some_and(f64::is_infinite) {
            let problem = format!(
                "is {}, which is more than a double holds",
                self.shown(number)
            );
            self.problem(problem);
        }
    }

    fn problem(&mut self, problem: String) {
        let field = self.place().into();
        self.problems.push(Problem { field, problem });
    }

    /// The path of the current token, for example `metadata.tags[2]`.
    fn place(&self) -> String {
        let mut place = String::new();
        for level in &self.levels {
            match level {
                Level::Object(name) if name.is_empty() => {}
                Level::Object(name) => {
                    let quoted = self.text.get(name.clone()).unwrap_or_default();
                    let name = serde_json::from_slice(quoted)
                        .unwrap_or_else(|_| String::from_utf8_lossy(quoted).into_owned());
                    place.extend((!place.is_empty()).then_some('.'));
                    place.extend(name.chars().take(MAX_NAME));
                }
                Level::Array(index) => place.extend(["[", &index.to_string(), "]"]),
            }
        }
        match place.chars().nth(MAX_PLACE) {
            None if place.is_empty() => "body".to_owned(),
            None => place,
            Some(_) => place.chars().take(MAX_PLACE).chain(['…']).collect(),
        }
    }

    /// A part of the text, truncated for an error.
    fn shown(&self, part: Range<usize>) -> Cow<'_, str> {
        let part = self.text.get(part).unwrap_or_default();
        match part.get(..MAX_NUMBER) {
            Some(first) if part.len() > MAX_NUMBER => {
                format!("{}…", String::from_utf8_lossy(first)).into()
            }
            _ => String::from_utf8_lossy(part),
        }
    }
}

/// The length of the escape at the beginning of `text`, and whether it stands for a whole
/// character. Two escapes that form a surrogate pair count as one.
fn escape(text: &[u8]) -> (usize, bool) {
    match code_unit(text) {
        Some(0xd800..=0xdbff) => match text.get(6..).and_then(code_unit) {
            Some(0xdc00..=0xdfff) => (12, true),
            _ => (6, false),
        },
        Some(0xdc00..=0xdfff) => (6, false),
        Some(_) => (6, true),
        None => (2, true),
    }
}

/// The UTF-16 code unit of the `\uXXXX` at the beginning of `text`.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    /// Returns the problems of `text`, which must be JSON, as one text.
    fn problems_of(text: &str) -> String {
        serde_json::from_str::<&RawValue>(text).unwrap();
        check(text.as_bytes())
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn an_unpaired_surrogate_is_refused_anywhere_in_the_text() {
        for (text, place) in [
            (r#""x\ud83d""#, "body: has an"),
            (r#""\uDE00 alone""#, "body: has an"),
            (r#"{"a":"\ud83d\ud83d"}"#, "a: has an"),
            (r#"{"a":"\ud83d\n"}"#, "a: has an"),
            (
                r#"{"a":{"b":[0,"ok",{"c d":"\ud83dx"}]}}"#,
                "a.b[2].c d: has an",
            ),
            (r#"[[1],["\ud800"]]"#, "[1][0]: has an"),
            (r#"{"a":{"\udfff":1}}"#, "a: has a name with an"),
            (r#"{"\udfff":{}}"#, "body: has a name with an"),
            (r#"{"a":{"b":1,"\udfff":1}}"#, "a: has a name with an"),
            (r#"{"x":[{}],"q\"\\":"\\\ud800"}"#, "q\"\\: has an"),
            (r#"{"a":[],"b":"\ud800"}"#, "b: has an"),
        ] {
            let problems = problems_of(text);
            let is_expected = problems.starts_with(&format!("{place} "))
                && problems.contains("unpaired surrogate");
            assert!(is_expected, "{text}: {problems}");
        }
        assert!(
            problems_of(r#"{"a":"\ud83d","b":1e999,"c":["\udc00"]}"#)
                .matches("; ")
                .count()
                == 2,
            "all are reported at once"
        );
    }

    #[test]
    fn whole_characters_are_accepted_in_every_notation() {
        for text in [
            r#""\ud83d\ude00""#,
            r#""\uD83D\uDE00 \u0041 \\ud83d \\\\ud83d \" \u0000""#,
            r#"{"\ud83d\ude00":{"\u00e9":"\ud7ff\ue000"}}"#,
            "\"\u{1f600}\"",
        ] {
            assert_eq!(problems_of(text), "", "{text}");
        }
    }

    #[test]
    fn only_numbers_that_overflow_a_double_are_refused() {
        let (many, more) = ("9".repeat(309), format!("1{}", "0".repeat(309)));
        for text in [
            "1e400",
            "-1e400",
            "[0,1E+309]",
            "{\"a\":{\"b\":1.7976931348623159e308}}",
            "0.1e310",
            &many,
            &more,
        ] {
            assert!(
                problems_of(text).contains("which is more than a double holds"),
                "{text}"
            );
        }
        assert!(problems_of(r#"{"a":{"b":[1,1e400]}}"#).starts_with("a.b[1]: is 1e400, "));
        let fits = format!("1{}", "0".repeat(308));
        let precise = format!("0.{}", "3".repeat(1_000));
        for text in [
            "1e308",
            "-1.7976931348623157e308",
            "1e-400",
            "0e999999999999",
            "12345678901234567890123",
            &fits,
            &precise,
        ] {
            assert_eq!(problems_of(text), "", "{text}");
        }
        for text in [r#""1e400""#, r#"{"3e400":"9e999"}"#, &format!("\"{many}\"")] {
            assert_eq!(
                problems_of(text),
                "",
                "a number in a string is text: {text}"
            );
        }
    }

    #[test]
    fn the_error_for_many_problems_or_deep_nesting_is_short() {
        let many = format!("[{}1e999]", r#""\ud800","#.repeat(20_000));
        assert!(problems_of(&many).len() < 4_096);
        let deep = format!(
            "{}{}{}",
            r#"{"a":["#.repeat(10_000),
            r#""\ud800""#,
            "]}".repeat(10_000)
        );
        let problems = problems_of(&deep);
        assert!(
            problems.starts_with("a[0].a[0]") && problems.len() < 1_024,
            "{problems}"
        );
        let long = format!(r#"{{"{}":1e999}}"#, "x".repeat(100_000));
        assert!(problems_of(&long).len() < 1_024);
    }

    #[test]
    fn places_are_reported_again_after_levels_that_are_too_deep() {
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        assert!(problems_of(&format!(r#"{{"a":{deep},"b":1e999}}"#)).starts_with("b: "));
    }

    /// A JSON string. Any of its characters may be an escape, and any escape may be half of a pair.
    fn any_string() -> impl Strategy<Value = String> {
        let unit = prop_oneof![0xd800_u16..=0xdfff, any::<u16>()]
            .prop_map(|unit| format!("\\u{unit:04x}"));
        let part = prop_oneof![
            unit,
            Just("\\\\".to_owned()),
            Just("\\\"".to_owned()),
            "[a-zD0-9 ]{1,3}"
        ];
        prop::collection::vec(part, 0..8).prop_map(|parts| format!("\"{}\"", parts.concat()))
    }

    proptest! {
        #[test]
        fn a_string_is_accepted_if_and_only_if_a_strict_parser_accepts_it(text in any_string()) {
            let strict = serde_json::from_str::<String>(&text).is_ok();
            prop_assert_eq!(check(text.as_bytes()).is_ok(), strict);
        }

        #[test]
        fn a_number_is_accepted_if_and_only_if_a_strict_parser_accepts_it(text in "-?(0|[1-9][0-9]{0,320})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,4})?") {
            let strict = serde_json::from_str::<f64>(&text).is_ok();
            prop_assert_eq!(check(text.as_bytes()).is_ok(), strict);
        }

        #[test]
        fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}\":,\\\\ud8e10-]{0,64}") {
            let _ = check(&bytes);
            let _ = check(text.as_bytes());
        }
    }
}
