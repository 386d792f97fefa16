//! A parent that holds listening sockets and starts one server after the other on them, as systemd
//! does.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;

use crate::support::{http, until};

/// The descriptors of systemd's protocol, in its order, as redirections with which the shell moves
/// the sockets there.
const STREAMS: [&str; 2] = ["3<&0", "4<&1"];

/// Dropping it kills the server that runs.
pub(super) struct Holder {
    listeners: Vec<TcpListener>,
    pub(super) address: SocketAddr,
    /// Where the servers run and write their files.
    directory: TempDir,
    environment: Vec<(String, String)>,
    running: Option<Child>,
}

impl Holder {
    pub(super) fn new(environment: &[(&str, &str)]) -> Self {
        Self::of(vec![TcpListener::bind("127.0.0.1:0").unwrap()], environment)
    }

    pub(super) fn of(listeners: Vec<TcpListener>, environment: &[(&str, &str)]) -> Self {
        let address = listeners[0].local_addr().unwrap();
        let lane = std::env::var("TIDINGS_TEST_LANE").map(|lane| ("STREAM_LANE".to_owned(), lane));
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment = environment.chain(lane).collect();
        Self {
            listeners,
            address,
            directory: tempfile::tempdir().unwrap(),
            environment,
            running: None,
        }
    }

    /// Starts a server, and waits until it is ready.
    pub(super) async fn start(&mut self) {
        let moved = STREAMS[..self.listeners.len()].join(" ");
        let mut command = Command::new("sh");
        command.args([
            "-c",
            &format!(r#"exec "$0" {moved} </dev/null >/dev/null"#),
            env!("CARGO_BIN_EXE_tidings"),
        ]);
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .env("LISTEN_FDS", self.listeners.len().to_string())
            .current_dir(self.directory.path());
        let mut handed = self
            .listeners
            .iter()
            .map(|listener| OwnedFd::from(listener.try_clone().unwrap()).into());
        command
            .stdin(handed.next().unwrap())
            .stdout(handed.next().unwrap_or_else(Stdio::null));
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(self.log())
            .unwrap();
        self.running = Some(command.stderr(log).spawn().unwrap());
        let address = self.address;
        until(async || {
            http::request(address, "GET", "/health/ready", &[], b"")
                .await
                .status
                == 200
        })
        .await;
    }

    /// Ends the server, and returns its status.
    pub(super) async fn stop(&mut self) -> ExitStatus {
        let mut server = self.running.take().expect("it runs");
        let kill = format!("kill -TERM {}", server.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
        let mut status = None;
        until(async || {
            status = server.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// Restarts the server as `systemctl restart` does: starts the next one once the last has
    /// ended.
    pub(super) async fn restart(&mut self) {
        assert_eq!(self.stop().await.code(), Some(0), "{}", self.said());
        self.start().await;
    }

    /// What the servers have printed.
    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap()
    }

    fn log(&self) -> std::path::PathBuf {
        self.directory.path().join("log")
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if let Some(server) = &mut self.running {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
