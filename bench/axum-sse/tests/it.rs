//! The program, over real sockets.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bench-axum-sse"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        let address = said.trim().strip_prefix("http://").unwrap().to_owned();
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_mins(10)))
            .unwrap();
        socket
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Reads to the end of `end`, and no further.
fn read_to(socket: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn what_is_published_reaches_an_open_stream() {
    let program = Program::start();
    let mut stream = program.connect();
    stream
        .write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    assert!(read_to(&mut stream, "\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
    let mut publisher = program.connect();
    publisher
        .write_all(
            b"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\n{\"ts\":1}",
        )
        .unwrap();
    assert!(read_to(&mut publisher, "ok").starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(
        read_to(&mut stream, "\n\n\r\n"),
        "10\r\ndata: {\"ts\":1}\n\n\r\n"
    );
}
