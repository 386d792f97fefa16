//! Every command of a developer: `cargo xtask <command>`.
//!
//! Owns the command line and nothing else; each command is a module of its name, and what several of them need stands in
//! [`process`], [`requirements`], [`suites`], [`python`], [`node`], [`go`], [`jvm`], [`clients`], [`chromium`] and [`tools`].
//! Must never be needed to build or run the server: `cargo run` works without it. Linux and macOS.

#![expect(clippy::print_stderr, reason = "what this program has to say is for the developer's terminal")]

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

/// The developer's front door.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Run every test, after installing what they need: client programs into target/clients, packages where that needs no
    /// password.
    Test(test::Options),
    /// Check format, lints, documentation, dependencies and what committed files name.
    Lint,
    /// Format every Rust file.
    Fmt,
    /// Run the server, rebuilt and restarted on each change without giving up its port.
    Dev(dev::Options),
    /// Measure Tidings beside other servers; write the result into docs/measurements.
    Bench(bench::Options),
    /// Measure the line coverage of the workspace's tests.
    Coverage,
    /// Kill servers under load, thousands of times.
    Crash(crash::Options),
    /// Build the image from the sources, without any registry of images, and test it. Takes root, and several minutes.
    Image,
    /// Build the Debian package, look at it, or try it in a Debian of its own.
    Deb(deb::Options),
    /// Run every test of the configurations in deploy/proxies, and write down when.
    Proxies(proxies::Options),
    /// Write the generated documents anew.
    Docs,
    /// Build the page that the binary carries into web/dist, or check it.
    Web(web::Options),
    /// What continuous integration runs: lint, then test.
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
