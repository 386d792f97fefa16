//! Describes the machine, and the versions of the measured programs.
//!
//! Owns the text of this description. Must never name a host, a user or a folder.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::Result;
use jiff::Timestamp;

use super::nchan;
use crate::process;

/// Returns the processor, its cores and the kernel. Only numbers from the same machine may be
/// compared.
pub(super) fn describe() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let models: BTreeSet<_> = processors
        .lines()
        .filter_map(|line| value(line, "model name"))
        .collect();
    let models: Vec<_> = models.into_iter().collect();
    let model = if models.is_empty() {
        "unknown processor".to_owned()
    } else {
        models.join(", ")
    };
    let cores = processors
        .lines()
        .filter(|line| value(line, "processor").is_some())
        .count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let virtually = if processors.contains(" hypervisor") {
        ", a virtual machine"
    } else {
        ""
    };
    Ok(format!(
        "{model}, {cores} cores{virtually}, Linux {}",
        kernel.trim()
    ))
}

fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = line.split_once(':')?;
    (key.trim() == name).then(|| value.trim())
}

/// Returns the date, and the versions of the measured programs.
pub(super) fn when_and_what() -> Result<String> {
    let git = |arguments: &[&str]| {
        process::ask(
            Command::new("git")
                .args(arguments)
                .current_dir(process::root()?),
        )
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = git(&[
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        "crates",
        "bench",
        "Cargo.lock",
    ])?;
    let changed = if changed.is_empty() {
        ""
    } else {
        " with changes"
    };
    Ok(format!(
        "{}, Tidings {commit}{changed}, {}",
        today(),
        nchan::version()?
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a document bears the date on which it was written"
)]
pub(crate) fn today() -> String {
    Timestamp::now().strftime("%Y-%m-%d").to_string()
}
