//! Events for all streams, at a rate that every server can keep up with.

use std::time::Duration;

use super::{Bound, Case, Column, FLOOR, Goal, NCHAN, Row, SOME, columns};
use crate::bench::load::Load;

pub(super) const THOUSAND: Load = load(1_000, 50);
pub(super) const TEN_THOUSAND: Load = load(10_000, 5);

const CPU_TO_FLOOR: &str = "CPU × floor";
const CPU_TO_NCHAN: &str = "CPU × nchan";
const P99_TO_NCHAN: &str = "p99 × nchan";

pub(super) fn thousand() -> Case {
    let mut case = fanout("fanout-1k", "1,000 streams × 50 events a second", THOUSAND);
    case.goals = vec![
        Goal::new(
            "CPU per delivery, 1,000 × 50/s, at most 1.10 × the floor",
            CPU_TO_FLOOR,
            Bound::AtMost(1.10),
        ),
        Goal::new(
            "CPU per delivery, 1,000 × 50/s, at most 0.75 × nchan",
            CPU_TO_NCHAN,
            Bound::AtMost(0.75),
        ),
    ];
    case
}

pub(super) fn ten_thousand() -> Case {
    let mut case = fanout(
        "fanout-10k",
        "10,000 streams × 5 events a second",
        TEN_THOUSAND,
    );
    case.goals = vec![
        Goal::new(
            "CPU per delivery, 10,000 × 5/s, at most 1.10 × the floor",
            CPU_TO_FLOOR,
            Bound::AtMost(1.10),
        ),
        Goal::new(
            "CPU per delivery, 10,000 × 5/s, at most 0.75 × nchan",
            CPU_TO_NCHAN,
            Bound::AtMost(0.75),
        ),
        Goal::new(
            "p99 latency, 10,000 × 5/s, at most 0.65 × nchan",
            P99_TO_NCHAN,
            Bound::AtMost(0.65),
        ),
    ];
    case
}

fn fanout(name: &'static str, title: &str, load: Load) -> Case {
    Case {
        name,
        title: title.to_owned(),
        about: "Each event goes to every stream, and is sent before the next one is due. CPU is \
                the user and system time of the server for one delivery. Latency is the time from \
                the publish to the arrival on one of the streams; because one core serves all \
                streams, the last one waits for all others."
            .to_owned(),
        rounds: SOME,
        rows: Row::of_all(load),
        columns: vec![
            columns::cpu(),
            Column::times(CPU_TO_FLOOR, columns::CPU, FLOOR),
            Column::times(CPU_TO_NCHAN, columns::CPU, NCHAN),
            columns::p50(),
            columns::p99(),
            Column::times(P99_TO_NCHAN, columns::P99, NCHAN),
            columns::arrived(),
            columns::bytes(),
        ],
        goals: Vec::new(),
    }
}

const fn load(connections: u32, rate: u32) -> Load {
    Load {
        connections,
        rate,
        burst: 0,
        idle: Duration::from_secs(1),
        duration: Duration::from_secs(8),
        pipeline: 1,
        elsewhere: false,
        to_one_user: false,
        padding: 0,
    }
}
