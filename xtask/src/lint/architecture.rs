//! Checks that what `ARCHITECTURE.md` names exists: files and folders, and items that the sources
//! define. Of `README.md`, checks the section on the code.
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
const README: &str = "README.md";

/// The section of [`README`] that is checked.
const SECTION: &str = "\n## Finding your way in the code\n";

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
const DEFINE: [&str; 8] = [
    "fn", "struct", "enum", "trait", "const", "static", "type", "mod",
];

pub(super) fn check() -> Result<()> {
    let root = process::root()?;
    let listed = process::ask(
        Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(&root),
    )?;
    let files: Vec<_> = listed
        .split_terminator('\0')
        .filter(|path| root.join(path).exists())
        .map(str::to_owned)
        .collect();
    let known = Known::of(&root, &files)?;
    let missing = known.missing(&fs::read_to_string(root.join(DOCUMENT))?);
    ensure!(
        missing.is_empty(),
        "{DOCUMENT} names what is not there:\n  {}",
        missing.join("\n  ")
    );
    let missing = known.missing_in_readme(&fs::read_to_string(root.join(README))?);
    ensure!(
        missing.is_empty(),
        "{README} names what is not there:\n  {}",
        missing.join("\n  ")
    );
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
        let folders = files
            .iter()
            .flat_map(|file| file.match_indices('/').map(|(at, _)| file[..at].to_owned()));
        Ok(Self {
            paths: files.iter().cloned().chain(folders).collect(),
            defined,
        })
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
            let absent = spans(line).filter(|span| !self.is_there(span));
            missing.extend(absent.map(|span| format!("{DOCUMENT}:{number}: {span}")));
        }
        missing
    }

    /// Returns the names in the section of the README that do not exist. In a row of its table, the
    /// files of the last column are those of the crate in the first.
    fn missing_in_readme(&self, readme: &str) -> Vec<String> {
        let Some((_, section)) = readme.split_once(SECTION) else {
            return vec![SECTION.trim().to_owned()];
        };
        let section = section
            .split_once("\n## ")
            .map_or(section, |(section, _)| section);
        let mut missing = Vec::new();
        for line in section.lines() {
            let (about, files) = if line.starts_with("| `") {
                line.trim_end_matches([' ', '|'])
                    .rsplit_once('|')
                    .unwrap_or((line, ""))
            } else {
                (line, "")
            };
            let folder = about.split('`').nth(1).unwrap_or_default();
            let is_file = |span: &str| span.contains('/') || has_ending(span, "rs");
            missing.extend(
                spans(about)
                    .filter(|span| !self.is_there(span))
                    .map(str::to_owned),
            );
            let files = spans(files)
                .filter(|span| is_file(span))
                .map(|span| format!("{folder}/src/{span}"));
            missing.extend(files.filter(|path| !self.paths.contains(path.trim_end_matches('/'))));
        }
        missing
    }

    fn is_there(&self, span: &str) -> bool {
        let is_path = span.contains('/')
            || ["rs", "md", "json", "ts", "py"]
                .iter()
                .any(|ending| has_ending(span, ending));
        let is_name = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if span.contains(' ') || span == "/" || OTHERS.contains(&span) {
            return true;
        }
        if is_path {
            return self.has_path(span.trim_end_matches('/'));
        }
        // Anything else is a shell command, a header, or a setting with its value.
        !span.split("::").all(is_name)
            || span
                .split("::")
                .all(|name| self.defined.contains(name) || self.has_path(name))
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
        let words: Vec<_> = line
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| !word.is_empty())
            .collect();
        let behind = words
            .windows(2)
            .filter(|pair| DEFINE.contains(&pair[0]))
            .map(|pair| pair[1]);
        defined.extend(behind.map(str::to_owned));
        let member = line
            .trim_start()
            .trim_start_matches("pub ")
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub(super) ");
        let end = member
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(member.len());
        let (name, rest) = member.split_at(end);
        let is_variant =
            name.starts_with(|c: char| c.is_ascii_uppercase()) && rest.starts_with([',', '(', ' ']);
        if !name.is_empty() && (is_variant || (rest.starts_with(": ") && line.starts_with(' '))) {
            defined.insert(name.to_owned());
        }
    }
}

/// Returns the texts between backticks.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn has_ending(path: &str, ending: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let mut defined = BTreeSet::new();
        defines(
            "pub(crate) struct Hub {\n    pub(crate) rings: u8,\n}\nenum E {\n    \
             Known,\n}\nasync fn publish() {}\n",
            &mut defined,
        );
        let paths = [
            "crates",
            "crates/hub",
            "crates/hub/src",
            "crates/hub/src/fanout.rs",
        ]
        .map(str::to_owned);
        Known {
            paths: paths.into(),
            defined,
        }
    }

    fn missing(document: &str) -> Vec<String> {
        known().missing(document)
    }

    #[test]
    fn a_missing_name_is_reported_with_its_line() {
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
        for bad in [
            "hub/src/other.rs",
            "src/hub/",
            "Hub::subscribe",
            "Other",
            "anout.rs",
        ] {
            assert_eq!(
                missing(&format!("\na `{bad}` b")),
                [format!("{DOCUMENT}:2: {bad}")]
            );
        }
        assert_eq!(
            missing("```\n`no::where`\n```\n"),
            [""; 0],
            "a drawing is not read"
        );
    }

    #[test]
    fn a_file_in_a_row_of_the_readme_must_be_in_the_crate_of_the_row() {
        let missing = |row: &str| {
            known().missing_in_readme(&format!("# A\n{SECTION}\n{row}\n\n## B\n\n`no/where`\n"))
        };
        assert_eq!(
            missing("| `crates/hub` | delivery | `fanout.rs`, `connected` |"),
            [""; 0]
        );
        assert_eq!(missing("`crates/hub/src/fanout.rs`"), [""; 0]);
        assert_eq!(
            missing("| `crates/hub` | delivery | `ring.rs` |"),
            ["crates/hub/src/ring.rs"]
        );
        assert_eq!(missing("| `crates/net` | sockets | |"), ["crates/net"]);
        assert_eq!(known().missing_in_readme("# A\n"), [SECTION.trim()]);
    }

    #[test]
    fn the_documents_name_what_is_there() {
        check().unwrap();
    }
}
