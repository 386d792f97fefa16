//! The fan-out with the log on disk, compared with the log in memory. Deliveries come from memory
//! in both cases.

use std::time::Duration;

use anyhow::Result;

use super::super::contender::{Access, Contender};
use super::super::load::Load;
use super::{Bound, Extent, Goal, Log, Section, Sheet, directory, start};

pub(super) const NAME: &str = "durable-fanout";

const DISK: &str = "on disk";
const MEMORY: &str = "in memory";
const RATIO: &str = "CPU × memory";

pub(super) async fn measure(extent: Extent) -> Result<Section> {
    let mut sheet = Sheet {
        case: NAME,
        title: "Fan-out with the log on disk",
        about: "1,000 streams and 50 publishes a second for 10 s, with `JOURNAL_SYNC=always` and \
                with the log in memory. Latency is measured from just before a publish is sent, \
                so it includes the time of the disk.",
        columns: vec![
            ("CPU per delivery, µs", 2),
            (RATIO, 2),
            ("p50, ms", 1),
            ("p99, ms", 1),
            ("arrived, %", 1),
        ],
        rows: Vec::new(),
        goals: vec![Goal {
            text: "CPU per delivery with the log on disk at most 5 % above that in memory",
            row: DISK,
            column: RATIO,
            bound: Bound::AtMost(1.05),
        }],
    };
    let duration = Duration::from_secs(if extent.quick { 1 } else { 10 });
    let load = Load {
        connections: 1_000,
        rate: 50,
        pipeline: 4,
        duration,
        ..Load::default()
    };
    for round in 1..=extent.rounds {
        let mut of_memory = None;
        for row in [MEMORY, DISK] {
            eprintln!("bench: {NAME}, round {round} of {}: {row}", extent.rounds);
            let data = directory()?;
            let server = start(if row == DISK {
                Log::Disk(data.path(), "always")
            } else {
                Log::Memory
            })
            .await?;
            let to = Contender::Tidings.endpoints(server.port(), Access::Demo)?;
            let report = load
                .run(Contender::Tidings, Access::Demo, &to, &server.pids()?)
                .await?;
            let cpu = report.deliveries.cpu_micros;
            if row == MEMORY {
                of_memory = cpu;
            }
            let ratio = cpu.zip(of_memory).map(|(own, memory)| own / memory);
            let ms = |micros: Option<f64>| Some(micros? / 1_000.0);
            #[expect(
                clippy::cast_precision_loss,
                reason = "a share is shown with one decimal"
            )]
            let arrived = report
                .deliveries
                .got
                .zip(report.deliveries.wanted)
                .map(|(got, of)| got as f64 * 100.0 / of as f64);
            sheet.note(
                row,
                &[
                    cpu,
                    ratio,
                    ms(report.latency_micros.p50),
                    ms(report.latency_micros.p99),
                    arrived,
                ],
            );
        }
    }
    sheet.finish(extent.rounds)
}
