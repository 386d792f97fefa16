//! Generates the reference of the settings from their table: `docs/configuration.md` and
//! `.env.example`.
//!
//! Both are committed, and a test compares them with the output of this module. They contain the
//! defaults, and never a configured value.

use std::fmt::Write as _;

use tidings_settings::setting::prose;
use tidings_settings::wrap::comment;

use super::{SECTIONS, table};

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from the table of settings by `cargo xtask docs`; change `crates/server/src/config/` instead. -->

Nothing needs to be configured: without any setting the server runs in development mode on `http://localhost:3000`.

Each setting has one name in three spellings: `HEARTBEAT_INTERVAL` in the environment and in `.env`,
`--heartbeat-interval` on the command line, `heartbeat_interval` in `tidings.toml`, which is flat and has no tables. If a setting
is written several times, the first of these sources wins:

1. a flag;
2. the environment (an empty variable counts as not set);
3. `.env` in the working directory (an empty value counts as not set; a `$` is literal; put values with spaces, quotes or
   backslashes between single quotes);
4. `tidings.toml` in the working directory, or the file that `--config FILE` names instead;
5. the default.

An unknown flag, an unknown key in `tidings.toml`, or a value that is not allowed stops the start with one line that contains the
setting, where it was written, and what is allowed. Unknown names in the environment and in `.env` are ignored; the server warns of
one that looks like a misspelled setting, and of lines in `.env` that it can't understand and that name no setting: these are
skipped. `tidings config` shows the value of each setting and its source; `tidings check` reports everything that is wrong, and what
is unwise ([Before a start](operating.md#before-a-start)). `tidings init`, or `tidings init production`, writes a commented
`tidings.toml` with a new secret, readable by its owner alone; it never overwrites a file.

Variables that begin with `OTEL_` belong to OpenTelemetry and are not settings: [Traces](operating.md#traces).

| values | are written |
|---|---|
| durations | `500ms`, `25s`, `2m`, `24h`, `7d`; a bare number is seconds |
| sizes | `256KiB`, `1MiB`, `2GiB`; a bare number is bytes. There is no `KB`, which has two meanings |
| booleans | `true` or `false`, `1` or `0`, `yes` or `no`; a flag alone means `true` |
| lists | separated by commas; in `tidings.toml` also arrays; a flag may also be repeated |

";

const EXAMPLE: &str = "\
# Settings of Tidings. Copy this file to `.env`, and remove the `#` from the lines that you change.
# Flags and the environment override this file; docs/configuration.md describes the details.
# Generated from the table of settings by `cargo xtask docs`.
";

/// Returns the page `docs/configuration.md`.
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    let table = table();
    for section in SECTIONS {
        let _ = write!(
            page,
            "## {}\n\n{}\n\n| setting | default | allowed | |\n|---|---|---|---|\n",
            section.title,
            prose(section.about)
        );
        for setting in table
            .iter()
            .filter(|setting| setting.section == section.title)
        {
            let cells = [
                setting.preset.markdown(),
                setting.allowed.clone(),
                setting.about(),
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(page, "| `{}` | {} |", setting.variable(), cells.join(" | "));
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// Returns the file `.env.example`: every setting with its default, commented out.
pub fn env_example() -> String {
    let mut file = EXAMPLE.to_owned();
    let table = table();
    for section in SECTIONS {
        let _ = write!(file, "\n\n# --- {} ---\n", section.title);
        for setting in table
            .iter()
            .filter(|setting| setting.section == section.title)
        {
            file.push('\n');
            for text in [setting.about(), format!("Allowed: {}.", setting.allowed)] {
                file.push_str(&comment(&text));
            }
            if setting.preset.differs() {
                file.push_str(&comment(&format!(
                    "Default: {}.",
                    setting.preset.plain_text()
                )));
            }
            let _ = writeln!(
                file,
                "#{}={}",
                setting.variable(),
                setting.preset.development
            );
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{Config, Flags, Home};

    #[test]
    fn the_committed_reference_is_fresh() {
        tidings_fresh::assert_fresh("docs/configuration.md", &markdown());
        tidings_fresh::assert_fresh(".env.example", &env_example());
    }

    #[test]
    fn every_setting_is_in_both_documents_once() {
        let (page, example) = (markdown(), env_example());
        for setting in table() {
            let name = setting.variable();
            assert_eq!(
                page.matches(&format!("\n| `{name}` |")).count(),
                1,
                "{name}"
            );
            assert_eq!(example.matches(&format!("\n#{name}=")).count(), 1, "{name}");
        }
    }

    #[test]
    fn the_example_without_its_comment_signs_is_the_default_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let names: Vec<_> = table()
            .iter()
            .map(|setting| format!("#{}=", setting.variable()))
            .collect();
        let on: Vec<_> = env_example()
            .lines()
            .map(|line| {
                let is_setting = names.iter().any(|name| line.starts_with(name.as_str()));
                line.strip_prefix('#')
                    .filter(|_| is_setting)
                    .unwrap_or(line)
                    .to_owned()
            })
            .collect();
        fs::write(directory.path().join(".env"), on.join("\n")).unwrap();
        let loaded = Config::load(Flags::default(), std::iter::empty(), directory.path()).unwrap();
        let mut default = Config::default();
        default.journal.home = Home::Disk;
        assert_eq!(format!("{:?}", loaded.config), format!("{default:?}"));
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }
}
