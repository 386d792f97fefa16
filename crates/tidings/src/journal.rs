//! `tidings journal`: inspects a journal directory that no server has open.
//!
//! Must never append to a log or begin an epoch in it: it only reads, and no server can open the
//! directory meanwhile. As at a start of the server, what was half written when the last process
//! died is cut off.

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
    /// Show how much is stored, and the largest topics
    Stats {
        #[command(flatten)]
        directory: Directory,

        /// Print JSON, with every topic.
        #[arg(long)]
        json: bool,
    },
    /// Read everything and check that it is consistent; exits with 1 if something is damaged
    Verify {
        #[command(flatten)]
        directory: Directory,
    },
    /// Write every event as one line of JSON, in the order of the log:
    /// `{"id":…,"time":…,"topics":[…],"event":…,"data":…}`
    Export {
        #[command(flatten)]
        directory: Directory,

        /// Begin after the event with this id.
        #[arg(long, value_name = "ID")]
        after: Option<String>,

        /// Only events of this topic, or of all topics that match a pattern such as `chat/room/*`.
        #[arg(long, value_name = "TOPIC", value_parser = Pattern::parse)]
        topic: Option<Pattern>,
    },
}

/// The directory of the log.
#[derive(clap::Args)]
struct Directory {
    /// The directory of the log.
    #[arg(value_name = "DIR", env = "DATA_DIR", default_value = "./data")]
    path: PathBuf,
}

impl Directory {
    fn open(&self) -> anyhow::Result<Inspection> {
        Ok(Inspection::open(&self.path)?)
    }
}

/// Runs the inspection and writes its result.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    match &arguments.what {
        What::Stats { directory, json } => stats::run(&directory.open()?.stats(), *json, out),
        What::Verify { directory } => verify(directory, out),
        What::Export {
            directory,
            after,
            topic,
        } => export::run(
            &directory.open()?,
            after.as_deref(),
            topic.as_ref(),
            &mut std::io::BufWriter::new(out),
        ),
    }
}

fn verify(directory: &Directory, out: &mut dyn Write) -> anyhow::Result<()> {
    let report = directory.open()?.verify()?;
    for problem in &report.problems {
        say(problem);
    }
    if !report.problems.is_empty() {
        bail!(
            "the journal in {} is damaged, in {} places at least; restore it from a backup",
            directory.path.display(),
            report.problems.len()
        );
    }
    let (events, receipts) = (report.events, report.receipts);
    let shown = plain(&directory.path.display().to_string());
    writeln!(
        out,
        "{shown}: {events} events and {receipts} receipts, none damaged"
    )?;
    Ok(())
}
