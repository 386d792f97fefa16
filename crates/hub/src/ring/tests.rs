use std::time::Duration;

use super::*;
use tidings_sse::{Event, EventName, Frame};

fn slot(seq: u64, stored: bool, at_ms: i64) -> Slot {
    let mark = Mark {
        seq: Seq(seq),
        position: Position::new(seq),
    };
    Slot {
        mark,
        stored,
        at_ms,
        frame: Event::new(EventName::from_static("e"), "x").encode(),
    }
}

fn topic() -> TopicName {
    TopicName::parse("a").expect("a topic")
}

fn ring() -> Ring {
    Ring::new(topic(), Mark::default())
}

fn window(after: u64) -> Window {
    let [after, until] = [Seq(after), Seq(u64::MAX)];
    Window {
        after,
        until,
        ephemeral_after: Seq(0),
        now_ms: 0,
        max_bytes: usize::MAX,
        joined: false,
    }
}

fn seqs(ring: &Ring, window: Window) -> Result<Vec<u64>, BelowFloor> {
    let mut seqs = Vec::new();
    ring.collect(window, |taken| seqs.push(taken.mark.seq.0))?;
    Ok(seqs)
}

#[test]
fn the_newest_evicted_event_is_the_floor() {
    let ring = ring();
    for seq in 1..=5 {
        ring.push(
            slot(seq, true, 0),
            &Limits {
                events: 3,
                ..Limits::default()
            },
        );
    }
    assert_eq!(seqs(&ring, window(2)), Ok(vec![3, 4, 5]));
    assert_eq!(seqs(&ring, window(1)), Err(BelowFloor));
    assert_eq!(ring.locate(Position::new(1)), Err(BelowFloor));
    assert_eq!(ring.locate(Position::new(4)), Ok(Seq(4)));
    assert_eq!(ring.locate(Position::new(9)), Ok(Seq(5)));
}

#[test]
fn evicting_an_ephemeral_event_does_not_raise_the_floor() {
    let ring = ring();
    let limits = Limits::default();
    ring.push(slot(1, false, 0), &limits);
    assert_eq!(seqs(&ring, window(0)), Ok(vec![1]));
    assert_eq!(
        seqs(
            &ring,
            Window {
                now_ms: 5_001,
                ..window(0)
            }
        ),
        Ok(vec![])
    );
    assert_eq!(
        seqs(
            &ring,
            Window {
                ephemeral_after: Seq(1),
                ..window(0)
            }
        ),
        Ok(vec![])
    );
    ring.push(slot(2, true, 5_001), &limits);
    assert_eq!(seqs(&ring, window(0)), Ok(vec![2]));
}

#[test]
fn a_quiet_ring_is_emptied_by_age() {
    let ring = ring();
    let limits = Limits {
        age: Duration::from_secs(10),
        ..Limits::default()
    };
    ring.push(slot(1, true, 0), &limits);
    ring.expire(&limits, 10_000);
    assert_eq!(seqs(&ring, window(0)), Ok(vec![1]));
    ring.expire(&limits, 10_001);
    assert_eq!(seqs(&ring, window(0)), Err(BelowFloor));
}

#[test]
fn no_reader_takes_erased_frames_and_later_ones_stay() {
    let ring = ring();
    for (seq, position, stored) in [(1, 1, true), (2, 4, true), (3, 4, false), (4, 6, true)] {
        let mark = Mark {
            seq: Seq(seq),
            position: Position::new(position),
        };
        ring.push(
            Slot {
                mark,
                ..slot(seq, stored, 0)
            },
            &Limits::default(),
        );
    }
    ring.forget(Position::new(0));
    assert_eq!(seqs(&ring, window(0)), Ok(vec![1, 2, 3, 4]));
    ring.forget(Position::new(5));
    assert_eq!(seqs(&ring, window(1)), Err(BelowFloor));
    assert_eq!(
        seqs(&ring, window(2)),
        Ok(vec![3, 4]),
        "an ephemeral event comes after the event whose position it has"
    );
    assert_eq!(ring.locate(Position::new(3)), Err(BelowFloor));
    assert_eq!(
        ring.bytes_after(Seq(0)),
        2 * slot(1, true, 0).frame.len() as u64
    );
}

#[test]
fn a_joined_frame_is_dropped_when_part_of_it_is_erased() {
    let ring = ring();
    for seq in 1..=20 {
        ring.push(slot(seq, true, 0), &Limits::default());
    }
    let joined = |after| {
        let mut last = Vec::new();
        let window = Window {
            joined: true,
            ..window(after)
        };
        ring.collect(window, |taken| last.push((taken.events, taken.mark.seq.0)))
            .map(|_| last)
    };
    assert_eq!(joined(0), Ok(vec![(20, 20)]));
    ring.forget(Position::new(10));
    assert_eq!(joined(0), Err(BelowFloor));
    assert_eq!(joined(10), Ok(vec![(10, 20)]));
}

#[test]
fn the_bytes_a_reader_has_yet_to_take_are_those_of_the_frames_after_it() {
    let ring = ring();
    for seq in 1..=5 {
        ring.push(
            slot(seq, true, 0),
            &Limits {
                events: 3,
                ..Limits::default()
            },
        );
    }
    let one = slot(1, true, 0).frame.len() as u64;
    for (after, frames) in [(5, 0), (4, 1), (3, 2), (2, 3), (0, 3)] {
        assert_eq!(ring.bytes_after(Seq(after)), frames * one, "after {after}");
    }
}

#[test]
fn a_window_that_is_cut_by_its_size_returns_where() {
    let ring = ring();
    for seq in 1..=3 {
        ring.push(slot(seq, true, 0), &Limits::default());
    }
    let mut taken = 0;
    assert_eq!(
        ring.collect(
            Window {
                max_bytes: 1,
                ..window(0)
            },
            |_| taken += 1
        ),
        Ok(Some(Seq(1)))
    );
    assert_eq!(taken, 1);
}

#[test]
fn many_frames_are_joined_once_for_all_readers_at_the_same_place() {
    let ring = ring();
    for seq in 1..=20 {
        ring.push(slot(seq, seq != 15, 0), &Limits::default());
    }
    let taken = |after, until| {
        let mut taken = Vec::new();
        let window = Window {
            until: Seq(until),
            joined: true,
            ..window(after)
        };
        let cut = ring
            .collect(window, |one| taken.push((one.mark.seq.0, one.frame)))
            .unwrap();
        (taken, cut)
    };
    let (first, cut) = taken(2, 12);
    assert_eq!((first.len(), first[0].0, cut), (1, 12, None));
    assert_eq!(
        first[0].1,
        Frame::join(vec![&slot(1, true, 0).frame; 10].into_iter()).unwrap()
    );
    // A reader that may see more by now takes the same bytes, and takes the rest later.
    let (second, cut) = taken(2, 20);
    assert_eq!(
        (second[0].1.chunked().as_ptr(), cut),
        (first[0].1.chunked().as_ptr(), Some(Seq(12)))
    );
    // Few frames are not joined, and neither are ephemeral ones, because not every reader takes
    // those.
    assert_eq!(
        taken(12, 20).0.iter().map(|one| one.0).collect::<Vec<_>>(),
        [13, 14, 15, 16, 17, 18, 19, 20]
    );
    // A reader is never given frames that it may not see yet.
    assert_eq!(taken(2, 11).0[0].0, 11);
}

#[test]
fn stalled_readers_keep_a_few_joined_frames_in_memory_and_no_more() {
    let ring = ring();
    for seq in 1..=100 {
        ring.push(slot(seq, true, 0), &Limits::default());
    }
    let take = |after| {
        let mut frames = Vec::new();
        let _ = ring
            .collect(
                Window {
                    joined: true,
                    ..window(after)
                },
                |taken| frames.push(taken.frame),
            )
            .unwrap();
        frames
    };
    let held: Vec<_> = (0..16).map(take).collect();
    assert!(held.iter().all(|frames| frames.len() == 1));
    assert_eq!(
        take(50).len(),
        50,
        "not joined: all joined frames are in use"
    );
    ring.expire(&Limits::default(), 0);
    assert_eq!(take(50).len(), 50, "still");
    drop(held);
    assert_eq!(take(50).len(), 1);
    ring.expire(&Limits::default(), 0);
    assert!(!ring.state.lock().frames.keeps_joined());
}

#[test]
fn a_ring_is_filling_while_several_frames_wait_that_do_not_fill_a_write() {
    let ring = ring();
    let one = slot(1, true, 0).frame.len() as u64;
    ring.push(slot(1, true, 0), &Limits::default());
    assert!(
        !ring.is_filling(Seq(0), u64::MAX),
        "one frame is not delayed"
    );
    ring.push(slot(2, true, 0), &Limits::default());
    assert!(ring.is_filling(Seq(0), 2 * one + 1));
    assert!(!ring.is_filling(Seq(0), 2 * one), "enough");
    assert!(!ring.is_filling(Seq(1), u64::MAX), "one is left");
}

#[test]
fn a_cursor_that_registers_twice_has_one_registration() {
    let ring = ring();
    let first = ring.register(Waker::noop(), None);
    let again = ring.register(Waker::noop(), Some(first));
    assert_eq!(ring.state.lock().waiters.len(), 1);
    ring.deregister(again);
    assert_eq!(ring.state.lock().waiters.len(), 0);
    let second = ring.register(Waker::noop(), None);
    ring.take_waiting(&mut Vec::new());
    let other = ring.register(Waker::noop(), None);
    ring.deregister(second);
    assert_eq!(
        ring.state.lock().waiters.len(),
        1,
        "a registration of an earlier generation removes nobody else's"
    );
    ring.deregister(other);
}

#[test]
fn a_quiet_ring_is_small() {
    // With the two counters of its `Arc`: 160 bytes, a size that allocators keep.
    assert!(size_of::<Ring>() <= 144, "{}", size_of::<Ring>());
}
