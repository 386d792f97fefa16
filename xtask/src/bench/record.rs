//! The stored results: `docs/measurements/delivery.json`, from which the document beside it is
//! written.
//!
//! Owns that file. A new result of a case replaces its previous one, and the other cases stay: the
//! servers of one case must be measured together, but two cases need not be. Must never contain
//! results of two machines.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::cases::{self, Against, Case, Row, Value};
use super::contender::Contender;
use super::document;
use super::load::Report;
use crate::process;

const FOLDER: &str = "docs/measurements";

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) machine: String,
    pub(super) sections: Vec<Section>,
}

/// A case that was measured. It contains everything that the document shows, so the case itself is
/// not needed.
#[derive(Serialize, Deserialize)]
pub(super) struct Section {
    pub(super) case: String,
    pub(super) title: String,
    pub(super) about: String,
    /// The date, and the versions of the measured programs.
    pub(super) measured: String,
    pub(super) rounds: u32,
    pub(super) columns: Vec<Heading>,
    pub(super) rows: Vec<Line>,
    pub(super) verdicts: Vec<Verdict>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Heading {
    pub(super) title: String,
    pub(super) decimals: usize,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) name: String,
    /// For each column the sorted values of all rounds. There is a single value if it is computed
    /// from other columns, and none if nothing was measured.
    pub(super) cells: Vec<Vec<f64>>,
}

/// The outcome of a goal.
#[derive(Serialize, Deserialize)]
pub(super) struct Verdict {
    pub(super) goal: String,
    pub(super) found: f64,
    pub(super) decimals: usize,
    pub(super) met: bool,
}

impl Record {
    pub(super) fn new(machine: String) -> Self {
        Self {
            machine,
            sections: Vec::new(),
        }
    }

    /// Returns the results that this machine has measured before.
    pub(super) fn read(machine: String) -> Result<Self> {
        let file = file("json")?;
        if !file.exists() {
            return Ok(Self::new(machine));
        }
        let text = fs::read_to_string(&file)?;
        let kept: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is not to be read", shown("json")))?;
        if kept.machine == machine {
            return Ok(kept);
        }
        eprintln!(
            "bench: what is kept was measured elsewhere ({}) and is dropped",
            kept.machine
        );
        Ok(Self::new(machine))
    }

    /// Replaces the previous section of the same case.
    pub(super) fn put(&mut self, section: Section) {
        self.sections.retain(|kept| kept.case != section.case);
        self.sections.push(section);
        let order = cases::order();
        self.sections
            .sort_by_key(|section| order.iter().position(|name| *name == section.case));
    }

    pub(super) fn write(&self) -> Result<()> {
        fs::create_dir_all(process::root()?.join(FOLDER))?;
        fs::write(file("json")?, serde_json::to_string_pretty(self)? + "\n")?;
        fs::write(file("md")?, document::whole(self))?;
        Ok(())
    }
}

/// Returns the path of the file relative to the root of the workspace.
pub(super) fn shown(extension: &str) -> String {
    format!("{FOLDER}/delivery.{extension}")
}

fn file(extension: &str) -> Result<PathBuf> {
    Ok(process::root()?.join(Path::new(&shown(extension))))
}

impl Section {
    /// Makes the section of a case. `reports` contains the reports of all rounds for each row.
    pub(super) fn of(
        case: &Case,
        rows: &[Row],
        reports: &[Vec<Report>],
        rounds: u32,
        measured: String,
    ) -> Self {
        let table = Table::of(case, rows, reports);
        let verdicts = case.goals.iter().filter_map(|goal| {
            let found = table.median((Contender::Tidings, goal.variant), goal.column)?;
            let column = case
                .columns
                .iter()
                .find(|column| column.title == goal.column)?;
            let met = goal.bound.holds(found);
            Some(Verdict {
                goal: goal.text.to_owned(),
                found,
                decimals: column.decimals,
                met,
            })
        });
        let headings = case.columns.iter();
        Self {
            case: case.name.to_owned(),
            title: case.title.clone(),
            about: case.about.clone(),
            measured,
            rounds,
            columns: headings
                .map(|one| Heading {
                    title: one.title.to_owned(),
                    decimals: one.decimals,
                })
                .collect(),
            verdicts: verdicts.collect(),
            rows: rows
                .iter()
                .zip(table.cells)
                .map(|(row, cells)| Line {
                    name: row.name(),
                    cells,
                })
                .collect(),
        }
    }
}

/// The cells of a table that is being filled.
struct Table<'a> {
    case: &'a Case,
    rows: &'a [Row],
    cells: Vec<Vec<Vec<f64>>>,
}

impl<'a> Table<'a> {
    fn of(case: &'a Case, rows: &'a [Row], reports: &[Vec<Report>]) -> Self {
        let mut table = Self {
            case,
            rows,
            cells: vec![Vec::new(); rows.len()],
        };
        for column in &case.columns {
            // A column may be computed from those to its left.
            let filled: Vec<_> = (0..rows.len())
                .map(|row| table.cell(row, &column.value, &reports[row]))
                .collect();
            table
                .cells
                .iter_mut()
                .zip(filled)
                .for_each(|(row, cell)| row.push(cell));
        }
        table
    }

    fn cell(&self, row: usize, value: &Value, reports: &[Report]) -> Vec<f64> {
        match value {
            Value::Measured(read) => {
                let mut values: Vec<_> = reports.iter().filter_map(read).collect();
                values.sort_by(f64::total_cmp);
                values
            }
            Value::Times(of, against) => self
                .pair(row, of, *against)
                .map(|(own, other)| own / other)
                .into_iter()
                .collect(),
            Value::Minus(of, against) => self
                .pair(row, of, *against)
                .map(|(own, other)| own - other)
                .into_iter()
                .collect(),
        }
    }

    /// Returns the median of a column in this row, and in the row to compare with.
    fn pair(&self, row: usize, column: &str, against: Against) -> Option<(f64, f64)> {
        let Row {
            contender, variant, ..
        } = self.rows[row];
        let other = match against {
            Against::Contender(other) => (other, variant),
            Against::Variants(pairs) => {
                (contender, pairs.iter().find(|(own, _)| *own == variant)?.1)
            }
        };
        Some((
            self.median((contender, variant), column)?,
            self.median(other, column)?,
        ))
    }

    fn median(&self, (contender, variant): (Contender, &str), column: &str) -> Option<f64> {
        let row = self
            .rows
            .iter()
            .position(|row| row.contender == contender && row.variant == variant)?;
        let column = self
            .case
            .columns
            .iter()
            .position(|one| one.title == column)?;
        median(self.cells[row].get(column)?)
    }
}

/// Returns the median of sorted values.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], upper)
    } else {
        upper
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::Deliveries;

    fn report(cpu_micros: f64) -> Report {
        Report {
            deliveries: Deliveries {
                cpu_micros: Some(cpu_micros),
                ..Deliveries::default()
            },
            ..Report::default()
        }
    }

    #[test]
    fn ratios_are_computed_from_medians_and_compared_with_goals() {
        let case = cases::all()
            .into_iter()
            .find(|case| case.name == "fanout-1k")
            .unwrap();
        let rows = case.rows_of(&[Contender::Tidings, Contender::Floor]);
        let reports = [[5.0, 9.0, 4.0], [4.0, 4.0, 1.0]].map(|round| round.map(report).into());
        let section = Section::of(&case, &rows, &reports, 3, String::new());
        assert_eq!(
            section.rows[0].cells[..3],
            [vec![4.0, 5.0, 9.0], vec![1.25], vec![]],
            "nchan was not measured"
        );
        assert_eq!(section.rows[1].cells[1], [1.0]);
        let [verdict] = &section.verdicts[..] else {
            panic!("one goal can be judged")
        };
        assert!(!verdict.met, "1.25 is more than 1.10");
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(
            [&[][..], &[3.0], &[1.0, 2.0], &[1.0, 2.0, 9.0]].map(median),
            [None, Some(3.0), Some(1.5), Some(2.0)]
        );
    }

    #[test]
    fn a_case_that_is_measured_again_replaces_its_earlier_result() {
        let section = |case: &str, rounds| Section {
            case: case.to_owned(),
            title: String::new(),
            about: String::new(),
            measured: String::new(),
            rounds,
            columns: Vec::new(),
            rows: Vec::new(),
            verdicts: Vec::new(),
        };
        let mut record = Record::new(String::new());
        for (case, rounds) in [("idle-cpu", 1), ("fanout-1k", 1), ("idle-cpu", 2)] {
            record.put(section(case, rounds));
        }
        let kept: Vec<_> = record
            .sections
            .iter()
            .map(|section| (section.case.as_str(), section.rounds))
            .collect();
        assert_eq!(kept, [("fanout-1k", 1), ("idle-cpu", 2)]);
    }
}
