//! The `.env` file: its lines, with their numbers.
//!
//! dotenvy reads the grammar; here stands what it leaves out. It is given one entry at a time, so that each has a line
//! number, and it never gets to see a `$`: it would replace `$word` by a variable of the process, and the `.env` files
//! that people bring along (Node's `dotenv`) take a dollar for a dollar. A secret would be another one, and nobody
//! would be told.

use super::error::Error;

/// One entry. It has no `Debug`, as its text may be a secret.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) text: String,
    /// Where it begins, counted from 1.
    pub(super) number: usize,
}

/// Stands for `$` while dotenvy reads. It is no character and stands in no file.
const DOLLAR: &str = "\u{ffff}";

/// The entries in their order.
pub(super) fn parse(file: &str) -> Result<Vec<Line>, Error> {
    let mut parsed = Vec::new();
    let mut lines = file.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let mut entry = String::new();
        let mut next = Some(first);
        while let Some(line) = next.take() {
            entry.push_str(&line.replace('$', DOLLAR));
            entry.push('\n');
            match dotenvy::from_read_iter(entry.as_bytes()).next().transpose() {
                Ok(None) => {}
                Ok(Some((name, text))) => {
                    parsed.push(Line { name, text: text.replace(DOLLAR, "$"), number: index + 1 });
                }
                Err(error) => {
                    next = lines.next().filter(|_| open(&error, &entry)).map(|(_, line)| line);
                    if next.is_none() {
                        return Err(malformed(index + 1));
                    }
                }
            }
        }
    }
    Ok(parsed)
}

/// Whether the entry ended between quotes, and so goes on in the next line: dotenvy then names its very end.
fn open(error: &dotenvy::Error, entry: &str) -> bool {
    matches!(error, dotenvy::Error::LineParse(_, at) if *at == entry.len())
}

/// Says nothing of what stands in the line: it may be a secret.
fn malformed(line: usize) -> Error {
    Error::Malformed {
        file: ".env".to_owned(),
        line,
        problem: "a line is NAME=value, and a value with spaces, quotes or backslashes stands between single quotes"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(file: &str) -> Vec<(String, String, usize)> {
        parse(file).unwrap().into_iter().map(|line| (line.name, line.text, line.number)).collect()
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
        assert_eq!(pairs("KEY='one\ntwo\nthree'\nPORT=1\n"), [line("KEY", "one\ntwo\nthree", 1), line("PORT", "1", 4)]);
    }

    #[test]
    fn a_line_that_is_none_is_named_by_its_number_and_not_shown() {
        for (file, number) in [
            ("PORT=1\nJWT_SECRET correct-horse\n", 2),
            ("JWT_SECRET=correct horse\nPORT=1\n", 1),
            ("A=1\nJWT_SECRET='correct-horse\nB=2\nC=3\n", 2),
            ("JWT_SECRET=correct\\-horse", 1),
        ] {
            let error = parse(file).err().unwrap().to_string();
            assert_eq!(
                error,
                format!(
                    ".env, line {number}, can't be understood: a line is NAME=value, and a value with spaces, quotes \
                     or backslashes stands between single quotes"
                )
            );
        }
    }
}
