//! The units of systemd and the settings that come with them (deploy/systemd, deploy/debian),
//! checked by systemd itself and by the server.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::binary::Place;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// Runs `systemd-analyze` on the units. Returns its output, and what it wrote to standard error.
fn analyze(arguments: &[&str], units: &[&str]) -> (Output, String) {
    let directory = tempfile::tempdir().unwrap();
    // The binary is not installed here. Everything else is as it is shipped.
    let paths = units.iter().map(|unit| {
        let text = std::fs::read_to_string(deploy().join("systemd").join(unit)).unwrap();
        let text = text.replace("/usr/bin/tidings", env!("CARGO_BIN_EXE_tidings"));
        let path = directory.path().join(unit);
        std::fs::write(&path, text).unwrap();
        path
    });
    let paths: Vec<_> = paths.collect();
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .args(&paths)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    (output, said)
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_analyze_accepts_the_units() {
    let (output, said) = analyze(
        &["verify", "--man=no"],
        &["tidings.service", "tidings.socket"],
    );
    // An unknown key is reported, but does not change the status.
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_analyze_rates_the_service_as_well_confined() {
    let (output, said) = analyze(
        &["security", "--offline=true", "--threshold=20"],
        &["tidings.service"],
    );
    let rating = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "above 2.0: {rating}{said}");
    let overall = rating
        .lines()
        .find(|line| line.contains("Overall exposure level"))
        .expect("a rating");
    assert!(
        overall.contains(": 1.2 OK"),
        "docs/deploying.md says 1.2: {overall}"
    );
}

#[test]
fn the_unit_and_the_docs_agree_on_what_the_server_is_started_with() {
    let unit = std::fs::read_to_string(deploy().join("systemd/tidings.service")).unwrap();
    let value = |key: &str| {
        unit.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap()
    };
    assert_eq!(
        value("Type"),
        "notify",
        "Type=notify-reload is newer than Debian 12"
    );
    assert_eq!(
        value("ExecReload"),
        r#"/bin/sh -c 'kill -HUP "$$MAINPID"'"#,
        "/bin/kill is not everywhere"
    );
    let arguments: Vec<_> = value("ExecStart").split(' ').collect();
    assert_eq!(
        arguments,
        [
            "/usr/bin/tidings",
            "serve",
            "--config",
            "/etc/tidings/tidings.toml"
        ]
    );
    let stop: u64 = value("TimeoutStopSec").parse().unwrap();
    assert!(
        stop > 31,
        "SHUTDOWN_TIMEOUT and the second after which the process ends itself"
    );
}

#[test]
fn with_a_secret_the_settings_of_the_package_start_a_production_server() {
    let template = std::fs::read_to_string(deploy().join("debian/tidings.toml")).unwrap();
    let place = Place::bare().file("template.toml", &template);
    let refused = place.refusal(&["--config", "template.toml"]);
    assert!(
        refused.contains("jwt_secret") || refused.contains("JWT_SECRET"),
        "{refused}"
    );
    let secret = "q8Zk0vXb3mTtY1uE7pLs5cWd9rJf2hGn4aKoViQeRxBzSyMlDjCgHwNtUiOpAsFg";
    let place = Place::bare().file("tidings.toml", &template.replace("@JWT_SECRET@", secret));
    let output = place.run(&["config", "--config", "tidings.toml"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "",
        "nothing to warn of"
    );
    let settings = String::from_utf8(output.stdout).unwrap();
    let line = |name: &str| {
        settings
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{settings}"))
    };
    assert!(
        line("APP_ENV").contains("production")
            && line("DATA_DIR").contains("/var/lib/tidings/data"),
        "{settings}"
    );
    assert!(!settings.contains(secret));
}
