use super::*;
use crate::connection::HeartbeatStyle;
use smallvec::SmallVec;

fn opening(user: Option<&str>, kinds: &'static [&'static str]) -> Opening {
    let user = user.map(|user| UserId::parse(user).unwrap());
    Opening {
        user,
        counted_as: kinds,
        rings: SmallVec::new(),
        address: None,
        address_counts: false,
        now_ms: 0,
    }
}

fn registry(limits: Limits) -> Registry {
    Registry::new(limits, Arc::new(Signals::new()))
}

/// A way to end a stream.
type End = fn(&Arc<Connection>);

/// No heartbeats and no expiry.
const QUIET: Schedule = Schedule {
    style: HeartbeatStyle::Event,
    expires_at_ms: None,
    first_heartbeat: std::time::Duration::from_secs(1),
    max_age: None,
};

#[test]
fn all_counts_are_zero_after_the_last_stream_has_closed() {
    let registry = registry(Limits::default());
    let ann = registry
        .admit(opening(Some("ann"), &["chat", "heartbeat"]), QUIET)
        .unwrap();
    let anonymous = registry
        .admit(opening(None, &["heartbeat"]), QUIET)
        .unwrap();
    let stats = registry.stats();
    assert_eq!((stats.total, stats.authenticated), (2, 1));
    assert_eq!(stats.by_kind, [("chat", 1), ("heartbeat", 2)]);
    registry.close(&ann);
    registry.close(&anonymous);
    registry.close(&anonymous);
    assert_eq!(registry.stats(), Stats::default());
    assert!(registry.get(ann.id).is_none());
}

#[test]
fn lists_are_paged_in_the_order_of_opening() {
    let registry = registry(Limits::default());
    let users = ["ann", "bob", "ann", "ann", "bob"];
    let all = users.map(|user| registry.admit(opening(Some(user), &[]), QUIET).unwrap());
    let filter = Filter {
        user: Some(UserId::parse("ann").unwrap()),
        ..Filter::default()
    };
    let (first, more) = registry.list(&filter, 2);
    assert_eq!(
        first.iter().map(|one| one.id).collect::<Vec<_>>(),
        [all[0].id, all[2].id]
    );
    assert!(more);
    let (second, more) = registry.list(
        &Filter {
            after: first[1].serial,
            ..filter
        },
        2,
    );
    assert_eq!(
        second.iter().map(|one| one.id).collect::<Vec<_>>(),
        [all[3].id]
    );
    assert!(!more);
    assert_eq!(
        registry
            .list(
                &Filter {
                    after: u64::MAX,
                    ..Filter::default()
                },
                2
            )
            .0
            .len(),
        0
    );
}

#[test]
fn each_stream_is_counted_once_when_it_opens_and_once_when_it_ends() {
    let registry = registry(Limits::default());
    let open = |user| {
        registry
            .admit(opening(Some(user), &["chat", "heartbeat"]), QUIET)
            .unwrap()
    };
    let ends: [(End, Ended); 6] = [
        (|_| {}, Ended::ClientLeft),
        (
            |one| one.end(Ending::EXPIRED),
            Ended::EndingSent(EndingCause::Expired),
        ),
        (|one| one.time_out(), Ended::WriteTimeout),
        (|one| one.kill(), Ended::Killed),
        // Only the first ending counts, and it counts for more than the kill that followed it.
        (
            |one| {
                one.end(Ending::SLOW);
                one.end(Ending::AGED);
            },
            Ended::EndingSent(EndingCause::Slow),
        ),
        (
            |one| {
                one.end(Ending::AGED);
                one.time_out();
            },
            Ended::EndingSent(EndingCause::Age),
        ),
    ];
    for (nth, (end, how)) in (1..).zip(ends) {
        let one = open("ann");
        registry.opened(&one);
        assert_eq!(
            (registry.totals().opened, registry.totals().all_ended()),
            (nth, nth - 1)
        );
        end(&one);
        registry.close(&one);
        registry.close(&one);
        let totals = registry.totals();
        assert_eq!((totals.ended(how), totals.all_ended()), (1, nth), "{how:?}");
    }
    // A stream whose client left while it was being opened, and one that could not be opened.
    registry.close(&open("bob"));
    let unread = open("bob");
    unread.end(Ending::JOURNAL);
    registry.close(&unread);
    let totals = registry.totals();
    assert_eq!(
        (
            totals.opened,
            totals.all_ended(),
            totals.ended(Ended::ClientLeft)
        ),
        (7, 7, 2)
    );
    assert_eq!(
        (totals.refused(RefusalReason::Journal), totals.all_refused()),
        (1, 1)
    );
    assert_eq!(
        totals.opened_by_kind,
        BTreeMap::from([("chat", 7), ("heartbeat", 7)])
    );
}

#[test]
fn a_stream_above_a_limit_is_refused_until_another_is_closed() {
    let registry = registry(Limits {
        total: 4,
        per_user: 2,
        per_address: 1,
    });
    let from = |last| {
        let address = Some(IpAddr::from([192, 0, 2, last]));
        Opening {
            address,
            address_counts: true,
            ..opening(None, &[])
        }
    };
    let counted = registry.admit(from(1), QUIET).unwrap();
    assert_eq!(
        registry.admit(from(1), QUIET).err(),
        Some(LimitReached::Address)
    );
    let first = registry.admit(opening(Some("ann"), &[]), QUIET).unwrap();
    registry.admit(opening(Some("ann"), &[]), QUIET).unwrap();
    assert_eq!(
        registry.admit(opening(Some("ann"), &[]), QUIET).err(),
        Some(LimitReached::User)
    );
    registry.admit(opening(None, &[]), QUIET).unwrap();
    assert_eq!(
        registry.admit(opening(Some("bob"), &[]), QUIET).err(),
        Some(LimitReached::Total)
    );
    let refused = [
        RefusalReason::Total,
        RefusalReason::User,
        RefusalReason::Address,
    ]
    .map(|why| registry.totals().refused(why));
    assert_eq!(refused, [1, 1, 1]);
    registry.close(&counted);
    first.end(Ending::EXPIRED);
    registry.close(&first);
    registry.admit(from(1), QUIET).unwrap();
    registry.admit(opening(Some("ann"), &[]), QUIET).unwrap();
}
