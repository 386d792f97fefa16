//! `cargo xtask bench`: measures Tidings and other servers, in one run on one machine.
//!
//! Owns the selection of the cases and the destination of their results. Each case starts its
//! servers one after the other, round by round, pinned to one core, with the load generator
//! (`tidings bench`) on another, and takes the medians. The result of a case replaces its previous
//! one in `docs/measurements/delivery.md`. Must never leave a process behind, and never let a
//! partial run overwrite a document. It requires Linux: it pins with `taskset` and reads `/proc`.

mod cases;
mod contender;
mod document;
mod durable;
mod lab;
mod load;
mod machine;
mod nchan;
mod record;
mod running;
mod stalled;
mod yardstick;

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use tokio::{runtime, select};

use cases::Case;
use contender::Contender;
use lab::Lab;
use record::Record;

use crate::{process, requirements};

/// The cargo profile of the measured programs, which is the one of releases, and its folder in the
/// target directory.
const PROFILE: &str = "dist";

/// All cases take about 45 minutes; a single case takes one to five. Nothing else should run on the
/// machine meanwhile.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only these cases.
    #[arg(long, value_name = "CASE", value_delimiter = ',')]
    only: Vec<String>,

    /// Measure only these servers. The result is shown, and the document stays as it is.
    #[arg(long, value_name = "SERVER", value_delimiter = ',')]
    servers: Vec<Contender>,

    /// How often each server is measured. A case may require more rounds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Run one short round, to see that everything works. The result is shown, and the document
    /// stays as it is.
    #[arg(long)]
    quick: bool,

    /// A second, independent load generator: the two main cases are run with it as well, to see
    /// whether both agree.
    #[arg(long, value_name = "PROGRAM")]
    yardstick: Option<PathBuf>,
}

pub(crate) use machine::today;
pub(crate) use nchan::look as look_for_nchan;
pub(crate) use nchan::look_for_nginx;

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "the measurements read /proc and pin with taskset: they need Linux"
    );
    let cases = options.cases()?;
    requirements::ensure(&requirements::BENCH)?;
    build()?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        select! {
            outcome = measure(options, &cases) => outcome,
            // Dropping the other future ends the processes that it started.
            outcome = process::end_asked() => outcome.and_then(|()| bail!("interrupted")),
        }
    })
}

async fn measure(options: &Options, cases: &[Case]) -> Result<()> {
    let machine = machine::describe()?;
    eprintln!("bench: {machine}");
    let mut lab = Lab::new(options.quick);
    let mut record = if options.is_complete() {
        Record::read(machine)?
    } else {
        Record::new(machine)
    };
    for case in cases {
        let rows = case.rows_of(&options.servers);
        let rounds = if options.quick {
            1
        } else {
            options
                .rounds
                .clamp(*case.rounds.start(), *case.rounds.end())
        };
        let section = lab.run(case, &rows, rounds).await?;
        eprint!("\n{}", document::section(&section));
        record.put(section);
        // The record is written after each case, so an interruption loses no more than the case
        // that it interrupts.
        if options.is_complete() {
            record.write()?;
        }
    }
    let extent = durable::Extent {
        rounds: if options.quick { 1 } else { options.rounds },
        quick: options.quick,
    };
    for name in options.durable() {
        let section = durable::measure(name, extent).await?;
        eprint!("\n{}", document::section(&section));
        record.put(section);
        if options.is_complete() {
            record.write()?;
        }
    }
    if options.is_complete() {
        eprintln!("bench: written to {}", record::shown("md"));
    }
    Ok(())
}

impl Options {
    fn cases(&self) -> Result<Vec<Case>> {
        let mut cases = cases::all();
        cases.extend(self.yardstick.as_deref().map(cases::second_generator));
        let names: Vec<_> = cases
            .iter()
            .map(|case| case.name)
            .chain(durable::NAMES)
            .collect();
        if let Some(unknown) = self
            .only
            .iter()
            .find(|name| !names.contains(&name.as_str()))
        {
            bail!(
                "there is no case `{unknown}`; there are {}",
                names.join(", ")
            );
        }
        if !self.only.is_empty() {
            cases.retain(|case| self.only.iter().any(|name| name == case.name));
        }
        Ok(cases)
    }

    /// The cases of the log on disk. Only Tidings has them.
    fn durable(&self) -> impl Iterator<Item = &'static str> {
        let of_tidings = self.servers.is_empty() || self.servers.contains(&Contender::Tidings);
        let wanted = move |name: &&str| {
            of_tidings && (self.only.is_empty() || self.only.iter().any(|only| only == name))
        };
        durable::NAMES.into_iter().filter(wanted)
    }

    /// Whether the result may replace an earlier one.
    fn is_complete(&self) -> bool {
        !self.quick && self.servers.is_empty()
    }
}

/// Builds the server, which contains the load generator, and the other programs.
fn build() -> Result<()> {
    process::run(
        process::cargo("build")?
            .args(["--profile", PROFILE, "--locked"])
            .args([
                "--package",
                "tidings",
                "--package",
                "bench-axum-sse",
                "--package",
                "bench-floor",
                "--package",
                "bench-crowd",
            ]),
    )
}
