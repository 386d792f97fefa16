//! Splits bytes into lines, by the rules for a stream of UTF-8 text: CR, LF and CRLF each end a
//! line, and one byte order mark at the very start is dropped.
//!
//! [`Lines`] holds the bytes that were pushed and not yet read. Each byte is searched only once,
//! even if the bytes arrive in small pieces, so reading takes linear time. A CR ends its line at
//! once, without waiting for an LF, because the next byte may arrive hours later.

use std::mem;

use bytes::{Buf, BytesMut};
use memchr::memchr2;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: BytesMut,
    /// The length of the line that was returned last, including its end. It is removed from the
    /// front of `buffer` at the next call.
    taken: usize,
    /// The length of the front of `buffer` that was searched and contains no end of a line.
    searched: usize,
    /// Whether the start of the stream is over, so that a byte order mark is no longer dropped.
    has_begun: bool,
    /// Whether the last line ended with CR, so that an LF after it is part of the same end.
    after_cr: bool,
}

impl Lines {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete line, without its end.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        self.buffer.advance(mem::take(&mut self.taken));
        if !self.has_begun {
            self.begin()?;
        }
        if self.after_cr {
            if *self.buffer.first()? == b'\n' {
                self.buffer.advance(1);
            }
            self.after_cr = false;
        }
        let Some(found) = memchr2(b'\r', b'\n', &self.buffer[self.searched..]) else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = mem::take(&mut self.searched) + found;
        self.after_cr = self.buffer[end] == b'\r';
        self.taken = end + 1;
        Some(&self.buffer[..end])
    }

    /// The length of the incomplete line at the end, to be called when [`next`](Self::next) has
    /// returned `None`. A part of a byte order mark does not count.
    pub(crate) fn unfinished(&self) -> usize {
        if self.has_begun {
            self.buffer.len() - self.taken
        } else {
            0
        }
    }

    /// Drops a byte order mark. Returns `None` as long as the first bytes may be a part of one.
    fn begin(&mut self) -> Option<()> {
        if self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.buffer.advance(BYTE_ORDER_MARK.len());
        } else if BYTE_ORDER_MARK.starts_with(&self.buffer) {
            return None;
        }
        self.has_begun = true;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes each of `pieces` and reads its lines.
    fn read(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut read = Vec::new();
        for piece in pieces {
            lines.push(piece);
            while let Some(line) = lines.next() {
                read.push(line.to_vec());
            }
        }
        read
    }

    #[test]
    fn lf_cr_and_crlf_each_end_one_line() {
        assert_eq!(
            read(&[b"a\nb\rc\r\n\r\n\n\rd"]),
            [&b"a"[..], b"b", b"c", b"", b"", b""]
        );
    }

    #[test]
    fn a_crlf_in_two_pieces_is_one_end_of_a_line() {
        assert_eq!(read(&[b"a\r", b"\nb\r", b"c\n"]), [b"a", b"b", b"c"]);
        assert_eq!(read(&[b"a\r", b"", b"\nb\n"]), [b"a", b"b"]);
    }

    #[test]
    fn a_cr_ends_its_line_at_once() {
        assert_eq!(read(&[b"a\r"]), [b"a"]);
    }

    #[test]
    fn one_byte_order_mark_at_the_start_is_dropped_even_if_split() {
        assert_eq!(
            read(&[b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n"]),
            [&b"a"[..], b"\xef\xbb\xbfb"]
        );
        assert_eq!(read(&[b"", b"\xef", b"\xbb", b"\xbfa\n"]), [b"a"]);
        assert_eq!(read(&[b"\xef\xbb\xbf\xef\xbb\xbfa\n"]), [b"\xef\xbb\xbfa"]);
    }

    #[test]
    fn bytes_that_only_begin_like_a_byte_order_mark_are_text() {
        assert_eq!(read(&[b"\xef", b"\xbb\n"]), [b"\xef\xbb"]);
        assert_eq!(read(&[b"\n\xef\xbb\xbfa\n"]), [&b""[..], b"\xef\xbb\xbfa"]);
    }

    #[test]
    fn no_byte_is_searched_twice() {
        let mut lines = Lines::default();
        for pushed in 1..100 {
            lines.push(b"x");
            assert_eq!(lines.next(), None);
            assert_eq!(lines.searched, pushed);
        }
    }

    #[test]
    fn a_line_that_was_read_is_not_counted_as_unfinished() {
        let mut lines = Lines::default();
        lines.push(b"abc\nde");
        assert_eq!(lines.next(), Some(&b"abc"[..]));
        assert_eq!(lines.unfinished(), 2);
        assert_eq!(lines.next(), None);
        assert_eq!(lines.unfinished(), 2);
    }
}
