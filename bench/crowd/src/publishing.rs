//! Many publishers, one call after the other on each connection.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use memchr::memmem;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

const NOTIFICATION: &str =
    r#"{"title":"Test","message":"Hello World","type":"info","metadata":{"n":12345}}"#;

/// How much is published, by all together.
pub(crate) enum Extent {
    Time(Duration),
    Rooms { rooms: usize, messages: usize },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Found {
    answered: usize,
    seconds: f64,
    p50_micros: u32,
    p99_micros: u32,
    /// The id of the last event.
    last: String,
}

struct Publisher {
    port: u16,
    token: String,
    extent: Rc<Extent>,
    next: Rc<Cell<usize>>,
    start: Instant,
}

pub(crate) async fn run(
    port: u16,
    token: String,
    connections: usize,
    extent: Extent,
) -> Result<Found> {
    let (start, extent, next) = (Instant::now(), Rc::new(extent), Rc::new(Cell::new(0)));
    LocalSet::new()
        .run_until(async {
            let mut publishers = JoinSet::new();
            for _ in 0..connections {
                let (token, extent, next) = (token.clone(), extent.clone(), next.clone());
                publishers.spawn_local(
                    Publisher {
                        port,
                        token,
                        extent,
                        next,
                        start,
                    }
                    .run(),
                );
            }
            let (mut micros, mut last) = (Vec::new(), String::new());
            while let Some(done) = publishers.join_next().await {
                let (own, id) = done??;
                micros.extend(own);
                if position(&id) > position(&last) {
                    last = id;
                }
            }
            let seconds = start.elapsed().as_secs_f64();
            ensure!(!micros.is_empty(), "not one publish was answered");
            micros.sort_unstable();
            let at = |share: usize| micros[(micros.len() - 1) * share / 100];
            Ok(Found {
                answered: micros.len(),
                seconds,
                p50_micros: at(50),
                p99_micros: at(99),
                last,
            })
        })
        .await
}

impl Publisher {
    async fn run(self) -> Result<(Vec<u32>, String)> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        socket.set_nodelay(true)?;
        let (mut micros, mut answer) = (Vec::new(), Vec::with_capacity(4_096));
        while let Some(request) = self.request() {
            let sent = Instant::now();
            socket.write_all(request.as_bytes()).await?;
            answer.clear();
            while !is_whole(&answer) {
                ensure!(
                    socket.read_buf(&mut answer).await? > 0,
                    "the server closed a publisher's connection"
                );
            }
            micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
            if !answer.starts_with(b"HTTP/1.1 200") {
                bail!(
                    "a publish was refused: {}",
                    String::from_utf8_lossy(&answer)
                );
            }
        }
        Ok((micros, id(&answer)))
    }

    /// The next one, if there is to be one.
    fn request(&self) -> Option<String> {
        let nth = self.next.get();
        let (path, body) = match &*self.extent {
            Extent::Time(time) if self.start.elapsed() >= *time => return None,
            Extent::Time(_) => ("/notifications/broadcast", NOTIFICATION.to_owned()),
            Extent::Rooms { rooms, messages } if nth >= rooms * messages => return None,
            Extent::Rooms { rooms, .. } => (
                "/chat/message",
                format!(
                    r#"{{"roomId":"r{}","message":"message {nth}"}}"#,
                    nth % rooms
                ),
            ),
        };
        self.next.set(nth + 1);
        Some(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        ))
    }
}

/// Whether an answer with a `Content-Length` has come as a whole.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = memmem::find(answer, b"\r\n\r\n") else {
        return false;
    };
    let length =
        memmem::find(&answer[..end], b"\r\ncontent-length: ").map(|at| &answer[at + 18..end]);
    let digits = length
        .unwrap_or_default()
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0_usize, |length, digit| {
        length.saturating_mul(10) + usize::from(digit - b'0')
    });
    answer.len() >= end + 4 + length
}

/// The id of the event that an answer names.
fn id(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let rest = text
        .split_once(r#""eventId":""#)
        .map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default().to_owned()
}

fn position(id: &str) -> u64 {
    id.rsplit('-')
        .next()
        .and_then(|position| position.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is_and_names_its_event() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"eventId\":\"a-1\"}";
        assert!(is_whole(answer));
        for length in 0..answer.len() {
            assert!(!is_whole(&answer[..length]), "{length}");
        }
        assert_eq!(id(answer), "a-1");
    }

    #[test]
    fn ids_are_compared_by_their_positions() {
        assert!(position("zzzzzzzz-9") < position("aaaaaaaa-10"));
        assert_eq!(position(""), 0);
    }
}
