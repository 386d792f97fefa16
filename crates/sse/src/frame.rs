//! Encoded blocks of an event stream, which are shared by all streams that send them.
//!
//! Owns where a block begins and ends inside of its chunk framing. Only `encode` creates frames, so
//! every [`Frame`] is well-formed. The bytes of a frame are never copied, except to join frames.

use bytes::Bytes;

/// The end of a chunk, after the block.
pub(crate) const CHUNK_END: &[u8] = b"\r\n";

/// The keep-alive comment, in a chunk.
const COMMENT: &[u8] = b"2\r\n:\n\r\n";

/// An encoded block of an event stream: an event, a comment, or several events joined.
///
/// The block and its chunk framing (RFC 9112, section 7.1) are in one allocation, so that HTTP/1.1
/// connections can write [`chunked`](Self::chunked) and other connections [`block`](Self::block),
/// both without a copy:
///
/// ```text
/// 22\r\n event: typing\ndata: {}\nid: k3-41\n\n \r\n
///        '------------- block -------------'
/// '------------------ chunked -------------------'
/// ```
///
/// Cloning a frame increments a reference count. The first clone also allocates the counter, which
/// has 24 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    chunked: Bytes,
    /// The length of the chunk header, `<hex>\r\n`.
    header: usize,
}

impl Frame {
    /// Creates a frame. `chunked` must be a whole chunk whose header has `header` bytes.
    pub(crate) fn new(chunked: Bytes, header: usize) -> Self {
        debug_assert!(chunked[..header].ends_with(b"\r\n") && chunked.ends_with(CHUNK_END));
        Self { chunked, header }
    }

    /// The keep-alive comment, `:\n`. It needs no allocation.
    ///
    /// No blank line follows it. The standard allows one, but once httpx-sse 0.4.3 has seen an id,
    /// it delivers an empty event for each `:\n\n`. openai-python and other clients had the same
    /// bug.
    pub fn comment() -> Self {
        Self::new(Bytes::from_static(COMMENT), 3)
    }

    /// Whether no other frame shares these bytes.
    #[inline]
    pub fn is_unique(&self) -> bool {
        self.chunked.is_unique()
    }

    /// The block with its chunk framing.
    #[inline]
    pub fn chunked(&self) -> &[u8] {
        &self.chunked
    }

    /// The bytes of [`chunked`](Self::chunked), shared without a copy.
    #[inline]
    pub fn chunked_bytes(&self) -> Bytes {
        self.chunked.clone()
    }

    /// The block without chunk framing: its lines and, after an event, the blank line.
    #[inline]
    pub fn block(&self) -> &[u8] {
        &self.chunked[self.header..self.chunked.len() - CHUNK_END.len()]
    }

    /// The bytes of [`block`](Self::block), shared without a copy.
    #[inline]
    pub fn block_bytes(&self) -> Bytes {
        self.chunked
            .slice(self.header..self.chunked.len() - CHUNK_END.len())
    }

    /// The length of [`chunked`](Self::chunked) in bytes. This is the memory of the frame, and the
    /// most that it takes on the wire.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a frame is never empty, so the method would always return false"
    )]
    #[inline]
    pub fn len(&self) -> usize {
        self.chunked.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, EventName};

    #[test]
    fn a_frame_is_at_most_40_bytes() {
        // A ring holds a frame for each of its events.
        assert!(size_of::<Frame>() <= 40, "{}", size_of::<Frame>());
    }

    #[test]
    fn a_comment_is_a_line_without_a_blank_line() {
        let comment = Frame::comment();
        assert_eq!(comment.block(), b":\n");
        assert_eq!(comment.block_bytes(), &b":\n"[..]);
        assert_eq!(comment.chunked(), b"2\r\n:\n\r\n");
        assert_eq!(comment.len(), 7);
    }

    #[test]
    fn clones_and_slices_share_the_bytes() {
        let frame = Event::new(EventName::from_static("typing"), "{}").encode();
        let bytes = frame.chunked().as_ptr_range();
        assert_eq!(frame.clone().chunked().as_ptr_range(), bytes);
        assert_eq!(frame.chunked_bytes().as_ptr_range(), bytes);
        assert_eq!(
            frame.block_bytes().as_ptr_range(),
            frame.block().as_ptr_range()
        );
        assert!(bytes.contains(&frame.block().as_ptr()));
    }

    #[test]
    fn a_frame_can_be_converted_from_an_event() {
        let event = Event::new(EventName::from_static("typing"), "{}");
        assert_eq!(Frame::from(&event), event.encode());
    }
}
