//! Starts other programs, and determines their folders; waits for the signal to end.
//!
//! Owns how a step and its failure are displayed. Must never hide a failure: a step that can't
//! start or does not succeed is an error that contains its command line.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use tokio::select;
use tokio::signal::unix::{SignalKind, signal};

/// Returns the root of the workspace as an absolute path without links.
pub(crate) fn root() -> Result<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    fs::canonicalize(root).with_context(|| format!("{root} is not there"))
}

/// Returns cargo's target directory, which follows from the path of this program:
/// `<target>/<profile>/xtask`.
pub(crate) fn target() -> Result<PathBuf> {
    let program = env::current_exe().context("where this program lies is unknown")?;
    let target = program.ancestors().nth(2);
    Ok(target
        .context("this program lies in no target directory")?
        .to_owned())
}

/// Returns a command for the cargo that started this program, in the root of the workspace.
///
/// `cargo run` sets variables about the package `xtask`, which are removed here. Otherwise build
/// scripts that depend on such a variable would run again each time a developer switches between
/// `cargo build` and `cargo xtask`.
pub(crate) fn cargo(subcommand: &str) -> Result<Command> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command.arg(subcommand).current_dir(root()?);
    Ok(command)
}

/// Prints the command line, runs it in this terminal, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command
        .status()
        .with_context(|| format!("`{line}` did not start"))?;
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

/// Runs a command without output, and returns its standard output if it succeeds.
///
/// # Errors
/// Returns its standard error, or why it did not start.
pub(crate) fn ask(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let line = line(command);
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{}` did not start", program.display()))?;
    let said = String::from_utf8_lossy(&stderr);
    ensure!(
        status.success(),
        "`{line}` failed: {status}\n{}",
        said.trim()
    );
    Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
}

/// Whether this program runs in continuous integration.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// Returns when ctrl-c is pressed or SIGTERM arrives.
pub(crate) async fn end_asked() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Formats the command as a person would type it.
fn line(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_line_and_what_it_said() {
        let error = ask(Command::new("sh").args(["-c", "echo why >&2; exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`sh -c echo why >&2; exit 3` failed"),
            "{error}"
        );
        assert!(error.ends_with("\nwhy"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_a_failure() {
        let error = run(&mut Command::new("/nowhere/no-such-program"))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "`no-such-program` did not start");
    }

    #[test]
    fn nested_cargo_hears_nothing_of_this_package() {
        let removed: Vec<_> = cargo("build")
            .unwrap()
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_owned())
            .collect();
        assert!(removed.contains(&"CARGO_PKG_NAME".into()), "{removed:?}");
        assert!(
            removed.contains(&"CARGO_MANIFEST_DIR".into()),
            "{removed:?}"
        );
    }
}
