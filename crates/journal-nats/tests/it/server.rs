//! NATS servers, each with a directory of its own.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidings_broker_contract::backend;
use tidings_journal_nats::{Nats, Options};
use tidings_journal_shared::broker::Broker;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// How long a server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that can be killed and started again.
pub(crate) struct Server {
    directory: TempDir,
    pub(crate) port: u16,
    /// Further lines of its configuration.
    config: String,
    process: Mutex<Option<Child>>,
}

impl Server {
    pub(crate) async fn start(config: &str) -> Self {
        let server = Self {
            directory: tempfile::tempdir().unwrap(),
            port: free_port(),
            config: config.to_owned(),
            process: Mutex::default(),
        };
        server.run().await;
        server
    }

    /// Starts the process, and returns once it answers.
    pub(crate) async fn run(&self) {
        let path = |name: &str| self.directory.path().join(name);
        let text = format!(
            "listen: \"127.0.0.1:{}\"\njetstream {{ store_dir: \"{}\" }}\n{}\n",
            self.port,
            path("store").display(),
            self.config
        );
        std::fs::write(path("config"), text).unwrap();
        let log = File::create(path("log")).unwrap();
        let child = Command::new(program())
            .arg("--config")
            .arg(path("config"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        *self.process.lock().await = Some(child);
        let answers = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let started = tokio::time::timeout(PATIENCE, answers).await;
        started.unwrap_or_else(|_| panic!("{}", std::fs::read_to_string(path("log")).unwrap()));
    }

    /// Kills the process, as by `kill -9`.
    pub(crate) async fn kill(&self) {
        let child = self.process.lock().await.take();
        child.unwrap().kill().await.unwrap();
    }

    /// Sends a signal to the process.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.process.lock().await.as_ref().unwrap().id().unwrap();
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(id.to_string())
            .status()
            .await
            .unwrap();
        assert!(status.success());
    }

    /// The directory in which it keeps its streams.
    pub(crate) fn store(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            servers: vec![format!("nats://127.0.0.1:{}", self.port)],
            ..Options::default()
        }
    }

    pub(crate) fn node(&self) -> Nats {
        Nats::new(self.options())
    }
}

/// A server, for the promises that every broker makes.
pub(crate) struct Backend(Server);

impl Backend {
    pub(crate) async fn start() -> Self {
        Self(Server::start("").await)
    }
}

#[async_trait::async_trait]
impl backend::Backend for Backend {
    async fn node(&self) -> Arc<dyn Broker> {
        Arc::new(self.0.node())
    }

    async fn restart(&self) -> bool {
        self.0.kill().await;
        self.0.run().await;
        true
    }
}

/// The program, which `cargo xtask test` installs and names.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("TIDINGS_NATS_SERVER").map_or_else(|| "nats-server".into(), PathBuf::from)
}

/// A port that is free. Another program may take it before the server does; the ports of this
/// machine are handed out in turn, so that is unlikely.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
