//! The engine of Tidings: one log, many cursors.
//!
//! What is published goes to the journal, which decides the order; the journal's tail is handed out, in that order, to one
//! ring per topic, each event encoded once; a stream is a set of topics and a place in the log, which is sent what comes
//! after it. Live delivery, coming back after a disconnect and catching up after being slow are the same act.
//!
//! This crate knows nothing of HTTP, of JSON or of tokens.
//!
//! # Layout
//!
//! - [`hub`](Hub): publishing, and the one task that moves it all
//! - [`subscribe`](Subscribe): opening a stream, from now on or from a cursor; [`history`](History): reading without one
//! - [`publication`](Publication): what is published
//! - `ring`, [`fanout`](Fanout), [`cursor`](Cursor): the delivery core, checked by a model of its threads
//! - `generation`: one life of that core, on one line of the log's history
//! - [`subscription`](Subscription): one open stream as a state machine; `replay`: what it missed, read from the journal
//! - [`connection`](Connection), [`registry`](Registry): who is connected; [`tally`](Tally): what became of all of them;
//!   [`traffic`](Traffic): what they were given
//! - [`fold`](Fold): what is made of the server's own topics; [`keyed_state`](KeyedState): one value for each key, some for a while
//! - [`presence`](Presence): who is in which room
//! - `wheel`: heartbeats, the ends of credentials, and peers that take no bytes
//! - [`wording`](Wording): what the embedder says on the hub's behalf
//! - [`clock`](Clock), [`user`](UserId); `time`: the log's time, which no clock that is set can move

mod clock;
mod connection;
mod cursor;
mod erase;
mod fanout;
mod floors;
mod fold;
mod generation;
mod history;
mod hub;
mod keyed_state;
mod listing;
mod presence;
mod publication;
mod registry;
mod replay;
mod ring;
mod slack;
mod subscribe;
mod subscription;
mod sync;
mod tally;
mod time;
mod traffic;
pub mod user;
mod wheel;
mod wording;

pub use clock::Clock;
pub use connection::{Connection, ConnectionId, network};
pub use cursor::{Behind, Cursor, Took};
pub use erase::{Erasure, Error as EraseError};
pub use fanout::{Delivery, Fanout};
pub use fold::{Expired, Fold};
pub use history::{Before, Earlier, History};
pub use hub::{Hub, Options, Runner};
pub use keyed_state::{Held, KeyedState, Value};
pub use presence::{Claim, MAX_MEMBERSHIPS, MAX_NAME_BYTES, MAX_ROOMS, Member, Presence, TooMany, shortened};
pub use publication::{MAX_DATA_BYTES, Publication, Published};
pub use registry::{Filter, Full, Limits as StreamLimits, Registry, Stats};
pub use ring::Limits as RingLimits;
pub use subscribe::{After, Error as SubscribeError, Start, Subscribe};
pub use subscription::{Step, Subscription};
pub use tally::{Ended, Refused, Tally};
pub use traffic::{Delays, Traffic};
pub use user::UserId;
pub use wheel::HeartbeatStyle;
pub use wording::{Cause, Ending, Reason, Reset, Wording};
