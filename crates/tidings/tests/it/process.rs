//! The process: its log, its signals, its end.

mod log;
mod panics;
mod reload;
mod support;
