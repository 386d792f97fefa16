//! Those who publish: plain units, units with receipts that are repeated at other nodes, members
//! who join and leave, and someone who erases.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use tidings_journal::{
    Append, Appended, Condition, Limit, Position, Receipt, Record, Selector, TopicName,
};
use tokio::task::JoinSet;

use crate::facts::{Erasure, Outcome, Unit};
use crate::hub::Generation;
use crate::plan::ms;
use crate::sim::{Node, Sim};

/// How long an append may take. A journal gives up long before.
const LIMIT: Duration = Duration::from_mins(2);

pub(crate) fn spawn_all(sim: &Arc<Sim>, publishers: &mut JoinSet<()>) {
    for actor in 0..2 {
        publishers.spawn(plain(sim.clone(), sim.rng(200 + actor)));
        publishers.spawn(repeated(sim.clone(), sim.rng(300 + actor)));
        publishers.spawn(member(sim.clone(), sim.rng(400 + actor)));
    }
    publishers.spawn(eraser(sim.clone(), sim.rng(500)));
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn record(sim: &Sim, topics: &[&str], data: String) -> Record {
    Record {
        topics: topics.iter().map(|name| topic(name)).collect(),
        event: "e".into(),
        key: None,
        data: data.into(),
        at_ms: sim.wall_ms(0),
        ends_key: false,
    }
}

/// Appends a unit at a node as a server does, and notes what its publisher is told.
async fn publish(
    sim: &Sim,
    node: &Node,
    append: Append,
    receipt: Option<String>,
    plain: bool,
) -> Option<(Appended, Arc<Generation>)> {
    let data: Vec<String> = append
        .records
        .iter()
        .map(|record| String::from_utf8_lossy(&record.data).into_owned())
        .collect();
    let index = {
        let mut facts = sim.facts.lock();
        let unit = Unit {
            data: data.clone(),
            receipt,
            plain,
            life: node.life,
            outcome: Outcome::Unsure,
        };
        facts.units.push(unit);
        facts.units.len() - 1
    };
    let generation = node.hub.generation();
    let records = append.records.len() as u64;
    let answer = tokio::select! {
        biased;
        () = node.killed() => return None,
        answer = tokio::time::timeout(LIMIT, node.journal.append(append.at(sim.wall_ms(node.life)))) => answer,
    };
    let Ok(answer) = answer else {
        sim.violation(format!("an append at {} waits for ever", node.name));
        return None;
    };
    sim.trace(|| format!("{}: {data:?} {answer:?}", node.name));
    let appended = answer.ok()?;
    let now = sim.now_ms();
    sim.facts.lock().units[index].outcome = match &appended {
        Appended::New(_) => Outcome::New(now),
        Appended::Known(_) => Outcome::Known(now),
        Appended::Refused(_) | Appended::Full(_) => Outcome::Refused,
    };
    if let (Appended::New(first), true) = (&appended, records > 0) {
        let last = Position::new(first.get() + records - 1);
        let shown = tokio::select! {
            biased;
            () = node.killed() => return None,
            shown = generation.until_visible(last) => shown,
        };
        shown.ok()?;
        let entries = generation.shown_after(Position::new(first.get() - 1));
        let found = entries
            .iter()
            .take(data.len())
            .map(|entry| &entry.record.data);
        if first.next() > generation.base.next() && !found.eq(data.iter().map(String::as_bytes)) {
            sim.violation(format!(
                "{}: {data:?} is said to stand at {first}, and is not there",
                node.name
            ));
        }
    }
    Some((appended, generation))
}

async fn plain(sim: Arc<Sim>, mut rng: StdRng) {
    while !sim.is_quiet() {
        tokio::time::sleep(ms(rng.random_range(20..500))).await;
        let Some(node) = sim.any_node(&mut rng) else {
            continue;
        };
        let count = if rng.random_range(0..4) == 0 {
            rng.random_range(2..5)
        } else {
            1
        };
        let records = (0..count).map(|_| {
            let data = format!("p{}", sim.next_number());
            match rng.random_range(0..6) {
                0..=2 => record(&sim, &["a"], data),
                3 => record(&sim, &["b"], data),
                4 => record(&sim, &["b", "all"], data),
                _ => record(&sim, &["e"], data),
            }
        });
        let mut append = Append::from(records.collect::<Vec<_>>());
        let keyed = rng.random_range(0..6) == 0;
        if keyed {
            let key = format!("k{}", rng.random_range(0..9));
            let data = format!("s{}", sim.next_number());
            append.records.push(Record {
                key: Some(key.as_str().into()),
                ..record(&sim, &["system/status"], data)
            });
        }
        publish(&sim, &node, append, None, !keyed).await;
    }
}

/// Publishes with receipts, and repeats each unit at other nodes, whatever the answer.
async fn repeated(sim: Arc<Sim>, mut rng: StdRng) {
    while !sim.is_quiet() {
        tokio::time::sleep(ms(rng.random_range(20..700))).await;
        let key = format!("r{}", sim.next_number());
        for attempt in 0..rng.random_range(1..4) {
            let Some(node) = sim.any_node(&mut rng) else {
                break;
            };
            let append = Append::from(vec![record(
                &sim,
                &["a", "all"],
                format!("{key}.{attempt}"),
            )]);
            let lives = Duration::from_mins(30);
            let receipt = Receipt {
                key: key.clone().into(),
                value: key.clone().into(),
                lives,
            };
            let answer = publish(
                &sim,
                &node,
                append.receipt(Some(receipt)),
                Some(key.clone()),
                false,
            )
            .await;
            if let Some((Appended::Known(kept), _)) = &answer
                && (kept.value != key.as_bytes() || kept.events != 1 || kept.refused)
            {
                sim.violation(format!("{}: the receipt {key} is {kept:?}", node.name));
            }
            tokio::time::sleep(ms(rng.random_range(0..1_000))).await;
        }
    }
}

/// Joins and leaves as members of a room do: each change is announced once.
async fn member(sim: Arc<Sim>, mut rng: StdRng) {
    let members = topic("members");
    let selector = Selector::topics(vec![members.clone()]);
    while !sim.is_quiet() {
        tokio::time::sleep(ms(rng.random_range(20..600))).await;
        let Some(node) = sim.any_node(&mut rng) else {
            continue;
        };
        let key: Arc<str> = format!("u{}", rng.random_range(0..3)).into();
        let head = node.journal.head();
        let Ok(page) = node
            .journal
            .read_keyed(&selector, Position::START, head, Limit::NONE)
            .await
        else {
            continue;
        };
        let live = page
            .entries
            .iter()
            .find(|entry| entry.record.key.as_ref() == Some(&key));
        let joins = live.is_none() || rng.random_range(0..4) == 0;
        let number = sim.next_number();
        let what = if joins { "J" } else { "L" };
        let announcement = record(&sim, &["m"], format!("{what} {key} {number}"));
        let change = Record {
            key: Some(key.clone()),
            ends_key: !joins,
            ..record(&sim, &["members"], format!("{key} {number}"))
        };
        let condition = match live {
            Some(entry) if !joins => {
                Condition::Current(members.clone(), key.clone(), entry.id.position)
            }
            _ => Condition::Absent(members.clone(), key.clone()),
        };
        let append = Append::from(vec![announcement, change]).when(Some(condition));
        publish(&sim, &node, append, None, false).await;
    }
}

async fn eraser(sim: Arc<Sim>, mut rng: StdRng) {
    let erased = topic("e");
    let selector = Selector::topics(vec![erased.clone()]);
    while !sim.is_quiet() {
        tokio::time::sleep(ms(rng.random_range(1_000..6_000))).await;
        let Some(node) = sim.any_node(&mut rng) else {
            continue;
        };
        let Ok(page) = node
            .journal
            .read(&selector, Position::START, node.journal.head(), Limit::NONE)
            .await
        else {
            continue;
        };
        if page.entries.is_empty() {
            continue;
        }
        let until = page.entries[rng.random_range(0..page.entries.len())].id;
        let index = {
            let mut facts = sim.facts.lock();
            facts.erasures.push(Erasure {
                topic: erased.clone(),
                until,
                done: false,
            });
            facts.erasures.len() - 1
        };
        let topics = [erased.clone()];
        let answer = tokio::select! {
            biased;
            () = node.killed() => continue,
            answer = tokio::time::timeout(LIMIT, node.journal.erase(&topics, until)) => answer,
        };
        let Ok(answer) = answer else {
            sim.violation(format!("an erasure at {} waits for ever", node.name));
            continue;
        };
        sim.trace(|| format!("{}: erases up to {until}: {answer:?}", node.name));
        sim.facts.lock().erasures[index].done = answer.is_ok();
    }
}
