//! Reads `JOURNAL_KEEP`, which limits how much single topics keep: `PATTERN=LIMIT+LIMIT`.
//!
//! Each limit has a unit, which distinguishes the kinds: `7d` is an age, `1GiB` a size, and
//! `10000events` a number.

use std::ops::RangeInclusive;
use std::time::Duration;

use tidings_journal::{Pattern, Rule};
use tidings_settings::rule::Parsed;
use tidings_settings::units::{DAY, SECOND, read_size, read_span, show_size, show_span};

/// The range of ages to which events can be limited.
pub(super) const AGE: RangeInclusive<Duration> = SECOND..=Duration::from_hours(3_650 * 24);

const _: () = assert!(AGE.end().as_secs() == 3_650 * DAY.as_secs());

const EVENTS: &str = "events";

/// The limits of one topic, or of each topic that matches a pattern.
pub(super) const KEEP: Parsed<Rule> = Parsed {
    placeholder: "KEEP",
    allowed: "a topic or a pattern, `=`, and limits joined by `+`: an age such as `7d`, a size \
              such as `1GiB`, a number such as `10000events`, each with its unit and at most \
              once; topics that begin with `system` or `_` belong to the server",
    read,
    show,
};

fn read(text: &str) -> Option<Rule> {
    let (pattern, limits) = text.split_once('=')?;
    let pattern = Pattern::parse(pattern.trim())
        .ok()
        .filter(|pattern| !is_of_the_server(pattern))?;
    let mut rule = Rule {
        pattern,
        max_age: None,
        max_events: None,
        max_bytes: None,
    };
    for limit in limits.split('+') {
        let limit = limit.trim();
        // A number without a unit is refused: it could mean seconds or bytes.
        let unit = limit.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_new = if unit.is_empty() {
            return None;
        } else if let Some(count) = limit.strip_suffix(EVENTS) {
            let count = count.trim_end().parse().ok().filter(|count| *count > 0)?;
            rule.max_events.replace(count).is_none()
        } else if let Some(age) = read_span(limit).filter(|age| AGE.contains(age)) {
            rule.max_age.replace(age).is_none()
        } else {
            let bytes = read_size(limit).filter(|bytes| *bytes > 0)?;
            rule.max_bytes.replace(u64::try_from(bytes).ok()?).is_none()
        };
        if !is_new {
            return None;
        }
    }
    Some(rule)
}

/// Whether the pattern is for topics of the server. No limit applies to them, because only the
/// latest event of each key is kept there.
fn is_of_the_server(pattern: &Pattern) -> bool {
    let first = pattern.as_str().split('/').next().unwrap_or_default();
    first == "system" || first.starts_with('_')
}

fn show(rule: &Rule) -> String {
    let age = rule.max_age.map(show_span);
    let bytes = rule
        .max_bytes
        .map(|bytes| show_size(usize::try_from(bytes).unwrap_or(usize::MAX)));
    let events = rule.max_events.map(|count| format!("{count}{EVENTS}"));
    let limits: Vec<_> = [age, bytes, events].into_iter().flatten().collect();
    format!("{}={}", rule.pattern, limits.join("+"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_shown_in_one_order() {
        for (text, shown) in [
            ("notifications/user/*=7d", "notifications/user/*=7d"),
            ("chat/room/*=10000events", "chat/room/*=10000events"),
            (
                "chat/room/* = 10000 events + 24h",
                "chat/room/*=24h+10000events",
            ),
            ("realtime/**=1GiB+720h", "realtime/**=30d+1GiB"),
            ("**=1events", "**=1events"),
            ("a=3B+2s", "a=2s+3B"),
        ] {
            assert_eq!(
                read(text).as_ref().map(show).as_deref(),
                Some(shown),
                "{text}"
            );
            assert_eq!(read(shown).as_ref().map(show).as_deref(), Some(shown));
        }
    }

    #[test]
    fn an_ambiguous_or_meaningless_rule_is_refused() {
        for text in [
            "",
            "chat",
            "chat=",
            "=7d",
            "chat/**=10000",
            "chat/**=7d+",
            "chat/**=7d+8d",
            "chat/**=1GiB+1MiB",
            "a=1events+2events",
            "a=0events",
            "a=0s",
            "a=0B",
            "a=events",
            "a=-1events",
            "a=7w",
            "a/**/b=7d",
            "a b=7d",
            "system/status=7d",
            "system/**=7d",
            "_members=7d",
            "a=99999d",
            "a=1.5GiB",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
