//! `cargo xtask crash`: kills servers and simulates failing disks, far more often than
//! `cargo xtask test`.
//!
//! Owns the number of rounds. The tests are those of `cargo xtask test`, which runs a few hundred
//! rounds. Must never contain tests of its own.

use anyhow::Result;

use crate::process;

/// The number of rounds.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many times a server is killed under load and started again.
    #[arg(long, value_name = "NUMBER", default_value_t = 3_000)]
    kills: usize,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut command = process::cargo("test")?;
    command.args([
        "--release",
        "--package",
        "tidings",
        "--test",
        "it",
        "--locked",
        "--",
        "durable::kills",
        "--nocapture",
    ]);
    process::run(command.env("TIDINGS_KILLS", options.kills.to_string()))
}
