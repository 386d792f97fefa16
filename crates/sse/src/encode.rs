//! Encodes events into bytes. Only this module writes the wire format.
//!
//! The length of a block is computed first, so that its allocation has exactly that size. Must
//! never write data that ends a line. Must never write a byte order mark at the beginning of a
//! stream, because httpx-sse and sseclient-py lose the first event after one.

use std::iter;

use bytes::Bytes;
use memchr::memchr2;

use crate::frame::CHUNK_END;
use crate::{Event, Frame};

const EVENT: &[u8] = b"event: ";
const ID: &[u8] = b"id: ";
const RETRY: &[u8] = b"retry: ";
const DATA: &[u8] = b"data: ";

impl Event {
    /// Encodes the event. Encode an event once, and clone the [`Frame`] for each stream.
    pub fn encode(&self) -> Frame {
        frame(self)
    }
}

impl From<&Event> for Frame {
    fn from(event: &Event) -> Self {
        event.encode()
    }
}

impl Frame {
    /// Copies the blocks of `frames` into one chunk, for events that are sent together to many
    /// streams. Returns `None` if there are no frames.
    pub fn join<'a>(frames: impl Iterator<Item = &'a Self> + Clone) -> Option<Self> {
        join(frames)
    }
}

/// Encodes an event as the lines `event`, `retry`, `data` and `id`, in this order, and a blank
/// line.
///
/// The id comes last because some clients act on a line as soon as they have read it. When a
/// connection breaks in the middle of an event, `r3labs/sse` delivers the part that it has, and
/// `fetch-event-source` keeps the id. Both then resume after an event that they never received in
/// full. In the standard, the order of the fields has no meaning, so sending the id after the data
/// costs nothing.
fn frame(event: &Event) -> Frame {
    let mut digits = itoa::Buffer::new();
    let retry = event.retry.map(|delay| {
        digits
            .format(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
            .as_bytes()
    });
    let id = event.id.as_ref().map(|id| id.as_str().as_bytes());
    let lines = || {
        let before = iter::once((EVENT, event.name.as_str().as_bytes()))
            .chain(retry.map(|retry| (RETRY, retry)));
        before
            .chain(lines(&event.data).map(|line| (DATA, line)))
            .chain(id.map(|id| (ID, id)))
    };

    let length = lines()
        .map(|(name, value)| name.len() + value.len() + 1)
        .sum::<usize>()
        + 1;
    chunk(length, |chunk| {
        for (name, value) in lines() {
            chunk.extend_from_slice(name);
            chunk.extend_from_slice(value);
            chunk.push(b'\n');
        }
        chunk.push(b'\n');
    })
}

/// Implements [`Frame::join`].
fn join<'a>(frames: impl Iterator<Item = &'a Frame> + Clone) -> Option<Frame> {
    let length = frames.clone().map(|frame| frame.block().len()).sum();
    (length > 0).then(|| {
        chunk(length, |chunk| {
            for frame in frames {
                chunk.extend_from_slice(frame.block());
            }
        })
    })
}

/// Builds a chunk around the bytes that `write` appends. `length` is the number of these bytes, and
/// at least 1.
fn chunk(length: usize, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
    let header = hex_digits(length) + 2;
    let mut chunk = Vec::with_capacity(header + length + CHUNK_END.len());
    push_hex(&mut chunk, length);
    chunk.extend_from_slice(b"\r\n");
    write(&mut chunk);
    chunk.extend_from_slice(CHUNK_END);
    Frame::new(Bytes::from(chunk), header)
}

/// The lines of `text`, of which there is at least one. CR, LF and CRLF each end a line, so the
/// last line of a text that ends with a line break is empty. Others had bugs here: axum's `Sse`
/// writes two line breaks for a CRLF, and nchan and @fastify/sse do not handle a CR alone, by which
/// a publisher can add any field.
fn lines(text: &str) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text.as_bytes());
    iter::from_fn(move || {
        let bytes = rest?;
        let Some(end) = memchr2(b'\r', b'\n', bytes) else {
            return rest.take();
        };
        let (line, after) = bytes.split_at(end);
        rest = after.strip_prefix(b"\r\n").or(after.get(1..));
        Some(line)
    })
}

/// The number of hexadecimal digits of `number`, which must be at least 1. A block is never empty.
fn hex_digits(number: usize) -> usize {
    number.ilog2() as usize / 4 + 1
}

/// Appends `number` in hexadecimal digits.
fn push_hex(bytes: &mut Vec<u8>, number: usize) {
    for digit in (0..hex_digits(number)).rev() {
        bytes.push(b"0123456789abcdef"[(number >> (4 * digit)) & 0xf]);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{EventName, Id};

    const NAME: EventName = EventName::from_static("n");

    fn block(data: &str) -> Vec<u8> {
        Event::new(NAME, data).encode().block().to_vec()
    }

    #[test]
    fn an_event_is_its_fields_in_order_in_one_chunk() {
        let frame = Event::new(EventName::from_static("connected"), "{}")
            .retry(Duration::from_secs(3))
            .id(Id::parse("k3-41").unwrap())
            .encode();
        let expected = "31\r\nevent: connected\nretry: 3000\ndata: {}\nid: k3-41\n\n\r\n";
        assert_eq!(frame.chunked(), expected.as_bytes());
        assert_eq!(frame.len(), expected.len());
        assert_eq!(
            frame.block(),
            b"event: connected\nretry: 3000\ndata: {}\nid: k3-41\n\n"
        );
    }

    #[test]
    fn the_id_is_written_after_all_of_the_data() {
        let id = Id::parse("k3-41").unwrap();
        for data in ["{}", "id: 7", "a\r\nid: 7\rb", ""] {
            let without = Event::new(NAME, data).retry(Duration::ZERO).encode();
            let with = Event::new(NAME, data)
                .retry(Duration::ZERO)
                .id(id.clone())
                .encode();
            let all_but_its_end = without.block().strip_suffix(b"\n").unwrap();
            assert_eq!(
                with.block(),
                [all_but_its_end, b"id: k3-41\n\n"].concat(),
                "{data:?}"
            );
        }
    }

    #[test]
    fn joined_frames_are_their_blocks_in_one_chunk() {
        let [first, second] = ["a", "b"].map(|data| Event::new(NAME, data).encode());
        let joined = Frame::join([&first, &Frame::comment(), &second].into_iter()).unwrap();
        assert_eq!(
            joined.block(),
            b"event: n\ndata: a\n\n:\nevent: n\ndata: b\n\n"
        );
        assert_eq!(
            joined.chunked(),
            b"26\r\nevent: n\ndata: a\n\n:\nevent: n\ndata: b\n\n\r\n"
        );
        assert_eq!(Frame::join(std::iter::empty()), None);
    }

    #[test]
    fn fields_without_a_value_are_not_written() {
        assert_eq!(block("{}"), b"event: n\ndata: {}\n\n");
        assert_eq!(block(""), b"event: n\ndata: \n\n");
        let without_id = Event::new(NAME, "").id(Id::parse("1").unwrap()).id(None);
        assert_eq!(without_id.encode().block(), b"event: n\ndata: \n\n");
    }

    #[test]
    fn cr_lf_and_crlf_in_data_are_each_one_line_break() {
        for text in ["a\rb", "a\nb", "a\r\nb"] {
            assert_eq!(block(text), b"event: n\ndata: a\ndata: b\n\n", "{text:?}");
        }
        assert_eq!(block("\n\r"), b"event: n\ndata: \ndata: \ndata: \n\n");
        assert_eq!(block("\r\n\r\n"), b"event: n\ndata: \ndata: \ndata: \n\n");
        assert_eq!(block("a\n"), b"event: n\ndata: a\ndata: \n\n");
    }

    #[test]
    fn spaces_colons_and_nul_in_data_are_kept() {
        assert_eq!(block(" :\0"), b"event: n\ndata:  :\0\n\n");
    }

    #[test]
    fn a_byte_order_mark_in_data_is_never_at_the_beginning_of_the_stream() {
        assert_eq!(block("\u{feff}"), "event: n\ndata: \u{feff}\n\n".as_bytes());
    }

    #[test]
    fn retry_is_in_whole_milliseconds() {
        let retry = |delay| Event::new(NAME, "").retry(delay).encode().block().to_vec();
        assert_eq!(
            retry(Duration::from_micros(1_999)),
            b"event: n\nretry: 1\ndata: \n\n"
        );
        assert_eq!(retry(Duration::ZERO), b"event: n\nretry: 0\ndata: \n\n");
        assert_eq!(
            retry(Duration::MAX),
            b"event: n\nretry: 18446744073709551615\ndata: \n\n"
        );
    }

    #[test]
    fn the_allocation_is_exactly_the_chunk() {
        // Around the lengths at which the header takes another digit.
        for length in (0..20).chain(220..260).chain(4_060..4_100) {
            let frame = Event::new(NAME, "x".repeat(length)).encode();
            let header = format!("{:x}\r\n", frame.block().len());
            assert!(frame.chunked().starts_with(header.as_bytes()));
            let chunk = frame.chunked_bytes();
            assert_eq!(chunk.len(), header.len() + frame.block().len() + 2);
            drop(frame); // `try_into_mut` requires that `chunk` is the only owner
            let size = chunk.len();
            assert_eq!(chunk.try_into_mut().unwrap().capacity(), size);
        }
    }
}
