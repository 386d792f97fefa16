//! `cargo xtask ci`: the checks of continuous integration.
//!
//! Owns their order. The tests come last, so that the log ends with their summary.

use anyhow::Result;

use crate::suites::Suites;
use crate::{lint, test};

pub(crate) fn run() -> Result<()> {
    let mut suites = Suites::new();
    suites.run("lint", lint::run)?;
    test::all(suites)
}
