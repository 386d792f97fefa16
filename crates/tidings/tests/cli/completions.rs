//! The completions and the manual page as shells and `man` read them.

use std::process::{Command, Output, Stdio};

fn committed(name: &str) -> String {
    format!("{}/../../deploy/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs a program, or says that it is not there.
#[expect(clippy::print_stderr, reason = "what a test leaves out it says")]
fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    if output.is_err() {
        eprintln!("SKIPPED: {program} is not on this machine");
    }
    output.ok()
}

/// What bash offers for the last of these words.
fn offered(words: &[&str]) -> Option<Vec<String>> {
    let script = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tidings tidings "${!#}" "${COMP_WORDS[$(($# - 2))]}"; printf '%s\n' "${COMPREPLY[@]}""#;
    let file = committed("completions/tidings.bash");
    let output = run(
        "bash",
        &[&["-c", script, "bash", &file, "tidings"], words].concat(),
    )?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect(),
    )
}

#[test]
fn bash_completes_commands_flags_and_arguments() {
    let Some(health) = offered(&["hea"]) else {
        return;
    };
    assert_eq!(health, ["health"]);
    assert_eq!(
        offered(&["--heartbeat-i"]).unwrap(),
        ["--heartbeat-interval"]
    );
    assert_eq!(offered(&["publish", "notif"]).unwrap(), ["notification"]);
    assert_eq!(offered(&["init", "prod"]).unwrap(), ["production"]);
    assert_eq!(offered(&["check", "--run"]).unwrap(), ["--running"]);
    assert_eq!(offered(&["demo", "--se"]).unwrap(), ["--seed"]);
}

#[test]
fn zsh_and_fish_accept_their_completions() {
    for (shell, file) in [
        ("zsh", "completions/_tidings"),
        ("fish", "completions/tidings.fish"),
    ] {
        if let Some(output) = run(shell, &["-n", &committed(file)]) {
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

#[test]
fn the_manual_has_no_errors() {
    if let Some(output) = run(
        "groff",
        &[
            "-man",
            "-Tutf8",
            "-ww",
            "-Wbreak",
            "-z",
            &committed("man/tidings.1"),
        ],
    ) {
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
