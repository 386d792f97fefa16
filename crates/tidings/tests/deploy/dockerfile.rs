//! What can be said of `deploy/Dockerfile` without building anything.

use crate::support::{program, read, root, succeed};

#[test]
#[ignore = "needs hadolint: `cargo xtask test` runs it"]
fn hadolint_finds_nothing_in_the_dockerfile() {
    let file = root().join("deploy/Dockerfile");
    let found = succeed(
        program("hadolint")
            .args(["--no-fail", "--format", "tty"])
            .arg(file),
    );
    assert_eq!(found, "");
}

#[test]
fn the_versions_in_the_dockerfile_are_those_of_the_workspace() {
    let file = read("deploy/Dockerfile");
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'))
        .unwrap();
    assert!(
        argument(&file, "RUST").contains(&format!("rust:{channel}-")),
        "rust-toolchain.toml says {channel}"
    );
    assert_eq!(argument(&file, "VERSION"), env!("CARGO_PKG_VERSION"));
    let image = format!("tidings:{}", env!("CARGO_PKG_VERSION"));
    for file in ["deploy/compose.yaml", "deploy/kubernetes/statefulset.yaml"] {
        assert!(read(file).contains(&image), "{file} names another version");
    }
}

/// Whatever else lies in the repository stays out of every layer: a `.env`, a journal, `target/`.
#[test]
fn the_build_context_contains_only_the_named_files() {
    let file = read(".dockerignore");
    let patterns: Vec<_> = file
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let (first, exceptions) = patterns.split_first().unwrap();
    assert_eq!(*first, "*");
    for exception in exceptions {
        let path = exception
            .strip_prefix('!')
            .unwrap_or_else(|| panic!("{exception} is no exception"));
        assert!(
            path == "target/image" || root().join(path).exists(),
            "{path} is not there"
        );
    }
}

/// What an argument of a Dockerfile is unless it is given.
#[track_caller]
fn argument<'file>(file: &'file str, name: &str) -> &'file str {
    let start = format!("ARG {name}=");
    file.lines()
        .find_map(|line| line.strip_prefix(&start))
        .unwrap_or_else(|| panic!("no {start}"))
}
