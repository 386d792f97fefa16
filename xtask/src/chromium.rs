//! Where the browser of the tests is.
//!
//! Owns the names it goes by. Must never start it but to ask for its version: the tests do that, through
//! `clients/node/chromium.mjs`.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;

/// Names the program, for these commands and for the tests.
pub(crate) const VARIABLE: &str = "TIDINGS_CHROMIUM";

/// Debian's, Ubuntu's and Google's names, and where macOS puts it. Any of them is Chromium to the tests.
const NAMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// The program that [`VARIABLE`] names, or the first one that is there and tells its version.
///
/// # Errors
/// What the one that is named said, or that none of them is there.
pub(crate) fn find() -> Result<OsString> {
    let version = |program: &OsString| process::ask(Command::new(program).arg("--version"));
    if let Some(named) = env::var_os(VARIABLE) {
        return version(&named).with_context(|| format!("{VARIABLE} names it")).map(|_| named);
    }
    let there = NAMES.map(OsString::from).into_iter().find(|program| version(program).is_ok());
    there.with_context(|| format!("none of {} runs", NAMES.join(", ")))
}
