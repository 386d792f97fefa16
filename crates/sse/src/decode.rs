//! Decodes bytes into events, by the rules of WHATWG HTML, sections 9.2.5 and 9.2.6.
//!
//! A [`Decoder`] holds the state of one stream: the event in progress, the last event id, and the
//! reconnection time. It accepts bytes in pieces of any size from an untrusted server. No input
//! makes it panic, take more than linear time, or hold more than its limit. It never opens, ends or
//! retries a connection.

use std::mem;
use std::time::Duration;

use crate::lines::Lines;

/// The limit of [`Decoder::new`], in bytes: 16 MiB.
pub const DEFAULT_LIMIT: usize = 16 * 1024 * 1024;

/// The longest id that a decoder accepts, in bytes of UTF-8.
///
/// Every [`Message`] contains the last id. Without a limit, a stream could send an id of megabytes,
/// followed by events of six bytes (`data\n\n`), each of which would then cost a copy of megabytes.
/// A server would not accept such an id in a request anyway, because it limits the size of headers.
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
    /// Whether there was an error, after which all bytes are dropped.
    has_failed: bool,
}

/// An item of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// An event, complete with the blank line that ends it.
    Event(Message),
    /// A valid `retry:` line, which says how long to wait before a reconnection from now on.
    ///
    /// It takes effect at its line, not at the end of its block. The largest value is [`u64::MAX`]
    /// milliseconds. Larger numbers, and values that are not numbers, are ignored.
    Retry(Duration),
    /// The text of a comment line after its colon, without one leading space.
    Comment(String),
}

/// An event, as an `EventSource` passes it to its listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Message {
    /// The name of the event; `message` if its block has no name or an empty one.
    pub event: String,
    /// The data. The values of several `data:` fields are joined by LF.
    pub data: String,
    /// The last event id at the time of the event. It may come from an earlier block, and is empty
    /// if there was none.
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
    /// `None` until the first `data` line. A block without `data` is not an event, but a block with
    /// empty `data` is one.
    data: Option<String>,
    /// The value of the last `id` line, which may be that of an earlier block. It becomes the last
    /// event id only when its block ends, so that an incomplete block does not count.
    id: String,
}

impl Decoder {
    /// A decoder with [`DEFAULT_LIMIT`].
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_LIMIT)
    }

    /// A decoder for events of up to `max_event_bytes`.
    ///
    /// The standard has no limit, so a server could make a client's memory grow for ever, by a line
    /// that does not end, or by `data` lines without a blank line. Here, the limit holds for each
    /// line (without its end) and for the data of each event. If one of them is longer, the decoder
    /// returns one [`Error`] and no item after it, and drops further bytes. A decoder holds at most
    /// a small multiple of the limit, plus the bytes that were pushed and not yet read.
    ///
    /// Each line of a comment is compared with the limit separately, so that a stream of keep-alive
    /// comments never reaches the limit.
    pub fn with_limit(max_event_bytes: usize) -> Self {
        Self {
            lines: Lines::default(),
            block: Block::default(),
            last_event_id: String::new(),
            reconnection_time: None,
            limit: max_event_bytes,
            has_failed: false,
        }
    }

    /// Adds the next bytes of the stream, which may end anywhere. Read all items before the next
    /// call, because unread bytes accumulate.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.has_failed {
            self.lines.push(bytes);
        }
    }

    /// The last id of all complete blocks, including blocks without data. Unless it is empty, it is
    /// the value for `Last-Event-ID` in the next request.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The value of the last valid `retry:` line, if there was one.
    pub fn reconnection_time(&self) -> Option<Duration> {
        self.reconnection_time
    }

    /// Decodes the next item from the complete lines.
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

/// `None` means that more bytes are needed, unless an [`Error`] was returned before. After an
/// error, no further item follows.
impl Iterator for Decoder {
    type Item = Result<Decoded, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.decode_next();
        if item.is_err() {
            self.has_failed = true;
            self.lines = Lines::default();
            self.block = Block::default();
        }
        item.transpose()
    }
}

impl Block {
    /// Adds a `data` line.
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

    /// Ends the block. Returns its event, if it has data.
    fn dispatch(&mut self) -> Option<Message> {
        let mut event = mem::take(&mut self.event);
        let data = self.data.take()?;
        if event.is_empty() {
            event.push_str("message");
        }
        Some(Message {
            event,
            data,
            id: self.id.clone(),
        })
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

/// Decodes UTF-8. The lines can be decoded one by one, because an invalid sequence never includes
/// an ASCII byte; so the result is that of decoding the whole stream at once.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// Parses a `retry` value, which consists of ASCII digits only. (Rust would also accept `+1`, but
/// the standard does not.)
fn milliseconds(value: &[u8]) -> Option<Duration> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = str::from_utf8(value).ok()?.parse().ok()?;
    Some(Duration::from_millis(number))
}
