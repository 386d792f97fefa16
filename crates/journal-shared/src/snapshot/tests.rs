use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn cut() -> Cut {
    let topic = TopicName::parse("a").unwrap();
    Cut {
        receipts: vec![(
            Bytes::from_static(b"key"),
            StoredReceipt {
                value: Bytes::from_static(b"value"),
                first: Position::new(3),
                events: 1,
                refused: false,
            },
            7,
        )],
        floors: vec![(topic, Position::new(2))],
        voids: vec![(Position::new(4), Position::new(5))],
        times: vec![(Position::new(1), 9)],
        ..Cut::default()
    }
}

fn read(chunks: &[Bytes]) -> Result<Cut, Unreadable> {
    let mut reading = Reading::default();
    for chunk in chunks {
        reading.feed(chunk)?;
    }
    reading.finish()
}

fn chunk() -> Vec<u8> {
    let chunks: Vec<_> = cut().chunks().collect();
    chunks.concat()
}

proptest! {
    #[test]
    fn a_snapshot_is_read_however_it_is_cut(at: prop::sample::Index) {
        let bytes = Bytes::from(chunk());
        let at = at.index(bytes.len());
        let found = read(&[bytes.slice(..at), bytes.slice(at..)]).unwrap();
        prop_assert_eq!(format!("{found:?}"), format!("{:?}", cut()));
    }

    #[test]
    fn a_snapshot_that_was_damaged_is_not_read(at: prop::sample::Index, flip in 1_u8..) {
        let mut bytes = chunk();
        let at = at.index(bytes.len());
        prop_assert!(read(&[Bytes::copy_from_slice(&bytes[..at])]).is_err());
        bytes[at] ^= flip;
        prop_assert!(read(&[bytes.into()]).is_err());
    }

    #[test]
    fn bytes_of_a_stranger_are_no_snapshot(
        items in vec((0_u8..12, vec(any::<u8>(), 0..40)), 0..8),
        rest in vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = Vec::new();
        for (kind, item) in items {
            bytes.extend(u32::try_from(item.len() + 1).unwrap().to_le_bytes());
            bytes.push(kind);
            bytes.extend(item);
        }
        bytes.extend(rest);
        prop_assert!(read(&[bytes.into()]).is_err());
    }
}

#[test]
fn an_item_that_says_to_be_huge_is_not_waited_for() {
    let bytes = Bytes::from_static(&[0xff; 8]);
    assert_eq!(read(&[bytes]).unwrap_err(), Unreadable::Damaged);
}
