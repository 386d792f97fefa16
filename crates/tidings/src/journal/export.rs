//! `tidings journal export`: every event as a line of JSON, in the order of the log.

use std::io::Write;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::value::RawValue;
use tidings_edge::json::{Compact, Object};
use tidings_journal::{Entry, EventId, Pattern, Position, TopicName};
use tidings_journal_disk::{Inspection, Stats};

use super::super::terminal::say;

pub(super) fn run(
    log: &Inspection,
    after: Option<&str>,
    topic: Option<&Pattern>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let stats = log.stats();
    let wanted = |name: &TopicName| topic.is_none_or(|pattern| pattern.matches(name));
    let after = after.map_or(Ok(Position::START), |after| position(after, &stats))?;
    let floor = stats
        .topics
        .iter()
        .filter(|topic| wanted(&topic.name))
        .map(|topic| topic.floor)
        .max();
    if let Some(floor) = floor.filter(|floor| *floor > after) {
        say(&format!(
            "some events up to position {} are missing, because they were trimmed",
            floor.get()
        ));
    }
    for entry in log.entries() {
        let entry = entry?;
        if entry.id.position > after && entry.record.topics.iter().any(wanted) {
            writeln!(out, "{}", line(&entry))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Returns the position of an event id. Fails if the id does not belong to this log.
fn position(id: &str, stats: &Stats) -> anyhow::Result<Position> {
    if id == "earliest" {
        return Ok(Position::START);
    }
    let EventId { epoch, position } =
        EventId::parse(id).with_context(|| format!("{id:?} is not an event id"))?;
    match stats.epochs.iter().find(|(known, _)| *known == epoch) {
        Some((_, end)) if position <= *end => Ok(position),
        Some((_, end)) => bail!("{id} is above the end of its epoch, {}", end.get()),
        None => bail!("{id} is an id of another log"),
    }
}

fn line(entry: &Entry) -> String {
    let record = &entry.record;
    let topics: Vec<_> = record
        .topics
        .iter()
        .map(|name| Compact::string(name.as_str()).as_str().to_owned())
        .collect();
    let text = String::from_utf8_lossy(&record.data);
    // Data that is published over HTTP is always JSON; an embedding application may have stored
    // other text.
    let json = serde_json::from_str::<&RawValue>(&text)
        .ok()
        .and_then(|json| Compact::new(json).ok());
    let object = Object::new()
        .text("id", &entry.id.to_string())
        .text("time", &rfc3339(record.at_ms))
        .written("topics", &format!("[{}]", topics.join(",")))
        .text("event", &record.event)
        .maybe_text("key", record.key.as_deref());
    let object = if record.ends_key {
        object.value("ends", &true)
    } else {
        object
    };
    object
        .raw("data", &json.unwrap_or_else(|| Compact::string(&text)))
        .finish()
}

/// RFC 3339 in UTC with milliseconds, as the server writes every time.
fn rfc3339(ms: i64) -> String {
    format!("{:.3}", Timestamp::from_millisecond(ms).unwrap_or_default())
}
