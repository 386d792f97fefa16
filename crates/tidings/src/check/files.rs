//! Checks whether the files with the settings are as private as their content.

use std::path::Path;

use tidings_server::config::{Loaded, Origin};

use super::finding::Finding;

/// Checks `.env` and `tidings.toml`, or `file` in place of the latter.
pub(super) fn all(loaded: &Loaded, file: Option<&Path>) -> Vec<Finding> {
    let in_dot_env = |origin: &Origin| matches!(origin, Origin::DotEnv { .. });
    let in_file = |origin: &Origin| matches!(origin, Origin::File(_));
    let holds_secret = |is_there: fn(&Origin) -> bool| {
        ["JWT_SECRET", "METRICS_TOKEN"]
            .into_iter()
            .find(|name| loaded.origin(name).is_some_and(is_there))
    };
    let files = [
        (Path::new(".env"), holds_secret(in_dot_env)),
        (
            file.unwrap_or(Path::new("tidings.toml")),
            holds_secret(in_file),
        ),
    ];
    files
        .into_iter()
        .filter_map(|(path, secret)| access(path, secret))
        .collect()
}

/// Reports what other users may do with a file. `secret` names the secret in it, if there is one.
#[cfg(unix)]
fn access(path: &Path, secret: Option<&str>) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;

    // A missing file contains nothing, and a pipe can be read only once.
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mode = metadata.permissions().mode() & 0o777;
    let shown = path.display();
    let advice = format!("chmod 600 {shown} (or 640, with the server's group).");
    match secret {
        _ if mode & 0o022 != 0 => {
            let message = format!(
                "other users may write to {shown} (mode {mode:o}), and so change the settings"
            );
            Some(Finding::warning("files", message).advice(advice))
        }
        Some(secret) if mode & 0o004 != 0 => {
            let message = format!(
                "{secret} is stored in {shown}, which every user of this machine may read (mode \
                 {mode:o})"
            );
            Some(Finding::warning("files", message).advice(advice))
        }
        Some(_) => Some(Finding::ok(
            "files",
            format!("{shown} is private (mode {mode:o})"),
        )),
        None => None,
    }
}

#[cfg(not(unix))]
fn access(_: &Path, _: Option<&str>) -> Option<Finding> {
    None
}
