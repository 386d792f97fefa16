//! `cargo xtask ci`: what continuous integration runs.
//!
//! Owns the order. The tests come last, so that the log ends in their summary.

use anyhow::Result;

use crate::{lint, test};

pub(crate) fn run() -> Result<()> {
    lint::run()?;
    test::run(&test::Options::default())
}
