//! Prints events as lines.
//!
//! Must never write an event in two pieces, or two events in one line: programs read the output
//! line by line.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::value::RawValue;
use tidings_sse::Message;

use crate::terminal::{plain, plain_json};

/// Prints the events that were asked for.
pub(super) struct Printer<W> {
    pub(super) out: W,
    pub(super) json: bool,
    /// Whether to hide `connected` and `heartbeat`, unless they are asked for by name.
    pub(super) quiet: bool,
    /// The names of the events that are shown; empty shows all.
    pub(super) events: Vec<String>,
    /// How many more events to show, if the number is limited.
    pub(super) left: Option<u64>,
}

/// An event as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    event: &'a str,
    data: Data<'a>,
}

/// The data of an event. JSON is copied as it is, so that no digit of a number is lost; other data
/// becomes a string.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

impl<W: Write> Printer<W> {
    /// Shows an event if it is selected. Returns whether it was the last one.
    pub(super) fn print(&mut self, message: &Message) -> io::Result<bool> {
        if !self.shows(&message.event) {
            return Ok(false);
        }
        let line = if self.json {
            json(message)?
        } else {
            text(message)
        };
        self.out.write_all(line.as_bytes())?;
        self.out.flush()?;
        self.left = self.left.map(|left| left.saturating_sub(1));
        Ok(self.left == Some(0))
    }

    fn shows(&self, event: &str) -> bool {
        if self.events.is_empty() {
            return !(self.quiet && matches!(event, "connected" | "heartbeat"));
        }
        self.events.iter().any(|name| name == event)
    }
}

fn text(message: &Message) -> String {
    let id = if message.id.is_empty() {
        "-"
    } else {
        &message.id
    };
    format!(
        "{}  {}  {}\n",
        plain(id),
        plain(&message.event),
        plain(&message.data)
    )
}

fn json(message: &Message) -> serde_json::Result<String> {
    let Message { id, event, data } = message;
    let data = serde_json::from_str(data).map_or(Data::Text(data), Data::Json);
    Ok(plain_json(&serde_json::to_string(&Line { id, event, data })?) + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, event: &str, data: &str) -> Message {
        Message {
            id: id.into(),
            event: event.into(),
            data: data.into(),
        }
    }

    fn printer(json: bool, quiet: bool, events: &[&str], left: Option<u64>) -> Printer<Vec<u8>> {
        let events = events.iter().map(|&name| name.to_owned()).collect();
        Printer {
            out: Vec::new(),
            json,
            quiet,
            events,
            left,
        }
    }

    fn shown(mut printer: Printer<Vec<u8>>, messages: &[Message]) -> String {
        for message in messages {
            printer.print(message).unwrap();
        }
        String::from_utf8(printer.out).unwrap()
    }

    #[test]
    fn an_event_is_printed_on_one_line() {
        let messages = [
            message("k-1", "notification", r#"{"title":"Hi"}"#),
            message("", "heartbeat", "a\nb"),
        ];
        assert_eq!(
            shown(printer(false, false, &[], None), &messages),
            "k-1  notification  {\"title\":\"Hi\"}\n-  heartbeat  a\\nb\n"
        );
    }

    #[test]
    fn no_control_character_of_an_event_is_printed() {
        let hostile = [message(
            "\u{1b}[1m",
            "\u{9b}2J",
            "\"\u{7f}\"\r\u{1b}]0;title\u{7}",
        )];
        for json in [false, true] {
            let line = shown(printer(json, false, &[], None), &hostile);
            assert_eq!(
                line.chars().filter(|c| c.is_control()).collect::<String>(),
                "\n",
                "{line:?}"
            );
        }
    }

    #[test]
    fn an_event_is_printed_as_one_line_of_json() {
        let messages = [
            message(
                "k-1",
                "realtime-update",
                "{\"n\":12345678901234567890.10,\n \"text\":\"\u{9b}\"}",
            ),
            message("", "message", "not json\n\"quoted\""),
        ];
        assert_eq!(
            shown(printer(true, false, &[], None), &messages),
            "{\"id\":\"k-1\",\"event\":\"realtime-update\",\"data\":{\"n\":12345678901234567890.10,  \"text\":\"\\u009b\"}}\n\
             {\"id\":\"\",\"event\":\"message\",\"data\":\"not json\\n\\\"quoted\\\"\"}\n"
        );
    }

    #[test]
    fn only_selected_events_are_shown_and_counted() {
        let messages = ["connected", "notification", "heartbeat", "reset"]
            .map(|event| message("1", event, "{}"));
        let names = |printer| {
            let shown = shown(printer, &messages);
            shown
                .lines()
                .map(|line| line.split("  ").nth(1).unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(printer(false, true, &[], None)),
            ["notification", "reset"]
        );
        assert_eq!(
            names(printer(false, true, &["heartbeat", "reset"], None)),
            ["heartbeat", "reset"]
        );
        let mut two = printer(false, true, &[], Some(2));
        let was_last: Vec<_> = messages
            .iter()
            .map(|message| two.print(message).unwrap())
            .collect();
        assert_eq!(was_last, [false, false, false, true]);
    }
}
