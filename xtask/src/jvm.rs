//! A JDK and Maven, for the client programs in `clients/jvm`: finds them, and builds the programs
//! into `<target>/clients/jvm`.
//!
//! Owns that folder, which also contains Maven's repository. Must never touch the repository in the
//! developer's home directory.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::clients::Stamp;
use crate::process;

/// The minimum version of Java, which Spring 7 requires.
const LEAST_JAVA: u32 = 17;

/// The minimum version of Maven, which the plugins that build the programs require.
const LEAST_MAVEN: [u32; 3] = [3, 6, 3];

/// Checks whether the machine has a JDK that is new enough.
///
/// # Errors
/// Returns why it has none.
pub(crate) fn find_jdk() -> Result<()> {
    for program in ["javac", "java"] {
        let version = process::ask(Command::new(program).arg("--version"))?;
        let first = version.lines().next().unwrap_or_default();
        ensure!(java(first) >= Some(LEAST_JAVA), "this is {first}");
    }
    Ok(())
}

/// Checks whether the machine has a Maven that is new enough.
///
/// # Errors
/// Returns why it has none.
pub(crate) fn find_maven() -> Result<()> {
    let printed = process::ask(maven().arg("--version"))?;
    let first = printed.lines().next().unwrap_or_default();
    ensure!(is_new_enough(first), "this is {first}");
    Ok(())
}

/// Returns the first number in `openjdk 17.0.15 2025-04-15` or `javac 17.0.15`.
fn java(first_line: &str) -> Option<u32> {
    first_line
        .split(' ')
        .nth(1)?
        .split(['.', '-', '+'])
        .next()?
        .parse()
        .ok()
}

/// Whether the version in `Apache Maven 3.8.7` is new enough. More text may follow it.
fn is_new_enough(first_line: &str) -> bool {
    let version = first_line.split(' ').nth(2).unwrap_or_default();
    let parts: Vec<u32> = version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect();
    parts.as_slice() >= &LEAST_MAVEN[..]
}

/// Builds the programs. Returns the folder in which each has its own folder with its classes and
/// its class path.
pub(crate) fn provision() -> Result<PathBuf> {
    let sources = process::root()?.join("clients").join("jvm");
    let installed = process::target()?.join("clients").join("jvm");
    let mut stamp = Stamp::new(&installed);
    stamp.add(&process::ask(Command::new("javac").arg("--version"))?);
    stamp.add_files(&sources)?;
    if !stamp.is_current() {
        let mut command = maven();
        command.args(["--batch-mode", "--no-transfer-progress", "--quiet"]);
        command.arg(format!(
            "-Dmaven.repo.local={}",
            installed.join("repository").display()
        ));
        command.arg(format!("-Dout={}", installed.display()));
        command.arg("process-classes").current_dir(sources);
        process::run(&mut command).context("the client programs for the JVM were not built")?;
        stamp.write()?;
    }
    Ok(installed)
}

fn maven() -> Command {
    let mut command = Command::new("mvn");
    command.arg("-Dstyle.color=never");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_is_compared_by_number_not_by_text() {
        assert_eq!(java("openjdk 17.0.15 2025-04-15"), Some(17));
        assert_eq!(java("javac 21"), Some(21));
        assert_eq!(java("openjdk 25-ea 2025-09-16"), Some(25));
        assert_eq!(java("openjdk 9.0.4"), Some(9));
        assert_eq!(java(""), None);
    }

    #[test]
    fn maven_is_compared_by_number_not_by_text() {
        for new_enough in [
            "Apache Maven 3.6.3",
            "Apache Maven 3.8.7",
            "Apache Maven 3.10.0 (abc)",
            "Apache Maven 4.0.0",
        ] {
            assert!(is_new_enough(new_enough), "{new_enough}");
        }
        for too_old in ["Apache Maven 3.6.2", "Apache Maven 2.9.9", "", "nonsense"] {
            assert!(!is_new_enough(too_old), "{too_old}");
        }
    }
}
