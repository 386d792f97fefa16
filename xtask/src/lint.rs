//! `cargo xtask lint`: all checks that do not run the code.
//!
//! Owns the list of checks, from the fastest to the slowest. Must never change a file;
//! `cargo xtask fmt` does that.

mod architecture;
mod names;
mod order;

use anyhow::Result;

use crate::process;
use crate::tools::Tool;

const DENY: Tool = Tool {
    subcommand: "deny",
    version: "0.20.2",
};

pub(crate) fn run() -> Result<()> {
    process::run(process::cargo("fmt")?.args(["--all", "--check"]))?;
    names::check()?;
    order::check()?;
    architecture::check()?;
    process::run(process::cargo("clippy")?.args([
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    // The server with all of its features. No other package has features.
    process::run(process::cargo("clippy")?.args([
        "--package",
        "tidings",
        "--package",
        "tidings-server",
        "--package",
        "tidings-traces",
        "--all-features",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    process::run(
        process::cargo("doc")?
            .args(["--workspace", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    dependencies()
}

/// Checks licences, sources and banned crates, and the advisories if their database can be
/// downloaded: it is a repository that not every machine can reach.
fn dependencies() -> Result<()> {
    const CHECK: [&str; 3] = ["--locked", "check", "--hide-inclusion-graph"];
    process::run(
        DENY.command()?
            .args(CHECK)
            .args(["bans", "licenses", "sources"]),
    )?;
    if process::ask(DENY.command()?.args(["fetch", "db"])).is_ok() {
        process::run(DENY.command()?.args(CHECK).arg("advisories"))
    } else {
        eprintln!("cargo deny: advisories NOT checked, their database can't be fetched from here");
        Ok(())
    }
}
