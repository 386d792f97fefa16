//! Trimming: which of the oldest records of a topic are removed, given its limits.

use std::collections::{BTreeSet, HashMap};

use super::counters::add;
use super::damage::LostRecords;
use super::keys::{Kind, TopicId};
use super::log::{Log, View};
use super::maintenance::{OtherTopic, TrimStep};
use super::merge::{Merge, StoredRecord};
use super::topics::{OtherTopics, Topic, TopicLimits};
use tidings_journal::{Error, Position, TopicName};

/// Whether a topic has to be trimmed.
pub(super) enum Decision {
    /// Nothing, because the topic is within its limits.
    WithinLimits,
    /// These records are to be trimmed.
    Trim(TrimStep),
}

/// Examines some of a topic's oldest records, and returns which of them have to be trimmed.
pub(super) fn next(log: &Log, name: &TopicName, limits: TopicLimits) -> Result<Decision, Error> {
    discount_hidden(log, name);
    let topic = {
        let topics = log.topics.read();
        match topics.get(name) {
            Some(topic)
                if limits.is_exceeded(topic)
                    || limits.is_aged(topic)
                    || limits.is_erased(topic) =>
            {
                topic.clone()
            }
            _ => return Ok(Decision::WithinLimits),
        }
    };
    let surplus_events = topic.row.events.saturating_sub(limits.events);
    let surplus_bytes = topic.row.bytes.saturating_sub(limits.bytes);
    let mut step = TrimStep::new(name.clone());
    let mut others: HashMap<TopicName, OtherTopic> = HashMap::new();
    let view = log.view();
    let mut own_after = topic.row.floor.max(topic.own_after);
    let begun = Merge::new(
        &log.tables,
        &view.snapshot,
        [(topic.row.id, Kind::Plain, own_after)],
        view.head,
    );
    let mut merge = match begun {
        Err(Error::Damaged(why)) => {
            return around_damage(log, (name, &topic), limits, own_after, &why);
        }
        begun => begun?,
    };
    loop {
        let next = merge.peek().and_then(|next| {
            next.map(|at| merge.take(at).map(|taken| (at, taken)))
                .transpose()
        });
        let (position, taken) = match next {
            Ok(Some(next)) => next,
            Ok(None) => break,
            // What was read before the damage is trimmed first.
            Err(Error::Damaged(_)) if step.events > 0 => break,
            Err(Error::Damaged(why)) => {
                return around_damage(log, (name, &topic), limits, own_after, &why);
            }
            Err(error) => return Err(error),
        };
        let Some(StoredRecord {
            record,
            own_bytes,
            copy_bytes,
        }) = taken
        else {
            continue;
        };
        if record.topics.first() != Some(name) {
            if step.events == 0 {
                own_after = position;
            }
            continue; // shown here, but kept or trimmed by its own topic
        }
        let at_ms = record.at_ms.saturating_add(log.floors.skew_at(position));
        let within = step.events >= surplus_events
            && step.bytes >= surplus_bytes
            && at_ms >= limits.since_ms;
        let enough = within && position > limits.until;
        if enough || step.events >= log.options.tuning.max_trim_records {
            step.oldest_ms = Some(at_ms);
            break;
        }
        step.floor = position;
        step.events += 1;
        step.own_bytes += own_bytes;
        step.bytes += own_bytes;
        for (nth, other) in record.topics.iter().enumerate().skip(1) {
            if record.topics[..nth].contains(other) {
                continue; // the record names the topic twice
            }
            step.bytes += copy_bytes;
            let other = others
                .entry(other.clone())
                .or_insert_with(|| OtherTopic::new(other.clone()));
            other.floor = position;
            other.bytes += copy_bytes;
        }
    }
    if step.events == 0 {
        // The topic is within its limits after all. If it has an oldest record, its age is known
        // now.
        let is_pending = limits.is_exceeded(&topic) && topic.row.last_plain > view.head;
        let mut topics = log.topics.write();
        if let Some(topic) = topics.get_mut(name) {
            topic.oldest_ms = step.oldest_ms;
            topic.own_after = own_after;
        }
        if is_pending {
            topics.note_exceeding(name); // the record was counted, but is not visible yet
        }
        return Ok(Decision::WithinLimits);
    }
    step.others = others.into_values().collect();
    discount_others(log, &view, &step);
    Ok(Decision::Trim(step))
}

/// Takes records out of the counts that were published to a topic and were hidden without being
/// examined, because topics that it shows were trimmed whole.
fn discount_hidden(log: &Log, name: &TopicName) {
    let own = |topic: &Topic| (topic.row.id, topic.own_after, topic.row.floor);
    let hidden = log
        .topics
        .read()
        .get(name)
        .filter(|topic| topic.counts_hidden_records())
        .map(own);
    if let Some((id, after, floor)) = hidden {
        let (events, bytes) = count_own(log, &log.view(), (name, id), after, floor);
        log.topics
            .write()
            .subtract_hidden(name, events, bytes, floor);
        add(&log.counters.trimmed, events);
    }
}

/// Takes records out of the counts that were published to the step's other topics themselves and
/// are hidden with the step. A topic shows nothing at or below its floor, so its own limits never
/// find these records again. If they were still counted, they would count for ever, and records
/// that may stay would be trimmed in their place.
fn discount_others(log: &Log, view: &View, step: &TrimStep) {
    // Several steps may be written together, and none of them may find records of another.
    if let Some(topic) = log.topics.write().get_mut(&step.topic) {
        topic.own_after = topic.own_after.max(step.floor);
    }
    for OtherTopic {
        topic: name, floor, ..
    } in &step.others
    {
        let own = |topic: &Topic| (topic.row.id, topic.row.floor.max(topic.own_after));
        let Some((id, after)) = log
            .topics
            .read()
            .get(name)
            .filter(|topic| topic.row.events > 0)
            .map(own)
        else {
            continue;
        };
        if after < *floor {
            let (events, bytes) = count_own(log, view, (name, id), after, *floor);
            log.topics
                .write()
                .subtract_hidden(name, events, bytes, *floor);
            add(&log.counters.trimmed, events);
        }
    }
}

/// Counts the records behind `after` and up to `until` that were published to the topic itself, and
/// their size in all of their topics, as far as they can be read.
fn count_own(
    log: &Log,
    view: &View,
    (name, id): (&TopicName, TopicId),
    after: Position,
    until: Position,
) -> (u64, u64) {
    let (mut events, mut bytes) = (0, 0);
    let Ok(mut merge) = Merge::new(
        &log.tables,
        &view.snapshot,
        [(id, Kind::Plain, after)],
        until,
    ) else {
        return (0, 0);
    };
    while let Ok(Some(position)) = merge.peek() {
        let Ok(taken) = merge.take(position) else {
            break;
        };
        if let Some(StoredRecord {
            record,
            own_bytes,
            copy_bytes,
        }) = taken.filter(|taken| taken.record.topics.first() == Some(name))
        {
            let topics: BTreeSet<_> = record.topics.iter().collect();
            events += 1;
            bytes += own_bytes + copy_bytes * (topics.len() as u64 - 1);
        }
    }
    (events, bytes)
}

/// Trims the damaged records directly behind `after`, if the topic holds too much or the next
/// readable record is too old.
fn around_damage(
    log: &Log,
    (name, topic): (&TopicName, &Topic),
    limits: TopicLimits,
    after: Position,
    why: &str,
) -> Result<Decision, Error> {
    let (view, id) = (log.view(), topic.row.id);
    let Some(end) = log.damage_end(&view, (name, id, Kind::Plain), after, view.head, why)? else {
        // the damage is gone, so the next attempt succeeds
        return Err(Error::Unreadable(why.to_owned()));
    };
    if !limits.is_exceeded(topic) && !limits.is_erased(topic) {
        let mut merge = Merge::new(
            &log.tables,
            &view.snapshot,
            [(id, Kind::Plain, end)],
            view.head,
        )?;
        let taken = merge
            .peek()?
            .map(|next| merge.take(next).map(|taken| (next, taken)))
            .transpose()?;
        let age = |(next, taken): (Position, Option<StoredRecord>)| {
            Some(taken?.record.at_ms.saturating_add(log.floors.skew_at(next)))
        };
        // If no record follows, nothing tells how old the damaged ones are. They are examined again
        // after the time for which records are kept.
        let next_ms = taken.and_then(age).unwrap_or_else(|| log.floors.now_ms());
        if next_ms >= limits.since_ms {
            if let Some(topic) = log.topics.write().get_mut(name) {
                topic.oldest_ms = Some(next_ms);
            }
            return Ok(Decision::WithinLimits);
        }
    }
    let LostRecords {
        events,
        bytes,
        others,
        ..
    } = log.lost_records(id, after, end);
    let names: HashMap<TopicId, TopicName> = {
        let topics = log.topics.read();
        topics
            .iter()
            .map(|(name, topic)| (topic.row.id, name.clone()))
            .collect()
    };
    let other = |(id, floor)| {
        names.get(&id).map(|name| OtherTopic {
            topic: name.clone(),
            floor,
            bytes: 0,
        })
    };
    let others = others.into_iter().filter_map(other).collect();
    log.damaged_ranges.forget(id, end);
    if let Some(topic) = log.topics.write().get_mut(name) {
        topic.own_after = topic.own_after.max(end);
    }
    Ok(Decision::Trim(TrimStep {
        topic: name.clone(),
        floor: end,
        events,
        own_bytes: bytes,
        bytes,
        oldest_ms: None,
        others,
    }))
}

/// Finds the other topics that show a topic's records, and stores them in the topic's state.
pub(super) fn find_other_topics(log: &Log, name: &TopicName) -> Result<(), Error> {
    let Some(row) = log.topics.read().get(name).map(|topic| topic.row) else {
        return Ok(());
    };
    let view = log.view();
    // If nothing was published to the topic itself, nothing has to be read.
    let after = if row.events > 0 { row.floor } else { view.head };
    let mut merge = Merge::new(
        &log.tables,
        &view.snapshot,
        [(row.id, Kind::Plain, after)],
        view.head,
    )?;
    let mut others = BTreeSet::new();
    let searched = (|| {
        while let Some(position) = merge.peek()? {
            if let Some(StoredRecord { record, .. }) = merge.take(position)?
                && record.topics.first() == Some(name)
            {
                others.extend(
                    record
                        .topics
                        .iter()
                        .skip(1)
                        .filter(|other| *other != name)
                        .cloned(),
                );
            }
        }
        Ok(())
    })();
    // Damage must not keep a topic from being trimmed whole: the table `order` tells where its
    // records are shown.
    if searched.is_err() {
        let gone = log.lost_records(row.id, after, view.head).others;
        let topics = log.topics.read();
        others.extend(
            topics
                .iter()
                .filter(|(_, topic)| gone.iter().any(|(id, _)| *id == topic.row.id))
                .map(|(name, _)| name.clone()),
        );
    }
    let mut topics = log.topics.write();
    if let Some(topic) = topics
        .get_mut(name)
        .filter(|topic| topic.row.last_plain <= view.head)
    {
        topic.other_topics = OtherTopics::of(others);
    }
    searched
}

/// Returns the level to which the largest sizes have to be lowered so that all `sizes` together are
/// at most `most`.
pub(super) fn water_level(mut sizes: Vec<u64>, most: u64) -> u64 {
    let mut rest: u128 = sizes.iter().map(|&size| u128::from(size)).sum();
    let most = u128::from(most);
    if rest <= most {
        return u64::MAX;
    }
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    // If the largest `count` sizes are at one level, that level is what the other sizes leave over,
    // divided by `count`.
    for (nth, &size) in sizes.iter().enumerate() {
        rest -= u128::from(size);
        let level = most.saturating_sub(rest) / (nth as u128 + 1);
        let next = sizes.get(nth + 1).copied().unwrap_or_default();
        if level >= u128::from(next) {
            return u64::try_from(level).unwrap_or(u64::MAX);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_sizes_are_lowered_to_one_level() {
        assert_eq!(water_level(vec![1, 2, 3], 6), u64::MAX);
        assert_eq!(water_level(vec![1, 2, 10], 9), 6);
        assert_eq!(water_level(vec![8, 2, 10], 12), 5);
        assert_eq!(water_level(vec![5, 5, 5], 9), 3);
        assert_eq!(water_level(vec![5, 5, 5], 0), 0);
        assert_eq!(water_level(vec![], 0), u64::MAX);
    }
}
