//! Many publishers, each on a connection of its own, one call after the other.
//!
//! `tidings bench` has one connection, as it measures deliveries. Must never take a refused publish for one.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::contender::{Access, Contender};
use super::super::running::Running;

/// What is published, by all of them together.
pub(super) enum Calls {
    /// As many notifications to all as are answered in that time.
    For(Duration),
    /// So many messages to each of so many rooms, `r0`, `r1`, ….
    ToRooms { rooms: usize, messages: usize },
}

/// What was found.
pub(super) struct Found {
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// The server's CPU time, for one.
    pub(super) cpu_micros: f64,
    /// The id of the last event that was answered.
    pub(super) last: String,
}

/// Publishes to the end.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) async fn run(server: &Running, connections: usize, calls: Calls) -> Result<Found> {
    let (calls, next) = (Arc::new(calls), Arc::new(AtomicUsize::new(0)));
    let token = Contender::Tidings.endpoints(server.port(), Access::Demo)?.token.context("Tidings asks for a token")?;
    let pid = *server.pids()?.first().context("the server has a process")?;
    let (before, start) = (cpu(pid)?, Instant::now());
    let mut publishers = JoinSet::new();
    for _ in 0..connections {
        publishers.spawn(publisher(server.port(), token.clone(), calls.clone(), next.clone(), start));
    }
    let (mut micros, mut last) = (Vec::new(), String::new());
    while let Some(done) = publishers.join_next().await {
        let (own, id) = done??;
        micros.extend(own);
        if position(&id) > position(&last) {
            last = id;
        }
    }
    let (elapsed, used) = (start.elapsed(), cpu(pid)?.saturating_sub(before));
    ensure!(!micros.is_empty(), "not one publish was answered");
    micros.sort_unstable();
    let at = |share: usize| f64::from(micros[(micros.len() - 1) * share / 100]) / 1_000.0;
    Ok(Found {
        per_second: micros.len() as f64 / elapsed.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        cpu_micros: used.as_secs_f64() * 1e6 / micros.len() as f64,
        last,
    })
}

async fn publisher(
    port: u16,
    token: String,
    calls: Arc<Calls>,
    next: Arc<AtomicUsize>,
    start: Instant,
) -> Result<(Vec<u32>, String)> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    socket.set_nodelay(true)?;
    let (mut micros, mut answer, mut id) = (Vec::new(), Vec::with_capacity(4_096), String::new());
    loop {
        let (path, body) = match &*calls {
            Calls::For(duration) if start.elapsed() >= *duration => break,
            Calls::For(_) => (
                "/notifications/broadcast",
                r#"{"title":"Test","message":"Hello World","type":"info","metadata":{"n":12345}}"#.to_owned(),
            ),
            Calls::ToRooms { rooms, messages } => {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= rooms * messages {
                    break;
                }
                ("/chat/message", format!(r#"{{"roomId":"r{}","message":"message {nth}"}}"#, nth % rooms))
            }
        };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let sent = Instant::now();
        socket.write_all(request.as_bytes()).await?;
        answer.clear();
        while !is_whole(&answer) {
            ensure!(socket.read_buf(&mut answer).await? > 0, "the server closed a publisher's connection");
        }
        micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        let text = String::from_utf8_lossy(&answer);
        if !text.starts_with("HTTP/1.1 200") {
            bail!("a publish was refused: {text}");
        }
        if let Some((_, rest)) = text.split_once(r#""eventId":""#) {
            id.clear();
            id.push_str(rest.split('"').next().unwrap_or_default());
        }
    }
    Ok((micros, id))
}

/// Whether an answer with a `Content-Length` has come as a whole.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    answer.len() >= end + 4 + length.unwrap_or(0)
}

fn position(id: &str) -> u64 {
    id.rsplit('-').next().and_then(|position| position.parse().ok()).unwrap_or_default()
}

/// The CPU time that a process has had. The kernel counts in hundredths of a second.
fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |nth: usize| fields.get(nth).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or_default();
    Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert!(is_whole(answer));
        for length in 0..answer.len() {
            assert!(!is_whole(&answer[..length]), "{length}");
        }
    }

    #[test]
    fn ids_are_compared_by_their_positions() {
        assert!(position("zzzzzzzz-9") < position("aaaaaaaa-10"));
        assert_eq!(position(""), 0);
    }
}
