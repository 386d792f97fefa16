//! An encoded block, shared by all who write it to a socket.
//!
//! Owns where the block begins and ends inside its chunk framing, and nothing else: bytes are put into a frame only by
//! `encode`, so that a [`Frame`] that exists is well-formed. Must never copy them, but to join frames.

use bytes::Bytes;

/// What follows the block in its chunk.
pub(crate) const CHUNK_END: &[u8] = b"\r\n";

/// The keep-alive comment in its chunk.
const COMMENT: &[u8] = b"2\r\n:\n\r\n";

/// One encoded block of an event stream: the bytes of an event, or a comment; or several of them, joined.
///
/// Block and chunk framing (RFC 9112, section 7.1) lie in one allocation, so that an HTTP/1.1 connection writes
/// [`chunked`](Self::chunked) and all others [`block`](Self::block), both without copying:
///
/// ```text
/// 22\r\n event: typing\ndata: {}\nid: k3-41\n\n \r\n
///        '------------- block -------------'
/// '------------------ chunked -------------------'
/// ```
///
/// To clone is to count a reference (the first clone also allocates the counter, 24 bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    chunked: Bytes,
    /// The length of the chunk header, `<hex>\r\n`.
    header: usize,
}

impl Frame {
    /// `chunked` must be a whole chunk whose header takes `header` bytes.
    pub(crate) fn new(chunked: Bytes, header: usize) -> Self {
        debug_assert!(chunked[..header].ends_with(b"\r\n") && chunked.ends_with(CHUNK_END));
        Self { chunked, header }
    }

    /// The keep-alive: an empty comment, `:\n`. Costs no allocation.
    ///
    /// A blank line does not follow. It would be within the standard, but httpx-sse 0.4.3 makes a phantom event of each
    /// `:\n\n` once it has seen an id, and openai-python and others had the same bug.
    pub fn comment() -> Self {
        Self::new(Bytes::from_static(COMMENT), 3)
    }

    /// Whether this is the only handle on its bytes.
    pub fn is_unique(&self) -> bool {
        self.chunked.is_unique()
    }

    /// The block with the chunk framing around it.
    pub fn chunked(&self) -> &[u8] {
        &self.chunked
    }

    /// [`chunked`](Self::chunked), shared.
    pub fn chunked_bytes(&self) -> Bytes {
        self.chunked.clone()
    }

    /// The block alone: its lines and, after an event, the blank line.
    pub fn block(&self) -> &[u8] {
        &self.chunked[self.header..self.chunked.len() - CHUNK_END.len()]
    }

    /// [`block`](Self::block), shared.
    pub fn block_bytes(&self) -> Bytes {
        self.chunked.slice(self.header..self.chunked.len() - CHUNK_END.len())
    }

    /// How many bytes [`chunked`](Self::chunked) has: what the frame costs in memory and, at most, on the wire.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a frame is never empty, and a method that is always false says nothing"
    )]
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
        // Rings hold one for each event that they keep.
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
        assert_eq!(frame.block_bytes().as_ptr_range(), frame.block().as_ptr_range());
        assert!(bytes.contains(&frame.block().as_ptr()));
    }

    #[test]
    fn a_frame_is_made_of_an_event() {
        let event = Event::new(EventName::from_static("typing"), "{}");
        assert_eq!(Frame::from(&event), event.encode());
    }
}
