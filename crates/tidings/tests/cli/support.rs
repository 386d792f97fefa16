//! The binary in an empty directory and an empty environment, its lines, and its end. Nothing waits
//! for ever.

use std::net::SocketAddr;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tidings_server::auth::demo;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines,
};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

#[path = "../it/support/patience.rs"]
mod patience;

pub(crate) use patience::in_time;

/// Where and with what the commands of a test run.
pub(crate) struct Place {
    directory: Arc<TempDir>,
    environment: Vec<(String, String)>,
}

/// A server of its own for one test. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// A server whose directory is gone takes no more events.
    _directory: Arc<TempDir>,
}

/// A command that goes on until it is told to stop. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: Arc::new(tempfile::tempdir().unwrap()),
            environment: Vec::new(),
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The commands call this server, with the demo token.
    pub(crate) fn calling(self, address: SocketAddr) -> Self {
        self.env("TIDINGS_URL", &format!("http://{address}"))
            .env("TIDINGS_TOKEN", demo::TOKEN)
    }

    /// Where the commands run.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The log of version 0.1 that `crates/journal-disk/tests/upgrades` has, as its server's log.
    pub(crate) fn of_version_0_1(self) -> Self {
        let archive = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../journal-disk/tests/upgrades/fca78b1.tar.gz"
        );
        std::fs::create_dir(self.data()).unwrap();
        let tar = std::process::Command::new("tar")
            .arg("-C")
            .arg(self.data())
            .args(["-xzf", archive])
            .status()
            .unwrap();
        assert!(tar.success(), "{tar}");
        self
    }

    /// The directory of its server's log.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command
            .args(arguments)
            .env_clear()
            .envs(environment)
            .current_dir(self.directory.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a command that ends by itself.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        in_time(self.command(arguments).output()).await.unwrap()
    }

    /// The same with at most so many file descriptors.
    #[cfg(target_os = "linux")]
    pub(crate) async fn run_limited(&self, descriptors: u32, arguments: &[&str]) -> Output {
        let mut command = Command::new("prlimit");
        command
            .arg(format!("--nofile={descriptors}"))
            .arg(env!("CARGO_BIN_EXE_tidings"))
            .args(arguments);
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command
            .env_clear()
            .envs(environment)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        in_time(command.output()).await.unwrap()
    }

    /// The same, with something to read.
    pub(crate) async fn run_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).await.unwrap();
        in_time(child.wait_with_output()).await.unwrap()
    }

    /// The output of a command that must succeed.
    pub(crate) async fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that must fail says, and its exit code.
    pub(crate) async fn fail(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let output = self.run(arguments).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        (stderr(&output), output.status.code())
    }

    /// Publishes a notification to everybody; returns the id of its event.
    pub(crate) async fn notify(&self, title: &str) -> String {
        let answer = self
            .succeed(&[
                "publish",
                "notification",
                "--title",
                title,
                "--message",
                "m",
            ])
            .await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["eventId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments).spawn().unwrap())
    }

    /// Starts a server on a free port of the loopback and waits until its banner says where it
    /// listens.
    pub(crate) async fn serve(&self) -> Server {
        self.serve_with(&["--host", "127.0.0.1", "--drain-seconds", "0"])
            .await
    }

    /// The same with other flags.
    pub(crate) async fn serve_with(&self, flags: &[&str]) -> Server {
        let Running {
            child, mut stderr, ..
        } = self.start(&[&["serve", "--port", "0"], flags].concat());
        let address = in_time(async {
            loop {
                let line = stderr
                    .next_line()
                    .await
                    .unwrap()
                    .expect("it ended before it listened");
                if let Some(urls) = line.trim().strip_prefix("listening") {
                    let url = urls
                        .split_whitespace()
                        .next()
                        .unwrap()
                        .trim_start_matches("http://");
                    break url.split('/').next().unwrap().parse().unwrap();
                }
            }
        })
        .await;
        tokio::spawn(async move { while let Ok(Some(_)) = stderr.next_line().await {} });
        Server {
            child,
            address,
            _directory: self.directory.clone(),
        }
    }
}

impl Server {
    /// A call as an admin; its status and its JSON.
    pub(crate) async fn call(&self, method: &str, path: &str) -> (u16, Value) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: \
             0\r\nConnection: close\r\n\r\n",
            self.address,
            demo::TOKEN
        );
        let answer = in_time(async {
            let mut socket = TcpStream::connect(self.address).await.unwrap();
            socket.write_all(request.as_bytes()).await.unwrap();
            read_all(socket).await
        })
        .await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    /// Waits until so many streams are open.
    pub(crate) async fn until_open(&self, streams: u64) {
        in_time(async {
            while self.call("GET", "/system/stats").await.1["totalConnections"] != streams {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Its memory in RAM, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.split_whitespace()
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1_024
    }

    /// Waits until its memory in RAM is as wanted.
    #[cfg(target_os = "linux")]
    pub(crate) async fn until_resident(&self, is_wanted: impl Fn(u64) -> bool) {
        in_time(async {
            while !is_wanted(self.resident()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    #[cfg(unix)]
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        signal(&self.child, rustix::process::Signal::TERM);
        in_time(self.child.wait()).await.unwrap()
    }
}

impl Running {
    /// A command that was started with pipes for what it says.
    pub(crate) fn of(mut child: Child) -> Self {
        let stdout = child
            .stdout
            .take()
            .map(|stdout| BufReader::new(stdout).lines());
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self {
            child,
            stdout,
            stderr,
        }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    /// The next line of standard output.
    pub(crate) async fn line(&mut self) -> String {
        let lines = self.stdout.as_mut().unwrap();
        in_time(lines.next_line()).await.unwrap().expect("it ended")
    }

    /// The next line of standard output, which is an event as JSON of this name.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        let event: Value = serde_json::from_str(&self.line().await).unwrap();
        assert_eq!(event["event"], name, "{event}");
        event
    }

    /// The next line of standard error.
    pub(crate) async fn note(&mut self) -> String {
        in_time(self.stderr.next_line())
            .await
            .unwrap()
            .expect("it ended")
    }

    /// Reads standard error up to the line that begins so.
    pub(crate) async fn note_that(&mut self, start: &str) {
        while !self.note().await.starts_with(start) {}
    }

    /// Closes its standard output, as `head` does when it has enough.
    pub(crate) fn close_output(&mut self) {
        self.stdout = None;
    }

    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        signal(&self.child, rustix::process::Signal::INT);
    }

    /// Waits for its end. Returns how it ended, and what it said that was not yet read.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        in_time(async {
            let mut said = String::new();
            while let Some(line) = self.stderr.next_line().await.unwrap() {
                said += &line;
            }
            (self.child.wait().await.unwrap(), said)
        })
        .await
    }
}

#[cfg(unix)]
fn signal(child: &Child, signal: rustix::process::Signal) {
    let id = i32::try_from(child.id().unwrap()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
}

/// What a command said on standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn read_all(mut from: impl AsyncRead + Unpin) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).await.unwrap();
    text
}
