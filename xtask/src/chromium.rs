//! Where the browser of the tests is.
//!
//! Owns the names it goes by, and the one that is downloaded where the distribution has none. Must never start it but to ask
//! for its version: the tests do that, through `clients/node/chromium.mjs`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result};

use crate::{node, process, web};

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
    let downloaded = fs::read_to_string(folder()?.join(PATH)).ok().map(OsString::from);
    let there = NAMES.map(OsString::from).into_iter().chain(downloaded).find(|program| version(program).is_ok());
    there.with_context(|| format!("none of {} runs", NAMES.join(", ")))
}

/// In the folder below: the path of the program.
const PATH: &str = "path";

fn folder() -> Result<PathBuf> {
    Ok(process::target()?.join("clients").join("browser"))
}

/// Has the driver of the page's tests fetch the Chromium that it is made for, into `<target>/clients/browser`, and the
/// libraries it needs, by `apt-get`. This is for Ubuntu, whose own package is for snap.
pub(crate) fn download() -> Result<()> {
    const VARIABLE: &str = "PLAYWRIGHT_BROWSERS_PATH";
    let (folder, node) = (folder()?, node::provision()?);
    let driver = web::install(&node)?.join("node_modules").join("playwright-core");
    let fetch = ["install", "--with-deps", "--no-shell", "chromium"];
    process::run(node.run(&driver.join("cli.js"))?.args(fetch).env(VARIABLE, &folder))?;
    let script = "console.log(require('playwright-core').chromium.executablePath())";
    let path = process::ask(node.evaluate(script)?.current_dir(driver).env(VARIABLE, &folder))?;
    fs::write(folder.join(PATH), path)?;
    Ok(())
}
