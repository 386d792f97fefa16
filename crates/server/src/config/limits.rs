//! Settings of how much one user may publish.

use tidings_edge::rates;
use tidings_settings::rule::{List, Number, Or};
use tidings_settings::section;
use tidings_settings::units::{KIB, Size, TIB};

use super::Config;
use super::auth::ROLE;

section! {
    "Limits"
    /// How much one user may do. Beyond a limit the answer is 429 `rate_limited`, and nothing is
    /// published. Limits that no setting changes are listed in
    /// [operating.md](operating.md#what-one-user-can-do).
    pub struct Limits {
        /// How many events one user may publish per second, and twice as many in a burst; typing
        /// indicators, joining and leaving count too. Administrators are not limited. `auto` is
        /// 100, and no limit where `OPEN_PUBLISH` lets everybody publish to all; `off` is no limit.
        "publish_rate" => pub publish_rate: Option<Option<u32>> = Or("auto", Or("off", Number(1..=1_000_000))), "auto";

        /// How many bytes of request bodies one user may publish per second, and twice as many in a
        /// burst. `auto` is 1MiB, and no limit where `OPEN_PUBLISH` lets everybody publish to all;
        /// `off` is no limit.
        "publish_bytes" => pub publish_bytes: Option<Option<usize>> = Or("auto", Or("off", Size(KIB..=TIB))), "auto";

        /// Roles that may publish, and create new names, without a limit, as administrators may:
        /// for backends.
        "publish_unlimited_roles" => pub publish_unlimited_roles: Vec<String> = List(ROLE), "";
    }
}

impl Config {
    /// Returns the rate limits of one user.
    pub(crate) fn rates(&self) -> rates::Options {
        let limits = &self.limits;
        // With `OPEN_PUBLISH`, administrators, to whom no limit applies, need not be distinguished
        // from other users. So a limit that is not set does not apply to anybody.
        let unless_open = |preset: u64| (!self.auth.open_publish).then_some(preset);
        rates::Options {
            events: limits
                .publish_rate
                .map_or_else(|| unless_open(100), |set| set.map(u64::from)),
            bytes: limits
                .publish_bytes
                .map_or_else(|| unless_open(1 << 20), |set| set.map(|bytes| bytes as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_open_publish_only_rates_that_were_set_are_limits() {
        let limits = |config: &Config| (config.rates().events, config.rates().bytes);
        let mut config = Config::default();
        assert_eq!(limits(&config), (Some(100), Some(1 << 20)));
        config.auth.open_publish = true;
        assert_eq!(limits(&config), (None, None));
        config.limits.publish_rate = Some(Some(7));
        assert_eq!(
            limits(&config),
            (Some(7), None),
            "a rate that was set holds"
        );
        config.auth.open_publish = false;
        (config.limits.publish_rate, config.limits.publish_bytes) = (Some(None), Some(None));
        assert_eq!(limits(&config), (None, None));
    }
}
