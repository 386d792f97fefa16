//! Reads from a request where a stream or a page of events is to continue: after the id that the
//! client received last, from the oldest event, or from now on.
//!
//! A text that is not an id is passed on as it came. Whether an id belongs to this log, and what
//! its position means, is decided by the hub (`subscribe.rs`).

use std::borrow::Cow;

use http::HeaderMap;
use tidings_edge::query::{self, Params};
use tidings_hub::After;

/// The most characters that are kept of a cursor. Every valid id is shorter. A longer text is
/// malformed in any case, and its beginning is only repeated to the sender.
const MAX_CURSOR_CHARS: usize = 256;

/// Returns the cursor of a request for a stream: the header `Last-Event-ID`, or, if that is missing
/// or empty, the query parameter.
pub(crate) fn of_request(headers: &HeaderMap, params: &Params) -> After {
    let header = headers
        .get("last-event-id")
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    let header = header.filter(|text| !text.is_empty());
    let text = header.or_else(|| params.filled(query::CURSOR.as_str()).map(Cow::Borrowed));
    parse(text.as_deref().unwrap_or_default())
}

/// Parses the text of a cursor: an id, `earliest`, or nothing.
pub(crate) fn parse(text: &str) -> After {
    match text {
        "" => After::Now,
        "earliest" => After::Earliest,
        id => After::Id(id.chars().take(MAX_CURSOR_CHARS).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_header_takes_precedence_over_the_parameter_unless_it_is_empty() {
        let header = |id| {
            HeaderMap::from_iter([(
                "last-event-id".parse().unwrap(),
                HeaderValue::from_static(id),
            )])
        };
        let params = |query| Params::read(Some(query), &[query::CURSOR]).unwrap();
        assert_eq!(
            of_request(&header("a-1"), &params("last_event_id=b-2")),
            After::Id("a-1".into())
        );
        assert_eq!(
            of_request(&header(""), &params("last_event_id=b-2")),
            After::Id("b-2".into())
        );
    }

    #[test]
    fn an_empty_cursor_asks_for_nothing_that_was_missed() {
        let of_query = |query| {
            of_request(
                &HeaderMap::new(),
                &Params::read(Some(query), &[query::CURSOR]).unwrap(),
            )
        };
        assert_eq!(of_query("lastEventID=earliest"), After::Earliest);
        assert_eq!(of_query("lastEventId="), After::Now);
    }
}
