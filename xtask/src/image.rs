//! What the tests of the image need, and `cargo xtask image`, which makes it from the sources.
//!
//! Owns `<target>/containers`: a Debian as small as it gets, and a storage of images in which it
//! stands for those that a registry would have, under the very names that `deploy/Dockerfile` asks
//! for. No registry of images is ever asked: the packages come from the mirror that the machine's
//! `apt-get` uses, the toolchain is the one that runs this, and the crates are those that are
//! locked. All of it takes root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::clients::{self, Stamp};
use crate::{process, requirements};

/// Tells the tests where the folder is.
pub(crate) const VARIABLE: &str = "TIDINGS_IMAGE";

/// What the tests of the image are called by, where they can't run.
pub(crate) const TESTS: &str = "image::";

/// In the storage, between two steps.
const CONTAINER: &str = "base";

/// Where the image can be built: as root, on Debian and what is made of it.
///
/// # Errors
/// What is missing here.
pub(crate) fn possible() -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "it takes Linux");
    ensure!(rustix::process::geteuid().is_root(), "it takes root");
    process::ask(Command::new("apt-get").arg("--version"))
        .context("it takes Debian or Ubuntu")
        .map(drop)
}

/// What stands for the image in which a prebuilt binary is collected.
pub(crate) fn provision() -> Result<PathBuf> {
    possible()?;
    requirements::ensure(&requirements::IMAGE)?;
    let storage = Storage::open()?;
    let tree = storage.tree()?;
    storage.provide("DEBIAN", &tree.content, |storage| {
        storage.buildah(&["from", "--name", CONTAINER, "scratch"])?;
        storage.buildah(&["add", "--quiet", CONTAINER, &tree.archive, "/"])
    })?;
    Ok(storage.folder)
}

/// Builds the image from the sources, as `docker build` would, and runs its tests against it.
pub(crate) fn run() -> Result<()> {
    let folder = provision()?;
    let storage = Storage::open()?;
    let debian = name_of("DEBIAN")?;
    let compiler = process::ask(
        Command::new("rustc")
            .arg("-vV")
            .current_dir(process::root()?),
    )?;
    let locked = fs::read_to_string(process::root()?.join("Cargo.lock"))?;
    let content = [&debian, &compiler, &locked, include_str!("image.rs")].join("\n");
    storage.provide("RUST", &content, |storage| storage.toolchain(&debian))?;
    let clients = clients::provision()?;
    let mut command = process::cargo("test")?;
    command.args([
        "--package",
        "tidings",
        "--test",
        "deploy",
        "--locked",
        "--",
        "--include-ignored",
        "--nocapture",
        TESTS,
    ]);
    clients
        .announce(&mut command)?
        .env(VARIABLE, folder)
        .env("TIDINGS_IMAGE_FROM", "sources");
    process::run(&mut command)
}

/// A storage of images of our own, so that nothing is left in the system's.
struct Storage {
    folder: PathBuf,
}

/// A root file system with the packages that each Debian has and the certificate authorities.
struct Tree {
    archive: String,
    /// What it was made from.
    content: String,
}

impl Storage {
    fn open() -> Result<Self> {
        let folder = process::target()?.join("containers");
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("buildah");
        command
            .args(["--storage-driver", "vfs", "--root"])
            .arg(self.folder.join("storage"));
        command.arg("--runroot").arg(self.folder.join("run"));
        command
    }

    fn buildah(&self, arguments: &[&str]) -> Result<()> {
        process::run(self.command().args(arguments))
    }

    /// An image under the name that the Dockerfile has for it, made by `steps` in [`CONTAINER`],
    /// unless one is there that was made from the same.
    fn provide(
        &self,
        argument: &str,
        content: &str,
        steps: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<()> {
        let name = name_of(argument)?;
        let mut stamp = Stamp::new(&self.sub(argument)?);
        stamp.add(&name);
        stamp.add(content);
        let is_there =
            process::ask(self.command().args(["inspect", "--type", "image", &name])).is_ok();
        if is_there && stamp.is_current() {
            return Ok(());
        }
        // What a run that was ended has left.
        let _ = process::ask(self.command().args(["rm", CONTAINER]));
        steps(self)?;
        self.buildah(&["commit", "--quiet", "--rm", CONTAINER, &name])?;
        Ok(stamp.write()?)
    }

    fn sub(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name.to_lowercase());
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Bootstraps it once. The release is the machine's own, as the binary of the tests is linked
    /// to its libraries.
    fn tree(&self) -> Result<Tree> {
        const PACKAGES: &str = "--include=ca-certificates";
        let (mirror, release) = mirror()?;
        let folder = self.sub("tree")?;
        let content = format!("{mirror} {release} {PACKAGES}");
        let archive = folder.join("root.tar");
        let mut stamp = Stamp::new(&folder);
        stamp.add(&content);
        if !(stamp.is_current() && archive.is_file()) {
            let root = folder.join("root");
            if root.exists() {
                fs::remove_dir_all(&root)?;
            }
            let mut debootstrap = Command::new("debootstrap");
            debootstrap
                .args(["--variant=minbase", PACKAGES, &release])
                .arg(&root)
                .arg(&mirror);
            process::run(debootstrap.env("PATH", with_system_programs()?))?;
            for superfluous in [
                "var/cache/apt",
                "var/lib/apt/lists",
                "usr/share/locale",
                "usr/share/man",
            ] {
                fs::remove_dir_all(root.join(superfluous)).or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })?;
            }
            fs::create_dir_all(root.join("var/cache/apt/archives/partial"))?;
            process::run(
                Command::new("tar")
                    .arg("--create")
                    .arg("--file")
                    .arg(&archive)
                    .arg("--directory")
                    .arg(&root)
                    .arg("."),
            )?;
            fs::remove_dir_all(&root)?;
            stamp.write()?;
        }
        let archive = archive
            .to_str()
            .context("the target directory has a name that is not UTF-8")?
            .to_owned();
        Ok(Tree { archive, content })
    }

    /// What the official image of Rust has: this toolchain, and what it needs for linking and for
    /// C; and, as whoever builds here may reach no registry, every crate that is locked.
    fn toolchain(&self, debian: &str) -> Result<()> {
        const CARGO_HOME: &str = "/usr/local/cargo";
        const SOURCES: &str = "[source.crates-io]\nreplace-with = \"vendored\"\n\n\
                               [source.vendored]\ndirectory = \"/usr/local/crates\"\n";
        let crates = self.sub("crates")?;
        process::ask(
            process::cargo("vendor")?
                .args(["--locked", "--quiet", "--versioned-dirs"])
                .arg(&crates),
        )?;
        let sources = self.sub("rust")?.join("config.toml");
        fs::write(&sources, SOURCES)?;
        let sysroot = process::ask(
            Command::new("rustc")
                .args(["--print", "sysroot"])
                .current_dir(process::root()?),
        )?;

        self.buildah(&["from", "--pull-never", "--name", CONTAINER, debian])?;
        let install =
            "apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev";
        self.buildah(&[
            "run",
            "--isolation",
            "chroot",
            CONTAINER,
            "--",
            "sh",
            "-c",
            install,
        ])?;
        for (from, to) in [
            (Path::new(&sysroot).join("lib"), "/usr/local/lib"),
            (Path::new(&sysroot).join("bin"), "/usr/local/bin"),
            (crates, "/usr/local/crates"),
            (sources, "/usr/local/cargo/config.toml"),
        ] {
            let from = from.to_str().context("a name that is not UTF-8")?;
            self.buildah(&["copy", "--quiet", CONTAINER, from, to])?;
        }
        self.buildah(&[
            "config",
            "--env",
            &format!("CARGO_HOME={CARGO_HOME}"),
            "--env",
            "CARGO_NET_OFFLINE=true",
            CONTAINER,
        ])
    }
}

/// What the Dockerfile calls the image of one of its arguments.
fn name_of(argument: &str) -> Result<String> {
    let file = fs::read_to_string(process::root()?.join("deploy").join("Dockerfile"))?;
    let start = format!("ARG {argument}=");
    let name = file.lines().find_map(|line| line.strip_prefix(&start));
    name.map(str::to_owned)
        .with_context(|| format!("deploy/Dockerfile has no {start}"))
}

/// From where this machine has its packages, and of which release they are.
pub(crate) fn mirror() -> Result<(String, String)> {
    let system =
        fs::read_to_string("/etc/os-release").context("which system this is, is unknown")?;
    let release = system
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let release = release
        .context("/etc/os-release has no VERSION_CODENAME")?
        .trim_matches('"');
    let listed = process::ask(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(RELEASE) $(COMPONENT) $(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    let start = format!("{release} main ");
    match listed.lines().find_map(|line| line.strip_prefix(&start)) {
        Some(mirror) => Ok((mirror.trim_end_matches('/').to_owned(), release.to_owned())),
        None => bail!("apt-get knows no source of {release} main"),
    }
}

/// `debootstrap` calls programs that are on root's path alone.
pub(crate) fn with_system_programs() -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    Ok(std::env::join_paths(
        std::env::split_paths(&path).chain(system),
    )?)
}
