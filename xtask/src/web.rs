//! `cargo xtask web`: builds the page that the binary contains, or checks it.
//!
//! Owns `web/dist`, which is committed so that building the server does not require Node. Must
//! never install anything that the lock file does not pin.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::clients::Stamp;
use crate::node::{self, Node};
use crate::{chromium, process, requirements};

/// The variable that names another folder to build into.
const DIST: &str = "TIDINGS_WEB_DIST";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Instead of building the page, check that the committed page matches its sources, and use it
    /// in a browser.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.check {
        requirements::ensure(&requirements::TESTS)?;
        let node = node::provision()?;
        check(&node)?;
        return stories(&node, &chromium::find()?);
    }
    requirements::ensure(&[requirements::PYTHON])?;
    let node = node::provision()?;
    let web = install(&node)?;
    process::run(&mut node.npm(&web, &["run", "check"])?)?;
    process::run(&mut node.npm(&web, &["run", "build"])?)
}

/// Checks types and unit tests, and whether the committed page matches its sources.
pub(crate) fn check(node: &Node) -> Result<()> {
    let web = install(node)?;
    process::run(&mut node.npm(&web, &["run", "check"])?)?;
    process::run(&mut node.npm(&web, &["test"])?)?;
    let built = process::target()?.join("web");
    process::run(node.npm(&web, &["run", "build"])?.env(DIST, &built))?;
    let differing = differing(&files(&web.join("dist"))?, &files(&built)?);
    if differing.is_empty() {
        return Ok(());
    }
    bail!(
        "web/dist is not what web/src says; build it with `cargo xtask web`: {}",
        differing.join(", ")
    )
}

/// Runs the tests that use the page in a browser, with a server of this workspace.
pub(crate) fn stories(node: &Node, chromium: &OsString) -> Result<()> {
    let web = install(node)?;
    process::run(process::cargo("build")?.args(["--package", "tidings", "--locked"]))?;
    let binary = process::target()?.join("debug").join("tidings");
    process::run(
        node.npm(&web, &["run", "stories"])?
            .env("TIDINGS_BINARY", binary)
            .env(chromium::VARIABLE, chromium),
    )
}

/// Installs what the page's lock file pins, and returns the page's folder.
pub(crate) fn install(node: &Node) -> Result<PathBuf> {
    const LOCKS: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
    let web = process::root()?.join("web");
    let modules = web.join("node_modules");
    let mut stamp = Stamp::new(&modules);
    for name in LOCKS {
        stamp.add(&fs::read_to_string(web.join(name))?);
    }
    if !stamp.is_current() {
        process::run(&mut node.npm(&web, &["ci"])?)?;
        stamp.write()?;
    }
    Ok(web)
}

/// Returns every file below `folder`, by its path relative to it.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder)?.to_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

/// Returns the paths of files that are missing on one side, or differ.
fn differing(
    committed: &BTreeMap<PathBuf, Vec<u8>>,
    built: &BTreeMap<PathBuf, Vec<u8>>,
) -> Vec<String> {
    let mut paths: Vec<_> = committed.keys().chain(built.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.retain(|path| committed.get(*path) != built.get(*path));
    paths
        .into_iter()
        .map(|path| path.display().to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_added_or_changed_is_named() {
        let of = |files: &[(&str, &str)]| {
            files
                .iter()
                .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
                .collect()
        };
        let committed = of(&[("app.js", "1"), ("old.js", "1"), ("same.css", "1")]);
        let built = of(&[("app.js", "2"), ("new.js", "1"), ("same.css", "1")]);
        assert_eq!(
            differing(&committed, &built),
            ["app.js", "new.js", "old.js"]
        );
        assert_eq!(differing(&built, &built), [""; 0]);
    }
}
