//! A separate Debian with systemd as its first process, in namespaces of the host. It has no
//! network except its own loopback, and none of its file system remains.
//!
//! Owns the base, which `debootstrap` installs once, in `<target>/debian/base`, and the layer above
//! it, which is in memory. It ends, with all of its processes, when it is dropped.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::clients::Stamp;
use crate::{image, process, requirements};

/// The packages that are installed in addition to the minimum.
const PACKAGES: &str = "adduser,systemd,systemd-sysv,dbus";

/// Enters new control groups, which the machine will see as the root of all groups, and makes the
/// namespaces. A hierarchy that permits no process (`cpuset` before its processors are set) is left
/// out.
const ENTER: &str = r#"
while IFS=: read -r _ names path; do
    case $names in
        '') mounted=/sys/fs/cgroup/unified; test -d $mounted || mounted=/sys/fs/cgroup ;;
        *) mounted=/sys/fs/cgroup/${names#name=} ;;
    esac
    group=$mounted$path/tidings-trial-$$
    if mkdir "$group" && ! echo $$ >"$group/cgroup.procs"; then
        rmdir "$group"
    fi
done 2>/dev/null </proc/self/cgroup
exec unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child -- sh -c "$@"
"#;

/// Removes the control groups as soon as they are empty.
const LEAVE: &str = r#"
for _ in $(seq 100); do
    find /sys/fs/cgroup -depth -type d -path "*/tidings-trial-$1*" -exec rmdir {} + 2>/dev/null
    test -z "$(find /sys/fs/cgroup -type d -name "tidings-trial-$1")" && break
    sleep 0.1
done
"#;

/// Prepares the root file system and becomes its first process.
const BOOT: &str = r#"
set -e
base=$1 top=$2
mount -t tmpfs tmpfs "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$top/upper,workdir=$top/work" "$top/root"
cd "$top/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs tmpfs run
hostname tidings-trial
# Not only chroot: a process whose root is not that of its namespace may make no namespace of users.
pivot_root . mnt
exec chroot . sh -c 'umount --lazy /mnt
exec env -i container=tidings PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --show-status=false'
"#;

/// The time limit of the machine's start.
const TIMEOUT: Duration = Duration::from_mins(5);

pub(super) struct Machine {
    /// The program `unshare`, which waits for the first process. That process dies with it.
    unshare: Child,
    first: u32,
    _top: tempfile::TempDir,
}

/// A command that runs in the background.
pub(super) struct Running(Child);

impl Machine {
    pub(super) fn boot() -> Result<Self> {
        ensure!(
            cfg!(target_os = "linux") && rustix::process::geteuid().is_root(),
            "a machine of its own needs Linux, and root"
        );
        requirements::ensure(&[requirements::DEBOOTSTRAP])?;
        let (base, top) = (base()?, tempfile::tempdir()?);
        let mut command = Command::new("sh");
        command
            .args(["-c", ENTER, "sh", BOOT, "sh"])
            .arg(&base)
            .arg(top.path())
            .stdin(Stdio::null());
        let mut unshare = command.spawn().context("sh did not start")?;
        let first = first_child(&mut unshare)?;
        let machine = Self {
            unshare,
            first,
            _top: top,
        };
        machine.until_booted()?;
        Ok(machine)
    }

    /// Runs a line of bash as root, and returns its output.
    ///
    /// # Errors
    /// Returns the line and its error output if it fails.
    pub(super) fn run(&self, line: &str) -> Result<String> {
        process::ask(&mut self.command(line))
    }

    /// Starts a line of bash as root, without waiting for its end.
    pub(super) fn begin(&self, line: &str) -> Result<Running> {
        Ok(Running(self.command(line).stdin(Stdio::null()).spawn()?))
    }

    /// Copies a file into the machine.
    pub(super) fn put(&self, from: &Path, to: &str) -> Result<()> {
        self.write(&fs::read(from)?, to)
    }

    /// Writes a file in the machine.
    pub(super) fn write(&self, content: &[u8], to: &str) -> Result<()> {
        let mut writing = self
            .command(&format!("cat >{to}"))
            .stdin(Stdio::piped())
            .spawn()?;
        writing
            .stdin
            .take()
            .context("there is an input")?
            .write_all(content)?;
        ensure!(writing.wait()?.success(), "{to} was not written");
        Ok(())
    }

    /// Returns the latest log messages of its systemd and the server.
    pub(super) fn log(&self) -> String {
        self.run("journalctl --no-pager --lines 40")
            .unwrap_or_else(|error| error.to_string())
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.first));
        command.args([
            "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--",
        ]);
        command.args([
            "env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "bash",
            "-c",
            line,
        ]);
        command
    }

    fn until_booted(&self) -> Result<()> {
        let begun = tokio::time::Instant::now();
        loop {
            // `degraded` means that some units have failed. A machine without devices can do
            // without them.
            let state = self
                .run("systemctl is-system-running || true")
                .unwrap_or_default();
            if matches!(state.as_str(), "running" | "degraded") {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < TIMEOUT,
                "its systemd did not start: {state}"
            );
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its first process dies with `unshare`, and all other processes die with the first.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        let _ = process::ask(Command::new("sh").args([
            "-c",
            LEAVE,
            "sh",
            &self.unshare.id().to_string(),
        ]));
    }
}

impl Running {
    /// Waits for the command, and returns whether it succeeded.
    pub(super) fn wait(mut self) -> Result<bool> {
        Ok(self.0.wait()?.success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the host's id of the process that `unshare` has forked into a new namespace.
fn first_child(unshare: &mut Child) -> Result<u32> {
    let path = format!("/proc/{0}/task/{0}/children", unshare.id());
    let begun = tokio::time::Instant::now();
    let ours = fs::read_link("/proc/self/ns/pid")?;
    // Processes that the shell started earlier are in the host's namespace.
    let is_first = |child: &&str| {
        fs::read_link(format!("/proc/{child}/ns/pid")).is_ok_and(|namespace| namespace != ours)
    };
    loop {
        let children = fs::read_to_string(&path).unwrap_or_default();
        if let Some(first) = children.split_whitespace().find(is_first) {
            return Ok(first.parse()?);
        }
        ensure!(
            unshare.try_wait()?.is_none() && begun.elapsed() < TIMEOUT,
            "unshare started nothing"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the base system, which is installed first if there is none yet.
fn base() -> Result<PathBuf> {
    let folder = process::target()?.join("debian").join("base");
    // It has the release of the host, because the binary is linked to the host's libraries.
    let (mirror, release) = image::mirror()?;
    let mut stamp = Stamp::new(&folder);
    stamp.add(&release);
    stamp.add(PACKAGES);
    if !stamp.is_current() {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let mut command = Command::new("debootstrap");
        command
            .args([
                "--variant=minbase",
                &format!("--include={PACKAGES}"),
                &release,
            ])
            .arg(&folder)
            .arg(mirror);
        command.env("PATH", image::with_system_programs()?);
        process::run(&mut command)?;
        stamp.write()?;
    }
    Ok(folder)
}
