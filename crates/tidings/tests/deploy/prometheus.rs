//! Prometheus with the configuration of `deploy/compose/`: read by `promtool`, and run before a
//! server that wants the token.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{SECRET, read, root, succeed};

/// How often Prometheus is asked until it has the answer, and how many times: only so that nothing
/// hangs.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: usize = 6_000;

#[test]
#[ignore = "needs promtool: `cargo xtask test` runs it"]
fn promtool_accepts_the_configuration() {
    let folder = configuration("127.0.0.1:3000");
    let shown = succeed(
        Command::new("promtool")
            .args(["check", "config", "prometheus.yml"])
            .current_dir(&folder),
    );
    assert!(shown.contains("1 rule files found"), "{shown}");
}

#[test]
#[ignore = "needs Prometheus: `cargo xtask test` runs it"]
fn prometheus_reads_the_metrics_of_a_server_with_a_token_and_knows_the_rules() {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command
        .args([
            "serve",
            "--port",
            "0",
            "--host",
            "127.0.0.1",
            "--journal",
            "memory",
        ])
        .current_dir(&place)
        .env_clear();
    let server = Running::start(command.env("METRICS_TOKEN", SECRET), |line| {
        line.trim()
            .strip_prefix("listening")?
            .trim()
            .strip_prefix("http://")
            .map(str::to_owned)
    });

    let folder = configuration(&server.address.to_string());
    let mut command = Command::new("prometheus");
    command.args([
        "--config.file=prometheus.yml",
        "--web.listen-address=127.0.0.1:0",
        "--storage.tsdb.path=data",
    ]);
    let prometheus = Running::start(command.current_dir(&folder), |line| {
        // The port that it took is in the second of two such lines.
        let (_, address) = line
            .split_once("address=")
            .filter(|_| line.contains("istening"))?;
        Some(address.split_whitespace().next()?.to_owned())
            .filter(|address| !address.ends_with(":0"))
    });

    let until = |path: &str, is_there: &dyn Fn(&Value) -> bool| {
        let seen = (0..LOOKS).any(|_| {
            std::thread::sleep(LOOK);
            is_there(&prometheus.get(path)["data"])
        });
        assert!(seen, "{}", prometheus.get("/api/v1/targets"));
    };
    until("/api/v1/query?query=up%7Bjob%3D%22tidings%22%7D", &|data| {
        data["result"][0]["value"][1] == "1"
    });
    until("/api/v1/rules", &|data| {
        data["groups"][0]["rules"]
            .as_array()
            .is_some_and(|rules| rules.len() > 10)
    });
}

/// A folder with the configuration, as it is but for the places of a container and the time between
/// two looks.
fn configuration(target: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(
        root().join("deploy/prometheus/alerts.yml"),
        folder.path().join("alerts.yml"),
    )
    .unwrap();
    fs::write(folder.path().join("token"), SECRET).unwrap();
    let mut text = read("deploy/compose/prometheus.yml");
    for (from, to) in [
        ("/run/secrets/metrics_token", "token"),
        ("tidings:3000", target),
        ("scrape_interval: 15s", "scrape_interval: 1s"),
    ] {
        assert!(text.contains(from), "{from} is gone");
        text = text.replace(from, to);
    }
    fs::write(folder.path().join("prometheus.yml"), text).unwrap();
    folder
}

/// A program that says on standard error where it listens. Dropping it kills it.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn start(command: &mut Command, address: impl Fn(&str) -> Option<String>) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut said = String::new();
        let found = lines.by_ref().find_map(|line| {
            said.push_str(&line);
            said.push('\n');
            address(&line)
        });
        let address = found
            .unwrap_or_else(|| panic!("it does not listen: {said}"))
            .parse()
            .unwrap();
        // What nobody reads would hold it up.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// The JSON of an answer; null while it says that it is not ready, which is no JSON.
    fn get(&self, path: &str) -> Value {
        let mut socket = TcpStream::connect(self.address).unwrap();
        write!(socket, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
