//! The developer's commands: `cargo xtask <command>`.
//!
//! Owns the command line and nothing else. Each command is a module of its name, and the code that
//! several of them need is in [`process`], [`requirements`], [`suites`], [`python`], [`node`],
//! [`go`], [`jvm`], [`clients`], [`chromium`] and [`tools`]. Must never be required to build or run
//! the server: `cargo run` works without it. It supports Linux and macOS.

#![expect(
    clippy::print_stderr,
    reason = "what this program has to say is for the developer's terminal"
)]

mod bench;
mod chromium;
mod ci;
mod clients;
mod coverage;
mod crash;
mod deb;
mod dev;
mod docs;
mod fmt;
mod go;
mod image;
mod jvm;
mod lint;
mod node;
mod process;
mod proxies;
mod python;
mod requirements;
mod suites;
mod test;
mod tools;
mod web;

use std::process::ExitCode;

use clap::Parser;

/// The commands for developers.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Run every test, after installing what they need: client programs into target/clients, and
    /// packages where that requires no password.
    Test(test::Options),
    /// Check format, lints, documentation, dependencies and the names in committed files.
    Lint,
    /// Format every Rust file.
    Fmt,
    /// Run the server, and rebuild and restart it on each change without closing its port.
    Dev(dev::Options),
    /// Measure Tidings and other servers, and write the result into docs/measurements.
    Bench(bench::Options),
    /// Measure the line coverage of the workspace's tests.
    Coverage,
    /// Kill servers under load, thousands of times.
    Crash(crash::Options),
    /// Build the image from the sources, without a registry of images, and test it. Requires root,
    /// and takes several minutes.
    Image,
    /// Build the Debian package, check it, or try it in a separate Debian.
    Deb(deb::Options),
    /// Run every test of the configurations in deploy/proxies, and record the date.
    Proxies(proxies::Options),
    /// Rewrite the generated documents.
    Docs,
    /// Build the page that the binary contains into web/dist, or check it.
    Web(web::Options),
    /// Run the checks of continuous integration: lint, then test.
    Ci,
}

fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Test(options) => test::run(&options),
        Command::Lint => lint::run(),
        Command::Fmt => fmt::run(),
        Command::Dev(options) => dev::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Coverage => coverage::run(),
        Command::Crash(options) => crash::run(&options),
        Command::Image => image::run(),
        Command::Deb(options) => deb::run(&options),
        Command::Proxies(options) => proxies::run(&options),
        Command::Docs => docs::run(),
        Command::Web(options) => web::run(&options),
        Command::Ci => ci::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
