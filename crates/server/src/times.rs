//! Times as JSON contains them, ids that contain a time, and random delays.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt as _;

/// Returns a new id, `<prefix>_<milliseconds>_<nine random characters>`. Existing front ends know
/// this form.
pub(crate) fn mint_id(prefix: &str, now: Timestamp) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::random_range(0..36_u64.pow(9));
    let mut id = String::with_capacity(prefix.len() + 24);
    let _ = write!(id, "{prefix}_{}_", now.as_millisecond()); // writing to a String can't fail
    for _ in 0..9 {
        id.push(char::from(ALPHABET[(random % 36) as usize]));
        random /= 36;
    }
    id
}

/// Returns a random delay in this range, so that clients that were disconnected together don't
/// reconnect together.
pub(crate) fn random_delay(min: Duration, max: Duration) -> Duration {
    rand::rng().random_range(min..=max)
}

/// Returns a time in RFC 3339, in UTC and with milliseconds.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Returns a time, given in milliseconds since 1970, in RFC 3339, in UTC and with milliseconds.
pub(crate) fn rfc3339_ms(ms: i64) -> String {
    rfc3339(Timestamp::from_millisecond(ms).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc_with_three_digits() {
        assert_eq!(rfc3339_ms(1_795_473_015_138), "2026-11-23T22:30:15.138Z");
        assert_eq!(rfc3339_ms(0), "1970-01-01T00:00:00.000Z");
        let precise: Timestamp = "2026-11-23T22:30:15.138999Z".parse().unwrap();
        assert_eq!(rfc3339(precise), "2026-11-23T22:30:15.138Z");
    }

    #[test]
    fn ids_have_the_form_that_existing_front_ends_know() {
        let id = mint_id(
            "notif",
            Timestamp::from_millisecond(1_795_473_015_155).unwrap(),
        );
        let (head, random) = id.rsplit_once('_').unwrap();
        assert_eq!(head, "notif_1795473015155");
        assert_eq!(random.len(), 9);
    }
}
