//! The document: `docs/measurements/delivery.md`.
//!
//! Owns its text and its layout. Must never compute a value: every value that is shown was
//! measured, or is in the record.

use std::fmt::Write as _;

use super::contender::EVENT_BYTES;
use super::record::{Heading, Line, Record, Section, Verdict, median};

/// Returns the document with all sections of the record.
pub(super) fn whole(record: &Record) -> String {
    let mut text = format!(
        "# Delivery, measured

Written by `cargo xtask bench`, which measures everything again; `delivery.json` in the same folder has the results of
every round. Measured on {machine}.

**Method.** Each server is started anew for each measurement and runs alone on core 0; the load generator, `tidings bench`, runs on
core 1. All connections are over loopback. The servers of a table take turns, in every other round in reverse order, and a cell shows
the median of all rounds, with the minimum and the maximum if they differ. CPU is the user and system time of the server's process,
from `/proc`; it includes the kernel's work for the receiving side of loopback, which is the same for all servers. The events of every
server are padded to {EVENT_BYTES} bytes on the wire, including the framing.

**Servers.** Tidings with its defaults, except that its journal is in memory, `MAX_CONNECTIONS_PER_USER` is raised, because a whole
crowd connects as one user, and so are `MAX_LAG_BYTES` and `WRITE_TIMEOUT`, so that a reader which is stalled on purpose is not ended;
the same with `STREAM_LANE=hyper`, where hyper carries the streams; nginx with nchan, as Debian packages them, with one worker and
messages in memory; `bench/axum-sse`, a plain axum `Sse` application over `tokio::sync::broadcast`; and the floor, `bench/floor`: one
thread that calls `send` for each socket, with no journal, ids or checks.

**Compare only within a table.** Results differ by 20 % and more between runs and between machines.
",
        machine = record.machine
    );
    goals(&mut text, &record.sections);
    for one in &record.sections {
        let _ = write!(text, "\n{}", section(one));
    }
    text
}

fn goals(text: &mut String, sections: &[Section]) {
    text.push_str("\n## Goals\n\n| goal | found | |\n|---|---|---|\n");
    for Verdict {
        goal,
        found,
        decimals,
        met,
    } in sections.iter().flat_map(|section| &section.verdicts)
    {
        let verdict = if *met { "met" } else { "**missed**" };
        let _ = writeln!(
            text,
            "| {goal} | {} | {verdict} |",
            number(*found, *decimals)
        );
    }
}

/// Returns the section of a case: its table, and how it was measured.
pub(super) fn section(section: &Section) -> String {
    let Section {
        title,
        about,
        measured,
        rounds,
        case,
        columns,
        rows,
        ..
    } = section;
    let times = if *rounds == 1 {
        "one round".to_owned()
    } else {
        format!("{rounds} rounds")
    };
    let mut text = format!("## {title}\n\n{about}\n\n{measured}; {times}; `--only {case}`.\n\n| |");
    for Heading { title, .. } in columns {
        let _ = write!(text, " {title} |");
    }
    let _ = write!(text, "\n|---|{}", "---|".repeat(columns.len()));
    for Line { name, cells } in rows {
        let _ = write!(text, "\n| {name} |");
        for (values, heading) in cells.iter().zip(columns) {
            let _ = write!(text, " {} |", cell(values, heading.decimals));
        }
    }
    text.push('\n');
    text
}

fn cell(values: &[f64], decimals: usize) -> String {
    let Some(median) = median(values) else {
        return "–".to_owned();
    };
    let median = number(median, decimals);
    let ends = [values.first(), values.last()]
        .map(|end| end.map(|end| number(*end, decimals)).unwrap_or_default());
    match ends {
        [least, greatest] if least == greatest => median,
        [least, greatest] => format!("{median} ({least}–{greatest})"),
    }
}

/// Formats a number with commas between thousands.
fn number(value: f64, decimals: usize) -> String {
    let plain = format!("{value:.decimals$}");
    let (sign, digits) = plain
        .strip_prefix('-')
        .map_or(("", plain.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_shows_the_median_and_the_range_of_the_rounds() {
        assert_eq!(cell(&[], 2), "–");
        assert_eq!(cell(&[1.234], 2), "1.23");
        assert_eq!(cell(&[5.12, 5.31, 5.9], 1), "5.3 (5.1–5.9)");
        assert_eq!(
            cell(&[1.001, 1.002], 2),
            "1.00",
            "no difference that could be seen"
        );
    }

    #[test]
    fn thousands_are_separated_by_commas() {
        assert_eq!(number(999.0, 0), "999");
        assert_eq!(number(1_000.0, 0), "1,000");
        assert_eq!(number(-1_234_567.891, 1), "-1,234,567.9");
    }
}
