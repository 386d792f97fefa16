//! Splits lists in header values, such as `a, "b,c", d` and `name=value;name="va;lue"`, at the
//! separators outside quotes.
//!
//! Lists are read from right to left, because proxies append to a list, so only its right end can
//! be trusted. Nothing that a client wrote further left, not even an unclosed quote, may change how
//! that end is read. Backslash escapes inside quotes are not interpreted, because no value that is
//! read here needs them.

/// The elements of `value` between `separator`s outside quotes, from last to first. Each is
/// trimmed, and empty elements are left out (RFC 9110, section 5.6.1.2).
pub(super) fn from_right(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let element = match last_unquoted(text, separator) {
            Some(at) => {
                rest = Some(&text[..at]);
                &text[at + 1..]
            }
            None => rest.take()?,
        };
        Some(element.trim_ascii())
    })
    .filter(|element| !element.is_empty())
}

/// The index of the last `separator` outside quotes. A quote that is not opened before is treated
/// as an ordinary character.
fn last_unquoted(text: &[u8], separator: u8) -> Option<usize> {
    let mut end = text.len();
    loop {
        let at = text[..end]
            .iter()
            .rposition(|byte| *byte == separator || *byte == b'"')?;
        if text[at] == separator {
            return Some(at);
        }
        end = text[..at]
            .iter()
            .rposition(|byte| *byte == b'"')
            .unwrap_or(at);
    }
}

/// `text` without the quotes around it, if there are any.
pub(super) fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"")
        .and_then(|inner| inner.strip_suffix(b"\""))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(value: &str) -> Vec<&str> {
        from_right(value.as_bytes(), b',')
            .map(|element| std::str::from_utf8(element).unwrap())
            .collect()
    }

    #[test]
    fn elements_come_from_the_right_trimmed_and_without_empty_ones() {
        assert_eq!(split(" a ,, b,\tc , "), ["c", "b", "a"]);
        assert_eq!(split(""), [""; 0]);
    }

    #[test]
    fn a_separator_in_quotes_does_not_separate() {
        assert_eq!(split(r#"a="1,2", b="3,4""#), [r#"b="3,4""#, r#"a="1,2""#]);
    }

    #[test]
    fn an_unclosed_quote_hides_nothing_to_its_right() {
        assert_eq!(split(r#"x=", good"#), ["good", r#"x=""#]);
        assert_eq!(split(r#"x=", good="1,2""#), [r#"good="1,2""#, r#"x=""#]);
    }

    #[test]
    fn a_closing_quote_without_an_opening_one_is_an_ordinary_character() {
        assert_eq!(split(r#"a, b", c"#), ["c", r#"b""#, "a"]);
    }

    #[test]
    fn quotes_are_removed_only_in_pairs() {
        assert_eq!(unquoted(b"\"a\""), b"a");
        assert_eq!(unquoted(b"\""), b"\"");
        assert_eq!(unquoted(b"a\""), b"a\"");
    }

    proptest! {
        #[test]
        fn an_element_never_changes_how_elements_to_its_right_are_read(left in "[ -~]{0,40}", right in "[a-z]{1,8}(=\"[a-z,]{0,8}\")?") {
            let value = format!("{left},{right}");
            prop_assert_eq!(split(&value).first().copied(), Some(right.as_str()));
        }
    }
}
