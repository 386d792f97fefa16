//! Where a publisher stands with its limits, written as the header fields of an answer ([RateLimit
//! header fields](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/)).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::bucket::{Bucket, Quota, whole_seconds};

/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>: lists of structured
/// fields (RFC 9651).
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(crate) const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Events,
    Bytes,
    Names,
    Credentials,
}

/// Where a publisher stands after a call. Empty if it has no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimit(pub(crate) [Option<Standing>; 2]);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
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

impl Standing {
    pub(crate) fn of(limit: Limit, bucket: &Bucket, quota: Quota, now: Instant) -> Self {
        Self { limit, quota, left: bucket.left(quota, now), more: bucket.more_in(quota, now) }
    }

    fn policy(&self) -> String {
        let Quota { most, .. } = self.quota;
        let (name, window) = (self.limit.as_str(), whole_seconds(self.quota.window()));
        // Without a unit, the quota counts requests.
        let unit = if self.limit == Limit::Bytes { ";qu=\"content-bytes\"" } else { "" };
        format!("\"{name}\";q={most};w={window}{unit}")
    }

    fn state(&self) -> String {
        format!("\"{}\";r={};t={}", self.limit.as_str(), self.left, whole_seconds(self.more))
    }
}

impl RateLimit {
    /// Writes the header fields, if there is a limit.
    pub fn write(&self, headers: &mut HeaderMap) {
        for (name, write) in [(POLICY, Standing::policy as fn(&Standing) -> String), (STATE, Standing::state)] {
            let list: Vec<_> = self.0.iter().flatten().map(write).collect();
            if let Some(value) = HeaderValue::try_from(list.join(", ")).ok().filter(|value| !value.is_empty()) {
                headers.insert(name, value);
            }
        }
    }
}
