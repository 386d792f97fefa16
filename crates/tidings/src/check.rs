//! `tidings check`: finds what is wrong or unwise before a server is started.
//!
//! Owns the order of the checks and the exit code: 0 for a server that would start, 1 for one that
//! would not. Must change nothing: no file, no directory, no lock that another process could
//! notice. Errors and warnings of a start come from the startup code itself; this module adds only
//! checks that a start does not make.

mod files;
mod finding;
mod journal_directory;
mod machine;
mod unwise;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args as _, Command};
use tidings_server::config::{Config, Flags, Loaded, Origin, environment};

use self::finding::{Finding, Report};
use super::help;

/// What to check, and how to report it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Exit with 1 for warnings too.
    #[arg(long)]
    strict: bool,

    /// Do not report that the port and the journal directory are in use: the running server, which
    /// is to be restarted, uses them.
    #[arg(long)]
    running: bool,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Adds the flags of this command, and those of the settings.
pub(super) fn arguments(command: Command) -> Command {
    Arguments::augment_args(help::settings(command))
}

/// Runs all checks, prints the findings, and returns the exit code.
pub(super) fn run(
    arguments: &Arguments,
    flags: Flags,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let Arguments {
        strict,
        running,
        json,
    } = *arguments;
    let file = flags.file.clone();
    let (loaded, errors) = Config::examine(flags, environment(), Path::new("."));
    let mut findings: Vec<_> = errors
        .iter()
        .map(|error| Finding::error("settings", error.to_string()))
        .collect();
    if let Some(loaded) = &loaded {
        if errors.is_empty() {
            findings.push(Finding::ok("settings", sources(loaded)));
        }
        findings.extend(
            loaded
                .warnings
                .iter()
                .map(|warning| Finding::warning("settings", warning)),
        );
        findings.extend(unwise::all(loaded));
        findings.extend(files::all(loaded, file.as_deref()));
        findings.extend(machine::all(loaded, running));
        findings.extend(journal_directory::all(&loaded.config, running));
    }
    let report = Report { findings };
    if json {
        report.print_json(out)
    } else {
        report.print(out)
    }?;
    Ok(if report.is_fine(strict) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Reports the mode and where the settings came from.
fn sources(loaded: &Loaded) -> String {
    let mut sources: Vec<String> = Vec::new();
    for effective in &loaded.origins {
        let source = match &effective.origin {
            Origin::Flag(_) => "flags".to_owned(),
            Origin::Environment => "the environment".to_owned(),
            Origin::DotEnv { .. } => ".env".to_owned(),
            Origin::File(name) => name.clone(),
            Origin::Default => continue,
        };
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    let from = if sources.is_empty() {
        "none is set, all are defaults".to_owned()
    } else {
        format!("from {}", sources.join(", "))
    };
    format!("{}; {from}", loaded.config.mode.as_str())
}
