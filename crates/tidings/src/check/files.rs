//! Whether the files with the settings are as private as what stands in them.

use std::path::Path;

use tidings_server::config::{Loaded, Origin};

use super::finding::Finding;

/// What stands in `.env` and in `tidings.toml`, or in `file` instead of the latter.
pub(super) fn all(loaded: &Loaded, file: Option<&Path>) -> Vec<Finding> {
    let in_dot_env = |origin: &Origin| matches!(origin, Origin::DotEnv { .. });
    let in_file = |origin: &Origin| matches!(origin, Origin::File(_));
    let holds_secret = |is_there: fn(&Origin) -> bool| {
        ["JWT_SECRET", "METRICS_TOKEN"].into_iter().find(|name| loaded.origin(name).is_some_and(is_there))
    };
    let files = [
        (Path::new(".env"), holds_secret(in_dot_env)),
        (file.unwrap_or(Path::new("tidings.toml")), holds_secret(in_file)),
    ];
    files.into_iter().filter_map(|(path, secret)| access(path, secret)).collect()
}

/// What others may do with a file; `secret` is what stands in it, if anything.
#[cfg(unix)]
fn access(path: &Path, secret: Option<&str>) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;

    // A missing file holds nothing, and a pipe is read once.
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mode = metadata.permissions().mode() & 0o777;
    let shown = path.display();
    let advice = format!("chmod 600 {shown} (or 640, with the server's group).");
    match secret {
        _ if mode & 0o022 != 0 => {
            let message = format!("other users may write to {shown} (mode {mode:o}), and so change the settings");
            Some(Finding::warning("files", message).advice(advice))
        }
        Some(secret) if mode & 0o004 != 0 => {
            let message =
                format!("{secret} is stored in {shown}, which every user of this machine may read (mode {mode:o})");
            Some(Finding::warning("files", message).advice(advice))
        }
        Some(_) => Some(Finding::ok("files", format!("{shown} is private (mode {mode:o})"))),
        None => None,
    }
}

#[cfg(not(unix))]
fn access(_: &Path, _: Option<&str>) -> Option<Finding> {
    None
}
