//! Whatever happens to the output of the log, nothing else is affected: calls, streams, and how the
//! server stops and when.

use std::fs::File;
use std::io::Read as _;

use super::support::Bare;
use crate::support::binary::Place;
use crate::support::stream::{End, Stream};
use crate::support::until;

const FAILED: &str = r#"tidings_log_lines_dropped_total{reason="failed"}"#;
const FULL: &str = r#"tidings_log_lines_dropped_total{reason="full"}"#;

fn place() -> Place {
    Place::new()
        .env("DRAIN_SECONDS", "0")
        .env("LOG_LEVEL", "debug")
}

/// Checks that the server answers, counts the lines that it could not write, and stops as if
/// nothing were wrong.
async fn expect_a_good_life(mut server: Bare, reason: &str) {
    let mut stream = server.stream().await;
    // a thread of its own counts the lines that are not written
    until(async || server.metric(reason).await > 0).await;
    server.signal("TERM");
    stream.expect("draining").await;
    assert_eq!(stream.end().await, End::Cut);
    assert_eq!(server.ended().await.code(), Some(0));
}

/// Makes the server log more than a pipe and the queue hold, while nothing reads the pipe.
async fn fill_the_log(server: &Bare) {
    let long = format!("/{}", "x".repeat(8_000));
    for _ in 0..300 {
        assert_eq!(server.get(&long).await.status, 404);
    }
}

#[tokio::test]
async fn a_closed_pipe_as_standard_error_affects_nothing_else() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    expect_a_good_life(Bare::start(place(), writer, "").await, FAILED).await;
}

#[tokio::test]
async fn a_pipe_that_is_closed_while_the_server_runs_affects_nothing_else() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let server = Bare::start(place(), writer, "").await;
    reader.read_exact(&mut [0; 100]).unwrap();
    drop(reader);
    expect_a_good_life(server, FAILED).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_log_on_a_full_disk_affects_nothing_else() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    expect_a_good_life(Bare::start(place(), full, "").await, FAILED).await;
}

#[tokio::test]
async fn a_log_at_the_file_size_limit_affects_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let file = File::create(directory.path().join("log")).unwrap();
    let server = Bare::start(place(), file, "ulimit -f 1 &&").await;
    for _ in 0..20 {
        server.get("/nope").await;
    }
    expect_a_good_life(server, FAILED).await;
}

#[tokio::test]
async fn a_process_without_standard_error_serves_and_stops() {
    let mut server = Bare::start(place(), std::process::Stdio::null(), "exec 2>&- &&").await;
    let mut stream = server.stream().await;
    server.signal("TERM");
    stream.expect("draining").await;
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_log_that_nobody_reads_delays_neither_calls_nor_the_stop() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let server = Bare::start(place(), writer, "").await;
    fill_the_log(&server).await;
    expect_a_good_life(server, FULL).await;
}

#[tokio::test]
async fn a_log_that_is_read_again_reports_the_number_of_lost_lines() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let server = Bare::start(place(), writer, "").await;
    fill_the_log(&server).await;
    assert!(server.metric(FULL).await > 0);
    let (found, said) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let (mut text, mut bytes) = (String::new(), [0; 4096]);
        while !text.contains("lines of the log were dropped") {
            let length = reader.read(&mut bytes).unwrap();
            assert!(length > 0, "it ended");
            text.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        found.send(text).unwrap();
    });
    let text = crate::support::in_time(said).await.unwrap();
    assert!(
        text.contains("lines="),
        "how many: {}",
        text.lines().last().unwrap()
    );
}

/// A server whose log is stuck, and whose drain never ends, because one of its streams stays open.
async fn stuck(shutdown_timeout: &str) -> (Bare, std::io::PipeReader, [Stream; 2]) {
    let (reader, writer) = std::io::pipe().unwrap();
    let place = place()
        .env("DRAIN_SECONDS", "600s")
        .env("SHUTDOWN_TIMEOUT", shutdown_timeout);
    let server = Bare::start(place, writer, "").await;
    let mut streams = [server.stream().await, server.stream().await];
    fill_the_log(&server).await;
    server.signal("TERM");
    // One of the two streams is ended at once, the other one after five minutes.
    let [first, second] = &mut streams;
    tokio::select! {
        event = first.next() => assert_eq!(event.event, "draining"),
        event = second.next() => assert_eq!(event.event, "draining"),
    }
    (server, reader, streams)
}

#[tokio::test]
async fn a_second_signal_ends_a_server_whose_log_nobody_reads() {
    let (mut server, _reader, _streams) = stuck("1h").await;
    server.signal("INT");
    assert_eq!(server.ended().await.code(), Some(130));
}

#[tokio::test]
async fn the_shutdown_timeout_ends_a_server_whose_log_nobody_reads() {
    let (mut server, _reader, _streams) = stuck("1s").await;
    assert_eq!(server.ended().await.code(), Some(1));
}

#[test]
fn the_exit_code_does_not_depend_on_standard_error() {
    let place = Place::new();
    let run = |redirect: &str| {
        let script = format!(r#""$0" --colour {redirect}"#);
        let binary = env!("CARGO_BIN_EXE_tidings");
        std::process::Command::new("sh")
            .args(["-c", &script, binary])
            .current_dir(place.path())
            .status()
            .unwrap()
    };
    assert_eq!(run("2>&-").code(), Some(2));
    #[cfg(target_os = "linux")]
    assert_eq!(run("2>/dev/full").code(), Some(2));
}
