//! The promises of [`Journal::erase`](tidings_journal::Journal::erase).
#![expect(missing_docs, reason = "a promise's name is what it promises")]

use tidings_journal::{Error, Limit, Position};

use crate::log::backwards;
use crate::{Backend, Put as _, all, id, numbered, numbers, record, selector, status, topic};

pub async fn an_erased_event_is_gone_from_all_its_topics_and_their_floors_rise(
    backend: &dyn Backend,
) {
    let log = backend.open();
    let large = "x".repeat(10_000);
    log.put(vec![
        record(&["chat/room/s", "chat"], "s1"),
        record(&["chat/room/r", "chat"], "r2"),
    ])
    .await
    .unwrap();
    log.put(vec![
        record(&["chat/room/r", "chat"], &large),
        record(&["chat/room/s", "chat"], "s4"),
    ])
    .await
    .unwrap();
    log.put(vec![record(&["chat/room/r", "chat"], "r5")])
        .await
        .unwrap();
    let mut floors = log
        .erase(&[topic("chat/room/r")], id(&*log, 4))
        .await
        .unwrap();
    floors.sort();
    let three = Position::new(3);
    assert_eq!(
        floors,
        [(topic("chat"), three), (topic("chat/room/r"), three)]
    );
    assert_eq!(all(&*log, &["chat/room/r"]).await, ["r5"]);
    assert_eq!(
        all(&*log, &["chat/room/s"]).await,
        ["s1", "s4"],
        "another room keeps what it has"
    );
    let page = log
        .read(&selector(&["chat"]), three, log.head(), Limit::NONE)
        .await
        .unwrap();
    assert_eq!((numbers(&page.entries), page.floor), (vec![4, 5], three));
    assert_eq!(backwards(&*log, &["chat"], Limit::NONE).await.0, [4, 5]);
    assert_eq!(log.floor(&selector(&["chat/room/r"])), three);
    assert_eq!(log.floor(&selector(&["chat/room/s"])), Position::START);
    assert_eq!(
        log.oldest(&selector(&["chat/room/r"])).await.unwrap(),
        Some(Position::new(5))
    );
    assert_eq!(
        log.oldest(&selector(&["chat"])).await.unwrap(),
        Some(Position::new(4)),
        "`s1` is hidden by the floor"
    );
    assert_eq!(
        log.oldest(&selector(&["chat/room/s"])).await.unwrap(),
        Some(Position::new(1))
    );
    assert_eq!(
        log.erase(&[topic("chat/room/r")], id(&*log, 4))
            .await
            .unwrap(),
        [],
        "erasing again changes nothing"
    );
    assert_eq!(log.erase(&[topic("none")], id(&*log, 4)).await.unwrap(), []);
    assert_eq!(
        log.put(vec![record(&["chat/room/r"], "r6")]).await.unwrap(),
        Position::new(6)
    );
    assert_eq!(all(&*log, &["chat/room/r"]).await, ["r5", "r6"]);
}

pub async fn erasing_an_aggregate_erases_the_events_of_the_topics_it_shows(backend: &dyn Backend) {
    let log = backend.open();
    for number in 0..200 {
        let room = format!("chat/room/{}", number % 80);
        log.put(vec![
            record(&[&room, "chat"], "other"),
            record(&["chat"], "own"),
        ])
        .await
        .unwrap();
    }
    let floors = log.erase(&[topic("chat")], id(&*log, 300)).await.unwrap();
    assert_eq!(floors.len(), 81, "the aggregate and the 80 rooms");
    let (chat, head) = (selector(&["chat"]), log.head());
    let page = log
        .read(&chat, log.floor(&chat), head, Limit::NONE)
        .await
        .unwrap();
    assert_eq!(numbers(&page.entries), (301..=400).collect::<Vec<_>>());
    let rooms: Vec<_> = (0..80).map(|room| format!("chat/room/{room}")).collect();
    let rooms: Vec<_> = rooms.iter().map(String::as_str).collect();
    let page = log
        .read(&selector(&rooms), Position::START, head, Limit::NONE)
        .await
        .unwrap();
    assert_eq!(
        numbers(&page.entries),
        (301..400).step_by(2).collect::<Vec<_>>()
    );
    if let Some(kept) = log.vitals().kept {
        assert_eq!(kept, 100, "each was subtracted once");
    }
}

pub async fn erasing_removes_records_with_a_key_and_frees_their_keys(backend: &dyn Backend) {
    let log = backend.open();
    log.put(vec![
        status("db", "1"),
        status("web", "2"),
        status("db", "3"),
        status("mail", "4"),
    ])
    .await
    .unwrap();
    let floors = log
        .erase(&[topic("system/status")], id(&*log, 3))
        .await
        .unwrap();
    assert_eq!(floors, [(topic("system/status"), Position::new(3))]);
    assert_eq!(all(&*log, &["system/status"]).await, ["4"]);
    assert_eq!(log.floor(&selector(&["system/status"])), Position::new(3));
    log.put(vec![status("db", "5"), status("mail", "6")])
        .await
        .unwrap();
    assert_eq!(all(&*log, &["system/status"]).await, ["5", "6"]);
}

pub async fn an_id_of_another_log_or_ahead_of_it_erases_nothing(backend: &dyn Backend) {
    let log = backend.open();
    log.put(numbered(&["a"], 0..3)).await.unwrap();
    let other = backend.another();
    other.put(numbered(&["a"], 0..3)).await.unwrap();
    for stray in [id(&*other, 2), id(&*log, 4)] {
        let erased = log.erase(&[topic("a")], stray).await;
        assert!(matches!(erased, Err(Error::Uncertain(_))), "{erased:?}");
    }
    assert_eq!(all(&*log, &["a"]).await.len(), 3);
}

pub async fn events_after_the_erased_position_stay(backend: &dyn Backend) {
    let log = backend.open();
    log.put(numbered(&["a"], 0..3_000)).await.unwrap();
    log.put(numbered(&["b"], 0..10)).await.unwrap();
    log.erase(&[topic("a")], id(&*log, 2_500)).await.unwrap();
    let page = log
        .read(&selector(&["a"]), Position::START, log.head(), Limit::NONE)
        .await
        .unwrap();
    assert_eq!(numbers(&page.entries), (2_501..=3_000).collect::<Vec<_>>());
    assert_eq!(page.floor, Position::new(2_500));
    log.erase(&[topic("a"), topic("b")], id(&*log, 3_010))
        .await
        .unwrap();
    assert_eq!(all(&*log, &["a", "b"]).await, [""; 0]);
    assert_eq!(
        (log.floor(&selector(&["a"])), log.floor(&selector(&["b"]))),
        (Position::new(3_000), Position::new(3_010))
    );
    assert_eq!(log.vitals().kept, Some(0));
    log.put(numbered(&["a"], 0..2)).await.unwrap();
    assert_eq!(
        (all(&*log, &["a"]).await.len(), log.vitals().kept),
        (2, Some(2))
    );
}

pub async fn erased_events_stay_erased_after_a_restart(backend: &dyn Backend) {
    let Some(kept) = backend.durable() else {
        return;
    };
    let log = backend.open();
    let rooms = numbered(&["chat/room/r", "chat"], 0..10)
        .into_iter()
        .chain(numbered(&["chat/room/s", "chat"], 0..2));
    log.put(
        rooms
            .chain([status("db", "1"), status("web", "2")])
            .collect(),
    )
    .await
    .unwrap();
    log.erase(
        &[topic("chat/room/r"), topic("system/status")],
        id(&*log, 13),
    )
    .await
    .unwrap();
    drop(log);
    for _ in 0..2 {
        let log = backend.open();
        assert_eq!(all(&*log, &["chat/room/r"]).await, [""; 0]);
        assert_eq!(
            all(&*log, &["chat", "chat/room/s", "system/status"]).await,
            ["0", "1", "2"]
        );
        assert_eq!(log.floor(&selector(&["chat/room/r"])), Position::new(10));
        assert_eq!(log.floor(&selector(&["system/status"])), Position::new(13));
    }
    assert_eq!(kept.verify(), 3);
}
