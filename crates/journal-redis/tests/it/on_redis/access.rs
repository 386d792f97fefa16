//! Logins, rights, encryption, and servers that are not set up for a log.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tidings_journal_redis::{Options, Promise, Redis, Whereabouts};
use tidings_journal_shared::broker::{Broker as _, Failure, Mark};

use crate::support::{
    Server, append, free_port, group, groups, next_groups, open, opening, options, redis,
};

/// What a user needs, and nothing else. The documentation of operators says the same.
const RIGHTS: &str = "~{tidings}:* +evalsha +script|load +info +hmget +hset +del +unlink +exists \
                      +persist +time +xadd +xread +xrange +xrevrange +xtrim +get +set +wait";

#[tokio::test]
async fn a_user_without_config_suffices() {
    let server = Server::with(&format!("user app on >pw {RIGHTS}"));
    let url = format!("redis://app:pw@127.0.0.1:{}", server.port());
    let redis = redis(&url);
    let opened = redis.open(&opening()).await.unwrap();
    let epoch = opened.state.epoch;
    append(&redis, epoch, &group("x")).await.unwrap();
    redis.send("m".into()).await.unwrap();
    let mut follow = redis.follow(Mark(0)).await.unwrap();
    next_groups(&mut *follow).await.unwrap();
    let snapshot = tidings_journal_shared::broker::SnapshotId("s".to_owned());
    for (expected, name) in [(0, "a"), (1, "b"), (2, "c")] {
        let snapshot = tidings_journal_shared::broker::SnapshotId(format!("{}{name}", snapshot.0));
        redis.write_chunk(&snapshot, 0, "s".into()).await.unwrap();
        let (expected, trimmed) = (Mark(expected), Mark(expected + 1));
        let commit = tidings_journal_shared::broker::Commit {
            epoch,
            snapshot,
            chunks: 1,
            taken_at: Mark(2),
            expected,
            trimmed,
        };
        assert_eq!(
            redis.commit(&commit).await,
            Ok(expected.0 < 2),
            "the log has two groups"
        );
    }
    assert_eq!(groups(&redis, Mark(2)).await.len(), 0);

    let mut strict = options(&url);
    strict.sync = Promise::Always;
    let failure = Redis::new(strict).open(&opening()).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("JOURNAL_SYNC=always")),
        "{failure}"
    );
}

#[tokio::test]
async fn a_login_that_is_refused_is_said_without_the_password() {
    let server = Server::with("requirepass right");
    for login in ["", ":wrong-secret@", "nobody:wrong-secret@"] {
        let redis = redis(&format!("redis://{login}127.0.0.1:{}", server.port()));
        let failure = redis.open(&opening()).await.unwrap_err();
        let Failure::Unusable(text) = &failure else {
            panic!("{failure:?}");
        };
        assert!(
            text.contains("REDIS_URL") && !text.contains("wrong-secret"),
            "{text}"
        );
    }
    let good = format!("redis://:right@127.0.0.1:{}", server.port());
    open(&redis(&good)).await;
    assert!(
        !format!("{:?}", options(&good)).contains("right"),
        "{:?}",
        options(&good)
    );
}

/// Too many clients is no wrong login, though the server says it in answer to one.
#[tokio::test]
async fn a_server_with_too_many_clients_is_in_doubt() {
    let server = Server::with("maxclients 2\nrequirepass pw");
    let url = format!("redis://:pw@127.0.0.1:{}", server.port());
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(client.get_multiplexed_async_connection().await.unwrap());
    }
    let failure = redis(&url).open(&opening()).await.unwrap_err();
    assert!(matches!(failure, Failure::Unsure(_)), "{failure:?}");
    drop(held);
    open(&redis(&url)).await;
}

#[tokio::test]
async fn a_database_of_its_own_is_selected() {
    let server = Server::start();
    open(&redis(&format!("{}/3", server.url()))).await;
    assert_eq!(
        server.command(&["EXISTS", "{tidings}:log"]).await,
        redis::Value::Int(0)
    );
    assert!(server.info("db3").await.is_some());
}

#[tokio::test]
async fn a_unix_socket_is_a_server_too() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let _server = Server::with(&format!("unixsocket {}", socket.display()));
    let redis = redis(&format!("unix://{}", socket.display()));
    let epoch = open(&redis).await.state.epoch;
    append(&redis, epoch, &group("x")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_would_evict_the_log_is_refused() {
    let server = Server::with("maxmemory-policy allkeys-lru");
    let failure = redis(&server.url()).open(&opening()).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("noeviction")),
        "{failure}"
    );
}

#[tokio::test]
async fn a_cluster_is_refused_with_the_reason() {
    let server = Server::with("cluster-enabled yes");
    let failure = redis(&server.url()).open(&opening()).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unusable(text) if text.contains("cluster mode")),
        "{failure}"
    );
}

#[tokio::test]
async fn a_promise_is_compared_with_what_the_server_does() {
    let memory = Server::start();
    let second = Server::durable();
    let always = Server::with("appendonly yes\nappendfsync always");
    let verdict = async |server: &Server, sync| {
        let mut options = options(&server.url());
        options.sync = sync;
        Redis::new(options)
            .open(&opening())
            .await
            .map(|opened| opened.promise)
    };
    let interval = Promise::Interval(Duration::from_secs(1));
    assert!(verdict(&memory, Promise::Broker).await.is_ok());
    assert!(matches!(
        verdict(&memory, interval).await,
        Err(Failure::Unusable(_))
    ));
    assert!(matches!(
        verdict(&second, Promise::Always).await,
        Err(Failure::Unusable(_))
    ));
    assert!(
        verdict(&second, interval)
            .await
            .unwrap()
            .contains("within a second")
    );
    assert!(
        verdict(&always, Promise::Always)
            .await
            .unwrap()
            .contains("before an event is answered")
    );
}

#[tokio::test]
async fn an_encrypted_connection_needs_a_certificate_that_is_vouched_for() {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let server_key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&server_key, &issuer)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("cert"), certificate.pem()).unwrap();
    std::fs::write(path("key"), server_key.serialize_pem()).unwrap();
    let port = free_port();
    let _server = Server::with(&format!(
        "tls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-auth-clients no",
        path("cert"),
        path("key")
    ));
    let url: tidings_journal_redis::Url = format!("rediss://localhost:{port}").parse().unwrap();
    let trusting = Options {
        authorities: Some(pem.into_bytes()),
        ..Options::new(Whereabouts::Url(url.clone()))
    };
    let redis = Redis::new(trusting);
    let epoch = open(&redis).await.state.epoch;
    append(&redis, epoch, &group("x")).await.unwrap();
    let failure = Redis::new(Options::new(Whereabouts::Url(url)))
        .open(&opening())
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Unsure(_)), "{failure}");
}
