use axum::response::IntoResponse as _;
use http::HeaderMap;

use super::*;
use crate::rate_limit::{POLICY, STATE};

/// Limits of 100 events and 1 MiB a second.
fn rates() -> Rates {
    Rates::new(Options { events: Some(100), bytes: Some(1 << 20) })
}

fn subject(user: &str) -> RateSubject {
    RateSubject::User(UserId::parse(user).unwrap())
}

fn publish(rates: &Rates, subject: &RateSubject, events: u32, bytes: usize) -> Result<RateLimit, Error> {
    rates.publish(&Cost { subject: subject.clone(), events, bytes })
}

fn fields(standing: &RateLimit) -> [Option<String>; 2] {
    let mut headers = HeaderMap::new();
    standing.write(&mut headers);
    [POLICY, STATE].map(|name| headers.get(name).map(|value| value.to_str().unwrap().to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_user_publishes_so_much_at_once_and_so_much_a_second() {
    let (rates, ann) = (rates(), subject("ann"));
    for nth in 0..200 {
        let standing = publish(&rates, &ann, 1, 100).unwrap();
        if nth == 0 {
            let [policy, state] = fields(&standing).map(Option::unwrap);
            assert_eq!(policy, r#""events";q=200;w=2, "bytes";q=2097152;w=2;qu="content-bytes""#);
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
async fn what_is_refused_for_one_limit_is_not_charged_to_the_other() {
    let (rates, ann) = (rates(), subject("ann"));
    // One megabyte is owed. The events that are left stay untouched until it is paid off.
    publish(&rates, &ann, 1, 3 << 20).unwrap();
    for _ in 0..500 {
        assert!(publish(&rates, &ann, 1, 1).is_err());
    }
    tokio::time::sleep(Duration::from_millis(1_001)).await;
    publish(&rates, &ann, 200, 1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_fields_and_retry_after_name_the_same_moment() {
    let rates = rates();
    for (user, events, bytes, seconds, state) in [
        ("ann", 500, 1, "4", r#""events";r=0;t=4, "bytes";r=2097151;t=1"#),
        ("bob", 199, 5 << 20, "4", r#""events";r=1;t=1, "bytes";r=0;t=4"#),
        ("cyd", 500, 6 << 20, "5", r#""events";r=0;t=4, "bytes";r=0;t=5"#),
        ("dan", 300, 2 << 20, "2", r#""events";r=0;t=2, "bytes";r=0;t=1"#),
    ] {
        let user = subject(user);
        publish(&rates, &user, events, bytes).unwrap();
        let refused = publish(&rates, &user, 1, 1).unwrap_err().into_response();
        let field = |name: &str| refused.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!((field("retry-after").as_str(), field("ratelimit").as_str()), (seconds, state));
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_free_is_not_limited_and_without_a_limit_nobody_is() {
    let many = |rates: &Rates, subject: &RateSubject| (0..5_000).all(|_| publish(rates, subject, 1, 1 << 20).is_ok());
    assert!(many(&rates(), &RateSubject::Nobody));
    assert_eq!(fields(&publish(&rates(), &RateSubject::Nobody, 1, 1).unwrap()), [None, None]);
    assert!(many(&Rates::new(Options::default()), &subject("ann")));
    let of_events = Options { events: Some(100), ..Options::default() };
    assert!(!many(&Rates::new(of_events), &subject("ann")));
}

#[tokio::test(start_paused = true)]
async fn new_names_are_counted_by_the_minute() {
    let (rates, ann) = (rates(), subject("ann"));
    assert!((0..NAMES).all(|_| rates.name(&ann, || true).is_ok()));
    assert!(rates.name(&ann, || true).is_err());
    assert!(rates.name(&ann, || false).is_ok(), "what is there already is no new name");
    assert!(rates.name(&subject("bob"), || true).is_ok());
    assert!(rates.name(&RateSubject::Nobody, || true).is_ok());
    tokio::time::sleep(NAMES_PER).await;
    assert!(rates.name(&ann, || true).is_ok());
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_by_the_second_and_a_64_is_one_address() {
    let rates = rates();
    let failed = |address: &str| rates.failed_credential(address.parse().unwrap());
    assert!((0..FAILURES).all(|nth| failed(&format!("2001:db8::{nth}"))));
    assert!(!failed("2001:db8::ffff:1:2:3"));
    assert!(failed("2001:db8:0:1::1"));
    assert!((0..FAILURES).all(|_| failed("192.0.2.1")));
    assert!(!failed("::ffff:192.0.2.1"), "the same, as IPv6 writes it");
    assert!(failed("192.0.2.2"));
    tokio::time::sleep(FAILURES_PER).await;
    assert!(failed("192.0.2.1") && failed("2001:db8::1"));
}
