//! The `.env` file: its lines, with their numbers.
//!
//! The file belongs to the whole project, and most of its lines to other programs, which read it by grammars of their own. A
//! line that names a setting must be right, or the start stops. Any other line that is not understood is passed over and
//! counted; it never takes a line of ours along.
//!
//! dotenvy reads the grammar of a single entry; here stands what it leaves out. Where an entry ends is decided here, as dotenvy
//! takes the apostrophe in `AUTHOR=Conan O'Brien` for a quote that goes on until the next one. And it never gets to see a
//! `$`: it would replace `$word` by a variable of the process, and the `.env` files that people bring along (Node's `dotenv`)
//! take a dollar for a dollar. A secret would be another one, and nobody would be told.

use super::error::Error;

/// What the file says.
#[derive(Default)]
pub(super) struct Parsed {
    /// The entries in their order.
    pub(super) lines: Vec<Line>,
    /// The numbers of the lines that were not understood and name no setting.
    pub(super) passed_over: Vec<usize>,
}

/// One entry. It has no `Debug`, as its text may be a secret.
pub(super) struct Line {
    pub(super) name: String,
    /// Empty where the entry is not a setting's and was not understood.
    pub(super) text: String,
    /// Where it begins, counted from 1.
    pub(super) number: usize,
}

/// Stands for `$` while dotenvy reads. It is no character and stands in no file.
const DOLLAR: &str = "\u{ffff}";

/// The entries of a file. `is_setting` says whether a name is one of ours.
pub(super) fn parse(file: &[u8], is_setting: impl Fn(&str) -> bool) -> Result<Parsed, Error> {
    if file.starts_with(b"\xff\xfe") || file.starts_with(b"\xfe\xff") {
        return Err(malformed(1, "the file is UTF-16, as some programs for Windows write it; save it as UTF-8"));
    }
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let lines: Vec<_> =
        file.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let mut parsed = Parsed::default();
    let mut at = 0;
    while let Some(first) = lines.get(at) {
        let number = at + 1;
        let name = name(first);
        if is_blank(first) {
            at += 1;
            continue;
        }
        let extent = extent(&lines[at..]);
        let entry = extent.and_then(|extent| Some((extent, read(&lines[at..at + extent])?)));
        match entry {
            Some((extent, (name, text))) => {
                parsed.lines.push(Line { name, text, number });
                at += extent;
            }
            None if is_setting(&name) => {
                let grammar =
                    "a line is NAME=value, and a value with spaces, quotes or backslashes stands between single quotes";
                return Err(malformed(number, grammar));
            }
            None => {
                parsed.passed_over.push(number);
                parsed.lines.push(Line { name, text: String::new(), number });
                at += 1;
            }
        }
    }
    Ok(parsed)
}

/// Whether a line is empty or a comment.
fn is_blank(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start().first(), None | Some(b'#'))
}

/// What a line calls its entry, whether it is an entry or not: the first word, without a leading `export`.
fn name(line: &[u8]) -> String {
    let (first, rest) = word(line);
    let name = if first == b"export" && !rest.trim_ascii_start().starts_with(b"=") { word(rest).0 } else { first };
    String::from_utf8_lossy(name).into_owned()
}

fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii_start();
    let end = line.iter().position(|byte| byte.is_ascii_whitespace() || b"=:".contains(byte));
    line.split_at(end.unwrap_or(line.len()))
}

/// How many lines the entry at the beginning of `lines` takes. A value goes on over several if it begins with a quote, up to the
/// next such quote that no backslash stands before, as in Node's `dotenv`; without one it is no entry.
fn extent(lines: &[&[u8]]) -> Option<usize> {
    let first = lines.first()?;
    let value = first.iter().position(|&byte| byte == b'=').map(|equals| first[equals + 1..].trim_ascii_start());
    let Some((quote @ (b'"' | b'\''), mut rest)) =
        value.and_then(<[u8]>::split_first).map(|(quote, rest)| (*quote, rest))
    else {
        return Some(1);
    };
    for extent in 1.. {
        let mut bytes = rest.iter();
        while let Some(&byte) = bytes.next() {
            match byte {
                b'\\' => drop(bytes.next()),
                byte if byte == quote => return Some(extent),
                _ => {}
            }
        }
        rest = lines.get(extent)?;
    }
    None
}

/// Name and value of one entry, if it follows the grammar.
fn read(lines: &[&[u8]]) -> Option<(String, String)> {
    let entry = String::from_utf8(lines.join(&b'\n')).ok()?;
    let entry = entry.replace('$', DOLLAR) + "\n";
    let (name, text) = dotenvy::from_read_iter(entry.as_bytes()).next()?.ok()?;
    // Node's `dotenv` takes backticks for quotes, dotenvy for a part of the value.
    (!text.starts_with('`')).then(|| (name, text.replace(DOLLAR, "$")))
}

/// Says nothing of what stands in the line: it may be a secret.
fn malformed(line: usize, problem: &str) -> Error {
    Error::Malformed { file: ".env".to_owned(), line, problem: problem.to_owned() }
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
        parsed(file).lines.into_iter().map(|line| (line.name, line.text, line.number)).collect()
    }

    fn line(name: &str, text: &str, number: usize) -> (String, String, usize) {
        (name.to_owned(), text.to_owned(), number)
    }

    #[test]
    fn quotes_comments_and_export_are_understood_and_lines_are_counted() {
        assert_eq!(
            pairs(
                "# it's a comment\n\nPORT=4000 # not a default\nexport HOST=localhost\r\nA='single $x \\d # kept'\n\
                 B=\"double \\\"quoted\\\"\\nline\"\nC=\nD=#\nE=a#b\nF=end "
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
    fn a_dollar_is_a_dollar() {
        assert_eq!(
            pairs("A=x$PATH\nB=\"${HOME}y\"\nC='$z'\n"),
            [line("A", "x$PATH", 1), line("B", "${HOME}y", 2), line("C", "$z", 3)]
        );
    }

    #[test]
    fn a_value_between_quotes_may_take_several_lines() {
        let file = "KEY='one\ntwo\nthree'\nPORT=1\nPEM=\"-----BEGIN\r\nHOST=no\r\n-----END\" # a key\r\nHOST=a\r\n";
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
    fn what_is_not_understood_and_no_settings_is_passed_over_and_takes_no_line_of_ours_along() {
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
        ] {
            for ending in ["\n", "\r\n"] {
                let file =
                    [foreign, ending.as_bytes(), b"PORT=4000", ending.as_bytes(), b"A=b", ending.as_bytes()].concat();
                let parsed = parsed(&file);
                let shown = String::from_utf8_lossy(&file).into_owned();
                assert_eq!(parsed.passed_over, [1], "{shown:?}");
                let port = parsed.lines.iter().find(|line| line.name == "PORT").unwrap();
                assert_eq!((port.text.as_str(), port.number), ("4000", 2), "{shown:?}");
                assert!(parsed.lines.iter().any(|line| line.name == "A" && line.text == "b"), "{shown:?}");
            }
        }
    }

    #[test]
    fn a_quote_that_is_closed_by_somebody_elses_is_not_closed() {
        let file = "A=\"open\nPORT=4000\nTITLE=\"x\"\nB='open\nHOST=a\nC='y'\n";
        let parsed = parsed(file);
        assert_eq!(parsed.passed_over, [1, 4]);
        let ours: Vec<_> = parsed.lines.iter().filter(|line| is_setting(&line.name)).map(|line| &line.text).collect();
        assert_eq!(ours, ["4000", "a"]);
    }

    #[test]
    fn a_line_of_ours_that_is_none_is_named_by_its_number_and_not_shown() {
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
                    ".env, line {number}, can't be understood: a line is NAME=value, and a value with spaces, quotes \
                     or backslashes stands between single quotes"
                )
            );
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_name_and_utf_16_is_named() {
        assert_eq!(pairs("\u{feff}PORT=1"), [line("PORT", "1", 1)]);
        for file in [&b"\xff\xfeP\0O\0"[..], b"\xfe\xff\0P\0O"] {
            let error = parse(file, is_setting).err().unwrap().to_string();
            assert!(error.contains("UTF-16") && error.lines().count() == 1, "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_stands_around_it_hides_a_setting(
            before in prop::collection::vec(any::<u8>().prop_filter("no break, no quote", |b| !b"\n'\"".contains(b)), 0..40),
            after in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let file = [b"# ", &before[..], b"\nPORT=4000\n#", &after[..]].concat();
            if let Ok(parsed) = parse(&file, is_setting) {
                prop_assert!(parsed.lines.iter().any(|line| line.name == "PORT" && line.text == "4000"));
            }
        }

        #[test]
        fn no_file_is_a_panic(file in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&file, is_setting);
        }
    }
}
