//! Publishes from many connections, each waiting for its answer, and each answer for the disk.

use std::time::Duration;

use anyhow::Result;

use super::publishers::{self, Calls};
use super::{Bound, Extent, Goal, Log, Section, Sheet, directory, start};

pub(super) const NAME: &str = "durable-publish";

const CONNECTIONS: usize = 64;
const ALWAYS: &str = "on disk, `JOURNAL_SYNC=always`";
const RATE: &str = "publishes a second";

pub(super) async fn measure(extent: Extent) -> Result<Section> {
    let mut sheet = Sheet {
        case: NAME,
        title: "Durable publishes",
        about: "64 connections, each with one publish under way, the next as soon as that is answered, for 5 s. Nobody follows \
                what is published. With `JOURNAL_SYNC=always` an answer waits until the device has the event. The load comes \
                from `cargo xtask bench` itself, on the other core.",
        columns: vec![(RATE, 0), ("p50, ms", 2), ("p99, ms", 2), ("CPU per publish, µs", 1)],
        rows: Vec::new(),
        goals: vec![Goal {
            said: "durable publishes over HTTP from 64 connections, at least 20,000 a second",
            row: ALWAYS,
            column: RATE,
            bound: Bound::AtLeast(20_000.0),
        }],
    };
    let duration = Duration::from_secs(if extent.quick { 1 } else { 5 });
    for round in 1..=extent.rounds {
        for row in [ALWAYS, "on disk, `JOURNAL_SYNC=interval:100ms`", "in memory"] {
            eprintln!("bench: {NAME}, round {round} of {}: {row}", extent.rounds);
            let data = directory()?;
            let server = start(match row {
                "in memory" => Log::Memory,
                ALWAYS => Log::Disk(data.path(), "always"),
                _ => Log::Disk(data.path(), "interval:100ms"),
            })
            .await?;
            let found = publishers::run(&server, CONNECTIONS, Calls::For(duration)).await?;
            let cells = [found.per_second, found.p50_ms, found.p99_ms, found.cpu_micros];
            sheet.note(row, &cells.map(Some));
        }
    }
    sheet.finish(extent.rounds)
}
