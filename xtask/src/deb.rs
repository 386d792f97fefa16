//! `cargo xtask deb`: builds the Debian package.
//!
//! Owns how it is built, by cargo-deb. Its content is defined in crates/tidings/Cargo.toml
//! (`[package.metadata.deb]`), and its scripts in deploy/debian. Where cargo-deb is absent,
//! building it takes a minute and a half, which is worth it: it reads the package's dependencies
//! from the binary, and others can build a package of their own without this program.

mod contents;
mod trial;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::tools::Tool;
use crate::{process, requirements};

const DEB: Tool = Tool {
    subcommand: "deb",
    version: "3.8.0",
};

/// Builds the binary with the profile of releases and packages it into `<target>/debian`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Package the binary that the tests use, and check the package.
    #[arg(long, conflicts_with = "try")]
    check: bool,

    /// Install the package in a separate Debian that systemd boots, and use, restart, upgrade,
    /// remove and purge it there. It requires Linux, root and debootstrap, and takes some minutes.
    #[arg(long)]
    r#try: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.check {
        return check();
    }
    if options.r#try {
        return trial::run();
    }
    let package = target("tidings.deb")?;
    process::run(
        DEB.command()?
            .args([
                "--package",
                "tidings",
                "--profile",
                "dist",
                "--locked",
                "--output",
            ])
            .arg(&package),
    )?;
    contents::check(&package)?;
    eprintln!("{}", package.display());
    Ok(())
}

/// Packages the binary of the tests, which must have been built, and checks the package.
pub(crate) fn check() -> Result<()> {
    if process::ask(Command::new("dpkg-deb").arg("--version")).is_err() {
        eprintln!("the Debian package: NOT packed, as this machine has no dpkg-deb");
        return Ok(());
    }
    requirements::ensure(&requirements::DEB)?;
    contents::check(&pack_debug("1")?)
}

/// Packages the binary of the tests as this revision of the version.
fn pack_debug(revision: &str) -> Result<PathBuf> {
    let package = target(&format!("tidings-{revision}.deb"))?;
    let version = format!("{}-{revision}", env!("CARGO_PKG_VERSION"));
    // The folder must be named like the one of a release, because cargo-deb packages nothing else.
    let build = target("build")?;
    let binary = build.join("release").join("tidings");
    fs::create_dir_all(build.join("release"))?;
    fs::copy(process::target()?.join("debug").join("tidings"), &binary)?;
    process::run(
        DEB.command()?
            .args([
                "--package",
                "tidings",
                "--no-build",
                "--fast",
                "--no-dbgsym",
                "--deb-version",
                &version,
                "--output",
            ])
            .arg(&package)
            .env("CARGO_TARGET_DIR", build),
    )?;
    Ok(package)
}

fn target(name: &str) -> Result<PathBuf> {
    let folder = process::target()?.join("debian");
    fs::create_dir_all(&folder)?;
    Ok(folder.join(name))
}
