//! Generated documents: committed, so that they can be read without building, and compared by the tests that use this.

use std::fs;
use std::path::Path;

/// Fails if the committed file differs from what the code says now. With `TIDINGS_BLESS` in the environment, which
/// `cargo xtask docs` sets, it writes the file instead.
pub(crate) fn assert_fresh(name: &str, written: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        fs::write(&path, written).unwrap();
    } else {
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == written, "{name} is not what the code says; refresh it with `cargo xtask docs`");
    }
}
