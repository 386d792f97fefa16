use axum::response::IntoResponse as _;
use http::HeaderMap;

use super::*;
use crate::rate_limit_headers::{POLICY_HEADER, STATE_HEADER};

/// Limits of 100 events and 1 MiB a second.
fn rates() -> Rates {
    Rates::new(Options {
        events: Some(100),
        bytes: Some(1 << 20),
    })
}

fn subject(user: &str) -> RateSubject {
    RateSubject::User(UserId::parse(user).unwrap())
}

fn publish(
    rates: &Rates,
    subject: &RateSubject,
    events: u32,
    bytes: usize,
) -> Result<RateLimitHeaders, Error> {
    rates.publish(&Cost {
        subject: subject.clone(),
        events,
        bytes,
    })
}

fn fields(state: &RateLimitHeaders) -> [Option<String>; 2] {
    let mut headers = HeaderMap::new();
    state.write(&mut headers);
    [POLICY_HEADER, STATE_HEADER].map(|name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    })
}

#[tokio::test(start_paused = true)]
async fn a_user_may_publish_twice_the_limit_per_second_at_once() {
    let (rates, ann) = (rates(), subject("ann"));
    for nth in 0..200 {
        let limits = publish(&rates, &ann, 1, 100).unwrap();
        if nth == 0 {
            let [policy, state] = fields(&limits).map(Option::unwrap);
            assert_eq!(
                policy,
                r#""events";q=200;w=2, "bytes";q=2097152;w=2;qu="content-bytes""#
            );
            assert_eq!(state, r#""events";r=199;t=1, "bytes";r=2097052;t=1"#);
        }
    }
    assert!(publish(&rates, &ann, 1, 0).is_err());
    publish(&rates, &subject("bob"), 1, 100).unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    publish(&rates, &ann, 1, 0).unwrap();
    assert!(publish(&rates, &ann, 1, 0).is_err());
    assert_eq!(rates.refused()[0], ("events", 2));
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_one_limit_refuses_is_not_charged_to_the_other() {
    let (rates, ann) = (rates(), subject("ann"));
    // This leaves a debt of one megabyte. Until it is paid off, no event is charged.
    publish(&rates, &ann, 1, 3 << 20).unwrap();
    for _ in 0..500 {
        assert!(publish(&rates, &ann, 1, 1).is_err());
    }
    tokio::time::sleep(Duration::from_millis(1_001)).await;
    publish(&rates, &ann, 200, 1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn retry_after_agrees_with_the_rate_limit_fields() {
    let rates = rates();
    for (user, events, bytes, seconds, state) in [
        (
            "ann",
            500,
            1,
            "4",
            r#""events";r=0;t=4, "bytes";r=2097151;t=1"#,
        ),
        (
            "bob",
            199,
            5 << 20,
            "4",
            r#""events";r=1;t=1, "bytes";r=0;t=4"#,
        ),
        (
            "cyd",
            500,
            6 << 20,
            "5",
            r#""events";r=0;t=4, "bytes";r=0;t=5"#,
        ),
        (
            "dan",
            300,
            2 << 20,
            "2",
            r#""events";r=0;t=2, "bytes";r=0;t=1"#,
        ),
    ] {
        let user = subject(user);
        publish(&rates, &user, events, bytes).unwrap();
        let refused = publish(&rates, &user, 1, 1).unwrap_err().into_response();
        let field = |name: &str| {
            refused
                .headers()
                .get(name)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            (field("retry-after").as_str(), field("ratelimit").as_str()),
            (seconds, state)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_without_a_limit_and_a_server_without_limits_refuse_nothing() {
    let many = |rates: &Rates, subject: &RateSubject| {
        (0..5_000).all(|_| publish(rates, subject, 1, 1 << 20).is_ok())
    };
    assert!(many(&rates(), &RateSubject::Nobody));
    assert_eq!(
        fields(&publish(&rates(), &RateSubject::Nobody, 1, 1).unwrap()),
        [None, None]
    );
    assert!(many(&Rates::new(Options::default()), &subject("ann")));
    let of_events = Options {
        events: Some(100),
        ..Options::default()
    };
    assert!(!many(&Rates::new(of_events), &subject("ann")));
}

#[tokio::test(start_paused = true)]
async fn new_names_are_limited_per_minute() {
    let (rates, ann) = (rates(), subject("ann"));
    assert!((0..MAX_NAMES).all(|_| rates.name(&ann, || true).is_ok()));
    assert!(rates.name(&ann, || true).is_err());
    assert!(
        rates.name(&ann, || false).is_ok(),
        "an existing name is not charged"
    );
    assert!(rates.name(&subject("bob"), || true).is_ok());
    assert!(rates.name(&RateSubject::Nobody, || true).is_ok());
    tokio::time::sleep(NAMES_WINDOW).await;
    assert!(rates.name(&ann, || true).is_ok());
}

#[tokio::test(start_paused = true)]
async fn failed_credentials_are_limited_per_second_and_an_ipv6_64_counts_as_one_address() {
    let rates = rates();
    let failed = |address: &str| rates.failed_credential(address.parse().unwrap());
    assert!((0..MAX_FAILURES).all(|nth| failed(&format!("2001:db8::{nth}"))));
    assert!(!failed("2001:db8::ffff:1:2:3"));
    assert!(failed("2001:db8:0:1::1"));
    assert!((0..MAX_FAILURES).all(|_| failed("192.0.2.1")));
    assert!(
        !failed("::ffff:192.0.2.1"),
        "the same address, written as IPv6"
    );
    assert!(failed("192.0.2.2"));
    tokio::time::sleep(FAILURES_WINDOW).await;
    assert!(failed("192.0.2.1") && failed("2001:db8::1"));
}
