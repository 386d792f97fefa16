//! The ordered log behind Tidings: one trait, [`Journal`], and an implementation in memory.
//!
//! Everything that is published is appended to one log. The log decides the order: an entry that is
//! committed gets the next [`Position`]. The position and the log's [`Epoch`] together make the
//! [`EventId`] that clients send when they come back. This crate does not know subscribers, HTTP,
//! or files; the log on disk is the crate `tidings-journal-disk`.
//!
//! # Layout
//!
//! - [`journal`](Journal): the trait; `error`: why a log did not do what it was asked to do
//! - [`topic`]: topic names, the addresses that events are published to
//! - `id`, `epochs`: event ids, and whether a cursor belongs to this log
//! - `entry`: what is written and what is read
//! - `append`: an append and its outcome; `bounds`: how many live keys there may be
//! - `receipt`: receipts, by which a repeated append is recognized
//! - `rule`: retention rules for some of the topics
//! - [`replica`]: the state of the log as one reader holds it, a plain data structure
//! - [`memory`]: the log in memory
//! - `tail`: the stream of new entries
//! - `clock`: the log's clock, which decides what has expired, with the same result for every
//!   reader
//! - `timeline`: the time by which records age, whatever happens to the wall clock
//! - `vitals`: the figures that a log reports for monitoring

mod append;
mod bounds;
mod clock;
mod entry;
mod epochs;
mod error;
mod id;
mod journal;
pub mod memory;
mod pattern;
mod receipt;
pub mod replica;
mod rule;
mod tail;
mod timeline;
pub mod topic;
mod vitals;

pub use append::{Append, Appended, Condition};
pub use bounds::{Bounds, Pool, PoolCounts};
pub use clock::LogClock;
pub use entry::{Earlier, Entry, Holding, Limit, Page, Record, Selector};
pub use epochs::{CursorError, Epochs};
pub use error::Error;
pub use id::{Epoch, Error as IdError, EventId, Position};
pub use journal::Journal;
pub use memory::Memory;
pub use pattern::{Error as PatternError, Pattern};
pub use receipt::{Receipt, StoredReceipt};
pub use replica::Replica;
pub use rule::Rule;
pub use tail::{News, Tail, Tails};
pub use timeline::{Observation, Timeline};
pub use topic::{Segment, TopicName};
pub use vitals::{BrokerVitals, DiskVitals, Histogram, PoolVitals, Vitals};
