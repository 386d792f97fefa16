//! A server that runs out of file descriptors.

#![cfg(target_os = "linux")]

use std::time::Duration;

use tokio::net::TcpStream;

use super::place;
use crate::support::{http, in_time, until};

/// The processor time that a process has taken so far, in ticks of 10 ms (proc(5)).
fn processor_ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    [11, 12].iter().map(|field| fields[*field].parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn a_server_that_has_no_descriptors_left_waits_without_spinning_and_recovers() {
    let process = place().env("HEAD_TIMEOUT", "60s").start(&[]);
    let address = process.addresses[0];
    // What it counted on at its start is gone: something else in the process took it, so to speak.
    process.limit_descriptors(64);
    // More than it has descriptors: what is over it stands in the kernel's queue.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    until(async || process.said().contains("can't accept at the moment")).await;
    let before = processor_ticks(process.id());
    tokio::time::sleep(Duration::from_secs(1)).await; // not for luck: the second is what is measured
    let spent = processor_ticks(process.id()) - before;
    assert!(spent <= 20, "it spins: {spent} ticks of 10 ms in one second");
    drop(silent);
    assert_eq!(in_time(http::request(address, "GET", "/health/ready", &[], b"")).await.status, 200);
}
