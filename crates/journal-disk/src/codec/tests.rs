use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn encoded_values_read_back(
        names in proptest::collection::vec("[a-z]{1,5}/[a-z0-9]{1,20}", 1..5),
        event in ".{0,20}", key in proptest::option::of(".{0,20}"), data in ".*", at_ms: i64,
        numbers: [u64; 8], keyed: bool, refused: bool,
    ) {
        let topics: Vec<_> = names.iter().map(|name| TopicName::parse(name).unwrap()).collect();
        let ends_key = refused && key.is_some();
        let record = Record {
            topics: topics.into(), event: event.into(), key: key.map(Into::into), data: data.into(), at_ms, ends_key,
        };
        let mut interner = Interner::default();
        for _ in 0..2 {
            let read = decode_record(&encode_record(&record), &mut interner);
            prop_assert_eq!(format!("{read:?}"), format!("{:?}", Some(&record)));
        }
        let [id, floor, keyed_floor, last, last_plain, counted, events, bytes] = numbers;
        let [floor, keyed_floor, last, last_plain, counted] =
            [floor, keyed_floor, last, last_plain, counted].map(Position::new);
        let row = TopicRow { id, floor, keyed_floor, last, last_plain, counted, events, bytes };
        prop_assert_eq!(TopicRow::decode(&row.encode()), Some(row));
        let listed = BatchEntry { topic: id, keyed, bytes: bytes >> 1, others: vec![events, id] };
        let batch = vec![listed.clone(), BatchEntry { others: vec![], ..listed }];
        prop_assert_eq!(decode_batch(&encode_batch(&batch)), Some(batch));
        let kept = StoredReceipt { value: record.data.clone(), first: floor, events: 7, refused };
        prop_assert_eq!(decode_receipt(&encode_receipt(at_ms, &kept)), Some((End::Log(at_ms), kept)));
    }

    #[test]
    fn garbage_is_refused_without_a_panic(garbage: Vec<u8>) {
        let _ = decode_record(&garbage, &mut Interner::default());
        let _ = TopicRow::decode(&garbage);
        let _ = decode_batch(&garbage);
        let _ = decode_epochs(&garbage);
        let _ = decode_receipt(&garbage);
        let _ = decode_bounds(&garbage);
    }

    #[test]
    fn values_of_format_1_are_read(
        name in "[a-z]{1,9}", event in ".{0,20}", key in proptest::option::of(".{0,20}"), data in ".*", at_ms: i64,
        first: u64, events: u32, value: Vec<u8>,
    ) {
        let mut receipt = at_ms.to_le_bytes().to_vec();
        put_number(&mut receipt, first);
        put_number(&mut receipt, u64::from(events));
        receipt.extend(&value);
        let kept = StoredReceipt { value: value.into(), first: Position::new(first), events, refused: false };
        prop_assert_eq!(decode_receipt(&receipt), Some((End::Wall(at_ms), kept)));

        let mut record = at_ms.to_le_bytes().to_vec();
        put_number(&mut record, 1);
        put_text(&mut record, &name);
        put_text(&mut record, &event);
        record.push(u8::from(key.is_some()));
        if let Some(key) = &key {
            put_text(&mut record, key);
        }
        record.extend(data.as_bytes());
        let read = decode_record(&record, &mut Interner::default()).unwrap();
        prop_assert_eq!((&*read.event, read.key.as_deref(), &read.data[..]), (&*event, key.as_deref(), data.as_bytes()));
        prop_assert_eq!((read.at_ms, read.ends_key), (at_ms, false));
    }

    /// A receipt that is cut behind its fixed part has a shorter value; one that is cut before is
    /// refused.
    #[test]
    fn truncated_bytes_are_refused_or_end_early(end: i64, first: u64, events: u32, refused: bool, value: Vec<u8>, cut: u8) {
        let kept = StoredReceipt { value: value.into(), first: Position::new(first), events, refused };
        let whole = encode_receipt(end, &kept);
        let left = &whole[..whole.len().saturating_sub(usize::from(cut))];
        if let Some((read, part)) = decode_receipt(left) {
            prop_assert_eq!((read, part.first, part.events, part.refused), (End::Log(end), kept.first, events, refused));
            prop_assert!(kept.value.starts_with(&part.value));
        } else {
            prop_assert!(left.len() < whole.len() - kept.value.len());
        }
    }

    #[test]
    fn bounds_read_back(bounds in proptest::collection::vec(("[a-z_/]{0,20}", any::<u32>()), 0..10)) {
        let bounds: Vec<(String, usize)> = bounds.into_iter().map(|(name, most)| (name, most as usize)).collect();
        let written = encode_bounds(bounds.iter().map(|(name, most)| (&**name, *most)));
        prop_assert_eq!(decode_bounds(&written), Some(bounds));
    }

    /// A version that reads only format 1 can't misread format 2: such a receipt has more than 2^32
    /// records.
    #[test]
    fn an_earlier_version_refuses_what_format_2_adds(end: i64, first: u64, events: u32, refused: bool) {
        let kept = StoredReceipt { value: Bytes::new(), first: Position::new(first), events, refused };
        let written = encode_receipt(end, &kept);
        let mut rest = &written[8..];
        prop_assert_eq!(take_number(&mut rest), Some(first));
        prop_assert!(u32::try_from(take_number(&mut rest).unwrap()).is_err());
    }
}

#[test]
fn an_unknown_outcome_is_refused() {
    let mut receipt = 7_i64.to_le_bytes().to_vec();
    put_number(&mut receipt, 1);
    for outcome in [REFUSED, FORMAT_2 << 2, u64::MAX] {
        let mut receipt = receipt.clone();
        put_number(&mut receipt, outcome);
        assert_eq!(decode_receipt(&receipt), None, "{outcome:x}");
    }
}

#[test]
fn epochs_read_back() {
    let [a, b, c] = std::array::from_fn(|_| Epoch::random(&mut rand::rng()));
    let earlier = vec![(a, Position::new(1)), (b, Position::new(9))];
    assert_eq!(
        decode_epochs(&encode_epochs(&earlier, c)),
        Some((earlier, c))
    );
    assert_eq!(decode_epochs(&encode_epochs(&[], c)), Some((vec![], c)));
    assert_eq!(decode_epochs(b""), None);
}
