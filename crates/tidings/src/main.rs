//! The `tidings` binary: the command line, one file for each command.
//!
//! Owns the list of commands, and how a failure is reported: in one line, with exit code 1; or 2
//! for an invalid command line, and if `doctor` could not measure anything. `serve` runs if no
//! command is named.

mod backoff;
mod bench;
mod check;
mod config;
mod demo;
mod doctor;
mod flags;
#[cfg(test)]
mod generated;
mod health;
mod help;
mod init;
mod journal;
mod overview;
mod proxies;
mod publish;
mod remote;
mod serve;
mod tail;
mod terminal;
mod token;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use tidings_hub::Clock;
use tidings_server::config::{Config, Flags, Loaded, environment};
use tidings_server::server::check_clock;

use crate::flags::{flags_from, refused_arguments};
use terminal::{say, with_causes};

// Compared with the system's allocator under thousands of idle streams, mimalloc takes less memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    main_with(std::env::args_os().collect())
}

fn main_with(arguments: Vec<OsString>) -> ExitCode {
    // Docker reserves 2, so a health check must not end with it.
    let usage_error = if arguments.get(1).is_some_and(|word| word == "health") {
        1
    } else {
        2
    };
    let matches = match parsed().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error, usage_error),
    };
    if let Some(arguments) = help::as_flag(&matches) {
        return main_with(arguments);
    }
    let code = match run(&matches) {
        Ok(code) => code,
        Err(error) if is_closed_output(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&with_causes(&error));
            ExitCode::FAILURE
        }
    };
    tidings_telemetry::flush();
    code
}

/// Returns the commands as they are parsed.
fn parsed() -> Command {
    help::by_topic(command())
}

/// Returns the commands as the manual and the completions list them.
fn command() -> Command {
    let commands = [
        help::settings(Command::new("serve")).about("Run the server (the default)"),
        init::Arguments::augment_args(Command::new("init"))
            .about("Write a commented tidings.toml with a new secret; never overwrites"),
        check::arguments(Command::new("check"))
            .about("Report what is wrong or unwise in the settings and the machine"),
        help::settings(Command::new("config"))
            .about("Print the effective settings and where each came from"),
        health::arguments(Command::new("health"))
            .about("Ask a server whether it is ready; exits with 0 or 1"),
        demo::Arguments::augment_args(Command::new("demo"))
            .about("Publish the events of an imaginary shop to a running server"),
        token::arguments(Command::new("token"))
            .about("Sign a token that a server with the same settings accepts"),
        publish::Arguments::augment_args(Command::new("publish"))
            .about("Publish to a running server"),
        tail::Arguments::augment_args(Command::new("tail"))
            .about("Follow a stream of a running server"),
        journal::Arguments::augment_args(Command::new("journal"))
            .about("Look into the log of a server that is not running"),
        bench::Arguments::augment_args(Command::new("bench"))
            .about("Load a running server and measure"),
        doctor::Arguments::augment_args(Command::new("doctor"))
            .about("Measure what proxies do to streams, and say how to fix it"),
        help::command(),
    ];
    let command = help::settings(Command::new("tidings"))
        .about("An event server for the web")
        .version(VERSION)
        .args_conflicts_with_subcommands(true)
        .subcommands(commands);
    help::with_flags(command)
}

fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    check_clock()?;
    let mut out = std::io::stdout();
    match matches.subcommand() {
        Some(("init", matches)) => {
            init::run(&init::Arguments::from_arg_matches(matches)?, &mut out)
        }
        Some(("check", matches)) => {
            return check::run(
                &check::Arguments::from_arg_matches(matches)?,
                flags_from(matches),
                &mut out,
            );
        }
        Some(("config", matches)) => config::run(&load(flags_from(matches))?, &mut out),
        Some(("token", matches)) => {
            let arguments = token::Arguments::from_arg_matches(matches)?;
            token::run(
                arguments,
                &load(flags_from(matches))?,
                Clock::system().now(),
                &mut out,
            )
        }
        Some(("publish", matches)) => {
            publish::run(&publish::Arguments::from_arg_matches(matches)?, &mut out)
        }
        Some(("demo", matches)) => demo::run(demo::Arguments::from_arg_matches(matches)?, &mut out),
        Some(("tail", matches)) => tail::run(tail::Arguments::from_arg_matches(matches)?),
        Some(("journal", matches)) => {
            journal::run(&journal::Arguments::from_arg_matches(matches)?, &mut out)
        }
        Some(("bench", matches)) => {
            bench::run(&bench::Arguments::from_arg_matches(matches)?, &mut out)
        }
        Some(("health", matches)) => {
            return health::run(
                health::Arguments::from_arg_matches(matches)?,
                flags_from(matches),
                &mut out,
            );
        }
        Some(("doctor", matches)) => {
            return doctor::run(doctor::Arguments::from_arg_matches(matches)?, &mut out);
        }
        Some((_, matches)) => serve::run(flags_from(matches)),
        None => serve::run(flags_from(matches)),
    }
    .map(|()| ExitCode::SUCCESS)
}

fn load(flags: Flags) -> anyhow::Result<Loaded> {
    Ok(Config::load(flags, environment(), Path::new("."))?)
}

/// Reports an error of clap in one line, like every other refusal of a setting, and returns the
/// exit code: `usage_error` for an invalid command line.
fn refuse(error: &clap::Error, usage_error: u8) -> ExitCode {
    match missing(error).or_else(|| refused_arguments(error).map(|refused| refused.to_string())) {
        Some(refused) => {
            say(&refused);
            ExitCode::from(usage_error)
        }
        None => {
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

/// Describes the required arguments that are missing; clap lists them below its first line.
fn missing(error: &clap::Error) -> Option<String> {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(names))) => {
            Some(format!("missing arguments: {}", names.join(" ")))
        }
        _ => None,
    }
}

/// Returns whether the reader of the output has closed it (`| head`), which is not a failure.
fn is_closed_output(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(words: &[&str]) -> Result<String, String> {
        let matches = parsed().try_get_matches_from([&["tidings"], words].concat());
        let name = |matches: ArgMatches| matches.subcommand_name().unwrap_or("none").to_owned();
        let words = |error| {
            missing(&error).or_else(|| refused_arguments(&error).map(|refused| refused.to_string()))
        };
        matches.map(name).map_err(|error| words(error).unwrap())
    }

    #[test]
    fn clap_finds_no_fault_with_the_commands() {
        parsed().debug_assert();
        command().debug_assert();
    }

    #[test]
    fn settings_are_accepted_without_a_command_and_after_one() {
        assert_eq!(named(&["--port", "4000"]).unwrap(), "none");
        assert_eq!(named(&["serve", "--port", "4000"]).unwrap(), "serve");
        assert_eq!(named(&["config", "--port", "4000"]).unwrap(), "config");
        assert_eq!(named(&["tail", "/a"]).unwrap(), "tail");
        assert!(named(&["--port=4000", "serve"]).is_err());
    }

    #[test]
    fn an_invalid_command_line_is_refused_in_one_line() {
        insta::assert_snapshot!(named(&["tail", "--cuont=1"]).unwrap_err(), @"--cuont (command line) is no flag; did you mean --count?");
        insta::assert_snapshot!(named(&["publish", "notification", "--to=a"]).unwrap_err(), @"missing arguments: --title <TEXT> --message <TEXT>");
        insta::assert_snapshot!(named(&["tail", "--url=localhost"]).unwrap_err(), @"invalid value 'localhost' for '--url <URL>': an address must look like http://localhost:3000 or https://events.example.com/api");
        insta::assert_snapshot!(named(&["init", "staging"]).unwrap_err(), @"invalid value 'staging' for '[MODE]'; allowed is development or production");
        insta::assert_snapshot!(named(&["tial"]).unwrap_err(), @"unrecognized subcommand 'tial'");
    }
}
