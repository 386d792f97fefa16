//! What the machine needs beside Rust: for the tests Node with npm, Python with venv and pip, Chromium, nginx, openssl, and
//! Prometheus's promtool; for the measurements nginx with nchan, and taskset.
//!
//! Owns the lists, the check and the words for what is lacking. Must never change a developer's system: only where
//! `CI=true`, as root and where `apt-get` is, the missing packages are installed.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::{env, ffi::OsStr};

use anyhow::{Result, bail};

use crate::{bench, chromium, process};

/// One program, how to see that it is there, and which packages bring it.
pub(crate) struct Requirement {
    /// With the least version, as it is shown.
    name: &'static str,
    /// What is wrong with it on this machine.
    lacking: fn() -> Result<()>,
    debian: &'static [&'static str],
    /// `None` where what needs it does not run there.
    macos: Option<&'static str>,
}

pub(crate) const TESTS: [Requirement; 7] = [
    Requirement { name: "node 20.19 or newer", lacking: node, debian: &["nodejs"], macos: Some("node") },
    Requirement { name: "npm", lacking: npm, debian: &["npm"], macos: Some("node") },
    Requirement {
        name: "python3 3.11 or newer with venv and pip",
        lacking: python,
        debian: &["python3", "python3-venv"],
        macos: Some("python"),
    },
    Requirement {
        name: "chromium or google-chrome",
        lacking: browser,
        debian: &["chromium"],
        macos: Some("google-chrome"),
    },
    Requirement { name: "nginx", lacking: bench::look_for_nginx, debian: &["nginx"], macos: Some("nginx") },
    Requirement { name: "openssl", lacking: openssl, debian: &["openssl"], macos: Some("openssl") },
    Requirement { name: "promtool", lacking: promtool, debian: &["prometheus"], macos: Some("prometheus") },
];

pub(crate) const BENCH: [Requirement; 2] = [
    Requirement {
        name: "nginx with the module nchan",
        lacking: bench::look_for_nchan,
        debian: &["nginx", "libnginx-mod-nchan"],
        macos: None,
    },
    Requirement { name: "taskset", lacking: taskset, debian: &["util-linux"], macos: None },
];

/// Checks that everything is there; in CI on Debian, installs what is not.
///
/// # Errors
/// What is lacking, why, and the commands that bring it.
pub(crate) fn ensure(required: &[Requirement]) -> Result<()> {
    let mut lacking = check(required);
    if !lacking.is_empty() && may_install() {
        install(required)?;
        lacking = check(required);
    }
    if lacking.is_empty() {
        return Ok(());
    }
    bail!("{}", message(&lacking))
}

fn check(required: &[Requirement]) -> Vec<(&Requirement, anyhow::Error)> {
    required.iter().filter_map(|one| Some((one, (one.lacking)().err()?))).collect()
}

fn message(lacking: &[(&Requirement, anyhow::Error)]) -> String {
    let mut text = String::from("this needs what the machine lacks:\n");
    for (requirement, why) in lacking {
        // Of what a program says, the reason is the last line.
        let why = format!("{why:#}");
        let why = why.lines().next_back().unwrap_or_default();
        let _ = writeln!(text, "  {}: {why}", requirement.name);
    }
    let mut macos: Vec<_> = lacking.iter().filter_map(|(requirement, _)| requirement.macos).collect();
    macos.dedup();
    let debian: Vec<_> = lacking.iter().flat_map(|(requirement, _)| requirement.debian).copied().collect();
    let _ = write!(text, "install it with\n  Debian, Ubuntu: sudo apt-get install {}", debian.join(" "));
    if !macos.is_empty() {
        let _ = write!(text, "\n  macOS: brew install {}", macos.join(" "));
    }
    text
}

fn may_install() -> bool {
    env::var_os("CI").as_deref() == Some(OsStr::new("true"))
        && rustix::process::geteuid().is_root()
        && process::ask(Command::new("apt-get").arg("--version")).is_ok()
}

/// One after the other: some packages of Node bring npm along and conflict with Debian's.
fn install(required: &[Requirement]) -> Result<()> {
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).arg("--quiet");
        command
    };
    process::run(apt().arg("update"))?;
    for requirement in required {
        if (requirement.lacking)().is_err() {
            process::run(apt().args(["install", "--yes", "--no-install-recommends"]).args(requirement.debian))?;
        }
    }
    Ok(())
}

/// What builds the page needs 20.19, and so does npm's `eventsource` of the client programs.
fn node() -> Result<()> {
    let version = process::ask(Command::new("node").arg("--version"))?;
    if node_is_new_enough(&version) {
        return Ok(());
    }
    bail!("this is {version}")
}

fn node_is_new_enough(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    (parts.next(), parts.next()) >= (Some(20), Some(19))
}

fn npm() -> Result<()> {
    process::ask(Command::new("npm").arg("--version")).map(drop)
}

/// Debian splits `ensurepip`, without which `python3 -m venv` fails, from `python3`.
fn python() -> Result<()> {
    let script = "import platform, sys; assert sys.version_info >= (3, 11), platform.python_version(); \
                  import venv, ensurepip";
    process::ask(Command::new("python3").args(["-c", script])).map(drop)
}

fn promtool() -> Result<()> {
    process::ask(Command::new("promtool").arg("--version")).map(drop)
}

fn openssl() -> Result<()> {
    process::ask(Command::new("openssl").arg("version")).map(drop)
}

fn taskset() -> Result<()> {
    process::ask(Command::new("taskset").arg("--version")).map(drop)
}

fn browser() -> Result<()> {
    chromium::find().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_is_compared_by_number_not_by_text() {
        for new_enough in ["v20.19.0", "v20.20.2", "v22.0.0", "v100.1.2"] {
            assert!(node_is_new_enough(new_enough), "{new_enough}");
        }
        for too_old in ["v20.18.3", "v9.11.2", "v16.20.2", "", "nonsense"] {
            assert!(!node_is_new_enough(too_old), "{too_old}");
        }
    }

    #[test]
    fn what_is_lacking_is_said_with_the_command_that_brings_it() {
        let lacking: Vec<_> = TESTS[..2].iter().map(|one| (one, anyhow::anyhow!("at\nnot found"))).collect();
        assert_eq!(
            message(&lacking),
            "this needs what the machine lacks:\n  \
             node 20.19 or newer: not found\n  \
             npm: not found\n\
             install it with\n  \
             Debian, Ubuntu: sudo apt-get install nodejs npm\n  \
             macOS: brew install node"
        );
    }
}
