//! What the machine needs beside Rust: for the tests Python with venv and pip, curl, Chromium, nginx, openssl, Prometheus's promtool,
//! and systemd's programs ([`crate::node`] sees to Node by itself); for the measurements nginx with nchan, and taskset.
//!
//! Owns the lists, the check, and what is installed: where `apt-get` is, as root or where `sudo` asks for no password, the
//! packages that are missing, after it was said which and by which command. Elsewhere it changes nothing and says the one
//! line that would. Must never let a command begin that lacks something.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::{bench, chromium, go, jvm, process, python};

/// One program, how to see that it is there, and which packages bring it.
pub(crate) struct Requirement {
    /// With the least version, as it is shown.
    name: &'static str,
    /// What is wrong with it on this machine.
    lacking: fn() -> Result<()>,
    /// Debian's packages; where one set does not bring it, the next, as older releases call it.
    debian: &'static [&'static [&'static str]],
    /// `None` where what needs it does not run there.
    macos: Option<&'static str>,
    /// What brings it where no package of the distribution does.
    otherwise: Option<fn() -> Result<()>>,
}

pub(crate) const TESTS: [Requirement; 7] = [
    PYTHON,
    Requirement { name: "curl", lacking: curl, debian: &[&["curl"]], macos: Some("curl"), otherwise: None },
    Requirement {
        name: "nginx",
        lacking: bench::look_for_nginx,
        debian: &[&["nginx"]],
        macos: Some("nginx"),
        otherwise: None,
    },
    Requirement { name: "openssl", lacking: openssl, debian: &[&["openssl"]], macos: Some("openssl"), otherwise: None },
    Requirement {
        name: "promtool",
        lacking: promtool,
        debian: &[&["prometheus"]],
        macos: Some("prometheus"),
        otherwise: None,
    },
    Requirement {
        name: "systemd-analyze",
        lacking: systemd_analyze,
        debian: &[&["systemd"]],
        macos: None,
        otherwise: None,
    },
    // The last, as what brings it otherwise needs Python. Ubuntu's package is for snap, which a container has not.
    Requirement {
        name: "chromium or google-chrome",
        lacking: browser,
        debian: &[&["chromium"]],
        macos: Some("google-chrome"),
        otherwise: Some(chromium::download),
    },
];

/// Debian splits `ensurepip`, without which `python3 -m venv` fails, from `python3`.
pub(crate) const PYTHON: Requirement = Requirement {
    name: "python3 3.11 or newer with venv and pip",
    lacking: python_is_there,
    debian: &[&["python3", "python3-venv"], &["python3.11", "python3.11-venv"]],
    macos: Some("python"),
    otherwise: None,
};

/// What builds and runs the image; [`crate::image`] says where it is asked for.
pub(crate) const IMAGE: [Requirement; 4] = [
    DEBOOTSTRAP,
    Requirement {
        name: "buildah",
        lacking: || there("buildah"),
        debian: &[&["buildah"]],
        macos: None,
        otherwise: None,
    },
    Requirement { name: "runc", lacking: || there("runc"), debian: &[&["runc"]], macos: None, otherwise: None },
    Requirement { name: "strip", lacking: || there("strip"), debian: &[&["binutils"]], macos: None, otherwise: None },
];

/// For the client libraries in Go. No test but theirs needs it.
pub(crate) const GO: [Requirement; 1] = [Requirement {
    name: "go 1.26 or newer",
    lacking: go::find,
    debian: &[&["golang-go"]],
    macos: Some("go"),
    otherwise: None,
}];

/// For the client libraries on the JVM. No test but theirs needs it.
pub(crate) const JVM: [Requirement; 2] = [
    Requirement {
        name: "a JDK, 17 or newer",
        lacking: jvm::find_jdk,
        debian: &[&["default-jdk-headless"], &["openjdk-17-jdk-headless"]],
        macos: Some("openjdk"),
        otherwise: None,
    },
    Requirement {
        name: "maven 3.6.3 or newer",
        lacking: jvm::find_maven,
        debian: &[&["maven"]],
        macos: Some("maven"),
        otherwise: None,
    },
];

pub(crate) const BENCH: [Requirement; 2] = [
    Requirement {
        name: "nginx with the module nchan",
        lacking: bench::look_for_nchan,
        debian: &[&["nginx", "libnginx-mod-nchan"]],
        macos: None,
        otherwise: None,
    },
    Requirement { name: "taskset", lacking: taskset, debian: &[&["util-linux"]], macos: None, otherwise: None },
];

/// What reads a package's dependencies off the binary, where packages of Debian can be made at all.
pub(crate) const DEB: [Requirement; 1] = [Requirement {
    name: "dpkg-shlibdeps",
    lacking: || there("dpkg-shlibdeps"),
    debian: &[&["dpkg-dev"]],
    macos: None,
    otherwise: None,
}];

/// What makes a whole Debian.
pub(crate) const DEBOOTSTRAP: Requirement = Requirement {
    name: "debootstrap",
    lacking: || there("debootstrap"),
    debian: &[&["debootstrap"]],
    macos: None,
    otherwise: None,
};

/// Checks that everything is there; installs what is not, where that asks nobody for a password.
///
/// # Errors
/// What is lacking, why, and the command that brings it.
pub(crate) fn ensure(required: &[Requirement]) -> Result<()> {
    let mut lacking = check(required);
    if lacking.is_empty() {
        return Ok(());
    }
    if let Some(as_root) = Root::find() {
        let names: Vec<_> = lacking.iter().map(|(requirement, _)| requirement.name).collect();
        eprintln!("This machine lacks {}.", names.join(", "));
        eprintln!("Installing with apt-get, as root: {}", packages(&lacking).join(" "));
        as_root.install(&lacking)?;
        lacking = check(required);
    }
    if lacking.is_empty() {
        return Ok(());
    }
    bail!("{}", message(&lacking))
}

/// Installs one of Debian's packages, where that asks nobody for a password.
///
/// # Errors
/// That it can't be done here, or why it failed.
pub(crate) fn install(package: &str) -> Result<()> {
    let Some(as_root) = Root::find() else { bail!("install it with: sudo apt-get install {package}") };
    eprintln!("Installing with apt-get, as root: {package}");
    if !as_root.can_install(&[package]) {
        process::run(as_root.apt_get().arg("update"))?;
    }
    process::run(as_root.apt_get().args(INSTALL).arg(package))
}

/// The same of what tests can do without, where the machine has it not, or too old, and no package brings a newer one:
/// returns what is lacking, and why, in one line.
///
/// # Errors
/// The same, in continuous integration, which does without nothing.
pub(crate) fn wish(wished: &[Requirement]) -> Result<Option<String>> {
    match ensure(wished) {
        Ok(()) => Ok(None),
        Err(error) if process::is_ci() => Err(error),
        Err(_) => {
            let lacking: Vec<_> = check(wished).iter().map(|(one, why)| format!("{}: {why:#}", one.name)).collect();
            Ok(Some(lacking.join("; ").replace('\n', " ")))
        }
    }
}

type Lacking<'a> = (&'a Requirement, anyhow::Error);

fn check(required: &[Requirement]) -> Vec<Lacking<'_>> {
    required.iter().filter_map(|one| Some((one, (one.lacking)().err()?))).collect()
}

fn message(lacking: &[Lacking<'_>]) -> String {
    let mut text = String::from("this needs what the machine lacks:\n");
    for (requirement, why) in lacking {
        // Of what a program says, the reason is the last line.
        let why = format!("{why:#}");
        let why = why.lines().next_back().unwrap_or_default();
        let _ = writeln!(text, "  {}: {why}", requirement.name);
    }
    let line = if cfg!(target_os = "macos") { brew(lacking) } else { apt(lacking) };
    let _ = write!(text, "install it with: {line}");
    text
}

fn apt(lacking: &[Lacking<'_>]) -> String {
    format!("sudo apt-get install {}", packages(lacking).join(" "))
}

fn packages(lacking: &[Lacking<'_>]) -> Vec<&'static str> {
    lacking.iter().flat_map(|(requirement, _)| requirement.debian[0]).copied().collect()
}

fn brew(lacking: &[Lacking<'_>]) -> String {
    let formulae: Vec<_> = lacking.iter().filter_map(|(requirement, _)| requirement.macos).collect();
    format!("brew install {}", formulae.join(" "))
}

/// The right to install packages.
struct Root {
    /// What stands before a command.
    prefix: &'static [&'static str],
}

impl Root {
    /// `None` where it would take a password, or where there is no `apt-get`.
    fn find() -> Option<Self> {
        process::ask(Command::new("apt-get").arg("--version")).ok()?;
        if rustix::process::geteuid().is_root() {
            return Some(Self { prefix: &[] });
        }
        process::ask(Command::new("sudo").args(["-n", "true"])).ok()?;
        Some(Self { prefix: &["sudo", "-n"] })
    }

    fn apt_get(&self) -> Command {
        let mut words = self.prefix.iter().chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]);
        let mut command = Command::new(words.next().expect("there are some"));
        command.args(words).stdin(Stdio::null());
        command
    }

    /// One after the other, so that one that can't be had is told by its name.
    fn install(&self, lacking: &[Lacking<'_>]) -> Result<()> {
        process::run(self.apt_get().arg("update"))?;
        for (requirement, _) in lacking {
            for packages in requirement.debian {
                if (requirement.lacking)().is_err() && self.can_install(packages) {
                    process::run(self.apt_get().args(INSTALL).args(*packages))?;
                }
            }
            if let Some(otherwise) = requirement.otherwise
                && (requirement.lacking)().is_err()
            {
                otherwise()?;
            }
        }
        Ok(())
    }

    /// Whether this release has all of them.
    fn can_install(&self, packages: &[&str]) -> bool {
        process::ask(self.apt_get().arg("--simulate").args(INSTALL).args(packages)).is_ok()
    }
}

const INSTALL: [&str; 3] = ["install", "--yes", "--no-install-recommends"];

fn python_is_there() -> Result<()> {
    python::find().map(drop)
}

/// A program that tells its version.
fn there(program: &str) -> Result<()> {
    process::ask(Command::new(program).arg("--version")).map(drop)
}

fn promtool() -> Result<()> {
    there("promtool")
}

/// Where there is no systemd, nobody has a use for its units.
fn systemd_analyze() -> Result<()> {
    if cfg!(target_os = "linux") { there("systemd-analyze") } else { Ok(()) }
}

fn curl() -> Result<()> {
    there("curl")
}

fn openssl() -> Result<()> {
    process::ask(Command::new("openssl").arg("version")).map(drop)
}

fn taskset() -> Result<()> {
    there("taskset")
}

fn browser() -> Result<()> {
    chromium::find().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_said_with_the_one_line_that_brings_it() {
        let lacking: Vec<_> =
            [&TESTS[0], &TESTS[2]].into_iter().map(|one| (one, anyhow::anyhow!("at\nnot found"))).collect();
        assert_eq!(apt(&lacking), "sudo apt-get install python3 python3-venv nginx");
        assert_eq!(brew(&lacking), "brew install python nginx");
        let message = message(&lacking);
        let lines: Vec<_> = message.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "this needs what the machine lacks:",
                "  python3 3.11 or newer with venv and pip: not found",
                "  nginx: not found"
            ]
        );
        assert!(lines.len() == 4 && lines[3].starts_with("install it with: "), "{message}");
    }

    #[test]
    fn what_needs_no_password_stands_before_each_command() {
        let words = |root: Root| {
            let command = root.apt_get();
            let words = [command.get_program()].into_iter().chain(command.get_args());
            words.map(|word| word.to_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        let apt = "env DEBIAN_FRONTEND=noninteractive apt-get --quiet";
        assert_eq!(words(Root { prefix: &[] }), apt);
        assert_eq!(words(Root { prefix: &["sudo", "-n"] }), format!("sudo -n {apt}"));
    }
}
