//! The command line: one file for each command.

mod config;
mod serve;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::config::{Config, Flags, Loaded, environment, flags, flags_from, refused_arguments};

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return refuse(&error),
    };
    match run(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    let serve = Command::new("serve").about("Run the server (the default)");
    let config = Command::new("config").about("Print the effective settings and where each came from");
    flags(Command::new("tidings"))
        .about("An event server for the web")
        .version(crate::routes::health::VERSION)
        .args_conflicts_with_subcommands(true)
        .subcommand(flags(serve))
        .subcommand(flags(config))
}

fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    match matches.subcommand() {
        Some(("config", matches)) => config::run(&load(flags_from(matches))?, &mut std::io::stdout().lock()),
        Some((_, matches)) => serve::run(&load(flags_from(matches))?),
        None => serve::run(&load(flags_from(matches))?),
    }
}

fn load(flags: Flags) -> anyhow::Result<Loaded> {
    Ok(Config::load(flags, environment(), Path::new("."))?)
}

/// clap's complaint in one line, like every other refusal of a setting.
fn refuse(error: &clap::Error) -> ExitCode {
    match refused_arguments(error) {
        Some(refused) => {
            complain(&refused.to_string());
            ExitCode::from(2)
        }
        None => {
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

/// The last word of a command that failed.
fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "tidings: {message}"); // a closed standard error is no reason to panic
}
