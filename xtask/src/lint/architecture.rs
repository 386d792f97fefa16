//! Checks that what `ARCHITECTURE.md` names exists: files and folders, and items that the sources
//! define.
//!
//! Owns what counts as such a name. The beginning of a path may be omitted where the rest is clear
//! (`net/accept.rs`), and a Rust file may be named without its extension after its folder
//! (`server/src/routes/`: `chat`). Must never check prose, only text between backticks.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::process;

const DOCUMENT: &str = "ARCHITECTURE.md";

/// Text between backticks that names nothing in the sources: terms of HTTP, names from other
/// projects, features, data.
const OTHERS: [&str; 15] = [
    "200",
    "401",
    "Accept",
    "Bytes::from_owner",
    "HEAD",
    "_floors",
    "_members",
    "console",
    "eventId",
    "hyper",
    "lastEventId",
    "localhost",
    "log",
    "otlp",
    "xtask",
];

/// The keywords that precede the name of a definition.
const DEFINE: [&str; 8] = ["fn", "struct", "enum", "trait", "const", "static", "type", "mod"];

pub(super) fn check() -> Result<()> {
    let root = process::root()?;
    let listed = process::ask(
        Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(&root),
    )?;
    let files: Vec<_> =
        listed.split_terminator('\0').filter(|path| root.join(path).exists()).map(str::to_owned).collect();
    let known = Known::of(&root, &files)?;
    let missing = known.missing(&fs::read_to_string(root.join(DOCUMENT))?);
    ensure!(missing.is_empty(), "{DOCUMENT} names what is not there:\n  {}", missing.join("\n  "));
    Ok(())
}

/// The names that exist.
struct Known {
    /// The paths of all files and folders.
    paths: BTreeSet<String>,
    /// The names that the Rust sources define, including fields and variants.
    defined: BTreeSet<String>,
}

impl Known {
    fn of(root: &Path, files: &[String]) -> Result<Self> {
        let mut defined = BTreeSet::new();
        for file in files.iter().filter(|file| has_ending(file, "rs")) {
            defines(&fs::read_to_string(root.join(file))?, &mut defined);
        }
        let folders = files.iter().flat_map(|file| file.match_indices('/').map(|(at, _)| file[..at].to_owned()));
        Ok(Self { paths: files.iter().cloned().chain(folders).collect(), defined })
    }

    /// Returns the names in the document that do not exist, with their lines.
    fn missing(&self, document: &str) -> Vec<String> {
        let mut missing = Vec::new();
        let mut in_block = false;
        for (number, line) in (1..).zip(document.lines()) {
            in_block ^= line.starts_with("```");
            if in_block {
                continue;
            }
            let spans = line.split('`').skip(1).step_by(2);
            missing
                .extend(spans.filter(|span| !self.is_there(span)).map(|span| format!("{DOCUMENT}:{number}: {span}")));
        }
        missing
    }

    fn is_there(&self, span: &str) -> bool {
        let is_path =
            span.contains('/') || ["rs", "md", "json", "ts", "py"].iter().any(|ending| has_ending(span, ending));
        let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if span.contains(' ') || span == "/" || OTHERS.contains(&span) {
            return true;
        }
        if is_path {
            return self.has_path(span.trim_end_matches('/'));
        }
        // Anything else is a shell command, a header, or a setting with its value.
        !span.split("::").all(is_name)
            || span.split("::").all(|name| self.defined.contains(name) || self.has_path(name))
    }

    fn has_path(&self, path: &str) -> bool {
        let with_ending = format!("{path}.rs");
        [path, &with_ending].iter().any(|path| {
            let behind = format!("/{path}");
            self.paths.contains(*path) || self.paths.iter().any(|known| known.ends_with(&behind))
        })
    }
}

/// Adds the names that a source defines: those after the keywords of [`DEFINE`], and those at the
/// beginning of a line that have the form of a field or a variant.
fn defines(source: &str, defined: &mut BTreeSet<String>) {
    for line in source.lines() {
        let words: Vec<_> =
            line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
        let behind = words.windows(2).filter(|pair| DEFINE.contains(&pair[0])).map(|pair| pair[1]);
        defined.extend(behind.map(str::to_owned));
        let member = line
            .trim_start()
            .trim_start_matches("pub ")
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub(super) ");
        let end = member.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(member.len());
        let (name, rest) = member.split_at(end);
        let is_variant = name.starts_with(|c: char| c.is_ascii_uppercase()) && rest.starts_with([',', '(', ' ']);
        if !name.is_empty() && (is_variant || (rest.starts_with(": ") && line.starts_with(' '))) {
            defined.insert(name.to_owned());
        }
    }
}

fn has_ending(path: &str, ending: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(document: &str) -> Vec<String> {
        let mut defined = BTreeSet::new();
        defines(
            "pub(crate) struct Hub {\n    pub(crate) rings: u8,\n}\nenum E {\n    Known,\n}\nasync fn publish() {}\n",
            &mut defined,
        );
        let paths = ["crates", "crates/hub", "crates/hub/src", "crates/hub/src/fanout.rs"].map(str::to_owned);
        Known { paths: paths.into(), defined }.missing(document)
    }

    #[test]
    fn what_is_not_there_is_named_with_its_line() {
        for good in [
            "`hub/src/fanout.rs`",
            "`hub/src/`: `fanout`",
            "`Hub::publish`",
            "`rings`, `Known`",
            "`GET /x`, `X-Y: z`",
            "`200`",
        ] {
            assert_eq!(missing(good), [""; 0], "{good}");
        }
        for bad in ["hub/src/other.rs", "src/hub/", "Hub::subscribe", "Other", "anout.rs"] {
            assert_eq!(missing(&format!("\na `{bad}` b")), [format!("{DOCUMENT}:2: {bad}")]);
        }
        assert_eq!(missing("```\n`no::where`\n```\n"), [""; 0], "a drawing is not read");
    }

    #[test]
    fn the_document_names_what_is_there() {
        check().unwrap();
    }
}
