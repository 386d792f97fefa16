use std::path::Path;

use tidings_server::config::{Config, Flags};

use super::*;
use crate::check::finding::Level;

const SECRET: &str = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";

fn found(settings: &[(&str, &str)]) -> Vec<(Level, &'static str)> {
    let environment = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let loaded = Config::load(Flags::default(), environment, Path::new("/nonexistent")).unwrap();
    let findings = all(&loaded)
        .into_iter()
        .filter(|finding| finding.level != Level::Ok);
    findings
        .map(|finding| (finding.level, finding.check))
        .collect()
}

fn in_production(settings: &[(&str, &str)]) -> Vec<(Level, &'static str)> {
    let quiet = [
        ("APP_ENV", "production"),
        ("JWT_SECRET", SECRET),
        ("HOST", "localhost"),
        ("TRUSTED_PROXIES", "127.0.0.1,::1"),
        ("CORS_ORIGIN", "https://app.example.com"),
    ];
    let others = quiet
        .into_iter()
        .filter(|(name, _)| !settings.iter().any(|(set, _)| set == name));
    found(&others.chain(settings.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn the_defaults_and_a_careful_production_setup_have_no_findings() {
    assert_eq!(found(&[]), []);
    assert_eq!(in_production(&[]), []);
    let alone = in_production(&[("HOST", "::"), ("TRUSTED_PROXIES", ""), ("CORS_ORIGIN", "")]);
    assert!(
        alone.iter().all(|(level, _)| *level == Level::Note),
        "{alone:?}"
    );
}

#[test]
fn demo_tokens_that_other_machines_can_use_cause_a_warning() {
    use Level::Warning;
    assert_eq!(found(&[("HOST", "0.0.0.0")]), [(Warning, "demo-tokens")]);
    assert_eq!(found(&[("HOST", "192.0.2.7")]), [(Warning, "demo-tokens")]);
    assert_eq!(found(&[("HOST", "127.0.0.2")]), []);
    assert_eq!(found(&[("HOST", "::"), ("AUTH_DEMO", "false")]), []);
}

#[test]
fn each_unwise_setting_is_found_in_production() {
    use Level::{Note, Warning};
    for (name, value, expected) in [
        ("OPEN_PUBLISH", "true", (Warning, "publishing")),
        ("JWT_REQUIRE_EXP", "false", (Warning, "tokens")),
        ("PORT", "0", (Warning, "port")),
        ("IDLE_TIMEOUT", "60s", (Note, "idle")),
        ("TRUSTED_PROXIES", "0.0.0.0/0,::1", (Warning, "proxy")),
        ("TRUSTED_PROXIES", "10.0.0.0/8", (Warning, "proxy")),
        ("TRUSTED_PROXIES", "127.0.0.1", (Note, "proxy")),
        ("TRUSTED_PROXIES", "", (Note, "proxy")),
        ("CORS_ORIGIN", "", (Note, "origins")),
        ("CORS_ORIGIN", "null", (Warning, "origins")),
        ("CORS_ORIGIN", "https://*.com", (Warning, "origins")),
        ("CORS_ORIGIN", "http://app.example.com", (Note, "origins")),
        (
            "CORS_ORIGIN",
            r"/https:\/\/app.example\.com/",
            (Warning, "origins"),
        ),
        ("HEARTBEAT_INTERVAL", "60s", (Warning, "heartbeats")),
        ("STREAM_REFUSAL", "status", (Note, "streams")),
        ("DRAIN_SECONDS", "10s", (Note, "stopping")),
        ("JOURNAL", "memory", (Warning, "journal")),
        ("JOURNAL_SYNC", "interval:1s", (Note, "journal")),
        ("JOURNAL_SYNC", "never", (Note, "journal")),
    ] {
        assert_eq!(
            in_production(&[(name, value)]),
            [expected],
            "{name}={value}"
        );
    }
}

#[test]
fn a_dot_that_matches_any_character_is_found_unless_it_is_intended() {
    assert_eq!(
        bare_dot(r"/https:\/\/a\.example.com/").as_deref(),
        Some("com")
    );
    for fine in [
        r"/https:\/\/a\.example\.com/",
        r"/https:\/\/.*\.example\.com/",
        r"/https:\/\/.+\.example\.com/",
        r"/https:\/\/[a.b]x\.example\.com/",
        "https://app.example.com",
    ] {
        assert_eq!(bare_dot(fine), None, "{fine}");
    }
}

#[test]
fn a_secret_on_the_command_line_causes_a_warning() {
    let flags = Flags {
        file: None,
        settings: vec![("jwt_secret".to_owned(), SECRET.to_owned())],
    };
    let loaded = Config::load(flags, std::iter::empty(), Path::new("/nonexistent")).unwrap();
    let findings = all(&loaded);
    assert!(
        findings
            .iter()
            .any(|finding| finding.level == Level::Warning && finding.check == "secret"),
        "{findings:?}"
    );
    assert!(!format!("{findings:?}").contains(SECRET));
}
