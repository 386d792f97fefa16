//! `tidings journal stats`: how much is stored, as a table or as JSON.

use std::io::Write;

use serde_json::json;
use tidings_journal_disk::{PoolStats, Stats, TopicStats};

use super::super::terminal::plain;

/// How many of the largest topics the table lists.
const MAX_LISTED: usize = 20;

pub(super) fn run(stats: &Stats, is_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if is_json {
        writeln!(out, "{}", as_json(stats))?;
        return Ok(());
    }
    let newest = stats
        .epochs
        .last()
        .map_or_else(String::new, |(epoch, _)| format!("{epoch}-{}", stats.head));
    for (name, value) in [
        (
            "events",
            format!(
                "{}, {} of them the latest with their key",
                stats.events, stats.keyed
            ),
        ),
        ("newest", newest),
        ("starts", stats.epochs.len().to_string()),
        ("bytes", stats.bytes.to_string()),
        (
            "on disk",
            format!("{} MiB", stats.disk_bytes.div_ceil(1 << 20)),
        ),
        ("topics", stats.topics.len().to_string()),
    ] {
        writeln!(out, "{name:<9}{value}")?;
    }
    for PoolStats { name, held, limit } in stats.pools.iter().filter(|pool| pool.held > 0) {
        writeln!(out, "{:<9}{held} of at most {limit} in {name}", "keys")?;
    }
    let mut topics: Vec<_> = stats
        .topics
        .iter()
        .filter(|topic| topic.events + topic.keyed > 0)
        .collect();
    topics.sort_by_key(|topic| std::cmp::Reverse(topic.bytes));
    if !topics.is_empty() {
        writeln!(
            out,
            "\n{:>12}  {:>14}  {:>12}  topic",
            "events", "bytes", "trimmed to"
        )?;
    }
    for TopicStats {
        name,
        floor,
        events,
        bytes,
        keyed,
        ..
    } in topics.iter().take(MAX_LISTED)
    {
        writeln!(
            out,
            "{:>12}  {bytes:>14}  {:>12}  {}",
            events + keyed,
            floor.get(),
            plain(name.as_str())
        )?;
    }
    if let Some(more) = topics
        .len()
        .checked_sub(MAX_LISTED)
        .filter(|more| *more > 0)
    {
        writeln!(out, "and {more} more; --json shows all")?;
    }
    Ok(())
}

fn as_json(stats: &Stats) -> serde_json::Value {
    let epochs = stats
        .epochs
        .iter()
        .map(|(epoch, end)| json!({"epoch": epoch.to_string(), "end": end.get()}));
    let topics = stats.topics.iter().map(|topic| {
        json!({
            "topic": topic.name.as_str(),
            "events": topic.events,
            "keyed": topic.keyed,
            "bytes": topic.bytes,
            "floor": topic.floor.get(),
            "last": topic.last.get(),
        })
    });
    let pools = stats
        .pools
        .iter()
        .map(|PoolStats { name, held, limit }| json!({"of": name, "held": held, "most": limit}));
    json!({
        "head": stats.head.get(),
        "events": stats.events,
        "keyed": stats.keyed,
        "bytes": stats.bytes,
        "diskBytes": stats.disk_bytes,
        "epochs": epochs.collect::<Vec<_>>(),
        "keys": pools.collect::<Vec<_>>(),
        "topics": topics.collect::<Vec<_>>(),
    })
}
