//! The judge: whether what everybody was told fits what all nodes have in the end.
//!
//! Knows the promises only, and nothing of how they are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tidings_journal::{
    Entry, Epochs, EventId, Limit, Position, Selector, StoredReceipt, TopicName,
};

use crate::facts::{End, Facts, Id, Loss, Outcome, Shown, Span, Unit};
use crate::sim::{Node, Sim};

/// All topics that anybody publishes to.
const TOPICS: [&str; 7] = ["a", "all", "b", "e", "m", "members", "system/status"];

/// How old an acknowledged unit may be for its node to append it again after a loss, in
/// milliseconds. Less than what a node keeps.
const KEPT_MS: u64 = 25_000;

/// What a node has in the end.
struct State {
    name: String,
    head: Position,
    epochs: Arc<Epochs>,
    /// The entries of each topic, and its floor.
    topics: BTreeMap<&'static str, (Vec<Arc<Entry>>, Position)>,
    keyed: Vec<(EventId, Bytes)>,
    receipts: BTreeMap<String, Option<StoredReceipt>>,
}

/// Judges the run.
pub(crate) async fn judge(sim: &Sim) {
    let mut states = Vec::new();
    for node in sim.nodes() {
        match state(sim, &node).await {
            Ok(state) => states.push(state),
            Err(error) => sim.violation(format!("{} can't be read: {error}", node.name)),
        }
    }
    if sim.facts.lock().lost(Loss::Groups) {
        return; // the nodes that have read them know more than the others, which can't be helped
    }
    let mut violations = Vec::new();
    let Some((first, others)) = states.split_first() else {
        return;
    };
    for other in others {
        alike(first, other, &mut violations);
    }
    let facts = std::mem::take(&mut *sim.facts.lock());
    let log = Log::new(&facts, first);
    log.each_record_stands_once(&mut violations);
    log.what_was_acknowledged_is_there(&mut violations);
    log.what_was_shown_is_there(&mut violations);
    log.receipts_have_one_outcome(&mut violations);
    log.members_join_and_leave_in_turn(&mut violations);
    log.what_was_erased_is_gone(&mut violations);
    for (number, spans) in facts.readers.iter().enumerate() {
        for span in spans {
            log.reader_saw_everything_once(number, span, &mut violations);
        }
        log.resets_had_a_reason(number, spans, sim.plan.tight, &mut violations);
    }
    *sim.facts.lock() = facts;
    for violation in violations {
        sim.violation(violation);
    }
}

async fn state(sim: &Sim, node: &Node) -> Result<State, tidings_journal::Error> {
    let journal = &node.journal;
    let head = journal.head();
    let mut topics = BTreeMap::new();
    for name in TOPICS {
        let page = journal
            .read(&of(name), Position::START, head, Limit::NONE)
            .await?;
        topics.insert(name, (page.entries, page.floor));
    }
    let mut keyed = Vec::new();
    for name in ["members", "system/status"] {
        let page = journal
            .read_keyed(&of(name), Position::START, head, Limit::NONE)
            .await?;
        keyed.extend(
            page.entries
                .iter()
                .map(|entry| (entry.id, entry.record.data.clone())),
        );
    }
    let mut receipts = BTreeMap::new();
    let keys: BTreeSet<_> = sim
        .facts
        .lock()
        .units
        .iter()
        .filter_map(|unit| unit.receipt.clone())
        .collect();
    for key in keys {
        let kept = journal.receipt(key.as_bytes()).await?;
        receipts.insert(key, kept);
    }
    Ok(State {
        name: node.name.clone(),
        head,
        epochs: journal.epochs(),
        topics,
        keyed,
        receipts,
    })
}

fn of(name: &str) -> Selector {
    Selector::topics(vec![TopicName::parse(name).unwrap()])
}

/// Whether two nodes have the same, except that one may have trimmed more than the other.
fn alike(a: &State, b: &State, violations: &mut Vec<String>) {
    let mut differ =
        |what: String| violations.push(format!("{} and {} differ in {what}", a.name, b.name));
    if a.head != b.head {
        differ(format!("their heads: {} and {}", a.head, b.head));
    }
    if format!("{:?}", a.epochs) != format!("{:?}", b.epochs) {
        differ(format!("their epochs: {:?} and {:?}", a.epochs, b.epochs));
    }
    if a.keyed != b.keyed {
        differ(format!("their live keys: {:?} and {:?}", a.keyed, b.keyed));
    }
    for (key, kept) in &a.receipts {
        if b.receipts.get(key) != Some(kept) {
            differ(format!(
                "the receipt {key}: {kept:?} and {:?}",
                b.receipts.get(key)
            ));
        }
    }
    for (name, (entries, floor)) in &a.topics {
        let (others, other) = &b.topics[name];
        let floor = *floor.max(other);
        let above = |entries: &[Arc<Entry>]| -> Vec<_> {
            let above = entries.iter().filter(|entry| entry.id.position > floor);
            above
                .map(|entry| (entry.id, entry.record.data.clone()))
                .collect()
        };
        let (ours, theirs) = (above(entries), above(others));
        if ours != theirs {
            let odd = ours
                .iter()
                .find(|one| !theirs.contains(one))
                .or(theirs.iter().find(|one| !ours.contains(one)));
            differ(format!("the topic {name}, at {odd:?} above {floor}"));
        }
    }
}

/// The log as all nodes have it in the end, with what was known of it.
struct Log<'a> {
    facts: &'a Facts,
    state: &'a State,
    entries: BTreeMap<Position, Arc<Entry>>,
    /// Where each record stands, by its data.
    places: BTreeMap<String, Vec<Position>>,
    /// What was shown under ids that are good in the end, by position.
    valid: BTreeMap<Position, &'a Shown>,
    /// Under which ids each record was shown.
    ids: BTreeMap<&'a [u8], Vec<Id>>,
}

impl<'a> Log<'a> {
    fn new(facts: &'a Facts, state: &'a State) -> Self {
        let mut entries = BTreeMap::new();
        for (found, _) in state.topics.values() {
            entries.extend(found.iter().map(|entry| (entry.id.position, entry.clone())));
        }
        let mut places: BTreeMap<String, Vec<Position>> = BTreeMap::new();
        for (position, entry) in &entries {
            places
                .entry(String::from_utf8_lossy(&entry.record.data).into_owned())
                .or_default()
                .push(*position);
        }
        let (mut valid, mut ids) = (BTreeMap::new(), BTreeMap::<&[u8], Vec<Id>>::new());
        for (id, shown) in &facts.shown {
            ids.entry(&shown.data).or_default().push(*id);
            if state
                .epochs
                .locate(
                    EventId {
                        epoch: id.0,
                        position: id.1,
                    },
                    state.head,
                )
                .is_ok()
            {
                valid.insert(id.1, shown);
            }
        }
        Self {
            facts,
            state,
            entries,
            places,
            valid,
            ids,
        }
    }

    fn is_valid(&self, id: EventId) -> bool {
        self.state.epochs.locate(id, self.state.head).is_ok()
    }

    /// The lowest position from which on these topics are kept.
    fn floor(&self, topics: &[TopicName]) -> Position {
        let floors = topics
            .iter()
            .map(|topic| self.state.topics[topic.as_str()].1);
        floors.max().unwrap_or(Position::START)
    }

    fn is_erased(&self, position: Position, topics: &[TopicName]) -> bool {
        let mut erasures = self.facts.erasures.iter();
        erasures
            .any(|erasure| topics.contains(&erasure.topic) && position <= erasure.until.position)
    }

    fn each_record_stands_once(&self, violations: &mut Vec<String>) {
        for (data, places) in self.places.iter().filter(|(_, places)| places.len() > 1) {
            violations.push(format!("{data} stands at {places:?}"));
        }
    }

    /// An acknowledged unit is lost only if the broker lost it, and its node died before it could
    /// append it again.
    fn what_was_acknowledged_is_there(&self, violations: &mut Vec<String>) {
        if self.facts.lost(Loss::Log) {
            return;
        }
        for unit in self.facts.units.iter().filter(|unit| unit.plain) {
            let Some(acknowledged) = unit.acknowledged_ms() else {
                continue;
            };
            let may_be_lost = !self.facts.losses.is_empty()
                && (self.facts.deaths.contains_key(&unit.life)
                    || acknowledged + KEPT_MS < self.facts.healed_ms);
            let places = unit
                .data
                .iter()
                .filter(|data| self.places.contains_key(*data))
                .count();
            let is_kept = unit.data.iter().all(|data| self.is_kept(data));
            if places < unit.data.len() && !may_be_lost && is_kept {
                violations.push(format!(
                    "{:?} was acknowledged at {acknowledged} and is lost",
                    unit.data
                ));
            }
        }
    }

    /// Whether a record must be in the log if its unit is: neither trimmed nor erased.
    fn is_kept(&self, data: &str) -> bool {
        let ids = self.ids.get(data.as_bytes()).into_iter().flatten();
        let is_gone = |id: &&Id| {
            let topics = &self.facts.shown[id].topics;
            id.1 <= self.floor(topics) || self.is_erased(id.1, topics)
        };
        !ids.into_iter().any(|id| is_gone(&id))
    }

    /// What a node showed under an id that is still good is there, and nothing else.
    fn what_was_shown_is_there(&self, violations: &mut Vec<String>) {
        for (id, shown) in &self.facts.shown {
            let event = EventId {
                epoch: id.0,
                position: id.1,
            };
            let gone = id.1 <= self.floor(&shown.topics) || self.is_erased(id.1, &shown.topics);
            if gone || shown.keyed || !self.is_valid(event) {
                continue;
            }
            let entry = self.entries.get(&id.1);
            if !entry.is_some_and(|entry| entry.id == event && entry.record.data == shown.data) {
                let found = entry.map(|entry| (entry.id, entry.record.data.clone()));
                violations.push(format!("{event} was {:?}, and is {found:?}", shown.data));
            }
        }
        for entry in self.entries.values() {
            let id = (entry.id.epoch, entry.id.position);
            if let Some(shown) = self.facts.shown.get(&id)
                && shown.data != entry.record.data
            {
                violations.push(format!(
                    "{} was {:?}, and is {:?}",
                    entry.id, shown.data, entry.record.data
                ));
            }
        }
    }

    fn receipts_have_one_outcome(&self, violations: &mut Vec<String>) {
        let mut attempts: BTreeMap<&str, Vec<&Unit>> = BTreeMap::new();
        for unit in &self.facts.units {
            if let Some(receipt) = &unit.receipt {
                attempts.entry(receipt).or_default().push(unit);
            }
        }
        for (receipt, units) in attempts {
            let data = units.iter().flat_map(|unit| &unit.data);
            let there: Vec<_> = data
                .filter(|data| self.places.contains_key(*data))
                .collect();
            let kept = self.state.receipts.get(receipt).cloned().flatten();
            if there.len() > 1 {
                violations.push(format!(
                    "the receipt {receipt} had more than one outcome: {there:?}"
                ));
            }
            if let ([one], Some(kept)) = (&there[..], &kept)
                && self.places[*one] != [kept.first]
            {
                violations.push(format!(
                    "{one} stands at {:?}, and its receipt says {kept:?}",
                    self.places[*one]
                ));
            }
            if there.len() == 1 && kept.is_none() {
                violations.push(format!("{there:?} has no receipt"));
            }
            let new = units
                .iter()
                .filter(|unit| matches!(unit.outcome, Outcome::New(_)))
                .count();
            if new > 1 && self.facts.losses.is_empty() {
                violations.push(format!("{new} attempts of {receipt} were new"));
            }
            let acknowledged = units
                .iter()
                .any(|unit| matches!(unit.outcome, Outcome::New(_) | Outcome::Known(_)));
            if acknowledged && kept.is_none() && self.facts.losses.is_empty() {
                violations.push(format!(
                    "the receipt {receipt} was acknowledged and is lost"
                ));
            }
        }
    }

    fn members_join_and_leave_in_turn(&self, violations: &mut Vec<String>) {
        let mut last: BTreeMap<String, (String, EventId)> = BTreeMap::new();
        let (announced, _) = &self.state.topics["m"];
        for entry in announced {
            let text = String::from_utf8_lossy(&entry.record.data).into_owned();
            let mut words = text.split(' ').map(str::to_owned);
            let (Some(what), Some(key)) = (words.next(), words.next()) else {
                continue;
            };
            if let Some((before, id)) = last.insert(key.clone(), (what.clone(), entry.id))
                && before == what
            {
                violations.push(format!(
                    "{key} has {what} at {id} and again at {}",
                    entry.id
                ));
            }
        }
        for (key, (what, id)) in &last {
            let is_member = self
                .state
                .keyed
                .iter()
                .any(|(_, data)| data.starts_with(format!("{key} ").as_bytes()));
            if is_member != (what == "J") {
                violations.push(format!(
                    "{key} has {what} at {id}, and is a member: {is_member}"
                ));
            }
        }
    }

    fn what_was_erased_is_gone(&self, violations: &mut Vec<String>) {
        for erasure in self
            .facts
            .erasures
            .iter()
            .filter(|erasure| erasure.done && self.is_valid(erasure.until))
        {
            let (entries, floor) = &self.state.topics[erasure.topic.as_str()];
            let back = entries
                .iter()
                .find(|entry| entry.id.position <= erasure.until.position);
            let lost = !self.facts.losses.is_empty();
            if let (Some(entry), false) = (back, lost) {
                violations.push(format!(
                    "{} was erased, and is there (floor {floor})",
                    entry.id
                ));
            }
        }
    }

    /// A reader saw everything between the ends of a span, once and in order.
    fn reader_saw_everything_once(&self, number: usize, span: &Span, violations: &mut Vec<String>) {
        let mut last = span.start.position;
        for (id, data) in &span.seen {
            if id.position <= last {
                violations.push(format!(
                    "reader {number} saw {id} ({data:?}) after position {last}"
                ));
            }
            last = id.position;
        }
        let seen: Vec<_> = span
            .seen
            .iter()
            .filter(|(id, _)| self.is_valid(*id))
            .collect();
        let is_through = seen.len() == span.seen.len();
        let until = match span.end {
            End::Final(id) | End::Trimmed(id) if self.is_valid(id) => id.position,
            _ => seen.last().map_or(Position::START, |(id, _)| id.position),
        };
        if matches!(span.end, End::Final(_)) && !is_through {
            let lost = span.seen.iter().find(|(id, _)| !self.is_valid(*id));
            violations.push(format!(
                "reader {number} saw {lost:?}, which is lost, and was never told"
            ));
        }
        // What was seen on a line that broke is judged as far as that line is still the log's.
        let from = if self.is_valid(span.start) {
            span.start.position
        } else {
            seen.first()
                .map_or(until, |(id, _)| Position::new(id.position.get() - 1))
        };
        let seen: BTreeSet<Position> = seen.iter().map(|(id, _)| id.position).collect();
        if from >= until {
            return;
        }
        for (position, shown) in self.valid.range(from.next()..=until) {
            let is_wanted = shown.topics.iter().any(|topic| span.topics.contains(topic));
            let may_be_missing = shown.keyed || self.is_erased(*position, &shown.topics);
            if is_wanted && !may_be_missing && !seen.contains(position) {
                violations.push(format!(
                    "reader {number} missed {position} ({:?}) between {} and {until}, {:?}",
                    shown.data, span.start, span.end
                ));
            }
        }
    }

    /// Only who saw something that is lost was told so, as far as that can be known afterwards: one
    /// loss, and no server that came back.
    fn resets_had_a_reason(
        &self,
        number: usize,
        spans: &[Span],
        tight: bool,
        violations: &mut Vec<String>,
    ) {
        let is_simple = self.facts.losses.is_empty() || self.facts.losses[..] == [Loss::Tail];
        for span in spans {
            match span.end {
                End::Foreign(id) if is_simple && self.is_valid(id) => {
                    violations.push(format!(
                        "reader {number} was told that {id} is none of the log's, and it is"
                    ));
                }
                End::Trimmed(id) if is_simple && !tight => {
                    let erased = self
                        .facts
                        .erasures
                        .iter()
                        .any(|erasure| span.topics.contains(&erasure.topic));
                    if !erased {
                        violations.push(format!(
                            "reader {number} was told at {id} that something was trimmed"
                        ));
                    }
                }
                _ => {}
            }
        }
    }
}
