//! What the `Accept` header says about event streams (RFC 9110, section 12.5.1).
//!
//! Answers the two questions that the server has about the header. Does not compare weights,
//! because a stream has only one form; it only matters whether a weight is zero.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::header_list;

/// How specific a media range is that matches `text/event-stream`. The most specific range decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    /// `*/*`, or the single `*` that old Java clients send.
    Any,
    /// `text/*`.
    Text,
    /// `text/event-stream` itself. Its other parameters (`charset=utf-8`) are ignored.
    Exact,
}

/// One element of the header.
struct Range {
    /// `None` if the range does not match `text/event-stream`.
    specificity: Option<Specificity>,
    /// Whether the weight is not zero.
    accepted: bool,
}

/// Whether the client accepts an event stream. Also true if the header is missing or contains no
/// valid media range, because a browser's `EventSource` never reconnects after a `406`.
pub fn accepts_event_stream(headers: &HeaderMap) -> bool {
    let ranges: Vec<Range> = ranges(headers).collect();
    let Some(most_specific) = ranges.iter().filter_map(|range| range.specificity).max() else {
        return ranges.is_empty();
    };
    ranges
        .iter()
        .any(|range| range.specificity == Some(most_specific) && range.accepted)
}

/// Whether the header names `text/event-stream` itself, as that of `EventSource` does.
pub fn names_event_stream(headers: &HeaderMap) -> bool {
    ranges(headers).any(|range| range.specificity == Some(Specificity::Exact) && range.accepted)
}

fn ranges(headers: &HeaderMap) -> impl Iterator<Item = Range> {
    let lines = headers.get_all(ACCEPT).iter();
    lines
        .flat_map(|line| header_list::from_right(line.as_bytes(), b','))
        .filter_map(range)
}

/// Parses a media range. Returns `None` if the element is not one.
fn range(element: &[u8]) -> Option<Range> {
    let (media, parameters) = match element.iter().position(|byte| *byte == b';') {
        Some(at) => (&element[..at], &element[at + 1..]),
        None => (element, &[][..]),
    };
    let media = media.trim_ascii();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(byte);
    if media.is_empty() || !media.iter().all(is_token) {
        return None;
    }
    let specificity = if media.eq_ignore_ascii_case(b"text/event-stream") {
        Some(Specificity::Exact)
    } else if media.eq_ignore_ascii_case(b"text/*") {
        Some(Specificity::Text)
    } else if media == b"*/*" || media == b"*" {
        Some(Specificity::Any)
    } else {
        None
    };
    let accepted = !header_list::from_right(parameters, b';').any(is_zero_weight);
    Some(Range {
        specificity,
        accepted,
    })
}

/// Whether the parameter is a weight of zero: `q=0`, `q=0.`, `q=0.000`. A malformed weight is
/// ignored.
fn is_zero_weight(parameter: &[u8]) -> bool {
    let Some(at) = parameter.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let (name, value) = (
        parameter[..at].trim_ascii(),
        parameter[at + 1..].trim_ascii(),
    );
    name.eq_ignore_ascii_case(b"q")
        && value.starts_with(b"0")
        && value.iter().all(|byte| b"0.".contains(byte))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (ACCEPT, HeaderValue::from_bytes(line.as_bytes()).unwrap()))
            .collect()
    }

    fn accepts(line: &str) -> bool {
        accepts_event_stream(&headers(&[line]))
    }

    fn names(line: &str) -> bool {
        names_event_stream(&headers(&[line]))
    }

    #[test]
    fn a_missing_header_accepts_event_streams_and_does_not_name_them() {
        assert!(accepts_event_stream(&headers(&[])));
        assert!(!names_event_stream(&headers(&[])));
    }

    #[test]
    fn each_range_that_covers_event_streams_accepts_them() {
        for line in [
            "*/*",
            "text/*",
            "text/event-stream",
            "TEXT/Event-Stream",
            "text/html, */*;q=0.1",
            "*/* ; q=1",
        ] {
            assert!(accepts(line), "{line}");
        }
        assert!(
            accepts("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"),
            "what Java's URLConnection sends"
        );
        assert!(accepts("text/event-stream;charset=utf-8"));
    }

    #[test]
    fn ranges_that_do_not_cover_event_streams_do_not_accept_them() {
        for line in [
            "application/json",
            "text/html, application/xml",
            "text/event-stream2",
            "*/json",
            "application/*",
        ] {
            assert!(!accepts(line), "{line}");
        }
    }

    #[test]
    fn a_range_with_a_weight_of_zero_does_not_accept() {
        for line in [
            "text/event-stream;q=0",
            "text/event-stream; Q=0.000",
            "text/* ; q = 0.",
            "*/*;q=0",
        ] {
            assert!(!accepts(line), "{line}");
            assert!(!names(line), "{line}");
        }
        assert!(accepts("text/event-stream;q=0.001"));
    }

    #[test]
    fn the_most_specific_range_decides_in_any_order() {
        for line in [
            "text/event-stream;q=0, text/*, */*",
            "*/*, text/*, text/event-stream;q=0",
            "*/*, text/*;q=0",
        ] {
            assert!(!accepts(line), "{line}");
        }
        for line in ["text/event-stream, text/*;q=0, */*;q=0", "*/*;q=0, text/*"] {
            assert!(accepts(line), "{line}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = headers(&["application/json", "text/event-stream"]);
        assert!(accepts_event_stream(&lines) && names_event_stream(&lines));
        assert!(!accepts_event_stream(&headers(&[
            "*/*",
            "text/event-stream;q=0"
        ])));
    }

    #[test]
    fn malformed_ranges_are_ignored() {
        for line in ["", ",,", "text event stream", "\"", "\u{fc}"] {
            assert!(accepts(line), "{line}");
            assert!(!names(line), "{line}");
        }
        assert!(!accepts("no media type, application/json"));
        assert!(accepts("text/event-stream;q=nonsense"));
    }

    #[test]
    fn only_the_media_type_itself_names_event_streams() {
        assert!(names("text/event-stream"));
        assert!(names("application/json, text/event-stream;q=0.5"));
        assert!(!names("*/*, text/*"));
        assert!(
            !names("application/json;note=\", text/event-stream,\""),
            "a name in quotes does not count"
        );
    }

    proptest! {
        #[test]
        fn no_header_causes_a_panic(line in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let headers = HeaderMap::from_iter([(ACCEPT, value)]);
                prop_assert!(accepts_event_stream(&headers) || !names_event_stream(&headers));
            }
        }
    }
}
