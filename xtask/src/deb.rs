//! `cargo xtask deb`: the Debian package.
//!
//! Owns how it is packed, by cargo-deb; what is in it stands in crates/tidings/Cargo.toml (`[package.metadata.deb]`), and what its
//! scripts do in deploy/debian. cargo-deb takes a minute and a half to build where it is absent, and is worth it: the package's
//! dependencies are read off the binary, and whoever builds a package of their own needs nothing of this program.

mod contents;
mod trial;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::tools::Tool;
use crate::{process, requirements};

const DEB: Tool = Tool { subcommand: "deb", version: "3.8.0" };

/// Builds the binary with the profile of releases and packs it, into `<target>/debian`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Pack the binary that the tests use, and look at what came of it.
    #[arg(long, conflicts_with = "try")]
    check: bool,

    /// Install it in a Debian of its own that systemd boots, and use, restart, upgrade, remove and purge it there. Needs Linux, root
    /// and debootstrap, and takes some minutes.
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
        DEB.command()?.args(["--package", "tidings", "--profile", "dist", "--locked", "--output"]).arg(&package),
    )?;
    contents::check(&package)?;
    eprintln!("{}", package.display());
    Ok(())
}

/// Packs the binary of the tests, which must have been built, and looks at what came of it.
pub(crate) fn check() -> Result<()> {
    if process::ask(Command::new("dpkg-deb").arg("--version")).is_err() {
        eprintln!("the Debian package: NOT packed, as this machine has no dpkg-deb");
        return Ok(());
    }
    requirements::ensure(&requirements::DEB)?;
    contents::check(&pack_debug("1")?)
}

/// Packs the binary of the tests as this revision of the version.
fn pack_debug(revision: &str) -> Result<PathBuf> {
    let package = target(&format!("tidings-{revision}.deb"))?;
    let version = format!("{}-{revision}", env!("CARGO_PKG_VERSION"));
    // Of a folder that says it is a release: cargo-deb packs nothing else.
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
