//! Cargo subcommands that are separate programs: finds them, or builds a pinned version into
//! `<target>/tools`.
//!
//! Owns that folder. Must never install anything for the user as a whole.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process;

/// A cargo subcommand in a crate named `cargo-<subcommand>`.
pub(crate) struct Tool {
    pub(crate) subcommand: &'static str,
    pub(crate) version: &'static str,
}

impl Tool {
    /// Returns a command that runs the tool in the root: the developer's version if there is one,
    /// or else the pinned version, which is built first if it is absent. Building takes minutes.
    pub(crate) fn command(&self) -> Result<Command> {
        if process::ask(process::cargo(self.subcommand)?.arg("--version")).is_ok() {
            return process::cargo(self.subcommand);
        }
        let version = process::ask(self.ours()?.arg("--version")).unwrap_or_default();
        if version.split_whitespace().last() != Some(self.version) {
            self.install()?;
        }
        self.ours()
    }

    /// Returns a command for the pinned version. Like cargo, it passes the subcommand as the first
    /// argument (`cargo-deny deny …`).
    fn ours(&self) -> Result<Command> {
        let mut command = Command::new(folder()?.join("bin").join(self.name()));
        command.arg(self.subcommand).current_dir(process::root()?);
        Ok(command)
    }

    fn install(&self) -> Result<()> {
        let mut command = process::cargo("install")?;
        command.args([
            "--locked",
            "--no-default-features",
            "--version",
            self.version,
            &self.name(),
        ]);
        process::run(command.arg("--root").arg(folder()?))
    }

    fn name(&self) -> String {
        format!("cargo-{}", self.subcommand)
    }
}

fn folder() -> Result<PathBuf> {
    Ok(process::target()?.join("tools"))
}
