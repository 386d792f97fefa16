//! All clients connect at the same time.

use super::{Bound, Case, Column, FLOOR, Goal, NCHAN, Row};
use crate::bench::contender::{Access, Contender};
use crate::bench::load::Load;

const RATE: &str = "connects a second";
const TO_NCHAN: &str = "× nchan";
const HS256: &str = "HS256 token";

pub(super) fn connect() -> Case {
    let load = Load {
        connections: 15_000,
        burst: 128,
        ..Load::default()
    };
    let mut rows = Row::of_all(load);
    rows.insert(
        1,
        Row::new(Contender::Tidings, load)
            .variant(HS256)
            .access(Access::Hs256),
    );
    Case {
        name: "connect",
        title: "Connect storm".to_owned(),
        about: "15,000 streams are opened, 128 at a time, until the head of every response has \
                arrived. Tidings verifies a token for each, the demo token unless another is \
                named, and sends `connected`; the other servers verify nothing."
            .to_owned(),
        rounds: 5..=100,
        rows,
        columns: vec![
            Column::measured(RATE, 0, |report| report.connections.per_second),
            Column {
                title: TO_NCHAN,
                decimals: 2,
                value: super::Value::Times(RATE, NCHAN),
            },
            Column::times("× floor", RATE, FLOOR),
            Column::measured("CPU per connect, µs", 1, |report| {
                report.connections.cpu_micros
            }),
        ],
        goals: vec![
            Goal::new(
                "connects a second, demo token checked, at least 0.7 × nchan (then nchan's)",
                TO_NCHAN,
                Bound::AtLeast(0.7),
            ),
            Goal::new(
                "connects a second, HS256 token checked, at least 0.7 × nchan (then nchan's)",
                TO_NCHAN,
                Bound::AtLeast(0.7),
            )
            .variant(HS256),
        ],
    }
}
