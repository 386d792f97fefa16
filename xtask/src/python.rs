//! Finds the Python for the tests.
//!
//! Owns its possible names and the minimum version. Must never install anything: that is done by
//! [`crate::clients`].

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;

/// The system's default, and the names under which older releases have newer versions.
const NAMES: [&str; 5] = [
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
];

/// Returns the first one that is new enough and can make a virtual environment.
///
/// # Errors
/// Returns why the system's default is not suitable.
pub(crate) fn find() -> Result<&'static str> {
    let script = "import platform, sys; assert sys.version_info >= (3, 11), \
                  platform.python_version(); import venv, ensurepip";
    let works = |name: &str| process::ask(Command::new(name).args(["-c", script]));
    let there = NAMES.into_iter().find(|name| works(name).is_ok());
    match there {
        Some(name) => Ok(name),
        None => works(NAMES[0])
            .map(|_| NAMES[0])
            .context("the system's Python will not do"),
    }
}
