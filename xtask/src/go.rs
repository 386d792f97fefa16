//! Go, for the client programs in `clients/go`: finds it, and builds them into
//! `<target>/clients/go`.
//!
//! Owns that folder, which also contains the modules. Must never download a Go toolchain, nor a
//! module that `go.sum` does not list.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::clients::Stamp;
use crate::process;

/// The minimum version, which the libraries of `clients/go/go.mod` require.
const LEAST: (u32, u32) = (1, 26);

/// Checks whether the machine has a Go that is new enough.
///
/// # Errors
/// Returns why it has none.
pub(crate) fn find() -> Result<()> {
    let version = process::ask(go().args(["env", "GOVERSION"]))?;
    ensure!(is_new_enough(&version), "this is {version}");
    Ok(())
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version
        .trim_start_matches("go")
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    (parts.next(), parts.next()) >= (Some(LEAST.0), Some(LEAST.1))
}

/// Builds the program that follows streams with each of the libraries, and returns its path.
pub(crate) fn provision() -> Result<PathBuf> {
    let sources = process::root()?.join("clients").join("go");
    let installed = process::target()?.join("clients").join("go");
    let program = installed.join("clients");
    let mut stamp = Stamp::new(&installed);
    stamp.add(&process::ask(go().arg("version"))?);
    stamp.add_files(&sources)?;
    if !(stamp.is_current() && program.is_file()) {
        build(&sources, &installed, &program)?;
        stamp.write()?;
    }
    Ok(program)
}

fn build(sources: &Path, installed: &Path, program: &Path) -> Result<()> {
    let mut command = go();
    // Otherwise the modules are read-only, and `rm -r` can't remove their folder.
    command
        .args(["build", "-modcacherw", "-mod=readonly", "-trimpath", "-o"])
        .arg(program)
        .arg(".");
    process::run(
        command
            .current_dir(sources)
            .env("GOMODCACHE", installed.join("modules")),
    )
}

fn go() -> Command {
    let mut command = Command::new("go");
    command
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_is_compared_by_number_not_by_text() {
        for new_enough in ["go1.26", "go1.26.8", "go1.100", "go2.0"] {
            assert!(is_new_enough(new_enough), "{new_enough}");
        }
        for too_old in ["go1.19.8", "go1.9", "go1.25.12", "", "devel"] {
            assert!(!is_new_enough(too_old), "{too_old}");
        }
    }
}
