//! The server as a child process: starts, replaces and ends it.
//!
//! Owns at most one child. Must never leave it behind, even when this process fails: the child is
//! told to stop, and killed if it does not stop in time.

use std::future::pending;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::time::timeout;

use super::sockets::Sockets;
use crate::process::{root, target};

/// The time after which a server that was told to stop is killed. With `DRAIN_SECONDS=0` a server
/// stops at once, unless it hangs.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The directory of its log, unless `DATA_DIR` is set.
const DATA: &str = "target/dev/data";

pub(super) struct Server {
    sockets: Sockets,
    root: PathBuf,
    executable: PathBuf,
    running: Option<Running>,
}

struct Running {
    child: Child,
    made_of: MadeOf,
}

impl Server {
    pub(super) fn new(sockets: Sockets) -> Result<Self> {
        Ok(Self {
            sockets,
            root: root()?,
            executable: target()?.join("debug").join("tidings"),
            running: None,
        })
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Ends the running server and starts the newly built one. Does nothing if both are the same,
    /// as after a change to a test or to a comment in a document, because streams should not be cut
    /// for that.
    pub(super) async fn replace(&mut self) -> Result<()> {
        let made_of = MadeOf::look(&self.executable, &self.root)?;
        if self
            .running
            .as_ref()
            .is_some_and(|running| running.made_of == made_of)
        {
            return Ok(());
        }
        self.stop().await?;
        let child = self.start()?;
        self.running = Some(Running { child, made_of });
        Ok(())
    }

    /// Returns after the server has ended by itself. While no server runs, it never returns.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let Some(running) = &mut self.running else {
            return pending().await;
        };
        let status = running.child.wait().await;
        self.running = None;
        status
    }

    pub(super) async fn stop(&mut self) -> Result<()> {
        let Some(Running { mut child, .. }) = self.running.take() else {
            return Ok(());
        };
        if let Some(pid) = pid(&child) {
            // The process may have ended just now, and then there is nothing to signal.
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(TIMEOUT, child.wait()).await.is_err() {
            eprintln!(
                "dev: the server did not end within {} s and is killed",
                TIMEOUT.as_secs()
            );
            child.kill().await?;
        }
        Ok(())
    }

    fn start(&self) -> Result<Child> {
        let mut command = process::Command::new(&self.executable);
        // The child gets its own process group: ctrl-c reaches only this process, which passes it
        // on once.
        command
            .current_dir(&self.root)
            .env("DRAIN_SECONDS", "0")
            .stdin(Stdio::null())
            .process_group(0);
        if std::env::var_os("DATA_DIR").is_none() {
            // The directory differs from that of a server that runs at the same time, because a log
            // can be open in only one process.
            command.env("DATA_DIR", self.root.join(DATA));
        }
        self.sockets.hand_to(&mut command)?;
        let mut command = tokio::process::Command::from(command);
        command
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} did not start", self.executable.display()))
    }
}

/// Returns `None` after the child has been waited for, because its id may then belong to another
/// process.
fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()?).ok()?)
}

/// The files from which a running server was started, with the time at which each was last written.
#[derive(PartialEq)]
struct MadeOf {
    executable: SystemTime,
    settings: [Option<SystemTime>; 2],
}

impl MadeOf {
    fn look(executable: &Path, root: &Path) -> Result<Self> {
        let written = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
        Ok(Self {
            executable: written(executable)
                .with_context(|| format!("{} is not there", executable.display()))?,
            settings: [".env", "tidings.toml"].map(|name| written(&root.join(name)).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Returns a server that runs `script`, in its own folder.
    fn stand_in(root: &Path, script: &str) -> Server {
        // The file is written by another process. A descriptor of this process that is open for
        // writing could be inherited by a child that another test starts at that moment, and Linux
        // does not execute a file that is open for writing anywhere (ETXTBSY).
        let written = process::Command::new("sh")
            .args([
                "-c",
                r#"printf '#!/bin/sh\n%s\n' "$1" > tidings && chmod +x tidings"#,
                "sh",
                script,
            ])
            .current_dir(root)
            .status();
        assert!(written.unwrap().success());
        Server {
            sockets: Sockets::bind(0).unwrap(),
            root: root.to_owned(),
            executable: root.join("tidings"),
            running: None,
        }
    }

    fn number(server: &Server) -> Option<u32> {
        server
            .running
            .as_ref()
            .and_then(|running| running.child.id())
    }

    #[tokio::test]
    async fn the_server_inherits_the_sockets_in_systemds_manner() {
        let root = tempfile::tempdir().unwrap();
        let script =
            r#"test -S /dev/fd/3 && echo "$LISTEN_FDS ${LISTEN_PID-any} $DRAIN_SECONDS" > seen"#;
        let mut server = stand_in(root.path(), script);
        let sockets = server.sockets.count();
        server.replace().await.unwrap();
        assert!(server.ended().await.unwrap().success());
        let seen = fs::read_to_string(root.path().join("seen")).unwrap();
        assert_eq!(seen, format!("{sockets} any 0\n"));
    }

    #[tokio::test]
    async fn the_server_is_replaced_only_where_something_changed() {
        let root = tempfile::tempdir().unwrap();
        let mut server = stand_in(root.path(), "exec sleep 600");
        server.replace().await.unwrap();
        let first = number(&server).unwrap();
        server.replace().await.unwrap();
        assert_eq!(number(&server), Some(first), "nothing changed");
        fs::write(root.path().join(".env"), "").unwrap();
        server.replace().await.unwrap();
        assert_ne!(number(&server), Some(first), "the settings changed");
        server.stop().await.unwrap();
        assert!(!server.is_running());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_ignores_sigterm_is_killed() {
        let root = tempfile::tempdir().unwrap();
        let deaf = root.path().join("deaf");
        assert!(
            process::Command::new("mkfifo")
                .arg(&deaf)
                .status()
                .unwrap()
                .success()
        );
        let mut server = stand_in(root.path(), "trap '' TERM; echo > deaf; exec sleep 600");
        server.replace().await.unwrap();
        fs::read(&deaf).unwrap();
        let pid = pid(&server.running.as_ref().unwrap().child).unwrap();
        // As soon as every task waits, the paused clock jumps past the time limit.
        server.stop().await.unwrap();
        assert!(kill_process(pid, Signal::TERM).is_err(), "it is gone");
    }
}
