//! The log of Tidings on Redis, which any number of nodes share.
//!
//! [`Redis`] implements [`tidings_journal_shared::broker::Broker`]: it appends groups in one order,
//! returns the groups after a mark, stores a snapshot, and carries messages between nodes. It knows
//! nothing about events.
//!
//! # What is stored
//!
//! All keys begin with the prefix of [`Options::prefix`] in braces, so that they are in one slot.
//!
//! | key | what |
//! |---|---|
//! | `{tidings}:meta` | a hash: the id of the log, the epoch, the server on which it was opened, the head, how far the log is truncated, the two newest snapshots |
//! | `{tidings}:log` | a stream of groups; the id of an entry is `<position of its last record>-0`; its fields are `p`, the tag of the group before, `t`, the server's time in milliseconds, and `g`, the group |
//! | `{tidings}:ctl` | a stream of messages between nodes, of bounded length |
//! | `{tidings}:snap:<id>:<n>` | chunks of snapshots |
//!
//! # Which server
//!
//! Every append proves, in one step with the append, that the server is the one on which the epoch
//! was opened: its replication id (`master_replid`) changes with each restart and each promotion.
//! So no group is appended behind a tail that was lost.
//!
//! # Layout
//!
//! - [`Url`]: where a server is, and the login
//! - [`Options`]: how the log is opened
//! - `failure`: what an error means for the log
//! - `keys`, `lua`, `info`, `reply`: the names, the scripts, and the answers
//! - `connect`, `link`: finding the server, and a connection for one purpose
//! - `checks`: what is checked before the log is opened
//! - `client`: what the parts of the broker share
//! - `groups`, `snapshot`, `follow`, `log`: the broker

mod checks;
mod client;
mod connect;
mod failure;
mod follow;
mod groups;
mod info;
mod keys;
mod link;
mod log;
mod lua;
mod options;
mod reply;
mod snapshot;
mod url;

pub use crate::log::Redis;
pub use crate::options::{Options, Promise, Sentinels, Whereabouts};
pub use crate::url::{Error as UrlError, Url};
