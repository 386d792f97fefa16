//! Publishes that nobody waits for: what the call itself costs.

use std::time::Duration;

use super::{Against, Bound, Case, Column, FLOOR, Goal, NCHAN, Row, SOME};
use crate::bench::contender::{Access, Contender};
use crate::bench::load::Load;

const CPU: &str = "CPU per publish, µs";
const CHECK: &str = "more than with a demo token, µs";
const DEMO: &str = "";
const HS256: &str = "HS256 token";
const MANY: &str = "32 under way";

pub(super) fn publish() -> Case {
    let load = |pipeline| Load { rate: 0, duration: Duration::from_secs(4), pipeline, ..Load::default() };
    let mut rows = Row::of_all(load(1));
    rows.insert(1, Row::new(Contender::Tidings, load(1)).variant(HS256).access(Access::Hs256));
    rows.extend(
        [Contender::Tidings, Contender::Nchan, Contender::Axum, Contender::Floor]
            .map(|contender| Row::new(contender, load(32)).variant(MANY)),
    );
    Case {
        name: "publish",
        title: "A publish without subscribers".to_owned(),
        about:
            "One publisher over one connection for 4 s, the next publish as soon as one is answered, or 32 under way. \
                Tidings checks token and body and appends to its journal, in memory; nchan keeps the message."
                .to_owned(),
        rounds: SOME,
        rows,
        columns: vec![
            Column::measured(CPU, 1, |report| report.publishes.cpu_micros),
            Column::minus(CHECK, 1, CPU, Against::Variants(&[(HS256, DEMO)])),
            Column::times("CPU × nchan", CPU, NCHAN),
            Column::times("CPU × floor", CPU, FLOOR),
            Column::measured("publishes a second", 0, |report| report.publishes.per_second),
        ],
        goals: vec![
            Goal::new(
                "a publish with no subscribers, HS256 token checked, at most 25 µs of CPU",
                CPU,
                Bound::AtMost(25.0),
            )
            .variant(HS256),
            Goal::new("of which the check of the token at most 8 µs", CHECK, Bound::AtMost(8.0)).variant(HS256),
        ],
    }
}
