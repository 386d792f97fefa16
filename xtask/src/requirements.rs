//! The programs that the machine needs in addition to Rust. The tests need Python with venv and
//! pip, curl, Chromium, nginx, openssl, Prometheus's promtool, Redis, and systemd's programs
//! ([`crate::node`] installs Node itself). The measurements need nginx with nchan, and taskset.
//!
//! Owns the lists, the check, and the installation. Where `apt-get` exists, and this program is
//! root or `sudo` requires no password, it installs the missing packages, after printing their
//! names and the command. Elsewhere it changes nothing, and prints the command. Must never let a
//! command begin without a program that it needs.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::{bench, chromium, go, jvm, process, python};

/// A program, how to check for it, and the packages that contain it.
pub(crate) struct Requirement {
    /// The name and the minimum version, for messages.
    name: &'static str,
    /// Returns an error if the program is missing or unsuitable.
    lacking: fn() -> Result<()>,
    /// Alternative sets of Debian packages, because names differ between releases. The next set is
    /// tried if the program is missing after the previous one.
    debian: &'static [&'static [&'static str]],
    /// The Homebrew formula; `None` if the program is not needed on macOS.
    macos: Option<&'static str>,
    /// Another way to install the program, if no package of the distribution contains it.
    otherwise: Option<fn() -> Result<()>>,
}

pub(crate) const TESTS: [Requirement; 8] = [
    PYTHON,
    Requirement {
        name: "curl",
        lacking: curl,
        debian: &[&["curl"]],
        macos: Some("curl"),
        otherwise: None,
    },
    Requirement {
        name: "nginx",
        lacking: bench::look_for_nginx,
        debian: &[&["nginx"]],
        macos: Some("nginx"),
        otherwise: None,
    },
    Requirement {
        name: "openssl",
        lacking: openssl,
        debian: &[&["openssl"]],
        macos: Some("openssl"),
        otherwise: None,
    },
    Requirement {
        name: "promtool",
        lacking: promtool,
        debian: &[&["prometheus"]],
        macos: Some("prometheus"),
        otherwise: None,
    },
    Requirement {
        name: "redis-server 6.2 or newer with redis-sentinel",
        lacking: redis,
        debian: &[&["redis-server", "redis-sentinel"]],
        macos: Some("redis"),
        otherwise: None,
    },
    Requirement {
        name: "systemd-analyze",
        lacking: systemd_analyze,
        debian: &[&["systemd"]],
        macos: None,
        otherwise: None,
    },
    // Chromium comes last, because its other way of installation needs Python. Ubuntu's package
    // requires snap, which a container does not have.
    Requirement {
        name: "chromium or google-chrome",
        lacking: browser,
        debian: &[&["chromium"]],
        macos: Some("google-chrome"),
        otherwise: Some(chromium::download),
    },
];

/// On Debian, `ensurepip` is not part of `python3`, and `python3 -m venv` fails without it.
pub(crate) const PYTHON: Requirement = Requirement {
    name: "python3 3.11 or newer with venv and pip",
    lacking: python_is_there,
    debian: &[
        &["python3", "python3-venv"],
        &["python3.11", "python3.11-venv"],
    ],
    macos: Some("python"),
    otherwise: None,
};

/// The programs that build and run the image; [`crate::image`] requires them.
pub(crate) const IMAGE: [Requirement; 4] = [
    DEBOOTSTRAP,
    Requirement {
        name: "buildah",
        lacking: || there("buildah"),
        debian: &[&["buildah"]],
        macos: None,
        otherwise: None,
    },
    Requirement {
        name: "runc",
        lacking: || there("runc"),
        debian: &[&["runc"]],
        macos: None,
        otherwise: None,
    },
    Requirement {
        name: "strip",
        lacking: || there("strip"),
        debian: &[&["binutils"]],
        macos: None,
        otherwise: None,
    },
];

/// Go, which only the tests of its client libraries need.
pub(crate) const GO: [Requirement; 1] = [Requirement {
    name: "go 1.26 or newer",
    lacking: go::find,
    debian: &[&["golang-go"]],
    macos: Some("go"),
    otherwise: None,
}];

/// Java and Maven, which only the tests of the client libraries on the JVM need.
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
    Requirement {
        name: "taskset",
        lacking: taskset,
        debian: &[&["util-linux"]],
        macos: None,
        otherwise: None,
    },
];

/// The program that reads a package's dependencies from the binary. It is required on systems that
/// can build Debian packages.
pub(crate) const DEB: [Requirement; 1] = [Requirement {
    name: "dpkg-shlibdeps",
    lacking: || there("dpkg-shlibdeps"),
    debian: &[&["dpkg-dev"]],
    macos: None,
    otherwise: None,
}];

/// The program that installs a complete Debian.
pub(crate) const DEBOOTSTRAP: Requirement = Requirement {
    name: "debootstrap",
    lacking: || there("debootstrap"),
    debian: &[&["debootstrap"]],
    macos: None,
    otherwise: None,
};

/// Checks that all programs are present, and installs the missing ones where that requires no
/// password.
///
/// # Errors
/// Returns what is missing, why, and the command that installs it.
pub(crate) fn ensure(required: &[Requirement]) -> Result<()> {
    let mut lacking = check(required);
    if lacking.is_empty() {
        return Ok(());
    }
    if let Some(as_root) = Root::find() {
        let names: Vec<_> = lacking
            .iter()
            .map(|(requirement, _)| requirement.name)
            .collect();
        eprintln!("This machine lacks {}.", names.join(", "));
        eprintln!(
            "Installing with apt-get, as root: {}",
            packages(&lacking).join(" ")
        );
        as_root.install(&lacking)?;
        lacking = check(required);
    }
    if lacking.is_empty() {
        return Ok(());
    }
    bail!("{}", message(&lacking))
}

/// Installs a Debian package, where that requires no password.
///
/// # Errors
/// Returns that this is impossible here, or why it failed.
pub(crate) fn install(package: &str) -> Result<()> {
    let Some(as_root) = Root::find() else {
        bail!("install it with: sudo apt-get install {package}")
    };
    eprintln!("Installing with apt-get, as root: {package}");
    if !as_root.can_install(&[package]) {
        process::run(as_root.apt_get().arg("update"))?;
    }
    process::run(as_root.apt_get().args(INSTALL).arg(package))
}

/// Like [`ensure`], for programs without which some tests can be left out. If a program is missing
/// or too old, and no package has a newer one, it returns the name and the reason in one line.
///
/// # Errors
/// In continuous integration, which leaves nothing out, a missing program is an error.
pub(crate) fn wish(wished: &[Requirement]) -> Result<Option<String>> {
    match ensure(wished) {
        Ok(()) => Ok(None),
        Err(error) if process::is_ci() => Err(error),
        Err(_) => {
            let lacking: Vec<_> = check(wished)
                .iter()
                .map(|(one, why)| format!("{}: {why:#}", one.name))
                .collect();
            Ok(Some(lacking.join("; ").replace('\n', " ")))
        }
    }
}

type Lacking<'a> = (&'a Requirement, anyhow::Error);

fn check(required: &[Requirement]) -> Vec<Lacking<'_>> {
    required
        .iter()
        .filter_map(|one| Some((one, (one.lacking)().err()?)))
        .collect()
}

fn message(lacking: &[Lacking<'_>]) -> String {
    let mut text = String::from("this needs what the machine lacks:\n");
    for (requirement, why) in lacking {
        // The last line of a program's output contains the reason.
        let why = format!("{why:#}");
        let why = why.lines().next_back().unwrap_or_default();
        let _ = writeln!(text, "  {}: {why}", requirement.name);
    }
    let line = if cfg!(target_os = "macos") {
        brew(lacking)
    } else {
        apt(lacking)
    };
    let _ = write!(text, "install it with: {line}");
    text
}

fn apt(lacking: &[Lacking<'_>]) -> String {
    format!("sudo apt-get install {}", packages(lacking).join(" "))
}

fn packages(lacking: &[Lacking<'_>]) -> Vec<&'static str> {
    lacking
        .iter()
        .flat_map(|(requirement, _)| requirement.debian[0])
        .copied()
        .collect()
}

fn brew(lacking: &[Lacking<'_>]) -> String {
    let formulae: Vec<_> = lacking
        .iter()
        .filter_map(|(requirement, _)| requirement.macos)
        .collect();
    format!("brew install {}", formulae.join(" "))
}

/// The right to install packages.
struct Root {
    /// The command that gives the right, and its arguments.
    prefix: &'static [&'static str],
}

impl Root {
    /// Returns `None` if a password would be required, or if there is no `apt-get`.
    fn find() -> Option<Self> {
        process::ask(Command::new("apt-get").arg("--version")).ok()?;
        if rustix::process::geteuid().is_root() {
            return Some(Self { prefix: &[] });
        }
        process::ask(Command::new("sudo").args(["-n", "true"])).ok()?;
        Some(Self {
            prefix: &["sudo", "-n"],
        })
    }

    fn apt_get(&self) -> Command {
        let mut words = self.prefix.iter().chain(&[
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "--quiet",
        ]);
        let mut command = Command::new(words.next().expect("there are some"));
        command.args(words).stdin(Stdio::null());
        command
    }

    /// Installs the packages one by one, so that the output names a package that can't be
    /// installed.
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

    /// Whether this release has all packages.
    fn can_install(&self, packages: &[&str]) -> bool {
        process::ask(
            self.apt_get()
                .arg("--simulate")
                .args(INSTALL)
                .args(packages),
        )
        .is_ok()
    }
}

const INSTALL: [&str; 3] = ["install", "--yes", "--no-install-recommends"];

fn python_is_there() -> Result<()> {
    python::find().map(drop)
}

/// Checks that a program exists and prints its version.
fn there(program: &str) -> Result<()> {
    process::ask(Command::new(program).arg("--version")).map(drop)
}

/// Checks for the server and the sentinel, which are one program with two names.
fn redis() -> Result<()> {
    there("redis-server")?;
    there("redis-sentinel")
}

fn promtool() -> Result<()> {
    there("promtool")
}

/// Checks for `systemd-analyze` on Linux. On other systems the units have no use.
fn systemd_analyze() -> Result<()> {
    if cfg!(target_os = "linux") {
        there("systemd-analyze")
    } else {
        Ok(())
    }
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
        let lacking: Vec<_> = [&TESTS[0], &TESTS[2]]
            .into_iter()
            .map(|one| (one, anyhow::anyhow!("at\nnot found")))
            .collect();
        assert_eq!(
            apt(&lacking),
            "sudo apt-get install python3 python3-venv nginx"
        );
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
        assert!(
            lines.len() == 4 && lines[3].starts_with("install it with: "),
            "{message}"
        );
    }

    #[test]
    fn what_needs_no_password_stands_before_each_command() {
        let words = |root: Root| {
            let command = root.apt_get();
            let words = [command.get_program()]
                .into_iter()
                .chain(command.get_args());
            words
                .map(|word| word.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let apt = "env DEBIAN_FRONTEND=noninteractive apt-get --quiet";
        assert_eq!(words(Root { prefix: &[] }), apt);
        assert_eq!(
            words(Root {
                prefix: &["sudo", "-n"]
            }),
            format!("sudo -n {apt}")
        );
    }
}
