//! Whether an unknown name looks like a misspelling of one of ours.
//!
//! Two answers, as two mistakes cost differently: a hint under an error may guess, a warning about the environment, which
//! is full of other programs' names, may not.

use super::setting::Setting;

/// The setting that a variable was probably meant to be; nothing for names that merely resemble one, such as `PORTS`.
pub(super) fn misspelled<'a>(table: &'a [Setting], name: &str) -> Option<&'a Setting> {
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

/// The setting that comes nearest to a name that can't be anything else but one.
pub(super) fn nearest<'a>(table: &'a [Setting], name: &str) -> Option<&'a Setting> {
    let plain = plain(name);
    table
        .iter()
        .map(|setting| (strsim::jaro_winkler(&plain, &self::plain(setting.key)), setting))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, setting)| setting)
}

/// Whether the value behind an unknown name had better not be shown.
pub(super) fn secretive(table: &[Setting], name: &str) -> bool {
    let plain = plain(name);
    nearest(table, name).is_some_and(|setting| setting.secret)
        || ["secret", "token", "key", "password", "jwt"].iter().any(|word| plain.contains(word))
}

/// A name without what people mix up: case, and what joins the words.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table;

    #[test]
    fn slips_of_the_pen_are_recognised() {
        let table = table();
        for (name, meant) in [
            ("HEARTBEAT_INTERVALL", "heartbeat_interval"),
            ("HEARTBEET_INTERVAL", "heartbeat_interval"),
            ("HEARBEAT_INTERVALS", "heartbeat_interval"),
            ("heartbeat_interval", "heartbeat_interval"),
            ("CORS_ORIGINS", "cors_origin"),
            ("JWT_SERCET", "jwt_secret"),
            ("BASEPATH", "base_path"),
            ("LOGLEVEL", "log_level"),
            ("MAX_BODY_BYTE", "max_body_bytes"),
            ("port", "port"),
        ] {
            let found = misspelled(&table, name).map(|setting| setting.key);
            assert_eq!(found, Some(meant), "{name}");
        }
    }

    #[test]
    fn names_of_other_programs_are_left_alone() {
        let table = table();
        for name in [
            "PATH",
            "PORTS",
            "SPORT",
            "POST",
            "HOSTS",
            "HOSTNAME",
            "HOSTTYPE",
            "USER",
            "HOME",
            "PWD",
            "LANG",
            "TERM",
            "LOGNAME",
            "NODE_PATH",
            "NODE_OPTIONS",
            "NODE_VERSION",
            "APP_NAME",
            "APP_KEY",
            "APP_URL",
            "APP_PORT",
            "DB_PORT",
            "DB_HOST",
            "DATABASE_URL",
            "REDIS_HOST",
            "JWT_PRIVATE_KEY",
            "JWT_REFRESH_SECRET",
            "RUST_LOG",
            "JOURNAL_STREAM",
            "TIDINGS_PORT",
            "_",
            "",
        ] {
            let found = misspelled(&table, name).map(|setting| setting.key);
            assert_eq!(found, None, "{name}");
        }
    }
}
