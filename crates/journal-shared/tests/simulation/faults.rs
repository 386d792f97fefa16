//! The faults of a simulation, as they happen.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use tidings_broker_contract::fake::Link;
use tidings_journal_shared::broker::Mark;
use tokio::task::JoinSet;

use crate::facts::Loss;
use crate::plan::{Fault, ms};
use crate::sim::{NODES, Sim};

/// Has all faults of the plan happen, and heals everything.
pub(crate) async fn storm(sim: &Arc<Sim>) {
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut under_way = JoinSet::new();
    for (delay, fault) in sim.plan.faults.clone() {
        tokio::time::sleep(ms(delay)).await;
        sim.trace(|| format!("FAULT {fault:?}"));
        let sim = sim.clone();
        under_way.spawn(async move { happen(&sim, fault).await });
    }
    while let Some(ended) = under_way.join_next().await {
        if let Err(error) = ended {
            sim.violation(format!("a fault panicked: {error}"));
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for node in sim.nodes() {
        node.link.set_link(|link| {
            *link = Link {
                latency_ms: sim.plan.latency_ms.clone(),
                ..Link::default()
            }
        });
    }
}

async fn happen(sim: &Arc<Sim>, fault: Fault) {
    let fake = &sim.fake;
    let lose = |loss| sim.facts.lock().losses.push(loss);
    let _alone = if fault.changes_servers() {
        Some(sim.topology.lock().await)
    } else {
        None
    };
    match fault {
        Fault::Restart => fake.restart(),
        Fault::Down(span) => {
            fake.set_up(false);
            tokio::time::sleep(ms(span)).await;
            fake.set_up(true);
        }
        Fault::Full(span) => {
            fake.set_full(true);
            tokio::time::sleep(ms(span)).await;
            fake.set_full(false);
        }
        Fault::Cut(slot, span) => during(sim, slot, span, |link| &mut link.cut).await,
        Fault::Stall(slot, span) => during(sim, slot, span, |link| &mut link.stalled).await,
        Fault::Freeze(slot, span) => during(sim, slot, span, |link| &mut link.frozen).await,
        Fault::Kill(slot, span) => {
            sim.kill(slot);
            tokio::time::sleep(ms(span)).await;
            if sim.node(slot).is_none() {
                sim.start(slot).await;
            }
        }
        Fault::Lossy(slot, span) => lossy_link(sim, slot, span).await,
        Fault::Skew(skew) => fake.set_skew_ms(skew),
        Fault::Foreign => fake.append_foreign(b"no group of ours"),
        Fault::CleanFailover => fake.fail_over(&[]),
        Fault::Failover(lag) => {
            fake.stop_replication();
            tokio::time::sleep(ms(lag)).await;
            lose(Loss::Tail);
            fake.fail_over(&[]);
        }
        Fault::Split(slots, span) => {
            let nodes: Vec<_> = slots.iter().filter_map(|slot| sim.node(*slot)).collect();
            let left_behind: Vec<_> = nodes.iter().map(|node| &*node.link).collect();
            lose(Loss::Forked);
            fake.fail_over(&left_behind);
            tokio::time::sleep(ms(span)).await;
            fake.heal();
        }
        Fault::Return(lag, span) => {
            fake.stop_replication();
            tokio::time::sleep(ms(lag)).await;
            lose(Loss::Forked);
            fake.fail_over(&[]);
            tokio::time::sleep(ms(span)).await;
            fake.fail_back();
        }
        Fault::Restore(span) => {
            let backup = fake.back_up();
            tokio::time::sleep(ms(span)).await;
            lose(Loss::Tail);
            fake.restore(&backup);
        }
        Fault::Flush => {
            lose(Loss::Log);
            fake.flush();
        }
        Fault::DeleteGroups => {
            lose(Loss::Groups);
            let (from, to) = (fake.trimmed().0, fake.head().0);
            let until = sim.rng(7).random_range(from..=to);
            fake.delete_groups(Mark(until));
        }
    }
}

/// Has something be so with the link of a node for a time.
async fn during(sim: &Sim, slot: usize, span: u64, of: impl Fn(&mut Link) -> &mut bool) {
    let Some(node) = sim.node(slot) else { return };
    node.link.set_link(|link| *of(link) = true);
    tokio::time::sleep(ms(span)).await;
    node.link.set_link(|link| *of(link) = false);
}

async fn lossy_link(sim: &Sim, slot: usize, span: u64) {
    let Some(node) = sim.node(slot) else { return };
    let mut rng = sim.rng(8 + slot as u64);
    let well = Link {
        latency_ms: sim.plan.latency_ms.clone(),
        ..Link::default()
    };
    let mut share = || rng.random_range(0..250);
    let bad = Link {
        lost: share(),
        unanswered: share(),
        ghosts: share() / 2,
        doubled: share() / 2,
        live_lost: share(),
        stale: share(),
        ..well.clone()
    };
    let put = |from: &Link| {
        let Link {
            lost,
            unanswered,
            ghosts,
            doubled,
            live_lost,
            stale,
            ..
        } = *from;
        node.link.set_link(|link| {
            (link.lost, link.unanswered, link.ghosts) = (lost, unanswered, ghosts);
            (link.doubled, link.live_lost, link.stale) = (doubled, live_lost, stale);
        });
    };
    put(&bad);
    tokio::time::sleep(ms(span)).await;
    put(&well);
    debug_assert!(slot < NODES, "there are only so many nodes");
}
