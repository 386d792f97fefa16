//! The cases that are measured, with one file for each kind of case.
//!
//! Owns the parts of a case: rows (a server under a load), columns (values that are read from the
//! reports), and the goals for Tidings' rows. Must never run anything; `lab` does that.

mod connect;
mod fanout;
mod growth;
mod idle;
mod memory;
mod publish;
mod saturated;
mod second_generator;
mod stalled;
mod targeted;

use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::contender::{Access, Contender};
use super::durable;
use super::load::{Load, Report};

pub(super) use second_generator::second_generator;

/// Returns all cases, in the order of the document.
pub(super) fn all() -> Vec<Case> {
    vec![
        fanout::thousand(),
        fanout::ten_thousand(),
        saturated::saturated(),
        growth::growth(),
        idle::memory(),
        idle::cpu(),
        memory::memory(),
        connect::connect(),
        targeted::targeted(),
        publish::publish(),
        stalled::stalled(),
    ]
}

/// Returns the names of all cases, in the order of the document.
pub(super) fn order() -> Vec<&'static str> {
    all()
        .iter()
        .map(|case| case.name)
        .chain(durable::NAMES)
        .chain([second_generator::NAME])
        .collect()
}

pub(super) struct Case {
    /// The name for `--only`.
    pub(super) name: &'static str,
    pub(super) title: String,
    /// A paragraph about the procedure and the meaning of the columns.
    pub(super) about: String,
    /// How often each row is measured. The requested number is limited to this range.
    pub(super) rounds: RangeInclusive<u32>,
    pub(super) rows: Vec<Row>,
    pub(super) columns: Vec<Column>,
    pub(super) goals: Vec<Goal>,
}

/// One server under one load.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) contender: Contender,
    /// The difference from other rows of the same server; empty if there is none.
    pub(super) variant: &'static str,
    pub(super) access: Access,
    pub(super) before: Before,
    pub(super) load: Load,
    pub(super) generator: Generator,
}

/// The action before the load.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// Publishes enough events that a reader which has stopped reading would be blocked.
    Filled,
    /// Opens a reader that never reads, and then publishes as [`Before::Filled`] does.
    Stalled,
}

#[derive(Clone)]
pub(super) enum Generator {
    Ours,
    Second(PathBuf),
}

impl Row {
    fn new(contender: Contender, load: Load) -> Self {
        let (variant, access, before) = ("", Access::default(), Before::Nothing);
        Self {
            contender,
            variant,
            access,
            before,
            load,
            generator: Generator::Ours,
        }
    }

    /// Returns one row for each server.
    fn of_all(load: Load) -> Vec<Self> {
        Contender::ALL
            .map(|contender| Self::new(contender, load))
            .into()
    }

    fn variant(self, variant: &'static str) -> Self {
        Self { variant, ..self }
    }

    fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    fn before(self, before: Before) -> Self {
        Self { before, ..self }
    }
}

/// A column of the table. If its value is measured, a cell is the median of all rounds.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) decimals: usize,
    pub(super) value: Value,
}

pub(super) enum Value {
    Measured(fn(&Report) -> Option<f64>),
    /// The value of another column, divided by that column's value in another row.
    Times(&'static str, Against),
    /// The value of another column, minus that column's value in another row.
    Minus(&'static str, Against),
}

/// The row to compare with.
#[derive(Clone, Copy)]
pub(super) enum Against {
    /// The row of this server with the same variant.
    Contender(Contender),
    /// The row of the same server with the variant that is paired with this row's variant.
    Variants(&'static [(&'static str, &'static str)]),
}

impl Column {
    fn measured(title: &'static str, decimals: usize, value: fn(&Report) -> Option<f64>) -> Self {
        Self {
            title,
            decimals,
            value: Value::Measured(value),
        }
    }

    fn times(title: &'static str, of: &'static str, against: Against) -> Self {
        Self {
            title,
            decimals: 2,
            value: Value::Times(of, against),
        }
    }

    fn minus(title: &'static str, decimals: usize, of: &'static str, against: Against) -> Self {
        Self {
            title,
            decimals,
            value: Value::Minus(of, against),
        }
    }
}

/// A goal for a cell in one of Tidings' rows.
pub(super) struct Goal {
    pub(super) text: &'static str,
    pub(super) variant: &'static str,
    pub(super) column: &'static str,
    pub(super) bound: Bound,
}

pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Within(RangeInclusive<f64>),
}

impl Bound {
    pub(super) fn holds(&self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= *most,
            Self::AtLeast(least) => value >= *least,
            Self::Within(range) => range.contains(&value),
        }
    }
}

impl Goal {
    fn new(text: &'static str, column: &'static str, bound: Bound) -> Self {
        Self {
            text,
            variant: "",
            column,
            bound,
        }
    }

    fn variant(self, variant: &'static str) -> Self {
        Self { variant, ..self }
    }
}

impl Row {
    pub(super) fn name(&self) -> String {
        let Self {
            contender, variant, ..
        } = self;
        if variant.is_empty() {
            contender.title().to_owned()
        } else {
            format!("{}, {variant}", contender.title())
        }
    }
}

impl Case {
    /// Returns all of its rows, or only those of some servers.
    pub(super) fn rows_of(&self, contenders: &[Contender]) -> Vec<Row> {
        let wanted = |row: &&Row| contenders.is_empty() || contenders.contains(&row.contender);
        self.rows.iter().filter(wanted).cloned().collect()
    }
}

const FLOOR: Against = Against::Contender(Contender::Floor);
const NCHAN: Against = Against::Contender(Contender::Nchan);
const SOME: RangeInclusive<u32> = 1..=100;

/// The columns that several cases have.
mod columns {
    use super::{Column, Report};

    pub(super) const CPU: &str = "CPU per delivery, µs";
    pub(super) const P99: &str = "p99, ms";

    pub(super) fn cpu() -> Column {
        Column::measured(CPU, 2, |report| report.deliveries.cpu_micros)
    }

    pub(super) fn p50() -> Column {
        Column::measured("p50, ms", 1, |report| {
            Some(report.latency_micros.p50? / 1_000.0)
        })
    }

    pub(super) fn p99() -> Column {
        Column::measured(P99, 1, |report| Some(report.latency_micros.p99? / 1_000.0))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a share is shown with one decimal"
    )]
    pub(super) fn arrived() -> Column {
        Column::measured("arrived, %", 1, |Report { deliveries, .. }| {
            let wanted = deliveries.wanted.filter(|wanted| *wanted > 0)?;
            Some(deliveries.got? as f64 * 100.0 / wanted as f64)
        })
    }

    pub(super) fn bytes() -> Column {
        Column::measured("bytes per event", 0, |report| report.deliveries.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_every_goal_a_cell() {
        let mut cases = all();
        cases.push(second_generator("generator".as_ref()));
        let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases.len());
        for case in &cases {
            let titles: Vec<_> = case.columns.iter().map(|column| column.title).collect();
            for column in &case.columns {
                if let Value::Times(of, _) | Value::Minus(of, _) = column.value {
                    assert!(titles.contains(&of), "{of} in {}", case.name);
                }
            }
            for goal in &case.goals {
                assert!(
                    titles.contains(&goal.column),
                    "{} in {}",
                    goal.column,
                    case.name
                );
                let row =
                    |row: &Row| row.contender == Contender::Tidings && row.variant == goal.variant;
                assert!(
                    case.rows.iter().any(row),
                    "{} in {}",
                    goal.variant,
                    case.name
                );
            }
        }
    }

    #[test]
    fn no_two_rows_of_a_case_are_the_same() {
        for case in all() {
            let keys: BTreeSet<_> = case
                .rows
                .iter()
                .map(|row| (row.contender.title(), row.variant))
                .collect();
            assert_eq!(keys.len(), case.rows.len(), "{}", case.name);
        }
    }
}
