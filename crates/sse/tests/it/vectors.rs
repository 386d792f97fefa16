//! Known streams and their events: the examples of WHATWG HTML, section 9.2.6, and the cases of the
//! web platform tests (`eventsource/format-*`), each named after its file there.

use std::time::Duration;

use tidings_sse::{Decoded, Decoder};

use crate::decode;

/// The events of `stream` as (name, data, id). They must not depend on how the stream is cut.
fn events(stream: &[u8]) -> Vec<(String, String, String)> {
    let items = decode(Decoder::new(), [stream]);
    for size in 1..8 {
        assert_eq!(
            decode(Decoder::new(), stream.chunks(size)),
            items,
            "in pieces of {size}"
        );
    }
    let events = items.into_iter().filter_map(|item| match item.unwrap() {
        Decoded::Event(message) => Some((message.event, message.data, message.id)),
        Decoded::Retry(_) | Decoded::Comment(_) => None,
    });
    events.collect()
}

/// Checks the data of the events of each stream.
fn assert_data(cases: &[(&str, &str, &[&str])]) {
    for (case, stream, expected) in cases {
        let data: Vec<_> = events(stream.as_bytes())
            .into_iter()
            .map(|(_, data, _)| data)
            .collect();
        assert_eq!(data, *expected, "{case}");
    }
}

/// Checks the last event id at each event of each stream.
fn assert_ids(cases: &[(&str, &str, &[&str])]) {
    for (case, stream, expected) in cases {
        let ids: Vec<_> = events(stream.as_bytes())
            .into_iter()
            .map(|(_, _, id)| id)
            .collect();
        assert_eq!(ids, *expected, "{case}");
    }
}

#[test]
fn the_examples_of_the_standard_are_decoded() {
    assert_data(&[
        (
            "stocks",
            "data: YHOO\ndata: +2\ndata: 10\n\n",
            &["YHOO\n+2\n10"],
        ),
        (
            "four blocks",
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third \
             event\n\n",
            &["first event", "second event", " third event"],
        ),
        ("empty data", "data\n\ndata\ndata\n\ndata:", &["", "\n"]),
        (
            "leading space",
            "data:test\n\ndata: test\n\n",
            &["test", "test"],
        ),
    ]);
    assert_ids(&[(
        "four blocks",
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third \
         event\n\n",
        &["1", "", ""],
    )]);
}

#[test]
fn each_kind_of_line_break_ends_a_line() {
    let long = "x".repeat(2_048);
    let comments =
        format!("data:1\r:\0\n:\r\ndata:2\n:{long}\rdata:3\n:data:fail\r:{long}\ndata:4\n\n");
    assert_data(&[
        (
            "format-newlines",
            "data:test\r\ndata\ndata:test\r\n\r",
            &["test\n\ntest"],
        ),
        ("format-comments", &comments, &["1\n2\n3\n4"]),
        (
            "format-data-before-final-empty-line",
            "data:test1\n\nid:test\ndata:test2",
            &["test1"],
        ),
        (
            "each end alone",
            "data:1\n\ndata:2\r\rdata:3\r\n\r\n",
            &["1", "2", "3"],
        ),
        (
            "cr lf cr is two ends",
            "data:1\r\n\rdata:2\n\n",
            &["1", "2"],
        ),
        ("lf cr is two ends", "data:1\n\rdata:2\n\n", &["1", "2"]),
        (
            "other separators of Unicode are text",
            "data:a\u{2028}b\u{85}c\u{b}\n\n",
            &["a\u{2028}b\u{85}c\u{b}"],
        ),
    ]);
}

#[test]
fn fields_are_parsed_as_the_standard_says() {
    assert_data(&[
        (
            "format-field-parsing",
            "data:\0\ndata:  \
             2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n \
             data:32\ndata:4\n\n",
            &["\0\n 2\n1\n3\n\n4"],
        ),
        (
            "format-field-data",
            "data:\n\ndata\ndata\n\ndata:test\n\n",
            &["", "\n", "test"],
        ),
        (
            "format-field-unknown",
            "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n",
            &["test\n\ntest"],
        ),
        (
            "format-leading-space",
            "data:\ttest\rdata: \ndata:test\n\n",
            &["\ttest\n\ntest"],
        ),
        ("format-null-character", "data:\0\n\n\n\n", &["\0"]),
        ("format-utf-8", "data:ok…\n\n", &["ok…"]),
        ("a second colon is text", "data:a:b\n\n", &["a:b"]),
        ("a block without data", "event: x\nid: 1\nretry: 5\n\n", &[]),
    ]);
}

#[test]
fn an_event_without_a_name_is_called_message() {
    let names = |stream: &str| -> Vec<_> {
        events(stream.as_bytes())
            .into_iter()
            .map(|(name, _, _)| name)
            .collect()
    };
    assert_eq!(
        names("event:test\ndata:x\n\ndata:x\n\n"),
        ["test", "message"],
        "format-field-event"
    );
    assert_eq!(
        names("event: \ndata:data\n\n"),
        ["message"],
        "format-field-event-empty"
    );
    assert_eq!(
        names("event:a\nevent\ndata\n\n"),
        ["message"],
        "an empty name resets an earlier one"
    );
    assert_eq!(
        names("event:a\n\ndata\n\n"),
        ["message"],
        "a name is valid only for its block"
    );
}

#[test]
fn only_one_byte_order_mark_at_the_start_is_dropped() {
    assert_data(&[
        (
            "format-bom",
            "\u{feff}data:1\n\n\u{feff}data:2\n\ndata:3\n\n",
            &["1", "3"],
        ),
        (
            "format-bom-2",
            "\u{feff}\u{feff}data:1\n\ndata:2\n\ndata:3\n\n",
            &["2", "3"],
        ),
        ("in data", "data:\u{feff}\n\n", &["\u{feff}"]),
    ]);
}

#[test]
fn an_id_persists_until_another_one() {
    assert_ids(&[
        (
            "format-field-id-2",
            "id: …\ndata:hello\n\ndata:…\n\n",
            &["…", "…"],
        ),
        (
            "format-field-id-3, persists",
            "id: 1\ndata: 1\n\ndata: 2\n\nid: 2\ndata:3\n\ndata:4\n\n",
            &["1", "1", "2", "2"],
        ),
        (
            "format-field-id-3, resets",
            "id: 1\ndata: 1\n\nid:\ndata:2\n\ndata:3\n\n",
            &["1", "", ""],
        ),
        (
            "format-field-id-3, resets without colon",
            "id: 1\ndata: 1\n\nid\ndata:2\n\ndata:3\n\n",
            &["1", "", ""],
        ),
        (
            "format-field-id-null",
            "id:\0\0\ndata\n\nid:x\0\ndata\n\nid:\0x\ndata\n\nid:x\0x\ndata\n\nid: \0\ndata\n\n",
            &["", "", "", "", ""],
        ),
        (
            "an invalid id does not replace the last one",
            "id:1\nid:2\0\ndata\n\n",
            &["1"],
        ),
        (
            "an id of a block without data counts",
            "id:1\n\ndata\n\n",
            &["1"],
        ),
        ("zero is an id", "id:0\ndata\n\n", &["0"]),
    ]);
}

#[test]
fn an_id_counts_when_its_block_ends() {
    let mut decoder = Decoder::new();
    decoder.push(b"id:1\n\nid:2\ndata:x\n");
    assert_eq!(decoder.next(), None);
    assert_eq!(decoder.last_event_id(), "1");
    decoder.push(b"\n");
    assert!(decoder.next().is_some());
    assert_eq!(decoder.last_event_id(), "2");
}

#[test]
fn only_digits_are_a_valid_retry() {
    let cases: &[(&str, &str, Option<u64>)] = &[
        ("format-field-retry", "retry:3000\ndata:x\n\n", Some(3_000)),
        (
            "format-field-retry-bogus",
            "retry:3000\nretry:1000x\ndata:x\n\n",
            Some(3_000),
        ),
        ("format-field-retry-empty", "retry\ndata:test\n\n", None),
        ("without a block's end", "retry: 7\n", Some(7)),
        (
            "leading zeros",
            "retry: 000000000000000000000000012\n",
            Some(12),
        ),
        ("a sign", "retry: +5\nretry: -5\n", None),
        ("spaces", "retry:  5\nretry: 5 \n", None),
        ("digits that are not ASCII", "retry: ٣\n", None),
        ("a fraction", "retry: 1.5\n", None),
    ];
    for (case, stream, expected) in cases {
        let mut decoder = Decoder::new();
        decoder.push(stream.as_bytes());
        let given = decoder.by_ref().find_map(|item| match item.unwrap() {
            Decoded::Retry(time) => Some(time),
            Decoded::Event(_) | Decoded::Comment(_) => None,
        });
        let expected = expected.map(Duration::from_millis);
        assert_eq!(
            (given, decoder.reconnection_time()),
            (expected, expected),
            "{case}"
        );
    }
}

#[test]
fn comments_are_returned() {
    let items = decode(Decoder::new(), [&b":\n: ping\n:  two\n:data: x\n"[..]]);
    let comments = ["", "ping", " two", "data: x"].map(|text| Ok(Decoded::Comment(text.into())));
    assert_eq!(items, comments);
}

#[test]
fn each_invalid_utf_8_sequence_becomes_one_replacement_character() {
    let cases: &[(&[u8], &str)] = &[
        (b"\xff", "\u{fffd}"),
        (b"a\x80b", "a\u{fffd}b"),
        (b"\xc0\xaf", "\u{fffd}\u{fffd}"),
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xe4\xb8", "\u{fffd}"),
        (b"\xf0\x9d\x84x", "\u{fffd}x"),
    ];
    for (value, expected) in cases {
        let stream = [
            b"event:", *value, b"\nid:", value, b"\ndata:", value, b"\n\n",
        ]
        .concat();
        let expected = (*expected).to_owned();
        assert_eq!(
            events(&stream),
            [(expected.clone(), expected.clone(), expected)]
        );
    }
}
