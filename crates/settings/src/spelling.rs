//! Detects unknown names that look like a misspelled setting.
//!
//! There are two functions because a wrong guess costs differently: a hint under an error may
//! guess, a warning about the environment, which is full of other programs' names, may not.

use crate::setting::Setting;

/// Returns the setting that a variable was probably meant to be, or `None` for names that merely
/// resemble one, such as `PORTS`.
pub fn misspelled<'a>(table: &'a [Setting], name: &str) -> Option<&'a Setting> {
    let plain = plain(name);
    table.iter().find(|setting| {
        let ours = self::plain(setting.key);
        let tolerated = match ours.len() {
            // `HOST` and `PORT` are one letter away from too many words.
            ..6 => 0,
            6..12 => 1,
            _ => 2,
        };
        strsim::osa_distance(&plain, &ours) <= tolerated
    })
}

/// Returns the setting whose name is closest to a name that must be a setting.
pub fn nearest<'a>(table: &'a [Setting], name: &str) -> Option<&'a Setting> {
    let plain = plain(name);
    table
        .iter()
        .map(|setting| (strsim::jaro_winkler(&plain, &self::plain(setting.key)), setting))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, setting)| setting)
}

/// Returns whether the value of an unknown name may be a secret and should not be shown.
pub fn secretive(table: &[Setting], name: &str) -> bool {
    let plain = plain(name);
    nearest(table, name).is_some_and(|setting| setting.secret)
        || ["secret", "token", "key", "password", "jwt"].iter().any(|word| plain.contains(word))
}

/// Returns a name without what people mix up: case, and the separators between words.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
