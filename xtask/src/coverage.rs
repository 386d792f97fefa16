//! `cargo xtask coverage`: measures the line coverage of the workspace's tests.
//!
//! Owns the choice of the tool, which is cargo-tarpaulin: its LLVM engine reads the compiler's
//! profiles with a parser of its own. cargo-llvm-cov needs the `llvm-profdata` of exactly the
//! compiler's version, a component of rustup that not every machine can download. Child processes
//! are counted too if they exit normally; a process that is killed writes no profile. The doc tests
//! are not counted.

use anyhow::Result;

use crate::tools::Tool;
use crate::{clients, process, proxies, requirements};

const TARPAULIN: Tool = Tool {
    subcommand: "tarpaulin",
    version: "0.37.5",
};

pub(crate) fn run() -> Result<()> {
    requirements::ensure(&requirements::TESTS)?;
    let (clients, proxies) = (clients::provision()?, proxies::provision()?);
    let target = process::target()?.join("coverage");
    process::run(
        proxies::announce(clients.announce(&mut TARPAULIN.command()?)?)?
            .args([
                "--engine",
                "llvm",
                "--workspace",
                "--exclude",
                "xtask",
                "--exclude-files",
                "xtask/*",
                "--locked",
            ])
            .args(["--skip-clean", "--out", "Stdout", "--out", "Html"])
            .arg("--target-dir")
            .arg(&target)
            .arg("--output-dir")
            .arg(&target)
            // The tests that need more than Rust are included.
            .arg("--")
            .args(clients.arguments())
            .args(["--skip", proxies::IN_FULL])
            .args(proxies.skips()),
    )?;
    proxies.tell();
    eprintln!(
        "line by line: {}",
        target.join("tarpaulin-report.html").display()
    );
    Ok(())
}
