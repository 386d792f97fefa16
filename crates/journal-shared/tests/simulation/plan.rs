//! What is to happen in a simulation. Everything follows from the seed.

use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tidings_broker_contract::fake::Kind;
use tidings_journal::Bounds;
use tidings_journal::replica::Retention;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) proxy: bool,
    /// Whether the nodes' clocks differ.
    pub(crate) skewed: bool,
    /// Whether the log keeps little, so that it is truncated often.
    pub(crate) tight: bool,
    pub(crate) latency_ms: Range<u64>,
    /// When each fault begins, in milliseconds after the one before.
    pub(crate) faults: Vec<(u64, Fault)>,
}

/// A fault, with its duration in milliseconds if it has one.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Restart,
    Down(u64),
    Full(u64),
    Cut(usize, u64),
    Stall(usize, u64),
    Freeze(usize, u64),
    /// Kills a node and starts it again after this time.
    Kill(usize, u64),
    /// Requests of a node get lost, are not answered, done late, or done twice.
    Lossy(usize, u64),
    Skew(i64),
    Foreign,
    /// A failover to a copy that has everything.
    CleanFailover,
    /// A failover to a copy that has learned nothing for this time.
    Failover(u64),
    /// A failover that some nodes don't notice for this time.
    Split(Vec<usize>, u64),
    /// A failover to a copy that lags, after which the old server comes back.
    Return(u64, u64),
    /// A backup that is restored after this time.
    Restore(u64),
    Flush,
    /// Deletes some of the groups behind the nodes' backs.
    DeleteGroups,
}

impl Fault {
    /// Whether it changes which server there is, so that two of them must not overlap.
    pub(crate) fn changes_servers(&self) -> bool {
        matches!(
            self,
            Self::Restart
                | Self::Down(_)
                | Self::CleanFailover
                | Self::Failover(_)
                | Self::Split(..)
                | Self::Return(..)
                | Self::Restore(_)
                | Self::Flush
        )
    }
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let kind = if seed.is_multiple_of(2) {
            Kind::Tagged
        } else {
            Kind::Numbered
        };
        let mood = (seed / 2) % 4;
        let count = rng.random_range(2..7);
        let mut faults: Vec<_> = (0..count)
            .map(|_| (rng.random_range(300..4_000), harmless(&mut rng)))
            .collect();
        match mood {
            0 => faults.truncate(1),
            1 => {}
            2 => faults.insert(
                rng.random_range(0..faults.len()),
                (rng.random_range(1_500..5_000), lossy(kind, &mut rng)),
            ),
            _ => {
                for _ in 0..rng.random_range(1..4) {
                    faults.insert(
                        rng.random_range(0..faults.len()),
                        (rng.random_range(1_500..4_000), lossy(kind, &mut rng)),
                    );
                }
            }
        }
        Self {
            seed,
            kind,
            proxy: rng.random_range(0..3) == 0,
            skewed: rng.random_range(0..3) == 0,
            tight: rng.random_range(0..3) == 0,
            latency_ms: 0..[1, 5, 40, 300][rng.random_range(0..4)],
            faults,
        }
    }

    /// How much each node keeps.
    pub(crate) fn retention(&self) -> Retention {
        let max_events = if self.tight { 40 } else { 100_000 };
        Retention {
            max_events,
            bounds: Bounds::of_each(6),
            ..Retention::default()
        }
    }
}

fn harmless(rng: &mut StdRng) -> Fault {
    let node = rng.random_range(0..crate::sim::NODES);
    let span = rng.random_range(50..6_000);
    match rng.random_range(0..13) {
        0 => Fault::Restart,
        1 => Fault::Down(span),
        2 => Fault::Full(span),
        3 => Fault::Cut(node, span),
        4 => Fault::Stall(node, span * 2),
        5 => Fault::Freeze(node, span * 2),
        6 | 7 => Fault::Kill(node, span),
        8..=10 => Fault::Lossy(node, span * 2),
        11 => Fault::CleanFailover,
        _ if rng.random_range(0..2) == 0 => Fault::Foreign,
        _ => Fault::Skew(rng.random_range(-100_000..100_000)),
    }
}

fn lossy(kind: Kind, rng: &mut StdRng) -> Fault {
    let span = rng.random_range(1..4_000);
    match rng.random_range(0..10) {
        0..=3 => Fault::Failover(span),
        4 | 5 => Fault::Split(
            (0..crate::sim::NODES)
                .filter(|_| rng.random_range(0..2) == 0)
                .collect(),
            span,
        ),
        6 => Fault::Return(span, rng.random_range(1..4_000)),
        7 => Fault::Restore(span),
        // without tags, nobody knows how many positions they took
        9 if kind == Kind::Tagged => Fault::DeleteGroups,
        _ => Fault::Flush,
    }
}

/// Converts milliseconds.
pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
