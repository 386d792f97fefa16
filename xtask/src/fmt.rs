//! `cargo xtask fmt`: formats every Rust file of the workspace.
//!
//! Owns nothing but the call; the rules stand in `rustfmt.toml`.

use anyhow::Result;

use crate::process;

pub(crate) fn run() -> Result<()> {
    process::run(process::cargo("fmt")?.arg("--all"))
}
