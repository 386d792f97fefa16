//! What the `Accept` header says about event streams (RFC 9110, section 12.5.1).
//!
//! Owns the two questions that the server asks about the header. Only answers whether, never which
//! is preferred: a stream has one form, so nothing matters about a weight but whether it is zero.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::list;

/// How specific a media range is, if it matches `text/event-stream`. The most specific range
/// decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
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
    precision: Option<Precision>,
    /// Whether its weight is not zero.
    wanted: bool,
}

/// Whether an event stream may be sent. Also true if the header is missing or contains no valid
/// media range, because a browser's `EventSource` never reconnects after a `406`.
pub fn accepts_event_stream(headers: &HeaderMap) -> bool {
    let ranges: Vec<Range> = ranges(headers).collect();
    let Some(narrowest) = ranges.iter().filter_map(|range| range.precision).max() else {
        return ranges.is_empty();
    };
    ranges.iter().any(|range| range.precision == Some(narrowest) && range.wanted)
}

/// Whether `text/event-stream` is asked for by name, as `EventSource` does.
pub fn names_event_stream(headers: &HeaderMap) -> bool {
    ranges(headers).any(|range| range.precision == Some(Precision::Exact) && range.wanted)
}

fn ranges(headers: &HeaderMap) -> impl Iterator<Item = Range> {
    let lines = headers.get_all(ACCEPT).iter();
    lines.flat_map(|line| list::from_right(line.as_bytes(), b',')).filter_map(range)
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
    let precision = if media.eq_ignore_ascii_case(b"text/event-stream") {
        Some(Precision::Exact)
    } else if media.eq_ignore_ascii_case(b"text/*") {
        Some(Precision::Text)
    } else if media == b"*/*" || media == b"*" {
        Some(Precision::Any)
    } else {
        None
    };
    let wanted = !list::from_right(parameters, b';').any(is_zero_weight);
    Some(Range { precision, wanted })
}

/// Whether the parameter is a weight of zero: `q=0`, `q=0.`, `q=0.000`. A weight that is malformed
/// counts as absent.
fn is_zero_weight(parameter: &[u8]) -> bool {
    let Some(at) = parameter.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let (name, value) = (parameter[..at].trim_ascii(), parameter[at + 1..].trim_ascii());
    name.eq_ignore_ascii_case(b"q") && value.starts_with(b"0") && value.iter().all(|byte| b"0.".contains(byte))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (ACCEPT, HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
    }

    fn accepts(line: &str) -> bool {
        accepts_event_stream(&headers(&[line]))
    }

    fn names(line: &str) -> bool {
        names_event_stream(&headers(&[line]))
    }

    #[test]
    fn no_header_accepts_everything_and_names_nothing() {
        assert!(accepts_event_stream(&headers(&[])));
        assert!(!names_event_stream(&headers(&[])));
    }

    #[test]
    fn each_range_that_covers_event_streams_accepts_them() {
        for line in ["*/*", "text/*", "text/event-stream", "TEXT/Event-Stream", "text/html, */*;q=0.1", "*/* ; q=1"] {
            assert!(accepts(line), "{line}");
        }
        assert!(accepts("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"), "what Java's URLConnection sends");
        assert!(accepts("text/event-stream;charset=utf-8"));
    }

    #[test]
    fn ranges_that_cover_only_others_do_not_accept() {
        for line in ["application/json", "text/html, application/xml", "text/event-stream2", "*/json", "application/*"]
        {
            assert!(!accepts(line), "{line}");
        }
    }

    #[test]
    fn a_weight_of_zero_excludes() {
        for line in ["text/event-stream;q=0", "text/event-stream; Q=0.000", "text/* ; q = 0.", "*/*;q=0"] {
            assert!(!accepts(line), "{line}");
            assert!(!names(line), "{line}");
        }
        assert!(accepts("text/event-stream;q=0.001"));
    }

    #[test]
    fn the_narrowest_range_decides_whatever_the_order() {
        for line in ["text/event-stream;q=0, text/*, */*", "*/*, text/*, text/event-stream;q=0", "*/*, text/*;q=0"] {
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
        assert!(!accepts_event_stream(&headers(&["*/*", "text/event-stream;q=0"])));
    }

    #[test]
    fn what_cannot_be_read_is_as_good_as_absent() {
        for line in ["", ",,", "text event stream", "\"", "\u{fc}"] {
            assert!(accepts(line), "{line}");
            assert!(!names(line), "{line}");
        }
        assert!(!accepts("no media type, application/json"));
        assert!(accepts("text/event-stream;q=nonsense"));
    }

    #[test]
    fn only_its_own_name_names_it() {
        assert!(names("text/event-stream"));
        assert!(names("application/json, text/event-stream;q=0.5"));
        assert!(!names("*/*, text/*"));
        assert!(!names("application/json;note=\", text/event-stream,\""), "in quotes it is no name");
    }

    proptest! {
        #[test]
        fn no_header_is_a_panic(line in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let headers = HeaderMap::from_iter([(ACCEPT, value)]);
                prop_assert!(accepts_event_stream(&headers) || !names_event_stream(&headers));
            }
        }
    }
}
