//! Finds the browser for the tests.
//!
//! Owns its possible names, and the download where the distribution has no package. Must start the
//! browser only to ask for its version: the tests start it through `clients/node/chromium.mjs`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result};

use crate::{node, process, web};

/// The variable that names the program, for these commands and for the tests.
pub(crate) const VARIABLE: &str = "TIDINGS_CHROMIUM";

/// The names in Debian, in Ubuntu and from Google, and the path on macOS. The tests treat each as
/// Chromium.
const NAMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// Returns the program that [`VARIABLE`] names, or else the first one that exists and prints its
/// version.
///
/// # Errors
/// Returns the output of the named program, or that none of the others exists.
pub(crate) fn find() -> Result<OsString> {
    let version = |program: &OsString| process::ask(Command::new(program).arg("--version"));
    if let Some(named) = env::var_os(VARIABLE) {
        return version(&named)
            .with_context(|| format!("{VARIABLE} names it"))
            .map(|_| named);
    }
    let downloaded = fs::read_to_string(folder()?.join(PATH))
        .ok()
        .map(OsString::from);
    let there = NAMES
        .map(OsString::from)
        .into_iter()
        .chain(downloaded)
        .find(|program| version(program).is_ok());
    there.with_context(|| format!("none of {} runs", NAMES.join(", ")))
}

/// The file in the download's folder that contains the path of the program.
const PATH: &str = "path";

fn folder() -> Result<PathBuf> {
    Ok(process::target()?.join("clients").join("browser"))
}

/// Downloads the Chromium that matches the driver of the page's tests, into
/// `<target>/clients/browser`, and installs its libraries by `apt-get`. This is for Ubuntu, whose
/// own package requires snap.
pub(crate) fn download() -> Result<()> {
    const VARIABLE: &str = "PLAYWRIGHT_BROWSERS_PATH";
    let (folder, node) = (folder()?, node::provision()?);
    let driver = web::install(&node)?
        .join("node_modules")
        .join("playwright-core");
    let fetch = ["install", "--with-deps", "--no-shell", "chromium"];
    process::run(
        node.run(&driver.join("cli.js"))?
            .args(fetch)
            .env(VARIABLE, &folder),
    )?;
    let script = "console.log(require('playwright-core').chromium.executablePath())";
    let path = process::ask(
        node.evaluate(script)?
            .current_dir(driver)
            .env(VARIABLE, &folder),
    )?;
    fs::write(folder.join(PATH), path)?;
    Ok(())
}
