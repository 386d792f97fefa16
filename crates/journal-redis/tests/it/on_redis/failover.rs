//! Replicas that take over, with and without all groups.

use redis::Value;
use tidings_faulty_proxy::{Fault, Proxy};
use tidings_journal_redis::Redis;
use tidings_journal_shared::broker::{Broker as _, Failure, Mark, Tag};

use crate::support::{
    Server, append, chained, end, eventually, group, groups, next_groups, open, open_with, opening,
    options, redis,
};

/// A primary, a replica whose stream of changes passes a proxy, and a log whose connections pass
/// another one.
struct Pair {
    primary: Server,
    replica: Server,
    between: Proxy,
    front: Proxy,
    redis: Redis,
}

async fn pair() -> Pair {
    let primary = Server::start();
    let between = Proxy::start(primary.address()).await.unwrap();
    let replica = tokio::task::spawn_blocking({
        let port = between.address().port();
        move || Server::replica_of(port)
    })
    .await
    .unwrap();
    in_sync(&replica).await;
    let front = Proxy::start(primary.address()).await.unwrap();
    let redis = redis(&format!("redis://{}", front.address()));
    Pair {
        primary,
        replica,
        between,
        front,
        redis,
    }
}

pub(super) async fn in_sync(replica: &Server) {
    eventually(async || {
        (replica.info("master_link_status").await.as_deref() == Some("up")).then_some(())
    })
    .await;
}

pub(super) async fn length(server: &Server) -> i64 {
    match server.command(&["XLEN", "{tidings}:log"]).await {
        Value::Int(length) => length,
        other => panic!("{other:?}"),
    }
}

/// Tries an append until it is no longer in doubt.
async fn settled(redis: &Redis, epoch: tidings_journal::Epoch, text: &str) -> Result<(), Failure> {
    eventually(async || match append(redis, epoch, &group(text)).await {
        Err(Failure::Unsure(_)) => None,
        result => Some(result.map(drop)),
    })
    .await
}

#[tokio::test]
async fn a_promoted_replica_that_lacks_groups_takes_none_until_the_log_is_opened_again() {
    let mut pair = pair().await;
    let epoch = open(&pair.redis).await.state.epoch;
    append(&pair.redis, epoch, &group("both have it"))
        .await
        .unwrap();
    eventually(async || (length(&pair.replica).await == 2).then_some(())).await;
    pair.between.set(Fault::Stall);
    append(&pair.redis, epoch, &group("lost")).await.unwrap();
    pair.primary.kill();
    pair.replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    pair.front.redirect(pair.replica.address());
    pair.front.cut();

    assert!(matches!(
        settled(&pair.redis, epoch, "refused").await,
        Err(Failure::Reopen(_))
    ));
    let next = opening();
    let state = open_with(&pair.redis, &next).await.state;
    assert_eq!((state.epoch, state.head), (next.epoch.0, Mark(3)));
    append(&pair.redis, state.epoch, &group("new"))
        .await
        .unwrap();
    let texts = chained(
        &groups(&pair.redis, Mark(2)).await,
        Tag::of(b"both have it"),
    );
    assert_eq!(texts, [format!("epoch {}", state.epoch), "new".to_owned()]);
}

#[tokio::test]
async fn a_failover_and_back_is_noticed_at_each_step() {
    let pair = pair().await;
    let first = open(&pair.redis).await.state.epoch;
    eventually(async || (length(&pair.replica).await == 1).then_some(())).await;
    let mut epochs = vec![first];
    let (mut old, mut new) = (&pair.primary, &pair.replica);
    for _ in 0..2 {
        // The new one takes over, and the old one follows it.
        new.command(&["REPLICAOF", "NO", "ONE"]).await;
        old.command(&["REPLICAOF", "127.0.0.1", &new.port().to_string()])
            .await;
        pair.front.redirect(new.address());
        pair.front.cut();
        let epoch = *epochs.last().unwrap();
        assert!(matches!(
            settled(&pair.redis, epoch, "refused").await,
            Err(Failure::Reopen(_))
        ));
        let state = open(&pair.redis).await.state;
        assert!(!epochs.contains(&state.epoch));
        epochs.push(state.epoch);
        append(&pair.redis, state.epoch, &group("x")).await.unwrap();
        in_sync(old).await;
        eventually(async || (length(old).await == length(new).await).then_some(())).await;
        (old, new) = (new, old);
    }
    assert_eq!(groups(&pair.redis, Mark(0)).await.len(), 5);
}

/// Both take writes for a while; the node comes back to the one that knows nothing of the other.
#[tokio::test]
async fn a_split_brain_is_ended_by_distrust() {
    let pair = pair().await;
    let first = open(&pair.redis).await.state.epoch;
    eventually(async || (length(&pair.replica).await == 1).then_some(())).await;
    pair.replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    pair.front.redirect(pair.replica.address());
    pair.front.cut();
    settled(&pair.redis, first, "refused").await.unwrap_err();
    let second = open(&pair.redis).await.state.epoch;
    append(&pair.redis, second, &group("there")).await.unwrap();

    pair.front.redirect(pair.primary.address());
    pair.front.cut();
    assert!(matches!(
        settled(&pair.redis, second, "refused").await,
        Err(Failure::Reopen(_))
    ));
    let back = open(&pair.redis).await.state;
    assert_eq!(
        (back.epoch, back.head),
        (first, Mark(1)),
        "that server has lost nothing of its own"
    );
    let mut distrustful = opening();
    distrustful.distrusted = Some(first);
    let third = pair.redis.open(&distrustful).await.unwrap().state;
    assert_eq!((third.epoch, third.head), (distrustful.epoch.0, Mark(2)));
}

#[tokio::test]
async fn a_demoted_server_is_left() {
    let pair = pair().await;
    let epoch = open(&pair.redis).await.state.epoch;
    let mut follow = pair.redis.follow(Mark(0)).await.unwrap();
    next_groups(&mut *follow).await.unwrap();
    pair.replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    pair.primary
        .command(&["REPLICAOF", "127.0.0.1", &pair.replica.port().to_string()])
        .await;
    // The connections stand; only what the server says has changed.
    assert!(matches!(
        append(&pair.redis, epoch, &group("x")).await,
        Err(Failure::Reopen(_))
    ));
    assert!(matches!(end(&mut *follow).await, Failure::Unsure(_)));
    // It was the primary once, so another one is on its way.
    assert!(matches!(
        pair.redis.open(&opening()).await,
        Err(Failure::Unsure(_))
    ));
    // Who begins with a replica has the wrong address.
    let failure = redis(&pair.primary.url())
        .open(&opening())
        .await
        .unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("REDIS_URL")),
        "{failure}"
    );
}

#[tokio::test]
async fn a_group_waits_for_the_replicas_that_were_asked_for() {
    let pair = pair().await;
    let mut options = options(&pair.primary.url());
    options.replicas = 1;
    options.limit = std::time::Duration::from_secs(10);
    let redis = Redis::new(options);
    let opened = open(&redis).await;
    assert!(
        opened.promise.contains("1 replicas, of which 1 must have"),
        "{}",
        opened.promise
    );
    append(&redis, opened.state.epoch, &group("one"))
        .await
        .unwrap();
    assert_eq!(length(&pair.replica).await, 2);
    pair.between.set(Fault::Stall);
    let failure = append(&redis, opened.state.epoch, &group("two"))
        .await
        .unwrap_err();
    assert!(
        matches!(&failure, Failure::Unsure(text) if text.contains("REDIS_REPLICAS")),
        "{failure}"
    );
    assert_eq!(
        length(&pair.primary).await,
        3,
        "it is in the log all the same"
    );
}
