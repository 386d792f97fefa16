//! Erasing: removes what stands in some topics up to a position from all topics, at once and for
//! good.
//!
//! Erasing is trimming on request. It is stored in the same way: as floors, which are on the device
//! before the request is answered. The bytes disappear when the storage engine rewrites the tables
//! that they are in. A floor hides everything below it. If another topic showed an erased
//! record, older records in that topic are therefore hidden too, as they are when a record is
//! trimmed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tokio::sync::{mpsc, oneshot};

use super::committer::Job;
use super::keys::Kind;
use super::log::Log;
use super::maintenance::{Erasure, MaintenanceWrite};
use super::merge::{Merge, StoredRecord};
use super::request::{self, Stopped};
use super::topics::TopicLimits;
use super::trim::{self, Decision};
use tidings_journal::{Error, Position, TopicName};

/// The most topics that are trimmed in one step of the committer.
const MAX_TOPICS_PER_STEP: usize = 256;

/// Erases what stands in `topics` at or below `until`. Returns the floor of each topic from which
/// something was erased.
pub(super) fn erase(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    topics: &[TopicName],
    until: Position,
) -> Result<Vec<(TopicName, Position)>, Error> {
    let mut goals: BTreeMap<TopicName, Position> =
        topics.iter().map(|name| (name.clone(), until)).collect();
    let mut floors = Vec::new();
    for name in topics {
        if let Some(highest) = find_records(log, name, until, &mut goals)? {
            floors.push((name.clone(), highest));
        }
    }
    let mut touched: BTreeSet<TopicName> = floors.iter().map(|(name, _)| name.clone()).collect();
    let goals: Vec<_> = goals
        .into_iter()
        .map(|(name, until)| {
            (
                name,
                TopicLimits {
                    until,
                    ..TopicLimits::NONE
                },
            )
        })
        .collect();
    for goals in goals.chunks(MAX_TOPICS_PER_STEP) {
        trim(log, jobs, goals, &mut touched)?;
    }
    let named: HashSet<&TopicName> = topics.iter().collect();
    let keyed: Vec<Position> = {
        let known = log.topics.read();
        let hit = known.keyed().take_while(|(position, _)| *position <= until);
        let hit = hit.filter(|(_, keyed)| keyed.topics.iter().any(|name| named.contains(name)));
        hit.map(|(position, keyed)| {
            touched.extend(keyed.topics.iter().cloned());
            position
        })
        .collect()
    };
    if !keyed.is_empty() || !floors.is_empty() {
        let erasure = |done| MaintenanceWrite::Erase(Erasure { floors, keyed }, done);
        request::write(log, jobs, erasure).map_err(|Stopped| closed_error(log))?;
    }
    // An earlier attempt may have hidden the records without its write succeeding. Then nothing is
    // left to erase here, but the records would come back at the next start. A log in which a write
    // failed is closed, so its health tells.
    log.health()?;
    let known = log.topics.read();
    Ok(touched
        .into_iter()
        .filter_map(|name| {
            known
                .get(&name)
                .map(|topic| topic.row.highest_trimmed())
                .map(|floor| (name, floor))
        })
        .collect())
}

/// Finds the records without a key in `name` up to `until`. Sets the goal of each topic that one of
/// them was published to, and returns their highest position.
fn find_records(
    log: &Log,
    name: &TopicName,
    until: Position,
    goals: &mut BTreeMap<TopicName, Position>,
) -> Result<Option<Position>, Error> {
    let Some(row) = log.topics.read().get(name).map(|topic| topic.row) else {
        return Ok(None);
    };
    let (view, until) = (log.view(), until.min(log.view().head));
    let mut highest = None;
    let mut after = row.floor;
    let search = |after: Position,
                  highest: &mut Option<Position>,
                  goals: &mut BTreeMap<TopicName, Position>| {
        let mut merge = Merge::new(
            &log.tables,
            &view.snapshot,
            [(row.id, Kind::Plain, after)],
            until,
        )?;
        while let Some(position) = merge.peek()? {
            if let Some(StoredRecord { record, .. }) = merge.take(position)?
                && let Some(first) = record.topics.first().filter(|first| *first != name)
            {
                let goal = goals.entry(first.clone()).or_default();
                *goal = position.max(*goal);
            }
            *highest = Some(position);
        }
        Ok(())
    };
    loop {
        let why = match search(after, &mut highest, goals) {
            Err(Error::Damaged(why)) => why,
            searched => return searched.map(|()| highest),
        };
        // A record that can't be read here may be readable in its first topic. It is erased there
        // too.
        after = after.max(highest.unwrap_or_default());
        let end = log.damage_end(&view, (name, row.id, Kind::Plain), after, until, &why)?;
        let end = end
            .filter(|end| *end > after)
            .ok_or(Error::Unreadable(why))?;
        let first_topics = log.lost_records(row.id, after, end).first_topics;
        let known = log.topics.read();
        for (first_topic, last) in first_topics {
            if let Some((first, _)) = known.iter().find(|(_, topic)| topic.row.id == first_topic) {
                let goal = goals.entry(first.clone()).or_default();
                *goal = last.max(*goal);
            }
        }
        (highest, after) = (Some(end), end);
    }
}

/// Trims each topic to its limits.
fn trim(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    goals: &[(TopicName, TopicLimits)],
    touched: &mut BTreeSet<TopicName>,
) -> Result<(), Error> {
    loop {
        let _guard = log.trimming.lock();
        let (mut writes, mut written) = (Vec::new(), Vec::new());
        for (name, bounds) in goals {
            if let Decision::Trim(step) = trim::next(log, name, *bounds)? {
                touched.insert(step.topic.clone());
                touched.extend(step.others.iter().map(|other| other.topic.clone()));
                log.garbage.lock().add(&log.topics.read(), &step);
                let (done, receiver) = oneshot::channel();
                writes.push(MaintenanceWrite::Trim(step, done));
                written.push(receiver);
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        request::write_all(log, jobs, writes, written).map_err(|Stopped| closed_error(log))?;
    }
}

/// Returns the error of a log that was closed or has failed before everything was written.
fn closed_error(log: &Log) -> Error {
    log.health().err().unwrap_or_else(|| {
        Error::Closed(
            "the journal is closing; some of what was to be erased may still be there".to_owned(),
        )
    })
}
