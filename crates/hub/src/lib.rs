//! The engine of Tidings: one log, many cursors.
//!
//! Publications are appended to the journal, which decides their order. The journal's tail is
//! delivered in that order, encoded once, to one ring for each topic. A stream is a set of topics
//! and a place in the log, and is sent what comes after that place. Live delivery, reconnecting and
//! catching up after being slow are the same operation.
//!
//! This crate knows nothing of HTTP, JSON or tokens.
//!
//! # Where to find what
//!
//! - [`hub`](Hub): the handle, with its options; `publish`, `deliver`, [`subscribe`](Subscribe),
//!   [`history`](History) and [`erase`](Erasure): what it does; [`runner`](Runner): what drives it
//! - [`publication`](Publication): events before they are stored
//! - `ring`, [`fanout`](Fanout), [`cursor`](Cursor): the delivery core, which a model checker tests
//! - `line`, `generation`: one history of the log, and the delivery core on it
//! - [`subscription`](Subscription): one open stream as a state machine; `replay`: missed events,
//!   read from the journal
//! - [`connection`](Connection), [`stream_registry`](Registry): the open streams;
//!   [`stream_totals`](StreamTotals): how many there were, and how they ended;
//!   [`traffic`](Traffic): what was sent on them
//! - `timer_wheel`: heartbeats, expiry and maximum age; `slow_readers`: peers that take no bytes
//! - [`fold`](Fold): state that is computed from the server's own topics;
//!   [`keyed_state`](KeyedState): one value for each key; `floors`: erasures
//! - [`presence`](Presence): the members of topics
//! - [`wording`](Wording): the text of the hub's own events, which the application writes
//! - [`clock`](Clock), [`user`](UserId); `time`: log time

mod clock;
mod connection;
mod cursor;
mod deliver;
mod erase;
mod fanout;
mod floors;
mod fold;
mod generation;
mod history;
mod hub;
mod keyed_state;
mod line;
mod presence;
mod publication;
mod publish;
mod replay;
mod ring;
mod runner;
mod slow_readers;
mod stream_registry;
mod stream_totals;
mod subscribe;
mod subscription;
mod sync;
mod table;
mod time;
mod timer_wheel;
mod traffic;
pub mod user;
mod wording;

pub use clock::Clock;
pub use connection::{Connection, ConnectionId, HeartbeatStyle, network};
pub use cursor::{Behind, Cursor, TakenEvents};
pub use erase::{Erasure, Error as EraseError};
pub use fanout::{Delivery, Fanout};
pub use fold::{Expired, Fold};
pub use history::{Before, Earlier, History, Place};
pub use hub::{Hub, Options, Runner};
pub use keyed_state::{KeyedState, StoredValue, Value};
pub use presence::{
    MAX_MEMBERSHIPS, MAX_MEMBERSHIPS_PER_USER, Member, MembershipLimit, PendingJoin, Presence,
};
pub use publication::{MAX_DATA_BYTES, Publication, Published};
pub use ring::Limits as RingLimits;
pub use stream_registry::{Filter, LimitReached, Limits as StreamLimits, Registry, Stats};
pub use stream_totals::{Ended, RefusalReason, StreamTotals};
pub use subscribe::{After, Error as SubscribeError, Start, Subscribe};
pub use subscription::{Step, Subscription};
pub use traffic::{Delays, Traffic};
pub use user::{UserId, truncate_name};
pub use wording::{Ending, EndingCause, Reset, ResetReason, Wording};
