//! Where the files are, and the programs that read them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// One that production takes, for the tests alone.
pub(crate) const SECRET: &str = "1f0e9c64b7d2438aa5c16be03d97f25884cb6a17e93d05f2";

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The text of a file of the repository.
#[track_caller]
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below a folder of the repository, by its path from the root, in order.
pub(crate) fn files_below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A program that came with the Python packages of the tests.
pub(crate) fn program(name: &str) -> Command {
    Command::new(python().with_file_name(name))
}

/// The documents of a file of YAML.
#[track_caller]
pub(crate) fn yaml(path: &str) -> Vec<Value> {
    let script =
        "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin.read()))))";
    let file = fs::File::open(root().join(path)).unwrap();
    let text = succeed(Command::new(python()).args(["-c", script]).stdin(file));
    serde_json::from_str(&text).unwrap()
}

fn python() -> PathBuf {
    let interpreter = env::var_os("TIDINGS_PYTHON");
    interpreter
        .expect(
            "TIDINGS_PYTHON names the interpreter with the packages; `cargo xtask test` sets it",
        )
        .into()
}

/// Runs a command that must succeed; its standard output.
#[track_caller]
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        said(&output)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// All that a command wrote.
pub(crate) fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .concat()
}
