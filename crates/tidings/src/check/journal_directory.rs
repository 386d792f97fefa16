//! Checks the directory of the journal: whether a server could use it, who else may, its file
//! system, and the free space.

use std::path::Path;

use jiff::Timestamp;
use tidings_journal_disk::{OpenError, Probe, has_earlier_format, probe};
use tidings_server::config::{Config, Home, Mode};
use tidings_server::server::Error;
use tidings_server::server::journal::{Ceiling, mebibytes, nearest_existing};

use super::finding::Finding;
use super::machine::behind_now;

/// Checks the directory that a server with these settings would use.
pub(super) fn all(config: &Config, running: bool) -> Vec<Finding> {
    let journal = &config.journal;
    if journal.home == Home::Memory {
        return Vec::new();
    }
    let dir = &journal.data_dir;
    let mut findings = Vec::new();
    match probe(dir) {
        Ok(probe) => findings.push(unwritable(dir).unwrap_or_else(|| usable(dir, probe))),
        Err(OpenError::InUse { .. }) if running => {
            let message = format!("{} is in use, presumably by the running server", shown(dir));
            findings.push(Finding::ok("journal", message));
        }
        Err(error) => findings.push(Finding::error("journal", Error::from(error).to_string())),
    }
    findings.extend(earlier_format(dir));
    findings.extend(permissions(dir));
    findings.extend(file_system(dir, config.mode));
    findings.push(space(&Ceiling::of(journal)));
    findings
}

/// Returns the absolute path, because the meaning of a relative one depends on the directory in
/// which the server is started.
fn shown(dir: &Path) -> String {
    std::path::absolute(dir)
        .as_deref()
        .unwrap_or(dir)
        .display()
        .to_string()
}

/// Reports that the directory can be used, or a clock that is behind the log in it.
fn usable(dir: &Path, probe: Probe) -> Finding {
    let dir = shown(dir);
    let last_seen = probe
        .last_seen_ms
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    if let Some(behind) = last_seen.and_then(behind_now) {
        let message = format!(
            "the clock is {} s behind the time at which the log in {dir} was last written",
            behind.as_secs()
        );
        return Finding::warning("clock", message)
            .advice("Set the clock, or events are kept for longer than intended.");
    }
    let what = if probe.is_log {
        "contains a log"
    } else {
        "is free for a new log"
    };
    Finding::ok("journal", format!("{dir} {what}"))
}

/// Reports a log that earlier versions can no longer open after the first start of this one.
fn earlier_format(dir: &Path) -> Option<Finding> {
    let message = format!(
        "the log in {} has the format of an earlier version; the first start converts it, and the \
         earlier version refuses it from then on",
        shown(dir)
    );
    has_earlier_format(dir).then(|| {
        Finding::note("journal", message)
            .advice("Copy the directory while no server runs, before that start.")
    })
}

/// Reports a directory in which this user may not create files. If it does not exist, its nearest
/// existing parent is checked.
#[cfg(unix)]
fn unwritable(dir: &Path) -> Option<Finding> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};

    let existing = nearest_existing(dir)?;
    let needed = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    let error = accessat(CWD, &existing, needed, AtFlags::EACCESS).err()?;
    let error = std::io::Error::from(error);
    let message = format!("this user may not write to {}: {error}", existing.display());
    Some(Finding::error("journal", message).advice(
        "Change its owner to the server's user (chown), or name another directory with DATA_DIR.",
    ))
}

/// Reports what other users of the machine may do with the directory.
#[cfg(unix)]
fn permissions(dir: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;

    let metadata = dir.metadata().ok().filter(std::fs::Metadata::is_dir)?;
    let mode = metadata.permissions().mode() & 0o1777;
    let shown = dir.display();
    if mode & 0o022 != 0 {
        let message =
            format!("other users may write to {shown} (mode {mode:o}), and so remove the log");
        return Some(Finding::warning("journal", message).advice(format!("chmod 700 {shown}")));
    }
    let message =
        format!("other users of this machine may read published events (mode {mode:o} of {shown})");
    (mode & 0o005 != 0)
        .then(|| Finding::note("journal", message).advice(format!("chmod 700 {shown}")))
}

#[cfg(not(unix))]
fn unwritable(_: &Path) -> Option<Finding> {
    None
}

#[cfg(not(unix))]
fn permissions(_: &Path) -> Option<Finding> {
    None
}

/// File systems that are not for a log: the number that statfs(2) reports, the name, and the
/// reason.
#[cfg(target_os = "linux")]
const FILE_SYSTEMS: [(i128, &str, &str); 12] = [
    (0x0102_1994, "tmpfs", IN_MEMORY),
    (0x8584_58f6, "ramfs", IN_MEMORY),
    (0x794c_7630, "overlayfs", OF_A_CONTAINER),
    (0x6969, "NFS", OF_A_NETWORK),
    (0xff53_4d42, "CIFS", OF_A_NETWORK),
    (0xfe53_4d42, "SMB", OF_A_NETWORK),
    (0x517b, "SMB", OF_A_NETWORK),
    (0x0102_1997, "9p", OF_A_NETWORK),
    (0x6573_5546, "FUSE", OF_A_NETWORK),
    (0x9fa0, "proc", OF_THE_SYSTEM),
    (0x6265_6572, "sysfs", OF_THE_SYSTEM),
    (0x4d44, "FAT", "has no permissions and no safe renaming"),
];

#[cfg(target_os = "linux")]
const IN_MEMORY: &str = "is lost at the next restart of the machine";
#[cfg(target_os = "linux")]
const OF_A_CONTAINER: &str = "is lost with the container, if this is one";
#[cfg(target_os = "linux")]
const OF_THE_SYSTEM: &str = "holds only the system's own files";
#[cfg(target_os = "linux")]
const OF_A_NETWORK: &str = "may not lock files or sync them to the device reliably";

#[cfg(target_os = "linux")]
fn file_system(dir: &Path, mode: Mode) -> Option<Finding> {
    let magic = rustix::fs::statfs(&nearest_existing(dir)?).ok()?.f_type;
    // The type of this number differs by machine: signed or unsigned, of 4 or 8 bytes.
    let magic = i128::from(magic) & 0xffff_ffff;
    let (_, name, why) = FILE_SYSTEMS
        .into_iter()
        .find(|(known, ..)| *known == magic)?;
    let message = format!("{} is on {name}, which {why}", shown(dir));
    let found = if mode == Mode::Production {
        Finding::warning("disk", message)
    } else {
        Finding::note("disk", message)
    };
    Some(found.advice("Put DATA_DIR on a local disk; in a container, on a volume."))
}

#[cfg(not(target_os = "linux"))]
fn file_system(_: &Path, _: Mode) -> Option<Finding> {
    None
}

fn space(ceiling: &Ceiling) -> Finding {
    match (&ceiling.warning, ceiling.available) {
        (Some(warning), _) => Finding::warning("disk", warning),
        (None, Some(available)) => Finding::ok(
            "disk",
            format!(
                "the log may use {}, and {} are available to it",
                mebibytes(ceiling.bytes),
                mebibytes(available)
            ),
        ),
        (None, None) => Finding::ok(
            "disk",
            format!("the log may use {}", mebibytes(ceiling.bytes)),
        ),
    }
}
