//! The faults of the fake broker are what they say.

use std::time::Duration;

use tidings_broker_contract::backend::{all, append, group, open, texts};
use tidings_broker_contract::fake::{Fake, Kind};
use tidings_journal_shared::broker::{Broker as _, Failure, Live, Mark};

#[tokio::test(start_paused = true)]
async fn a_failover_loses_what_was_not_replicated() {
    let fake = Fake::new(Kind::Tagged, 0);
    let node = fake.node();
    let opened = open(&*node).await;
    append(&*node, opened.state.epoch, &group("1", 1)).await;
    fake.stop_replication();
    append(&*node, opened.state.epoch, &group("2", 1)).await;
    fake.fail_over(&[]);
    let refused = node.append(opened.state.epoch, &group("3", 1)).await;
    assert!(matches!(refused, Err(Failure::Reopen(_))), "{refused:?}");
    let epoch = open(&*node).await.state.epoch;
    append(&*node, epoch, &group("4", 1)).await;
    let groups = texts(&all(&*node, Mark(0), 1 << 20).await);
    assert_eq!((&*groups[1], &*groups[3], groups.len()), ("1", "4", 4));
    fake.fail_back();
    let epoch = open(&*node).await.state.epoch;
    append(&*node, epoch, &group("5", 1)).await;
    let groups = texts(&all(&*node, Mark(0), 1 << 20).await);
    assert_eq!((&*groups[1], &*groups[2], &*groups[4]), ("1", "2", "5"));
}

#[tokio::test(start_paused = true)]
async fn who_is_left_behind_writes_to_the_old_server_until_the_split_heals() {
    let fake = Fake::new(Kind::Tagged, 0);
    let (a, b) = (fake.node(), fake.node());
    let opened = open(&*a).await;
    fake.fail_over(&[&a]);
    let epoch = open(&*b).await.state.epoch;
    append(&*a, opened.state.epoch, &group("old", 1)).await;
    append(&*b, epoch, &group("new", 1)).await;
    fake.heal();
    let refused = a.append(opened.state.epoch, &group("older", 1)).await;
    assert!(matches!(refused, Err(Failure::Reopen(_))), "{refused:?}");
    assert_eq!(texts(&all(&*a, Mark(0), 1 << 20).await)[2..], ["new"]);
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_request_is_done_and_a_lost_one_is_not() {
    for (lost, done) in [(0, 2), (1_000, 1)] {
        let fake = Fake::new(Kind::Tagged, 3);
        let node = fake.node();
        let epoch = open(&*node).await.state.epoch;
        node.set_link(|link| (link.lost, link.unanswered) = (lost, 1_000 - lost));
        let unsure = node.append(epoch, &group("1", 1)).await;
        assert!(matches!(unsure, Err(Failure::Unsure(_))), "{unsure:?}");
        assert_eq!(all(&*fake.node(), Mark(0), 1 << 20).await.len(), done);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ghost_is_done_after_its_sender_gave_up() {
    let fake = Fake::new(Kind::Tagged, 0);
    let node = fake.node();
    let epoch = open(&*node).await.state.epoch;
    node.set_link(|link| link.ghosts = 1_000);
    node.append(epoch, &group("1", 1)).await.unwrap_err();
    assert_eq!(fake.head(), Mark(1));
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(fake.head(), Mark(2));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_request_is_done_when_the_link_is_well_and_a_frozen_sender_gets_its_answer() {
    let fake = Fake::new(Kind::Tagged, 0);
    let node = fake.node();
    let epoch = open(&*node).await.state.epoch;
    node.set_link(|link| link.stalled = true);
    node.append(epoch, &group("1", 1)).await.unwrap_err();
    assert_eq!(fake.head(), Mark(1));
    node.set_link(|link| link.stalled = false);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(fake.head(), Mark(2));
    node.set_link(|link| link.frozen = true);
    let one = group("2", 1);
    let (answer, ()) = tokio::join!(node.append(epoch, &one), async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        node.set_link(|link| link.frozen = false);
    });
    answer.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flushed_log_is_silent_to_readers_but_for_the_proof_of_life() {
    let fake = Fake::new(Kind::Tagged, 0);
    let node = fake.node();
    let opened = open(&*node).await;
    let mut reader = node.follow(opened.state.head).await.unwrap();
    fake.flush();
    let again = open(&*node).await;
    assert_ne!(again.state.log, opened.state.log);
    let Live::Alive(state) = reader.next().await.unwrap() else {
        panic!("there is nothing else")
    };
    assert_eq!(state, again.state);
}

#[tokio::test(start_paused = true)]
async fn live_groups_get_lost_with_numbers_only() {
    for (kind, expected) in [(Kind::Tagged, 50), (Kind::Numbered, 0)] {
        let fake = Fake::new(kind, 0);
        let node = fake.node();
        let opened = open(&*node).await;
        node.set_link(|link| link.live_lost = 1_000);
        let mut reader = node.follow(opened.state.head).await.unwrap();
        for number in 0..50 {
            append(&*node, opened.state.epoch, &group(&number.to_string(), 1)).await;
        }
        let mut heard = 0;
        while let Live::Groups(groups) = reader.next().await.unwrap() {
            heard += groups.len();
        }
        assert_eq!(heard, expected);
        assert_eq!(all(&*node, opened.state.head, 1 << 20).await.len(), 50);
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_has_the_same_faults_each_time() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let fake = Fake::new(Kind::Tagged, 17);
        let node = fake.node();
        let epoch = open(&*node).await.state.epoch;
        node.set_link(|link| {
            (link.lost, link.unanswered, link.ghosts, link.latency_ms) = (100, 100, 100, 1..50);
        });
        let begun = tokio::time::Instant::now();
        let mut run = Vec::new();
        for number in 0..50 {
            let placed = node.append(epoch, &group(&number.to_string(), 1)).await;
            run.push((placed.is_ok(), fake.head(), begun.elapsed()));
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].iter().any(|(done, ..)| !done) && runs[0].iter().any(|(done, ..)| *done));
}
