//! Publishes to which no stream subscribes: the cost of the call itself.

use std::time::Duration;

use super::{Against, Bound, Case, Column, Goal, NCHAN, Row, SOME};
use crate::bench::contender::{Access, Contender};
use crate::bench::load::Load;

const CPU: &str = "CPU per publish, µs";
const CHECK: &str = "more than with a demo token, µs";
const DEMO: &str = "";
const HS256: &str = "HS256 token";
const DEMO_MANY: &str = "32 under way";
const HS256_MANY: &str = "HS256 token, 32 under way";

pub(super) fn publish() -> Case {
    let load = |pipeline| Load {
        connections: 1,
        elsewhere: true,
        rate: 0,
        duration: Duration::from_secs(4),
        pipeline,
        ..Load::default()
    };
    let (one, many) = (load(1), load(32));
    let rows = [Contender::Tidings, Contender::Nchan]
        .into_iter()
        .flat_map(|contender| {
            let demo = [(DEMO, one), (DEMO_MANY, many)]
                .map(|(variant, load)| Row::new(contender, load).variant(variant));
            let hs256 = [(HS256, one), (HS256_MANY, many)].map(|(variant, load)| {
                Row::new(contender, load)
                    .variant(variant)
                    .access(Access::Hs256)
            });
            demo.into_iter().chain(
                contender
                    .is_tidings()
                    .then_some(hs256)
                    .into_iter()
                    .flatten(),
            )
        });
    Case {
        name: "publish",
        title: "A publish without subscribers".to_owned(),
        about: "One publisher with one connection publishes for 4 s, with one publish in flight \
                or with 32; the only open stream has other topics. Tidings verifies the token, \
                validates the body and appends to its journal, in memory; nchan stores the \
                message and checks nothing."
            .to_owned(),
        rounds: SOME,
        rows: rows.collect(),
        columns: vec![
            Column::measured(CPU, 1, |report| report.publishes.cpu_micros),
            Column::minus(
                CHECK,
                1,
                CPU,
                Against::Variants(&[(HS256, DEMO), (HS256_MANY, DEMO_MANY)]),
            ),
            Column::times("CPU × nchan", CPU, NCHAN),
            Column::measured("publishes a second", 0, |report| {
                report.publishes.per_second
            }),
        ],
        goals: vec![
            Goal::new(
                "a publish with no subscribers, HS256 token checked, at most 25 µs of CPU",
                CPU,
                Bound::AtMost(25.0),
            )
            .variant(HS256),
            Goal::new(
                "of which the check of the token at most 8 µs",
                CHECK,
                Bound::AtMost(8.0),
            )
            .variant(HS256),
        ],
    }
}
