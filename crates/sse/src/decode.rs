//! Decoding: from bytes to events, by the rules of WHATWG HTML, sections 9.2.5 and 9.2.6.
//!
//! A [`Decoder`] holds the state of one stream: the event in progress, the last event id, the
//! reconnection time. It accepts bytes in pieces of any size from an untrusted server: no input
//! makes it panic, take more than linear time, or hold more than its limit. It never opens, ends or
//! retries a connection.

use std::mem;
use std::time::Duration;

use crate::lines::Lines;

/// The limit of [`Decoder::new`], in bytes: 16 MiB.
pub const DEFAULT_LIMIT: usize = 16 * 1024 * 1024;

/// The longest id that a decoder accepts, in bytes of UTF-8.
///
/// Every [`Message`] repeats the last id. Without a limit, an id of megabytes followed by events of
/// six bytes each (`data\n\n`) would cost a copy of megabytes for each event. A server would not
/// accept such an id in a request either, because of its limit of header sizes.
pub const MAX_ID_BYTES: usize = 1024;

/// An incremental decoder of one event stream. A new connection needs a new decoder.
///
/// [`push`](Self::push) the bytes that arrived, then read items until there are none:
///
/// ```
/// use tidings_sse::{Decoded, Decoder};
///
/// let mut decoder = Decoder::new();
/// for piece in [&b"event: chat-message\nid: 7\nda"[..], b"ta: {}\n\nevent: cut off"] {
///     decoder.push(piece);
///     for item in decoder.by_ref() {
///         match item? {
///             Decoded::Event(message) => assert_eq!(message.event, "chat-message"),
///             Decoded::Retry(_) | Decoded::Comment(_) => unreachable!("not in this stream"),
///         }
///     }
/// }
/// assert_eq!(decoder.last_event_id(), "7");
/// # Ok::<(), tidings_sse::decode::Error>(())
/// ```
///
/// If the bytes end in the middle of an event, that event is discarded with the decoder, as the
/// standard demands: a stream that was cut never delivers half an event. Bytes that are not UTF-8
/// become U+FFFD.
#[derive(Debug)]
pub struct Decoder {
    lines: Lines,
    block: Block,
    last_event_id: String,
    reconnection_time: Option<Duration>,
    limit: usize,
    /// Whether the limit was exceeded, after which all bytes are dropped.
    ended: bool,
}

/// An item of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// An event, complete with the blank line that ends it.
    Event(Message),
    /// A valid `retry:` line: how long to wait before a reconnection from now on.
    ///
    /// It takes effect at its line, not at the end of its block. The server may ask for up to
    /// [`u64::MAX`] milliseconds; larger numbers are ignored, like everything that is not a number.
    Retry(Duration),
    /// The text of a comment line after its colon, without one leading space.
    Comment(String),
}

/// An event as an `EventSource` gives it to its listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Message {
    /// The event's name; `message` if the block has none or an empty one.
    pub event: String,
    /// The data. The values of several `data:` fields are joined by LF.
    pub data: String,
    /// The last event id when the event was dispatched, which may come from an earlier block; empty
    /// if there is none.
    pub id: String,
}

/// Why a stream can't be decoded further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// One line is longer than the limit.
    #[error("a line of the event stream is longer than {limit} bytes")]
    Line {
        /// The limit in bytes.
        limit: usize,
    },
    /// An id is longer than [`MAX_ID_BYTES`].
    #[error("an id of the event stream is longer than {MAX_ID_BYTES} bytes")]
    Id,
    /// The data of one event is longer than the limit.
    #[error("the data of an event is longer than {limit} bytes")]
    Data {
        /// The limit in bytes.
        limit: usize,
    },
}

/// The event in progress: the buffers of WHATWG HTML, section 9.2.6.
#[derive(Debug, Default)]
struct Block {
    event: String,
    /// `None` until the first `data` line: a block without `data` dispatches nothing, but one with
    /// empty `data` does.
    data: Option<String>,
    /// It is kept from block to block. It becomes the last event id only when its block ends, so
    /// that a block that was cut does not count.
    id: String,
}

impl Decoder {
    /// A decoder with [`DEFAULT_LIMIT`].
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_LIMIT)
    }

    /// A decoder for events of up to `max_event_bytes`.
    ///
    /// The standard has no limit, so a server could make a client's memory grow for ever with a
    /// line that does not end, or with `data` lines and no blank line. Here, a line (without its
    /// end) or the data of an event that is longer than the limit returns one [`Error`] and ends
    /// the decoder: no item follows, and further bytes are dropped. A decoder holds at most a small
    /// multiple of the limit, plus the bytes that were pushed and not yet read.
    ///
    /// Each comment line counts alone, so that a stream of keep-alive comments never reaches the
    /// limit.
    pub fn with_limit(max_event_bytes: usize) -> Self {
        Self {
            lines: Lines::default(),
            block: Block::default(),
            last_event_id: String::new(),
            reconnection_time: None,
            limit: max_event_bytes,
            ended: false,
        }
    }

    /// Adds the next bytes of the stream, which may be cut anywhere. Read all items before the next
    /// call, as unread bytes accumulate.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.ended {
            self.lines.push(bytes);
        }
    }

    /// The value for `Last-Event-ID` in the next request, unless it is empty: the last id of all
    /// complete blocks, including those without data.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The value of the last valid `retry:` line, if there was one.
    pub fn reconnection_time(&self) -> Option<Duration> {
        self.reconnection_time
    }

    fn decode_next(&mut self) -> Result<Option<Decoded>, Error> {
        let limit = self.limit;
        while let Some(line) = self.lines.next() {
            if line.len() > limit {
                return Err(Error::Line { limit });
            }
            if line.is_empty() {
                self.last_event_id.clone_from(&self.block.id);
                if let Some(message) = self.block.dispatch() {
                    return Ok(Some(Decoded::Event(message)));
                }
                continue;
            }
            let (name, value) = split(line);
            match name {
                b"" => return Ok(Some(Decoded::Comment(text(value)))),
                b"event" => self.block.event = text(value),
                b"data" => self.block.append(value, limit)?,
                b"id" if !value.contains(&0) => {
                    let id = text(value);
                    if id.len() > MAX_ID_BYTES {
                        return Err(Error::Id);
                    }
                    self.block.id = id;
                }
                b"retry" => {
                    if let Some(time) = milliseconds(value) {
                        self.reconnection_time = Some(time);
                        return Ok(Some(Decoded::Retry(time)));
                    }
                }
                _ => {}
            }
        }
        if self.lines.unfinished() > limit {
            return Err(Error::Line { limit });
        }
        Ok(None)
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// `None` means that more bytes are needed. It is final only after an [`Error`].
impl Iterator for Decoder {
    type Item = Result<Decoded, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.decode_next();
        if item.is_err() {
            self.ended = true;
            self.lines = Lines::default();
            self.block = Block::default();
        }
        item.transpose()
    }
}

impl Block {
    fn append(&mut self, value: &[u8], limit: usize) -> Result<(), Error> {
        let value = String::from_utf8_lossy(value);
        let data = match &mut self.data {
            None => self.data.insert(value.into_owned()),
            Some(data) => {
                data.push('\n');
                data.push_str(&value);
                data
            }
        };
        if data.len() > limit {
            return Err(Error::Data { limit });
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Option<Message> {
        let mut event = mem::take(&mut self.event);
        let data = self.data.take()?;
        if event.is_empty() {
            event.push_str("message");
        }
        Some(Message { event, data, id: self.id.clone() })
    }
}

/// Splits a line into the name and the value of its field. A comment is a field without a name.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = memchr::memchr(b':', line) else {
        return (line, b"");
    };
    let value = &line[colon + 1..];
    (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
}

/// Decodes UTF-8. Decoding each line has the same result as decoding the whole stream at once,
/// because an invalid sequence never includes an ASCII byte.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// Parses a `retry` value: ASCII digits and nothing else (`+1` is a number for Rust, but not by the
/// standard).
fn milliseconds(value: &[u8]) -> Option<Duration> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = str::from_utf8(value).ok()?.parse().ok()?;
    Some(Duration::from_millis(number))
}
