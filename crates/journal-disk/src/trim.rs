//! What of a topic goes: the oldest records, as many as are over its bounds.

use std::collections::{BTreeSet, HashMap};

use super::chore::{Guests, Trim};
use super::counters::add;
use super::damage::Gone;
use super::keys::{Kind, TopicId};
use super::log::{Log, View};
use super::options::Retention;
use super::reader::{Merge, Taken};
use super::topics::{Shown, Topic};
use tidings_journal::{Error, Position, TopicName};

/// What a topic may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// What was published before goes, in milliseconds since 1970.
    pub(super) since_ms: i64,
    /// What stands at or below it goes.
    pub(super) until: Position,
}

/// What to do next.
pub(super) enum Next {
    /// Nothing: the topic is within its bounds.
    Within,
    /// These records go.
    Step(Trim),
}

impl Bounds {
    pub(super) const NONE: Self =
        Self { events: u64::MAX, bytes: u64::MAX, since_ms: i64::MIN, until: Position::START };

    /// Those that `topic`'s rule sets it.
    pub(super) fn of(retention: &Retention, topic: &Topic, now_ms: i64) -> Self {
        let rule = topic.rule.and_then(|rule| retention.rules.get(rule));
        let age = rule.map_or(retention.max_age, |rule| rule.max_age);
        let since_ms =
            age.map_or(i64::MIN, |age| now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)));
        Self {
            events: rule.and_then(|rule| rule.max_events).unwrap_or(u64::MAX),
            bytes: rule.and_then(|rule| rule.max_bytes).unwrap_or(u64::MAX),
            since_ms,
            until: Position::START,
        }
    }

    /// Whether the topic holds too much.
    pub(super) fn is_exceeded(&self, topic: &Topic) -> bool {
        topic.row.events > self.events || topic.row.bytes > self.bytes
    }

    /// Whether some of the topic's records may stand where all have to go.
    pub(super) fn is_erased(&self, topic: &Topic) -> bool {
        topic.row.events > 0 && topic.row.floor < self.until
    }

    /// Whether the topic's oldest record is too old, or may be.
    pub(super) fn is_aged(&self, topic: &Topic) -> bool {
        topic.row.events > 0 && self.since_ms > i64::MIN && topic.oldest_ms.is_none_or(|oldest| oldest < self.since_ms)
    }
}

/// Looks at some of a topic's oldest records.
pub(super) fn next(log: &Log, name: &TopicName, bounds: Bounds) -> Result<Next, Error> {
    settle(log, name);
    let topic = {
        let topics = log.topics.read();
        match topics.get(name) {
            Some(topic) if bounds.is_exceeded(topic) || bounds.is_aged(topic) || bounds.is_erased(topic) => {
                topic.clone()
            }
            _ => return Ok(Next::Within),
        }
    };
    let surplus_events = topic.row.events.saturating_sub(bounds.events);
    let surplus_bytes = topic.row.bytes.saturating_sub(bounds.bytes);
    let mut step = Trim::new(name.clone());
    let mut others: HashMap<TopicName, Guests> = HashMap::new();
    let view = log.view();
    let mut own_after = topic.row.floor.max(topic.own_after);
    let begun = Merge::new(&log.tables, &view.snapshot, [(topic.row.id, Kind::Plain, own_after)], view.head);
    let mut merge = match begun {
        Err(Error::Damaged(why)) => return around_damage(log, (name, &topic), bounds, own_after, &why),
        begun => begun?,
    };
    loop {
        let next = merge.peek().and_then(|next| next.map(|at| merge.take(at).map(|taken| (at, taken))).transpose());
        let (position, taken) = match next {
            Ok(Some(next)) => next,
            Ok(None) => break,
            // What comes before it goes first.
            Err(Error::Damaged(_)) if step.events > 0 => break,
            Err(Error::Damaged(why)) => return around_damage(log, (name, &topic), bounds, own_after, &why),
            Err(error) => return Err(error),
        };
        let Some(Taken { record, own, copy }) = taken else {
            continue;
        };
        if record.topics.first() != Some(name) {
            if step.events == 0 {
                own_after = position;
            }
            continue; // a guest: its own topic keeps it or lets it go
        }
        let at_ms = record.at_ms.saturating_add(log.floors.skew_at(position));
        let within = step.events >= surplus_events && step.bytes >= surplus_bytes && at_ms >= bounds.since_ms;
        let enough = within && position > bounds.until;
        if enough || step.events >= log.options.tuning.trim_step {
            step.oldest_ms = Some(at_ms);
            break;
        }
        step.floor = position;
        step.events += 1;
        step.own += own;
        step.bytes += own;
        for (nth, other) in record.topics.iter().enumerate().skip(1) {
            if record.topics[..nth].contains(other) {
                continue; // named twice
            }
            step.bytes += copy;
            let guests = others.entry(other.clone()).or_insert_with(|| Guests::new(other.clone()));
            guests.floor = position;
            guests.bytes += copy;
        }
    }
    if step.events == 0 {
        // Within its bounds after all: now it is known how old the oldest is, if it is there.
        let on_its_way = bounds.is_exceeded(&topic) && topic.row.last_plain > view.head;
        let mut topics = log.topics.write();
        if let Some(topic) = topics.get_mut(name) {
            topic.oldest_ms = step.oldest_ms;
            topic.own_after = own_after;
        }
        if on_its_way {
            topics.note_over(name); // it was counted, and is not there yet
        }
        return Ok(Next::Within);
    }
    step.others = others.into_values().collect();
    hide(log, &view, &step);
    Ok(Next::Step(step))
}

/// Takes out of the counts what was published to a topic and was hidden without a look: topics that it shows have gone whole.
fn settle(log: &Log, name: &TopicName) {
    let own = |topic: &Topic| (topic.row.id, topic.own_after, topic.row.floor);
    let unsettled = log.topics.read().get(name).filter(|topic| topic.is_unsettled()).map(own);
    if let Some((id, after, floor)) = unsettled {
        let (events, bytes) = count_own(log, &log.view(), (name, id), after, floor);
        log.topics.write().hide(name, events, bytes, floor);
        add(&log.counters.trimmed, events);
    }
}

/// Takes out of the counts what was published to the other topics of a step themselves and is hidden with it: a topic shows
/// nothing at or below its floor, whatever raised that, so what is hidden there is never found again by its own bounds. Else
/// it would count for ever, and more than has to would go in its place.
fn hide(log: &Log, view: &View, step: &Trim) {
    // Of several steps that are written together none may find what another one has.
    if let Some(topic) = log.topics.write().get_mut(&step.topic) {
        topic.own_after = topic.own_after.max(step.floor);
    }
    for Guests { topic: name, floor, .. } in &step.others {
        let own = |topic: &Topic| (topic.row.id, topic.row.floor.max(topic.own_after));
        let Some((id, after)) = log.topics.read().get(name).filter(|topic| topic.row.events > 0).map(own) else {
            continue;
        };
        if after < *floor {
            let (events, bytes) = count_own(log, view, (name, id), after, *floor);
            log.topics.write().hide(name, events, bytes, *floor);
            add(&log.counters.trimmed, events);
        }
    }
}

/// How many of a topic's records behind `after` and up to `until` were published to the topic itself, and what they take in all
/// their topics; as far as they can be read.
fn count_own(
    log: &Log,
    view: &View,
    (name, id): (&TopicName, TopicId),
    after: Position,
    until: Position,
) -> (u64, u64) {
    let (mut events, mut bytes) = (0, 0);
    let Ok(mut merge) = Merge::new(&log.tables, &view.snapshot, [(id, Kind::Plain, after)], until) else {
        return (0, 0);
    };
    while let Ok(Some(position)) = merge.peek() {
        let Ok(taken) = merge.take(position) else { break };
        if let Some(Taken { record, own, copy }) = taken.filter(|taken| taken.record.topics.first() == Some(name)) {
            let topics: BTreeSet<_> = record.topics.iter().collect();
            events += 1;
            bytes += own + copy * (topics.len() as u64 - 1);
        }
    }
    (events, bytes)
}

/// What can't be read directly behind `after` goes too, if the topic holds too much, or if what comes next is too old.
fn around_damage(
    log: &Log,
    (name, topic): (&TopicName, &Topic),
    bounds: Bounds,
    after: Position,
    why: &str,
) -> Result<Next, Error> {
    let (view, id) = (log.view(), topic.row.id);
    let Some(end) = log.hole_end(&view, (name, id, Kind::Plain), after, view.head, why)? else {
        return Err(Error::Unreadable(why.to_owned())); // it can be read after all, at the next turn
    };
    if !bounds.is_exceeded(topic) && !bounds.is_erased(topic) {
        let mut merge = Merge::new(&log.tables, &view.snapshot, [(id, Kind::Plain, end)], view.head)?;
        let taken = merge.peek()?.map(|next| merge.take(next).map(|taken| (next, taken))).transpose()?;
        let age = |(next, taken): (Position, Option<Taken>)| {
            Some(taken?.record.at_ms.saturating_add(log.floors.skew_at(next)))
        };
        // Nothing tells how old it is if nothing comes next: it is looked at again in as long as anything is kept.
        let next_ms = taken.and_then(age).unwrap_or_else(|| log.floors.now_ms());
        if next_ms >= bounds.since_ms {
            if let Some(topic) = log.topics.write().get_mut(name) {
                topic.oldest_ms = Some(next_ms);
            }
            return Ok(Next::Within);
        }
    }
    let Gone { events, bytes, others, .. } = log.gone(id, after, end);
    let names: HashMap<TopicId, TopicName> = {
        let topics = log.topics.read();
        topics.iter().map(|(name, topic)| (topic.row.id, name.clone())).collect()
    };
    let guests = |(id, floor)| names.get(&id).map(|name| Guests { topic: name.clone(), floor, bytes: 0 });
    let others = others.into_iter().filter_map(guests).collect();
    log.holes.forget(id, end);
    if let Some(topic) = log.topics.write().get_mut(name) {
        topic.own_after = topic.own_after.max(end);
    }
    Ok(Next::Step(Trim { topic: name.clone(), floor: end, events, own: bytes, bytes, oldest_ms: None, others }))
}

/// Finds out in which other topics the records of a topic are shown, and notes it.
pub(super) fn find_shown(log: &Log, name: &TopicName) -> Result<(), Error> {
    let Some(row) = log.topics.read().get(name).map(|topic| topic.row) else {
        return Ok(());
    };
    let view = log.view();
    // Where nothing was published to the topic itself, nothing of it need be read.
    let after = if row.events > 0 { row.floor } else { view.head };
    let mut merge = Merge::new(&log.tables, &view.snapshot, [(row.id, Kind::Plain, after)], view.head)?;
    let mut others = BTreeSet::new();
    let looked = (|| {
        while let Some(position) = merge.peek()? {
            if let Some(Taken { record, .. }) = merge.take(position)?
                && record.topics.first() == Some(name)
            {
                others.extend(record.topics.iter().skip(1).filter(|other| *other != name).cloned());
            }
        }
        Ok(())
    })();
    // What can't be read must not keep a topic from going: the order of the log tells where its records are shown.
    if looked.is_err() {
        let gone = log.gone(row.id, after, view.head).others;
        let topics = log.topics.read();
        others.extend(
            topics
                .iter()
                .filter(|(_, topic)| gone.iter().any(|(id, _)| *id == topic.row.id))
                .map(|(name, _)| name.clone()),
        );
    }
    let mut topics = log.topics.write();
    if let Some(topic) = topics.get_mut(name).filter(|topic| topic.row.last_plain <= view.head) {
        topic.shown = Shown::of(others);
    }
    looked
}

/// The level to which the largest have to sink so that all `sizes` together are at most `most`.
pub(super) fn water_level(mut sizes: Vec<u64>, most: u64) -> u64 {
    let mut rest: u128 = sizes.iter().map(|&size| u128::from(size)).sum();
    let most = u128::from(most);
    if rest <= most {
        return u64::MAX;
    }
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    // With the largest `count` at one level, that level is what the others leave over, divided.
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
    fn the_largest_sink_to_one_level() {
        assert_eq!(water_level(vec![1, 2, 3], 6), u64::MAX);
        assert_eq!(water_level(vec![1, 2, 10], 9), 6);
        assert_eq!(water_level(vec![8, 2, 10], 12), 5);
        assert_eq!(water_level(vec![5, 5, 5], 9), 3);
        assert_eq!(water_level(vec![5, 5, 5], 0), 0);
        assert_eq!(water_level(vec![], 0), u64::MAX);
    }
}
