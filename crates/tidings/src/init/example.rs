//! A `tidings.toml` for newcomers: every setting with its description. All are commented out,
//! except the mode and the secret.
//!
//! Generated from the table, so that it contains every setting and no other. The server must accept
//! it unchanged.

use std::fmt::Write as _;

use tidings_server::config::{Mode, SECTIONS, table};
use tidings_settings::rule::Shape;
use tidings_settings::setting::{Setting, prose};
use tidings_settings::wrap::comment;

const INTRODUCTION: &str = "Settings of Tidings, by section. To set one, remove the # before it \
                            and write your value. Flags, the environment and `.env` override this \
                            file. `tidings check` reports what is wrong or unwise, and `tidings \
                            config` the value of each setting and where it comes from.";

const SECRET: &str = "This file contains a secret: only the server should be able to read it. \
                      Keep it out of version control.";

/// Returns the file. `jwt_secret` must have been generated for it, from characters that need no
/// escaping.
pub(super) fn toml(mode: Mode, jwt_secret: &str) -> String {
    let set = [("app_env", mode.as_str()), ("jwt_secret", jwt_secret)];
    let mut file = comment(INTRODUCTION);
    file.push_str("#\n");
    file.push_str(&comment(SECRET));
    for section in SECTIONS {
        let _ = write!(
            file,
            "\n\n# --- {} ---\n{}",
            section.title,
            comment(&prose(section.about))
        );
        for setting in table()
            .iter()
            .filter(|setting| setting.section == section.title)
        {
            file.push('\n');
            file.push_str(&comment(&setting.about()));
            file.push_str(&comment(&format!("Allowed: {}.", setting.allowed)));
            if setting.preset.differs() {
                file.push_str(&comment(&format!(
                    "Default: {}.",
                    setting.preset.plain_text()
                )));
            }
            let key = setting.key;
            let _ = match set.iter().find(|(set, _)| *set == key) {
                Some((_, value)) => writeln!(file, "{key} = \"{value}\""),
                None => writeln!(file, "#{key} = {}", preset(setting, mode)),
            };
        }
    }
    file
}

/// Returns a default in the syntax of TOML.
fn preset(setting: &Setting, mode: Mode) -> String {
    let text = setting.preset.of(mode);
    let bare = setting.shape == Shape::Switch
        || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    match setting.shape {
        Shape::List if text.is_empty() => "[]".to_owned(),
        _ if bare => text.to_owned(),
        _ => format!("\"{text}\""),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use tidings_server::config::{Config, Flags, Loaded};

    const SECRET: &str = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";

    fn loaded(file: &str) -> Loaded {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("tidings.toml"), file).unwrap();
        Config::load(Flags::default(), std::iter::empty(), directory.path()).unwrap()
    }

    /// Returns the values of all settings, without their origins. `NODE_ENV` is left out, because
    /// it is not read if `APP_ENV` is set.
    fn values(loaded: &Loaded) -> Vec<(&str, &str)> {
        let values = loaded
            .origins
            .iter()
            .map(|effective| (&*effective.name, &*effective.value));
        values.filter(|(name, _)| *name != "NODE_ENV").collect()
    }

    #[test]
    fn the_file_causes_no_warning_and_the_commented_lines_are_the_defaults() {
        for mode in [Mode::Development, Mode::Production] {
            let file = toml(mode, SECRET);
            let as_it_is = loaded(&file);
            assert_eq!(
                (as_it_is.config.mode, &as_it_is.warnings),
                (mode, &Vec::new())
            );
            assert_eq!(
                as_it_is.config.auth.jwt_secret.as_ref().unwrap().expose(),
                SECRET
            );
            let is_setting = |line: &str| {
                table()
                    .iter()
                    .any(|one| line.starts_with(&format!("#{} = ", one.key)))
            };
            let on: Vec<_> = file
                .lines()
                .map(|line| if is_setting(line) { &line[1..] } else { line })
                .collect();
            let on = loaded(&on.join("\n"));
            assert_eq!(on.warnings, Vec::<String>::new());
            assert_eq!(values(&on), values(&as_it_is));
        }
    }

    #[test]
    fn every_setting_occurs_once_and_no_line_exceeds_100_characters() {
        let file = toml(Mode::Production, SECRET);
        for setting in table() {
            let lines = file.lines().filter(|line| {
                line.trim_start_matches('#')
                    .starts_with(&format!("{} = ", setting.key))
            });
            assert_eq!(lines.count(), 1, "{}", setting.key);
        }
        assert!(
            file.lines().all(|line| line.chars().count() <= 100),
            "{file}"
        );
    }
}
