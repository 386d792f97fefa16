//! A server of Redis: a process, a folder for its data, a port.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use redis::Value;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::PATIENCE;

/// A server that ends with the test.
pub(crate) struct Server {
    program: &'static str,
    settings: String,
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

/// Returns a port that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port()
}

impl Server {
    /// Starts a server that stores nothing on disk.
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// Starts a server with lines for its configuration file.
    pub(crate) fn with(settings: &str) -> Self {
        Self::begin("redis-server", format!("save \"\"\n{settings}\n"))
    }

    /// Starts a server whose data survive a restart.
    pub(crate) fn durable() -> Self {
        Self::with("appendonly yes\nappendfsync everysec")
    }

    /// Starts a replica of the server at this port.
    pub(crate) fn replica_of(port: u16) -> Self {
        Self::with(&format!("replicaof 127.0.0.1 {port}"))
    }

    /// Starts a sentinel.
    pub(crate) fn sentinel(settings: &str) -> Self {
        Self::begin("redis-sentinel", settings.to_owned())
    }

    fn begin(program: &'static str, settings: String) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tidings-redis-")
            .tempdir()
            .expect("a folder");
        let mut server = Self {
            program,
            settings,
            folder,
            port: 0,
            process: None,
        };
        // Another process may take the port before the server does.
        for _ in 0..20 {
            server.port = free_port();
            if server.launch() {
                return server;
            }
        }
        panic!("no port for {program}");
    }

    /// Starts the process; false if its port is taken.
    ///
    /// # Panics
    ///
    /// If the program is not installed: a test that needs it is red without it, not skipped.
    fn launch(&mut self) -> bool {
        let file = self.folder.path().join("redis.conf");
        let Self { port, settings, .. } = self;
        fs::write(
            &file,
            format!(
                "port {port}\nbind 127.0.0.1\ndir {}\n{settings}\n",
                self.folder.path().display()
            ),
        )
        .expect("the configuration");
        let mut process = Command::new(self.program)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{}: {error}; install Debian's redis-server and redis-sentinel",
                    self.program
                )
            });
        let output = BufReader::new(process.stdout.take().expect("the output"));
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            // To the end, so that the server can always write.
            for line in output.lines().map_while(Result::ok) {
                if line.contains("Ready to accept connections") || line.contains("Sentinel ID is") {
                    let _ = tell.send(true);
                } else if line.contains("Address already in use") {
                    let _ = tell.send(false);
                }
            }
        });
        let ready = told.recv_timeout(PATIENCE).expect("the server to be ready");
        self.process = Some(process);
        if !ready {
            self.kill();
        }
        ready
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Ends the process in an orderly way, which writes everything to disk.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        if let Some(mut process) = self.process.take() {
            let _ = process.wait();
        }
    }

    /// Starts the process again at the same port.
    pub(crate) fn start_again(&mut self) {
        // A client's outgoing connection may have the port for a while.
        for _ in 0..600 {
            if self.launch() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("port {} stays taken", self.port);
    }

    /// Stops the process as a debugger does: its sockets stay open, and it does nothing.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            let pid = Pid::from_child(process);
            kill_process(pid, signal).expect("a signal to a process of our own");
        }
    }

    /// Runs a command over a connection of its own.
    pub(crate) async fn command(&self, words: &[&str]) -> Value {
        self.try_command(words)
            .await
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub(crate) async fn try_command(&self, words: &[&str]) -> redis::RedisResult<Value> {
        let client = redis::Client::open(self.url())?;
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await
    }

    /// Returns a field of `INFO`.
    pub(crate) async fn info(&self, field: &str) -> Option<String> {
        let Ok(Value::BulkString(text)) = self.try_command(&["INFO"]).await else {
            return None;
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines()
            .find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.to_owned()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
