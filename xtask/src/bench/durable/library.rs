//! The log without a server: copies the measurements of `crates/journal-disk/benches/disk.rs` into
//! the document.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::timeout;

use super::{Bound, Goal, Section, Sheet};
use crate::process;

pub(super) const NAME: &str = "durable-log";

const TIMEOUT: Duration = Duration::from_mins(15);
const FIGURE: &str = "figure";
const TIMES: &str = "× bare `fdatasync`";
const SINGLE: &str = "one event, synced, p50, µs";
const CEILING: &str =
    "below a ceiling of 256 MiB, in 1,000 topics and one for all: the most on disk, MiB";
const BATCHES: &str = "in one topic: batches of 1,000, synced, 4 in flight, /s";

pub(super) async fn measure() -> Result<Section> {
    let mut sheet = Sheet {
        case: NAME,
        title: "The log on disk by itself",
        about: "The results of `cargo bench -p tidings-journal-disk`, on both cores: events of \
                256 bytes, appended by the library. A single append is compared with a bare \
                `fdatasync` of as many bytes, on the same disk in the same run.",
        columns: vec![(FIGURE, 2), (TIMES, 2)],
        rows: Vec::new(),
        goals: vec![
            Goal {
                text: "events through the library in batches, at least 250,000 a second",
                row: BATCHES,
                column: FIGURE,
                bound: Bound::AtLeast(250_000.0),
            },
            Goal {
                text: "a single durable append at most 1.5 × a bare `fdatasync`",
                row: SINGLE,
                column: TIMES,
                bound: Bound::AtMost(1.5),
            },
            Goal {
                text: "most on disk, in MiB, while ten times a ceiling of 256 MiB is written",
                row: CEILING,
                column: FIGURE,
                bound: Bound::AtMost(256.0),
            },
        ],
    };
    let mut command = process::cargo("bench")?;
    command.args([
        "--locked",
        "--package",
        "tidings-journal-disk",
        "--bench",
        "disk",
    ]);
    let running = tokio::process::Command::from(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()? // not `output`, which would capture the reason of a failure
        .wait_with_output();
    let output = timeout(TIMEOUT, running)
        .await
        .context("the journal's benchmark does not end")??;
    ensure!(
        output.status.success(),
        "the journal's benchmark failed, {}",
        output.status
    );
    let mut part = String::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        match figure(line) {
            Some(Figure {
                what,
                value,
                unit,
                times,
            }) => {
                let row = format!("{part}{what}, {unit}");
                sheet.note(&row, &[Some(value), times]);
            }
            // `1000000 events in one topic` is a heading of the lines below it.
            None => {
                if let Some((topics, _)) = line.split_once(" topics with ") {
                    part = format!("{topics} topics: ");
                } else if let Some((_, ceiling)) = line.split_once(" written below ") {
                    part = format!("below {}: ", ceiling.trim());
                } else if let Some((_, about)) = line.split_once(" events ") {
                    part = format!("{}: ", about.trim());
                }
            }
        }
    }
    ensure!(
        !sheet.rows.is_empty(),
        "the journal's benchmark printed no results"
    );
    sheet.finish(1)
}

/// A line of the benchmark's table.
#[derive(Debug, PartialEq)]
struct Figure<'a> {
    what: &'a str,
    value: f64,
    unit: &'a str,
    /// The ratio to the speed of the disk, such as `(1.23 x)`.
    times: Option<f64>,
}

/// Reads a line such as `what it is        123 /s`, which may end with `(1.23 x)`.
fn figure(line: &str) -> Option<Figure<'_>> {
    let (what, rest) = line.trim_end().rsplit_once("  ")?;
    let mut words = rest.split_whitespace();
    let (value, unit) = (words.next()?.parse().ok()?, words.next()?);
    let times = words
        .next()
        .and_then(|word| word.strip_prefix('(')?.parse().ok());
    Some(Figure {
        what: what.trim(),
        value,
        unit: unit.trim_end_matches(','),
        times,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_benchmark_are_parsed() {
        let line = |what, value, unit, times| {
            Some(Figure {
                what,
                value,
                unit,
                times,
            })
        };
        assert_eq!(
            figure("one event, synced, p50                                    300 µs (1.23 x)"),
            line("one event, synced, p50", 300.0, "µs", Some(1.23))
        );
        assert_eq!(
            figure("batches of 1,000, synced, 4 in flight                    400000 /s"),
            line(
                "batches of 1,000, synced, 4 in flight",
                400_000.0,
                "/s",
                None
            )
        );
        assert_eq!(
            figure("on disk, of which data               512.5 MiB, 244.1 MiB"),
            line("on disk, of which data", 512.5, "MiB", None)
        );
        for other in [
            "",
            "1000000 events in one topic",
            "100,000 topics with 3 events each",
        ] {
            assert_eq!(figure(other), None, "{other}");
        }
    }
}
