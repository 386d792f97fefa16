//! The header fields that report the state of a publisher's rate limits ([RateLimit header
//! fields](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/)).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::bucket::{Bucket, Quota, whole_seconds};

/// The header with the limits. Like [`STATE_HEADER`], it is a list of structured fields (RFC 9651).
pub(crate) const POLICY_HEADER: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The header with what is left of the limits.
pub(crate) const STATE_HEADER: HeaderName = HeaderName::from_static("ratelimit");

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Events,
    Bytes,
    Names,
    Credentials,
}

/// The header fields of an answer to a publisher: the state of its limits after the call. Empty if
/// it has no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimitHeaders(pub(crate) [Option<LimitState>; 2]);

/// The state of one limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimitState {
    limit: Limit,
    quota: Quota,
    left: u64,
    /// How long it takes until more is left; zero if the bucket is full.
    more: Duration,
}

impl Limit {
    /// Every limit.
    pub(crate) const ALL: [Self; 4] = [Self::Events, Self::Bytes, Self::Names, Self::Credentials];

    /// The name of the limit in the metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Bytes => "bytes",
            Self::Names => "names",
            Self::Credentials => "credentials",
        }
    }
}

impl LimitState {
    pub(crate) fn of(limit: Limit, bucket: &Bucket, quota: Quota, now: Instant) -> Self {
        Self {
            limit,
            quota,
            left: bucket.left(quota, now),
            more: bucket.more_in(quota, now),
        }
    }

    /// The element of [`POLICY_HEADER`] for this limit.
    fn policy(&self) -> String {
        let Quota { capacity, .. } = self.quota;
        let (name, window) = (self.limit.as_str(), whole_seconds(self.quota.window()));
        // Without a unit, the quota counts requests.
        let unit = if self.limit == Limit::Bytes {
            ";qu=\"content-bytes\""
        } else {
            ""
        };
        format!("\"{name}\";q={capacity};w={window}{unit}")
    }

    /// The element of [`STATE_HEADER`] for this limit.
    fn state(&self) -> String {
        format!(
            "\"{}\";r={};t={}",
            self.limit.as_str(),
            self.left,
            whole_seconds(self.more)
        )
    }
}

impl RateLimitHeaders {
    /// Adds the header fields to `headers`, if there is a limit.
    pub fn write(&self, headers: &mut HeaderMap) {
        for (name, write) in [
            (
                POLICY_HEADER,
                LimitState::policy as fn(&LimitState) -> String,
            ),
            (STATE_HEADER, LimitState::state),
        ] {
            let list: Vec<_> = self.0.iter().flatten().map(write).collect();
            if let Some(value) = HeaderValue::try_from(list.join(", "))
                .ok()
                .filter(|value| !value.is_empty())
            {
                headers.insert(name, value);
            }
        }
    }
}
