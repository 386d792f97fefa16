//! Encoded events decode to themselves in pieces of any size, and their chunk framing is correct.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use tidings_sse::{Decoded, Decoder, Event, EventName, Frame, Id, Message};

use crate::{cuts, decode, pieces, tricky_text};

/// A frame and its content.
#[derive(Clone, Debug)]
struct Sent {
    frame: Frame,
    retry: Option<Duration>,
    id: Option<String>,
    /// The name and the data; `None` for a comment.
    event: Option<(String, String)>,
}

fn event() -> impl Strategy<Value = Sent> {
    let name = "[A-Za-z0-9._:-]{1,64}";
    let id = option::of("[A-Za-z0-9._-]{1,64}");
    let retry = option::of(any::<u64>().prop_map(Duration::from_millis));
    (name, id, retry, tricky_text()).prop_map(|(name, id, retry, data)| {
        let frame = Event::new(EventName::parse(&name).unwrap(), data.as_str())
            .id(id.as_deref().map(|id| Id::parse(id).unwrap()))
            .retry(retry)
            .encode();
        let data = data.replace("\r\n", "\n").replace('\r', "\n");
        let event = Some((name, data));
        Sent {
            frame,
            retry,
            id,
            event,
        }
    })
}

fn comment() -> impl Strategy<Value = Sent> {
    Just(Sent {
        frame: Frame::comment(),
        retry: None,
        id: None,
        event: None,
    })
}

fn stream() -> impl Strategy<Value = Vec<Sent>> {
    vec(prop_oneof![4 => event(), 1 => comment()], 0..6)
}

/// The items that a client must decode from all of `stream`.
fn expected(stream: &[Sent]) -> Vec<Decoded> {
    let mut items = Vec::new();
    let mut position = String::new();
    for sent in stream {
        items.extend(sent.retry.map(Decoded::Retry));
        position = sent.id.clone().unwrap_or(position);
        items.push(match sent.event.clone() {
            None => Decoded::Comment(String::new()),
            Some((event, data)) => Decoded::Event(Message {
                event,
                data,
                id: position.clone(),
            }),
        });
    }
    items
}

/// The content of the chunks, parsed as RFC 9112, section 7.1 demands.
fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while !bytes.is_empty() {
        let header = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let size = str::from_utf8(&bytes[..header]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        assert_ne!(size, 0, "a frame must not contain the last chunk");
        let chunk = &bytes[header + 2..];
        content.extend_from_slice(&chunk[..size]);
        bytes = chunk[size..].strip_prefix(b"\r\n").unwrap();
    }
    content
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn encoded_events_decode_to_themselves(stream in stream(), cuts in cuts()) {
        let bytes = stream.iter().map(|sent| sent.frame.block()).collect::<Vec<_>>().concat();
        let items = decode(Decoder::new(), pieces(&bytes, &cuts));
        prop_assert_eq!(items, expected(&stream).into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn each_frame_is_one_chunk_whose_header_is_the_length_of_its_block(stream in stream()) {
        for sent in &stream {
            prop_assert_eq!(unchunk(sent.frame.chunked()), sent.frame.block());
            prop_assert_eq!(sent.frame.len(), sent.frame.chunked().len());
            prop_assert_eq!(sent.frame.block_bytes(), sent.frame.block());
            prop_assert_eq!(sent.frame.chunked_bytes(), sent.frame.chunked());
        }
        let chunked = stream.iter().map(|sent| sent.frame.chunked()).collect::<Vec<_>>().concat();
        let blocks = stream.iter().map(|sent| sent.frame.block()).collect::<Vec<_>>().concat();
        prop_assert_eq!(unchunk(&chunked), blocks);
    }

    /// A stream that is cut inside of a frame must neither deliver part of the frame nor move the
    /// client's position past it.
    #[test]
    fn an_incomplete_frame_has_no_effect(whole in event(), cut in event(), at in any::<Index>()) {
        let part = &cut.frame.block()[..at.index(cut.frame.block().len())];
        let mut decoder = Decoder::new();
        decoder.push(whole.frame.block());
        decoder.push(part);
        let events: Vec<_> = decoder.by_ref().filter(|item| matches!(item, Ok(Decoded::Event(_)))).collect();
        prop_assert_eq!(events.len(), 1);
        prop_assert_eq!(decoder.last_event_id(), whole.id.unwrap_or_default());
    }
}
