//! The server behind the proxy: the real binary, on one port or one socket through all its ends and
//! starts.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::patience::in_time;
use crate::ports::Port;

/// Dropping it kills it.
pub(crate) struct Server {
    place: Place,
    binary: PathBuf,
    directory: TempDir,
    environment: Vec<(&'static str, String)>,
    child: Option<Child>,
}

/// Where it listens.
enum Place {
    /// It opens the socket itself: while it is not there, connections are refused.
    Port(Port),
    /// It is handed a socket that this process keeps, as systemd does: while it is not there,
    /// connections wait.
    Held(TcpListener),
}

impl Server {
    /// A server that is not started yet.
    pub(crate) fn on_a_port() -> Self {
        Self::new(Place::Port(Port::reserve()))
    }

    /// The same with socket activation.
    pub(crate) fn on_a_held_socket() -> Self {
        Self::new(Place::Held(TcpListener::bind("127.0.0.1:0").unwrap()))
    }

    fn new(place: Place) -> Self {
        let server = Self {
            place,
            binary: env!("CARGO_BIN_EXE_tidings").into(),
            directory: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
            child: None,
        };
        // As the configurations ask for. The end is quick; what it is by itself only makes tests
        // longer.
        server
            .env("TRUSTED_PROXIES", "127.0.0.1")
            .env("DRAIN_SECONDS", "0")
    }

    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.to_owned()));
        self
    }

    pub(crate) async fn started(mut self) -> Self {
        self.start().await;
        self
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match &self.place {
            Place::Port(port) => port.address(),
            Place::Held(listener) => listener.local_addr().unwrap(),
        }
    }

    /// Starts it and waits until it serves.
    pub(crate) async fn start(&mut self) {
        let mut command = match &self.place {
            Place::Port(port) => {
                let mut command = Command::new(&self.binary);
                command
                    .args([
                        "serve",
                        "--host",
                        "127.0.0.1",
                        "--port",
                        &port.number.to_string(),
                    ])
                    .stdin(Stdio::null());
                command
            }
            // By the protocol of systemd (sd_listen_fds(3)): the first socket is descriptor 3.
            Place::Held(listener) => {
                let mut command = Command::new("sh");
                command.args([
                    "-c",
                    r#"exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" serve"#,
                ]);
                command
                    .arg(&self.binary)
                    .stdin(OwnedFd::from(listener.try_clone().unwrap()));
                command
            }
        };
        let said = File::options()
            .create(true)
            .append(true)
            .open(self.said_in())
            .unwrap();
        let before = self.said().matches("listening").count();
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .stderr(said)
            .kill_on_drop(true);
        self.child = Some(command.spawn().unwrap());
        in_time(async {
            while self.said().matches("listening").count() == before {
                let ended = self.child.as_mut().unwrap().try_wait().unwrap();
                assert!(
                    ended.is_none(),
                    "it ended before it listened: {}",
                    self.said()
                );
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// As a crash would: nobody is told anything.
    pub(crate) async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        let status = in_time(child.wait()).await.unwrap();
        assert!(status.success(), "it ended with {status}: {}", self.said());
    }

    /// Puts another binary in the place of the one that ran, as an upgrade does; it is a copy.
    pub(crate) fn upgrade(&mut self) {
        let upgraded = self.directory.path().join("tidings-upgraded");
        // Copied by another process: a descriptor of ours that is open for writing could be
        // inherited by a child that another test starts at that moment, and Linux executes no file
        // that anyone may still write (ETXTBSY).
        let copied = std::process::Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_tidings"))
            .arg(&upgraded)
            .status();
        assert!(copied.unwrap().success());
        self.binary = upgraded;
    }

    fn said_in(&self) -> PathBuf {
        self.directory.path().join("said.log")
    }

    /// What it has written to its log.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.said_in()).unwrap_or_default()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}
