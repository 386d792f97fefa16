//! Streams to which nothing is sent.

use std::time::Duration;

use super::{Bound, Case, Column, FLOOR, Goal, NCHAN, Row, SOME};
use crate::bench::contender::{Access, Contender};
use crate::bench::load::Load;

const BYTES: &str = "bytes per stream";
const CPU: &str = "% of a core";
const DISTINCT: &str = "15,000 users";

pub(super) fn memory() -> Case {
    let load = Load {
        connections: 15_000,
        idle: Duration::from_secs(3),
        ..Load::default()
    };
    let mut rows = Row::of_all(load);
    rows.insert(
        1,
        Row::new(Contender::Tidings, load)
            .variant(DISTINCT)
            .access(Access::EachAnother),
    );
    Case {
        name: "idle-memory",
        title: "Memory of 15,000 idle streams".to_owned(),
        about: "The memory of the server itself (PSS) 3 s after the last stream was opened, minus \
                its memory before the first, divided by the number of streams. The kernel's \
                memory for sockets is not included. All streams belong to one user, unless the \
                row says that each has its own."
            .to_owned(),
        rounds: SOME,
        rows,
        columns: vec![
            Column::measured(BYTES, 0, |report| report.connections.bytes),
            Column::times("× nchan", BYTES, NCHAN),
            Column::times("× floor", BYTES, FLOOR),
        ],
        goals: vec![
            Goal::new(
                "user memory of an idle stream, one identity: at most 1,000 B (then 700)",
                BYTES,
                Bound::AtMost(1_000.0),
            ),
            Goal::new(
                "user memory of an idle stream, 15,000 users: at most 1,600 B",
                BYTES,
                Bound::AtMost(1_600.0),
            )
            .variant(DISTINCT),
        ],
    }
}

pub(super) fn cpu() -> Case {
    let load = Load {
        connections: 15_000,
        idle: Duration::from_secs(30),
        ..Load::default()
    };
    let contenders = [
        Contender::Tidings,
        Contender::Hyper,
        Contender::Nchan,
        Contender::Axum,
    ];
    Case {
        name: "idle-cpu",
        title: "CPU of 15,000 idle streams".to_owned(),
        about: "30 s, in which each stream gets one or two heartbeats, because each server sends \
                one every 25 s."
            .to_owned(),
        rounds: 1..=2,
        rows: contenders.map(|contender| Row::new(contender, load)).into(),
        columns: vec![
            Column::measured(CPU, 2, |report| report.idle.cpu_percent),
            Column::times("× nchan", CPU, NCHAN),
        ],
        goals: vec![Goal::new(
            "CPU of 15,000 idle streams at most 1 % of a core",
            CPU,
            Bound::AtMost(1.0),
        )],
    }
}
