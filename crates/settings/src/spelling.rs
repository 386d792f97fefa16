//! Detects unknown names that look like a misspelled setting.
//!
//! There are two functions, because a wrong guess is not equally harmful everywhere. The hint of an
//! error may be a guess. A warning about the environment may not, because the environment contains
//! many names of other programs.

use crate::setting::Setting;

/// Returns the setting of which `name` is probably a misspelling. Returns `None` for names that
/// merely resemble a setting, such as `PORTS`.
pub fn misspelled<'a>(table: &'a [Setting], name: &str) -> Option<&'a Setting> {
    let name = normalized(name);
    table.iter().find(|setting| {
        let key = normalized(setting.key);
        let tolerated = match key.len() {
            // `HOST` and `PORT` are one letter away from too many words.
            ..6 => 0,
            6..12 => 1,
            _ => 2,
        };
        strsim::osa_distance(&name, &key) <= tolerated
    })
}

/// Returns the setting whose name is most similar to `name`, in a place where every name must be a
/// setting. Returns `None` if no setting is similar enough.
pub fn nearest<'a>(table: &'a [Setting], name: &str) -> Option<&'a Setting> {
    let name = normalized(name);
    table
        .iter()
        .map(|setting| {
            (
                strsim::jaro_winkler(&name, &normalized(setting.key)),
                setting,
            )
        })
        .filter(|(similarity, _)| *similarity > 0.85)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, setting)| setting)
}

/// Returns whether the value of an unknown name may be a secret and must not be shown.
pub fn may_be_secret(table: &[Setting], name: &str) -> bool {
    let normalized = normalized(name);
    nearest(table, name).is_some_and(|setting| setting.secret)
        || ["secret", "token", "key", "password", "jwt"]
            .iter()
            .any(|word| normalized.contains(word))
}

/// Returns a name in lower case and without the separators between its words, because these are
/// often confused.
fn normalized(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
