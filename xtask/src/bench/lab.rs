//! Runs a case: starts its servers one after the other, round by round, and applies the load.
//!
//! Owns the order, and what happens before a load. The servers take turns, in reverse order in
//! every other round, so that changes on the machine during a run affect all servers equally. Must
//! never let two servers run at the same time.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::cases::{Before, Case, Generator, Row};
use super::contender::{Access, Contender, EVENT_BYTES, Endpoints};
use super::load::{Load, Report};
use super::machine;
use super::record::Section;
use super::running::Running;
use super::stalled::Stalled;
use super::yardstick;

/// The load that blocks a stalled reader. It exceeds what the system buffers for a socket (some 2.6
/// MB on loopback), but by less than Tidings lets a reader fall behind (`MAX_LAG_BYTES`, 2 MiB
/// here).
const FILLING: Load = Load {
    connections: 1,
    burst: 0,
    idle: Duration::ZERO,
    duration: Duration::from_secs(1),
    rate: 400,
    pipeline: 1,
    elsewhere: false,
    to_one_user: false,
    padding: 9_900,
};
/// The load that determines the length of an event.
const SAMPLE: Load = Load {
    rate: 20,
    padding: 0,
    ..FILLING
};

pub(super) struct Lab {
    quick: bool,
    /// How many bytes must be added to the events of each server to give all events the same
    /// length.
    padding: HashMap<Contender, usize>,
}

impl Lab {
    pub(super) fn new(quick: bool) -> Self {
        Self {
            quick,
            padding: HashMap::new(),
        }
    }

    /// Measures every row once in each round.
    pub(super) async fn run(&mut self, case: &Case, rows: &[Row], rounds: u32) -> Result<Section> {
        let mut reports: Vec<Vec<Report>> = rows.iter().map(|_| Vec::new()).collect();
        for round in 1..=rounds {
            let mut order: Vec<_> = (0..rows.len()).collect();
            if round % 2 == 0 {
                order.reverse();
            }
            for index in order {
                let row = &rows[index];
                let name = row.name();
                eprintln!("bench: {}, round {round} of {rounds}: {name}", case.name);
                reports[index].push(
                    self.measure(row)
                        .await
                        .with_context(|| format!("{}: {name}", case.name))?,
                );
            }
        }
        Ok(Section::of(
            case,
            rows,
            &reports,
            rounds,
            machine::when_and_what()?,
        ))
    }

    async fn measure(&mut self, row: &Row) -> Result<Report> {
        let padding = self.padding(row.contender).await?;
        let mut load = Load {
            padding,
            ..row.load
        };
        if self.quick {
            load.duration = load.duration.min(Duration::from_secs(1));
            load.idle = load.idle.min(Duration::from_secs(1));
        }
        let server = Running::start(row.contender).await?;
        let to = row.contender.endpoints(server.port(), row.access)?;
        let pids = server.pids()?;
        let stalled = (row.before == Before::Stalled)
            .then(|| Stalled::open(&to, server.port()))
            .transpose()?;
        if row.before != Before::Nothing {
            FILLING.run(row.contender, Access::Demo, &to, &pids).await?;
        }
        let report = match &row.generator {
            Generator::Ours => load.run(row.contender, row.access, &to, &pids).await?,
            Generator::Second(program) => {
                yardstick::run(program, &load, row.contender, &to, &pids).await?
            }
        };
        if let Some(stalled) = stalled {
            let waiting = stalled.waiting()?;
            eprintln!("bench: {waiting} bytes wait for the stalled reader");
        }
        Ok(report)
    }

    async fn padding(&mut self, contender: Contender) -> Result<usize> {
        if let Some(padding) = self.padding.get(&contender) {
            return Ok(*padding);
        }
        let server = Running::start(contender).await?;
        let to: Endpoints = contender.endpoints(server.port(), Access::Demo)?;
        let report = SAMPLE
            .run(contender, Access::Demo, &to, &server.pids()?)
            .await?;
        let bytes = report.deliveries.bytes.context("not one event arrived")?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some hundred bytes"
        )]
        let padding = EVENT_BYTES
            .checked_sub(bytes.round() as usize)
            .with_context(|| format!("an event takes {bytes} bytes"))?;
        self.padding.insert(contender, padding);
        Ok(padding)
    }
}
