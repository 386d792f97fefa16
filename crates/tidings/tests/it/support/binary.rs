//! The real binary, in an empty directory and an empty environment, with everything that it prints.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tempfile::TempDir;

/// A directory and an environment to run in.
pub(crate) struct Place {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

/// A server that runs as a process of its own. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    _directory: TempDir,
    pub(crate) addresses: Vec<SocketAddr>,
    said: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::bare().env("JOURNAL", "memory")
    }

    /// A place without the setting for the log, which is then where it is by default.
    pub(crate) fn bare() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        std::fs::write(self.directory.path().join(name), content).unwrap();
        self
    }

    /// The directory in which its commands run.
    pub(crate) fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command
            .args(arguments)
            .env_clear()
            .envs(environment)
            .current_dir(self.directory.path());
        command.stdin(Stdio::null());
        command
    }

    /// The command that starts a server here, with the change that `change` makes to the usual one;
    /// and the place, which must outlive it.
    pub(crate) fn command_in(self, change: impl FnOnce(&Command) -> Command) -> (Command, Self) {
        (change(&self.command(&[])), self)
    }

    /// Runs a command that ends by itself.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The one line with which the server refuses to start.
    #[track_caller]
    pub(crate) fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "it started");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        said.trim_end().to_owned()
    }

    /// The effective settings, as `tidings config` prints them.
    #[track_caller]
    pub(crate) fn settings(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["config"], arguments].concat());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a server, on a free port unless one is named, and waits until its banner is complete.
    pub(crate) fn start(self, arguments: &[&str]) -> Process {
        let command = self.command(arguments);
        self.start_by(command)
    }

    /// Starts a server that may have at most `descriptors` file descriptors.
    pub(crate) fn start_limited(self, arguments: &[&str], descriptors: u64) -> Process {
        self.start_behind(arguments, &format!("ulimit -n {descriptors}"))
    }

    /// Starts a server whose files may have at most `kib` KiB. Writing more fails.
    pub(crate) fn start_with_files_of_at_most(self, arguments: &[&str], kib: u64) -> Process {
        // Exceeding the limit sends a signal, which would end the process. `sh` counts blocks of
        // 512 bytes.
        self.start_behind(arguments, &format!("trap '' XFSZ && ulimit -f {}", kib * 2))
    }

    /// The one line with which a server refuses to start that may have at most `descriptors` file
    /// descriptors.
    #[track_caller]
    pub(crate) fn refused_limited(&self, descriptors: u64) -> String {
        let script = format!(r#"ulimit -n {descriptors} && exec "$0" "$@""#);
        let inner = self.command(&[]);
        let mut command = Command::new("sh");
        command
            .args(["-c", &script])
            .arg(inner.get_program())
            .env_clear();
        command.envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let output = command
            .env("PORT", "0")
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success(), "it started");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    }

    fn start_behind(self, arguments: &[&str], first: &str) -> Process {
        let inner = self.command(arguments);
        let mut command = Command::new("sh");
        command.args(["-c", &format!(r#"{first} && exec "$0" "$@""#)]);
        command
            .arg(inner.get_program())
            .args(inner.get_args())
            .env_clear();
        command.envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        command
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        self.start_by(command)
    }

    fn start_by(self, mut command: Command) -> Process {
        if self.environment.iter().all(|(name, _)| name != "PORT") {
            command.env("PORT", "0");
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (mut head, mut addresses) = (String::new(), Vec::<SocketAddr>::new());
        // The banner ends with an empty line after the one that names the address.
        loop {
            let start = head.len();
            assert!(stderr.read_line(&mut head).unwrap() > 0, "it ended: {head}");
            let line = head[start..].trim();
            if let Some(listed) = line.strip_prefix("listening") {
                let urls = listed
                    .split_whitespace()
                    .map(|url| url.trim_start_matches("http://"));
                addresses = urls
                    .map(|url| url.split('/').next().unwrap().parse().unwrap())
                    .collect();
            } else if line.is_empty() && !addresses.is_empty() {
                break;
            }
        }
        let said = Arc::new(Mutex::new(head));
        let reading = std::thread::spawn({
            let said = said.clone();
            move || {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = stderr.read(&mut bytes) {
                    said.lock()
                        .push_str(&String::from_utf8_lossy(&bytes[..length]));
                }
            }
        });
        Process {
            child,
            _directory: self.directory,
            addresses,
            said,
            reading: Some(reading),
        }
    }
}

impl Process {
    /// What the process has printed so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().clone()
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Limits its file descriptors from now on. It keeps those that it has.
    #[cfg(target_os = "linux")]
    pub(crate) fn limit_descriptors(&self, most: u64) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap();
    }

    /// Sends it a signal (`TERM`, `INT`).
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits until it ends by itself, and returns its status.
    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// Kills it, and returns everything that it printed.
    pub(crate) fn last_words(mut self) -> String {
        let _ = self.child.kill();
        if let Some(reading) = self.reading.take() {
            reading.join().unwrap();
        }
        self.said()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
