//! A program that ends with its test, with all the processes that it has made by then.
//!
//! Proxies have workers of their own, which outlive a master that is killed. So a shell is between,
//! the leader of a process group: when the other end of its standard input is closed, by a drop or
//! because this process was killed, it kills the group.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child as StdChild, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process};

/// Prints the program's number, and `ended` when it has ended. What the program says goes into a
/// file.
const SCRIPT: &str = r#"( sh -c 'echo $$ >&3; exec "$@" 3>&-' sh "$@" 3>&1 >>"$SAID" 2>&1 </dev/null; echo ended ) &
cat >/dev/null; kill -KILL 0"#;

pub(crate) struct Child {
    shell: StdChild,
    /// Closed to end it.
    life: Option<ChildStdin>,
    pid: Pid,
    ended: Arc<AtomicBool>,
}

/// What to run.
pub(crate) struct Launch {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

impl Launch {
    pub(crate) fn new<A: AsRef<OsStr>>(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments = arguments
            .into_iter()
            .map(|argument| argument.as_ref().to_owned())
            .collect();
        Self {
            program: program.into(),
            arguments,
            environment: Vec::new(),
        }
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }
}

impl Child {
    /// Starts it; what it says is added to the file `said`.
    pub(crate) fn start(launch: &Launch, said: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(&launch.program)
            .args(&launch.arguments)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .env("SAID", said)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let life = shell.stdin.take();
        let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines();
        let pid = lines.next().unwrap().unwrap().parse().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        std::thread::spawn({
            let ended = ended.clone();
            move || {
                lines.next();
                ended.store(true, Ordering::Release);
            }
        });
        Self {
            shell,
            life,
            pid: Pid::from_raw(pid).unwrap(),
            ended,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.life = None;
        let _ = self.shell.wait();
    }
}

/// A program that is not on everybody's path: Debian has servers in `/usr/sbin`. `variable` may
/// name it.
pub(crate) fn find(name: &str, variable: &str) -> OsString {
    if let Some(named) = std::env::var_os(variable) {
        return named;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/bin".into()]);
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()));
    found
        .unwrap_or_else(|| panic!("{name} is not there; `cargo xtask test` installs it"))
        .into()
}
