//! The image: really built, with buildah, from `deploy/Dockerfile`; looked at; and its server run
//! as Kubernetes would.
//!
//! Of the two ways to the binary, `cargo xtask test` takes the short one: `SOURCE=prebuilt` with
//! the binary of these tests, which is stripped, as it is not optimized and has all debug
//! information. `cargo xtask image` takes the other one, from the sources.

mod build;
mod container;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};

use self::build::IMAGE;
use self::container::Container;
use crate::support::{SECRET, said, succeed};

/// The promise of the issue that this came with. Not optimized and stripped, the binary of the
/// tests is larger than a released one.
const MAX_BYTES: u64 = 60 << 20;

#[test]
#[ignore = "needs root, buildah and debootstrap: `cargo xtask test` runs it"]
fn the_image_has_its_user_command_and_health_check() {
    let config = &IMAGE.config;
    assert_eq!(config["User"], "10001:10001");
    assert_eq!(config["WorkingDir"], "/etc/tidings");
    assert_eq!(config["Entrypoint"], json!(["/usr/bin/tidings"]));
    assert_eq!(config["Cmd"], json!(["serve"]));
    assert_eq!(config["StopSignal"], "SIGTERM");
    assert_eq!(config["Volumes"], json!({ "/data": {} }));
    assert_eq!(config["ExposedPorts"], json!({ "3000/tcp": {} }));
    assert_eq!(
        config["Healthcheck"]["Test"],
        json!(["CMD", "/usr/bin/tidings", "health"])
    );
    let label = |name: &str| config["Labels"][format!("org.opencontainers.image.{name}")].as_str();
    assert_eq!(label("version"), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(label("licenses"), Some("MIT"));
    assert_eq!(label("revision"), Some("of the tests"));
    let environment: Vec<_> = config["Env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| pair.as_str().unwrap().split_once('=').unwrap())
        .filter(|(name, _)| *name != "PATH")
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let secret = [("JWT_SECRET".to_owned(), SECRET.to_owned())];
    crate::names::assert_taken(&[&environment, &secret[..]].concat());
}

#[test]
#[ignore = "needs root, buildah and debootstrap: `cargo xtask test` runs it"]
fn the_image_has_what_the_binary_needs_and_nothing_else() {
    let mut bytes = 0;
    let mut found = Vec::new();
    walk(&IMAGE.root, &mut |path, metadata| {
        let name = path
            .strip_prefix(&IMAGE.root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let owner = (metadata.uid(), metadata.gid());
        let expected = if name == "data" {
            (10_001, 10_001)
        } else {
            (0, 0)
        };
        assert_eq!(owner, expected, "/{name}");
        let mode = metadata.permissions().mode();
        assert_eq!(mode & 0o6022, 0, "/{name} has a right too many: {mode:o}");
        if metadata.is_file() {
            bytes += metadata.len();
            found.push(name);
        }
    });
    assert!(bytes <= MAX_BYTES, "{bytes} bytes");
    assert_eq!(
        fs::metadata(IMAGE.root.join("data"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o750
    );

    let is_library =
        |name: &str| name.split('/').next().unwrap().starts_with("lib") && name.contains(".so");
    let (libraries, others): (Vec<_>, Vec<_>) = found
        .iter()
        .map(String::as_str)
        .partition(|name| is_library(name));
    assert!(
        libraries.len() <= 5 && libraries.iter().any(|name| name.contains("/libc.so")),
        "{libraries:?}"
    );
    assert_eq!(
        others,
        [
            "etc/group",
            "etc/hosts",
            "etc/nsswitch.conf",
            "etc/passwd",
            "etc/ssl/certs/ca-certificates.crt",
            "usr/bin/tidings",
            "usr/share/doc/ca-certificates/copyright",
            "usr/share/doc/libc6/copyright",
            "usr/share/doc/libgcc-s1/copyright",
            "usr/share/doc/tidings/LICENSE",
        ]
    );
    let authorities =
        fs::read_to_string(IMAGE.root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(authorities.matches("BEGIN CERTIFICATE").count() > 50);
}

#[test]
#[ignore = "needs root, buildah, runc and debootstrap: `cargo xtask test` runs it"]
fn the_server_in_the_image_becomes_healthy_drains_and_resumes() {
    let volume = Volume::new();
    let server = Container::start(&IMAGE, &volume.0, &[("JWT_SECRET", SECRET)]);
    server.until_it_says("listening");

    let check: Vec<_> = IMAGE.config["Healthcheck"]["Test"].as_array().unwrap()[1..]
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let healthy = server.exec(&check);
    assert!(healthy.status.success(), "{}", said(&healthy));
    let by_name = server.exec(&["/usr/bin/tidings", "health", "http://localhost:3000"]);
    assert!(by_name.status.success(), "{}", said(&by_name));
    let elsewhere = server.exec(&["/usr/bin/tidings", "health", "http://localhost:3001"]);
    assert!(
        !elsewhere.status.success(),
        "nothing listens there: {}",
        said(&elsewhere)
    );

    let of_process = server.status();
    for (name, value) in [
        ("Uid", "10001\t10001\t10001\t10001"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("NoNewPrivs", "1"),
    ] {
        assert!(
            of_process.contains(&format!("{name}:\t{value}\n")),
            "{name}: {of_process}"
        );
    }
    assert!(server.root_is_read_only());

    let token = token();
    let mut reader = Reader::start(&server, &token);
    publish(&server, &token, "first");
    assert_eq!(reader.title(), "first");
    publish(&server, &token, "second");
    assert_eq!(reader.title(), "second");

    // As `docker stop` does, and the kubelet: nothing is left of the defaults in how it ends.
    server.signal("TERM");
    assert_eq!(server.end(), Some(0));
    drop(reader);

    let verify = Container::run(&IMAGE, &volume.0, &[], &["journal", "verify"]);
    verify.until_it_says("none damaged");
    assert_eq!(verify.end(), Some(0));

    let server = Container::start(&IMAGE, &volume.0, &[("JWT_SECRET", SECRET)]);
    let mut reader = Reader::start(&server, &token);
    assert_eq!([reader.title(), reader.title()], ["first", "second"]);
}

#[test]
#[ignore = "needs root, buildah, runc and debootstrap: `cargo xtask test` runs it"]
fn without_a_secret_the_container_says_what_is_missing() {
    let volume = Volume::new();
    let server = Container::start(&IMAGE, &volume.0, &[]);
    server.until_it_says("JWT_SECRET");
    assert_eq!(server.end(), Some(1));
}

#[test]
#[ignore = "needs root, buildah, runc and debootstrap: `cargo xtask test` runs it"]
fn an_unwritable_volume_is_named_in_the_error() {
    let volume = Volume::new();
    std::os::unix::fs::chown(&volume.0, Some(0), Some(0)).unwrap();
    let server = Container::start(&IMAGE, &volume.0, &[("JWT_SECRET", SECRET)]);
    server.until_it_says("/data/journal");
    assert_ne!(server.end(), Some(0));
}

/// A folder that stands for a volume.
struct Volume(
    PathBuf,
    #[expect(dead_code, reason = "removed when dropped")] tempfile::TempDir,
);

impl Volume {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The folder of a TempDir is its maker's alone; the path to a volume is everybody's.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join("data");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        std::os::unix::fs::chown(&path, Some(10_001), Some(10_001)).unwrap();
        Self(path, folder)
    }
}

/// `tidings tail` from the first event on, outside of the container.
struct Reader {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Reader {
    fn start(server: &Container, token: &str) -> Self {
        let mut command = server.outside(env!("CARGO_BIN_EXE_tidings"));
        command.args([
            "tail",
            "/notifications/stream",
            "--after",
            "earliest",
            "--json",
        ]);
        command
            .env("TIDINGS_TOKEN", token)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// That of the next notification.
    fn title(&mut self) -> String {
        loop {
            let event: Value = serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap();
            if event["event"] == "notification" {
                return event["data"]["title"].as_str().unwrap().to_owned();
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn publish(server: &Container, token: &str, title: &str) {
    let mut command = server.outside(env!("CARGO_BIN_EXE_tidings"));
    command.args([
        "publish",
        "notification",
        "--title",
        title,
        "--message",
        "m",
    ]);
    succeed(command.env("TIDINGS_TOKEN", token));
}

fn token() -> String {
    let empty = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidings"));
    command
        .args(["token", "--sub", "ann", "--role", "admin"])
        .current_dir(&empty)
        .env_clear();
    succeed(command.env("JWT_SECRET", SECRET))
}

/// Everything below a folder.
fn walk(folder: &Path, look: &mut dyn FnMut(&Path, &fs::Metadata)) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let metadata = fs::symlink_metadata(&path).unwrap();
        look(&path, &metadata);
        if metadata.is_dir() {
            walk(&path, look);
        }
    }
}

/// That the tests are of this crate's image, not of one that was left over.
#[test]
#[ignore = "needs root, buildah and debootstrap: `cargo xtask test` runs it"]
fn the_image_contains_the_binary_of_this_commit() {
    let volume = Volume::new();
    let server = Container::start(&IMAGE, &volume.0, &[("JWT_SECRET", SECRET)]);
    server.until_it_says("listening");
    let version = server.exec(&["/usr/bin/tidings", "--version"]);
    assert!(
        said(&version).contains(env!("CARGO_PKG_VERSION")),
        "{}",
        said(&version)
    );
}
