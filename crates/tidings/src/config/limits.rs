//! Settings of how much one user may publish.

use super::auth::ROLE;
use super::rule::{List, Number, Or};
use super::setting::section;
use super::units::{KIB, Size, TIB};

section! {
    "Limits"
    /// How much one user may do. Whoever does more is answered with 429, `rate_limited`, and nothing is published. The limits
    /// that no setting changes stand in [operating.md](operating.md#what-one-user-can-do).
    pub struct Limits {
        /// How many events one user publishes a second, and twice as many at once; typing indicators, joining and leaving
        /// count too. Administrators are not limited. `auto` is 100, and no limit where `OPEN_PUBLISH` lets everybody publish
        /// to all; `off` is none.
        "publish_rate" => pub publish_rate: Option<Option<u32>> = Or("auto", Or("off", Number(1..=1_000_000))), "auto";

        /// How many bytes of bodies one user publishes a second, and twice as many at once. `auto` is 1MiB, and no limit where
        /// `OPEN_PUBLISH` lets everybody publish to all; `off` is none.
        "publish_bytes" => pub publish_bytes: Option<Option<usize>> = Or("auto", Or("off", Size(KIB..=TIB))), "auto";

        /// The roles whose bearers publish, and make new names, without a limit, as administrators do: for backends.
        "publish_unlimited_roles" => pub publish_unlimited_roles: Vec<String> = List(ROLE), "";
    }
}
