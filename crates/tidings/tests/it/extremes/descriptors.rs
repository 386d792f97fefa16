//! A server that runs out of file descriptors, and one that has few.

#![cfg(target_os = "linux")]

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::place;
use crate::support::binary::{Place, Process};
use crate::support::{http, in_time, until};

/// The processor time that a process has used so far, in ticks of 10 ms (proc(5)).
fn processor_ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    [11, 12]
        .iter()
        .map(|field| fields[*field].parse::<u64>().unwrap())
        .sum()
}

#[tokio::test]
async fn a_server_that_has_no_descriptors_left_waits_without_spinning_and_recovers() {
    let process = place().env("HEAD_TIMEOUT", "5m").start(&[]);
    let address = process.addresses[0];
    // The server loses descriptors that it counted on when it started, as if something else in the
    // process had taken them.
    process.limit_descriptors(64);
    // These are more connections than it has descriptors. The others wait in the kernel's queue.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    until(async || process.said().contains("can't accept at the moment")).await;
    let before = processor_ticks(process.id());
    let began = Instant::now();
    // not a wait for something: this second is measured
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (spent, passed) = (processor_ticks(process.id()) - before, began.elapsed());
    assert!(
        u128::from(spent) * 50 <= passed.as_millis(),
        "it spins: {spent} ticks of 10 ms in {passed:?}"
    );
    drop(silent);
    assert_eq!(
        in_time(http::request(address, "GET", "/health/ready", &[], b""))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_limit_of_streams_above_that_of_descriptors_causes_a_warning() {
    let too_many = place()
        .env("MAX_CONNECTIONS", "189")
        .start_limited(&[], 700);
    let warning = "MAX_CONNECTIONS=189 is more than the 700 file descriptors of this process \
                   allow (188 streams)";
    assert!(too_many.said().contains(warning), "{}", too_many.said());
    assert_eq!(
        limits(&too_many).await,
        ["tidings_streams_limit 189.0", "process_max_fds 700.0"]
    );
    for fitting in ["188", "auto"] {
        let process = place()
            .env("MAX_CONNECTIONS", fitting)
            .start_limited(&[], 700);
        assert!(
            !process
                .said()
                .contains("file descriptors of this process allow"),
            "{}",
            process.said()
        );
        assert_eq!(
            limits(&process).await,
            ["tidings_streams_limit 188.0", "process_max_fds 700.0"]
        );
    }
}

#[test]
fn descriptors_that_leave_no_room_for_streams_stop_the_start_in_one_line() {
    for descriptors in [64, 512] {
        let refused = place().refused_limited(descriptors);
        assert!(
            refused.contains(&format!(
                "{descriptors} file descriptors leave no room for streams"
            )),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn few_descriptors_cause_a_warning_if_no_limit_of_streams_is_set() {
    let warning = "only 88 streams fit: this process may have 600 file descriptors";
    let said = |place: Place| place.start_limited(&[], 600).said();
    let of_itself = said(place());
    assert!(of_itself.contains(warning), "{of_itself}");
    let meant = said(place().env("MAX_CONNECTIONS", "50"));
    assert!(!meant.contains("streams fit"), "{meant}");
}

#[tokio::test]
async fn the_table_of_descriptors_is_grown_before_the_first_stream() {
    let process = place().start_limited(&[], 4_000);
    let slots = slots(process.id());
    assert!(slots >= 4_000, "{slots} slots");
    let open = std::fs::read_dir(format!("/proc/{}/fd", process.id())).unwrap();
    assert!(open.count() < 100, "what made room is closed again");
}

/// How many descriptors the table of a process has space for now (proc(5)).
fn slots(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("FDSize:")?.trim().parse().ok())
        .unwrap()
}

/// What the metrics say about how many streams and descriptors may be open.
async fn limits(process: &Process) -> Vec<String> {
    let answer = in_time(http::request(
        process.addresses[0],
        "GET",
        "/metrics",
        &[],
        b"",
    ))
    .await;
    let named = |line: &&str| {
        ["tidings_streams_limit ", "process_max_fds "]
            .iter()
            .any(|name| line.starts_with(name))
    };
    answer
        .text()
        .lines()
        .filter(named)
        .map(str::to_owned)
        .collect()
}
