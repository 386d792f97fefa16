//! The wire format of Server-Sent Events (WHATWG HTML, section 9.2): encoding and decoding.
//!
//! - [`EventName`] and [`Id`]: checked text for the `event:` and `id:` lines.
//! - [`Event`]: an event before it is encoded; valid by construction.
//! - [`Frame`]: an encoded event with HTTP/1.1 chunk framing, shared by all streams that send it.
//! - [`Decoder`]: decodes bytes into events by the rules of the standard, in pieces of any size.
//!
//! This crate knows nothing about topics, HTTP connections or tasks.
//!
//! ```
//! use tidings_sse::{Decoded, Decoder, Event, EventName, Id, Message};
//!
//! const NOTIFICATION: EventName = EventName::from_static("notification");
//!
//! let frame = Event::new(NOTIFICATION, r#"{"title":"Hello"}"#)
//!     .id(Id::parse("k3-41")?)
//!     .encode();
//! assert_eq!(frame.block(), b"event: notification\ndata: {\"title\":\"Hello\"}\nid: k3-41\n\n");
//! assert_eq!(frame.chunked()[..4], *b"37\r\n"); // HTTP/1.1 takes `chunked`, HTTP/2 the bare `block`
//!
//! let mut decoder = Decoder::new();
//! for piece in frame.block().chunks(7) {
//!     decoder.push(piece);
//! }
//! let message = Message {
//!     event: "notification".into(),
//!     data: r#"{"title":"Hello"}"#.into(),
//!     id: "k3-41".into(),
//! };
//! assert_eq!(decoder.next(), Some(Ok(Decoded::Event(message))));
//! # Ok::<(), tidings_sse::id::Error>(())
//! ```

pub mod decode;
mod encode;
mod event;
mod frame;
pub mod id;
mod lines;
pub mod name;

pub use decode::{Decoded, Decoder, Message};
pub use event::Event;
pub use frame::Frame;
pub use id::Id;
pub use name::EventName;
