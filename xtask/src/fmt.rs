//! `cargo xtask fmt`: formats every Rust file of the workspace.
//!
//! Owns only the call; the rules are in `rustfmt.toml`.

use anyhow::Result;

use crate::process;

pub(crate) fn run() -> Result<()> {
    process::run(process::cargo("fmt")?.arg("--all"))
}
