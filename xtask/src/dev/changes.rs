//! Watches the files from which the running server is built.
//!
//! Owns the list of those files. Must never report an access that only reads them: cargo opens
//! every source in each build, and if that counted as a change, the builds would never end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long no event must occur before a change counts as complete. An editor writes a file in
/// several steps, and switching branches writes many files.
const SILENCE: Duration = Duration::from_millis(150);

/// The folder of the sources, including everything below it.
const SOURCES: &str = "crates";

/// The watched files in the root folder itself.
const FILES: [&str; 4] = ["Cargo.toml", "Cargo.lock", ".env", "tidings.toml"];

pub(super) struct Changes {
    /// Holds at most one permit: however much changed during a build, one more build is enough.
    happened: Arc<Notify>,
    /// The watch ends when this is dropped.
    _watcher: RecommendedWatcher,
}

impl Changes {
    pub(super) fn watch(root: &Path) -> Result<Self> {
        let happened = Arc::new(Notify::new());
        let mut watcher = notify::recommended_watcher({
            let happened = Arc::clone(&happened);
            let root = root.to_owned();
            move |event: notify::Result<Event>| match event {
                Ok(event) => {
                    if changes(&root, &event) {
                        happened.notify_one();
                    }
                }
                Err(error) => eprintln!("dev: a change may go unnoticed: {error}"),
            }
        })?;
        // The folder is watched, not the files: editors replace a file by a new one, and a watch on
        // the old file would end.
        watcher
            .watch(root, RecursiveMode::NonRecursive)
            .context("the root can't be watched")?;
        watcher
            .watch(&root.join(SOURCES), RecursiveMode::Recursive)
            .context("the sources can't be watched")?;
        Ok(Self {
            happened,
            _watcher: watcher,
        })
    }

    /// Returns after something has changed since the last call, and nothing else has for
    /// [`SILENCE`].
    pub(super) async fn next(&mut self) {
        self.happened.notified().await;
        while timeout(SILENCE, self.happened.notified()).await.is_ok() {}
    }
}

/// Whether the event changes a file from which the server is built.
fn changes(root: &Path, event: &Event) -> bool {
    let is_ours = |path: &PathBuf| {
        path.strip_prefix(root).is_ok_and(|path| {
            path.starts_with(SOURCES) || FILES.iter().any(|file| path == Path::new(file))
        })
    };
    !event.kind.is_access() && event.paths.iter().any(is_ours)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use notify::EventKind;
    use notify::event::{AccessKind, ModifyKind};

    use super::*;

    fn is_change(kind: EventKind, path: &str) -> bool {
        changes(Path::new("/here"), &Event::new(kind).add_path(path.into()))
    }

    #[test]
    fn only_files_that_the_server_is_made_of_count() {
        let written = EventKind::Modify(ModifyKind::Any);
        assert!(is_change(written, "/here/crates/hub/src/lib.rs"));
        assert!(is_change(written, "/here/.env"));
        assert!(!is_change(written, "/here/README.md"));
        assert!(!is_change(written, "/here/data/Cargo.toml"));
        assert!(!is_change(written, "/elsewhere/crates/lib.rs"));
    }

    #[test]
    fn reading_a_file_is_no_change() {
        assert!(!is_change(
            EventKind::Access(AccessKind::Any),
            "/here/crates/hub/src/lib.rs"
        ));
    }

    #[tokio::test]
    async fn a_file_that_is_written_below_the_sources_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().canonicalize().unwrap();
        fs::create_dir_all(path.join("crates/hub")).unwrap();
        let mut changes = Changes::watch(&path).unwrap();
        fs::write(path.join("crates/hub/lib.rs"), "").unwrap();
        timeout(Duration::from_mins(10), changes.next())
            .await
            .expect("the change was noticed");
    }
}
