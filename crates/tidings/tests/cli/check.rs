//! `tidings check`: what stops a start is an error, what is doubtful a warning, and nothing is
//! changed by looking.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Place, stderr};

const SECRET: &str = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";

/// What a check finds, and its exit code.
async fn checked(place: &Place, arguments: &[&str]) -> (Value, i32) {
    let output = place.run(&[&["check", "--json"], arguments].concat()).await;
    assert_eq!(stderr(&output), "");
    (
        serde_json::from_slice(&output.stdout).unwrap(),
        output.status.code().unwrap(),
    )
}

/// The messages of a level.
fn of(report: &Value, level: &str) -> Vec<String> {
    let findings = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["level"] == level);
    findings
        .map(|finding| {
            format!(
                "{}: {}",
                finding["check"].as_str().unwrap(),
                finding["message"].as_str().unwrap()
            )
        })
        .collect()
}

/// The only error.
fn error(report: &Value) -> String {
    let errors = of(report, "error");
    assert_eq!(errors.len(), 1, "{report:#}");
    errors[0].clone()
}

/// Everything below a directory, with what would change by writing to it.
fn tree(dir: &Path) -> Vec<String> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let metadata = entry.metadata().unwrap();
        entries.push(format!(
            "{} {:?} {}",
            entry.path().display(),
            metadata.modified().unwrap(),
            metadata.len()
        ));
        if metadata.is_dir() {
            entries.extend(tree(&entry.path()));
        }
    }
    entries.sort();
    entries
}

#[tokio::test]
async fn the_file_that_init_writes_has_no_errors() {
    for mode in ["development", "production"] {
        let place = Place::new();
        place.succeed(&["init", mode]).await;
        let (report, code) = checked(&place, &["--port", "0", "--host", "127.0.0.1"]).await;
        assert_eq!((of(&report, "error"), code), (Vec::new(), 0), "{report:#}");
        assert_eq!(report["starts"], true);
        assert!(
            of(&report, "ok").contains(&format!("settings: {mode}; from tidings.toml, flags")),
            "{report:#}"
        );
        let shown = place.succeed(&["check", "--port", "0"]).await;
        assert!(shown.starts_with("ok       settings     "), "{shown}");
        assert!(
            shown.lines().last().unwrap().starts_with("0 errors, "),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn nothing_is_changed_on_disk() {
    let place = Place::new();
    place.succeed(&["init", "production"]).await;
    let before = tree(place.directory());
    checked(&place, &[]).await;
    assert_eq!(tree(place.directory()), before, "no DATA_DIR is made");

    fs::create_dir(place.data()).unwrap();
    let before = tree(place.directory());
    checked(&place, &[]).await;
    assert_eq!(tree(place.directory()), before, "no LOCK is made");

    place.serve().await.kill().await;
    let before = tree(place.directory());
    assert!(
        before.iter().any(|entry| entry.contains("/data/db")),
        "{before:?}"
    );
    checked(&place, &["--port", "0"]).await;
    assert_eq!(tree(place.directory()), before);
}

#[tokio::test]
async fn all_invalid_settings_are_reported_at_once() {
    let place = Place::new()
        .env("PORT", "none")
        .env("HEARTBEAT_INTERVAL", "5 minutes");
    let (report, code) = checked(&place, &["--max-topics=1"]).await;
    let errors = of(&report, "error").join("\n");
    for told in [
        "PORT=none (environment)",
        "HEARTBEAT_INTERVAL=5 minutes (environment)",
        "MAX_TOPICS=1 (flag --max-topics)",
    ] {
        assert!(errors.contains(told), "{errors}");
    }
    assert_eq!(code, 1);

    let place = Place::new()
        .env("APP_ENV", "production")
        .env("CORS_ORIGIN", "*")
        .env("METRICS_TOKEN", "short");
    let (report, _) = checked(&place, &[]).await;
    let errors = of(&report, "error").join("\n");
    for told in [
        "JWT_SECRET is not set",
        "CORS_ORIGIN=* (environment)",
        "METRICS_TOKEN=(hidden) (environment) is only 5 bytes",
    ] {
        assert!(errors.contains(told), "{errors}");
    }

    let place = Place::new();
    fs::write(place.directory().join("tidings.toml"), "prot = 1\n").unwrap();
    let (report, code) = checked(&place, &[]).await;
    assert_eq!(
        (error(&report), code),
        (
            "settings: prot=1 (tidings.toml) is not a setting; did you mean port?".to_owned(),
            1
        )
    );
}

#[tokio::test]
async fn with_strict_a_warning_is_a_failure() {
    let place = Place::new().env("AUTH_DEMO", "true").env("HOST", "0.0.0.0");
    let (report, code) = checked(&place, &["--port", "0"]).await;
    assert!(
        of(&report, "warning")
            .iter()
            .any(|found| found.starts_with("demo-tokens: HOST=0.0.0.0 ")),
        "{report:#}"
    );
    assert_eq!(code, 0);
    assert_eq!(checked(&place, &["--port", "0", "--strict"]).await.1, 1);
}

#[tokio::test]
async fn with_running_a_used_port_and_directory_are_no_errors() {
    let place = Place::new();
    let server = place.serve().await;
    let port = server.address.port().to_string();
    let flags = ["--host", "127.0.0.1", "--port", &port];
    let (report, code) = checked(&place, &flags).await;
    let errors = of(&report, "error").join("\n");
    assert!(
        errors.contains(&format!("port: can't listen on 127.0.0.1:{port}: ")),
        "{errors}"
    );
    assert!(
        errors.contains("journal: the journal in ./data is in use by process "),
        "{errors}"
    );
    assert_eq!(code, 1);
    let (report, code) = checked(&place, &[&["--running"], &flags[..]].concat()).await;
    assert_eq!((of(&report, "error"), code), (Vec::new(), 0), "{report:#}");
    // It was not disturbed.
    Place::new().calling(server.address).notify("Hi").await;
}

#[tokio::test]
async fn a_log_that_the_next_start_will_convert_is_reported() {
    let place = Place::new().of_version_0_1();
    let told = |report: &Value| {
        of(report, "note")
            .iter()
            .any(|note| note.contains("the earlier version refuses it"))
    };
    for arguments in [&["--port", "0"][..], &["--port", "0", "--running"]] {
        assert!(told(&checked(&place, arguments).await.0), "{arguments:?}");
    }
    place.serve().await.terminate().await;
    assert!(
        !told(&checked(&place, &["--port", "0"]).await.0),
        "it has this version's format"
    );
}

#[tokio::test]
async fn a_directory_with_other_files_is_the_same_error_as_at_a_start() {
    let place = Place::new();
    fs::create_dir(place.data()).unwrap();
    fs::write(place.data().join("letter.txt"), "dear").unwrap();
    let flags = ["--host", "127.0.0.1", "--port", "0"];
    let (report, code) = checked(&place, &flags).await;
    let (said, _) = place.fail(&flags).await;
    assert!(
        said.contains(error(&report).trim_start_matches("journal: ")),
        "{said}\n{report:#}"
    );
    assert_eq!(code, 1);
}

/// What is wrong with a directory is said once, and not beside the word that all is well.
#[cfg(unix)]
#[tokio::test]
async fn an_unusable_directory_is_not_also_called_free() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::new().env("PORT", "0");
    let of_journal = |report: &Value| -> Vec<(String, String)> {
        let findings = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["check"] == "journal");
        findings
            .map(|finding| (finding["level"].to_string(), finding["message"].to_string()))
            .collect()
    };
    fs::write(place.directory().join("file"), "").unwrap();
    let (report, _) = checked(&place, &["--data-dir", "file"]).await;
    let found = of_journal(&report);
    assert!(
        found.len() == 1 && found[0].1.contains("Not a directory"),
        "{found:?}"
    );

    if rustix::process::geteuid().is_root() {
        eprintln!(
            "SKIPPED: a part of an_unusable_directory_is_not_also_called_free, as root may write \
             anywhere"
        );
        return;
    }
    fs::set_permissions(place.directory(), fs::Permissions::from_mode(0o555)).unwrap();
    let (report, code) = checked(&place, &[]).await;
    fs::set_permissions(place.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    let found = of_journal(&report);
    assert!(
        found.len() == 1 && found[0].1.contains("this user may not write to"),
        "{found:?}"
    );
    assert_eq!(code, 1);
}

/// Of the environment, not of the settings; in a build with traces there is nothing to warn of.
#[tokio::test]
async fn the_warnings_of_a_start_are_reported() {
    let odd = Place::new()
        .env("LISTEN_FDS", "several")
        .env("PORT", "0")
        .env("NOTIFY_SOCKET", "nowhere");
    let odd = odd
        .env("HEARTBEAT_INTERVALL", "1s")
        .env("SHUTDOWN_TIMEOUT", "1s");
    let warnings = of(&checked(&odd, &[]).await.0, "warning").join("\n");
    for told in [
        "port: LISTEN_FDS=several is no number",
        "systemd: NOTIFY_SOCKET=",
        "settings: HEARTBEAT_INTERVALL (environment) is not a setting",
        "settings: SHUTDOWN_TIMEOUT=1s is not longer than DRAIN_SECONDS",
    ] {
        assert!(warnings.contains(told), "{told}\n{warnings}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn files_that_other_users_may_read_or_write_cause_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::new().env("HOST", "127.0.0.1").env("PORT", "0");
    let file = place.directory().join(".env");
    fs::write(&file, format!("JWT_SECRET={SECRET}\n")).unwrap();
    let with = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    with(0o644);
    let warnings = of(&checked(&place, &[]).await.0, "warning").join("\n");
    assert!(
        warnings.contains(
            "files: JWT_SECRET is stored in .env, which every user of this machine \
                           may read (mode 644)"
        ),
        "{warnings}"
    );
    with(0o640);
    assert!(
        !of(&checked(&place, &[]).await.0, "warning")
            .join("\n")
            .contains("files: ")
    );
    with(0o660);
    assert!(
        of(&checked(&place, &[]).await.0, "warning")
            .join("\n")
            .contains("files: other users may write to .env (mode 660)")
    );

    fs::create_dir(place.data()).unwrap();
    fs::set_permissions(place.data(), fs::Permissions::from_mode(0o777)).unwrap();
    let warnings = of(&checked(&place, &[]).await.0, "warning").join("\n");
    assert!(
        warnings.contains("journal: other users may write to ./data (mode 777)"),
        "{warnings}"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_log_on_a_file_system_in_memory_is_reported() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!(
            "SKIPPED: a_log_on_a_file_system_in_memory_is_reported, as there is no /dev/shm here"
        );
        return;
    };
    let place = Place::new()
        .env("DATA_DIR", dir.path().to_str().unwrap())
        .env("PORT", "0");
    let (report, _) = checked(&place, &[]).await;
    assert!(
        of(&report, "note")
            .iter()
            .any(|found| found.contains("is on tmpfs")),
        "{report:#}"
    );
    let place = place.env("APP_ENV", "production").env("JWT_SECRET", SECRET);
    let (report, _) = checked(&place, &[]).await;
    assert!(
        of(&report, "warning")
            .iter()
            .any(|found| found.contains("is on tmpfs")),
        "{report:#}"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn too_few_descriptors_are_an_error_and_few_a_warning() {
    let place = Place::new().env("HOST", "127.0.0.1").env("PORT", "0");
    let limited = async |most: u32| {
        let output = place.run_limited(most, &["check", "--json"]).await;
        (
            serde_json::from_slice::<Value>(&output.stdout).unwrap(),
            output.status.code().unwrap(),
        )
    };
    let (report, code) = limited(512).await;
    assert!(
        error(&report).starts_with("descriptors: 512 file descriptors leave no room for streams"),
        "{report:#}"
    );
    assert_eq!(code, 1);
    let (report, code) = limited(600).await;
    assert!(
        of(&report, "warning")
            .iter()
            .any(|found| found.starts_with("descriptors: only 88 streams fit")),
        "{report:#}"
    );
    assert_eq!(code, 0);
}
