//! The process: its log, its signals, its end; what it is handed, and what it tells, by systemd's
//! protocols.

mod activation;
mod log;
mod panics;
mod reload;
#[cfg(target_os = "linux")]
mod service_manager;
mod support;
