//! What a person sees: lines on standard error, and foreign text made safe for a terminal.
//!
//! Must never let a control character from elsewhere through: a terminal executes some of them as
//! commands (CWE-150), and text that changes its direction shows what it does not say (CWE-1007).

use std::fmt::Write as _;

/// Writes one line to standard error. Where the log is running, the line goes through it, after the
/// lines that the log still has to write.
pub(super) fn say(message: &str) {
    tidings_telemetry::say(&format!("tidings: {}\n", plain(message)));
}

/// Returns the text of an error and of its causes. A cause that the text before already contains is
/// not repeated.
pub(super) fn with_causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Returns text on one line, with every character that could control a terminal escaped, such as
/// `\n` and `\u001b`.
pub(super) fn plain(text: &str) -> String {
    escaped(text, |plain, c| match c {
        '\n' => plain.push_str("\\n"),
        '\r' => plain.push_str("\\r"),
        '\t' => plain.push_str("\\t"),
        c => push_code(plain, c),
    })
}

/// Returns a JSON text made safe for a terminal, with the same meaning: line breaks can occur only
/// between its tokens, and other unsafe characters only in its strings.
pub(super) fn plain_json(json: &str) -> String {
    escaped(json, |plain, c| match c {
        '\n' | '\r' | '\t' => plain.push(' '),
        c => push_code(plain, c),
    })
}

fn escaped(text: &str, write: impl Fn(&mut String, char)) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            write(&mut plain, c);
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Returns whether a character is a control character, a line separator, or changes the direction
/// of text. The code of each has at most four hexadecimal digits.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_code(plain: &mut String, c: char) {
    let _ = write!(plain, "\\u{:04x}", u32::from(c)); // writing to a `String` can't fail
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_cause_is_named_once() {
        let cause = || std::io::Error::other("no room");
        assert_eq!(
            with_causes(&anyhow::Error::from(cause()).context("writing")),
            "writing: no room"
        );
        assert_eq!(
            with_causes(&anyhow::Error::from(cause()).context("can't write: no room. Make some")),
            "can't write: no room. Make some"
        );
    }

    #[test]
    fn characters_that_control_a_terminal_are_escaped() {
        assert_eq!(
            plain("a\u{1b}[31mred\u{9b}2J\u{7f}\r\n\t"),
            r"a\u001b[31mred\u009b2J\u007f\r\n\t"
        );
        assert_eq!(plain("\u{202e}drow\u{2066}"), r"\u202edrow\u2066");
        assert_eq!(plain("für Ånna 🎉"), "für Ånna 🎉");
    }

    proptest! {
        #[test]
        fn no_unsafe_character_remains(text in any::<String>()) {
            prop_assert!(!plain(&text).contains(is_unsafe));
        }

        #[test]
        fn json_keeps_its_meaning_on_one_line(text in any::<String>(), number in any::<i64>()) {
            let value = serde_json::json!({ "text": text, "list": [number, null], "\u{85}": {} });
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let line = plain_json(&pretty);
            prop_assert!(!line.contains(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
        }
    }
}
