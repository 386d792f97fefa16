//! The log on disk. What was acknowledged outlives the process and, depending on [`Sync`], the loss
//! of power.
//!
//! # How it works
//!
//! All appends in flight go to one thread, which writes them in one batch, syncs once, and answers
//! all of them. No reader sees an entry before that. The records of a topic are stored side by
//! side, so a page of a topic is one range of keys, and reads go on while the thread writes. Memory
//! holds one entry for each topic, and nothing for each record.
//!
//! A failed write or sync is final: the log refuses further appends
//! ([`Journal::health`](tidings_journal::Journal::health) tells why), and reads go on. A directory
//! that is at its ceiling, with nothing left to trim, refuses appends too, until there is space
//! again.
//!
//! # Layout
//!
//! - [`Disk`]: the log; [`Options`]: how a log is opened; [`Retention`]: how much it keeps
//! - `directory`: the directory, its lock and its format; `watermark`: a position that is known to
//!   be on the device; `time_file`: the log's time
//! - `directory_watch`: whether the directory was removed or replaced
//! - `tables`, `keys`, `codec`, `run`: what is stored in which tables of the storage engine
//! - `topics`: the state of each topic, in memory
//! - [`probe`](probe()): whether a directory could be opened; `create`: a new log; `open`: from a
//!   directory to a log; `wal`, `manifest`, `contents`: checks of the storage engine's files before
//!   the engine opens them
//! - `log`, `counters`: what the threads share
//! - `committer`, `step`, `syncer`: writing; `maintenance`, `request`: writes other than appends
//! - `reader`, `backwards`, `merge`: reading; `damage`, `damaged_ranges`: reading around what is
//!   damaged; [`Inspection`], `verify`: examining a directory that no server holds
//! - `retention`, `trim`, `erase`: removing records; `ceiling`, `garbage`: giving back space;
//!   `filter`: what the storage engine leaves out when it rewrites its files

mod backwards;
mod ceiling;
mod codec;
mod committer;
mod contents;
mod counters;
#[cfg(test)]
mod crash;
mod create;
mod damage;
mod damaged_ranges;
mod directory;
#[cfg(unix)]
mod directory_watch;
mod disk;
mod erase;
mod error;
mod filter;
#[cfg(test)]
mod full;
mod garbage;
mod inspect;
mod keys;
mod log;
mod maintenance;
mod manifest;
mod merge;
mod open;
mod options;
mod probe;
mod reader;
mod request;
mod retention;
mod run;
mod step;
mod syncer;
mod tables;
mod time_file;
mod topics;
mod trim;
mod verify;
mod wal;
mod watermark;

pub use directory::has_earlier_format;
pub use disk::Disk;
pub use error::OpenError;
pub use inspect::{Inspection, PoolStats, Stats, TopicStats};
pub use options::{Options, Retention, Rule, Sync};
pub use probe::{Probe, probe};
pub use verify::Report;
