//! `cargo xtask proxies`: runs every test of the configurations in `deploy/proxies`. Also
//! determines which proxies are on this machine, for `cargo xtask test`, which runs the faster
//! ones.
//!
//! Owns how the proxies are installed, and `docs/measurements/proxies.md`, which contains the date
//! of the last full run. A proxy that can't be installed does not end the run: its tests are left
//! out, and it is named at the end. Must never leave out a proxy without a message.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value};

use crate::clients::{self, Clients, Stamp};
use crate::{bench, process, python, requirements};

/// A part of the path of each test that `cargo xtask test` leaves to this command.
pub(crate) const IN_FULL: &str = "in_full::";

/// The document with the results.
const RECORD: &str = "docs/measurements/proxies.md";

/// Runs every test of the proxies, and records the run if all proxies are present.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Arguments for the test program, such as a part of a test's name. With them nothing is
    /// recorded.
    #[arg(last = true)]
    tests: Vec<OsString>,
}

/// A proxy, and how it is installed.
struct Proxy {
    /// The last part of the tests' names.
    name: &'static str,
    program: &'static str,
    /// The argument by which it prints its version.
    version: &'static str,
    from: From,
}

enum From {
    /// A Debian package.
    Debian(&'static str),
    /// A Python package in `clients/proxies/requirements.txt`. The tests find the program by this
    /// variable.
    Python(&'static str),
}

const ALL: [Proxy; 6] = [
    Proxy {
        name: "nginx",
        program: "nginx",
        version: "-v",
        from: From::Debian("nginx"),
    },
    // This package has no service that starts a server.
    Proxy {
        name: "apache",
        program: "apache2",
        version: "-v",
        from: From::Debian("apache2-bin"),
    },
    Proxy {
        name: "caddy",
        program: "caddy",
        version: "version",
        from: From::Debian("caddy"),
    },
    Proxy {
        name: "haproxy",
        program: "haproxy",
        version: "-v",
        from: From::Debian("haproxy"),
    },
    Proxy {
        name: "traefik",
        program: "traefik",
        version: "version",
        from: From::Python("TIDINGS_TRAEFIK"),
    },
    Proxy {
        name: "envoy",
        program: "envoy",
        version: "--version",
        from: From::Python("TIDINGS_ENVOY"),
    },
];

/// The proxies that are present, with their versions, and those that are not, with the reason.
pub(crate) struct Proxies {
    here: Vec<(&'static str, String)>,
    absent: Vec<(&'static str, String)>,
}

impl Proxy {
    fn path(&self) -> Result<PathBuf> {
        Ok(match self.from {
            From::Python(_) => folder()?.join("bin").join(self.program),
            // Debian installs servers in a folder that is not in every user's path.
            From::Debian(_) => {
                let path = env::var_os("PATH").unwrap_or_default();
                let mut folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
                let found = folders.find_map(|folder| {
                    Some(folder.join(self.program)).filter(|file| file.is_file())
                });
                found.with_context(|| format!("{} is on no path", self.program))?
            }
        })
    }

    /// Returns the version that the program prints.
    fn describe(&self) -> Result<String> {
        let output = Command::new(self.path()?).arg(self.version).output()?;
        ensure!(
            output.status.success(),
            "`{} {}` failed: {}",
            self.program,
            self.version,
            output.status
        );
        // nginx prints it on standard error.
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let number =
            |word: &&str| word.contains('.') && word.chars().any(|letter| letter.is_ascii_digit());
        let words = said.split(|letter: char| letter.is_whitespace() || letter == '/');
        Ok(words
            .map(|word| word.trim_start_matches('v'))
            .find(number)
            .unwrap_or("of an unknown version")
            .to_owned())
    }

    fn install(&self) -> Result<()> {
        match self.from {
            From::Debian(package) => requirements::install(package),
            From::Python(_) => install_package(self.name),
        }
    }
}

fn folder() -> Result<PathBuf> {
    Ok(process::target()?.join("clients").join("proxies"))
}

/// Installs the package whose line in `requirements.txt` begins with `name`.
fn install_package(name: &str) -> Result<()> {
    let requirements = process::root()?
        .join("clients")
        .join("proxies")
        .join("requirements.txt");
    let requirements = fs::read_to_string(&requirements)?;
    let line = requirements
        .lines()
        .find(|line| line.starts_with(name))
        .context("no line of requirements.txt")?;
    let folder = folder()?;
    if !folder.join("bin").join("python").exists() {
        process::run(
            Command::new(python::find()?)
                .args(["-m", "venv"])
                .arg(&folder),
        )?;
    }
    process::run(Command::new(folder.join("bin").join("python")).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--no-deps",
        line,
    ]))
}

/// Installs the missing proxies, as far as possible.
pub(crate) fn provision() -> Result<Proxies> {
    let mut proxies = Proxies {
        here: Vec::new(),
        absent: Vec::new(),
    };
    if !cfg!(target_os = "linux") {
        proxies.absent.extend(
            ALL.iter()
                .map(|proxy| (proxy.name, "these tests need Linux".to_owned())),
        );
        return Ok(proxies);
    }
    let mut stamp = Stamp::new(&folder()?);
    stamp.add(&fs::read_to_string(
        process::root()?.join("clients/proxies/requirements.txt"),
    )?);
    let pinned = stamp.is_current();
    for proxy in &ALL {
        let fits = pinned || matches!(proxy.from, From::Debian(_));
        if !(fits && proxy.describe().is_ok())
            && let Err(error) = proxy.install()
        {
            proxies.absent.push((proxy.name, format!("{error:#}")));
            continue;
        }
        match proxy.describe() {
            Ok(version) => proxies.here.push((proxy.name, version)),
            Err(error) => proxies.absent.push((proxy.name, format!("{error:#}"))),
        }
    }
    if folder()?.is_dir() && proxies.absent.is_empty() {
        stamp.write()?;
    }
    Ok(proxies)
}

/// Sets the variables by which the tests find the programs.
pub(crate) fn announce(command: &mut Command) -> Result<&mut Command> {
    for proxy in &ALL {
        if let From::Python(variable) = proxy.from {
            command.env(variable, proxy.path()?);
        }
    }
    Ok(command)
}

impl Proxies {
    /// Returns the arguments by which a test program skips the tests of absent proxies.
    pub(crate) fn skips(&self) -> Vec<String> {
        self.absent
            .iter()
            .flat_map(|(name, _)| ["--skip".to_owned(), format!("::{name}")])
            .collect()
    }

    /// Prints the absent proxies.
    pub(crate) fn tell(&self) {
        for (name, why) in &self.absent {
            let why = why.lines().next_back().unwrap_or_default();
            eprintln!(
                "NOT RUN: the tests of deploy/proxies with {name}, which is not on this machine: \
                 {why}"
            );
        }
    }
}

/// Returns when all tests were last run, according to the document.
pub(crate) fn last_run() -> Result<String> {
    let record = fs::read_to_string(process::root()?.join(RECORD)).unwrap_or_default();
    let line = record
        .lines()
        .find(|line| line.starts_with("Last run in full"));
    Ok(line.unwrap_or("Never run in full.").to_owned())
}

pub(crate) fn run(options: &Options) -> Result<()> {
    requirements::ensure(&requirements::TESTS)?;
    let (clients, proxies) = (clients::provision()?, provision()?);
    let counts = process::target()?.join("proxies.json");
    let _ = fs::remove_file(&counts);
    let outcome = test(&clients, &proxies, options, &counts);
    proxies.tell();
    outcome?;
    if options.tests.is_empty() && proxies.absent.is_empty() {
        let counts = serde_json::from_str(&fs::read_to_string(&counts)?)?;
        fs::write(process::root()?.join(RECORD), document(&proxies, &counts)?)?;
        eprintln!("{RECORD} is written");
    }
    Ok(())
}

fn test(clients: &Clients, proxies: &Proxies, options: &Options, counts: &Path) -> Result<()> {
    let mut command = process::cargo("test")?;
    command.args([
        "--package",
        "tidings",
        "--test",
        "proxies",
        "--locked",
        "--",
        "--include-ignored",
    ]);
    command
        .args(proxies.skips())
        .args(&options.tests)
        .env("TIDINGS_PROXIES_RECORD", counts);
    process::run(announce(clients.announce(&mut command)?)?)
}

/// Writes the document: what was run, and the results of the load.
fn document(proxies: &Proxies, counts: &Map<String, Value>) -> Result<String> {
    let commit = process::ask(
        Command::new("git")
            .args(["rev-parse", "--short", "HEAD"])
            .current_dir(process::root()?),
    )?;
    let mut text = format!(
        "<!-- Written by `cargo xtask proxies`. -->\n# Proxies, run\n\n\
         Last run in full on {}, Tidings {commit}, with:\n\n| proxy | version |\n|---|---|\n",
        bench::today()
    );
    for (name, version) in &proxies.here {
        let _ = writeln!(text, "| {name} | {version} |");
    }
    text.push_str(
        "\nEvery test passed for each of them: events at once, streams that share a connection, \
         the answer in band while no server is there, Chromium that comes back by itself, reloads \
         of the proxy, restarts and upgrades of the server, addresses, logs without tokens, \
         prefixes, and `tidings doctor`.\n\n## Under load\n\nnginx takes over a new \
         configuration, then the server is restarted on a socket that stays open \
         (`crates/tidings/tests/proxies/load.rs`, which fails unless it is so):\n\n| | \
         |\n|---|---|\n",
    );
    for (what, count) in counts {
        let _ = writeln!(text, "| {what} | {count} |");
    }
    Ok(text)
}
