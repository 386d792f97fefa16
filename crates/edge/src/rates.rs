//! Rate limits of users and of addresses: publishes a second, new names a minute, and failed
//! credentials a second.
//!
//! Owns the limits, what is charged to which user or address, and the header fields with which an
//! answer reports them ([`RateLimit`]). Everything here is decided before anything is published or
//! stored. Both tables are bounded (see `table.rs`). Must never store anything of a request but the
//! user's id or the address.
//!
//! The buckets are not those of the `governor` crate, for three reasons: a cost may be larger than
//! the capacity of a bucket (a body larger than `PUBLISH_BYTES` would be refused for ever), two
//! buckets are charged together or not at all, and the table of all users is bounded.

mod table;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidings_hub::{UserId, network};
use tokio::time::Instant;

use self::table::{Idle, Table};
use crate::auth::By;
use crate::auth::guard::Guard;
use crate::bucket::{Bucket, Quota, Window};
use crate::error::{Code, Error};
use crate::rate_limit::{Limit, Standing};

pub use crate::rate_limit::RateLimit;

/// How many new names (rooms, topics of users, entities) one user may make in [`NAMES_PER`].
const NAMES: u32 = 600;
const NAMES_PER: Duration = Duration::from_mins(1);

/// How many failed credentials of one address are answered with the reason in [`FAILURES_PER`].
const FAILURES: u32 = 20;
const FAILURES_PER: Duration = Duration::from_secs(1);

/// What users and addresses have done, and what they may do.
pub struct Rates {
    events: Option<Quota>,
    bytes: Option<Quota>,
    users: Table<UserId, Spent>,
    addresses: Table<IpAddr, Window>,
    refused: [AtomicU64; Limit::ALL.len()],
}

/// The limits of one user.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How many events a second, and twice as many at once; `None` means no limit.
    pub events: Option<u64>,
    /// How many bytes of bodies a second, and twice as many at once; `None` means no limit.
    pub bytes: Option<u64>,
}

/// The user that is charged for a publish, if any.
#[derive(Clone)]
pub enum RateSubject {
    /// Nobody, because the publisher has no limit.
    Nobody,
    /// A user.
    User(UserId),
}

/// What a publish costs, and the user that is charged.
pub struct Cost {
    /// The user that is charged.
    pub subject: RateSubject,
    /// How many events.
    pub events: u32,
    /// How many bytes of bodies.
    pub bytes: usize,
}

/// What one user has spent.
#[derive(Default)]
struct Spent {
    events: Bucket,
    bytes: Bucket,
    names: Window,
}

impl RateSubject {
    /// The user that is charged for what `by` publishes.
    pub fn of(by: By<'_>, guard: &Guard) -> Self {
        match by {
            By::Caller(caller) if !guard.is_unlimited(caller) => Self::User(caller.id.clone()),
            By::Caller(_) | By::Application => Self::Nobody,
        }
    }
}

impl Rates {
    /// The rate limits of `options`, before any user has spent anything.
    pub fn new(options: Options) -> Self {
        Self {
            events: options.events.map(Quota::twice),
            bytes: options.bytes.map(Quota::twice),
            users: Table::default(),
            addresses: Table::default(),
            refused: Default::default(),
        }
    }

    /// Charges a publish, or refuses it. A publish is accepted while anything is left, and may
    /// leave a debt.
    pub fn publish(&self, cost: &Cost) -> Result<RateLimit, Error> {
        let Cost { subject, events, bytes } = cost;
        let RateSubject::User(user) = subject else { return Ok(RateLimit::default()) };
        if self.events.is_none() && self.bytes.is_none() {
            return Ok(RateLimit::default());
        }
        let now = Instant::now();
        let (waits, standing) = self.users.with(user, now, |spent| {
            let waits = [
                self.events.and_then(|quota| spent.events.wait(quota, now)),
                self.bytes.and_then(|quota| spent.bytes.wait(quota, now)),
            ];
            if waits == [None, None] {
                self.events.inspect(|quota| spent.events.take(u64::from(*events), *quota, now));
                self.bytes.inspect(|quota| spent.bytes.take(*bytes as u64, *quota, now));
            }
            let of_events = self.events.map(|quota| Standing::of(Limit::Events, &spent.events, quota, now));
            let of_bytes = self.bytes.map(|quota| Standing::of(Limit::Bytes, &spent.bytes, quota, now));
            (waits, RateLimit([of_events, of_bytes]))
        });
        let (limit, message) = match waits {
            [None, None] => return Ok(standing),
            [Some(_), _] => (Limit::Events, "You publish more events than you may; wait, then publish fewer"),
            [None, Some(_)] => (Limit::Bytes, "You publish more bytes than you may; wait, then publish less"),
        };
        // The longer wait counts, so that a publisher that waited for one limit is not refused by
        // the other.
        let wait = waits.into_iter().flatten().max().unwrap_or_default();
        Err(self.refuse(limit, message, wait).rate_limit(standing))
    }

    /// Refunds what was charged for a publish, and for a new name if there was one. The publish was
    /// a repetition of one that was in flight, so no look-up could find it.
    pub fn give_back(&self, cost: &Cost, named: bool) {
        let Cost { subject, events, bytes } = cost;
        let RateSubject::User(user) = subject else { return };
        self.users.with(user, Instant::now(), |spent| {
            self.events.inspect(|quota| spent.events.give_back(u64::from(*events), *quota));
            self.bytes.inspect(|quota| spent.bytes.give_back(*bytes as u64, *quota));
            if named {
                spent.names.give_back();
            }
        });
    }

    /// Charges a name if it is new to the log, or refuses it. Returns whether the name was charged.
    pub fn name(&self, subject: &RateSubject, is_new: impl FnOnce() -> bool) -> Result<bool, Error> {
        let RateSubject::User(user) = subject else { return Ok(false) };
        if !is_new() {
            return Ok(false);
        }
        let now = Instant::now();
        let full = self.users.with(user, now, |spent| spent.names.take(NAMES, NAMES_PER, now));
        let message =
            "You make more new names (rooms, users, entities) than you may: 600 a minute; wait, or use those there are";
        full.map(|()| true).map_err(|wait| self.refuse(Limit::Names, message, wait))
    }

    /// Charges a refused credential to the address that it came from. Returns `false` if there were
    /// too many. Valid credentials are never charged, so nobody is locked out by others behind the
    /// same address.
    pub fn failed_credential(&self, address: IpAddr) -> bool {
        let now = Instant::now();
        let full = self.addresses.with(&network(address), now, |failed| failed.take(FAILURES, FAILURES_PER, now));
        full.inspect_err(|_| self.count(Limit::Credentials)).is_ok()
    }

    fn refuse(&self, limit: Limit, message: &'static str, wait: Duration) -> Error {
        self.count(limit);
        Error::new(Code::RateLimited, message).retry_after(wait)
    }

    fn count(&self, limit: Limit) {
        self.refused[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often each limit refused a call.
    pub fn refused(&self) -> [(&'static str, u64); Limit::ALL.len()] {
        Limit::ALL.map(|limit| (limit.as_str(), self.refused[limit as usize].load(Ordering::Relaxed)))
    }

    /// How many users and addresses are in the tables.
    pub fn known(&self) -> [(&'static str, usize); 2] {
        let now = Instant::now();
        self.users.sweep(now);
        self.addresses.sweep(now);
        [("users", self.users.len()), ("addresses", self.addresses.len())]
    }

    /// How many of each there may be.
    pub const fn most() -> usize {
        table::MOST
    }
}

impl Idle for Spent {
    fn is_idle(&self, now: Instant) -> bool {
        self.events.full_in(now).is_zero() && self.bytes.full_in(now).is_zero() && self.names.is_over(NAMES_PER, now)
    }
}

impl Idle for Window {
    fn is_idle(&self, now: Instant) -> bool {
        self.is_over(FAILURES_PER, now)
    }
}

#[cfg(test)]
mod tests;
