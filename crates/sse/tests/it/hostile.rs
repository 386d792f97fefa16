//! Hostile input: a publisher can't damage a stream, and a server can't harm a client.

use std::iter;
use std::time::Duration;

use proptest::prelude::*;
use tidings_sse::decode::{Error, MAX_ID_BYTES};
use tidings_sse::{Decoded, Decoder, Event, EventName, Id, Message};

use crate::{cuts, decode, pieces, tricky_bytes, tricky_text};

fn message(event: &str, data: impl Into<String>, id: &str) -> Decoded {
    Decoded::Event(Message {
        event: event.into(),
        data: data.into(),
        id: id.into(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The injections of 2026 (CWE-93): h3 CVE-2026-33128, hono CVE-2026-29085, sse-channel
    /// CVE-2026-44217 and others.
    #[test]
    fn no_data_adds_a_field_or_an_event(data in tricky_text()) {
        let frame = Event::new(EventName::from_static("n"), data.as_str()).encode();
        let block = str::from_utf8(frame.block()).unwrap();
        let lines = block.strip_prefix("event: n\n").and_then(|rest| rest.strip_suffix("\n\n"));
        let lines: Vec<_> = lines.unwrap().split('\n').collect();
        prop_assert!(!block.contains('\r'));
        prop_assert!(lines.iter().all(|line| line.starts_with("data: ")), "{lines:?}");
        let data = data.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(lines.len(), data.split('\n').count());
        prop_assert_eq!(decode(Decoder::new(), [frame.block()]), [Ok(message("n", data, ""))]);
    }

    #[test]
    fn a_valid_name_can_not_add_anything_to_its_event(text in prop_oneof![tricky_text(), "[ \
        -~]{0,70}"]) {
        let alphabet = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        let valid = (1..=64).contains(&text.chars().count()) && text.chars().all(alphabet);
        let name = EventName::parse(&text);
        prop_assert_eq!(name.is_ok(), valid);
        if let Ok(name) = name {
            let frame = Event::new(name, "x").encode();
            prop_assert_eq!(decode(Decoder::new(), [frame.block()]), [Ok(message(&text, "x", ""))]);
        }
    }

    #[test]
    fn a_valid_id_can_not_add_anything_to_its_event(text in prop_oneof![tricky_text(), "[ \
        -~]{0,70}"]) {
        let alphabet = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let valid = (1..=64).contains(&text.chars().count()) && text.chars().all(alphabet);
        let id = Id::parse(&text);
        prop_assert_eq!(id.is_ok(), valid);
        if let Ok(id) = id {
            let frame = Event::new(EventName::from_static("n"), "x").id(id).encode();
            prop_assert_eq!(decode(Decoder::new(), [frame.block()]), [Ok(message("n", "x", &text))]);
        }
    }

    #[test]
    fn the_items_of_a_stream_do_not_depend_on_how_it_is_cut(stream in tricky_bytes(), cuts in cuts()) {
        let whole = decode(Decoder::new(), [&stream[..]]);
        prop_assert_eq!(&decode(Decoder::new(), pieces(&stream, &cuts)), &whole);
        prop_assert_eq!(&decode(Decoder::new(), stream.chunks(1)), &whole);
    }

    #[test]
    fn the_effect_of_a_limit_does_not_depend_on_how_the_stream_is_cut(
        stream in tricky_bytes(),
        cuts in cuts(),
        limit in 0_usize..16,
    ) {
        let whole = decode(Decoder::with_limit(limit), [&stream[..]]);
        prop_assert_eq!(&decode(Decoder::with_limit(limit), pieces(&stream, &cuts)), &whole);
        prop_assert_eq!(&decode(Decoder::with_limit(limit), stream.chunks(1)), &whole);
    }

    #[test]
    fn a_limit_does_not_change_a_stream_that_stays_below_it(stream in tricky_bytes()) {
        // Each invalid byte becomes a character of three bytes.
        let limited = decode(Decoder::with_limit(3 * stream.len()), [&stream[..]]);
        prop_assert_eq!(limited, decode(Decoder::new(), [&stream[..]]));
    }
}

/// Pushes `pieces` until the decoder fails. Returns the error and how many bytes were pushed by
/// then.
fn bytes_until_error<'a>(limit: usize, pieces: impl Iterator<Item = &'a [u8]>) -> (Error, usize) {
    let mut decoder = Decoder::with_limit(limit);
    let mut bytes = 0;
    for piece in pieces {
        bytes += piece.len();
        decoder.push(piece);
        if let Some(error) = decoder.by_ref().find_map(Result::err) {
            assert_eq!(decoder.next(), None);
            decoder.push(b"\n\ndata: x\n\n");
            assert_eq!(decoder.next(), None, "an error is the last item");
            return (error, bytes);
        }
    }
    panic!("the pieces ended before the decoder did");
}

#[test]
fn a_line_without_an_end_is_an_error() {
    let endless = iter::repeat(&b"xxxxxxxxxx"[..]);
    assert_eq!(
        bytes_until_error(1_000, endless),
        (Error::Line { limit: 1_000 }, 1_010)
    );
}

#[test]
fn a_whole_line_over_the_limit_is_refused_like_an_unfinished_one() {
    let items = decode(Decoder::with_limit(6), [&b"data:1\n\ndata:12\n\n"[..]]);
    assert_eq!(
        items,
        [
            Ok(message("message", "1", "")),
            Err(Error::Line { limit: 6 })
        ]
    );
}

#[test]
fn an_event_without_an_end_is_an_error() {
    let endless = iter::repeat(&b"data\n"[..]);
    // Each line after the first adds one byte of data, which is its line break.
    assert_eq!(
        bytes_until_error(1_000, endless),
        (Error::Data { limit: 1_000 }, 1_002 * 5)
    );
}

#[test]
fn the_limit_of_data_counts_bytes_after_decoding() {
    let items = decode(
        Decoder::with_limit(10),
        [&b"data:\xff\xff\xff\n\ndata:\xff\xff\xff\xff\n\n"[..]],
    );
    let replaced = "\u{fffd}\u{fffd}\u{fffd}";
    assert_eq!(
        items,
        [
            Ok(message("message", replaced, "")),
            Err(Error::Data { limit: 10 })
        ]
    );
}

#[test]
fn an_id_that_is_too_long_is_an_error() {
    let id = "x".repeat(MAX_ID_BYTES);
    let stream = format!("id:{id}\ndata\n\ndata\n\nid:{id}x\ndata\n\n");
    let items = decode(Decoder::new(), [stream.as_bytes()]);
    let kept = Ok(message("message", "", &id));
    assert_eq!(items, [kept.clone(), kept, Err(Error::Id)]);
}

#[test]
fn a_stream_of_keep_alive_comments_never_reaches_a_limit() {
    let items = decode(Decoder::with_limit(8), iter::repeat_n(&b":\n"[..], 10_000));
    assert_eq!(items.len(), 10_000);
    assert!(
        items
            .iter()
            .all(|item| *item == Ok(Decoded::Comment(String::new())))
    );
}

#[test]
fn the_last_event_id_survives_an_error() {
    let mut decoder = Decoder::with_limit(10);
    decoder.push(b"id:7\n\nid:8\nxxxxxxxxxxx");
    assert_eq!(decoder.next(), Some(Err(Error::Line { limit: 10 })));
    assert_eq!(decoder.last_event_id(), "7");
}

#[test]
fn a_retry_beyond_64_bits_is_ignored() {
    let mut decoder = Decoder::new();
    decoder.push(b"retry: 18446744073709551615\nretry: 18446744073709551616\nretry: 99999999999999999999999999\n");
    let longest = Duration::from_millis(u64::MAX);
    assert_eq!(
        decoder.by_ref().collect::<Vec<_>>(),
        [Ok(Decoded::Retry(longest))]
    );
    assert_eq!(decoder.reconnection_time(), Some(longest));
}
