//! The same number of deliveries, spread over more streams.

use std::time::Duration;

use super::{Against, Bound, Case, Column, FLOOR, Goal, NCHAN, Row, SOME, columns};
use crate::bench::contender::Contender;
use crate::bench::load::Load;

const FEW: &str = "1,000 × 30/s";
const MANY: &str = "15,000 × 2/s";
const GROWTH: &str = "CPU × that of 1,000";

pub(super) fn growth() -> Case {
    let load = |connections, rate| Load {
        connections,
        rate,
        duration: Duration::from_secs(6),
        idle: Duration::from_secs(1),
        ..Load::default()
    };
    let of = |contender| {
        [(FEW, load(1_000, 30)), (MANY, load(15_000, 2))]
            .map(|(variant, load)| Row::new(contender, load).variant(variant))
    };
    Case {
        name: "growth",
        title: "Growth: 1,000 × 30 a second and 15,000 × 2 a second".to_owned(),
        about: "30,000 deliveries a second in both cases. With more streams, less of the state of \
                each stays in the processor's caches."
            .to_owned(),
        rounds: SOME,
        rows: Contender::ALL.into_iter().flat_map(of).collect(),
        columns: vec![
            columns::cpu(),
            Column::times(GROWTH, columns::CPU, Against::Variants(&[(MANY, FEW)])),
            Column::times("CPU × floor", columns::CPU, FLOOR),
            Column::times("CPU × nchan", columns::CPU, NCHAN),
            columns::p99(),
        ],
        goals: vec![
            Goal::new(
                "CPU per delivery with 15,000 × 2/s at most 1.35 × that with 1,000 × 30/s",
                GROWTH,
                Bound::AtMost(1.35),
            )
            .variant(MANY),
        ],
    }
}
