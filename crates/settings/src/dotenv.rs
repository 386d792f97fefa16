//! The `.env` file: its entries and the lines on which they begin.
//!
//! The file belongs to the whole project. Most of its lines are for other programs, which have
//! grammars of their own. A line that names a setting must follow the grammar below, or the server
//! does not start. Any other line that is not understood is skipped and reported, and never hides a
//! setting on another line.
//!
//! # Grammar
//!
//! An entry is `NAME=value`, optionally after `export`. A `#` at the beginning of a line, or after
//! white space, begins a comment. `'…'` is literal. In `"…"` and outside of quotes, a backslash may
//! precede `\`, `'`, `"`, a space, or `n` (which means a line feed). A value that begins with a
//! quote may span several lines. A quote in the middle of a value must be closed on its line: real
//! files contain `AUTHOR=Conan O'Brien`, which must not include the lines after it.
//!
//! This is what Node's `dotenv` and the shells agree on. A line on which they differ (because of a
//! backtick, another escape, or white space in a value without quotes) is not understood. A `$` is
//! literal, as in Node's `dotenv`: if variables in a secret were expanded, it would be a different
//! secret, and no error would say so.

use crate::error::Error;

/// The content of the file.
#[derive(Default)]
pub(crate) struct Parsed {
    /// The entries in their order.
    pub(crate) lines: Vec<Line>,
    /// The numbers of the lines that were not understood and name no setting.
    pub(crate) skipped: Vec<usize>,
}

/// One entry. This has no `Debug`, because the text may be a secret.
pub(crate) struct Line {
    pub(crate) name: String,
    /// The value; empty if the line was not understood and names no setting.
    pub(crate) text: String,
    /// The line on which the entry begins, counted from 1.
    pub(crate) number: usize,
}

/// Reads the entries of a file. `is_setting` tells whether a name is that of a setting.
pub(crate) fn parse(file: &[u8], is_setting: impl Fn(&str) -> bool) -> Result<Parsed, Error> {
    const GRAMMAR: &str = "write NAME=value, with single quotes around a value that contains \
                           spaces, quotes or backslashes";
    if file.starts_with(b"\xff\xfe") || file.starts_with(b"\xfe\xff") {
        return Err(malformed(
            1,
            "the file is UTF-16, as some programs for Windows write it; save it as UTF-8",
        ));
    }
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let file = String::from_utf8_lossy(file).replace("\r\n", "\n");
    let mut parsed = Parsed::default();
    let (mut rest, mut number) = (file.as_str(), 1);
    while !rest.is_empty() {
        let (name, after_name) = name(rest);
        let mut put = |text| {
            parsed.lines.push(Line {
                name: name.to_owned(),
                text,
                number,
            });
        };
        let following = match (
            end_of_line(rest),
            value(after_name).filter(|_| is_name(name)),
        ) {
            (Some(following), _) => following,
            (None, Some((text, following))) => {
                put(text);
                following
            }
            (None, None) if is_setting(name) => return Err(malformed(number, GRAMMAR)),
            (None, None) => {
                put(String::new());
                parsed.skipped.push(number);
                rest.split_once('\n').map_or("", |(_, following)| following)
            }
        };
        number += rest[..rest.len() - following.len()].matches('\n').count();
        rest = following;
    }
    Ok(parsed)
}

/// Returns the name at the beginning of a line, without `export` before it, and what follows the
/// name. The name may be malformed.
fn name(text: &str) -> (&str, &str) {
    fn word(text: &str) -> (&str, &str) {
        let text = skip_blanks(text);
        text.split_at(
            text.find(|c: char| c.is_whitespace() || "=:".contains(c))
                .unwrap_or(text.len()),
        )
    }
    let (first, rest) = word(text);
    if first == "export" && !skip_blanks(rest).starts_with('=') {
        word(rest)
    } else {
        (first, rest)
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.".contains(c))
}

/// Reads the `=` and the value at the beginning of `text`. Returns the value and what follows its
/// last line, or `None` if they do not follow the grammar.
fn value(text: &str) -> Option<(String, &str)> {
    let text = skip_blanks(skip_blanks(text).strip_prefix('=')?);
    if let Some(following) = end_of_line(text) {
        return Some((String::new(), following));
    }
    let mut value = String::new();
    let mut rest = text.chars();
    let following = loop {
        let is_first = rest.as_str().len() == text.len();
        match rest.next() {
            None | Some('\n') => break rest.as_str(),
            Some(c) if c.is_whitespace() => break end_of_line(rest.as_str())?,
            Some('`') if is_first => return None,
            Some('\\') => value.push(escaped(rest.next()?)?),
            Some(quote @ ('"' | '\'')) => loop {
                match rest.next()? {
                    c if c == quote => break,
                    '\n' if !is_first => return None,
                    '\\' if quote == '"' => value.push(escaped(rest.next()?)?),
                    c => value.push(c),
                }
            },
            Some(c) => value.push(c),
        }
    };
    // This character stands for bytes of the file that were not UTF-8.
    (!value.contains(char::REPLACEMENT_CHARACTER)).then_some((value, following))
}

/// Returns the character that a backslash followed by `c` means.
fn escaped(c: char) -> Option<char> {
    match c {
        'n' => Some('\n'),
        '\\' | '\'' | '"' | ' ' => Some(c),
        _ => None,
    }
}

/// Returns what follows the line at the beginning of `text`, if the line is blank or a comment.
fn end_of_line(text: &str) -> Option<&str> {
    let (line, following) = text.split_once('\n').unwrap_or((text, ""));
    let line = line.trim_start();
    (line.is_empty() || line.starts_with('#')).then_some(following)
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches(|c: char| c != '\n' && c.is_whitespace())
}

/// Returns the error for a line. It quotes nothing of the line, which may contain a secret.
fn malformed(line: usize, problem: &str) -> Error {
    Error::Malformed {
        file: ".env".to_owned(),
        line,
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_setting(name: &str) -> bool {
        ["PORT", "HOST", "JWT_SECRET"].contains(&name)
    }

    fn parsed(file: impl AsRef<[u8]>) -> Parsed {
        parse(file.as_ref(), is_setting).unwrap()
    }

    fn pairs(file: impl AsRef<[u8]>) -> Vec<(String, String, usize)> {
        parsed(file)
            .lines
            .into_iter()
            .map(|line| (line.name, line.text, line.number))
            .collect()
    }

    fn line(name: &str, text: &str, number: usize) -> (String, String, usize) {
        (name.to_owned(), text.to_owned(), number)
    }

    #[test]
    fn quotes_comments_and_export_are_understood_and_lines_are_numbered() {
        assert_eq!(
            pairs(
                "# it's a comment\n\nPORT=4000 # not a default\nexport \
                 HOST=localhost\r\nA='single $x \\d # kept'\nB=\"double \
                 \\\"quoted\\\"\\nline\"\nC=\nD=#\nE=a#b\nF=end "
            ),
            [
                line("PORT", "4000", 3),
                line("HOST", "localhost", 4),
                line("A", "single $x \\d # kept", 5),
                line("B", "double \"quoted\"\nline", 6),
                line("C", "", 7),
                line("D", "", 8),
                line("E", "a#b", 9),
                line("F", "end", 10),
            ]
        );
    }

    #[test]
    fn the_meaning_of_a_backslash_depends_on_the_quotes() {
        assert_eq!(
            pairs("A='C:\\dir\\'\nPORT=1\nB=a\\ \\'b\\'\\n\\\\\nC=\"a\\ b\\nc\"'d\\n'e\n"),
            [
                line("A", "C:\\dir\\", 1),
                line("PORT", "1", 2),
                line("B", "a 'b'\n\\", 3),
                line("C", "a b\ncd\\ne", 4)
            ]
        );
    }

    #[test]
    fn a_dollar_sign_is_literal() {
        assert_eq!(
            pairs("A=x$PATH\nB=\"${HOME}y\"\nC='$z'\n"),
            [
                line("A", "x$PATH", 1),
                line("B", "${HOME}y", 2),
                line("C", "$z", 3)
            ]
        );
    }

    #[test]
    fn a_value_in_quotes_may_span_several_lines() {
        let file = "KEY='one\ntwo\nthree'\nPORT=1\nPEM=\"-----BEGIN\r\nHOST=no\r\n-----END\" # a \
                    key\r\nHOST=a\r\n";
        assert_eq!(
            pairs(file),
            [
                line("KEY", "one\ntwo\nthree", 1),
                line("PORT", "1", 4),
                line("PEM", "-----BEGIN\nHOST=no\n-----END", 5),
                line("HOST", "a", 8),
            ]
        );
    }

    #[test]
    fn a_line_of_another_program_that_is_not_understood_is_skipped_alone() {
        for foreign in [
            &b"APP_NAME=My Cool App"[..],
            b"AUTHOR=Conan O'Brien",
            b"GREETING=it's",
            b"WINDOWS=C:\\Users\\me",
            b"MY-NAME=1",
            b"my.name-x: 1",
            b"just some words",
            b"=value",
            b"JSON={\"a\": \"b c\"}",
            b"LATIN=caf\xe9",
            b"\xfd\xff\xfe",
            b"NUL=a b\0",
            b"OPEN=\"never closed",
            b"OPEN='never closed",
            b"OPEN='it\\'s never closed",
            b"TICKS=`a b`",
            b"export",
            b"export LATER",
            b"AFTER=\"quoted\" and more",
            b"1ST=a",
            b"END=a\\",
            b"DOLLAR=\"\\$a\"",
            b"NO_BREAK=a\xc2\xa0b",
        ] {
            for ending in ["\n", "\r\n"] {
                let file = [
                    foreign,
                    ending.as_bytes(),
                    b"PORT=4000",
                    ending.as_bytes(),
                    b"A=b",
                    ending.as_bytes(),
                ]
                .concat();
                let parsed = parsed(&file);
                let shown = String::from_utf8_lossy(&file).into_owned();
                assert_eq!(parsed.skipped, [1], "{shown:?}");
                let port = parsed
                    .lines
                    .iter()
                    .find(|line| line.name == "PORT")
                    .unwrap();
                assert_eq!((port.text.as_str(), port.number), ("4000", 2), "{shown:?}");
                assert!(
                    parsed
                        .lines
                        .iter()
                        .any(|line| line.name == "A" && line.text == "b"),
                    "{shown:?}"
                );
            }
        }
    }

    #[test]
    fn an_open_quote_is_not_closed_by_a_quote_on_another_line() {
        let file = "A=\"open\nPORT=4000\nTITLE=\"x\"\nB='open\nHOST=a\nC='y'\n";
        let parsed = parsed(file);
        assert_eq!(parsed.skipped, [1, 4]);
        let ours: Vec<_> = parsed
            .lines
            .iter()
            .filter(|line| is_setting(&line.name))
            .map(|line| &line.text)
            .collect();
        assert_eq!(ours, ["4000", "a"]);
    }

    #[test]
    fn the_error_for_a_malformed_setting_has_its_line_number_and_not_its_text() {
        for (file, number) in [
            (&b"PORT=1\nJWT_SECRET correct-horse\n"[..], 2),
            (b"JWT_SECRET=correct horse\nPORT=1\n", 1),
            (b"A=1\nJWT_SECRET='correct-horse\nB=2\nC=3\n", 2),
            (b"A=1\nexport JWT_SECRET=\"correct-horse\nB=\"2\"\n", 2),
            (b"JWT_SECRET=correct\\-horse", 1),
            (b"# \xff\nA=it's\nJWT_SECRET=correct-horse\xff", 3),
            (b"JWT_SECRET=`correct-horse`", 1),
            (b"JWT_SECRET: correct-horse", 1),
            (b"A=\xff\r\n  JWT_SECRET = it's correct-horse", 2),
        ] {
            let error = parse(file, is_setting).err().unwrap().to_string();
            assert_eq!(
                error,
                format!(
                    ".env, line {number}, can't be understood: write NAME=value, with single \
                     quotes around a value that contains spaces, quotes or backslashes"
                )
            );
        }
    }

    #[test]
    fn a_byte_order_mark_is_ignored_and_utf_16_is_reported() {
        assert_eq!(pairs("\u{feff}PORT=1"), [line("PORT", "1", 1)]);
        for file in [&b"\xff\xfeP\0O\0"[..], b"\xfe\xff\0P\0O"] {
            let error = parse(file, is_setting).err().unwrap().to_string();
            assert!(
                error.contains("UTF-16") && error.lines().count() == 1,
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn comments_around_a_setting_never_hide_it(
            before in prop::collection::vec(any::<u8>().prop_filter("no break, no quote", |b| !b"\n'\"".contains(b)), 0..40),
            after in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let file = [b"# ", &before[..], b"\nPORT=4000\n#", &after[..]].concat();
            if let Ok(parsed) = parse(&file, is_setting) {
                prop_assert!(parsed.lines.iter().any(|line| line.name == "PORT" && line.text == "4000"));
            }
        }

        #[test]
        fn no_file_causes_a_panic(file in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&file, is_setting);
        }
    }
}
