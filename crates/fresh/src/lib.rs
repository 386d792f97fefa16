//! Generated documents: committed, so that they can be read without building, and compared by the
//! tests that use this.

#![expect(clippy::unwrap_used, reason = "for tests alone")]

use std::fs;
use std::path::{Path, PathBuf};

/// Compares a committed document, named by its path in the repository, with what the code
/// generates. With `TIDINGS_BLESS` in the environment, which `cargo xtask docs` sets, it writes the
/// file instead.
///
/// # Panics
///
/// If the two differ, and if the file can't be written.
pub fn assert_fresh(name: &str, written: &str) {
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        fs::write(path(name), written).unwrap();
    } else {
        assert!(
            committed(name) == written,
            "{name} is not what the code says; refresh it with `cargo xtask docs`"
        );
    }
}

/// A committed file as it is, for what is generated into a part of it. Empty if it is not there.
pub fn committed(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_default()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}
