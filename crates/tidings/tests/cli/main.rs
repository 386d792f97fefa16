//! The commands as a person runs them: the real binary, real sockets, and what it says and ends
//! with.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod check;
#[cfg(unix)]
mod completions;
mod demo;
#[cfg(unix)]
mod doctor;
#[cfg(target_os = "linux")]
mod first_process;
mod health;
mod init;
mod journal;
#[cfg(unix)]
mod nginx;
mod proxy;
mod publish;
mod serve;
mod support;
mod tail;
mod token;
