//! `cargo xtask docs`: rewrites the generated documents.
//!
//! Owns the convention between this command and the tests that it runs: a test named
//! `the_committed_…` compares a committed document with what the code generates, and rewrites it if
//! `TIDINGS_BLESS` is set. Must never generate anything itself, because then there would be two
//! generators.

use anyhow::Result;

use crate::process;

pub(crate) fn run() -> Result<()> {
    process::run(
        process::cargo("test")?
            .args([
                "--package",
                "tidings",
                "--package",
                "tidings-server",
                "--package",
                "tidings-edge",
                "--lib",
                "--bins",
                "--test",
                "it",
                "--test",
                "deploy",
                "--locked",
                "--",
                "the_committed_",
            ])
            .env("TIDINGS_BLESS", "1"),
    )
}
