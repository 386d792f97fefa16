//! The server as a child process: started, replaced and ended.
//!
//! Owns at most one child. Must never leave it behind: it is told to stop, given time, then killed, also when this process
//! fails.

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

/// With `DRAIN_SECONDS=0` a server ends at once. One that does not hangs, and is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where its log is, unless `DATA_DIR` says otherwise.
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
        Ok(Self { sockets, root: root()?, executable: target()?.join("debug").join("tidings"), running: None })
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Ends the server that runs and starts the newly built one. Does nothing where they are the same, as after a change to
    /// a test or a comment in a document: nobody's streams are cut for that.
    pub(super) async fn replace(&mut self) -> Result<()> {
        let made_of = MadeOf::look(&self.executable, &self.root)?;
        if self.running.as_ref().is_some_and(|running| running.made_of == made_of) {
            return Ok(());
        }
        self.stop().await?;
        let child = self.start()?;
        self.running = Some(Running { child, made_of });
        Ok(())
    }

    /// Returns once the server has ended by itself; never while none runs.
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
            // It may have ended just now; then there is nobody to tell.
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(PATIENCE, child.wait()).await.is_err() {
            eprintln!("dev: the server did not end within {} s and is killed", PATIENCE.as_secs());
            child.kill().await?;
        }
        Ok(())
    }

    fn start(&self) -> Result<Child> {
        let mut command = process::Command::new(&self.executable);
        // A process group of its own: ctrl-c reaches this process alone, which passes it on once.
        command.current_dir(&self.root).env("DRAIN_SECONDS", "0").stdin(Stdio::null()).process_group(0);
        if std::env::var_os("DATA_DIR").is_none() {
            // Not that of a server that is run beside this one: a log belongs to one process.
            command.env("DATA_DIR", self.root.join(DATA));
        }
        self.sockets.hand_to(&mut command)?;
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true).spawn().with_context(|| format!("{} did not start", self.executable.display()))
    }
}

/// `None` once the child has been waited for, when its number may belong to another process.
fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()?).ok()?)
}

/// The files that a running server was read from, by the time each was last written.
#[derive(PartialEq)]
struct MadeOf {
    executable: SystemTime,
    settings: [Option<SystemTime>; 2],
}

impl MadeOf {
    fn look(executable: &Path, root: &Path) -> Result<Self> {
        let written = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
        Ok(Self {
            executable: written(executable).with_context(|| format!("{} is not there", executable.display()))?,
            settings: [".env", "tidings.toml"].map(|name| written(&root.join(name)).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A server that runs `script`, in a folder of its own.
    fn stand_in(root: &Path, script: &str) -> Server {
        // Written by another process: a descriptor of ours that is open for writing could be inherited by a child which
        // another test starts at that moment, and Linux executes no file that anyone may still write (ETXTBSY).
        let written = process::Command::new("sh")
            .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$1" > tidings && chmod +x tidings"#, "sh", script])
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
        server.running.as_ref().and_then(|running| running.child.id())
    }

    #[tokio::test]
    async fn the_server_inherits_the_sockets_in_systemds_manner() {
        let root = tempfile::tempdir().unwrap();
        let script = r#"test -S /dev/fd/3 && echo "$LISTEN_FDS ${LISTEN_PID-any} $DRAIN_SECONDS" > seen"#;
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
        assert!(process::Command::new("mkfifo").arg(&deaf).status().unwrap().success());
        let mut server = stand_in(root.path(), "trap '' TERM; echo > deaf; exec sleep 600");
        server.replace().await.unwrap();
        fs::read(&deaf).unwrap();
        let pid = pid(&server.running.as_ref().unwrap().child).unwrap();
        // The paused clock jumps over our patience as soon as everything waits.
        server.stop().await.unwrap();
        assert!(kill_process(pid, Signal::TERM).is_err(), "it is gone");
    }
}
