//! Events for one user among many.

use std::time::Duration;

use super::{Against, Bound, Case, Column, Goal, Row, SOME, columns};
use crate::bench::contender::{Access, Contender};
use crate::bench::load::Load;

const ALONE: &str = "1 other stream";
const CROWD: &str = "15,000 other streams";
const CPU: &str = "CPU per send, µs";
const GROWTH: &str = "× with 1 other";

pub(super) fn targeted() -> Case {
    let load = |connections| Load {
        connections,
        to_one_user: true,
        duration: Duration::from_secs(5),
        rate: 0,
        idle: Duration::from_secs(1),
        ..Load::default()
    };
    let of = |contender| {
        [(ALONE, load(2)), (CROWD, load(15_001))].map(|(variant, load)| {
            Row::new(contender, load)
                .variant(variant)
                .access(Access::EachAnother)
        })
    };
    Case {
        name: "targeted",
        title: "A notification to one user".to_owned(),
        about: "Every stream has its own user, and each publish goes to one of them, one after \
                the other for 5 s. CPU includes the call and its delivery. Only Tidings is \
                measured, because the other servers have no users."
            .to_owned(),
        rounds: SOME,
        rows: [Contender::Tidings, Contender::Hyper]
            .into_iter()
            .flat_map(of)
            .collect(),
        columns: vec![
            Column::measured(CPU, 1, |report| report.publishes.cpu_micros),
            Column::times(GROWTH, CPU, Against::Variants(&[(CROWD, ALONE)])),
            Column::measured("sends a second", 0, |report| report.publishes.per_second),
            columns::p50(),
            columns::p99(),
            columns::arrived(),
        ],
        goals: vec![
            Goal::new(
                "a targeted send costs the same with 1 and 15,000 others connected (within 10 %)",
                GROWTH,
                Bound::AtMost(1.10),
            )
            .variant(CROWD),
        ],
    }
}
