//! Checks that no file of the repository names the host of a package registry, or a folder of the
//! machine on which it was written.
//!
//! Owns the list of names. The registry or mirror that a machine uses is a setting of that machine:
//! a host in a lock file works only where it can be reached, and such a path exists only on that
//! machine.

use std::process::Command;
use std::{fs, io};

use anyhow::{Result, bail};

use crate::process;

/// Each name is split, because this file is checked too.
const HOSTS: [&str; 10] = [
    concat!("crates", ".io"),
    concat!("npmjs", ".org"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("deb.debian", ".org"),
    concat!("security.debian", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("sum.golang", ".org"),
    concat!("repo.maven.apache", ".org"),
    concat!("repo1.maven", ".org"),
];
const FOLDERS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Checks every file that is committed or would be.
pub(super) fn check() -> Result<()> {
    let root = process::root()?;
    let listed = process::ask(
        Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(&root),
    )?;
    let mut findings = Vec::new();
    for path in listed.split_terminator('\0') {
        match fs::read(root.join(path)) {
            Ok(content) => findings.extend(find(path, &String::from_utf8_lossy(&content))),
            // The file was deleted, and the deletion is not committed yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => bail!("{path}: {error}"),
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!(
        "files name what only holds on one machine:\n  {}",
        findings.join("\n  ")
    )
}

fn find(path: &str, content: &str) -> Vec<String> {
    let lines = content.lines().zip(1..);
    lines
        .filter(|(line, _)| !(path == "Cargo.lock" && is_cargos_own(line)))
        .filter_map(|(line, number)| Some(format!("{path}:{number}: {}", named(line)?)))
        .collect()
}

/// Whether cargo wrote the line. For its default registry, cargo writes the same line on every
/// machine, whatever mirror that machine uses.
fn is_cargos_own(line: &str) -> bool {
    line.starts_with(concat!(
        r#"source = "registry+https://github.com/rust-lang/crates"#,
        r#".io-index""#
    ))
}

fn named(line: &str) -> Option<&'static str> {
    HOSTS
        .into_iter()
        .find(|host| line.contains(host))
        .or_else(|| {
            FOLDERS
                .into_iter()
                .find(|folder| names_folder(line, folder))
        })
}

/// Whether the folder is the beginning of a path, rather than a part of a longer one.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|character| character.is_alphanumeric() || "-_.*/}".contains(character))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_host_is_found_with_its_place() {
        let content = format!(
            "{{\n  \"resolved\": \"https://registry.{}/x\"\n}}",
            HOSTS[1]
        );
        assert_eq!(
            find("clients/package-lock.json", &content),
            [format!("clients/package-lock.json:2: {}", HOSTS[1])]
        );
    }

    #[test]
    fn a_machines_folder_is_found_where_a_path_begins() {
        for line in ["see {}main", "`{}main`", "path={}main", "{}"] {
            let line = line.replace("{}", FOLDERS[0]);
            assert_eq!(find("notes.md", &line).len(), 1, "{line}");
        }
        assert!(find("notes.md", &format!("docs{}x", FOLDERS[0])).is_empty());
        assert!(find("notes.md", &format!("https://example.com{}x", FOLDERS[1])).is_empty());
    }

    #[test]
    fn only_cargos_own_line_is_exempt_and_only_in_its_lock_file() {
        let line = format!(
            "source = \"registry+https://github.com/rust-lang/{}-index\"",
            HOSTS[0]
        );
        assert!(find("Cargo.lock", &line).is_empty());
        assert_eq!(find("notes.md", &line).len(), 1);
        assert_eq!(
            find(
                "Cargo.lock",
                &format!("source = \"registry+https://index.{}/\"", HOSTS[0])
            )
            .len(),
            1
        );
    }
}
