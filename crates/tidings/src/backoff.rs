//! Computes how long to wait before the next attempt.
//!
//! Owns the arithmetic only: the random number is a parameter, and the caller does the waiting.

use std::time::Duration;

/// Returns how long to wait after `failures` failed attempts in a row: `first` after none, then up
/// to twice as long each time, but at most `most` (or `first`, if that is longer).
///
/// `luck`, from 0 to 1, spreads waits that are longer than `first` over the upper half of their
/// range, so that many clients which lost one server do not come back to it at the same time.
pub(super) fn wait(first: Duration, most: Duration, failures: u32, luck: f64) -> Duration {
    let doubled = first
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(most);
    doubled.mul_f64(0.5 + luck.clamp(0.0, 1.0) / 2.0).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_most() {
        let waits: Vec<_> = (0..7)
            .map(|failures| wait(SECOND, 30 * SECOND, failures, 1.0).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(wait(SECOND, 30 * SECOND, u32::MAX, 1.0), 30 * SECOND);
    }

    #[test]
    fn luck_spreads_waits_over_the_upper_half_of_their_range() {
        assert_eq!(wait(SECOND, 30 * SECOND, 3, 0.0), 4 * SECOND);
        assert_eq!(wait(SECOND, 30 * SECOND, 3, 0.5), 6 * SECOND);
        assert_eq!(wait(SECOND, 30 * SECOND, 9, 0.0), 15 * SECOND);
    }

    #[test]
    fn no_wait_is_shorter_than_the_first() {
        for luck in [0.0, 1.0] {
            assert_eq!(wait(SECOND, 30 * SECOND, 0, luck), SECOND);
            assert_eq!(wait(60 * SECOND, 30 * SECOND, 5, luck), 60 * SECOND);
        }
    }
}
