//! The performance of the log on disk: publishes that wait for the disk, a crowd that reconnects
//! after a restart, and the fan-out compared with that of the log in memory.
//!
//! Owns these cases, which have more steps than a server under a load. Their results become
//! sections of the same document.

mod crowd;
mod fanout;
mod library;
mod load;
mod publish;

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use super::cases::Bound;
use super::contender::Contender;
use super::machine;
use super::record::{Heading, Line, Section, Verdict, median};
use super::running::{CORE, Running};

/// The names of the cases, in the order of the document.
pub(super) const NAMES: [&str; 4] = [publish::NAME, crowd::NAME, fanout::NAME, library::NAME];

/// How often a case is measured, and whether briefly.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) rounds: u32,
    pub(super) quick: bool,
}

/// Measures the case with this name.
pub(super) async fn measure(name: &str, extent: Extent) -> Result<Section> {
    match name {
        publish::NAME => publish::measure(extent).await,
        crowd::NAME => crowd::measure(extent).await,
        fanout::NAME => fanout::measure(extent).await,
        _ => library::measure().await,
    }
}

/// A table that will become a section of the document.
struct Sheet {
    case: &'static str,
    title: &'static str,
    about: &'static str,
    columns: Vec<(&'static str, usize)>,
    rows: Vec<(String, Vec<Vec<f64>>)>,
    goals: Vec<Goal>,
}

/// A goal for the median of a cell.
struct Goal {
    text: &'static str,
    row: &'static str,
    column: &'static str,
    bound: Bound,
}

impl Sheet {
    /// Adds the values of one round to a row, one for each column; `None` where nothing was
    /// measured.
    fn note(&mut self, row: &str, found: &[Option<f64>]) {
        let index = self
            .rows
            .iter()
            .position(|(name, _)| name == row)
            .unwrap_or_else(|| {
                self.rows
                    .push((row.to_owned(), vec![Vec::new(); self.columns.len()]));
                self.rows.len() - 1
            });
        for (cell, value) in self.rows[index].1.iter_mut().zip(found) {
            cell.extend(value);
            cell.sort_by(f64::total_cmp);
        }
    }

    fn median(&self, row: &str, column: &str) -> Option<(f64, usize)> {
        let at = self
            .columns
            .iter()
            .position(|(title, _)| *title == column)?;
        let (_, cells) = self.rows.iter().find(|(name, _)| name == row)?;
        Some((median(&cells[at])?, self.columns[at].1))
    }

    fn finish(self, rounds: u32) -> Result<Section> {
        let judge = |goal: &Goal| {
            let (found, decimals) = self.median(goal.row, goal.column)?;
            Some(Verdict {
                goal: goal.text.to_owned(),
                found,
                decimals,
                met: goal.bound.holds(found),
            })
        };
        let verdicts = self.goals.iter().filter_map(judge).collect();
        let headings = self.columns.iter().map(|&(title, decimals)| Heading {
            title: title.to_owned(),
            decimals,
        });
        Ok(Section {
            case: self.case.to_owned(),
            title: self.title.to_owned(),
            about: self.about.to_owned(),
            measured: machine::when_and_what()?,
            rounds,
            columns: headings.collect(),
            rows: self
                .rows
                .into_iter()
                .map(|(name, cells)| Line { name, cells })
                .collect(),
            verdicts,
        })
    }
}

/// The place of the log.
enum Log<'a> {
    Memory,
    /// A directory, with this value of `JOURNAL_SYNC`.
    Disk(&'a Path, &'static str),
}

/// Starts Tidings on the core for servers.
async fn start(log: Log<'_>) -> Result<Running> {
    start_on(CORE, log).await
}

/// Starts Tidings on these cores, in the notation of `taskset`.
async fn start_on(cores: &str, log: Log<'_>) -> Result<Running> {
    Running::start_by(Contender::Tidings.title(), 1, cores, |folder, port| {
        let mut command: Command = Contender::Tidings.command(folder, port)?;
        if let Log::Disk(directory, sync) = log {
            command
                .env("JOURNAL", "disk")
                .env("DATA_DIR", directory)
                .env("JOURNAL_SYNC", sync);
        }
        Ok(command)
    })
    .await
}

/// Creates a directory for a log, on the disk of the system's temporary files.
fn directory() -> Result<TempDir> {
    Ok(tempfile::tempdir()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_shows_every_round_and_judges_the_median() {
        let mut sheet = Sheet {
            case: "case",
            title: "",
            about: "",
            columns: vec![("a", 0), ("b", 1)],
            rows: Vec::new(),
            goals: vec![Goal {
                text: "at most 2",
                row: "one",
                column: "b",
                bound: Bound::AtMost(2.0),
            }],
        };
        for value in [3.0, 1.0, 2.0] {
            sheet.note("one", &[None, Some(value)]);
        }
        sheet.note("two", &[Some(9.0), None]);
        assert_eq!(sheet.median("one", "b"), Some((2.0, 1)));
        assert_eq!(sheet.rows[0].1, [vec![], vec![1.0, 2.0, 3.0]]);
        let goal = &sheet.goals[0];
        assert!(
            goal.bound
                .holds(sheet.median(goal.row, goal.column).unwrap().0)
        );
    }
}
