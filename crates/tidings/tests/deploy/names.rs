//! No file invents a setting: whatever is written in capitals with a `_` in it is a setting, or
//! stands in the list of what is not.

use std::collections::BTreeSet;
use std::process::Command;

use regex_lite::Regex;

use crate::support::{files_below, read, succeed};

/// Names that belong to others, by their beginnings.
const OF_OTHERS: [&str; 6] = [
    // OpenTelemetry's, which the server reads: docs/operating.md.
    "OTEL_",
    // Cargo's.
    "CARGO_",
    // Grafana's.
    "GF_",
    // Linux's rights and families of addresses.
    "CAP_",
    "AF_",
    // What Kubernetes would put into the environment.
    "TIDINGS_PORT",
];

/// What the file for Compose asks its reader for, beside settings, and the rights that a container
/// is given.
const IN_FULL: [&str; 10] = [
    "DAC_OVERRIDE",
    "GRAFANA_PASSWORD",
    "GRAFANA_PORT",
    "HTTP_PORT",
    "HTTPS_PORT",
    "NET_BIND_SERVICE",
    "PROMETHEUS_PORT",
    "TIDINGS_IMAGE",
    "TIDINGS_MEMORY",
    // TLS_CERTIFICATE and TLS_KEY.
    "TLS_",
];

#[test]
fn every_file_names_only_existing_settings() {
    let settings = settings();
    let name = Regex::new(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b").unwrap();
    let mut seen = BTreeSet::new();
    let mut unknown = Vec::new();
    for file in written() {
        for line in read(&file).lines().filter(|line| is_ours(&file, line)) {
            for word in name.find_iter(line).map(|found| found.as_str()) {
                if settings.contains(word) {
                    seen.insert(word.to_owned());
                } else if !is_known(word) {
                    unknown.push(format!("{file}: {word}"));
                }
            }
        }
    }
    assert!(
        unknown.is_empty(),
        "neither settings nor in the list of what is not: {unknown:#?}"
    );
    for one in ["JWT_SECRET", "DATA_DIR", "TRUSTED_PROXIES"] {
        assert!(
            seen.contains(one),
            "{one} is named nowhere: is anything read?"
        );
    }
}

/// What people write: completions and the manual are generated from the table of settings.
fn written() -> impl Iterator<Item = String> {
    let generated =
        |file: &String| file.starts_with("deploy/completions/") || file.starts_with("deploy/man/");
    files_below("deploy")
        .into_iter()
        .filter(move |file| !generated(file))
}

/// Of a proxy's configuration only the comments speak of settings of ours; the rest is in the
/// proxy's own words.
fn is_ours(file: &str, line: &str) -> bool {
    !file.starts_with("deploy/proxies/") || line.contains('#')
}

fn is_known(word: &str) -> bool {
    OF_OTHERS.iter().any(|start| word.starts_with(start))
        || IN_FULL.iter().any(|name| word.starts_with(name))
}

#[test]
fn every_variable_that_a_file_sets_is_a_setting() {
    let settings = settings();
    // `ENV A=b \`, `Environment=A=b`, and `- A=b` of the generator of a ConfigMap.
    let assignment = Regex::new(
        r#"(?m)^(?:ENV |\x20{4}|Environment="?|\s+- )([A-Z][A-Z0-9_]*)=[^\s\\]*"?(?: \\)?$"#,
    )
    .unwrap();
    let mut seen = 0;
    for file in written() {
        let text = read(&file);
        for [word] in assignment
            .captures_iter(&text)
            .map(|found| found.extract().1)
        {
            assert!(
                settings.contains(word) || is_known(word),
                "{file} sets {word}, which is no setting"
            );
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}

#[test]
fn every_key_of_a_tidings_toml_is_a_setting_even_in_comments() {
    let settings = settings();
    let key = Regex::new(r"(?m)^(?:# )?([a-z_]+) = ").unwrap();
    let mut seen = 0;
    for file in written().filter(|file| file.ends_with("/tidings.toml")) {
        for [key] in key
            .captures_iter(&read(&file))
            .map(|found| found.extract().1)
        {
            assert!(
                settings.contains(&key.to_ascii_uppercase()),
                "{file} sets {key}, which is no setting"
            );
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen}");
}

/// The names in the table of docs/configuration.md, which another test holds to the code.
pub(crate) fn settings() -> BTreeSet<String> {
    let row = Regex::new(r"(?m)^\| `([A-Z][A-Z0-9_]*)` \|").unwrap();
    let names: BTreeSet<_> = row
        .captures_iter(&read("docs/configuration.md"))
        .map(|found| found[1].to_owned())
        .collect();
    assert!(names.len() > 30, "{names:?}");
    names
}

/// The server takes these variables, has nothing to say about them, and knows each.
#[track_caller]
pub(crate) fn assert_taken(environment: &[(String, String)]) {
    let settings = settings();
    for (name, _) in environment {
        assert!(settings.contains(name), "{name} is no setting");
    }
    let empty = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.arg("config").current_dir(&empty).env_clear();
    let shown = succeed(command.envs(environment.iter().map(|(name, value)| (name, value))));
    assert!(!shown.contains("# warning"), "{shown}");
    let set = environment.iter().filter(|(_, value)| !value.is_empty());
    for (name, _) in set {
        let line = shown
            .lines()
            .find(|line| line.starts_with(&format!("{name} = ")))
            .unwrap();
        assert!(line.ends_with("# environment"), "{line}");
    }
}
