//! Builds the image, once for all tests, in a storage of its own below `target/`.
//!
//! `cargo xtask` has put there what stands for the images that a registry would have, under the
//! names that the Dockerfile asks for, and names the folder in `TIDINGS_IMAGE`.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::support::{root, succeed};

const NAME: &str = "localhost/tidings:test";
const CONTAINER: &str = "tidings-under-test";

pub(crate) static IMAGE: LazyLock<Image> = LazyLock::new(Image::build);

pub(crate) struct Image {
    /// What it says of itself.
    pub(crate) config: Value,
    /// Its files.
    pub(crate) root: PathBuf,
    /// Held until this program ends: the storage has one image under test, and one container of it.
    _lock: File,
}

impl Image {
    fn build() -> Self {
        let lock = File::create(folder().join("lock")).unwrap();
        lock.lock().unwrap();
        let from_sources = env::var_os("TIDINGS_IMAGE_FROM").is_some_and(|from| from == "sources");
        let context = tempfile::tempdir().unwrap();
        let mut command = buildah("bud");
        // Docker's format, as OCI's has no health check.
        command.args([
            "--isolation",
            "chroot",
            "--pull-never",
            "--format",
            "docker",
            "--tag",
            NAME,
        ]);
        command.args(["--build-arg", "REVISION=of the tests"]);
        command.arg("--file").arg(root().join("deploy/Dockerfile"));
        if from_sources {
            command.args(["--layers=false"]).arg(root());
        } else {
            prebuilt(context.path());
            command
                .args(["--build-arg", "SOURCE=prebuilt"])
                .arg(context.path());
        }
        succeed(&mut command);

        // The last run has left its container, and its image, which has no name any more.
        let _ = buildah("rm").arg(CONTAINER).output();
        let _ = buildah("rmi").arg("--prune").output();
        succeed(buildah("from").args(["--pull-never", "--name", CONTAINER, NAME]));
        let files = succeed(buildah("mount").arg(CONTAINER));
        let inspected: Value =
            serde_json::from_str(&succeed(buildah("inspect").args(["--type", "image", NAME])))
                .unwrap();
        Self {
            config: inspected["Docker"]["config"].clone(),
            root: files.into(),
            _lock: lock,
        }
    }
}

/// What the Dockerfile takes of the repository when the binary is there already.
fn prebuilt(context: &Path) {
    let architecture = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let folder = context.join("target/image").join(architecture);
    fs::create_dir_all(&folder).unwrap();
    let binary = folder.join("tidings");
    fs::copy(env!("CARGO_BIN_EXE_tidings"), &binary).unwrap();
    succeed(Command::new("strip").arg(&binary));
    for name in ["LICENSE", ".dockerignore"] {
        fs::copy(root().join(name), context.join(name)).unwrap();
    }
}

fn folder() -> PathBuf {
    env::var_os("TIDINGS_IMAGE")
        .expect("TIDINGS_IMAGE is set by `cargo xtask test`, as root")
        .into()
}

fn buildah(subcommand: &str) -> Command {
    let folder = folder();
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    let mut command = Command::new("buildah");
    command
        .args(["--storage-driver", "vfs", "--root"])
        .arg(folder.join("storage"));
    // It keeps caches of builds there, too.
    command
        .arg("--runroot")
        .arg(folder.join("run"))
        .arg(subcommand)
        .env("TMPDIR", temporary);
    command
}
