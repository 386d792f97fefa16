//! The load that `tidings bench` does not make: many publishers, each on a connection of its own,
//! and a crowd that comes back.
//!
//! `bench-crowd WHAT`, where `WHAT` is a task as JSON; prints what it found as JSON. One thread, so
//! that it can be kept to one core. Must never take a refused call for one that was answered.

mod publishing;
mod returning;

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// What to do. The server listens on loopback.
#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "task"
)]
enum Task {
    /// Notifications to all, as many as are answered in that time, one under way on each
    /// connection.
    Publish {
        port: u16,
        token: String,
        connections: usize,
        millis: u64,
    },
    /// So many messages to each of the rooms `r0`, `r1`, ….
    Fill {
        port: u16,
        token: String,
        connections: usize,
        rooms: usize,
        messages: usize,
    },
    /// So many clients, spread over the rooms, come back with one id, at most so many under way
    /// without an answer at once, and read until each has so many messages.
    Return {
        port: u16,
        token: String,
        clients: usize,
        under_way: usize,
        rooms: usize,
        messages: usize,
        cursor: String,
    },
}

#[expect(
    clippy::print_stdout,
    reason = "whoever starts this program reads here what it found"
)]
fn main() -> Result<()> {
    let task = std::env::args()
        .nth(1)
        .context("the argument is a task as JSON")?;
    let task: Task = serde_json::from_str(&task)?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(512)
        .build()?;
    let found = runtime.block_on(async {
        Ok::<_, anyhow::Error>(match task {
            Task::Publish {
                port,
                token,
                connections,
                millis,
            } => {
                let until = publishing::Extent::Time(Duration::from_millis(millis));
                serde_json::to_string(&publishing::run(port, token, connections, until).await?)?
            }
            Task::Fill {
                port,
                token,
                connections,
                rooms,
                messages,
            } => {
                let until = publishing::Extent::Rooms { rooms, messages };
                serde_json::to_string(&publishing::run(port, token, connections, until).await?)?
            }
            Task::Return {
                port,
                token,
                clients,
                under_way,
                rooms,
                messages,
                cursor,
            } => {
                let crowd = returning::Crowd {
                    port,
                    token,
                    clients,
                    under_way,
                    rooms,
                    messages,
                    cursor,
                };
                serde_json::to_string(&returning::run(crowd).await?)?
            }
        })
    })?;
    println!("{found}");
    Ok(())
}
