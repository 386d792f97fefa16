//! The settings on one screen: those that are set most often, and the names of all.
//!
//! Generated from the table, so that no setting is missing. Must never need more than one screen:
//! the long help has the full descriptions.

use std::fmt::Write as _;

use tidings_server::config::{SECTIONS, table};
use tidings_settings::setting::Setting;
use tidings_settings::wrap::wrap;

/// The settings that are set most often, in the order in which an operator needs them.
const USUAL: [&str; 7] = [
    "app_env",
    "host",
    "port",
    "data_dir",
    "jwt_secret",
    "cors_origin",
    "trusted_proxies",
];

/// The longest line, in characters: the width of most terminals.
const WIDTH: usize = 80;

/// Returns the end of a page of help: some settings with descriptions, and the names of all by
/// section.
pub(crate) fn overview() -> String {
    let table = table();
    let usual = USUAL
        .iter()
        .filter_map(|key| table.iter().find(|setting| setting.key == *key));
    let usual: Vec<_> = usual
        .map(|setting| (flag(setting), in_short(setting)))
        .collect();
    let mut page = "The usual settings:\n".to_owned();
    rows(&mut page, &usual);
    page.push_str(
        "\nAll settings; --host is HOST in the environment and .env, host in tidings.toml:\n",
    );
    let sections = SECTIONS.map(|section| {
        let settings = table
            .iter()
            .filter(|setting| setting.section == section.title);
        let names: Vec<_> = settings.map(Setting::flag).collect();
        (section.title.to_owned(), names.join(", "))
    });
    rows(&mut page, &sections);
    page.truncate(page.trim_end().len());
    page
}

fn flag(setting: &Setting) -> String {
    format!("--{} <{}>", setting.flag(), setting.placeholder)
}

/// Returns the first clause of a setting's description.
fn in_short(setting: &Setting) -> String {
    let about = setting.about();
    let end = [". ", ": ", ", ", " ("]
        .iter()
        .filter_map(|end| about.find(end))
        .min()
        .unwrap_or(about.len());
    about[..end].trim_end_matches('.').to_owned()
}

/// Writes two columns, of which the second is wrapped.
fn rows(page: &mut String, rows: &[(String, String)]) {
    let column = 4 + rows
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    for (name, text) in rows {
        let mut name = format!("  {name}");
        for line in wrap(text, WIDTH - column) {
            let _ = writeln!(page, "{name:<column$}{line}");
            name.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_named_and_no_line_is_too_wide() {
        let page = overview();
        let (usual, all) = page.split_once("\n\n").unwrap();
        for key in USUAL {
            assert!(
                usual.contains(&format!("--{} <", key.replace('_', "-"))),
                "{key}\n{page}"
            );
        }
        let names: Vec<_> = all.split([' ', ',', '\n']).collect();
        for setting in table() {
            assert!(
                names.contains(&&*setting.flag()),
                "{}\n{page}",
                setting.flag()
            );
        }
        assert!(
            page.lines().all(|line| line.chars().count() <= WIDTH),
            "{page}"
        );
    }
}
