//! Erasing: what stands in some topics up to a place goes from everywhere, at once and for good.
//!
//! It is trimming at somebody's word. So it is written as trimming is, as floors that are on the device before the answer, and
//! the bytes go when the storage engine rewrites the tables that they are in. A floor hides everything below it: in another
//! topic that showed an erased record too, what is older than that record is hidden with it, as it is when a record is trimmed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tokio::sync::{mpsc, oneshot};

use super::chore::{Chore, Erase};
use super::committer::Job;
use super::janitor::{self, Over};
use super::keys::Kind;
use super::log::Log;
use super::reader::{Merge, Taken};
use super::trim::{self, Bounds, Next};
use tidings_journal::{Error, Position, TopicName};

/// The most topics that are trimmed in one step of the committer.
const AT_ONCE: usize = 256;

/// Erases what stands in `topics` at or below `until`. Returns the floor of each topic that something was erased from.
pub(super) fn erase(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    topics: &[TopicName],
    until: Position,
) -> Result<Vec<(TopicName, Position)>, Error> {
    let mut goals: BTreeMap<TopicName, Position> = topics.iter().map(|name| (name.clone(), until)).collect();
    let mut floors = Vec::new();
    for name in topics {
        if let Some(highest) = look(log, name, until, &mut goals)? {
            floors.push((name.clone(), highest));
        }
    }
    let mut touched: BTreeSet<TopicName> = floors.iter().map(|(name, _)| name.clone()).collect();
    let goals: Vec<_> = goals.into_iter().map(|(name, until)| (name, Bounds { until, ..Bounds::NONE })).collect();
    for goals in goals.chunks(AT_ONCE) {
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
        let chore = |done| Chore::Erase(Erase { floors, keyed }, done);
        janitor::write(log, jobs, chore).map_err(|Over| over(log))?;
    }
    // What an attempt before this one hid may not have been written: then nothing is there to erase, and it comes back at the
    // next start. A log that failed a write is closed, so its health tells.
    log.health()?;
    let known = log.topics.read();
    Ok(touched
        .into_iter()
        .filter_map(|name| known.get(&name).map(|topic| topic.row.lost()).map(|floor| (name, floor)))
        .collect())
}

/// Finds the records without a key in `name` up to `until`: sets the goal of each topic that one of them was published to, and
/// returns the highest of their positions.
fn look(
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
    let look_on = |after: Position, highest: &mut Option<Position>, goals: &mut BTreeMap<TopicName, Position>| {
        let mut merge = Merge::new(&log.tables, &view.snapshot, [(row.id, Kind::Plain, after)], until)?;
        while let Some(position) = merge.peek()? {
            if let Some(Taken { record, .. }) = merge.take(position)?
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
        let why = match look_on(after, &mut highest, goals) {
            Err(Error::Damaged(why)) => why,
            looked => return looked.map(|()| highest),
        };
        // What can't be read here may be read where it was published to: that is erased too.
        after = after.max(highest.unwrap_or_default());
        let end = log.hole_end(&view, (name, row.id, Kind::Plain), after, until, &why)?;
        let end = end.filter(|end| *end > after).ok_or(Error::Unreadable(why))?;
        let hosts = log.gone(row.id, after, end).hosts;
        let known = log.topics.read();
        for (host, last) in hosts {
            if let Some((first, _)) = known.iter().find(|(_, topic)| topic.row.id == host) {
                let goal = goals.entry(first.clone()).or_default();
                *goal = last.max(*goal);
            }
        }
        (highest, after) = (Some(end), end);
    }
}

/// Trims each of a few topics up to its bound.
fn trim(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    goals: &[(TopicName, Bounds)],
    touched: &mut BTreeSet<TopicName>,
) -> Result<(), Error> {
    loop {
        let _turn = log.trimming.lock();
        let (mut chores, mut written) = (Vec::new(), Vec::new());
        for (name, bounds) in goals {
            if let Next::Step(step) = trim::next(log, name, *bounds)? {
                touched.insert(step.topic.clone());
                touched.extend(step.others.iter().map(|guests| guests.topic.clone()));
                log.trimmed.lock().add(log, &step);
                let (done, receiver) = oneshot::channel();
                chores.push(Chore::Trim(step, done));
                written.push(receiver);
            }
        }
        if chores.is_empty() {
            return Ok(());
        }
        janitor::write_all(log, jobs, chores, written).map_err(|Over| over(log))?;
    }
}

/// The log was closed, or failed, before all was written.
fn over(log: &Log) -> Error {
    log.health()
        .err()
        .unwrap_or_else(|| Error::Closed("the journal is closing; what was to be erased may be there".to_owned()))
}
