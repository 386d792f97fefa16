//! Tests that misspelled settings are recognized, and names of other programs are not.

use tidings_settings::spelling::misspelled;

use super::table;

#[test]
fn misspelled_settings_are_recognized() {
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
fn names_of_other_programs_are_not_taken_for_misspelled_settings() {
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
