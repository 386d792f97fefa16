//! `cargo xtask coverage`: how many lines the workspace's tests run.
//!
//! Owns the choice of the tool. cargo-tarpaulin, because its LLVM engine reads the compiler's profiles with a parser of its
//! own: cargo-llvm-cov needs the `llvm-profdata` of the compiler's very version, a component of rustup that not every
//! machine can fetch. What runs as a process of its own is counted too where it ends by itself; one that is killed writes no
//! profile. The doc tests are not counted.

use anyhow::Result;

use crate::tools::Tool;
use crate::{clients, process, proxies, requirements};

const TARPAULIN: Tool = Tool { subcommand: "tarpaulin", version: "0.37.5" };

pub(crate) fn run() -> Result<()> {
    requirements::ensure(&requirements::TESTS)?;
    let (clients, proxies) = (clients::provision()?, proxies::provision()?);
    let target = process::target()?.join("coverage");
    process::run(
        proxies::announce(clients.announce(&mut TARPAULIN.command()?)?)?
            .args(["--engine", "llvm", "--workspace", "--exclude", "xtask", "--exclude-files", "xtask/*", "--locked"])
            .args(["--skip-clean", "--out", "Stdout", "--out", "Html"])
            .arg("--target-dir")
            .arg(&target)
            .arg("--output-dir")
            .arg(&target)
            // Those that need more than Rust, too.
            .arg("--")
            .args(clients.arguments())
            .args(["--skip", proxies::IN_FULL])
            .args(proxies.skips()),
    )?;
    proxies.tell();
    eprintln!("line by line: {}", target.join("tarpaulin-report.html").display());
    Ok(())
}
