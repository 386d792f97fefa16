//! Checks the head of the answer and the first event.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AGE, CACHE_CONTROL, CONTENT_ENCODING, DATE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, Version};
use jiff::Timestamp;
use serde::Deserialize;
use tidings_client::is_event_stream;

use super::finding::{Finding, Level};
use super::probe::{Connected, Stream};
use crate::proxies::Trouble;

/// The longest time to the first event that a page does not notice.
const SLOW_FIRST_EVENT: Duration = Duration::from_secs(1);

/// The leeway in seconds that the server allows for the times in tokens.
const LEEWAY: f64 = 30.0;

/// The largest difference between two clocks, in seconds, that users do not notice in times and
/// ages that a page shows.
const SKEW: f64 = 5.0;

/// The remaining lifetime of a token, in seconds, below which the stream ends soon.
const SHORT_LIFE: f64 = 300.0;

/// The directives of the server's `Cache-Control`, which must reach caches.
const DIRECTIVES: [&str; 3] = ["no-store", "no-cache", "no-transform"];

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    iat: Option<f64>,
}

/// Returns the text of a header.
pub(super) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Returns the content coding of the body, if it is compressed.
pub(super) fn encoding(headers: &HeaderMap) -> Option<String> {
    text(headers, &CONTENT_ENCODING)
        .filter(|encoding| !encoding.trim().eq_ignore_ascii_case("identity"))
}

/// Judges how long the first event took. Must be called after `connected` was read.
pub(super) fn first_byte(stream: &Stream) -> Finding {
    let first = stream.last_bytes - stream.opened;
    let (head_ms, first_ms) = (
        stream.head_after.as_secs_f64() * 1e3,
        first.as_secs_f64() * 1e3,
    );
    let message = format!("the head after {head_ms:.1} ms, the first event after {first_ms:.1} ms");
    let finding = if first > SLOW_FIRST_EVENT {
        Finding::new("first-byte", Level::Warning, message)
            .meaning("The network is slow, or the server is busy.")
    } else {
        Finding::ok("first-byte", message)
    };
    finding.measured(first_ms, "ms")
}

pub(super) fn version(head: &Parts, https: bool) -> Finding {
    match (head.version, https) {
        (Version::HTTP_2 | Version::HTTP_3, _) => {
            Finding::ok("http-version", format!("{:?}", head.version))
        }
        (Version::HTTP_11, false) => {
            let message = "HTTP/1.1; browsers use HTTP/2 only over https, and at most six \
                           connections without it";
            Finding::ok("http-version", message)
        }
        (version, _) => Finding::trouble(Trouble::Http1, Level::Warning, format!("{version:?}")),
    }
}

/// Reports header fields that a proxy changed, and an answer that comes from a cache.
pub(super) fn rewritten(headers: &HeaderMap) -> Finding {
    let mut wrong = Vec::new();
    if !is_event_stream(headers) {
        let kind =
            text(headers, &http::header::CONTENT_TYPE).unwrap_or_else(|| "missing".to_owned());
        wrong.push(format!("Content-Type: {kind}"));
    }
    let control: Vec<_> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    let control = control.join(", ").to_ascii_lowercase();
    let lost: Vec<_> = DIRECTIVES
        .into_iter()
        .filter(|directive| !control.contains(directive))
        .collect();
    if !lost.is_empty() {
        wrong.push(format!("Cache-Control without {}", lost.join(", ")));
    }
    if let Some(age) = text(headers, &AGE) {
        wrong.push(format!("it comes from a cache (Age: {age})"));
    }
    if !wrong.is_empty() {
        return Finding::trouble(Trouble::Headers, Level::Problem, wrong.join("; "));
    }
    // nginx obeys this field and does not forward it.
    let accel = if headers.contains_key("x-accel-buffering") {
        ""
    } else {
        "; a proxy removed X-Accel-Buffering"
    };
    Finding::ok(
        "headers",
        format!("Content-Type and Cache-Control are the server's{accel}"),
    )
}

/// Compares the clocks. `server` is the time in `connected`, from the server's own clock; `Date`
/// may be from the clock of a proxy. The request took `elapsed`, and the server read its clock at
/// some moment of it, so being behind by that much is not skew.
pub(super) fn clock(
    server: Option<&str>,
    headers: &HeaderMap,
    now: Timestamp,
    elapsed: Duration,
) -> Finding {
    let date = text(headers, &DATE).and_then(|date| httpdate::parse_http_date(&date).ok());
    let date = date
        .and_then(|date| date.duration_since(SystemTime::UNIX_EPOCH).ok())
        .map(|date| date.as_secs_f64());
    let server = server.and_then(|time| time.parse::<Timestamp>().ok());
    let (server, whose) = match (server, date) {
        (Some(server), _) => (seconds(server), "server's"),
        (None, Some(date)) => (date, "Date field's"),
        (None, None) => {
            return Finding::skipped(
                "clock",
                "neither `connected` nor a Date field contains a time",
            );
        }
    };
    let behind = seconds(now) - server;
    let skew = if behind > 0.0 {
        -(behind - elapsed.as_secs_f64()).max(0.0)
    } else {
        -behind
    };
    let direction = if skew < 0.0 { "behind" } else { "ahead of" };
    let message = format!(
        "the {whose} clock is {:.1} s {direction} this machine's",
        skew.abs()
    );
    let finding = if skew.abs() > LEEWAY {
        Finding::new("clock", Level::Problem, message).meaning(
            "Tokens are refused too early or too late, because the server tolerates 30 \
                      s. Synchronize both clocks by NTP.",
        )
    } else if skew.abs() > SKEW {
        Finding::new("clock", Level::Warning, message).meaning("Synchronize both clocks by NTP.")
    } else {
        Finding::ok("clock", message)
    };
    finding.measured(skew, "s")
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

/// Judges the lifetime that the token itself contains. Returns nothing if it is not a JSON Web
/// Token.
pub(super) fn token(token: &str, now: Timestamp) -> Option<Finding> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Claims { exp, iat } = serde_json::from_slice(&claims).ok()?;
    let now = seconds(now);
    let finding = match (exp.map(|exp| exp - now), iat.map(|iat| iat - now)) {
        (_, Some(ahead)) if ahead > LEEWAY => {
            let message =
                format!("it was issued {ahead:.0} s in the future, by this machine's clock");
            Finding::new("token", Level::Problem, message)
                .meaning(
                    "The clock of the machine that issues tokens differs from this one. \
                          Synchronize both by NTP.",
                )
                .measured(ahead, "s")
        }
        (Some(left), _) if left < 0.0 => Finding::new(
            "token",
            Level::Problem,
            format!("it expired {:.0} s ago", -left),
        )
        .meaning("The server refuses it, or will within seconds. Get a new one.")
        .measured(left, "s"),
        (Some(left), _) if left < SHORT_LIFE => Finding::new(
            "token",
            Level::Warning,
            format!("it expires in {left:.0} s"),
        )
        .meaning("The stream ends when it expires. Get a new one before that.")
        .measured(left, "s"),
        (Some(left), _) => {
            Finding::ok("token", format!("it is valid for another {left:.0} s")).measured(left, "s")
        }
        (None, _) => Finding::ok("token", "it never expires"),
    };
    Some(finding)
}

pub(super) fn authorization(connected: &Connected, sent: bool) -> Finding {
    match (sent, connected.authenticated, &connected.auth_error) {
        (false, ..) => Finding::skipped("authorization", "there is no token; set TIDINGS_TOKEN"),
        (true, true, _) => Finding::ok(
            "authorization",
            "the token arrived, and the server knows its user",
        ),
        (true, false, Some(error)) => Finding::new(
            "authorization",
            Level::Problem,
            format!("the server refused the token: {error}"),
        )
        .meaning("It arrived, but the stream is anonymous. Get a token that this server accepts."),
        (true, false, None) => Finding::trouble(
            Trouble::Authorization,
            Level::Problem,
            "Authorization was sent, and the stream is anonymous",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-23T22:30:15Z";

    fn skew(server: &str, elapsed: u64) -> (Level, f64) {
        let found = clock(
            Some(server),
            &HeaderMap::new(),
            NOW.parse().unwrap(),
            Duration::from_secs(elapsed),
        );
        (found.level, found.value.unwrap().0.round())
    }

    #[test]
    fn clocks_may_differ_by_the_leeway_of_tokens() {
        assert_eq!(skew("2026-11-23T22:30:15Z", 0), (Level::Ok, 0.0));
        assert_eq!(skew("2026-11-23T22:30:25Z", 0), (Level::Warning, 10.0));
        assert_eq!(skew("2026-11-23T22:29:15Z", 0), (Level::Problem, -60.0));
    }

    #[test]
    fn the_time_that_the_answer_took_is_not_skew() {
        assert_eq!(skew("2026-11-23T22:30:07Z", 10), (Level::Ok, 0.0));
    }

    #[test]
    fn a_token_is_judged_by_the_times_in_its_claims() {
        let level = |claims: &str| {
            let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
            super::token(&token, NOW.parse().unwrap()).unwrap().level
        };
        let now = NOW.parse::<Timestamp>().unwrap().as_second();
        assert_eq!(level(&format!(r#"{{"exp":{}}}"#, now + 3600)), Level::Ok);
        assert_eq!(level(&format!(r#"{{"exp":{}}}"#, now + 60)), Level::Warning);
        assert_eq!(level(&format!(r#"{{"exp":{}}}"#, now - 1)), Level::Problem);
        assert_eq!(
            level(&format!(r#"{{"exp":{},"iat":{}}}"#, now + 3600, now + 60)),
            Level::Problem
        );
        assert!(super::token(tidings_server::auth::demo::TOKEN, NOW.parse().unwrap()).is_none());
    }
}
