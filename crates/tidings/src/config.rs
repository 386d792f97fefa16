//! `tidings config`: prints the value of every setting and where it came from.
//!
//! Must never show a secret, and can't: [`Effective`](config::Effective) contains only its length.

use std::io::Write;

use tidings_server::config;

/// Writes one line for each setting, and the warnings of the start as comments.
pub(super) fn run(loaded: &config::Loaded, out: &mut dyn Write) -> anyhow::Result<()> {
    for effective in &loaded.origins {
        let value = match effective.value.as_str() {
            "" => "(none)",
            value => value,
        };
        writeln!(out, "{} = {value}  # {}", effective.name, effective.origin)?;
    }
    for warning in &loaded.warnings {
        writeln!(out, "# warning: {warning}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_one_line_with_its_origin_and_secrets_stay_hidden() {
        let environment = [
            ("JWT_SECRET", "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90"),
            ("PORT", "4000"),
            ("HEARTBEAT_INTERVAL", "1500ms"),
            ("JOURNAL_MAX_BYTE", "1MiB"),
        ];
        let environment = environment.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let directory = tempfile::tempdir().unwrap();
        let loaded = config::Config::load(
            config::Flags::default(),
            environment.into_iter(),
            directory.path(),
        )
        .unwrap();
        let mut out = Vec::new();
        run(&loaded, &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        APP_ENV = (none)  # default
        NODE_ENV = (none)  # default
        PORT = 4000  # environment
        HOST = localhost  # default
        BASE_PATH = (none)  # default
        MAX_BODY_BYTES = 250KiB  # default
        MAX_HEAD_BYTES = 16KiB  # default
        HEAD_TIMEOUT = 10s  # default
        IDLE_TIMEOUT = 620s  # default
        TRUSTED_PROXIES = (none)  # default
        TRUSTED_HEADER = x-forwarded-for  # default
        CORS_ORIGIN = (none)  # default
        CORS_CREDENTIALS = true  # default
        CORS_HEADERS = (none)  # default
        AUTH_DEMO = true  # default
        AUTH_COOKIE = (none)  # default
        ADMIN_ROLE = admin  # default
        OPEN_PUBLISH = false  # default
        METRICS_TOKEN = (none)  # default
        JWT_SECRET = (hidden, 32 bytes)  # environment
        JWT_ISSUER = (none)  # default
        JWT_AUDIENCE = (none)  # default
        JWT_REQUIRE_EXP = true  # default
        JWT_EXPIRES_IN = 24h  # default
        PUBLISH_RATE = auto  # default
        PUBLISH_BYTES = auto  # default
        PUBLISH_UNLIMITED_ROLES = (none)  # default
        HEARTBEAT_INTERVAL = 1500ms  # environment
        HEARTBEAT_STYLE = event  # default
        STREAM_REFUSAL = busy  # default
        WRITE_TIMEOUT = 30s  # default
        MAX_CONNECTIONS = auto  # default
        MAX_CONNECTIONS_PER_USER = 20  # default
        MAX_CONNECTIONS_PER_IP = auto  # default
        MAX_LAG_BYTES = 1MiB  # default
        MAX_CONNECTION_AGE = off  # default
        STREAM_LANE = parked  # default
        PRESENCE_GRACE = 1m  # default
        JOURNAL = disk  # default
        DATA_DIR = ./data  # default
        JOURNAL_SYNC = always  # default
        JOURNAL_KEEP = (none)  # default
        JOURNAL_MAX_AGE = auto  # default
        JOURNAL_MAX_BYTES = auto  # default
        JOURNAL_MAX_EVENTS = auto  # default
        MAX_TOPICS = 200000  # default
        LOG_LEVEL = info  # default
        LOG_FORMAT = text  # default
        DRAIN_SECONDS = 8s  # default
        SHUTDOWN_TIMEOUT = 30s  # default
        # warning: JOURNAL_MAX_BYTE (environment) is not a setting and has no effect; did you mean JOURNAL_MAX_BYTES?
        ");
    }
}
