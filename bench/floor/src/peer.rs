//! A socket, and what is known about who is at its other end.
//!
//! Owns what came and is no whole request yet, and what the socket did not take yet. Must never
//! hold either without a bound.

use std::io::{ErrorKind, Read as _, Write as _};

use mio::net::TcpStream;

use crate::request::{self, Request};

const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                        Transfer-Encoding: chunked\r\n\r\n";
const PUBLISHED: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
/// Beyond this, in either direction, a peer is closed.
const MOST: usize = 4 * 1_024 * 1_024;

/// What is to be done about a peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing.
    Settled,
    /// Its socket takes no more for now.
    Waits,
    /// It is to be closed.
    Gone,
}

pub(crate) struct Peer {
    pub(crate) socket: TcpStream,
    fate: Fate,
    is_stream: bool,
    /// Of a stream, what its socket did not take; of others, what came of the next request.
    rest: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            fate: Fate::Settled,
            is_stream: false,
            rest: Vec::new(),
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.is_stream
    }

    pub(crate) fn fate(&self) -> Fate {
        self.fate
    }

    /// Takes all that came, and adds the events that this peer publishes.
    pub(crate) fn read(&mut self, scratch: &mut [u8], events: &mut Vec<Vec<u8>>) {
        loop {
            match self.socket.read(scratch) {
                Ok(0) => return self.fate = Fate::Gone,
                // What a stream's peer says after its request is nobody's business.
                Ok(_) if self.is_stream => {}
                Ok(length) => self.take(&scratch[..length], events),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.fate = Fate::Gone,
            }
        }
    }

    fn take(&mut self, came: &[u8], events: &mut Vec<Vec<u8>>) {
        self.rest.extend_from_slice(came);
        let mut taken = 0;
        loop {
            match request::first(&self.rest[taken..]) {
                Ok(Some((Request::Publish(event), length))) => {
                    taken += length;
                    events.push(event);
                }
                Ok(Some((Request::Stream, _))) => {
                    self.rest = Vec::new();
                    self.is_stream = true;
                    self.send(STREAM);
                    return;
                }
                Ok(None) if self.rest.len() - taken <= MOST => break,
                Ok(None) | Err(_) => return self.fate = Fate::Gone,
            }
        }
        self.rest.drain(..taken);
    }

    /// Says as often that something was published as it was.
    pub(crate) fn answer(&mut self, times: usize) {
        if times > 0 && self.socket.write_all(&PUBLISHED.repeat(times)).is_err() {
            // Answers are few and small: who does not take them does not read.
            self.fate = Fate::Gone;
        }
    }

    /// Sends to a stream, after all that it was sent before. Returns whether its fate has changed.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        let before = self.fate;
        if !self.rest.is_empty() {
            self.keep(bytes);
            return self.fate != before;
        }
        match self.socket.write(bytes) {
            Ok(length) if length == bytes.len() => {}
            Ok(length) => self.keep(&bytes[length..]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                self.keep(bytes);
            }
            Err(_) => self.fate = Fate::Gone,
        }
        self.fate != before
    }

    /// Sends what the socket did not take before.
    pub(crate) fn flush(&mut self) {
        if !self.is_stream || self.rest.is_empty() {
            return;
        }
        self.fate = Fate::Settled;
        let rest = std::mem::take(&mut self.rest);
        self.send(&rest);
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        self.fate = if self.rest.len() > MOST {
            Fate::Gone
        } else {
            Fate::Waits
        };
    }
}
