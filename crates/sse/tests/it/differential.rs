//! Compares the decoder with two others that share no code with it: a literal implementation of the
//! standard's algorithm, and the crate `sse-stream`.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use proptest::prelude::*;
use sse_stream::{Sse, SseByteStream};
use tidings_sse::{Decoded, Decoder, Message};

use crate::{cuts, decode, pieces, tricky_bytes, tricky_text};

/// The result of decoding a stream: its events, and the reconnection time and last event id at its
/// end.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    messages: Vec<Message>,
    reconnection_time: Option<Duration>,
    last_event_id: String,
}

fn by_decoder(pieces: &[&[u8]]) -> Outcome {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        messages.extend(decoder.by_ref().filter_map(|item| match item.unwrap() {
            Decoded::Event(message) => Some(message),
            Decoded::Retry(_) | Decoded::Comment(_) => None,
        }));
    }
    Outcome {
        messages,
        reconnection_time: decoder.reconnection_time(),
        last_event_id: decoder.last_event_id().to_owned(),
    }
}

/// Implements WHATWG HTML, sections 9.2.5 and 9.2.6, for a whole stream at once: it decodes the
/// stream, splits it into lines, and interprets them. It is slow and simple.
fn by_the_standard(stream: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut data, mut event_type, mut id) = (String::new(), String::new(), String::new());
    let mut outcome = Outcome::default();
    let Some((lines, _unfinished)) = text.rsplit_once('\n') else {
        return outcome;
    };
    for line in lines.split('\n') {
        if line.is_empty() {
            outcome.last_event_id.clone_from(&id);
            if let Some(data) = data.strip_suffix('\n') {
                let name = if event_type.is_empty() {
                    "message"
                } else {
                    &event_type
                };
                outcome.messages.push(Message {
                    event: name.to_owned(),
                    data: data.to_owned(),
                    id: id.clone(),
                });
            }
            data.clear();
            event_type.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event_type),
            "data" => {
                data += value;
                data += "\n";
            }
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if value.chars().all(|c| c.is_ascii_digit()) => {
                let milliseconds = value.parse().map(Duration::from_millis);
                outcome.reconnection_time = milliseconds.ok().or(outcome.reconnection_time);
            }
            _ => {}
        }
    }
    outcome
}

/// Decodes with `sse-stream`. It returns raw blocks, including those without data, so this function
/// keeps what is valid from block to block.
fn by_sse_stream(pieces: &[&[u8]]) -> Outcome {
    let pieces = stream::iter(pieces.to_vec()).map(Ok::<_, Infallible>);
    let blocks: Vec<_> = SseByteStream::new(pieces).collect().now_or_never().unwrap();
    let mut outcome = Outcome::default();
    for block in blocks {
        let Sse {
            event,
            data,
            id,
            retry,
        } = block.unwrap();
        outcome.last_event_id = id.unwrap_or(outcome.last_event_id);
        outcome.reconnection_time = retry
            .map(Duration::from_millis)
            .or(outcome.reconnection_time);
        outcome.messages.extend(data.map(|data| {
            Message {
                event: event
                    .filter(|name| !name.is_empty())
                    .unwrap_or_else(|| "message".to_owned()),
                data,
                id: outcome.last_event_id.clone(),
            }
        }));
    }
    outcome
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_stream_is_decoded_as_the_standard_says(stream in tricky_bytes(), cuts in cuts()) {
        prop_assert_eq!(by_decoder(&pieces(&stream, &cuts)), by_the_standard(&stream));
    }

    /// `sse-stream` 0.3 differs on purpose for two kinds of streams, which are left out: bytes that
    /// are not UTF-8 end it with an error, where the standard replaces them; and it reports a
    /// `retry` at the end of its block, where by the standard it takes effect at its line. So the
    /// streams here are text whose last block is complete.
    #[test]
    fn a_text_is_decoded_as_sse_stream_decodes_it(text in tricky_text(), cuts in cuts()) {
        let stream = text + "\n\n";
        let pieces = pieces(stream.as_bytes(), &cuts);
        prop_assert_eq!(by_decoder(&pieces), by_sse_stream(&pieces));
    }
}

#[test]
fn single_bytes_are_decoded_as_sse_stream_decodes_them() {
    let stream =
        "\u{feff}: hi\r\n\r\nretry: 5\r\nid: é\r\n\r\nevent: a\rdata: 𝄞\rdata\r\rdata:x\nid:\n\n";
    let bytes: Vec<_> = stream.as_bytes().chunks(1).collect();
    let outcome = by_decoder(&bytes);
    assert_eq!(outcome.messages.len(), 2);
    assert_eq!(outcome, by_sse_stream(&bytes));
    assert_eq!(outcome, by_the_standard(stream.as_bytes()));
    assert_eq!(decode(Decoder::new(), [stream.as_bytes()]).len(), 4);
}
