use tidings_journal::{Bounds, Position, Selector, TopicName};

use super::super::keys::Kind;
use super::super::options::Retention;
use super::*;

fn name(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

#[test]
fn empty_topics_are_forgotten_lowest_floor_first_and_no_floor_falls() {
    let mut topics = Topics::new(0, Position::START, Bounds::default());
    for number in 1..=10 {
        let name = name(&format!("t/{number}"));
        topics.insert(
            &name,
            Kind::Plain,
            Position::new(number),
            &Retention::default(),
        );
        topics.raise(&name, Position::new(number)).unwrap();
    }
    assert!(topics.surplus_empty(10).is_none());
    let (gone, floor) = topics.surplus_empty(8).unwrap();
    assert_eq!((gone.len(), floor), (6, Position::new(6)));
    for name in &gone {
        topics.forget(name).unwrap();
    }
    topics.forgotten = floor;
    for number in 1..=10 {
        let selector = Selector::topics([name(&format!("t/{number}"))]);
        assert!(topics.floor(&selector) >= Position::new(number));
    }
    assert_eq!(topics.held(), 0);
    let again = topics.insert(
        &name("t/1"),
        Kind::Plain,
        Position::new(11),
        &Retention::default(),
    );
    assert_eq!(again, (11, true), "an id is never used again");
    assert_eq!(topics.held(), 1);
}

#[test]
fn the_least_recently_written_topic_is_evicted_next_and_the_servers_own_never_are() {
    let mut topics = Topics::new(0, Position::START, Bounds::default());
    let list = |topics: &mut Topics, text: &str, position| {
        topics.insert(
            &name(text),
            Kind::Plain,
            Position::new(position),
            &Retention::default(),
        );
    };
    for (position, text) in (1..).zip(["_members", "a", "b", "system/status", "c", "a"]) {
        list(&mut topics, text, position);
    }
    assert_eq!(topics.held(), 5);
    for expected in ["b", "c", "a"] {
        let (oldest, _) = topics.take_oldest().unwrap();
        assert_eq!(oldest.as_str(), expected);
        topics.put_back(oldest.clone());
        assert_eq!(topics.take_oldest().unwrap().0, oldest);
        topics.remove(&oldest).unwrap();
    }
    assert!(topics.take_oldest().is_none());
    assert_eq!((topics.held(), topics.forgotten), (2, Position::new(6)));
    // One that came to hold nothing by itself is passed over, and has its turn again once it holds
    // something.
    list(&mut topics, "d", 7);
    topics.raise(&name("d"), Position::new(7));
    assert!(topics.take_oldest().is_none());
    list(&mut topics, "d", 8);
    assert_eq!(
        (topics.held(), topics.take_oldest().unwrap().0),
        (3, name("d"))
    );
}

#[test]
fn the_eviction_order_does_not_grow_with_topics_that_became_empty() {
    let mut topics = Topics::new(0, Position::START, Bounds::default());
    for number in 1..=10_000 {
        let name = name(&format!("t/{number}"));
        topics.insert(
            &name,
            Kind::Plain,
            Position::new(number),
            &Retention::default(),
        );
        topics.raise(&name, Position::new(number));
        topics.forget(&name).unwrap();
    }
    assert!(topics.ages.len() < 2_000, "{}", topics.ages.len());
}

#[test]
fn the_other_topics_of_records_are_remembered() {
    let mut shown = OtherTopics::None;
    for (others, expected) in [
        (&["a"][..], &["a"][..]),
        (&["a"], &["a"]),
        (&[], &["a"]),
        (&["b", "a"], &["a", "b"]),
    ] {
        shown.add(&others.iter().map(|text| name(text)).collect::<Vec<_>>());
        assert_eq!(
            shown.topics(),
            expected.iter().map(|text| name(text)).collect::<Vec<_>>()
        );
    }
    let mut unknown = OtherTopics::Unknown;
    unknown.add(&[name("a")]);
    assert_eq!(unknown, OtherTopics::Unknown);
}
