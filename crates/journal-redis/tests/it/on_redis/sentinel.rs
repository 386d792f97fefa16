//! Sentinels name the server.

use tidings_journal_redis::{Options, Redis, Sentinels, Whereabouts};
use tidings_journal_shared::broker::{Broker as _, Failure, Mark};

use crate::support::{
    Server, append, end, eventually, group, groups, next_groups, open, opening, options,
};

fn through(sentinels: &[Server], name: &str) -> Redis {
    let addresses: Vec<_> = sentinels
        .iter()
        .map(|sentinel| sentinel.address().to_string())
        .collect();
    let sentinels = Sentinels::parse(addresses.iter().map(String::as_str), name, None).unwrap();
    let limit = options("redis://localhost").limit;
    Redis::new(Options {
        limit,
        ..Options::new(Whereabouts::Sentinels(sentinels))
    })
}

fn three_sentinels(primary: &Server) -> Vec<Server> {
    let settings = format!(
        "sentinel monitor main 127.0.0.1 {} 2\nsentinel down-after-milliseconds main 500\n\
         sentinel failover-timeout main 5000",
        primary.port()
    );
    (0..3).map(|_| Server::sentinel(&settings)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_by_sentinels_is_followed() {
    let mut primary = Server::start();
    let replica = Server::replica_of(primary.port());
    let sentinels = three_sentinels(&primary);
    // All know each other and the replica, and its link is up, or else none is promoted.
    for sentinel in &sentinels {
        eventually(async || {
            let redis::Value::Array(known) =
                sentinel.command(&["SENTINEL", "MASTER", "main"]).await
            else {
                return None;
            };
            let words: Vec<String> = known
                .into_iter()
                .filter_map(|word| redis::from_redis_value(word).ok())
                .collect();
            let has = |field: &str, number: &str| {
                words
                    .windows(2)
                    .any(|pair| pair[0] == field && pair[1] == number)
            };
            (has("num-slaves", "1") && has("num-other-sentinels", "2")).then_some(())
        })
        .await;
    }
    eventually(async || {
        (replica.info("master_link_status").await.as_deref() == Some("up")).then_some(())
    })
    .await;

    let redis = through(&sentinels, "main");
    let before = open(&redis).await.state;
    append(&redis, before.epoch, &group("one")).await.unwrap();
    let mut follow = redis.follow(Mark(0)).await.unwrap();
    next_groups(&mut *follow).await.unwrap();
    eventually(async || {
        let length = replica.command(&["XLEN", "{tidings}:log"]).await;
        (length == redis::Value::Int(2)).then_some(())
    })
    .await;
    primary.kill();
    assert!(matches!(end(&mut *follow).await, Failure::Unsure(_)));
    let after = open(&redis).await.state;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.log, before.log);
    append(&redis, after.epoch, &group("two")).await.unwrap();
    assert_eq!(groups(&redis, Mark(0)).await.len(), 4);
    assert_eq!(replica.info("role").await.as_deref(), Some("master"));
}

/// The old primary is alive and takes writes; only the sentinels tell that it is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_leaves_a_server_that_the_sentinels_no_longer_name() {
    let primary = Server::start();
    let sentinels = three_sentinels(&primary);
    let redis = through(&sentinels, "main");
    open(&redis).await;
    let mut follow = redis.follow(Mark(1)).await.unwrap();
    let other = Server::start();
    for sentinel in &sentinels {
        sentinel.command(&["SENTINEL", "REMOVE", "main"]).await;
        sentinel
            .command(&[
                "SENTINEL",
                "MONITOR",
                "main",
                "127.0.0.1",
                &other.port().to_string(),
                "2",
            ])
            .await;
    }
    let failure = end(&mut *follow).await;
    let named = other.port().to_string();
    assert!(
        matches!(&failure, Failure::Unsure(text) if text.contains(&named)),
        "{failure}"
    );
    open(&redis).await;
    assert_eq!(
        other.command(&["EXISTS", "{tidings}:log"]).await,
        redis::Value::Int(1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sentinel_that_answers_suffices() {
    let primary = Server::start();
    let mut sentinels = three_sentinels(&primary);
    sentinels[0].kill();
    sentinels[1].pause();
    open(&through(&sentinels, "main")).await;
    let failure = through(&sentinels[2..], "other")
        .open(&opening())
        .await
        .unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("REDIS_SENTINEL_NAME")),
        "{failure}"
    );
    sentinels[2].kill();
    assert!(matches!(
        through(&sentinels, "main").open(&opening()).await,
        Err(Failure::Unsure(_))
    ));
}
