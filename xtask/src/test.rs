//! `cargo xtask test`: everything that can fail.
//!
//! Owns what the tests are given: the client programs and where they lie. Must never skip in silence: what is lacking ends
//! the run before the first test.

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::Command;

use anyhow::Result;

use crate::{clients, process, requirements, web};

/// With arguments after `--`, only the tests that they choose: they go to `cargo test`, as in
/// `cargo xtask test -- -p tidings-hub -- --nocapture`. Without, the page's checks and every test, then what people do with the page in a browser, then the contract's tests once more with hyper
/// carrying the streams and every feature switched on, then the hub's interleavings under shuttle.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// For cargo test.
    #[arg(last = true)]
    cargo: Vec<OsString>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    requirements::ensure(&requirements::TESTS)?;
    if options.cargo.is_empty() {
        web::check()?;
    }
    let clients = clients::provision()?;
    process::run(clients.announce(several_at_once(process::cargo("test")?.args(selection(&options.cargo)))))?;
    if options.cargo.is_empty() {
        web::stories(&clients.chromium)?;
        process::run(clients.announce(several_at_once(&mut other_lane()?)))?;
        process::run(&mut interleavings()?)?;
    }
    Ok(())
}

/// Most tests wait for a server most of the time: more of them at once than there are cores, unless somebody said how many.
fn several_at_once(command: &mut Command) -> &mut Command {
    const THREADS: &str = "RUST_TEST_THREADS";
    if env::var_os(THREADS).is_none() {
        command.env(THREADS, "6");
    }
    command
}

/// The arguments of `cargo test`: the whole workspace, unless a package is named, which `--workspace` would overrule.
fn selection(given: &[OsString]) -> Vec<&OsStr> {
    let names_package =
        given.iter().take_while(|argument| *argument != "--").filter_map(|argument| argument.to_str()).any(
            |argument| argument.starts_with("-p") || argument == "--package" || argument.starts_with("--package="),
        );
    let whole = (!names_package).then_some(OsStr::new("--workspace"));
    whole.into_iter().chain([OsStr::new("--locked")]).chain(given.iter().map(OsString::as_os_str)).collect()
}

/// The contract's tests with the other of the two lanes that carry a stream, and in a server that was built with everything
/// it can be: what is promised depends on neither. The tests of the library come along, as they hold for that build too.
fn other_lane() -> Result<Command> {
    let mut command = process::cargo("test")?;
    command
        .args(["--package", "tidings", "--all-features", "--lib", "--test", "it", "--locked"])
        .env("TIDINGS_TEST_LANE", "hyper");
    Ok(command)
}

/// The hub's test of its locks and wake-ups, each step in an order that shuttle chooses. The flag changes every crate, so
/// it has a target directory of its own and leaves the usual one as it is.
fn interleavings() -> Result<Command> {
    let mut flags = env::var_os("RUSTFLAGS").unwrap_or_default();
    flags.push(" --cfg shuttle");
    let mut command = process::cargo("test")?;
    command
        .args(["--package", "tidings-hub", "--test", "concurrency", "--locked", "--target-dir"])
        .arg(process::target()?.join("shuttle"))
        .env("RUSTFLAGS", flags);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(given: &[&str]) -> String {
        let given: Vec<_> = given.iter().map(OsString::from).collect();
        selection(&given).join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn without_arguments_the_whole_workspace_is_tested() {
        assert_eq!(arguments(&[]), "--workspace --locked");
        assert_eq!(arguments(&["a_name"]), "--workspace --locked a_name");
    }

    #[test]
    fn a_named_package_is_tested_alone() {
        assert_eq!(arguments(&["-p", "tidings-hub"]), "--locked -p tidings-hub");
        assert_eq!(arguments(&["--package=tidings-hub"]), "--locked --package=tidings-hub");
    }

    #[test]
    fn what_the_test_program_is_given_names_no_package() {
        assert_eq!(arguments(&["--", "-p"]), "--workspace --locked -- -p");
    }

    #[test]
    fn the_model_keeps_the_flags_that_were_set() {
        let command = interleavings().unwrap();
        let flags = command.get_envs().find(|(name, _)| *name == "RUSTFLAGS").unwrap().1.unwrap();
        let given = env::var_os("RUSTFLAGS").unwrap_or_default();
        assert_eq!(flags.to_str().unwrap(), format!("{} --cfg shuttle", given.to_str().unwrap()));
    }
}
