//! Publishing, subscribing and waking under as many schedules as a model checker finds, for the
//! protocol that `src/fanout.rs` describes.
//!
//! Runs only under `RUSTFLAGS="--cfg shuttle"` (`cargo xtask test` does); elsewhere the core's
//! locks are real ones.
#![cfg(shuttle)]

#[path = "concurrency/generations.rs"]
mod generations;
mod support;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use shuttle::{future, thread};
use tidings_hub::{Behind, Cursor, Delivery, Fanout, RingLimits};
use tidings_journal::{Position, TopicName};
use tidings_sse::{Decoded, Decoder, Event, EventName, Frame};

use support::topic;

const SCHEDULES: usize = 20_000;

struct Numbered {
    number: u64,
    topics: Vec<TopicName>,
}

impl Delivery for Numbered {
    fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    fn position(&self) -> Option<Position> {
        Some(Position::new(self.number))
    }

    fn encode(&self) -> Option<Frame> {
        Some(Event::new(EventName::from_static("e"), self.number.to_string()).encode())
    }
}

fn event(number: u64, topics: &[&str]) -> Numbered {
    Numbered {
        number,
        topics: topics.iter().map(|name| topic(name)).collect(),
    }
}

fn number(frame: &Frame) -> u64 {
    let mut decoder = Decoder::new();
    decoder.push(frame.block());
    match decoder.next() {
        Some(Ok(Decoded::Event(message))) => message.data.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn large_ring() -> RingLimits {
    RingLimits {
        events: 100,
        bytes: 1 << 20,
        age: Duration::from_hours(1),
    }
}

/// Takes from `cursor` until `last` came, as one task would.
fn take_until(mut cursor: Cursor, last: u64) -> Vec<u64> {
    future::block_on(async move {
        let mut taken = Vec::new();
        while taken.last() != Some(&last) {
            let mut frames = Vec::new();
            poll_fn(|cx| cursor.poll_take(cx, &mut frames, 1 << 16))
                .await
                .expect("the ring holds everything");
            taken.extend(frames.iter().map(number));
        }
        taken
    })
}

#[test]
fn a_reader_of_two_topics_sees_every_event_once_in_order_and_misses_no_wake_up() {
    let scenario = || {
        let fanout = Arc::new(Fanout::new(Position::START, large_ring()));
        let reader = Cursor::at_head(fanout.clone(), &[topic("a"), topic("b")]);
        let publisher = thread::spawn({
            let fanout = fanout.clone();
            move || {
                fanout.deliver([event(1, &["a"])], 0);
                fanout.deliver([event(2, &["b"]), event(3, &["a", "b"])], 0);
                fanout.deliver([event(4, &["a"])], 0);
            }
        });
        assert_eq!(take_until(reader, 4), [1, 2, 3, 4]);
        publisher.join().unwrap();
    };
    shuttle::check_random(scenario, SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, 3);
}

#[test]
fn a_reader_that_subscribes_during_deliveries_misses_nothing_after_its_head() {
    let scenario = || {
        let fanout = Arc::new(Fanout::new(Position::START, large_ring()));
        let publisher = thread::spawn({
            let fanout = fanout.clone();
            move || {
                for number in 1..=3 {
                    fanout.deliver([event(number, &[if number == 2 { "b" } else { "a" }])], 0);
                }
            }
        });
        let reader = Cursor::at_head(fanout.clone(), &[topic("b"), topic("a")]);
        let head = reader.position().get();
        if head < 3 {
            assert_eq!(take_until(reader, 3), (head + 1..=3).collect::<Vec<_>>());
        } else {
            drop(reader);
        }
        publisher.join().unwrap();
        assert_eq!(
            fanout.followed_topics(),
            0,
            "the rings are removed with their last reader"
        );
    };
    shuttle::check_random(scenario, SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, 3);
}

#[test]
fn a_reader_that_leaves_does_not_remove_the_waker_of_another() {
    let scenario = || {
        let fanout = Arc::new(Fanout::new(Position::START, large_ring()));
        let stays = Cursor::at_head(fanout.clone(), &[topic("a")]);
        let mut goes = Cursor::at_head(fanout.clone(), &[topic("a")]);
        let staying = thread::spawn(move || take_until(stays, 2));
        let going = thread::spawn(move || {
            future::block_on(async move {
                let mut frames = Vec::new();
                poll_fn(|cx| goes.poll_take(cx, &mut frames, 1))
                    .await
                    .expect("the ring holds everything");
                frames.iter().map(number).collect::<Vec<_>>()
            })
        });
        fanout.deliver([event(1, &["a"])], 0);
        fanout.deliver([event(2, &["a"])], 0);
        assert_eq!(staying.join().unwrap(), [1, 2]);
        assert_eq!(going.join().unwrap(), [1]);
    };
    shuttle::check_random(scenario, SCHEDULES);
}

#[test]
fn a_reader_that_is_behind_its_ring_is_told_and_skips_nothing() {
    let scenario = || {
        let tight = RingLimits {
            events: 1,
            ..large_ring()
        };
        let fanout = Arc::new(Fanout::new(Position::START, tight));
        let mut reader = Cursor::at_head(fanout.clone(), &[topic("a"), topic("b")]);
        let publisher = thread::spawn({
            let fanout = fanout.clone();
            move || {
                for number in 1..=3 {
                    fanout.deliver([event(number, &[if number == 2 { "b" } else { "a" }])], 0);
                }
            }
        });
        // Instead of a journal: it would have every number up to the visible one.
        let taken = future::block_on(async {
            let mut taken: Vec<u64> = Vec::new();
            while taken.last() != Some(&3) {
                let mut frames = Vec::new();
                match poll_fn(|cx| reader.poll_take(cx, &mut frames, 1 << 16)).await {
                    Ok(_) => taken.extend(frames.iter().map(number)),
                    Err(Behind) => loop {
                        let visible = fanout.visible_position();
                        taken.extend(reader.position().get() + 1..=visible.get());
                        if reader.seek(visible).is_ok() {
                            break;
                        }
                    },
                }
            }
            taken
        });
        assert_eq!(taken, [1, 2, 3]);
        publisher.join().unwrap();
    };
    shuttle::check_random(scenario, SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, 3);
}
