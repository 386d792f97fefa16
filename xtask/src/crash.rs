//! `cargo xtask crash`: kills servers and breaks disks, far more often than the tests do.
//!
//! Owns how often. The tests are those of `cargo xtask test`, which run a few hundred rounds; must never be another test.

use anyhow::Result;

use crate::process;

/// How long to be at it.
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
