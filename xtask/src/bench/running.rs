//! A server that runs for one measurement.
//!
//! Owns its processes and its folder. Must never leave either behind, even if this program fails or
//! is interrupted.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::contender::Contender;

/// The core that only servers use, in the notation of `taskset`.
pub(super) const CORE: &str = "0";
/// The file with the output of a server.
const LOG: &str = "output.log";
const SOON: Duration = Duration::from_millis(10);
/// The time limit for starting and for stopping. A server that exceeds it hangs.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Running {
    // This field is dropped first, so the server ends before its folder is removed.
    processes: Processes,
    folder: TempDir,
    port: u16,
}

impl Running {
    /// Starts a server, and returns when it accepts connections.
    pub(super) async fn start(contender: Contender) -> Result<Self> {
        let command = |folder: &Path, port| contender.command(folder, port);
        Self::start_by(contender.title(), contender.processes(), CORE, command).await
    }

    /// Starts a server on these cores, by the command that `command` returns for a folder and a
    /// port, and returns when it accepts connections.
    pub(super) async fn start_by(
        title: &str,
        count: usize,
        cores: &str,
        command: impl FnOnce(&Path, u16) -> Result<Command>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let command = command(folder.path(), port)?;
        let processes = Processes::start(&mut pinned(cores, &command), folder.path())?;
        let mut running = Self {
            processes,
            folder,
            port,
        };
        let started = running.wait_until_ready(count).await;
        started.with_context(|| format!("{title} did not start"))?;
        Ok(running)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the ids of the server's process and of its child processes, which nginx has.
    pub(super) fn pids(&self) -> Result<Vec<u32>> {
        let own = self.processes.0.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"))?;
        Ok([own]
            .into_iter()
            .chain(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse().ok()),
            )
            .collect())
    }

    /// Waits until the server accepts connections. nginx listens before it has a process that
    /// accepts, so the processes are counted.
    async fn wait_until_ready(&mut self, processes: usize) -> Result<()> {
        let since = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err()
            || self.pids()?.len() < processes
        {
            if let Some(status) = self.processes.0.try_wait()? {
                bail!("it ended, {status}:\n{}", self.output());
            }
            if since.elapsed() > TIMEOUT {
                bail!("it accepts no connections:\n{}", self.output());
            }
            sleep(SOON).await;
        }
        Ok(())
    }

    fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default()
    }
}

/// A process and its descendants, in their own process group, so that ctrl-c reaches only this
/// program.
struct Processes(Child);

impl Processes {
    fn start(command: &mut Command, folder: &Path) -> Result<Self> {
        let log = File::create(folder.join(LOG))?;
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        Ok(Self(command.spawn().with_context(|| {
            format!("{} did not start", command.get_program().display())
        })?))
    }

    fn signal(&self, signal: Signal) {
        // Until the first process has been waited for, no other process can have its id.
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Processes {
    /// Tells all processes to stop, and waits for the first. Kills them if it hangs.
    fn drop(&mut self) {
        let mut waited = Duration::ZERO;
        self.signal(Signal::TERM);
        while matches!(self.0.try_wait(), Ok(None)) {
            if waited > TIMEOUT {
                self.signal(Signal::KILL);
                let _ = self.0.wait();
                break;
            }
            thread::sleep(SOON);
            waited += SOON;
        }
    }
}

/// Returns `command` pinned to a core. Of this program's environment it inherits only the path,
/// because a developer's settings must not affect a measurement.
pub(super) fn pinned(core: &str, command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned
        .args(["--cpu-list", core])
        .arg(command.get_program())
        .args(command.get_args());
    pinned
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    pinned.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    pinned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_a_server_ends_the_processes_that_it_started_too() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        // Both processes hold the pipe open, so reading it ends when both have ended.
        let mut command = Command::new("sh");
        command.args(["-c", "exec 3> pipe; sleep 600 & wait"]);
        let processes = Processes::start(&mut command, folder.path()).unwrap();
        let mut pipe = File::open(pipe).unwrap();
        drop(processes);
        assert_eq!(std::io::read_to_string(&mut pipe).unwrap(), "");
    }

    #[test]
    fn a_server_gets_its_own_settings_and_nobody_elses() {
        let mut command = Command::new("server");
        command.arg("--now").env("PORT", "1");
        let pinned = pinned("3", &command);
        let arguments: Vec<_> = pinned.get_args().collect();
        assert_eq!(arguments, ["--cpu-list", "3", "server", "--now"]);
        let names: Vec<_> = pinned.get_envs().map(|(name, _)| name).collect();
        assert_eq!(names, ["PATH", "PORT"]);
    }
}
