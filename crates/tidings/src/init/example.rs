//! A `tidings.toml` for newcomers: every setting with its description, commented out, except for
//! the mode and the secret, which it sets.
//!
//! Generated from the table, so that it contains every setting and no other. The server must accept
//! it unchanged.

use std::fmt::Write as _;

use tidings_server::config::{Mode, SECTIONS, table};
use tidings_settings::rule::Shape;
use tidings_settings::setting::{Setting, prose};
use tidings_settings::text::comment;

const INTRODUCTION: &str = "Settings of Tidings, by section. A line without # is set; take the # off one to set it, and write your \
                            value. Flags, the environment and `.env` come before this file. `tidings check` says what is wrong or \
                            unwise, `tidings config` what holds and where it comes from.";

const SECRET: &str = "It holds a secret: let nobody but the server read it, and keep it out of version control.";

/// Returns the file. `jwt_secret` must have been generated for it, from characters that need no
/// escaping.
pub(super) fn toml(mode: Mode, jwt_secret: &str) -> String {
    let set = [("app_env", mode.as_str()), ("jwt_secret", jwt_secret)];
    let mut file = comment(INTRODUCTION);
    file.push_str("#\n");
    file.push_str(&comment(SECRET));
    for section in SECTIONS {
        let _ = write!(file, "\n\n# --- {} ---\n{}", section.title, comment(&prose(section.about)));
        for setting in table().iter().filter(|setting| setting.section == section.title) {
            file.push('\n');
            file.push_str(&comment(&setting.about()));
            file.push_str(&comment(&format!("Allowed: {}.", setting.allowed)));
            if setting.preset.differs() {
                file.push_str(&comment(&format!("Default: {}.", setting.preset.words())));
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
    let bare = setting.shape == Shape::Switch || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
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

    /// Returns the values of all settings, without their origins. `NODE_ENV` is not read where
    /// `APP_ENV` is set.
    fn values(loaded: &Loaded) -> Vec<(&str, &str)> {
        let values = loaded.origins.iter().map(|effective| (&*effective.name, &*effective.value));
        values.filter(|(name, _)| *name != "NODE_ENV").collect()
    }

    #[test]
    fn it_is_accepted_without_a_warning_in_both_modes_and_with_every_line_switched_on_nothing_changes() {
        for mode in [Mode::Development, Mode::Production] {
            let file = toml(mode, SECRET);
            let as_it_is = loaded(&file);
            assert_eq!((as_it_is.config.mode, &as_it_is.warnings), (mode, &Vec::new()));
            assert_eq!(as_it_is.config.auth.jwt_secret.as_ref().unwrap().expose(), SECRET);
            let is_setting = |line: &str| table().iter().any(|one| line.starts_with(&format!("#{} = ", one.key)));
            let on: Vec<_> = file.lines().map(|line| if is_setting(line) { &line[1..] } else { line }).collect();
            let on = loaded(&on.join("\n"));
            assert_eq!(on.warnings, Vec::<String>::new());
            assert_eq!(values(&on), values(&as_it_is));
        }
    }

    #[test]
    fn it_names_every_setting_once_in_lines_that_are_not_too_long() {
        let file = toml(Mode::Production, SECRET);
        for setting in table() {
            let lines =
                file.lines().filter(|line| line.trim_start_matches('#').starts_with(&format!("{} = ", setting.key)));
            assert_eq!(lines.count(), 1, "{}", setting.key);
        }
        assert!(file.lines().all(|line| line.chars().count() <= 100), "{file}");
    }
}
