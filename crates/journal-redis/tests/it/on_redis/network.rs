//! What lies between a node and its server: delays, cuts, silence, half-open connections.

use std::time::Duration;

use tidings_faulty_proxy::{Fault, Proxy};
use tidings_journal_redis::Redis;
use tidings_journal_shared::broker::{Broker as _, Failure, Mark};

use crate::support::{Server, append, end, eventually, group, groups, next_groups, open, redis};

async fn behind_a_proxy(server: &Server) -> (Proxy, Redis) {
    let proxy = Proxy::start(server.address()).await.unwrap();
    let redis = redis(&format!("redis://{}", proxy.address()));
    (proxy, redis)
}

#[tokio::test]
async fn a_lost_answer_leaves_a_group_that_is_in_the_log_once() {
    let server = Server::start();
    let (proxy, redis) = behind_a_proxy(&server).await;
    let epoch = open(&redis).await.state.epoch;
    append(&redis, epoch, &group("one")).await.unwrap();
    proxy.set(Fault::LoseAnswers);
    assert!(matches!(
        append(&redis, epoch, &group("two")).await,
        Err(Failure::Unsure(_))
    ));
    proxy.set(Fault::None);
    assert_eq!(open(&redis).await.state.head, Mark(3));
    append(&redis, epoch, &group("three")).await.unwrap();
    let texts: Vec<_> = groups(&redis, Mark(1))
        .await
        .into_iter()
        .map(|group| group.bytes)
        .collect();
    assert_eq!(texts, ["one", "two", "three"]);
}

#[tokio::test]
async fn whatever_the_network_does_calls_end_in_doubt_and_go_on_after_it() {
    let server = Server::start();
    let (proxy, redis) = behind_a_proxy(&server).await;
    let epoch = open(&redis).await.state.epoch;
    for fault in [
        Fault::Stall,
        Fault::HalfOpen,
        Fault::Refuse,
        Fault::LoseAnswers,
    ] {
        let mut follow = redis.follow(Mark(1)).await.unwrap();
        append(&redis, epoch, &group("before")).await.unwrap();
        next_groups(&mut *follow).await.unwrap();
        proxy.set(fault);
        let doubtful = group("doubtful");
        let (appended, followed, page, ended) = tokio::join!(
            append(&redis, epoch, &doubtful),
            redis.follow(Mark(0)),
            redis.page(Mark(0), 1),
            end(&mut *follow),
        );
        for failure in [appended.err(), followed.err(), page.err(), Some(ended)] {
            assert!(
                matches!(failure, Some(Failure::Unsure(_))),
                "{fault:?}: {failure:?}"
            );
        }
        // Also for a connection that begins only now.
        assert!(
            matches!(
                append(&redis, epoch, &doubtful).await,
                Err(Failure::Unsure(_))
            ),
            "{fault:?}"
        );
        proxy.set(Fault::None);
        // What was kept back by the network may still arrive, and its connection ends.
        eventually(async || append(&redis, epoch, &group("after")).await.ok()).await;
    }
    assert_eq!(open(&redis).await.state.epoch, epoch);
}

#[tokio::test]
async fn a_cut_connection_is_replaced_at_the_next_call() {
    let server = Server::start();
    let (proxy, redis) = behind_a_proxy(&server).await;
    let epoch = open(&redis).await.state.epoch;
    for _ in 0..10 {
        proxy.cut();
        eventually(async || match append(&redis, epoch, &group("x")).await {
            Ok(_) => Some(()),
            Err(Failure::Unsure(_)) => None,
            Err(failure) => panic!("{failure}"),
        })
        .await;
    }
}

#[tokio::test]
async fn a_slow_network_only_takes_its_time() {
    let server = Server::start();
    let (proxy, redis) = behind_a_proxy(&server).await;
    proxy.set(Fault::Delay(Duration::from_millis(20)));
    let epoch = open(&redis).await.state.epoch;
    let mut follow = redis.follow(Mark(1)).await.unwrap();
    append(&redis, epoch, &group("x")).await.unwrap();
    assert_eq!(next_groups(&mut *follow).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_in_doubt() {
    let port = crate::support::free_port();
    let failure = redis(&format!("redis://127.0.0.1:{port}"))
        .page(Mark(0), 1)
        .await
        .unwrap_err();
    assert!(
        matches!(&failure, Failure::Unsure(text) if text.contains(&port.to_string())),
        "{failure}"
    );
}
