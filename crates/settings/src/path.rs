//! Paths in settings: replaces `~`, and refuses paths that are certainly a mistake.
//!
//! A shell replaces `~` and `$HOME` before a program sees them, but nothing replaces them in
//! `.env`, in a compose file, or after the `=` of a flag. Owns what is replaced here, and which
//! paths are refused because nobody means them literally. Otherwise, the server would create a
//! directory named `~`, and its operator would discover that months later.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::rule::{Raw, Rule};

/// The path of a directory.
pub struct Directory;

/// The placeholder for the value in the help.
pub const DIRECTORY: &str = "DIRECTORY";

impl Rule for Directory {
    type Value = PathBuf;

    fn read(&self, raw: &Raw) -> Option<PathBuf> {
        let path = raw.single()?;
        is_literal(path).then(|| path.into())
    }

    fn allowed(&self) -> String {
        "the path of a directory, which may begin with `~/` if HOME is set, and contains no \
         quotes, variables or `file:`"
            .to_owned()
    }

    fn show(&self, path: &PathBuf) -> String {
        path.display().to_string()
    }

    fn placeholder(&self) -> &'static str {
        DIRECTORY
    }

    fn expand_home(&self, raw: &Raw, home: Option<&str>) -> Option<Raw> {
        match expand(raw.single()?, home) {
            Cow::Borrowed(_) => None,
            Cow::Owned(path) => Some(Raw::Text(path)),
        }
    }
}

/// Replaces `~` or `~/` at the beginning of a path by `home`, if that is an absolute path.
pub fn expand<'a>(path: &'a str, home: Option<&str>) -> Cow<'a, str> {
    let rest = path
        .strip_prefix('~')
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match (rest, home.filter(|home| home.starts_with('/'))) {
        (Some(rest), Some(home)) => Cow::Owned(format!("{}{rest}", home.trim_end_matches('/'))),
        _ => Cow::Borrowed(path),
    }
}

/// Returns whether the path may be meant literally.
fn is_literal(path: &str) -> bool {
    let is_quoted = path.starts_with(['"', '\'', '`']) || path.ends_with(['"', '\'', '`']);
    let is_url = path.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.eq_ignore_ascii_case("file") || rest.starts_with("//")
    });
    !path.is_empty()
        && !path.starts_with('~')
        && !path.contains(char::is_control)
        && !is_quoted
        && !is_url
        && !has_dollar_variable(path)
        && !has_percent_variable(path)
}

/// Returns whether the path contains a variable such as `$HOME` or `${HOME}`, or `$(pwd)`.
fn has_dollar_variable(path: &str) -> bool {
    path.match_indices('$').any(|(at, _)| {
        path[at + 1..]
            .starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | '('))
    })
}

/// Returns whether the path contains a variable such as `%APPDATA%`.
fn has_percent_variable(path: &str) -> bool {
    let between: Vec<_> = path.split('%').collect();
    let inner = between
        .get(1..between.len().saturating_sub(1))
        .unwrap_or_default();
    inner
        .iter()
        .any(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, home: Option<&str>) -> Option<String> {
        let raw = Raw::Text(text.to_owned());
        let raw = Directory.expand_home(&raw, home).unwrap_or(raw);
        Directory
            .read(&raw)
            .map(|path| path.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_tilde_at_the_beginning_is_replaced_by_the_home_directory() {
        for (text, path) in [
            ("~/tidings-data", "/home/ann/tidings-data"),
            ("~", "/home/ann"),
            ("~/", "/home/ann/"),
            (" ~/a b \n", "/home/ann/a b"),
            ("./data", "./data"),
            ("/var/lib/tidings", "/var/lib/tidings"),
            ("data~", "data~"),
            ("a/~/b", "a/~/b"),
            ("/srv/100%/$", "/srv/100%/$"),
            ("/srv/a:b", "/srv/a:b"),
        ] {
            assert_eq!(
                read(text, Some("/home/ann")).as_deref(),
                Some(path),
                "{text:?}"
            );
        }
        assert_eq!(read("~/x", Some("/")).as_deref(), Some("/x"));
    }

    #[test]
    fn paths_that_nobody_means_literally_are_refused() {
        for text in [
            "",
            "~ann/data",
            "~\\data",
            "$HOME/data",
            "/srv/${NAME}/data",
            "$(pwd)/data",
            "%APPDATA%\\tidings",
            "file:///var/lib/tidings",
            "file:data",
            "FILE:/var/lib",
            "s3://bucket/data",
            "\"/var/lib/tidings\"",
            "'/var/lib/tidings'",
            "`pwd`/data",
            "/var/lib\n/tidings",
            "/var/\0",
        ] {
            assert_eq!(read(text, Some("/home/ann")), None, "{text:?}");
        }
        for home in [None, Some(""), Some("home")] {
            assert_eq!(read("~/data", home), None, "{home:?}");
        }
    }
}
