use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tidings_journal::{Receipt, Record};

use super::*;

fn node() -> impl Strategy<Value = NodeId> {
    any::<[u8; 16]>().prop_map(NodeId)
}

fn epoch() -> impl Strategy<Value = Epoch> {
    any::<u64>().prop_map(|seed| Epoch::random(&mut StdRng::seed_from_u64(seed)))
}

fn topic() -> impl Strategy<Value = TopicName> {
    "[a-z]{1,8}(/[a-z]{1,8})?".prop_map(|name| TopicName::parse(&name).unwrap())
}

fn position() -> impl Strategy<Value = Position> {
    any::<u64>().prop_map(Position::new)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn record() -> impl Strategy<Value = Record> {
    let key = option::of((".{0,8}", any::<bool>()));
    (vec(topic(), 1..4), ".{0,8}", key, bytes(), any::<i64>()).prop_map(
        |(topics, event, key, data, at_ms)| Record {
            topics: topics.into(),
            event: event.into(),
            ends_key: key.as_ref().is_some_and(|(_, ends)| *ends),
            key: key.map(|(key, _)| Arc::from(key)),
            data,
            at_ms,
        },
    )
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        (topic(), ".{0,8}").prop_map(|(topic, key)| Condition::Absent(topic, key.into())),
        (topic(), ".{0,8}", position()).prop_map(|(topic, key, at)| Condition::Current(
            topic,
            key.into(),
            at
        )),
    ]
}

fn receipt() -> impl Strategy<Value = Receipt> {
    (bytes(), bytes(), any::<u64>()).prop_map(|(key, value, lives)| Receipt {
        key,
        value,
        lives: Duration::from_millis(lives),
    })
}

fn unit() -> impl Strategy<Value = Unit> {
    let append = (
        vec(record(), 0..4),
        option::of(receipt()),
        option::of(condition()),
    );
    let append = append.prop_map(|(records, receipt, condition)| {
        Unit::Append(Append {
            records,
            receipt,
            condition,
            now_ms: 0,
        })
    });
    let id = (epoch(), position()).prop_map(|(epoch, position)| EventId { epoch, position });
    let erase = (vec(topic(), 0..4), id).prop_map(|(topics, id)| Unit::Erase(topics, id));
    prop_oneof![3 => append, 1 => erase]
}

fn group() -> impl Strategy<Value = Group> {
    let kind = prop_oneof![
        vec(unit(), 0..6).prop_map(Kind::Units),
        option::of((0..u64::MAX - 1).prop_map(Position::new)).prop_map(|ends| Kind::Epoch { ends }),
        Just(Kind::Barrier),
    ];
    (node(), any::<u64>(), epoch(), kind).prop_map(|(node, counter, epoch, kind)| Group {
        node,
        counter,
        epoch,
        kind,
    })
}

/// Gives bytes the hash that they have to end with.
fn sealed(bytes: &[u8]) -> Bytes {
    seal(bytes.to_vec(), 1).bytes
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(group in group()) {
        let encoded = group.encode();
        prop_assert_eq!(encoded.positions, group.kind.positions());
        prop_assert_eq!(
            begins_epoch(&encoded.bytes),
            matches!(group.kind, Kind::Epoch { .. })
        );
        let Decoded::Group(decoded) = decode(&encoded.bytes) else {
            return Err(TestCaseError::fail("it is no group"));
        };
        prop_assert_eq!(format!("{decoded:?}"), format!("{group:?}"));
    }

    #[test]
    fn a_group_that_is_readdressed_keeps_its_content(
        group in group(),
        node in node(),
        counter: u64,
        epoch in epoch(),
    ) {
        let moved = readdress(&group.encode(), node, counter, epoch).unwrap();
        let group = Group { node, counter, epoch, ..group };
        prop_assert_eq!(moved.bytes, group.encode().bytes);
        prop_assert_eq!(moved.positions, group.kind.positions());
    }

    #[test]
    fn bytes_of_a_stranger_are_foreign(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(matches!(decode(&bytes), Decoded::Foreign));
    }

    #[test]
    fn a_group_that_was_damaged_is_foreign(
        group in group(),
        at: prop::sample::Index,
        flip in 1_u8..,
    ) {
        let mut bytes = group.encode().bytes.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(matches!(decode(&bytes), Decoded::Foreign));
        bytes[at] ^= flip;
        bytes.truncate(at);
        prop_assert!(matches!(decode(&bytes), Decoded::Foreign));
    }

    /// The hash keeps nobody from writing what no node writes.
    #[test]
    fn a_body_of_any_bytes_is_decoded_or_not(
        kind in 0_u8..5,
        body in vec(prop_oneof![Just(0_u8), Just(1), Just(2), Just(0xff), any::<u8>()], 0..200),
    ) {
        let mut bytes = head(kind, NodeId([7; 16]), 1, Epoch::random(&mut StdRng::seed_from_u64(1)));
        bytes.extend(body);
        if let Decoded::Group(Group { kind: Kind::Units(units), .. }) = decode(&sealed(&bytes)) {
            prop_assert!(units.len() <= MAX_UNITS);
        }
    }

    #[test]
    fn a_group_with_changed_content_is_decoded_or_not(
        group in group(),
        at: prop::sample::Index,
        put: u8,
    ) {
        let bytes = group.encode().bytes;
        let mut content = bytes[..bytes.len() - 8].to_vec();
        let at = at.index(content.len());
        content[at] = put;
        let _ = decode(&sealed(&content));
        let _ = decode(&sealed(&content[..at]));
    }
}

#[test]
fn counts_that_nothing_follows_are_foreign() {
    let start = head(
        1,
        NodeId([7; 16]),
        1,
        Epoch::random(&mut StdRng::seed_from_u64(1)),
    );
    for count in [1, 2_001, 1 << 20, u64::MAX] {
        let mut units = start.clone();
        units.put_number(count);
        assert!(matches!(decode(&sealed(&units)), Decoded::Foreign));
        let mut records = start.clone();
        for number in [1, 1, 0, 0, count] {
            records.put_number(number);
        }
        assert!(matches!(decode(&sealed(&records)), Decoded::Foreign));
    }
}

#[test]
fn what_a_newer_version_has_written_is_told_apart() {
    let mut bytes = head(
        3,
        NodeId([7; 16]),
        1,
        Epoch::random(&mut StdRng::seed_from_u64(1)),
    );
    bytes[4] = VERSION + 1;
    assert!(matches!(decode(&sealed(&bytes)), Decoded::Newer(version) if version == VERSION + 1));
    let unknown = head(
        9,
        NodeId([7; 16]),
        1,
        Epoch::random(&mut StdRng::seed_from_u64(1)),
    );
    assert!(matches!(decode(&sealed(&unknown)), Decoded::Newer(_)));
}
