//! `tidings journal`: inspects a journal directory that no server has open.
//!
//! Must never append to a log or begin an epoch in it: it only reads, and meanwhile no server can
//! open the directory. As at a start, anything half written when the last process died is cut off.

mod export;
mod stats;

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use tidings_journal::Pattern;
use tidings_journal_disk::Inspection;

use super::terminal::{plain, say};

/// What to inspect.
#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show how much there is, and which topics hold most
    Stats {
        #[command(flatten)]
        place: Place,

        /// Show it as JSON, with every topic.
        #[arg(long)]
        json: bool,
    },
    /// Read everything, and check that it fits together; ends with 1 if something is damaged
    Verify {
        #[command(flatten)]
        place: Place,
    },
    /// Write every event as one line of JSON, in the order of the log: `{"id":…,"time":…,"topics":[…],"event":…,"data":…}`
    Export {
        #[command(flatten)]
        place: Place,

        /// Begin after the event with this id.
        #[arg(long, value_name = "ID")]
        after: Option<String>,

        /// Only events of this topic, or of all that a pattern matches, such as `chat/room/*`.
        #[arg(long, value_name = "TOPIC", value_parser = Pattern::parse)]
        topic: Option<Pattern>,
    },
}

/// Where the log is.
#[derive(clap::Args)]
struct Place {
    /// The directory of the log.
    #[arg(value_name = "DIR", env = "DATA_DIR", default_value = "./data")]
    dir: PathBuf,
}

impl Place {
    fn open(&self) -> anyhow::Result<Inspection> {
        Ok(Inspection::open(&self.dir)?)
    }
}

/// Runs the inspection and writes its result.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    match &arguments.what {
        What::Stats { place, json } => stats::run(&place.open()?.stats(), *json, out),
        What::Verify { place } => verify(place, out),
        What::Export { place, after, topic } => {
            export::run(&place.open()?, after.as_deref(), topic.as_ref(), &mut std::io::BufWriter::new(out))
        }
    }
}

fn verify(place: &Place, out: &mut dyn Write) -> anyhow::Result<()> {
    let report = place.open()?.verify()?;
    for problem in &report.problems {
        say(problem);
    }
    if !report.problems.is_empty() {
        bail!(
            "the journal in {} is damaged, in {} places at least; restore it from a backup",
            place.dir.display(),
            report.problems.len()
        );
    }
    let (events, receipts) = (report.events, report.receipts);
    writeln!(out, "{}: {events} events and {receipts} receipts, all sound", plain(&place.dir.display().to_string()))?;
    Ok(())
}
