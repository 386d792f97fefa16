//! What a node counts, for [`BrokerVitals`].

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_journal::{BrokerVitals, Histogram};

/// The bounds of the buckets for appends, in microseconds.
const BOUNDS_US: [u64; 12] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
];

/// The counts of a node.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) reconnects: u64,
    pub(crate) epochs: u64,
    pub(crate) generations: BTreeMap<&'static str, u64>,
    pub(crate) gaps_repaired: u64,
    pub(crate) voids: BTreeMap<&'static str, u64>,
    pub(crate) resent: u64,
    pub(crate) groups: u64,
    pub(crate) units: u64,
    pub(crate) snapshots: u64,
    appends: [u64; BOUNDS_US.len() + 1],
    append_time: Duration,
}

impl Tally {
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock());
    }

    /// Counts a group that was appended.
    pub(crate) fn appended(&self, units: usize, took: Duration) {
        self.count(|counts| {
            counts.groups += 1;
            counts.units += units as u64;
            let nth = BOUNDS_US.partition_point(|bound| u128::from(*bound) < took.as_micros());
            if let Some(bucket) = counts.appends.get_mut(nth) {
                *bucket += 1;
            }
            counts.append_time += took;
        });
    }

    /// Returns the figures that are counted. The others are left at zero.
    pub(crate) fn vitals(&self) -> BrokerVitals {
        let counts = self.0.lock();
        let bounds = BOUNDS_US
            .iter()
            .map(|bound| Some(Duration::from_micros(*bound)))
            .chain([None]);
        let appends = Histogram {
            counts: bounds.zip(counts.appends).collect(),
            sum: counts.append_time,
        };
        let list = |map: &BTreeMap<&'static str, u64>| {
            map.iter().map(|(why, count)| (*why, *count)).collect()
        };
        BrokerVitals {
            reconnects: counts.reconnects,
            epochs: counts.epochs,
            generations: list(&counts.generations),
            gaps_repaired: counts.gaps_repaired,
            voids: list(&counts.voids),
            resent: counts.resent,
            groups: counts.groups,
            units: counts.units,
            snapshots: counts.snapshots,
            appends: Some(appends),
            ..BrokerVitals::default()
        }
    }
}
