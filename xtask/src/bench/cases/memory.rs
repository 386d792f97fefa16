//! The memory that remains in use after a crowd has disconnected.

use std::time::Duration;

use super::{Bound, Case, Column, Goal, Row, SOME};
use crate::bench::load::Load;

const LEFT: &str = "after ÷ before";
const MIB: f64 = 1_048_576.0;

pub(super) fn memory() -> Case {
    let load = Load {
        connections: 15_000,
        idle: Duration::from_secs(1),
        ..Load::default()
    };
    Case {
        name: "memory-after",
        title: "Memory after 15,000 streams have gone".to_owned(),
        about: "The memory of the server itself (PSS) before the first stream, with all of them \
                open, and some seconds after the last one was closed by its client."
            .to_owned(),
        rounds: SOME,
        rows: Row::of_all(load),
        columns: vec![
            Column::measured("before, MiB", 1, |report| Some(report.memory.before? / MIB)),
            Column::measured("open, MiB", 1, |report| Some(report.memory.open? / MIB)),
            Column::measured("after, MiB", 1, |report| Some(report.memory.closed? / MIB)),
            Column::measured(LEFT, 2, |report| {
                Some(report.memory.closed? / report.memory.before?)
            }),
        ],
        goals: vec![Goal::new(
            "memory after 15,000 connects and disconnects within 20 % of the start",
            LEFT,
            Bound::AtMost(1.20),
        )],
    }
}
