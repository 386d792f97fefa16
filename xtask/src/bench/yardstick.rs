//! A second load generator, whose results should agree with those of our own.
//!
//! Owns its command line, and the conversion of its output into a report. Must never share code
//! with our own generator, because it must be independent.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::contender::{Contender, Endpoints};
use super::load::{self, Connections, Deliveries, Latency, Load, Publishes, Report};

const TIMEOUT: Duration = Duration::from_mins(2);

pub(super) async fn run(
    program: &Path,
    load: &Load,
    contender: Contender,
    to: &Endpoints,
    pids: &[u32],
) -> Result<Report> {
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    let mut command = Command::new(program);
    let mut say = |name: &str, value: &str| {
        command.args([name, value]);
    };
    say("--addr", to.url.trim_start_matches("http://"));
    say("--pids", &pids.join(","));
    say("--path", to.stream);
    say("--pub-path", to.publish);
    if let Some(token) = &to.token {
        say("--header", &format!("Authorization: Bearer {token}"));
        say("--pub-header", &format!("Authorization: Bearer {token}"));
    }
    say("--conns", &load.connections.to_string());
    say("--rate", &load.rate.to_string());
    say("--secs", &load.duration.as_secs_f64().to_string());
    say("--idle-secs", &load.idle.as_secs().to_string());
    say(
        "--body",
        &contender.body(load.padding).replace("{ts}", "@TS@"),
    );
    let printed = load::output(&command, load.duration + TIMEOUT).await?;
    let report = read(&printed).with_context(|| {
        format!("the output of the second load generator is not understood: {printed}")
    })?;
    report.check()?;
    Ok(report)
}

/// Reads the numbers in its output.
fn read(printed: &str) -> Option<Report> {
    let number = |before: &str| -> Option<f64> {
        let text = &printed[printed.find(before)? + before.len()..];
        let end = text
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(text.len());
        text[..end].parse().ok()
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it counts"
    )]
    let count = |before: &str| number(before).map(|number| number as u64);
    let (open, failed) = (count("connect: ")?, count("ready, ")?);
    // These numbers precede their unit.
    let before = |unit: &str| printed.split(unit).next()?.rsplit(' ').next();
    Some(Report {
        connections: Connections {
            wanted: open + failed,
            open,
            ..Connections::default()
        },
        publishes: Publishes {
            sent: count("published "),
            failed: before(" errors)")?.parse().ok(),
            ..Publishes::default()
        },
        deliveries: Deliveries {
            got: count("delivered "),
            wanted: printed
                .split("delivered ")
                .nth(1)?
                .split(' ')
                .nth(2)?
                .parse()
                .ok(),
            cpu_micros: before(" us/delivery")?.parse().ok(),
            ..Deliveries::default()
        },
        latency_micros: Latency {
            p50: number("p50 "),
            p99: number("p99 "),
        },
        ..Report::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_become_a_report() {
        let printed = "connect: 1000 ready, 0 failed in 0.05s = 20000/s; server cpu 30.0us/conn \
                       (u 10.0 s 20.0); mem/conn user 900 B, slab(all, both ends) 9000 B; server \
                       PSS 6.1 MiB\nfanout: published 400 in 8.00s (50/s, 0 errors); delivered \
                       399999 of 400000 (100.000%) in 8.01s = 49938/s; closed 0; bytes/ev 210\n  \
                       server cpu 2.10s = 5.25 us/delivery (user 0.50, sys 4.75); PSS 6.2 MiB; \
                       latency us p50 3000 p90 5000 p99 6100 p99.9 7000 max 8000\n";
        let report = read(printed).unwrap();
        assert_eq!(
            (report.connections.wanted, report.connections.open),
            (1_000, 1_000)
        );
        assert_eq!(
            (report.publishes.sent, report.publishes.failed),
            (Some(400), Some(0))
        );
        assert_eq!(
            (report.deliveries.got, report.deliveries.wanted),
            (Some(399_999), Some(400_000))
        );
        assert_eq!(report.deliveries.cpu_micros, Some(5.25));
        assert_eq!(
            (report.latency_micros.p50, report.latency_micros.p99),
            (Some(3_000.0), Some(6_100.0))
        );
    }
}
