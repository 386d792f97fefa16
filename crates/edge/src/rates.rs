//! Rate limits of users (events and bytes per second, new names per minute) and of addresses
//! (failed credentials per second).
//!
//! Owns the limits, what is charged to which user or address, and the header fields with which an
//! answer reports them ([`RateLimitHeaders`]). Everything here is decided before anything is
//! published or stored. Both tables are bounded (see `table.rs`). Must never store any part of a
//! request except the user's id or the address.
//!
//! The `governor` crate can't be used, because it lacks three things that are needed here. A cost
//! may be larger than the capacity of a bucket (otherwise, a body larger than `PUBLISH_BYTES` would
//! be refused for ever). Two buckets are charged together or not at all. The table of all users is
//! bounded.

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
use crate::rate_limit_headers::{Limit, LimitState};

pub use crate::rate_limit_headers::RateLimitHeaders;

/// The most new names (rooms, topics of users, entities) that one user may create per
/// [`NAMES_WINDOW`].
const MAX_NAMES: u32 = 600;
const NAMES_WINDOW: Duration = Duration::from_mins(1);

/// The most failed credentials of one address per [`FAILURES_WINDOW`] for which the answer says
/// what is wrong with them.
const MAX_FAILURES: u32 = 20;
const FAILURES_WINDOW: Duration = Duration::from_secs(1);

/// The rate limits, and what each user and address has spent of them.
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
    /// The limit of events per second. Twice as many may come at once. `None` means no limit.
    pub events: Option<u64>,
    /// The limit of bytes of bodies per second. Twice as many may come at once. `None` means no
    /// limit.
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
    /// The number of events.
    pub events: u32,
    /// The bytes of the body.
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
    /// The user that is charged for a publish on behalf of `by`.
    #[inline]
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

    /// Charges a publish, or refuses it. A publish is accepted as long as its user's buckets are
    /// not empty. It may cost more than they hold, which leaves a debt.
    #[inline]
    pub fn publish(&self, cost: &Cost) -> Result<RateLimitHeaders, Error> {
        let Cost {
            subject,
            events,
            bytes,
        } = cost;
        let RateSubject::User(user) = subject else {
            return Ok(RateLimitHeaders::default());
        };
        if self.events.is_none() && self.bytes.is_none() {
            return Ok(RateLimitHeaders::default());
        }
        let now = Instant::now();
        let (waits, headers) = self.users.with(user, now, |spent| {
            let waits = [
                self.events.and_then(|quota| spent.events.wait(quota, now)),
                self.bytes.and_then(|quota| spent.bytes.wait(quota, now)),
            ];
            if waits == [None, None] {
                self.events
                    .inspect(|quota| spent.events.take(u64::from(*events), *quota, now));
                self.bytes
                    .inspect(|quota| spent.bytes.take(*bytes as u64, *quota, now));
            }
            let of_events = self
                .events
                .map(|quota| LimitState::of(Limit::Events, &spent.events, quota, now));
            let of_bytes = self
                .bytes
                .map(|quota| LimitState::of(Limit::Bytes, &spent.bytes, quota, now));
            (waits, RateLimitHeaders([of_events, of_bytes]))
        });
        let (limit, message) = match waits {
            [None, None] => return Ok(headers),
            [Some(_), _] => (
                Limit::Events,
                "You exceed your limit of events per second; wait, then publish fewer at a time",
            ),
            [None, Some(_)] => (
                Limit::Bytes,
                "You exceed your limit of bytes per second; wait, then publish less at a time",
            ),
        };
        // The longer wait counts, so that a publisher that has waited is not refused by the other
        // limit.
        let wait = waits.into_iter().flatten().max().unwrap_or_default();
        Err(self
            .refuse(limit, message, wait)
            .rate_limit_headers(headers))
    }

    /// Refunds what was charged for a publish, and for a new name if `named`. Needed for the
    /// repetition of a publish that was still in flight when the repetition was charged, so that no
    /// look-up could find it.
    pub fn refund(&self, cost: &Cost, named: bool) {
        let Cost {
            subject,
            events,
            bytes,
        } = cost;
        let RateSubject::User(user) = subject else {
            return;
        };
        self.users.with(user, Instant::now(), |spent| {
            self.events
                .inspect(|quota| spent.events.refund(u64::from(*events), *quota));
            self.bytes
                .inspect(|quota| spent.bytes.refund(*bytes as u64, *quota));
            if named {
                spent.names.refund();
            }
        });
    }

    /// Charges a name, or refuses it, if `is_new` says that it is new to the log. Returns whether
    /// the name was charged.
    pub fn name(
        &self,
        subject: &RateSubject,
        is_new: impl FnOnce() -> bool,
    ) -> Result<bool, Error> {
        let RateSubject::User(user) = subject else {
            return Ok(false);
        };
        if !is_new() {
            return Ok(false);
        }
        let now = Instant::now();
        let charged = self.users.with(user, now, |spent| {
            spent.names.take(MAX_NAMES, NAMES_WINDOW, now)
        });
        let message = "You exceed the limit of 600 new names (rooms, users, entities) per minute; \
                       wait, or use existing names";
        charged
            .map(|()| true)
            .map_err(|wait| self.refuse(Limit::Names, message, wait))
    }

    /// Charges a refused credential to the address that it came from. Returns `false` if the
    /// address has exceeded its limit. Valid credentials are never charged, so nobody is locked out
    /// by others behind the same address.
    pub fn failed_credential(&self, address: IpAddr) -> bool {
        let now = Instant::now();
        let charged = self.addresses.with(&network(address), now, |failed| {
            failed.take(MAX_FAILURES, FAILURES_WINDOW, now)
        });
        charged
            .inspect_err(|_| self.count(Limit::Credentials))
            .is_ok()
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
        Limit::ALL.map(|limit| {
            (
                limit.as_str(),
                self.refused[limit as usize].load(Ordering::Relaxed),
            )
        })
    }

    /// The number of users and of addresses in the tables.
    pub fn known(&self) -> [(&'static str, usize); 2] {
        let now = Instant::now();
        self.users.sweep(now);
        self.addresses.sweep(now);
        [
            ("users", self.users.len()),
            ("addresses", self.addresses.len()),
        ]
    }

    /// The most users, and the most addresses, that there may be in the tables.
    pub const fn max_known() -> usize {
        table::MAX_KEYS
    }
}

impl Idle for Spent {
    fn is_idle(&self, now: Instant) -> bool {
        self.events.full_in(now).is_zero()
            && self.bytes.full_in(now).is_zero()
            && self.names.is_over(NAMES_WINDOW, now)
    }
}

impl Idle for Window {
    fn is_idle(&self, now: Instant) -> bool {
        self.is_over(FAILURES_WINDOW, now)
    }
}

#[cfg(test)]
mod tests;
