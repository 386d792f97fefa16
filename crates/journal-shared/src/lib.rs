//! The log of Tidings on a broker that any number of nodes share.
//!
//! The broker orders, and the nodes understand. A broker appends *groups*, opaque blobs, in one
//! order, returns the groups after a mark, and stores a snapshot; see [`broker::Broker`]. Each node
//! folds the same groups in the same order into a full copy of the log. All decisions, about
//! conditions, repetitions and retries, are made by that fold, which is the same for every broker.
//!
//! # Layout
//!
//! - [`broker`]: what a broker does, as a trait
//! - `options`: the options of a node
//! - `codec`, `group`: what a node appends in one step, and how it is encoded; `meta`: what stands
//!   in the log from its creation on
//! - `fold`: makes the log out of the groups; `places`: where they stand; `verdicts`: a hash of
//!   what was decided
//! - `snapshot`, `restore`: the fold at a place, written down and made again
//! - `node`: what the parts of a node share; `queue`, `outbox`: what waits to be appended, and what
//!   was appended a short while ago; `certain`, `pulse`, `tally`: questions, health, figures
//! - `committer`, `follow`, `bootstrap`, `truncate`: appending, following, reading from the
//!   beginning, and writing snapshots
//! - `shared`: the log on a broker, as one node has it

mod bootstrap;
pub mod broker;
mod certain;
mod codec;
mod committer;
mod fold;
mod follow;
mod group;
mod meta;
mod node;
mod options;
mod outbox;
mod places;
mod pulse;
mod queue;
mod restore;
mod shared;
mod snapshot;
mod tally;
mod truncate;
mod verdicts;
mod watched;

pub use options::Options;
pub use shared::Shared;
