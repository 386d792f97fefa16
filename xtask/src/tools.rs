//! Cargo's own tools that are programs of their own: finds them, or builds a pinned version into `<target>/tools`.
//!
//! Owns that folder. Must never install anything for the user as a whole.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process;

/// A subcommand of cargo that comes as a crate named `cargo-<subcommand>`.
pub(crate) struct Tool {
    pub(crate) subcommand: &'static str,
    pub(crate) version: &'static str,
}

impl Tool {
    /// A command that runs the tool in the root: whatever version the developer has, else ours, which is built first where
    /// it is absent. Building takes minutes.
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

    /// Cargo starts `cargo-deny deny …` for `cargo deny …`; so do we.
    fn ours(&self) -> Result<Command> {
        let mut command = Command::new(folder()?.join("bin").join(self.name()));
        command.arg(self.subcommand).current_dir(process::root()?);
        Ok(command)
    }

    fn install(&self) -> Result<()> {
        let mut command = process::cargo("install")?;
        command.args(["--locked", "--no-default-features", "--version", self.version, &self.name()]);
        process::run(command.arg("--root").arg(folder()?))
    }

    fn name(&self) -> String {
        format!("cargo-{}", self.subcommand)
    }
}

fn folder() -> Result<PathBuf> {
    Ok(process::target()?.join("tools"))
}
