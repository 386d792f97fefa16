//! `cargo xtask test`: all tests.
//!
//! Owns the suites, their order, and what they need: the client programs and their paths. Must
//! never skip a test without a message: what is missing is installed, or ends the run before the
//! first test, and `--quick` lists what it leaves out.

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::clients::{self, Clients};
use crate::proxies::{self, IN_FULL, Proxies};
use crate::suites::Suites;
use crate::{deb, process, requirements, web};

/// With arguments after `--`, only the tests that they select: they are passed to `cargo test`, as
/// in `cargo xtask test -- -p tidings-hub -- --nocapture`. Without arguments, these suites run: the
/// page's checks and every test, then the page in a browser, then the contract's tests again with
/// streams carried by hyper and every feature enabled, then the hub's interleavings under shuttle.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Run only the tests that need nothing but Rust, with parked streams, and without the slowest.
    /// Lists at the end what it left out.
    #[arg(long)]
    quick: bool,

    /// Arguments for cargo test.
    #[arg(last = true)]
    cargo: Vec<OsString>,
}

/// The tests that `--quick` leaves out, and what they need.
const LEFT_OUT: [(&str, &str); 11] = [
    ("six proxies before the server", "each of them"),
    ("the log on Redis", "redis-server and redis-sentinel"),
    ("the log on NATS", "nats-server"),
    ("the page's types, unit tests and freshness", "Node"),
    ("what people do with the page", "a browser and nginx"),
    (
        "the tests that are shown above as ignored",
        "the programs that each names",
    ),
    (
        "extremes, and servers that are killed under load",
        "half a minute",
    ),
    (
        "10,000 seeds of several nodes over a broker that fails",
        "some minutes",
    ),
    (
        "the examples in the documentation",
        "as long as a build of each",
    ),
    (
        "the server with every feature, streams through hyper",
        "a second build",
    ),
    ("the hub's interleavings", "a third build"),
];

/// Parts of the names of the tests that `--quick` skips, although they are not marked as ignored:
/// the slow ones among those that need only Rust, and those that need a broker.
const SKIPPED: [&str; 5] = [
    "extremes::",
    "durable::kills::",
    "every_seed_of_",
    "on_redis::",
    "on_nats::",
];

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.quick {
        return quick(&options.cargo);
    }
    if options.cargo.is_empty() {
        return all(Suites::new());
    }
    let (clients, proxies) = provision()?;
    let mut command = cargo_test(&options.cargo, &clients.arguments())?;
    let outcome = process::run(proxies::announce(
        clients.announce(command.args(proxies.skips()))?,
    )?);
    proxies.tell();
    tell_left_out(&clients);
    outcome
}

/// Prints what was left out. Continuous integration leaves nothing out: there, a missing program
/// ends the run before the first test.
fn tell_left_out(clients: &Clients) {
    for what in &clients.left_out {
        eprintln!("left out: {what}");
    }
}

/// Runs all suites, after those that have already run. The times are printed at the end. In
/// continuous integration they are printed before the last suite, because its summary should end
/// the log.
pub(crate) fn all(mut suites: Suites) -> Result<()> {
    const LAST: &str = "the hub's interleavings";
    let (clients, proxies) = suites.run("what the tests need", provision)?;
    suites.run("the page's types, unit tests, freshness", || {
        web::check(&clients.node)
    })?;
    suites.run("building the tests", || {
        process::run(process::cargo("test")?.args(["--workspace", "--locked", "--no-run"]))
    })?;
    suites.run("every test, streams parked", || {
        let mut command = cargo_test(&[], &clients.arguments())?;
        command.args(["--skip", IN_FULL]).args(proxies.skips());
        process::run(proxies::announce(clients.announce(&mut command)?)?)
    })?;
    suites.run("the Debian package", deb::check)?;
    suites.run("the page in a browser", || {
        web::stories(&clients.node, &clients.chromium)
    })?;
    suites.run("building the server with every feature", || {
        process::run(other_lane()?.arg("--no-run"))
    })?;
    suites.run(
        "the server with every feature, streams through hyper",
        || process::run(clients.announce(other_lane()?.arg("--").args(clients.arguments()))?),
    )?;
    if process::is_ci() {
        suites.tell_before(LAST);
        tell_of_proxies(&proxies)?;
        return process::run(&mut interleavings()?);
    }
    suites.run(LAST, || process::run(&mut interleavings()?))?;
    suites.tell();
    tell_left_out(&clients);
    tell_of_proxies(&proxies)
}

fn provision() -> Result<(Clients, Proxies)> {
    requirements::ensure(&requirements::TESTS)?;
    Ok((clients::provision()?, proxies::provision()?))
}

/// Prints what was left out of the tests of the proxies.
fn tell_of_proxies(proxies: &Proxies) -> Result<()> {
    eprintln!(
        "\nThe longer tests of deploy/proxies are run by `cargo xtask proxies`. {}",
        proxies::last_run()?
    );
    proxies.tell();
    Ok(())
}

fn quick(given: &[OsString]) -> Result<()> {
    ensure!(
        !process::is_ci(),
        "--quick leaves tests out, which continuous integration must not"
    );
    let skipped = SKIPPED.map(|name| ["--skip", name]);
    let targets: Vec<_> = if given.is_empty() {
        vec!["--lib".into(), "--bins".into(), "--tests".into()]
    } else {
        given.to_vec()
    };
    process::run(&mut cargo_test(&targets, skipped.as_flattened())?)?;
    eprintln!("\nThis was --quick. It left out:");
    for (what, needs) in LEFT_OUT {
        eprintln!("  {what} (needs {needs})");
    }
    eprintln!("`cargo xtask test` runs everything.");
    Ok(())
}

/// Returns a command for the tests that `given` selects. `of_programs` are further arguments for
/// the test programs.
fn cargo_test(given: &[OsString], of_programs: &[&str]) -> Result<Command> {
    let mut command = process::cargo("test")?;
    command.args(selection(given));
    if !given.iter().any(|argument| argument == "--") {
        command.arg("--");
    }
    command.args(of_programs);
    several_at_once(&mut command);
    Ok(command)
}

/// Sets the number of tests that run at once, unless it is already set. Most tests spend most of
/// their time waiting for a server, so it may exceed the number of cores.
fn several_at_once(command: &mut Command) {
    const THREADS: &str = "RUST_TEST_THREADS";
    if env::var_os(THREADS).is_none() {
        command.env(THREADS, "6");
    }
}

/// Returns the arguments of `cargo test`. They select the whole workspace, unless a package is
/// named, because `--workspace` would take precedence over it.
fn selection(given: &[OsString]) -> Vec<&OsStr> {
    let names_package = given
        .iter()
        .take_while(|argument| *argument != "--")
        .filter_map(|argument| argument.to_str())
        .any(|argument| {
            argument.starts_with("-p")
                || argument == "--package"
                || argument.starts_with("--package=")
        });
    let whole = (!names_package).then_some(OsStr::new("--workspace"));
    whole
        .into_iter()
        .chain([OsStr::new("--locked")])
        .chain(given.iter().map(OsString::as_os_str))
        .collect()
}

/// Returns a command for the contract's tests with streams carried by hyper, and with a server that
/// has all features, because the contract depends on neither. The tests of the library are
/// included, because they must pass in that build too.
fn other_lane() -> Result<Command> {
    let mut command = process::cargo("test")?;
    command
        .args([
            "--package",
            "tidings",
            "--package",
            "tidings-server",
            "--package",
            "tidings-traces",
            "--all-features",
        ])
        .args(["--lib", "--bins", "--test", "it", "--locked"])
        .env("TIDINGS_TEST_LANE", "hyper");
    several_at_once(&mut command);
    Ok(command)
}

/// Returns a command for the hub's test of its locks and wake-ups, in which shuttle chooses the
/// order of the steps. The flag changes every crate, so this build has its own target directory and
/// does not affect the usual one.
fn interleavings() -> Result<Command> {
    let mut flags = env::var_os("RUSTFLAGS").unwrap_or_default();
    flags.push(" --cfg shuttle");
    let mut command = process::cargo("test")?;
    command
        .args([
            "--package",
            "tidings-hub",
            "--test",
            "concurrency",
            "--locked",
            "--target-dir",
        ])
        .arg(process::target()?.join("shuttle"))
        .env("RUSTFLAGS", flags);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'a>(words: impl IntoIterator<Item = &'a OsStr>) -> String {
        words
            .into_iter()
            .collect::<Vec<_>>()
            .join(OsStr::new(" "))
            .into_string()
            .unwrap()
    }

    fn given(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    fn arguments(of: &[&str]) -> String {
        words(selection(&given(of)))
    }

    #[test]
    fn without_arguments_the_whole_workspace_is_tested() {
        assert_eq!(arguments(&[]), "--workspace --locked");
        assert_eq!(arguments(&["a_name"]), "--workspace --locked a_name");
    }

    #[test]
    fn a_named_package_is_tested_alone() {
        assert_eq!(arguments(&["-p", "tidings-hub"]), "--locked -p tidings-hub");
        assert_eq!(
            arguments(&["--package=tidings-hub"]),
            "--locked --package=tidings-hub"
        );
    }

    #[test]
    fn what_the_test_program_is_given_names_no_package() {
        assert_eq!(arguments(&["--", "-p"]), "--workspace --locked -- -p");
    }

    #[test]
    fn what_needs_programs_runs_too_beside_what_was_asked_for() {
        let of_programs = ["--include-ignored"];
        let whole = cargo_test(&[], &of_programs).unwrap();
        assert_eq!(
            words(whole.get_args()),
            "test --workspace --locked -- --include-ignored"
        );
        let chosen = cargo_test(&given(&["a_name", "--", "--nocapture"]), &of_programs).unwrap();
        assert_eq!(
            words(chosen.get_args()),
            "test --workspace --locked a_name -- --nocapture --include-ignored"
        );
    }

    #[test]
    fn the_model_keeps_the_flags_that_were_set() {
        let command = interleavings().unwrap();
        let flags = command
            .get_envs()
            .find(|(name, _)| *name == "RUSTFLAGS")
            .unwrap()
            .1
            .unwrap();
        let given = env::var_os("RUSTFLAGS").unwrap_or_default();
        assert_eq!(
            flags.to_str().unwrap(),
            format!("{} --cfg shuttle", given.to_str().unwrap())
        );
    }
}
