//! Publishes from many connections. Each waits for its answer, and each answer for the disk.

use std::time::Duration;

use anyhow::Result;

use super::load::{self, Published};
use super::{Bound, CORE, Extent, Goal, Log, Section, Sheet, directory, start_on};

pub(super) const NAME: &str = "durable-publish";

const CONNECTIONS: usize = 64;
const BOTH: &str = "0,1";
const ALWAYS: &str = "on disk, `JOURNAL_SYNC=always`, both cores";
const PINNED: &str = "on disk, `JOURNAL_SYNC=always`, one core";
const INTERVAL: &str = "on disk, `JOURNAL_SYNC=interval:100ms`, both cores";
const MEMORY: &str = "in memory, both cores";
const MEMORY_PINNED: &str = "in memory, one core";
const RATE: &str = "publishes a second";

pub(super) async fn measure(extent: Extent) -> Result<Section> {
    let mut sheet = Sheet {
        case: NAME,
        title: "Durable publishes",
        about: "64 connections publish for 5 s, each with one publish in flight. No stream \
                follows the topics. With `JOURNAL_SYNC=always` an answer waits until the event is \
                on the device. The load generator, `bench-crowd`, has core 1. The server has core \
                0, or both cores, one of them shared with the load: then the thread of the log \
                does not have to wait for those that serve clients.",
        columns: vec![
            (RATE, 0),
            ("p50, ms", 2),
            ("p99, ms", 2),
            ("CPU per publish, µs", 1),
        ],
        rows: Vec::new(),
        goals: vec![Goal {
            text: "durable publishes over HTTP from 64 connections, at least 20,000 a second",
            row: ALWAYS,
            column: RATE,
            bound: Bound::AtLeast(20_000.0),
        }],
    };
    let duration = Duration::from_secs(if extent.quick { 1 } else { 5 });
    for round in 1..=extent.rounds {
        for row in [ALWAYS, PINNED, INTERVAL, MEMORY, MEMORY_PINNED] {
            eprintln!("bench: {NAME}, round {round} of {}: {row}", extent.rounds);
            let data = directory()?;
            let log = match row {
                MEMORY | MEMORY_PINNED => Log::Memory,
                INTERVAL => Log::Disk(data.path(), "interval:100ms"),
                _ => Log::Disk(data.path(), "always"),
            };
            let server = start_on(
                if matches!(row, PINNED | MEMORY_PINNED) {
                    CORE
                } else {
                    BOTH
                },
                log,
            )
            .await?;
            let pid = load::pid(&server)?;
            let before = load::cpu(pid)?;
            let Published {
                answered,
                seconds,
                p50_micros,
                p99_micros,
                ..
            } = load::publish(&server, CONNECTIONS, duration).await?;
            let used = load::cpu(pid)?.saturating_sub(before).as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "figures for people")]
            let answered = answered as f64;
            let cells = [
                answered / seconds,
                p50_micros / 1_000.0,
                p99_micros / 1_000.0,
                used * 1e6 / answered,
            ];
            sheet.note(row, &cells.map(Some));
        }
    }
    sheet.finish(extent.rounds)
}
