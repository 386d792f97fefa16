//! A container as Kubernetes makes one of the image: its root read-only, its user without any
//! capability, a network of its own.
//!
//! By runc, as `buildah run` has no read-only root. What it runs is read off the image. Nobody but
//! the tests reaches its network, in which the server listens where it does by itself.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::build::Image;
use crate::support::{said, succeed};

/// How often a container is looked at until it is as it must be, and how many times: only so that
/// nothing hangs.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 30_000;

pub(crate) struct Container {
    id: String,
    /// The bundle, what runc remembers, and what the server says.
    folder: TempDir,
    /// runc, which ends as the server does.
    runc: RefCell<Child>,
}

impl Container {
    /// Starts the image's program with a folder for its volume, as the image says, with these
    /// variables beside its own.
    pub(crate) fn start(image: &Image, volume: &Path, environment: &[(&str, &str)]) -> Self {
        let arguments: Vec<_> = strings(&image.config["Cmd"]).collect();
        Self::run(image, volume, environment, &arguments)
    }

    /// Another command of its program.
    pub(crate) fn run(
        image: &Image,
        volume: &Path,
        environment: &[(&str, &str)],
        arguments: &[&str],
    ) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().unwrap();
        let id = format!(
            "tidings-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let bundle = bundle(image, volume, environment, arguments);
        fs::write(
            folder.path().join("config.json"),
            serde_json::to_vec(&bundle).unwrap(),
        )
        .unwrap();
        let said = fs::File::create(folder.path().join("said")).unwrap();
        let mut command = runc(&folder);
        command
            .arg("run")
            .arg("--bundle")
            .arg(folder.path())
            .arg(&id);
        command
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said);
        let runc = RefCell::new(command.spawn().unwrap());
        Self { id, folder, runc }
    }

    fn runc(&self) -> Command {
        runc(&self.folder)
    }

    /// All that the server has said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap()
    }

    /// Waits until the server has said this.
    #[track_caller]
    pub(crate) fn until_it_says(&self, words: &str) {
        self.until(|| self.said().contains(words).then_some(()), words);
    }

    /// Looks until there is something to be seen. In vain once the container has ended.
    #[track_caller]
    fn until<T>(&self, look: impl Fn() -> Option<T>, what: &str) -> T {
        for _ in 0..LOOKS {
            let ended = self.ended();
            if let Some(found) = look() {
                return found;
            }
            if let Some(status) = ended {
                panic!("it ended before {what}: {status}");
            }
            std::thread::sleep(LOOK);
        }
        panic!("in vain: {what}")
    }

    fn ended(&self) -> Option<ExitStatus> {
        self.runc.borrow_mut().try_wait().unwrap()
    }

    /// Runs a program inside, as its health check is.
    pub(crate) fn exec(&self, arguments: &[&str]) -> Output {
        self.runc()
            .args(["exec", &self.id])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// A program of this machine, in the network of the container.
    pub(crate) fn outside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.process()))
            .arg(program);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("TIDINGS_URL", "http://127.0.0.1:3000");
        command
    }

    /// What the system says of its process.
    pub(crate) fn status(&self) -> String {
        fs::read_to_string(format!("/proc/{}/status", self.process())).unwrap()
    }

    pub(crate) fn root_is_read_only(&self) -> bool {
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", self.process())).unwrap();
        let root = mounts
            .lines()
            .find(|line| line.split(' ').nth(4) == Some("/"))
            .unwrap();
        root.split(' ')
            .nth(5)
            .unwrap()
            .split(',')
            .any(|option| option == "ro")
    }

    /// The number of the server's process here; inside it is 1. Waits until it is there.
    fn process(&self) -> u64 {
        let running = || {
            let state = self.runc().args(["state", &self.id]).output().unwrap();
            let state: Value = serde_json::from_slice(&state.stdout).unwrap_or_default();
            (state["status"] == "running").then(|| state["pid"].as_u64().unwrap())
        };
        self.until(running, "it runs")
    }

    pub(crate) fn signal(&self, name: &str) {
        succeed(self.runc().args(["kill", &self.id, name]));
    }

    /// Waits for the end of its server by itself; its exit code.
    pub(crate) fn end(self) -> Option<i32> {
        for _ in 0..LOOKS {
            if let Some(status) = self.ended() {
                return status.code();
            }
            std::thread::sleep(LOOK);
        }
        panic!("it does not end")
    }
}

impl Drop for Container {
    #[expect(
        clippy::print_stderr,
        reason = "a test that fails shows what its server said"
    )]
    fn drop(&mut self) {
        // It may not be there yet.
        let mut deleted = self.runc().args(["delete", "--force", &self.id]).output();
        while self.ended().is_none() {
            std::thread::sleep(LOOK);
            deleted = self.runc().args(["delete", "--force", &self.id]).output();
        }
        if std::thread::panicking() {
            eprintln!(
                "the server said: {}\n{}",
                self.said(),
                deleted.map(|output| said(&output)).unwrap_or_default()
            );
        }
    }
}

fn runc(folder: &TempDir) -> Command {
    let mut command = Command::new("runc");
    command.arg("--root").arg(folder.path().join("state"));
    command
}

/// What runc is told.
fn bundle(image: &Image, volume: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Value {
    let config = &image.config;
    let (user, group) = config["User"].as_str().unwrap().split_once(':').unwrap();
    let [user, group] = [user, group].map(|number| number.parse::<u32>().unwrap());
    let arguments: Vec<_> = strings(&config["Entrypoint"])
        .chain(arguments.iter().copied())
        .collect();
    let mut variables = config["Env"].as_array().unwrap().clone();
    variables.extend(
        environment
            .iter()
            .map(|(name, value)| json!(format!("{name}={value}"))),
    );
    let none = json!([]);
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": user, "gid": group },
            "args": arguments,
            "env": variables,
            "cwd": config["WorkingDir"],
            "noNewPrivileges": true,
            "capabilities": {
                "bounding": none, "effective": none, "inheritable": none, "permitted": none, "ambient": none,
            },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 4096, "hard": 4096 }],
        },
        "root": { "path": image.root, "readonly": true },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"] },
            { "destination": "/data", "type": "bind", "source": volume, "options": ["rbind", "rw"] },
        ],
        "linux": {
            "namespaces": [
                { "type": "pid" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" }, { "type": "network" },
            ],
        },
    })
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_str().unwrap())
}
