//! The maximum throughput.

use std::time::Duration;

use super::{Bound, Case, Column, FLOOR, Goal, NCHAN, Row, SOME, columns};
use crate::bench::load::Load;

const DELIVERIES: &str = "million deliveries a second";

pub(super) fn saturated() -> Case {
    let load = Load {
        connections: 1_000,
        duration: Duration::from_secs(5),
        rate: 0,
        pipeline: 32,
        idle: Duration::from_secs(1),
        ..Load::default()
    };
    Case {
        name: "saturated",
        title: "1,000 streams, saturated".to_owned(),
        about: "One publisher with one connection publishes for 5 s, with 32 publishes in flight. \
                A server that falls behind may write several events at once, without which more \
                than a third of a million deliveries a second are impossible; a server that drops \
                events for slow readers does not deliver all."
            .to_owned(),
        rounds: SOME,
        rows: Row::of_all(load),
        columns: vec![
            Column::measured(DELIVERIES, 2, |report| {
                Some(report.deliveries.per_second? / 1e6)
            }),
            Column::times("× floor", DELIVERIES, FLOOR),
            Column::times("× nchan", DELIVERIES, NCHAN),
            columns::cpu(),
            Column::measured("publishes a second", 0, |report| {
                report.publishes.per_second
            }),
            columns::p99(),
            columns::arrived(),
        ],
        goals: vec![Goal::new(
            "deliveries a second on one core, 1,000 streams, saturated: at least 3 million (the \
             aim is 4)",
            DELIVERIES,
            Bound::AtLeast(3.0),
        )],
    }
}
