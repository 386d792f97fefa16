//! Checks the content of a package: its files with owner and mode, its dependencies, and its
//! scripts.
//!
//! Owns what is expected. It reads the package with dpkg-deb alone, and installs nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;

/// Required files, with their modes.
const FILES: [(&str, &str); 8] = [
    ("./usr/bin/tidings", "-rwxr-xr-x"),
    ("./usr/lib/systemd/system/tidings.service", "-rw-r--r--"),
    ("./usr/lib/systemd/system/tidings.socket", "-rw-r--r--"),
    (
        "./usr/share/bash-completion/completions/tidings",
        "-rw-r--r--",
    ),
    (
        "./usr/share/fish/vendor_completions.d/tidings.fish",
        "-rw-r--r--",
    ),
    ("./usr/share/man/man1/tidings.1.gz", "-rw-r--r--"),
    ("./usr/share/tidings/tidings.toml", "-rw-r--r--"),
    ("./usr/share/zsh/vendor-completions/_tidings", "-rw-r--r--"),
];

/// The only folders in which it may have files.
const FOLDERS: [&str; 8] = [
    "./usr/bin/",
    "./usr/lib/systemd/system/",
    "./usr/share/bash-completion/completions/",
    "./usr/share/doc/tidings/",
    "./usr/share/fish/vendor_completions.d/",
    "./usr/share/man/man1/",
    "./usr/share/tidings/",
    "./usr/share/zsh/vendor-completions/",
];

/// The scripts that dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Returns an error unless the package is as expected.
pub(super) fn check(package: &Path) -> Result<()> {
    let ask = |option: &str| process::ask(Command::new("dpkg-deb").arg(option).arg(package));
    files(&ask("--contents")?)?;
    depends(&ask("--field")?)?;
    let folder = tempfile::tempdir()?;
    process::ask(
        Command::new("dpkg-deb")
            .arg("--control")
            .arg(package)
            .arg(folder.path()),
    )?;
    ensure!(
        !folder.path().join("conffiles").exists(),
        "the settings are made by postinst; dpkg would ask about a conffile of which each machine \
         has its own"
    );
    for script in SCRIPTS {
        process::ask(Command::new("sh").arg("-n").arg(folder.path().join(script)))?;
    }
    Ok(())
}

/// Checks a listing in the format of tar: mode, owner, size, date, time, path.
fn files(listing: &str) -> Result<()> {
    let mut found = BTreeMap::new();
    for line in listing.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [mode, owner, _, _, _, path, ..] = words.as_slice() else {
            bail!("dpkg-deb said {line:?}")
        };
        ensure!(
            ["root/root", "0/0"].contains(owner),
            "{path} belongs to {owner}"
        );
        ensure!(
            !mode[4..].contains(['w', 's', 't']),
            "{path} has the mode {mode}"
        );
        if !path.ends_with('/') {
            ensure!(
                FOLDERS.iter().any(|folder| path.starts_with(folder)),
                "{path} does not belong there"
            );
            found.insert(*path, *mode);
        }
    }
    for (path, expected) in FILES {
        let mode = found
            .get(path)
            .with_context(|| format!("{path} is missing in {found:?}"))?;
        ensure!(
            *mode == expected,
            "{path} has the mode {mode}, not {expected}"
        );
    }
    Ok(())
}

fn depends(fields: &str) -> Result<()> {
    let field = |name: &str| {
        fields
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    ensure!(field("Package") == Some("tidings"), "{fields}");
    let depends = field("Depends").unwrap_or_default();
    // postinst calls `adduser`; the dependency on libc is derived from the binary.
    for package in ["adduser", "libc6 (>="] {
        ensure!(
            depends.contains(package),
            "it does not depend on {package}: {depends}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(more: &str) -> String {
        let line =
            |(path, mode): (&str, &str)| format!("{mode} root/root 1 2026-11-30 10:00 {path}\n");
        FILES.map(line).concat() + "drwxr-xr-x root/root 0 2026-11-30 10:00 ./usr/\n" + more
    }

    #[test]
    fn what_is_missing_strange_or_writable_is_named() {
        files(&listing("")).unwrap();
        let refused = |more: &str| files(&listing(more)).unwrap_err().to_string();
        assert!(
            refused("-rw-r--r-- root/root 1 2026-11-30 10:00 ./etc/x\n")
                .starts_with("./etc/x does not belong")
        );
        assert!(
            refused("-rw-r--r-- me/me 1 2026-11-30 10:00 ./usr/bin/x\n")
                .ends_with("belongs to me/me")
        );
        assert!(
            refused("-rwxrwxr-x root/root 1 2026-11-30 10:00 ./usr/bin/x\n")
                .contains("has the mode")
        );
        let without = listing("").replace("./usr/bin/tidings", "./usr/bin/other");
        assert!(
            files(&without)
                .unwrap_err()
                .to_string()
                .starts_with("./usr/bin/tidings is missing")
        );
    }
}
