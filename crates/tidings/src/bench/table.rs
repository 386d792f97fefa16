//! The report as a table for people.

use std::fmt::Write as _;

use super::report::{Connections, Deliveries, Idle, Latency, Memory, Publishes, Report};

/// Returns the table, with a line break at its end.
pub(super) fn table(report: &Report) -> String {
    let Report {
        connections,
        idle,
        publishes,
        deliveries,
        latency,
        memory,
    } = report;
    let rows = [
        ("streams", Some(stream_row(connections))),
        ("idle", idle_row(idle)),
        ("publishes", publish_row(publishes)),
        ("deliveries", delivery_row(deliveries)),
        ("latency", latency_row(latency)),
        ("server", cpu_row(deliveries, publishes)),
        ("memory", memory_row(memory, connections)),
    ];
    let mut table = String::new();
    for (name, row) in rows
        .into_iter()
        .filter_map(|(name, row)| Some((name, row?)))
    {
        let _ = writeln!(table, "  {name:<12}{row}");
    }
    table
}

fn stream_row(connections: &Connections) -> String {
    let Connections {
        wanted,
        open,
        refused,
        failed,
        ended,
        seconds,
        per_second,
        cpu_micros,
        ..
    } = connections;
    let mut row = format!(
        "{} of {} open in {seconds:.2} s",
        whole(*open as u64),
        whole(*wanted as u64)
    );
    push(
        &mut row,
        per_second.map(|rate| format!(", {}/s", grouped(rate))),
    );
    for (count, what) in [
        (refused, "refused"),
        (failed, "failed"),
        (ended, "ended by the server"),
    ] {
        push(
            &mut row,
            (*count > 0).then(|| format!(", {} {what}", whole(*count as u64))),
        );
    }
    push(
        &mut row,
        cpu_micros.map(|each| format!("; {each:.1} µs of the server's CPU each")),
    );
    row
}

fn idle_row(idle: &Idle) -> Option<String> {
    Some(format!(
        "{:.2} % of a core over {:.1} s",
        idle.cpu_percent?, idle.seconds?
    ))
}

fn publish_row(publishes: &Publishes) -> Option<String> {
    let mut row = format!("{} in {:.2} s", whole(publishes.sent?), publishes.seconds?);
    push(
        &mut row,
        publishes
            .per_second
            .map(|rate| format!(", {}/s", grouped(rate))),
    );
    push(
        &mut row,
        publishes
            .failed
            .filter(|failed| *failed > 0)
            .map(|failed| format!(", {} failed", whole(failed))),
    );
    Some(row)
}

fn delivery_row(deliveries: &Deliveries) -> Option<String> {
    let Deliveries {
        wanted,
        got,
        seconds,
        per_second,
        bytes,
        ..
    } = deliveries;
    let mut row = format!(
        "{} of {} in {:.2} s",
        whole((*got)?),
        whole((*wanted)?),
        (*seconds)?
    );
    push(
        &mut row,
        per_second.map(|rate| format!(", {}/s", grouped(rate))),
    );
    push(&mut row, bytes.map(|bytes| format!(", {bytes:.0} B each")));
    Some(row)
}

fn latency_row(latency: &Latency) -> Option<String> {
    let Latency {
        p50,
        p90,
        p99,
        p999,
        max,
    } = latency;
    let names = [
        ("p50", p50),
        ("p90", p90),
        ("p99", p99),
        ("p99.9", p999),
        ("max", max),
    ];
    let row: Option<Vec<_>> = names
        .into_iter()
        .map(|(name, value)| Some(format!("{name} {}", span((*value)?))))
        .collect();
    Some(row?.join(", "))
}

fn cpu_row(deliveries: &Deliveries, publishes: &Publishes) -> Option<String> {
    let (each, user, system) = (
        deliveries.cpu_micros?,
        deliveries.cpu_user_micros?,
        deliveries.cpu_system_micros?,
    );
    let mut row =
        format!("{each:.2} µs of CPU for each delivery ({user:.2} user, {system:.2} system)");
    push(
        &mut row,
        publishes
            .cpu_micros
            .map(|each| format!("; {} for each publish", span_of(each))),
    );
    Some(row)
}

fn memory_row(memory: &Memory, connections: &Connections) -> Option<String> {
    let Memory {
        before,
        open,
        after,
        closed,
    } = *memory;
    let moments = [
        ("before", before),
        ("open", open),
        ("after", after),
        ("closed", closed),
    ];
    let values = moments
        .into_iter()
        .filter_map(|(name, bytes)| Some(format!("{} {name}", mebibytes(bytes?))));
    let mut row = values.collect::<Vec<_>>().join(", ");
    push(
        &mut row,
        connections
            .bytes
            .map(|bytes| format!("; {} B for each stream", grouped(bytes))),
    );
    (!row.is_empty()).then_some(row)
}

fn push(row: &mut String, more: Option<String>) {
    row.push_str(&more.unwrap_or_default());
}

fn mebibytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "sizes of memory")]
    let mebibytes = bytes as f64 / 1_048_576.0;
    format!("{mebibytes:.1} MiB")
}

/// Formats a whole number with groups of three digits.
pub(super) fn whole(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a rate, with one decimal place if it is small.
pub(super) fn grouped(number: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates and sizes are far below 2^64"
    )]
    if number < 100.0 {
        format!("{number:.1}")
    } else {
        whole(number.round() as u64)
    }
}

/// Formats a time in the unit that fits its size.
fn span(micros: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    span_of(micros as f64)
}

fn span_of(micros: f64) -> String {
    match micros {
        ..1_000.0 => format!("{micros:.0} µs"),
        ..1_000_000.0 => format!("{:.1} ms", micros / 1_000.0),
        _ => format!("{:.2} s", micros / 1_000_000.0),
    }
}
