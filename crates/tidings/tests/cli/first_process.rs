//! A server that is the first process of a container, to which the system hands no signal that it
//! does not take.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::support::{Place, in_time};

/// A program as the first process of a namespace of its own, if this machine lets it.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args(["--pid", "--fork", "--kill-child"])
        .kill_on_drop(true);
    command
}

async fn is_permitted() -> bool {
    let tried = unshare().arg("true").stdin(Stdio::null()).output().await;
    tried.is_ok_and(|output| output.status.success())
}

/// The process that `unshare` has made, by its id outside of the namespace.
async fn below(parent: &Child) -> Pid {
    let parent = format!("PPid:\t{}", parent.id().unwrap());
    in_time(async {
        loop {
            for entry in fs::read_dir("/proc").unwrap().flatten() {
                let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
                if status.lines().any(|line| line == parent) {
                    let id = entry.file_name().to_str().unwrap().parse().unwrap();
                    return Pid::from_raw(id).unwrap();
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_signal_during_the_start_ends_the_first_process_of_a_container() {
    if !is_permitted().await {
        eprintln!(
            "SKIPPED: a_signal_during_the_start_ends_the_first_process_of_a_container, as \
             `unshare --pid` is not permitted here"
        );
        return;
    }
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        // The start waits for whoever writes to this pipe what the settings are.
        let place = Place::new();
        let settings = place.directory().join(".env");
        mkfifoat(CWD, &settings, Mode::RUSR | Mode::WUSR).unwrap();
        let mut command = unshare();
        command
            .arg(env!("CARGO_BIN_EXE_tidings"))
            .env_clear()
            .current_dir(place.directory());
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let _writer = in_time(async {
            let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
            loop {
                match fs::OpenOptions::new()
                    .write(true)
                    .custom_flags(flags)
                    .open(&settings)
                {
                    Ok(writer) => break writer,
                    Err(error) => assert_eq!(
                        error.raw_os_error(),
                        Some(6),
                        "nobody reads it yet: {error}"
                    ), // ENXIO
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        kill_process(below(&child).await, signal).unwrap();
        assert_eq!(in_time(child.wait()).await.unwrap().code(), Some(code));
    }
}

#[tokio::test]
async fn a_signal_while_it_serves_stops_the_first_process_of_a_container() {
    if !is_permitted().await {
        eprintln!(
            "SKIPPED: a_signal_while_it_serves_stops_the_first_process_of_a_container, as \
             `unshare --pid` is not permitted here"
        );
        return;
    }
    let place = Place::new();
    let mut command = unshare();
    command.arg(env!("CARGO_BIN_EXE_tidings")).args([
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--drain-seconds",
        "0",
    ]);
    command
        .env_clear()
        .current_dir(place.directory())
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let mut running = crate::support::Running::of(command.spawn().unwrap());
    running.note_that("  listening").await;
    kill_process(below(running.child()).await, Signal::TERM).unwrap();
    assert_eq!(running.end().await.0.code(), Some(0));
}
